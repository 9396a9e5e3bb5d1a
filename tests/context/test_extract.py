"""Features out of a file of OpenStreetMap."""

import importlib.util
from pathlib import Path

import geopandas.testing
import numpy as np
import osmium
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely.geometry import LineString, Point, Polygon, box

from minewatch.context import DEFAULT_LAYERS, Layer, extract_features
from minewatch.context._areas import encloses_ground, relation_area, repair_areas
from minewatch.context._border import border_name
from minewatch.context._table import validate_features
from minewatch.errors import CoverageWarning, InputError, NotThereError, SettingsError

_spec = importlib.util.spec_from_file_location(
    "osm_maker", Path(__file__).with_name("osm_maker.py")
)
osm_maker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(osm_maker)
write_osm, square, ring = osm_maker.write_osm, osm_maker.square, osm_maker.ring


@pytest.fixture
def file(tmp_path):
    return tmp_path / "map.osm.pbf"


# What becomes what


def test_a_node_is_a_point_an_open_way_a_line_and_a_closed_building_an_area(file):
    write_osm(
        file,
        square(1, -62.6, 5.4, 0.1),
        {5: ([1, 2, 3], {"highway": "track"}), 6: (ring(1), {"building": "yes"})},
        tags={4: {"place": "village", "name": "El Sitio"}},
    )
    table = extract_features(file).table
    assert list(table.index) == ["node/4", "way/5", "way/6"]
    assert list(table["kind"]) == ["point", "line", "area"]
    assert table.loc["node/4", "geometry"].equals(Point(-62.6, 5.5))
    assert table.loc["way/5", "geometry"].equals(
        LineString([(-62.6, 5.4), (-62.5, 5.4), (-62.5, 5.5)])
    )
    assert table.loc["way/6", "geometry"].equals(box(-62.6, 5.4, -62.5, 5.5))
    assert dict(table.loc["node/4", "tags"]) == {"name": "El Sitio"}


@pytest.mark.parametrize(
    ("tags", "is_area"),
    [
        ({"highway": "primary", "junction": "roundabout"}, False),
        ({"highway": "pedestrian"}, False),
        ({"highway": "pedestrian", "area": "yes"}, True),
        ({"highway": "services"}, True),
        ({"building": "yes", "area": "no"}, False),
        ({"waterway": "river"}, False),
        ({"waterway": "riverbank"}, True),
        ({"waterway": "dock"}, True),
        ({"aeroway": "runway"}, True),
        ({"aeroway": "taxiway"}, False),
        ({"power": "line"}, False),
        ({"power": "plant"}, True),
        ({"natural": "coastline"}, False),
        ({"natural": "water"}, True),
        ({"landuse": "farmland"}, True),
    ],
)
def test_a_closed_way_is_an_area_where_openstreetmap_says_so(tags, is_area):
    assert encloses_ground(tags) is is_area


def test_a_closed_road_stays_a_line_and_is_there_once(file):
    write_osm(file, square(1, 0, 0, 1), {9: (ring(1), {"highway": "primary"})})
    table = extract_features(file).table
    assert table["kind"].to_dict() == {"way/9": "line"}
    assert table.loc["way/9", "geometry"].is_closed


def test_a_relation_keeps_its_hole_and_the_island_in_it(file):
    write_osm(
        file,
        square(1, 0, 0, 9) | square(11, 3, 3, 3) | square(21, 4, 4, 1),
        {1: ([1, 2, 3], {}), 2: ([3, 4, 1], {}), 3: (ring(11), {}), 4: (ring(21), {})},
        {
            7: (
                [("w", 1, "outer"), ("w", 2, "outer"), ("w", 3, "inner"), ("w", 4, "outer")],
                {"type": "multipolygon", "natural": "water"},
            )
        },
    )
    table = extract_features(file).table
    assert list(table.index) == ["relation/7"]
    area = table.loc["relation/7", "geometry"]
    assert area.equals(box(0, 0, 9, 9).difference(box(3, 3, 6, 6)).union(box(4, 4, 5, 5)))


