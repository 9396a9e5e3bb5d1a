"""Boxes that meet are never missed, and pieces within a pixel mark what the rasterizer marks."""

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from rasterio.features import rasterize

from minewatch.context._cells import Cells
from minewatch.context._mosaic import Drawing


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), moved=st.sampled_from([-360.0, 0.0, 360.0]))
def test_a_box_that_meets_another_is_found(seed: int, moved: float) -> None:
    random = np.random.default_rng(seed)
    asked, laid = (_boxes(random, count) for count in (200, 7))
    asked[0] -= moved
    asked[2] -= moved
    west, south, east, north = asked
    found = Cells.of(*laid).met_by(west, south, east, north, moved=moved)
    boxes = shapely.box(west + moved, south, east + moved, north)
    meets = shapely.intersects(boxes[:, None], shapely.box(*laid)).any(axis=1)
    assert not (meets & ~found).any()
    assert (found & ~meets).sum() < 20


def test_boxes_of_nothing_meet_nothing() -> None:
    nothing = np.full((4, 3), np.nan)
    assert not Cells.of(*np.zeros((4, 1))).met_by(*nothing).any()


def test_boxes_that_only_touch_are_found() -> None:
    cells = Cells.of(*np.array([[0.0], [0.0], [1.0], [1.0]]))
    assert cells.met_by(*np.array([[1.0], [1.0], [2.0], [2.0]])).all()


@pytest.mark.parametrize("kind", ["area", "line", "point"])
def test_what_lies_within_a_pixel_marks_what_the_rasterizer_marks(kind: str) -> None:
    random = np.random.default_rng(3)
    geobox = GeoBox((48, 48), Affine(10.0, 0.0, 600_000.0, 0.0, -10.0, 600_480.0), "EPSG:32620")
    places = random.uniform((599_980.0, 599_980.0), (600_500.0, 600_500.0), (400, 2))
    size = random.lognormal(0.5, 1.0, (400, 1))
    ring = places[:, None, :] + size[..., None] * random.normal(0.0, 1.0, (400, 5, 2))
    drawn = {
        "area": lambda: shapely.convex_hull(shapely.linestrings(ring)),
        "line": lambda: shapely.linestrings(ring),
        "point": lambda: shapely.points(places),
    }[kind]()
    drawing = Drawing.of([geobox], drawn)
    assert (drawing.alone >= 0).mean() > 0.1
    for position, geometry in enumerate(drawn):
        expected = rasterize(
            [geometry], out_shape=(48, 48), transform=geobox.affine, all_touched=True, dtype="uint8"
        )
        burnt = drawing.burn(drawing.feature == position, 1, all_touched=True)[0]
        np.testing.assert_array_equal(burnt, expected)


def _boxes(random: np.random.Generator, count: int) -> np.ndarray:
    south_west = random.uniform(-50.0, 50.0, (2, count))
    return np.concatenate([south_west, south_west + random.exponential(0.5, (2, count))])
