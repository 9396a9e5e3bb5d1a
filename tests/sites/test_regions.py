"""Polygons from files: what is left out, or mended, is said."""

import geopandas as gpd
import pytest
import shapely

from minewatch.errors import ShapeWarning
from minewatch.sites._regions import read_polygons

SQUARE = shapely.box(-62.60, 5.40, -62.59, 5.41)
BOW_TIE = shapely.Polygon([(-62.5, 5.4), (-62.4, 5.5), (-62.4, 5.4), (-62.5, 5.5)])


def test_rows_without_a_shape_and_rings_that_cross_are_counted(tmp_path):
    shapes = [SQUARE, None, shapely.Polygon(), BOW_TIE]
    path = tmp_path / "mines.parquet"
    gpd.GeoDataFrame({"name": list("abcd")}, geometry=shapes, crs="EPSG:4326").to_parquet(path)
    with pytest.warns(ShapeWarning) as told:
        table = read_polygons(path)
    words = (
        f"{path}: rows without a shape, which are left out: 2 of 4; shapes that cross themselves, "
        "which were mended: 1 of 4"
    )
    assert [str(one.message) for one in told] == [words]
    assert table["name"].tolist() == ["a", "d"]
    assert shapely.is_valid(table.geometry.to_numpy()).all()


def test_sound_polygons_are_read_without_a_word(tmp_path):
    path = tmp_path / "mines.gpkg"
    gpd.GeoDataFrame(geometry=[SQUARE], crs="EPSG:4326").to_file(path)
    assert len(read_polygons(path)) == 1
