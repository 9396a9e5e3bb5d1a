"""Which scenes make a place."""

import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest
import shapely

from minewatch.errors import BandError, LevelError
from minewatch.grid import PatchGrid
from minewatch.imagery import SceneQuery
from minewatch.imagery._choose import choose_scenes, judge_scenes
from minewatch.imagery._items import Scene

MakeScene = Callable[..., Scene]

QUERY = SceneQuery(start="2023-01-01", end="2023-12-31")
PLACE = PatchGrid().geobox(-63.5, 4.9)
"""In the middle of tile 20NMJ."""
OVERLAP = PatchGrid().geobox(-62.96, 4.9)
"""In the 10 km that 20NMJ and 20NNJ share."""


def ids(views: list[list[Scene]]) -> list[list[str]]:
    return [[scene.id for scene in view] for view in views]


def reasons(scenes: list[Scene], query: SceneQuery = QUERY) -> dict[str, str]:
    return {one.scene.id: one.reason for one in judge_scenes(scenes, PLACE, query).dropped}


def test_each_pass_is_a_view_in_order_of_time(make_scene: MakeScene) -> None:
    days = ["2023-03-04", "2023-02-02", "2023-07-01"]
    views = choose_scenes([make_scene(day=day) for day in days], PLACE, QUERY)
    assert [view[0].date.isoformat() for view in views] == sorted(days)


def test_scenes_that_do_not_cover_the_place_are_dropped(make_scene: MakeScene) -> None:
    scenes = [make_scene("20NNJ"), make_scene(part={"east": 0.3}, id="west")]
    assert set(reasons(scenes).values()) == {"does not cover the place"}


def test_the_period_is_held_even_if_the_catalogue_does_not(make_scene: MakeScene) -> None:
    scenes = [make_scene(day=day) for day in ("2022-12-31", "2023-01-01", "2024-01-01")]
    assert [view[0].date.isoformat() for view in choose_scenes(scenes, PLACE, QUERY)] == [
        "2023-01-01"
    ]


def test_cloudier_scenes_are_dropped_and_unknown_cloud_is_kept(make_scene: MakeScene) -> None:
    scenes = [
        make_scene(day="2023-01-05", eo__cloud_cover=80.0, id="cloudy"),
        make_scene(day="2023-01-10", eo__cloud_cover=10.0, id="fair"),
        make_scene(day="2023-01-15", eo__cloud_cover=None, id="unknown"),
    ]
    query = QUERY.model_copy(update={"max_cloud_percent": 50.0})
    assert ids(choose_scenes(scenes, PLACE, query)) == [["fair"], ["unknown"]]
    assert reasons(scenes, query) == {"cloudy": "cloud 80 % exceeds 50 %"}


def test_a_scene_that_lacks_a_band_is_dropped_with_its_reason(make_scene: MakeScene) -> None:
    whole = make_scene(day="2023-01-05")
    lacking = make_scene(day="2023-01-10", id="lacking")
    lacking = replace(lacking, bands={"B04": lacking.bands["B04"]})
    query = QUERY.model_copy(update={"bands": ("B04", "B08")})
    assert reasons([whole, lacking], query) == {"lacking": "has no B08"}


def test_a_band_that_no_scene_has_is_an_error(make_scene: MakeScene) -> None:
    query = QUERY.model_copy(update={"bands": ("B04", "B10")})
    with pytest.raises(BandError, match="L2A scenes has B10"):
        choose_scenes([make_scene()], PLACE, query)


def test_levels_are_never_mixed(make_scene: MakeScene) -> None:
    scene = make_scene()
    with pytest.raises(LevelError):
        choose_scenes([scene, replace(scene, id="other", level="L1C")], PLACE, QUERY)


def test_jpeg_2000_is_named_as_the_reason(make_scene: MakeScene) -> None:
    scene = make_scene()
    bands = {
        name: replace(asset, href=asset.href.replace(".tif", ".jp2"))
        for name, asset in scene.bands.items()
    }
    assert "JPEG 2000" in reasons([replace(scene, bands=bands)])[scene.id]


def test_of_a_reprocessed_acquisition_the_newest_baseline_counts_once(
    make_scene: MakeScene,
) -> None:
    old = make_scene(id="old", s2__processing_baseline="02.14")
    new = make_scene(id="new", s2__processing_baseline="05.00")
    choice = judge_scenes([new, old], PLACE, QUERY)
    assert ids([list(view) for view in choice.views]) == [["new"]]
    assert [(one.scene.id, one.reason) for one in choice.dropped] == [
        ("old", "an older version of new")
    ]


def test_of_one_baseline_the_version_processed_last_counts(make_scene: MakeScene) -> None:
    first = make_scene(id="z-first", s2__generation_time="2023-03-04T20:00:00Z")
    second = make_scene(id="a-second", s2__generation_time="2023-03-09T20:00:00Z")
    assert ids(choose_scenes([first, second], PLACE, QUERY)) == [["a-second"]]


def strip(start: str) -> str:
    return f"S2A_OPER_MSI_L2A_DS_2APS_20230304T200000_S{start}_N05.09"


def test_both_halves_of_a_split_acquisition_are_kept_as_one_view(make_scene: MakeScene) -> None:
    north = make_scene(id="north", s2__datastrip_id=strip("20230304T143753"), part={"south": 0.45})
    south = make_scene(
        id="south",
        s2__datastrip_id=strip("20230304T144100"),
        s2__datatake_id="GS2A_20230304T144100_040216_N05.09",
        part={"north": 0.55},
    )
    split = PatchGrid(size_px=2000).geobox(-63.5, 4.93)
    assert [sorted(view) for view in ids(choose_scenes([north, south], split, QUERY))] == [
        ["north", "south"]
    ]


