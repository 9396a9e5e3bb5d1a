"""The house style: figures that are the same each time, numbers as people read them."""

import io

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from PIL import Image

from minewatch._figures import (
    CLASS_STYLES,
    MISSING,
    THIN_SPACE,
    class_style,
    format_cell,
    format_count,
    format_interval,
    format_length,
    format_number,
    format_percent,
    house_style,
    new_figure,
    render_figure,
    render_image,
)


@house_style()
def a_figure():
    figure = new_figure(3.0, 2.0)
    figure.subplots().plot([1, 3, 2], label="Ñandú – µ")
    return figure


def rendered(provenance=None):
    return render_figure(
        a_figure(), title="A title", description="Words – with µ", provenance=provenance or {"a": 1}
    )


def test_the_same_figure_gives_the_same_bytes():
    assert rendered() == rendered()


def test_a_png_has_300_dots_per_inch_and_says_what_made_it():
    png, _ = rendered({"digest": "sha256:1"})
    image = Image.open(io.BytesIO(png))
    assert image.size == (900, 600)
    assert image.info["dpi"] == pytest.approx((300, 300), abs=0.01)
    assert image.info["Title"] == "A title"
    assert image.info["Description"] == "Words – with µ"
    assert image.info["Source"] == '{"digest": "sha256:1"}'


def test_an_svg_says_what_made_it_and_bears_no_date():
    _, svg = rendered({"digest": "sha256:1"})
    text = svg.decode()
    assert "<dc:title>A title</dc:title>" in text
    assert '{"digest": "sha256:1"}' in text.replace("&quot;", '"')
    assert "dc:date" not in text


def test_provenance_that_json_cannot_say_is_refused():
    with pytest.raises(ValueError, match="JSON"):
        rendered({"auc": float("nan")})


def test_an_image_comes_back_pixel_by_pixel():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    back = imread(io.BytesIO(render_image(pixels)))
    np.testing.assert_array_equal(np.rint(back[..., :3] * 255), pixels)


def test_the_house_style_leaves_the_settings_of_others_alone():
    before = dict(mpl.rcParams)
    rendered()
    assert dict(mpl.rcParams) == before


def test_classes_differ_without_colour_too():
    styles = list(CLASS_STYLES.values())
    for field in ("colour", "line", "marker", "hatch"):
        assert len({getattr(style, field) for style in styles}) == len(styles)


def test_a_class_nobody_knows_is_drawn_as_unlabelled():
    assert class_style("perhaps") == CLASS_STYLES["unlabelled"]


@pytest.mark.parametrize(
    ("value", "column", "text"),
    [
        (1_156_608, "n_px", "1_156_608"),
        (0.339, "share", "33.9_%"),
        (0.00001, "too_dark_share", "<_0.1_%"),
        (0.0, "share", "0_%"),
        (479.6, "distance_m", "480_m"),
        (9_999.0, "range_m", "10_km"),
        (0.25, "range_m", "0.25_m"),
        (-62.62811, "longitude", "−62.6281°"),
        (2202.4, "wavelength_nm", "2_202"),
        (0.123456, "auc", "0.123"),
        (1234.5, "score", "1_234"),
        (np.float32(0.5), "median", "0.500"),
        (float("nan"), "auc", MISSING),
        (pd.NA, "reason", MISSING),
        (None, "distance_m", MISSING),
        (True, "is_flagged", "yes"),
        ("B04", "band", "B04"),
    ],
)
def test_a_cell_is_written_with_its_unit(value, column, text):
    assert format_cell(value, column).replace(THIN_SPACE, "_") == text


@pytest.mark.parametrize("write", [format_count, format_number, format_percent, format_length])
def test_what_is_not_known_is_a_dash_in_every_format(write):
    assert write(float("nan")) == MISSING


def test_negative_numbers_have_a_true_minus():
    assert format_number(-0.5).startswith("−")
    assert format_count(-1234).startswith("−")
    assert format_length(-5).startswith("−")


def test_an_interval_without_ends_is_the_number_alone():
    assert format_interval(0.5, float("nan"), 0.7) == "0.50"


def test_what_is_infinite_is_said_so():
    assert format_number(float("-inf")) == "−∞"