def test_members_are_features_only_by_their_own_tags(file):
    write_osm(
        file,
        square(1, 0, 0, 9) | square(11, 3, 3, 3),
        {1: (ring(1), {"highway": "track"}), 2: (ring(11), {})},
        {
            7: (
                [("w", 1, "outer"), ("w", 2, "inner")],
                {"type": "multipolygon", "landuse": "forest"},
            )
        },
    )
    table = extract_features(file).table
    assert table["kind"].to_dict() == {"way/1": "line", "relation/7": "area"}
    assert table["landuse"].notna().sum() == 1


def test_relations_that_enclose_nothing_are_no_features(file):
    write_osm(
        file,
        square(1, 0, 0, 1),
        {1: ([1, 2, 3], {})},
        {7: ([("w", 1, "")], {"type": "waterway", "waterway": "river"})},
    )
    assert len(extract_features(file).table) == 0


def test_a_feature_lies_in_every_layer_it_has_a_tag_of(file):
    tags = {"building": "hangar", "aeroway": "hangar", "name": "H1"}
    write_osm(file, square(1, 0, 0, 1), {1: (ring(1), tags)})
    row = extract_features(file).table.loc["way/1"]
    assert (row["building"], row["aeroway"], dict(row["tags"])) == (
        "hangar",
        "hangar",
        {"name": "H1"},
    )


def test_ids_are_told_apart_by_type_and_sorted_by_number(file):
    nodes = square(1, 0, 0, 1) | {100: (5.0, 5.0)}
    write_osm(
        file,
        nodes,
        {1: (ring(1), {"building": "yes"}), 20: ([1, 2], {"highway": "path"})},
        {1: ([("w", 1, "outer")], {"type": "multipolygon", "landuse": "farm"})},
        tags={1: {"place": "hamlet"}, 100: {"place": "town"}},
    )
    ids = list(extract_features(file).table.index)
    assert ids == ["node/1", "node/100", "way/1", "way/20", "relation/1"]


def test_a_mine_is_taken_whatever_the_layers_and_said_apart(file):
    write_osm(
        file,
        square(1, 0, 0, 1) | {9: (0.0, 3.0)},
        {
            1: (ring(1), {"landuse": "quarry"}),
            2: ([1, 2], {"highway": "track", "name": "Vía Mina Sur"}),
            3: ([2, 3], {"highway": "track", "name": "Vía Mineral"}),
        },
        tags={9: {"man_made": "adit"}, 2: {"shop": "yes", "name": "El Oro"}},
    )
    roads = DEFAULT_LAYERS[:1]
    target = extract_features(file, layers=roads).table["target"]
    assert target.dropna().to_dict() == {
        "node/9": "man_made=adit",
        "way/1": "landuse=quarry",
        "way/2": "name~mina",
    }
    assert list(target.index) == ["node/9", "way/1", "way/2", "way/3"]


def test_a_pond_of_tailings_and_a_quarry_among_other_uses_are_not_ordinary(file):
    write_osm(
        file,
        square(1, 0, 0, 1),
        {
            1: (ring(1), {"natural": "water", "reservoir_type": "tailings"}),
            2: (ring(1), {"landuse": "quarry;industrial"}),
            3: (ring(1), {"landuse": "industrial;farmyard"}),
        },
        tags={1: {"man_made": "mast;adit"}},
    )
    assert extract_features(file).table["target"].dropna().to_dict() == {
        "node/1": "man_made=mast;adit",
        "way/1": "reservoir_type=tailings",
        "way/2": "landuse=quarry;industrial",
    }


@pytest.mark.parametrize(
    ("role", "side"), [("inner", 0.5), ("outer", 0.5), ("", 0.5), ("inner", 0.01)]
)
def test_an_open_hole_or_island_drops_its_relation_unless_it_is_tiny(file, role, side):
    west = 6.0 if role == "outer" else 1.0
    write_osm(
        file,
        square(1, 0, 0, 4) | square(11, west, 1, side),
        {1: (ring(1), {}), 2: ([11, 12, 13, 14], {})},
        {
            7: (
                [("w", 1, "outer"), ("w", 2, role)],
                {"type": "multipolygon", "natural": "water"},
            )
        },
    )
    found = extract_features(file)
    if side < 0.1:
        assert found.dropped["repaired"].tolist() == [True]
        assert found.table.loc["relation/7", "geometry"].area == 16.0
    else:
        assert len(found.table) == 0
        assert "of a hole or an island of 1.6% of its area" in found.dropped["reason"].iloc[0]


