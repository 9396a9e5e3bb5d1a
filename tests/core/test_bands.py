import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minewatch import bands
from minewatch.errors import BandError, LevelError

NAMES = [band.name for band in bands.BANDS]


@pytest.mark.parametrize("spelling", ["name", "earth_engine", "common"])
def test_every_spelling_of_a_band_names_it(spelling: str) -> None:
    assert [bands.band(getattr(band, spelling)).name for band in bands.BANDS] == NAMES


def test_bands_stand_in_the_order_of_their_wavelengths() -> None:
    wavelengths = [band.wavelength_nm for band in bands.BANDS]
    assert wavelengths == sorted(wavelengths)


def test_the_legacy_order_has_8a_before_8_and_no_cirrus() -> None:
    names = bands.band_names("legacy-12")
    assert names.index("B8A") + 1 == names.index("B08")
    assert set(NAMES) - set(names) == {"B10"}


def test_a_name_that_stands_for_three_bands_is_refused() -> None:
    with pytest.raises(BandError, match="B05 or B06 or B07"):
        bands.band("rededge")


def test_a_misspelt_band_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(BandError, match="did you mean 'B01'"):
        bands.band("coastl")


def test_a_misspelt_preset_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(BandError, match=r"the preset 'rgbn-swir'\? Expected"):
        bands.band_names("rgbnswir")
    with pytest.raises(BandError, match=r"did you mean 'legacy-12'\? Presets are"):
        bands.band_names("legacy12")


def test_a_band_given_twice_in_two_spellings_is_refused() -> None:
    with pytest.raises(BandError, match="B04 named more than once"):
        bands.band_names(["B4", "red"])


def test_a_band_that_is_not_there_is_named() -> None:
    with pytest.raises(BandError, match=r"B11 not among the bands at hand \(B04, B03, B02\)"):
        bands.band_positions(["B03", "B11"], bands.PRESETS["rgb"])


def test_zero_becomes_nan_and_nothing_else_does() -> None:
    numbers = np.arange(65536, dtype=np.uint16)
    reflectance = bands.reflectance_from_dn(numbers)
    assert np.isnan(reflectance).nonzero()[0].tolist() == [0]
    np.testing.assert_allclose(reflectance[1:], numbers[1:] / 10_000, rtol=1e-6)


@given(st.permutations(NAMES), st.integers(1, len(NAMES)), st.integers(0, 2**32 - 1))
def test_the_order_of_bands_never_changes_an_index(
    order: list[str], n_bands: int, seed: int
) -> None:
    chosen = order[:n_bands]
    ordered = [name for name in NAMES if name in chosen]
    values = np.random.default_rng(seed).uniform(0.01, 0.6, (len(chosen), 5))
    lookup = dict(zip(ordered, values, strict=True))
    shuffled = np.stack([lookup[name] for name in chosen])
    one = bands.spectral_indices(values, ordered, band_axis=0)
    other = bands.spectral_indices(shuffled, chosen, band_axis=0)
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


def test_indices_equal_their_formulas() -> None:
    red, nir, green, swir = 0.05, 0.3, 0.07, 0.15
    values = np.array([[red], [nir], [green], [swir]])
    found = bands.spectral_indices(values, ["B04", "B08", "B03", "B11"], band_axis=0)
    assert found["NDVI"][0] == pytest.approx((nir - red) / (nir + red))
    assert found["MNDWI"][0] == pytest.approx((green - swir) / (green + swir))
    assert found["NDTI"][0] == pytest.approx((red - green) / (red + green))


def test_an_index_without_an_answer_is_nan() -> None:
    found = bands.spectral_indices(np.zeros((2, 1)), ["B04", "B08"], band_axis=0)
    assert np.isnan(found["NDVI"][0])


@pytest.mark.parametrize("level", ["L1B", "", None, "l2a"])
def test_a_level_is_never_guessed(level: str | None) -> None:
    with pytest.raises(LevelError, match="say L1C"):
        bands.check_level(level)
