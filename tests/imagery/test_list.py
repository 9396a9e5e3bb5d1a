"""The list of a place's scenes, for people and programs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pandas as pd
import pytest
import xarray as xr
from odc.geo.geobox import GeoBox

from minewatch.cli.imagery import _describe_scenes
from minewatch.grid import PatchGrid
from minewatch.imagery import SceneQuery
from minewatch.imagery._items import Scene
from minewatch.imagery._list import COLUMNS, list_scenes
from minewatch.imagery._source import SearchResult
from minewatch.types import Failure

PLACE = PatchGrid().geobox(-63.5, 4.9)
QUERY = SceneQuery(start="2023-01-01", end="2023-12-31", max_cloud_percent=50.0)


@dataclass(frozen=True)
class Shelf:
    """A catalogue that answers with what it was given."""

    found: SearchResult
    level: Literal["L1C", "L2A"] = "L2A"

    def search(self, geobox: GeoBox, query: SceneQuery) -> SearchResult:
        return self.found

    def load(self, geobox: GeoBox, query: SceneQuery) -> xr.Dataset:
        raise ConnectionError("nothing but the items is read")


@pytest.fixture
def table(make_scene: Callable[..., Scene]) -> pd.DataFrame:
    scenes = (
        make_scene(day="2023-05-01", id="may"),
        make_scene(day="2023-02-01", id="cloudy", eo__cloud_cover=90.0),
        make_scene(day="2023-01-02", id="january", eo__cloud_cover=None),
    )
    broken = Failure(key="broken", stage="imagery", reason="no MGRS tile")
    return list_scenes(Shelf(SearchResult(scenes, (broken,))), PLACE, QUERY)


def test_every_scene_is_a_row_in_order_of_time_and_broken_items_come_last(
    table: pd.DataFrame,
) -> None:
    assert table.index.tolist() == ["january", "cloudy", "may", "broken"]
    assert table.index.name == "scene"


def test_the_columns_have_their_types_even_without_a_scene(table: pd.DataFrame) -> None:
    empty = list_scenes(Shelf(SearchResult(())), PLACE, QUERY)
    assert len(empty) == 0
    for found in (table, empty):
        assert found.dtypes.astype(str).to_dict() == COLUMNS


def test_what_is_not_used_says_why(table: pd.DataFrame) -> None:
    assert table["used"].tolist() == [True, False, True, False]
    assert table["view"].tolist() == [1, pd.NA, 2, pd.NA]
    assert table.loc["cloudy", "reason"] == "cloud 90 % exceeds 50 %"
    assert table.loc["broken", "reason"] == "no MGRS tile"
    assert table.loc["may", "decisions"].startswith("offset 0: the item says")


def test_a_doubtful_offset_is_marked_in_the_list(table: pd.DataFrame) -> None:
    table["offset_doubtful"] = table.index == "may"
    table["offset_dn"] = -1000
    marked = _describe_scenes(table).splitlines()
    assert [("-1000?" in line) for line in marked[1:4]] == [False, False, True]
    assert marked[-1].startswith("? The catalogue's word")


def test_a_person_reads_a_line_per_scene_and_the_counts(table: pd.DataFrame) -> None:
    lines = _describe_scenes(table).splitlines()
    assert lines[-1] == "2 views from 2 scenes; 2 not used"
    assert lines[1].split() == ["2023-01-02", "20NMJ", "S2A", "05.09", "0", "–", "1", "january"]
    assert lines[2].endswith("–  cloudy: cloud 90 % exceeds 50 %")
