"""Where an extract really ends is read from the polygon that it was cut by."""

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from minewatch.context._border import border_name, parse_border, read_border
from minewatch.errors import InputError

SQUARE = "1\n 0 0\n 4 0\n 4 4\n 0 4\nEND\n"
HOLE = "!2\n 1 1\n 2 1\n 2 2\n 1 2\n 1 1\nEND\n"
ISLAND = "island\n 6.0E+00 0.0E+00\n 7.0E+00 0.0E+00\n 7.0E+00 1.0E+00\nEND\n"


def test_rings_add_up_and_holes_are_taken_away():
    ground = parse_border(f"region\n{SQUARE}{HOLE}{ISLAND}END\n")
    expected = shapely.box(0, 0, 4, 4) - shapely.box(1, 1, 2, 2)
    assert ground.equals(expected | shapely.Polygon([(6, 0), (7, 0), (7, 1)]))


def test_a_ring_beyond_180_degrees_comes_back_on_the_other_side():
    ground = parse_border("fiji\n1\n 177 -20\n 182 -20\n 182 -15\n 177 -15\nEND\nEND\n")
    assert ground.equals(shapely.box(177, -20, 180, -15) | shapely.box(-180, -20, -178, -15))


def test_blank_lines_say_nothing():
    spaced = f"region\n{SQUARE}\n{HOLE}\n \n{ISLAND}\nEND\n\n"
    assert parse_border(spaced).equals(parse_border(f"region\n{SQUARE}{HOLE}{ISLAND}END\n"))


@pytest.mark.parametrize(
    "cut", [f"region\n{SQUARE}", f"region\n{SQUARE}\n", f"region\n{SQUARE}!2\n"]
)
def test_a_border_without_its_closing_end_is_cut_off(cut):
    with pytest.raises(ValueError, match="cut off"):
        parse_border(cut)


@pytest.mark.parametrize("corner", ["nan 4", "4 inf", "-inf 4"])
def test_a_corner_that_is_not_finite_is_refused(corner):
    with pytest.raises(ValueError, match="not finite"):
        parse_border(f"region\n1\n 0 0\n 4 0\n {corner}\nEND\nEND\n")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(-170, 170), st.floats(-80, 80)), min_size=3, max_size=12))
def test_a_border_of_any_hull_comes_back(corners):
    hull = shapely.convex_hull(shapely.multipoints(corners))
    if hull.geom_type == "Polygon" and hull.area > 1e-6:
        lines = "\n".join(f"   {x!r}   {y!r}" for x, y in hull.exterior.coords)
        assert parse_border(f"any\n1\n{lines}\nEND\nEND\n").symmetric_difference(hull).area < 1e-9


@pytest.mark.parametrize(
    ("extract", "border"),
    [
        ("venezuela-latest.osm.pbf", "venezuela.poly"),
        ("venezuela-240101.osm.pbf", "venezuela.poly"),
        ("guinea-bissau-latest.osm.pbf", "guinea-bissau.poly"),
        ("valley.osm", "valley.poly"),
    ],
)
def test_an_extract_and_its_border_are_named_alike(extract, border):
    assert border_name(extract) == border


@pytest.mark.parametrize(
    "text",
    ["", "<html>\n<p>\nnot found\n", "a\n1\n 0 0\n 1 0\n 0 1\n", "a\n1\n 0 0\n 1 0\nEND\nEND\n"],
)
def test_what_is_no_border_is_refused_by_name(tmp_path, text):
    (tmp_path / "a.poly").write_text(text)
    with pytest.raises(InputError, match=r"a\.poly is no border"):
        read_border(tmp_path / "a.poly")
