import importlib.util
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from minewatch.context import (
    _request,
    draw_channels,
    measure_context,
    open_context,
    write_context,
    write_features,
)
from minewatch.errors import AlreadyThereError, DatasetError, InputError, NotThereError
from minewatch.grid import PatchGrid

_spec = importlib.util.spec_from_file_location(
    "minewatch_test_map_tables", Path(__file__).with_name("map_tables.py")
)
tables = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tables)

GRID = PatchGrid(size_px=8)


@pytest.fixture(scope="module")
def features():
    return tables.as_features(tables.scatter(np.random.default_rng(3), 60, (-62.6, 5.4)))


@pytest.fixture(scope="module")
def sites():
    places = np.random.default_rng(4).uniform((-62.7, 5.3), (-62.5, 5.5), (7, 2))
    return tables.site_table([*map(tuple, places), (np.nan, np.nan)])


def contents(folder):
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def test_what_was_written_is_opened_again(tmp_path, sites, features):
    made = write_context(tmp_path / "context", sites, features, grid=GRID)
    opened = open_context(tmp_path / "context")
    expected = measure_context(sites, features, grid=GRID)
    pd.testing.assert_frame_equal(opened.table, expected)
    geoboxes = {key: GRID.geobox(p.x, p.y) for key, p in sites.geometry.items() if np.isfinite(p.x)}
    drawn = draw_channels(geoboxes, features)
    for name in ("presence", "distance_m"):
        assert np.array_equal(opened.channels[name], drawn[name], equal_nan=True)
    assert list(opened.channels["site"].values) == list(geoboxes)
    assert opened.features.table.equals(features.table)
    assert opened.info["osm_timestamp"] == "2024-05-01T00:00:00Z"
    assert set(made.target_columns) | set(made.ordinary_columns) == set(made.table.columns)
    assert all(name.startswith("target_") for name in made.target_columns)


def test_what_names_the_target_is_drawn_beside_layers_when_asked_for(tmp_path, sites, features):
    plain = write_context(tmp_path / "plain", sites, features, layers=["natural"], grid=GRID)
    asked = write_context(
        tmp_path / "asked", sites, features, layers=["target", "natural"], grid=GRID
    )
    assert list(plain.channels["layer"].values) == ["natural"]
    assert list(asked.channels["layer"].values) == ["natural", "target"]
    pd.testing.assert_frame_equal(asked.table, plain.table)
    geoboxes = {key: GRID.geobox(p.x, p.y) for key, p in sites.geometry.items() if np.isfinite(p.x)}
    drawn = draw_channels(geoboxes, features, layers=["natural", "target"])
    assert np.array_equal(asked.channels["presence"], drawn["presence"])
    with pytest.raises(AlreadyThereError, match="other draws_target"):
        write_context(tmp_path / "plain", sites, layers=["natural", "target"], grid=GRID)


def test_nothing_is_made_where_no_features_are(tmp_path, sites):
    with pytest.raises(NotThereError, match="fetch features first"):
        write_context(tmp_path / "context", sites, grid=GRID)
    assert not (tmp_path / "context").exists()


def test_xarray_opens_the_channels(tmp_path, sites, features):
    write_context(tmp_path / "context", sites, features, grid=GRID)
    channels = xr.open_zarr(tmp_path / "context" / "channels.zarr", chunks=None)
    assert channels["presence"].dims == ("site", "layer", "y", "x")
    assert channels["presence"].dtype == np.uint8
    assert channels["distance_m"].attrs["units"] == "m"


def test_the_same_inputs_give_the_same_bytes(tmp_path, sites, features):
    for name in ("one", "two"):
        write_context(tmp_path / name, sites, features, grid=GRID)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_what_was_stopped_goes_on_and_gives_the_same_bytes(tmp_path, sites, features, monkeypatch):
    monkeypatch.setattr("minewatch.context._zarr.LOT_SITES", 2)
    write_context(tmp_path / "whole", sites, features, grid=GRID)

    def stop(step, done, _total):
        if step == "write channels" and done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_context(tmp_path / "context", sites, features, grid=GRID, progress=stop)
    with pytest.raises(NotThereError):
        open_context(tmp_path / "context")
    steps = []
    write_context(
        tmp_path / "context", sites, features, grid=GRID, progress=lambda *told: steps.append(told)
    )
    assert not any(step == "measure context" for step, *_ in steps)
    assert contents(tmp_path / "context") == contents(tmp_path / "whole")


def test_what_is_whole_is_not_made_again(tmp_path, sites, features):
    write_context(tmp_path / "context", sites, features, grid=GRID)
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "context").glob("*.parquet")}
    steps = []
    write_context(
        tmp_path / "context", sites, features, grid=GRID, progress=lambda *told: steps.append(told)
    )
    assert steps == []
    assert {file: file.stat().st_mtime_ns for file in before} == before


