"""The stage `context` of a study whose map comes from an Overpass server."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely

from minewatch import sites, toy
from minewatch._http import RetryPolicy
from minewatch.context import OverpassSource, extract_features, open_context
from minewatch.errors import ContextError, CoverageWarning
from minewatch.study import _context, run_study

VALLEY = toy.Valley(seed=4, width_m=12_000, height_m=9_000)
SETTINGS = """
[sites]
files = ["places.geojson"]

[patches]
kind = "arrays"
files = ["patches.npz"]
bands = ["B04", "B03", "B02"]
level = "L2A"
row_column = "row"
cut = "grid"

[context]
source = "overpass"
radii_m = [500, 2000]
"""
STAGES = ["sites", "patches", "context"]


@pytest.fixture(scope="module")
def overpass() -> ModuleType:
    """Give the module of the Overpass server."""
    name, file = "minewatch_test_overpass_server", Path(__file__).parents[1] / "overpass_server.py"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, file)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="module")
def valley_map(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the valley's map."""
    return toy.write_osm(VALLEY, tmp_path_factory.mktemp("map") / "valley.osm.pbf")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Write a small study without a map."""
    table = VALLEY.sites(n_mining=3, n_background=4)
    pixels = VALLEY.pixels(table, bands="rgb").transpose("site", "y", "x", "band")
    sites.write_sites(table.assign(row=np.arange(len(table))), tmp_path / "places.geojson")
    np.savez(tmp_path / "patches.npz", patches=pixels.to_numpy())
    (tmp_path / "study.toml").write_text(SETTINGS)
    return tmp_path


@pytest.fixture
def serve(
    overpass: ModuleType, valley_map: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Any]]:
    """Serve the valley's map at the address that `overpass` stands for, and wait for nothing."""
    running, extract = ExitStack(), overpass.Extract(valley_map)

    def start(**settings: Any) -> Any:
        served = running.enter_context(overpass.serve_overpass(extract, **settings))
        retry = RetryPolicy(attempts=4, first_wait_s=0.0, longest_wait_s=0.0, patience=1_000)
        near = partial(OverpassSource, url=served.url, retry=retry, pause_s=0.0, max_area_km2=50.0)
        monkeypatch.setattr(_context, "OverpassSource", near)
        return served

    with running:
        yield start


def from_file(study: Path, valley_map: Path) -> pd.DataFrame:
    """Extract what the map's file holds in the area that the server was asked for."""
    asked = open_context(study / "context").features.info["asked"]
    with pytest.warns(CoverageWarning):  # the valley ends within the radius of some sites
        return extract_features(valley_map, shapely.from_wkt(asked)).table


def test_a_server_gives_a_study_what_the_file_gives(
    study: Path, serve: Callable[..., Any], valley_map: Path
) -> None:
    server = serve(fault_rate=0.5)
    result = run_study(study, only=STAGES)[-1]
    made, expected = open_context(study / "context"), from_file(study, valley_map)
    found = made.features.table
    assert list(found.index) == list(expected.index)
    assert len(found) > 50
    assert found.geometry.geom_equals_exact(expected.geometry, 1e-7).all()
    assert result.summary.startswith(f"{len(found)} features in 9 layers")
    assert "as of 2024-05-01, 9 channels drawn" in result.summary
    assert made.info["attribution"] == "© OpenStreetMap contributors, ODbL 1.0"
    assert made.features.info["source"]["kind"] == "overpass"
    asked = len(server.asked.queries)
    assert asked > 2
    again = run_study(study, only=STAGES)[-1]
    assert (again.action, len(server.asked.queries)) == ("skipped", asked)


def test_a_server_that_is_down_ends_the_stage_and_what_came_is_not_asked_for_again(
    study: Path, serve: Callable[..., Any]
) -> None:
    server = serve()
    good = run_study(study, only=STAGES)[-1]
    expected = (study / "context" / "measures.parquet").read_bytes()
    assert good.action == "ran"
    text = (study / "study.toml").read_text()
    (study / "study.toml").write_text(text.replace("[500, 2000]", "[500, 3000]"))
    serve(fault_rate=1.0, faults=("504",), in_a_row=None)
    with pytest.raises(ContextError, match=r"in study\.toml source = \"venezuela\""):
        run_study(study, only=STAGES)
    assert (study / "context" / "measures.parquet").read_bytes() == expected
    serve()
    assert run_study(study, only=STAGES)[-1].action == "ran"
    assert "highway_3000m_count" in open_context(study / "context").table
    assert len(server.asked.queries) > 0


def test_the_date_of_a_study_is_asked_of_the_server(study: Path, serve: Callable[..., Any]) -> None:
    server = serve()
    text = (study / "study.toml").read_text()
    dated = 'source = "overpass"\ndate = "2024-03-01T00:00:00Z"'
    (study / "study.toml").write_text(text.replace('source = "overpass"', dated))
    run_study(study, only=STAGES)
    assert all('[date:"2024-03-01T00:00:00Z"]' in query for query in server.asked.queries)
