from datetime import date

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
import xarray as xr
from odc.geo.geobox import GeoBox

from minewatch.errors import SettingsError
from minewatch.grid import PatchGrid
from minewatch.imagery import SceneQuery, open_source
from minewatch.scan._merge_file import read_detections, write_detections
from minewatch.scan._merge_polygons import area_ha, unite_squares
from minewatch.scan._outline import (
    BANDS,
    Mask,
    OutlineRule,
    _blocks,
    _cut,
    mask_ground,
    outline_detections,
    outline_files,
)

FOREST, SAND, WATER = [0.05, 0.03, 0.40, 0.15], [0.2, 0.25, 0.30, 0.4], [0.1, 0.1, 0.05, 0.02]


def paint(rows):
    """Paint pixels: f forest, s sand, w water, . nothing known."""
    colours = {"f": FOREST, "s": SAND, "w": WATER, ".": [np.nan] * 4}
    values = np.array([[colours[letter] for letter in row] for row in rows]).transpose(2, 0, 1)
    return xr.DataArray(values, dims=("band", "y", "x"), coords={"band": list(BANDS)})


def letters(mask):
    """Write a mask as letters: b bare, p pond, . unknown, - neither."""
    marks = np.full(mask.bare.shape, "-")
    marks[mask.bare], marks[mask.pond], marks[mask.unknown] = "b", "p", "."
    return ["".join(row) for row in marks]


def test_ponds_are_water_beside_bare_ground_and_no_larger_than_a_pond():
    seen = paint(["ffffffffff", "fsswwffffw", "fsswwffffw", "ffffffffff"])
    assert letters(mask_ground(seen, OutlineRule(reach_m=20.0))) == [
        "----------", "-bbpp-----", "-bbpp-----", "----------",
    ]  # fmt: skip
    river = OutlineRule(max_pond_ha=0.03)
    assert letters(mask_ground(seen, river))[1] == "-bb-------"


def test_specks_are_left_out_and_pixels_without_data_are_neither():
    seen = paint(["sffff", "fffss", ".ffss"])
    assert letters(mask_ground(seen)) == ["-----", "---bb", ".--bb"]
    assert letters(mask_ground(seen, OutlineRule(least_ha=0.0)))[0] == "b----"


def test_a_rule_out_of_range_is_refused():
    with pytest.raises(SettingsError, match="max_ndvi"):
        OutlineRule(max_ndvi=2.0)


def windows_of(sites):
    """Merge the patches of sites to detections."""
    boxes = [PatchGrid().geobox(point.x, point.y) for point in sites.geometry]
    squares = np.array([shapely.box(*box.boundingbox.bbox) for box in boxes])
    zones = np.array([box.crs.epsg % 100 for box in boxes])
    shapes = unite_squares(squares, zones, gap_m=0.0, is_exact=True)
    index = pd.Index([f"d{i}" for i in range(len(shapes))], name="detection_id", dtype="str")
    return gpd.GeoDataFrame(index=index, geometry=shapes, crs="EPSG:4326")


@pytest.fixture(scope="module")
def outlined(toy_valley, toy_sites, toy_archive):
    """Outline the patches with mines in the small archive."""
    detections = windows_of(toy_sites[toy_sites["label"] == 1])
    query = SceneQuery(start="2022-01-01", end="2023-12-31")
    return detections, outline_detections(detections, open_source(toy_archive), query)


def test_hectares_of_ground_are_nearer_the_truth_than_hectares_of_windows(outlined, toy_valley):
    detections, outlines = outlined
    mines = toy_valley.mines[toy_valley.mines["opened"] <= pd.Timestamp(date(2022, 12, 31))]
    mined = shapely.intersection(detections.geometry.to_numpy(), mines.geometry.union_all())
    truth = area_ha(mined).sum()
    assert outlines["area_ha"].sum() > 3.0 * truth
    assert abs(outlines["ground_ha"].sum() - truth) < 0.4 * truth
    hit = area_ha(shapely.intersection(outlines.geometry.to_numpy(), mined)).sum()
    assert hit > 0.6 * truth
    assert hit > 0.6 * outlines["ground_ha"].sum()