# What the file holds


def test_what_the_file_does_not_hold_is_not_claimed(file):
    write_osm(file, square(1, 0, 0, 1), {1: ([1, 2], {"highway": "track"})}, box=(-1, -1, 2, 2))
    assert extract_features(file).area.equals(box(-1, -1, 2, 2))
    inside = extract_features(file, box(0, 0, 1, 1))
    assert inside.area.equals(box(0, 0, 1, 1))
    assert inside.info["covered_share"] == 1.0
    with pytest.warns(CoverageWarning, match="holds 50% of the area"):
        partly = extract_features(file, box(0, -1, 4, 1))
    assert partly.area.equals(box(0, -1, 2, 1))
    assert shapely.from_wkt(partly.info["asked"]).equals(box(0, -1, 4, 1))
    assert partly.info["covered_share"] == pytest.approx(0.5, rel=1e-3)
    for outside in (box(5, 5, 6, 6), box(2, 0, 3, 1)):
        with pytest.raises(InputError, match="lies outside"):
            extract_features(file, outside)


def test_a_file_ends_at_its_border_rather_than_at_its_box(file):
    write_osm(file, square(1, 0, 0, 1), {1: ([1, 2], {"highway": "track"})}, box=(-1, -1, 2, 2))
    border = file.with_name(border_name(file.name))
    border.write_text("half\n1\n -1 -1\n 2 -1\n -1 2\nEND\nEND\n")
    half = shapely.Polygon([(-1, -1), (2, -1), (-1, 2)])
    found = extract_features(file)
    assert found.area.equals(half)
    assert found.info["source"]["border"]["name"] == border.name
    with pytest.warns(CoverageWarning, match=r"holds 75% .* beyond what map\.poly encloses"):
        partly = extract_features(file, box(0, -1, 1, 1))
    assert partly.area.equals(box(0, -1, 1, 1) & half)
    with pytest.raises(InputError, match="lies outside"):
        extract_features(file, box(1, 1, 2, 2))
    border.write_text("far\n1\n 5 5\n 6 5\n 5 6\nEND\nEND\n")
    with pytest.raises(InputError, match="border of another file"):
        extract_features(file)


@pytest.mark.parametrize("area", [None, box(0, 0, 1, 1)])
def test_of_a_file_without_a_box_it_is_not_known_what_it_holds(file, area):
    write_osm(file, square(1, 0, 0, 1), {1: ([1, 2], {"highway": "track"})})
    found = extract_features(file, area)
    assert found.area is None
    assert found.info["covered_share"] is None


def test_a_layer_of_ones_own_may_name_the_target(file):
    write_osm(file, square(1, 0, 0, 1), {1: ([1, 2], {"waterway": "sluice"})})
    layer = Layer(name="sluice", key="waterway", values=("sluice",), names_the_target=True)
    assert extract_features(file, layers=(layer,)).table["target"].to_list() == ["waterway=sluice"]


# The area


def test_what_touches_the_area_is_kept_whole_and_nothing_else(file):
    write_osm(
        file,
        {1: (0.0, 0.5), 2: (9.0, 0.5), 3: (1.0, 1.0), 4: (5.0, 5.0), 5: (6.0, 5.0)},
        {1: ([1, 2], {"highway": "road"}), 2: ([4, 5], {"highway": "road"})},
        tags={3: {"place": "farm"}, 4: {"place": "farm"}},
    )
    table = extract_features(file, box(0.5, 0, 1, 1)).table
    assert list(table.index) == ["node/3", "way/1"]
    assert table.loc["way/1", "geometry"].length == 9.0


