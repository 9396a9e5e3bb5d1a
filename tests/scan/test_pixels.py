"""The windows of a scan have the pixels of patches, however their ground was read."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minewatch.grid import PatchGrid
from minewatch.imagery import EarthEngineSource, FolderSource, SceneQuery
from minewatch.scan._pixels import plan_pieces, read_pieces
from minewatch.scan._windows import Windows
from minewatch.types import Failure

GRID = PatchGrid()
YEAR = {"start": "2023-01-01", "end": "2023-12-31", "bands": ("B04", "B08", "B11")}
queries = st.sampled_from(
    [
        SceneQuery(**YEAR),
        SceneQuery(**YEAR, resampling="bilinear", clear_dilation_px=2),
        SceneQuery(**YEAR, method="least_cloudy"),
        SceneQuery(**YEAR, max_cloud_percent=60),
    ]
)


def windows_in(area, west, south, across, down, stride):
    """A block of windows around a place of an area; 0 and 1 are its edges, others lie beyond."""
    box = area.boundingbox
    left = round((box.left + west * (box.right - box.left)) / 60) * 60
    top = round((box.bottom + south * (box.top - box.bottom)) / 60) * 60
    steps = np.arange(max(across, down), dtype=np.int64) * stride * 10
    tops, lefts = np.meshgrid(top - steps[:down], left + steps[:across], indexing="ij")
    return Windows(area.crs.epsg, lefts.ravel(), tops.ravel(), GRID)


def patches_at(source, query, windows):
    """Load the patches that a build would cut at the windows' centres."""
    centres = zip(*windows.centres(), strict=True)
    geoboxes = {str(n): GRID.geobox(*place) for n, place in enumerate(centres)}
    loaded = dict(source.load_many(geoboxes, query))
    assert not any(isinstance(one, Failure) for one in loaded.values())
    return [loaded[str(n)] for n in range(len(windows))]


def windows_of(source, query, windows):
    found = {}
    for piece in read_pieces(source, query, windows):
        for place, row, column in zip(
            piece.positions, piece.rows_px, piece.columns_px, strict=True
        ):
            cut = (slice(row, row + 48), slice(column, column + 48))
            assert place not in found
            found[int(place)] = piece.reflectance.to_numpy()[:, *cut], piece.clear_count[cut]
    return [found[n] for n in range(len(windows))]


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    query=queries,
    west=st.floats(-0.3, 0.9),
    south=st.floats(0.0, 1.3),
    across=st.integers(1, 5),
    down=st.integers(1, 5),
    stride=st.sampled_from([6, 12, 24, 48]),
)
def test_a_window_has_the_pixels_of_a_patch_built_at_its_centre(
    toy_archive, toy_area, query, west, south, across, down, stride
):
    source = FolderSource(toy_archive)
    windows = windows_in(toy_area, west, south, across, down, stride)
    found = windows_of(source, query, windows)
    for (values, counts), patch in zip(found, patches_at(source, query, windows), strict=True):
        np.testing.assert_array_equal(values, patch["reflectance"].to_numpy())
        np.testing.assert_array_equal(counts, patch["clear_count"].to_numpy())


def test_one_composite_of_all_the_ground_would_not_have_those_pixels(toy_archive, toy_area):
    # Or else the test before this one could not fail.
    source, query = FolderSource(toy_archive), SceneQuery(**YEAR)
    windows = windows_in(toy_area, -0.1, 1.1, 9, 12, 24)
    every = np.arange(len(windows))
    whole = source.load(windows.box_around(every), query)["reflectance"].to_numpy()
    differing = 0
    for n, (values, _) in enumerate(windows_of(source, query, windows)):
        row, column = (
            (windows.top_m.max() - windows.top_m[n]) // 10,
            (windows.left_m[n] - windows.left_m.min()) // 10,
        )
        cut = whole[:, row : row + 48, column : column + 48]
        differing += not np.array_equal(values, cut, equal_nan=True)
    assert differing > 0


def test_windows_are_read_together_where_nothing_parts_them_though_edges_run_through(
    toy_archive, toy_area
):
    source, query = FolderSource(toy_archive), SceneQuery(**YEAR)
    windows = windows_in(toy_area, 0.0, 1.0, 8, 8, 24)
    lots = list(plan_pieces(source, query, windows))
    assert sorted(np.concatenate(lots)) == list(range(64))
    assert len(lots) <= 24


def test_the_clearest_view_is_chosen_for_each_window_alone(toy_archive, toy_area):
    query = SceneQuery(**YEAR, method="least_cloudy")
    windows = windows_in(toy_area, 0.1, 0.9, 3, 2, 24)
    lots = list(plan_pieces(FolderSource(toy_archive), query, windows))
    assert [lot.tolist() for lot in lots] == [[n] for n in range(6)]


def test_a_source_that_tells_nothing_of_its_scenes_is_asked_for_each_window(maker):
    class Plain(maker.FormulaSource):
        is_seamless = None

    windows = Windows(32620, np.array([0, 60]) + 500_040, np.array([0, 0]) + 220_020, GRID)
    assert len(list(plan_pieces(Plain(), maker.QUERY, windows))) == 2
    assert len(list(plan_pieces(maker.FormulaSource(), maker.QUERY, windows))) == 1


@pytest.mark.parametrize("broken_scenes", ["leave_out"])
def test_what_is_left_out_for_a_tile_is_looked_for_again_for_its_windows(
    toy_archive, toy_area, tmp_path, broken_scenes
):
    import shutil

    archive = tmp_path / "archive"
    shutil.copytree(toy_archive, archive)
    file = min(archive.rglob("B04.tif"))
    content = bytearray(file.read_bytes())
    content[len(content) * 2 // 3 : len(content) * 2 // 3 + 64] = bytes(64)
    file.write_bytes(content)
    source = FolderSource(archive)
    query = SceneQuery(**YEAR, broken_scenes=broken_scenes)
    windows = windows_in(toy_area, 0.0, 1.0, 4, 4, 24)
    found = windows_of(source, query, windows)
    for (values, _), patch in zip(found, patches_at(source, query, windows), strict=True):
        np.testing.assert_array_equal(values, patch["reflectance"].to_numpy())


def test_scenes_are_searched_for_once_a_tile(toy_archive, toy_area, monkeypatch):
    source, query, asked = FolderSource(toy_archive), SceneQuery(**YEAR), []
    search = source._search
    loader = replace(source._loader, search=lambda *one: asked.append(one) or search(*one))
    monkeypatch.setattr(source, "_loader", loader)
    windows = windows_in(toy_area, 0.0, 1.0, 3, 3, 24)
    assert len(list(read_pieces(source, query, windows))) > 1
    assert len(asked) == 1


def test_earth_engine_is_read_in_large_pieces_where_every_image_counts():
    plain = EarthEngineSource("a-project")
    assert plain.is_seamless(SceneQuery(**YEAR))
    assert not plain.is_seamless(SceneQuery(**YEAR, method="least_cloudy"))
    assert not EarthEngineSource("a-project", views="passes").is_seamless(SceneQuery(**YEAR))
