"""Pictures of composites: where they lie, and what a colour means."""

import base64
import importlib.util
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pyproj import Transformer

from minewatch.maps._composites import (
    draw_composite,
    draw_part,
    square_around,
    to_degrees,
    to_mercator,
)

_spec = importlib.util.spec_from_file_location(
    "minewatch_test_page_maker", Path(__file__).with_name("page_maker.py")
)
page_maker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(page_maker)


@pytest.fixture(scope="module")
def composite():
    return page_maker.make_composite("2024")


def pixels(picture):
    content = base64.b64decode(picture.source.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGBA")).astype(int)


def pixel_at(picture, longitude, latitude):
    """Give the colour that a picture shows at a place."""
    west, south, east, north = to_mercator(picture.bounds)
    x, y, _, _ = to_mercator((longitude, latitude, longitude, latitude))
    shown = pixels(picture)
    row = int((north - y) / (north - south) * shown.shape[0])
    column = int((x - west) / (east - west) * shown.shape[1])
    return shown[row, column]


def place_of(easting, northing):
    return Transformer.from_crs(32620, 4326, always_xy=True).transform(easting, northing)


def test_a_bright_square_is_shown_where_it_lies(composite):
    for most_px in (2_000, 200):
        true = draw_composite(composite, most_px=most_px)[0]
        inside = pixel_at(true, *place_of(512_200.0, 610_800.0))
        beside = pixel_at(true, *place_of(511_900.0, 610_800.0))
        assert inside[:3].min() > 245
        assert beside[:3].max() < 140


def test_what_has_no_data_is_clear(composite):
    true = draw_composite(composite, most_px=2_000)[0]
    assert pixel_at(true, *place_of(510_200.0, 611_800.0))[3] == 0
    assert pixel_at(true, *place_of(511_500.0, 609_000.0))[3] == 255


def test_a_picture_has_no_more_pixels_than_asked_and_none_that_are_made_up(composite):
    small, large = (draw_composite(composite, most_px=n)[0] for n in (100, 5_000))
    assert max(pixels(small).shape) <= 101
    assert 395 <= max(pixels(large).shape) <= 410
    assert large.ground_m == pytest.approx(10.0, rel=0.01)


def test_a_colour_means_the_same_reflectance_in_both_periods(composite):
    brighter = page_maker.make_composite("2023", shade=0.1)
    brighter.reflectance[:, 300:, :] = 0.9
    place = place_of(511_000.0, 610_400.0)
    one, other = (
        pixel_at(draw_composite(c, most_px=300)[0], *place) for c in (composite, brighter)
    )
    assert np.abs(one - other).max() <= 2


def test_both_kinds_are_drawn_where_their_bands_are(composite):
    kinds = {one.kind: one.bands for one in draw_composite(composite, most_px=100)}
    assert kinds == {"true": ("B04", "B03", "B02"), "swir": ("B11", "B08", "B04")}


def test_a_part_outside_of_the_composite_is_no_picture(composite):
    square = square_around((-60.0, 5.0, -59.99, 5.01), least_m=1_000.0)
    assert draw_part(composite, square, (32, 32)) == ()


def test_square_around_holds_the_place_and_is_square_on_the_ground():
    bounds = (-62.0, 5.0, -61.99, 5.004)
    square = square_around(bounds, least_m=1_000.0)
    west, south, east, north = to_degrees(square)
    assert west < bounds[0]
    assert south < bounds[1]
    assert east > bounds[2]
    assert north > bounds[3]
    assert square[2] - square[0] == pytest.approx(square[3] - square[1])