def test_a_lake_around_the_area_is_kept_and_a_hole_around_it_is_not(file):
    write_osm(
        file,
        square(1, 0, 0, 9) | square(11, 3, 3, 3),
        {1: (ring(1), {}), 2: (ring(11), {})},
        {7: ([("w", 1, "outer"), ("w", 2, "inner")], {"type": "multipolygon", "natural": "water"})},
    )
    assert len(extract_features(file, box(1, 1, 2, 2)).table) == 1
    assert len(extract_features(file, box(4, 4, 5, 5)).table) == 0


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    west=st.floats(-62.9, -62.3),
    south=st.floats(5.0, 5.6),
    side=st.floats(0.001, 0.4),
)
def test_an_area_gives_exactly_what_of_the_whole_file_intersects_it(made_map, west, south, side):
    area = box(west, south, west + side, south + side)
    whole = extract_features(made_map).table
    inside = whole[shapely.intersects(area, whole.geometry.to_numpy())]
    geopandas.testing.assert_geodataframe_equal(extract_features(made_map, area).table, inside)


@pytest.mark.parametrize(
    ("area", "why"),
    [
        (Point(0, 0), "is Point"),
        (Polygon(), "expected a Polygon"),
        (box(170, 0, 190, 1), "cut it in two at the antimeridian"),
        (box(500_000, 0, 600_000, 1), "expected degrees"),
        (Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]), "not valid"),
    ],
)
def test_an_area_that_is_none_is_refused(made_map, area, why):
    with pytest.raises(InputError, match=why):
        extract_features(made_map, area)


def test_an_area_on_both_sides_of_the_antimeridian_comes_in_two_parts(file):
    write_osm(
        file,
        {1: (179.95, -16.5), 2: (-179.95, -16.5), 3: (0.0, 89.9999)},
        tags={n: {"place": "hamlet"} for n in (1, 2, 3)},
    )
    area = shapely.union_all([box(179.9, -17, 180, -16), box(-180, -17, -179.9, -16)])
    assert list(extract_features(file, area).table.index) == ["node/1", "node/2"]
    assert list(extract_features(file, box(-180, 89, 180, 90)).table.index) == ["node/3"]


# What is broken


def _reasons(features, *, repaired=False):
    rows = features.dropped[features.dropped["repaired"] == repaired]
    return dict(zip(rows["feature_id"], rows["reason"], strict=True))


def test_what_has_no_shape_is_dropped_and_listed(file):
    write_osm(
        file,
        {1: (0.0, 0.0), 2: (1.0, 0.0), 3: (200.0, 0.0)},
        {
            1: ([1, 8, 9], {"highway": "road"}),
            2: ([1], {"highway": "road"}),
            3: ([1, 1], {"highway": "road"}),
            4: ([1, 2, 1], {"building": "yes"}),
            5: ([1, 2], {"highway": "road"}),
            6: ([], {"highway": "road"}),
        },
        tags={3: {"place": "farm"}},
    )
    features = extract_features(file)
    assert list(features.table.index) == ["way/5"]
    assert _reasons(features) == {
        "node/3": "it lies nowhere on Earth",
        "way/1": "2 of its 3 nodes are not in the file",
        "way/2": "it has fewer than two nodes",
        "way/3": "its nodes all lie in one place",
        "way/4": "its ring has fewer than four nodes",
        "way/6": "it has fewer than two nodes",
    }
    assert features.info["counts"]["dropped"] == 6


def test_a_relation_with_a_member_outside_the_file_is_dropped_and_listed(file):
    members = [("w", 1, "outer"), ("w", 2, "outer")]
    write_osm(
        file,
        square(1, 0, 0, 1),
        {1: ([1, 2, 3], {})},
        {7: (members, {"type": "boundary", "boundary": "protected_area"})},
    )
    features = extract_features(file)
    assert len(features.table) == 0
    reason = "1 of its 2 ways have no shape: way/2: it is not in the file"
    assert _reasons(features) == {"relation/7": reason}
    assert len(extract_features(file, box(50, 50, 51, 51)).dropped) == 0


