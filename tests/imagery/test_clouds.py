"""Which pixels are clear."""

import numpy as np
import pytest

from minewatch.imagery._clouds import SCL_CLASSES, clear_pixels, clear_scores

ALL = np.arange(12, dtype=np.uint8)


def clear_classes(threshold: float) -> set[int]:
    return set(ALL[clear_pixels(ALL[None], clear_threshold=threshold)[0]].tolist())


def test_the_classes_are_esas_twelve_in_order() -> None:
    assert [scl_class.value for scl_class in SCL_CLASSES] == list(range(12))


@pytest.mark.parametrize(
    ("threshold", "classes"),
    [
        (1.0, {4, 5, 6}),
        (0.75, {4, 5, 6, 11}),
        (0.5, {2, 4, 5, 6, 7, 11}),
        (0.25, {2, 4, 5, 6, 7, 10, 11}),
        (0.0, set(range(1, 12))),
    ],
)
def test_a_threshold_takes_these_classes(threshold: float, classes: set[int]) -> None:
    assert clear_classes(threshold) == classes


def test_no_data_and_unknown_numbers_are_never_clear() -> None:
    odd = np.array([[0, 12, 255]], dtype=np.uint8)
    assert np.isnan(clear_scores(odd)).all()
    assert not clear_pixels(odd, clear_threshold=0.0).any()


def test_clouds_grow_as_a_disc() -> None:
    classes = np.full((7, 7), 4, dtype=np.uint8)
    classes[3, 3] = 9
    unclear = ~clear_pixels(classes, clear_threshold=0.75, dilation_px=2)
    steps = np.arange(7) - 3
    np.testing.assert_array_equal(unclear, steps[:, None] ** 2 + steps**2 <= 4)


def test_the_edge_of_a_swath_does_not_grow() -> None:
    classes = np.full((5, 5), 4, dtype=np.uint8)
    classes[:, :2] = 0
    clear = clear_pixels(classes, clear_threshold=0.75, dilation_px=2)
    assert clear[:, 2:].all()


def test_dates_do_not_shade_one_another() -> None:
    classes = np.full((2, 5, 5), 4, dtype=np.uint8)
    classes[0] = 9
    clear = clear_pixels(classes, clear_threshold=0.75, dilation_px=1)
    assert not clear[0].any()
    assert clear[1].all()


def test_a_window_with_its_margin_equals_the_whole() -> None:
    classes = np.random.default_rng(1).choice([4, 4, 4, 4, 9], (40, 40)).astype(np.uint8)
    whole = clear_pixels(classes, clear_threshold=0.75, dilation_px=3)[10:20, 10:20]
    window = clear_pixels(classes[7:23, 7:23], clear_threshold=0.75, dilation_px=3)[3:-3, 3:-3]
    np.testing.assert_array_equal(window, whole)
