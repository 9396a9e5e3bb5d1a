"""Hectares of mining on a map: those that a reviewed sample of that very map says."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pyogrio
import pytest

from minewatch.errors import InputError, NotThereError
from minewatch.maps import Layers, gather_contents, write_files
from minewatch.maps._area import read_area
from minewatch.maps._contents import Period
from minewatch.maps._numbers import write_hectares
from minewatch.scan._area_run import SampleSettings, draw_files, estimate_files
from minewatch.sites import read_sites, write_sites

_spec = importlib.util.spec_from_file_location(
    "minewatch_test_maps_maker", Path(__file__).with_name("maps_maker.py")
)
maker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(maker)


@pytest.fixture(scope="module")
def scanned(tmp_path_factory):
    """Give a folder with a scan and its detections."""
    folder = tmp_path_factory.mktemp("study")
    maker.make_scan(folder / "scan")
    maker.make_detections(folder, folder / "scan")
    return folder


def review(folder, name, *, period=None, share=None):
    """Draw a sample, and fill it in: every third detected square and every fortieth other."""
    out = folder / name
    plan = SampleSettings(
        standard_error_ha=100,
        expected_share={"detected": 0.7, "doubtful": 0.1, "clear": 0.01},
        at_least=12,
    )
    draw_files(
        folder / "scan", folder / "detections.parquet", out, plan, period=period, overwrite=True
    )
    sample = read_sites(out)
    order = np.arange(len(sample))
    mining = np.where(sample["stratum"] == "detected", order % 3 == 0, order % 40 == 0)
    filled = sample.assign(label=pd.array(mining.astype(int), dtype="Int8"))
    if share is not None:
        filled = filled.drop(columns="label").assign(mining_share=np.where(mining, share, 0.0))
    write_sites(filled, out, overwrite=True)
    return out


def test_the_hectares_are_those_that_scan_area_says(scanned):
    sample = review(scanned, "labels.parquet")
    contents = gather_contents(scanned / "detections.parquet", Layers(reviewed=sample))
    said = estimate_files([sample])
    row, area = said.areas.loc["mining"], contents.area
    told = (area.area_ha, area.low_ha, area.high_ha, area.se_ha, area.mapped_ha)
    assert told == tuple(row[["area_ha", "low_ha", "high_ha", "se_ha", "mapped_ha"]])
    assert area.n_reviewed == len(read_sites(sample))
    assert area.framed_ha == said.strata["area_ha"].sum()
    assert (area.unit_m, area.confidence, area.is_ground) == (480.0, 0.95, False)
    assert area.right.value == said.accuracy.loc[("users", "mining"), "value"]
    assert area.found.high == said.accuracy.loc[("producers", "mining"), "high"]


def test_every_file_says_them(scanned, tmp_path):
    sample = review(scanned, "labels.parquet")
    contents = gather_contents(scanned / "detections.parquet", Layers(reviewed=sample))
    hectares = write_hectares(contents.area.area_ha)
    words = f"{hectares} of squares of 480 m with mining in them (95 % interval"
    formats = ["parquet", "geojson", "gpkg", "kml", "gpx", "csv"]
    write_files(contents, tmp_path / "maps", formats=formats)
    assert f"Area of mining: {words}" in (tmp_path / "maps" / "README.txt").read_text()
    for name in ("kml", "gpx", "geojson"):
        assert words in (tmp_path / "maps" / f"detections.{name}").read_text()
    header = pq.read_schema(tmp_path / "maps" / "detections.parquet").metadata[b"minewatch"]
    assert json.loads(header)["area"]["area_ha"] == contents.area.area_ha
    about = pyogrio.read_info(tmp_path / "maps" / "detections.gpkg", layer="detections")
    assert words in str(about["layer_metadata"])


def test_shares_of_squares_give_hectares_of_ground(scanned):
    sample = review(scanned, "shares.parquet", share=0.25)
    area = read_area(sample, scanned / "detections.parquet", None)
    whole = read_area(review(scanned, "labels.parquet"), scanned / "detections.parquet", None)
    assert area.is_ground
    assert area.area_ha == pytest.approx(whole.area_ha / 4)


def test_a_sample_of_another_map_is_refused(scanned, tmp_path):
    sample = review(scanned, "labels.parquet")
    maker.make_scan(tmp_path / "scan", seed=4)
    other = maker.make_detections(tmp_path, tmp_path / "scan")
    with pytest.raises(InputError, match="was not drawn from"):
        gather_contents(other, Layers(reviewed=sample))


def test_of_several_periods_the_maps_own_is_taken(scanned):
    sample = review(scanned, "period.parquet", period="2024")
    one = read_area(review(scanned, "labels.parquet"), scanned / "detections.parquet", None)
    own = Period.parse("2024")
    assert read_area(sample, scanned / "detections.parquet", own) == one
    with pytest.raises(InputError, match="a sample of 2024, and the map is of 2023"):
        read_area(sample, scanned / "detections.parquet", Period.parse("2023"))


def test_a_sample_that_nobody_reviewed_says_nothing(scanned, tmp_path):
    sample = review(scanned, "labels.parquet")
    with pytest.raises(NotThereError):
        read_area(tmp_path / "none.parquet", None, None)
    alone = tmp_path / "alone.parquet"
    alone.write_bytes(sample.read_bytes())
    with pytest.raises(NotThereError, match=r"alone\.strata\.json"):
        read_area(alone, None, None)


def test_what_cannot_be_told_is_null_in_json(scanned):
    sample = review(scanned, "labels.parquet")
    table = read_sites(sample)
    none = table.assign(label=pd.array([0] * len(table), dtype="Int8"))
    write_sites(none, sample, overwrite=True)
    area = read_area(sample, scanned / "detections.parquet", None)
    assert area.area_ha == 0.0
    assert area.may_hide_ha > 0.0
    values = json.loads(json.dumps(area.as_json(), allow_nan=False))
    assert values["found"] == {"value": None, "low": None, "high": None}
