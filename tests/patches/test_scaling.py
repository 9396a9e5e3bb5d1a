import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from minewatch.errors import InputError, OffsetWarning, SettingsError
from minewatch.patches import Scaling
from minewatch.patches._header import SourceValues
from minewatch.patches._scaling import (
    SCALINGS,
    check_scaling,
    describe_conversion,
    digital_numbers,
    is_reversible,
    source_numbers,
    warn_of_offset,
)

SHAPES = npst.array_shapes(min_dims=1, max_dims=4, max_side=6)
LAWFUL = settings(max_examples=60, deadline=None)


def values_of(dtype: np.dtype, scaling: Scaling) -> SourceValues:
    return SourceValues(dtype=dtype.name, **scaling.model_dump(exclude={"saturation_dn"}))


def round_trip(array: np.ndarray, scaling: Scaling) -> np.ndarray:
    numbers, _ = digital_numbers(array, scaling)
    return source_numbers(numbers, values_of(array.dtype, scaling))


@LAWFUL
@given(npst.arrays("uint16", SHAPES))
def test_digital_numbers_are_kept_as_they_are(array):
    numbers, notes = digital_numbers(array, Scaling())
    np.testing.assert_array_equal(numbers, array)
    assert set(notes) <= {"no_data"}


@LAWFUL
@given(npst.arrays("uint8", SHAPES))
def test_true_colour_in_eight_bits_comes_back_byte_for_byte(array):
    np.testing.assert_array_equal(round_trip(array, SCALINGS["true-color-8"]), array)


@LAWFUL
@given(
    st.sampled_from(["int16", "uint16", "int32", "uint8"]),
    st.floats(1e-4, 0.01),
    st.integers(-2000, 2000),
    st.data(),
)
def test_whole_numbers_come_back_wherever_nothing_was_clipped(dtype, scale, offset_dn, data):
    scaling = Scaling(scale=scale, offset=offset_dn * 1e-4)
    array = data.draw(npst.arrays(dtype, SHAPES))
    numbers, notes = digital_numbers(array, scaling)
    exact = array.astype(float) * scaling.dn_per_unit + scaling.dn_offset
    kept = (array == 0) | ((np.rint(exact) >= 1) & (np.rint(exact) <= 65535))
    back = source_numbers(numbers, values_of(array.dtype, scaling))
    np.testing.assert_array_equal(back[kept], array[kept])
    assert notes.get("below_one", 0) + notes.get("above_range", 0) == np.count_nonzero(~kept)


@LAWFUL
@given(npst.arrays("uint16", SHAPES))
def test_reflectance_on_the_grid_of_digital_numbers_comes_back_bit_for_bit(numbers):
    array = np.where(numbers == 0, np.float32(np.nan), numbers.astype("f4") / np.float32(10_000))
    np.testing.assert_array_equal(round_trip(array, Scaling(scale=1.0)), array)


@LAWFUL
@given(npst.arrays("float32", SHAPES, elements=st.floats(-1, 7, width=32)))
def test_other_reflectance_changes_by_half_a_digital_number_and_only_once(array):
    scaling = Scaling(scale=1.0)
    once = round_trip(array, scaling)
    inside = (array > 0.5e-4) & (array < 6.5535)
    assert (
        np.abs(once[inside] - array[inside]).max(initial=0) <= 0.51e-4
    )  # float32 itself is that coarse
    np.testing.assert_array_equal(round_trip(once, scaling), once)


@LAWFUL
@given(npst.arrays("float32", SHAPES))
def test_nothing_known_becomes_unknown_and_nothing_unknown_known(array):
    numbers, notes = digital_numbers(array, Scaling(scale=1.0))
    known = np.isfinite(array) & (array != 0)
    np.testing.assert_array_equal(numbers != 0, known)
    assert notes.get("no_data", 0) == np.count_nonzero(array == 0)
    assert notes.get("not_a_number", 0) == np.count_nonzero(~np.isfinite(array))


def test_values_beyond_the_range_are_clipped_and_counted():
    array = np.array([-0.5, 1e-6, 0.2, 9.0, 0.0, np.nan, np.inf], dtype="f4")
    numbers, notes = digital_numbers(array, Scaling(scale=1.0))
    assert numbers.tolist() == [1, 1, 2000, 65535, 0, 0, 0]
    assert notes["below_one"] == 2
    assert notes["above_range"] == 1
    assert notes["no_data"] == 1
    assert notes["not_a_number"] == 2


def test_the_largest_rounding_is_told():
    _, notes = digital_numbers(np.array([0.12344, 0.2]), Scaling(scale=1.0))
    assert notes["rounded"] == 1
    assert notes["max_rounding_dn"] == pytest.approx(0.4)
    assert "rounded, by at most 0.4 digital numbers" in describe_conversion(notes, 2)