def test_outlines_lie_within_their_detections_and_add_up(outlined):
    detections, outlines = outlined
    beyond = shapely.difference(outlines.geometry.to_numpy(), detections.geometry.to_numpy())
    assert area_ha(beyond).sum() < 1e-4
    assert np.allclose(outlines["ground_ha"], outlines["bare_ha"] + outlines["pond_ha"])
    assert np.allclose(outlines["ground_ha"], area_ha(outlines.geometry.to_numpy()), rtol=1e-6)
    assert (outlines["ground_ha"] <= outlines["area_ha"]).all()
    assert (outlines.geom_type == "MultiPolygon").all()
    assert outlines["reason"].isna().all()
    assert "toy" in outlines.attrs["attribution"].lower()


def test_ground_beyond_the_imagery_is_not_seen_and_not_bare(toy_archive, toy_area: GeoBox):
    _, south, east, _ = toy_area.boundingbox.bbox
    box = gpd.GeoSeries([shapely.box(east - 240, south, east + 240, south + 480)], crs=toy_area.crs)
    detections = gpd.GeoDataFrame(geometry=box.to_crs(4326).to_numpy(), crs=4326, index=["d"])
    query = SceneQuery(start="2022-01-01", end="2023-12-31")
    found = outline_detections(detections, open_source(toy_archive), query).iloc[0]
    assert found["not_seen_ha"] == pytest.approx(0.24 * 48, rel=0.02)
    assert found["ground_ha"] + found["not_seen_ha"] <= found["area_ha"]


def test_large_detections_are_read_in_blocks_and_give_the_same(toy_archive, toy_area, monkeypatch):
    shape = gpd.GeoSeries([toy_area.extent.geom], crs=toy_area.crs).to_crs(4326).to_numpy()
    detections = gpd.GeoDataFrame(geometry=shape, crs=4326, index=["d"])
    query = SceneQuery(start="2022-01-01", end="2023-12-31")
    rule = OutlineRule(least_ha=0.0, max_pond_ha=0.0)  # what depends on no more than the pixel
    source = open_source(toy_archive)
    whole = outline_detections(detections, source, query, rule=rule)
    monkeypatch.setattr("minewatch.scan._outline._BLOCK_M", 780.0)
    parts = outline_detections(detections, source, query, rule=rule)
    assert parts["bare_ha"].iloc[0] == pytest.approx(whole["bare_ha"].iloc[0], rel=1e-4)
    assert shapely.symmetric_difference(whole.geometry.iloc[0], parts.geometry.iloc[0]).area < 1e-9


def test_ground_that_ends_at_the_edge_of_windows_is_valid_and_its_parts_unite():
    rng, rule = np.random.default_rng(0), OutlineRule(margin_m=60.0)
    for _ in range(60):
        left, top = 60 * rng.integers(7_000, 9_000), 60 * rng.integers(11_000, 12_500)
        square = shapely.box(left, top - 240, left + 240, top)
        window = unite_squares(np.array([square]), np.array([20]), gap_m=0.0, is_exact=True)[0]
        geobox = next(_blocks(window, 32620, rule))
        bare = rng.random(geobox.shape.yx) < 0.5
        mask = Mask(bare, ~bare, np.zeros_like(bare))
        found = _cut(window, geobox, 32620, mask, rule)
        assert found.bare.is_valid
        assert found.pond.is_valid
        whole = shapely.union(found.bare, found.pond)
        assert shapely.symmetric_difference(whole, window).area < 1e-5 * window.area


def test_outlines_of_a_file_say_how_they_were_made(outlined, toy_archive, tmp_path):
    detections, _ = outlined
    file = write_detections(detections.head(1), tmp_path / "d.parquet", made={})[0]
    query = SceneQuery(start="2022-01-01", end="2023-12-31")
    source = open_source(toy_archive)
    _, files = outline_files(file, tmp_path / "outlines.parquet", source, query, geojson=True)
    header = read_detections(files[0]).attrs["minewatch"]
    assert header["settings"]["rule"]["max_ndvi"] == 0.4
    assert header["settings"]["query"]["start"] == "2022-01-01"
    assert set(header["inputs"]) == {"d.parquet"}
    assert [one.suffix for one in files] == [".parquet", ".geojson"]