def test_halves_are_kept_even_where_no_datastrip_is_named(make_scene: MakeScene) -> None:
    named = {"s2__datastrip_id": None}
    north = make_scene(id="north", part={"south": 0.45}, **named)
    south = make_scene(
        id="south",
        s2__generation_time="2023-03-04T20:11:00Z",
        part={"north": 0.55},
        **named,
    )
    old = make_scene(id="old", s2__processing_baseline="02.14", part={"north": 0.55}, **named)
    split = PatchGrid(size_px=2000).geobox(-63.5, 4.93)
    choice = judge_scenes([old, south, north], split, QUERY)
    assert [sorted(view) for view in ids([list(view) for view in choice.views])] == [
        ["north", "south"]
    ]
    assert [one.scene.id for one in choice.dropped] == ["old"]


def test_two_tiles_of_one_pass_are_one_view(make_scene: MakeScene) -> None:
    scenes = [make_scene("20NNJ", part={"east": 0.05}), make_scene("20NMJ")]
    views = choose_scenes(scenes, OVERLAP, QUERY)
    assert len(views) == 1
    assert views[0][0].tile == "20NMJ"


def test_behind_a_scene_that_covers_the_place_nothing_is_read(make_scene: MakeScene) -> None:
    scenes = [make_scene("20NNJ"), make_scene("20NMJ")]
    choice = judge_scenes(scenes, OVERLAP, QUERY)
    assert [[scene.tile for scene in view] for view in choice.views] == [["20NMJ"]]
    assert "the same view as S2A_20NMJ" in choice.dropped[0].reason


def test_a_place_across_a_tiles_edge_is_filled_from_the_next(make_scene: MakeScene) -> None:
    wide = PatchGrid(size_px=4096).geobox(-62.93, 4.9)
    views = choose_scenes([make_scene("20NNJ"), make_scene("20NMJ")], wide, QUERY)
    assert len(views) == 1
    assert {scene.tile for scene in views[0]} == {"20NMJ", "20NNJ"}


def test_the_tile_in_the_places_own_zone_comes_first(make_scene: MakeScene) -> None:
    own = make_scene(id="own")
    other = replace(own, id="other", epsg=32619, tile="19NHE")
    for order in itertools.permutations([own, other]):
        assert ids(choose_scenes(order, PLACE, QUERY)) == [["own"]]


def test_satellites_on_one_day_are_two_views(make_scene: MakeScene) -> None:
    scene = make_scene()
    other = replace(scene, id="other", platform="S2B")
    assert len(choose_scenes([scene, other], PLACE, QUERY)) == 2


def test_passes_of_one_satellite_an_orbit_apart_are_two_views(make_scene: MakeScene) -> None:
    """Far north and south, the next orbit sees the same place 100 minutes later."""
    first = make_scene(id="first", datetime="2023-03-04T14:00:00Z")
    second = make_scene(
        id="second",
        datetime="2023-03-04T15:40:00Z",
        s2__datastrip_id=strip("20230304T153753"),
    )
    assert ids(choose_scenes([first, second], PLACE, QUERY)) == [["first"], ["second"]]


def test_a_pass_over_midnight_is_one_view(make_scene: MakeScene) -> None:
    before = make_scene(id="before", datetime="2023-03-04T23:59:30Z", part={"south": 0.4})
    after = make_scene(
        id="after",
        datetime="2023-03-05T00:00:10Z",
        s2__datastrip_id=strip("20230305T000001"),
        part={"north": 0.6},
    )
    assert len(choose_scenes([before, after], PLACE, QUERY)) == 1


def test_the_choice_does_not_depend_on_the_order_of_the_answer(make_scene: MakeScene) -> None:
    scenes = [
        make_scene("20NMJ"),
        make_scene("20NNJ", part={"east": 0.02}),
        make_scene("20NMJ", id="old", s2__processing_baseline="02.14"),
        make_scene("20NMJ", "2023-05-01"),
    ]
    expected = judge_scenes(scenes, OVERLAP, QUERY)
    for order in itertools.permutations(scenes):
        assert judge_scenes([*order, *order[:2]], OVERLAP, QUERY) == expected


def test_every_scene_is_either_used_or_dropped(make_scene: MakeScene) -> None:
    scenes = [make_scene(day=f"20{year}-03-04") for year in (22, 23, 24)]
    scenes += [make_scene("20NNJ"), make_scene(id="old", s2__processing_baseline="02.14")]
    choice = judge_scenes(scenes, PLACE, QUERY)
    seen = [scene.id for view in choice.views for scene in view]
    seen += [one.scene.id for one in choice.dropped]
    assert sorted(seen) == sorted(scene.id for scene in scenes)


def test_nothing_in_gives_nothing_out() -> None:
    assert choose_scenes([], PLACE, QUERY) == []


def test_both_sides_of_the_date_line_see_a_tile_across_it(make_scene: MakeScene) -> None:
    ring = [(179.5, -18.0), (-179.5, -18.0), (-179.5, -17.0), (179.5, -17.0)]
    scene = make_scene(geometry=shapely.geometry.mapping(shapely.Polygon(ring)))
    for longitude in (179.9, -179.9, 180.0):
        place = PatchGrid().geobox(longitude, -17.5)
        assert ids(choose_scenes([scene], place, QUERY)) == [[scene.id]]