def test_a_ring_that_does_not_close_is_dropped_if_long_and_left_out_if_short(file):
    nodes = square(1, 0, 0, 10) | {20: (0.0, -1.0)}
    members = [("w", 1, "outer"), ("w", 2, "outer")]
    tags = {"type": "multipolygon", "landuse": "forest"}
    write_osm(file, nodes, {1: ([1, 2, 3], {}), 2: ([3, 4], {})}, {7: (members, tags)})
    assert _reasons(extract_features(file)) == {"relation/7": "100% of its boundary closes no ring"}
    file.unlink()
    write_osm(file, nodes, {1: (ring(1), {}), 2: ([1, 20], {})}, {7: (members, tags)})
    features = extract_features(file)
    assert shapely.area(features.table.geometry.to_numpy()).tolist() == [100.0]
    assert "2.44% of its boundary" in _reasons(features, repaired=True)["relation/7"]


def test_a_crossed_ring_is_repaired_where_two_methods_agree_and_dropped_where_not(file):
    twice_around = [1, 2, 3, 4, 1, 12, 13, 14, 1]
    write_osm(
        file,
        square(1, 0, 0, 4) | {12: (3.0, 0.5), 13: (3.0, 3.0), 14: (0.5, 3.0)},
        {
            1: ([1, 3, 2, 4, 1], {"building": "yes"}),
            2: (twice_around, {"building": "yes"}),
        },
    )
    features = extract_features(file)
    assert list(features.table.index) == ["way/1"]
    assert features.table.geometry.is_valid.all()
    assert shapely.area(features.table.geometry.to_numpy()).tolist() == [8.0]
    assert list(_reasons(features, repaired=True)) == ["way/1"]
    assert list(_reasons(features)) == ["way/2"]


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=3, max_size=8, unique=True)
)
def test_a_repaired_area_is_valid_and_keeps_its_outline_or_is_none(corners):
    ring_of = np.array([Polygon(corners)], dtype=object)
    (area,), (was_invalid,) = repair_areas(ring_of)
    if not was_invalid:
        assert area is ring_of[0]
    elif area is not None:
        assert area.is_valid
        assert area.area > 0
        outline = shapely.node(ring_of[0].exterior).buffer(1e-9)
        assert outline.covers(area.boundary)


# Rings


@given(
    order=st.permutations(range(6)),
    turned=st.lists(st.booleans(), min_size=6, max_size=6),
)
def test_the_order_and_the_direction_of_members_do_not_matter(order, turned):
    outer = [[(0, 0), (9, 0)], [(9, 0), (9, 9), (5, 9)], [(5, 9), (0, 9)], [(0, 9), (0, 0)]]
    inner = [[(2, 2), (4, 2), (4, 4)], [(4, 4), (2, 4), (2, 2)]]
    lines = [
        LineString(line[::-1] if flip else line)
        for line, flip in zip(outer + inner, turned, strict=True)
    ]
    roles = ["outer"] * 4 + ["inner"] * 2
    area, share_open, _ = relation_area([roles[i] for i in order], [lines[i] for i in order])
    assert share_open == 0.0
    assert area.equals(box(0, 0, 9, 9).difference(box(2, 2, 4, 4)))


def test_outer_rings_that_touch_twice_do_not_fill_the_gap_between_them():
    left = [(0, 0), (3, 0), (1, 2), (3, 4), (0, 4), (0, 0)]
    right = [(3, 0), (6, 0), (6, 4), (3, 4), (5, 2), (3, 0)]
    pieces = [left[:2], left[1:4], left[3:], right[:3], right[2:4], right[3:]]
    area, share_open, _ = relation_area(["outer"] * 6, [LineString(piece) for piece in pieces])
    assert share_open == 0.0
    assert area.equals(shapely.union_all([Polygon(left), Polygon(right)]))
    assert not area.contains(Point(3, 2))


def test_holes_that_share_an_edge_are_both_cut_out():
    holes = [box(1, 1, 2, 2).exterior, box(2, 1, 3, 2).exterior]
    lines = [box(0, 0, 4, 4).exterior, *holes]
    area, _, _ = relation_area(["outer", "inner", "inner"], [LineString(line) for line in lines])
    assert area.equals(box(0, 0, 4, 4).difference(box(1, 1, 3, 2)))


