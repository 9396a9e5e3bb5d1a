"""The rasters of a map, checked by rio-cogeo and read by GDAL."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
import xarray as xr
from lxml import etree
from odc.geo.geobox import GeoBox
from rasterio.enums import ColorInterp
from rio_cogeo.cogeo import cog_validate

from minewatch.errors import CoverageWarning, InputError
from minewatch.imagery import FolderSource, SceneQuery
from minewatch.imagery._footprints import place_polygon
from minewatch.maps import Composite, Period, load_imagery, write_files
from minewatch.maps._raster import grid_scores
from minewatch.maps._raster_load import average, ground_of, load_composite, plan_mosaic
from minewatch.scan import read_scores

_spec = importlib.util.spec_from_file_location(
    "minewatch_test_maps_maker", Path(__file__).with_name("maps_maker.py")
)
maker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(maker)

YEAR = SceneQuery(start="2023-01-01", end="2023-12-31")


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    """Gather a made-up scan."""
    return maker.make_contents(tmp_path_factory.mktemp("scan"))


def is_valid_cog(path):
    valid, errors, warnings = cog_validate(path, strict=True, quiet=True)
    return valid and not errors and not warnings


@pytest.mark.parametrize("epsg", [32620, 32721])
def test_a_cell_has_the_mean_and_the_greatest_of_the_windows_over_it(tmp_path, epsg):
    scores = read_scores(maker.make_scan(tmp_path / "scan", epsg=epsg))
    [grid] = grid_scores(scores)
    assert grid.epsg == epsg
    _, rows, columns = grid.values.shape
    rng = np.random.default_rng(0)
    for row, column in rng.integers(0, [rows, columns], (60, 2)).tolist():
        x = grid.transform.c + (column + 0.5) * grid.transform.a
        y = grid.transform.f + (row + 0.5) * grid.transform.e
        over = scores[
            (scores["left_m"] < x)
            & (scores["left_m"] + scores["size_m"] > x)
            & (scores["top_m"] > y)
            & (scores["top_m"] - scores["size_m"] < y)
        ]["score"].dropna()
        mean, most, count = grid.values[:, row, column]
        if over.empty:
            assert np.isnan([mean, most, count]).all()
        else:
            assert mean == pytest.approx(over.mean(), rel=1e-6)
            assert most == pytest.approx(over.max())
            assert count == len(over)


def test_windows_whose_step_does_not_divide_their_side_still_tile_the_cells():
    windows = maker.windows_maker.make_windows(32620, [0, 1], [9, 9], [0.2, 0.6], stride_m=180)
    [grid] = grid_scores(windows)
    assert grid.transform.a == 60.0
    np.testing.assert_allclose(grid.values[0, 0], [0.2] * 3 + [0.4] * 5 + [0.6] * 3, rtol=1e-6)


def test_scores_are_a_valid_cog_that_lies_where_the_windows_lie(contents, tmp_path):
    write_files(contents, tmp_path / "maps", formats=["cog"])
    path = tmp_path / "maps" / "scores.tif"
    assert is_valid_cog(path)
    with rasterio.open(path) as raster:
        assert raster.crs.to_epsg() == 32620
        assert raster.descriptions == ("score_mean", "score_max", "windows")
        assert np.isnan(raster.nodata)
        most = raster.read(2)
        tags = raster.tags()
        for _, row in contents.detections.iterrows():
            [value] = raster.sample([_metres(row, raster.crs)], indexes=2)
            assert value[0] <= row["score_max"] + 1e-6
        np.testing.assert_allclose(np.nanmax(most), contents.scores["score"].max())
    assert tags["attribution"] == maker.CREDIT
    assert tags["threshold"].startswith("0.5")
    assert tags["TIFFTAG_COPYRIGHT"] == maker.CREDIT


def _metres(row, crs):
    from rasterio.warp import transform

    x, y = transform("EPSG:4326", crs, [row["longitude"]], [row["latitude"]])
    return x[0], y[0]


def test_scores_of_several_zones_are_a_file_each_and_none_is_resampled(contents, tmp_path):
    both = [
        read_scores(maker.make_scan(tmp_path / str(epsg), epsg=epsg)) for epsg in (32620, 32621)
    ]
    scores = both[0].__class__(np.concatenate(both), columns=both[0].columns).astype(both[0].dtypes)
    write_files(replace(contents, scores=scores), tmp_path / "maps", formats=["cog"])
    for zone in (32620, 32621):
        path = tmp_path / "maps" / f"scores_{zone}.tif"
        assert is_valid_cog(path)
        with rasterio.open(path) as raster:
            assert raster.crs.to_epsg() == zone
            assert set(np.unique(raster.read(3))) >= {1.0, 2.0, 4.0}


def test_a_composite_is_a_valid_cog_with_every_number_kept(contents, tmp_path):
    rng = np.random.default_rng(1)
    numbers = rng.integers(1, 12_000, (5, 700, 600)).astype(np.float32)
    numbers[:, :90, :80] = np.nan
    box = GeoBox((700, 600), rasterio.Affine(10, 0, 480_000, 0, -10, 600_000), "EPSG:32620")
    bands = ["B02", "B03", "B04", "B08", "B11"]
    reflectance = xr.DataArray(
        numbers * np.float32(1e-4), dims=("band", "y", "x"), coords={"band": bands}
    )
    shown = Composite("2024", reflectance, box, "L2A", "somebody © 2024–2025")
    write_files(replace(contents, composites=(shown,)), tmp_path / "maps", formats=["cog"])
    path = tmp_path / "maps" / "composite_2024.tif"
    assert is_valid_cog(path)
    with rasterio.open(path) as raster:
        assert raster.descriptions == ("B04", "B03", "B02", "B08", "B11")
        assert raster.colorinterp[:3] == (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
        assert raster.scales == (1e-4,) * 5
        assert raster.transform == box.transform
        assert raster.overviews(1) == [2]
        read = raster.read([3, 2, 1, 4, 5]).astype(np.float32)
        assert raster.tags()["attribution"] == "somebody © 2024–2025"
        assert raster.tags()["TIFFTAG_COPYRIGHT"] == "somebody (c) 2024-2025"
        assert raster.tags()["period"] == "2024-01-01 to 2024-12-31"
    np.testing.assert_array_equal(read, np.nan_to_num(numbers, nan=0.0))


def test_styles_beside_rasters_are_xml_that_names_their_bands(contents, tmp_path):
    write_files(contents, tmp_path / "maps", formats=["cog"])
    style = etree.parse(tmp_path / "maps" / "scores.qml").getroot()
    items = [float(one.get("value")) for one in style.iter("item")]
    assert items == sorted(items)
    assert items[-1] == 1.0


def test_imagery_is_what_the_source_gives_block_by_block(contents, toy_archive, toy_area):
    source = FolderSource(toy_archive)
    ground = place_polygon(toy_area).buffer(-0.004)
    loaded = load_composite(source, YEAR, ground)
    assert loaded.geobox.resolution.x == 10.0
    assert "toy valley" in loaded.attribution
    alone = source.load(loaded.geobox, YEAR.model_copy(update={"bands": ("B04", "B11")}))
    mine = loaded.reflectance.sel(band=["B04", "B11"]).to_numpy()
    seen = np.isfinite(mine)
    assert seen.mean() > 0.1  # blocks are larger than the archive
    np.testing.assert_array_equal(mine[seen], alone["reflectance"].to_numpy()[seen])


def test_larger_ground_has_coarser_pixels_that_are_means(toy_archive, toy_area):
    source = FolderSource(toy_archive)
    ground = place_polygon(toy_area).buffer(-0.006)
    fine = load_composite(source, YEAR, ground)
    coarse = load_composite(source, YEAR, ground, most_px=1_500)
    factor = int(coarse.geobox.resolution.x / 10)
    assert factor > 2
    assert (coarse.geobox.transform.c, coarse.geobox.transform.f) == (
        fine.geobox.transform.c,
        fine.geobox.transform.f,
    )
    rows, columns = (side // factor for side in fine.geobox.shape)
    rows, columns = (
        min(rows, coarse.geobox.shape[0]),
        min(columns, coarse.geobox.shape[1]),
    )
    own = fine.reflectance.to_numpy()[:, : rows * factor, : columns * factor]
    expected = average(own, factor)
    both = np.isfinite(expected) & np.isfinite(coarse.reflectance[:, :rows, :columns].to_numpy())
    whole = np.isfinite(own).reshape(5, rows, factor, columns, factor).all(axis=(2, 4)) & both
    assert whole.mean() > 0.05
    np.testing.assert_allclose(
        coarse.reflectance[:, :rows, :columns].to_numpy()[whole], expected[whole], rtol=1e-5
    )


def test_imagery_is_loaded_for_the_period_of_the_map(contents, toy_archive, toy_area):
    west, south, east, north = place_polygon(toy_area).bounds
    middle = shapely.Point((west + east) / 2, (south + north) / 2).buffer(0.002)
    detections = contents.detections.iloc[:1].set_geometry([middle], crs="EPSG:4326")
    here = replace(contents, detections=detections, region=None, not_seen=None)
    both = replace(here, periods=(Period.parse("2022"), Period.parse("2023")))
    with pytest.warns(CoverageWarning, match="no imagery of 2022 on this ground"):
        with_image = load_imagery(both, FolderSource(toy_archive))
    [image] = with_image.composites
    assert image.period == "2023"
    assert np.isfinite(image.reflectance).any()
    assert image.attribution in with_image.attribution
    with pytest.warns(CoverageWarning, match="no imagery of 2024 on this ground"):
        without = load_imagery(here, FolderSource(toy_archive))
    assert without.composites == ()
    assert without.attribution == here.attribution


def test_ground_too_large_for_imagery_is_refused_before_anything_is_read(contents):
    with pytest.raises(InputError, match=r"km² would have to be read; expected 20,000 at most"):
        plan_mosaic(shapely.box(-70, -10, -60, 0))


def test_imagery_around_detections_reaches_a_kilometre_beyond_them(contents):
    ground = ground_of(replace(contents, region=None))
    for shape in contents.detections.geometry:
        assert ground.contains(shape.buffer(0.0085))
    assert ground_of(contents).equals(contents.region.geometry.iloc[0])


def test_polygons_with_scores_are_not_laid_on_a_grid(contents):
    windows = maker.windows_maker.squares(contents.scores).to_frame("geometry")
    with pytest.raises(InputError, match="lack epsg, left_m"):
        grid_scores(windows.assign(score=0.5))