def test_the_context_of_other_inputs_is_replaced_only_when_allowed(tmp_path, sites, features):
    folder = tmp_path / "context"
    write_context(folder, sites, features, grid=GRID)
    before = contents(folder)
    with pytest.raises(AlreadyThereError, match="holds the context of other"):
        write_context(folder, sites, features, grid=GRID, radii_m=(700,))
    other = tables.as_features(features.table.iloc[:5])
    with pytest.raises(AlreadyThereError):
        write_context(folder, sites, other, grid=GRID)
    assert contents(folder) == before
    made = write_context(folder, sites, other, grid=GRID, radii_m=(700,), overwrite=True)
    assert "highway_700m_count" in made.table
    assert len(made.features.table) == 5


def test_features_that_were_fetched_into_the_folder_are_taken(tmp_path, sites, features):
    with pytest.raises(NotThereError, match="fetch"):
        write_context(tmp_path / "context", sites)
    write_features(features, tmp_path / "context" / "features.parquet")
    made = write_context(tmp_path / "context", sites, with_channels=False)
    assert made.channels is None
    assert made.summary()["sites"] == 8


def test_without_channels_other_patches_are_other_inputs_too(tmp_path, sites, features):
    def write(size_px, **options):
        grid = PatchGrid(size_px=size_px)
        boxes = {key: grid.geobox(*sites.geometry[key].coords[0]) for key in sites.index[:7]}
        options |= {"geoboxes": boxes, "with_channels": False}
        return write_context(tmp_path / "context", sites, features, **options).table

    small = write(4)
    with pytest.raises(AlreadyThereError):
        write(400)
    large = write(400, overwrite=True)
    expected = measure_context(sites, features, grid=PatchGrid(size_px=400))
    assert large["osm_in_patch"].equals(expected["osm_in_patch"])
    assert not large["osm_in_patch"].equals(small["osm_in_patch"])


@pytest.mark.parametrize(
    "name", ["features.parquet", "measures.parquet", "channels.zarr/zarr.json"]
)
def test_damage_is_seen(tmp_path, sites, features, name):
    folder = tmp_path / "context"
    write_context(folder, sites, features, grid=GRID)
    (folder / name).write_bytes(b"not what it was")
    with pytest.raises(DatasetError):
        open_context(folder)


def test_what_differs_is_named(tmp_path, sites, features, monkeypatch):
    write_context(tmp_path, sites, features, grid=GRID)
    with pytest.raises(AlreadyThereError, match="context of other radii_m;"):
        write_context(tmp_path, sites, grid=GRID, radii_m=(700,))
    with pytest.raises(AlreadyThereError, match="context of other sites or patches;"):
        write_context(tmp_path, sites.iloc[1:], grid=GRID)
    versions = _request.versions()
    monkeypatch.setattr(_request, "versions", lambda: {**versions, "shapely": "9.9"})
    with pytest.raises(AlreadyThereError, match=r"context of shapely .+ \(now 9\.9\);"):
        write_context(tmp_path, sites, grid=GRID)


def test_where_sites_lay_is_kept_apart_from_what_was_measured(tmp_path, sites, features):
    made = write_context(tmp_path, sites, features, grid=GRID)
    assert list(made.places.index) == list(made.table.index)
    assert np.array_equal(made.places, sites.get_coordinates(), equal_nan=True)
    assert not set(made.places.columns) & set(made.table.columns)


def test_another_version_is_refused(tmp_path, sites, features):
    folder = tmp_path / "context"
    write_context(folder, sites, features, grid=GRID, with_channels=False)
    header = json.loads((folder / "context.json").read_text())
    (folder / "context.json").write_text(json.dumps(header | {"format": "context 0"}))
    with pytest.raises(DatasetError, match="context 0"):
        open_context(folder)
    assert _request.versions().items() <= header["versions"].items()


@pytest.mark.parametrize("wrong", ["radii", "layers", "sites"])
def test_what_cannot_be_measured_replaces_nothing(tmp_path, sites, features, wrong):
    write_context(tmp_path, sites, features, grid=GRID)
    before = contents(tmp_path)
    other = tables.as_features(tables.scatter(np.random.default_rng(9), 20, (-62.6, 5.4)))
    settings = {"radii": {"radii_m": (500, 500)}, "layers": {"layers": ["canal"]}, "sites": {}}
    asked = pd.concat([sites, sites]) if wrong == "sites" else sites
    with pytest.raises(InputError):
        write_context(tmp_path, asked, other, grid=GRID, overwrite=True, **settings[wrong])
    assert contents(tmp_path) == before
    assert len(open_context(tmp_path).table) == len(sites)