def test_rings_without_roles_count_by_parity_and_other_roles_for_nothing():
    rings = [LineString(box(edge, edge, 9 - edge, 9 - edge).exterior) for edge in (0, 1, 2, 3)]
    area, _, _ = relation_area(["", "", "", "label"], rings)
    assert area.area == 81 - 49 + 25


# The file


def test_a_file_that_is_none_is_said_so(tmp_path, made_map):
    with pytest.raises(NotThereError, match="there is no file"):
        extract_features(tmp_path / "nothing.osm.pbf")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(InputError, match="by its name"):
        extract_features(tmp_path / "a.txt")
    for name, content in {
        "empty": b"",
        "garbage": bytes(range(256)) * 9,
        "cut": made_map.read_bytes()[:-700],
        "page": b"<!DOCTYPE html><html>busy</html>",
    }.items():
        broken = tmp_path / f"{name}.osm.pbf"
        broken.write_bytes(content)
        with pytest.raises(InputError, match=f"{name}.osm.pbf cannot be read"):
            extract_features(broken)


def test_no_layer_is_refused(made_map):
    with pytest.raises(SettingsError, match="no layer"):
        extract_features(made_map, layers=())


def test_xml_gives_what_pbf_gives(made_map, tmp_path):
    xml = tmp_path / "map.osm"
    with osmium.SimpleWriter(str(xml)) as writer:
        for one in osmium.FileProcessor(str(made_map)):
            writer.add(one)
    geopandas.testing.assert_geodataframe_equal(
        extract_features(xml).table, extract_features(made_map).table
    )


def test_the_state_of_the_data_comes_from_the_header_or_else_from_the_newest_object(tmp_path):
    nodes, tags = {1: (0.0, 0.0)}, {1: {"place": "farm"}}
    said = write_osm(tmp_path / "said.osm.pbf", nodes, tags=tags)
    unsaid = write_osm(tmp_path / "unsaid.osm.pbf", nodes, tags=tags, state=None)
    dated = write_osm(
        tmp_path / "dated.osm.pbf", nodes, tags=tags, state=None, timestamp="2020-02-03T04:05:06Z"
    )
    states = [extract_features(file).info for file in (said, unsaid, dated)]
    assert [state["osm_timestamp"] for state in states] == [
        osm_maker.STATE,
        None,
        "2020-02-03T04:05:06Z",
    ]
    assert [state["osm_timestamp_from"] for state in states] == ["header", None, "newest object"]


def test_features_keep_their_schema_and_say_where_they_come_from(made_map):
    area = box(-62.7, 5.2, -62.4, 5.5)
    features = extract_features(made_map, area)
    assert validate_features(features.table) is features.table
    assert features.info["attribution"] == "© OpenStreetMap contributors, ODbL 1.0"
    assert features.area.equals(area)
    assert features.layers == DEFAULT_LAYERS
    assert features.info["source"]["digest"].startswith("sha256:")
    assert features.info["counts"]["features"] == len(features.table) > 0


def test_an_empty_answer_is_a_table_too(made_map):
    features = extract_features(made_map, box(20, 5, 21, 6))
    assert len(validate_features(features.table)) == 0
    assert features.layer_names == [layer.name for layer in DEFAULT_LAYERS]


def test_progress_begins_at_nothing_and_ends_with_all(made_map):
    told = []
    extract_features(made_map, progress=lambda *step: told.append(step))
    assert told[0] == ("extract features", 0, 3)
    assert told[-1] == ("extract features", 3, 3)


def test_objects_that_are_there_twice_are_taken_once_and_counted(tmp_path):
    file = tmp_path / "twice.osm"
    node = '<node id="1" version="1" lat="5" lon="6"><tag k="place" v="farm"/></node>'
    file.write_text(f'<osm version="0.6">{node}{node}</osm>')
    features = extract_features(file)
    assert list(features.table.index) == ["node/1"]
    assert features.info["counts"]["twice_in_the_file"] == 1