def test_a_no_data_number_of_its_own_is_kept():
    array = np.array([-9999, 0, 500], dtype="int16")
    scaling = Scaling(no_data=-9999)
    numbers, _ = digital_numbers(array, scaling)
    assert numbers.tolist() == [0, 1, 500]  # a zero that is a value stays known
    assert round_trip(array, scaling).tolist() == [-9999, 1, 500]


def test_without_a_no_data_number_every_number_is_a_value():
    numbers, _ = digital_numbers(np.array([0, 7], dtype="uint8"), Scaling(no_data=None))
    assert numbers.tolist() == [1, 7]


def test_bright_true_colour_ends_at_3000():
    numbers, _ = digital_numbers(np.array([255, 1, 0], dtype="uint8"), SCALINGS["true-color-8"])
    assert numbers.tolist() == [3000, 12, 0]


LAND = np.random.default_rng(0).integers(200, 4000, 500)


@pytest.mark.parametrize(
    ("sample", "name", "advice"),
    [
        (LAND.astype("int16"), "reflectance", "'dn'"),
        ((LAND / 10_000).astype("f4"), "dn", "'reflectance'"),
        ((LAND / 16).astype("uint8"), "dn", "'true-color-8'"),
        ((LAND / 4).astype("int16"), "dn-offset-1000", "'dn'"),
        (LAND.astype("f8") * 1e9, "dn", "name the scale"),
    ],
)
def test_a_scaling_that_no_land_has_is_refused_with_one_that_would_fit(sample, name, advice):
    with pytest.raises(InputError, match="reflectance") as caught:
        check_scaling(sample, SCALINGS[name], "chips.npz")
    assert advice in str(caught.value)


@pytest.mark.parametrize(
    ("sample", "name"),
    [
        (LAND.astype("int16"), "dn"),
        ((LAND / 10_000).astype("f4"), "reflectance"),
        ((LAND + 1000).astype("uint16"), "dn-offset-1000"),
        ((LAND / 16).astype("uint8"), "true-color-8"),
        (np.zeros(9, "int16"), "dn"),
        (np.full(9, np.nan), "reflectance"),
    ],
)
def test_a_plausible_scaling_passes(sample, name):
    check_scaling(sample, SCALINGS[name], "chips.npz")


def test_values_that_are_no_numbers_are_refused():
    with pytest.raises(InputError, match="complex"):
        check_scaling(np.array([1j]), Scaling(), "chips.npz")


def test_a_scaling_that_is_not_known_is_named():
    with pytest.raises(SettingsError, match="'relfectance' is not a scaling; expected dn"):
        Scaling.named("relfectance")


@pytest.mark.parametrize(
    ("dtype", "scale", "offset", "reversible"),
    [
        ("int16", 1e-4, 0.0, True),
        ("uint16", 1e-4, -0.1, True),
        ("uint8", 0.3 / 255, 0.0, True),
        ("int16", 1e-4, 0.00005, False),  # halves round to even: 1 and 2 both become 2
        ("uint16", 1e-5, 0.0, False),
        ("float32", 1.0, 0.0, False),
    ],
)
def test_only_whole_numbers_that_stay_apart_are_promised_back(dtype, scale, offset, reversible):
    scaling = Scaling(scale=scale, offset=offset, no_data=None)
    assert is_reversible(np.dtype(dtype), scaling) is reversible
    if dtype != "float32":
        array = np.arange(1100, 1200).astype("u1" if dtype == "uint8" else dtype)
        assert np.array_equal(round_trip(array, scaling), array) is reversible


def test_an_offset_that_is_still_in_is_warned_of():
    numbers = np.random.default_rng(0).integers(1_032, 4_000, (5, 48, 48, 3), dtype=np.uint16)
    with pytest.warns(OffsetWarning, match="as if the offset of .1000 .* were still in"):
        warn_of_offset(numbers, Scaling.named("dn"), "scene.npz")


@pytest.mark.parametrize("scaling", ["dn", "dn-offset-1000"])
def test_values_with_something_dark_among_them_pass_in_silence(scaling):
    numbers = np.random.default_rng(0).integers(1_032, 4_000, (5, 48, 48, 3), dtype=np.uint16)
    numbers[0, :2, :2] = 300 if scaling == "dn" else 1_032
    warn_of_offset(numbers, Scaling.named(scaling), "scene.npz")


def test_a_scaling_that_clips_more_than_two_percent_is_refused_with_the_share():
    numbers = np.random.default_rng(0).integers(200, 2_000, (5, 48, 48, 3), dtype=np.uint16)
    with pytest.raises(InputError, match=r"44 % of the values would be clipped at 0.0001.*'dn'"):
        check_scaling(numbers, Scaling.named("dn-offset-1000"), "chips.npz")


def test_true_colour_above_255_is_refused_with_the_largest_value():
    numbers = np.array([90, 120, 60, 4327], dtype="int16")
    with pytest.raises(InputError, match="values up to 4,327, but 8-bit true colour has none"):
        check_scaling(numbers, Scaling.named("true-color-8"), "chips.npz")
