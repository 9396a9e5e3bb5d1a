import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import gaussian_kde

from minewatch.explore._distributions import count_density, describe_distributions
from minewatch.explore._settings import ExploreSettings
from minewatch.explore._statistics import summarise_patches
from minewatch.patches import write_patches
from minewatch.toy import Valley

SETTINGS = ExploreSettings()


def distributions(dataset, choices=SETTINGS):
    return describe_distributions(summarise_patches(dataset), choices)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(20, 3000),
    spread=st.floats(2.0, 2000.0),
    adjust=st.sampled_from([0.5, 1.0, 2.0]),
)
def test_density_is_that_of_a_kernel_on_every_single_pixel(seed, n, spread, adjust):
    random = np.random.default_rng(seed)
    values = np.concatenate([random.normal(9000, spread, n), random.normal(9500, 3 * spread, n)])
    values = np.clip(values.round(), 1, 65_535).astype(int)
    grid = np.linspace(*np.quantile(values, [0.005, 0.995]), 200)
    exact = gaussian_kde(values, bw_method=lambda kde: adjust * kde.scotts_factor())(grid)
    density = count_density(np.bincount(values, minlength=65_536), grid, adjust=adjust)
    np.testing.assert_allclose(density, exact, atol=1e-3 * exact.max())


def test_densities_agree_with_scipy_in_reflectance(make_dataset, make_textured):
    numbers = make_textured(8, 3)
    dataset = make_dataset(numbers, [1, 1, 1, 0, 0, 0, 0, None])
    densities = distributions(dataset).tables["densities"]
    part = densities[(densities["band"] == "B03") & (densities["class"] == "no mining")]
    exact = gaussian_kde(numbers[3:7, 1].ravel() / 10_000)(part["reflectance"])
    np.testing.assert_allclose(part["density"], exact, atol=1e-3 * exact.max())


def test_classes_share_each_bands_axis(make_dataset, make_textured):
    densities = distributions(make_dataset(make_textured(6, 3), [1, 0] * 3)).tables["densities"]
    for _, part in densities.groupby("band"):
        grids = [curve["reflectance"].tolist() for _, curve in part.groupby("class")]
        assert grids[0] == grids[1]


def test_the_axis_leaves_out_only_the_tails(make_dataset, make_textured):
    numbers = make_textured(6, 3)
    numbers[0, 0, 0, 0] = 60_000
    axes = distributions(make_dataset(numbers, [1, 0] * 3)).tables["axes"]
    assert axes["outside_share"].max() <= 2 * SETTINGS.robust_percent / 100
    assert axes["axis_high"].max() < 1.0


def test_pixels_beyond_the_axis_still_count_in_the_area(make_dataset, make_textured):
    choices = ExploreSettings(robust_percent=20.0)
    densities = distributions(make_dataset(make_textured(6, 3), [1] * 6), choices).tables[
        "densities"
    ]
    for _, curve in densities.groupby("band"):
        area = np.trapezoid(curve["density"], curve["reflectance"])
        assert 0.5 < area < 0.7


def test_no_data_is_in_no_density_and_no_quantile(make_dataset, make_textured):
    numbers = make_textured(6, 3)
    numbers[:, :, :8] = 0
    quantiles = distributions(make_dataset(numbers, [1, 0] * 3)).tables["quantiles"]
    assert quantiles["n_px"].eq(3 * 128).all()
    assert quantiles["min"].gt(0).all()


def test_quantiles_are_exact(make_dataset, make_textured):
    numbers = make_textured(6, 3)
    table = distributions(make_dataset(numbers, [1] * 3 + [0] * 3)).tables["quantiles"]
    row = table.set_index(["band", "class"]).loc[("B04", "mining")]
    values = numbers[:3, 2].ravel() / 10_000
    expected = np.quantile(values, [0.05, 0.5, 0.95], method="inverted_cdf")
    assert row[["p05", "median", "p95"]].tolist() == pytest.approx(expected.tolist())
    assert row["mean"] == pytest.approx(values.mean())


def test_signatures_run_over_wavelength(make_dataset, make_textured):
    bands = ["B8A", "B08", "B02"]
    dataset = make_dataset(make_textured(4, 3), [1, 0] * 2, bands=bands)
    signatures = distributions(dataset).tables["signatures"]
    assert signatures["band"].tolist() == ["B02", "B08", "B8A"] * 2
    assert signatures["class"].tolist() == ["mining"] * 3 + ["no mining"] * 3
    assert signatures.loc[0, "wavelength_nm"] == 492.7


def test_a_band_that_does_not_vary_has_no_density(make_dataset, make_textured):
    numbers = make_textured(4, 3)
    numbers[:, 1] = 800
    densities = distributions(make_dataset(numbers, [1, 0] * 2)).tables["densities"]
    assert densities.loc[densities["band"] == "B03", "density"].isna().all()
    assert densities.loc[densities["band"] == "B02", "density"].notna().all()


def test_one_class_is_described_without_comparing(make_dataset, make_textured):
    section = distributions(make_dataset(make_textured(4, 3), [0] * 4))
    assert "gaps" not in section.tables
    assert section.seen.startswith("There are no pixels of both classes to compare, only of no mi")


def test_no_known_pixel_leaves_the_section_out(make_dataset):
    section = distributions(make_dataset(np.zeros((3, 3, 8, 8), dtype=np.uint16), [1, 0, 1]))
    assert section.missing
    assert not section.tables


@pytest.mark.parametrize(
    ("shift", "words"), [(0, "No single band"), (600, "overlap widely"), (4000, "A threshold on")]
)
def test_advice_follows_how_far_classes_lie_apart(make_dataset, shift, words):
    random = np.random.default_rng(8)
    numbers = random.normal(5000, 500, (20, 3, 8, 8))
    numbers[:10, 1] -= shift
    section = distributions(make_dataset(numbers.astype(np.uint16), [1] * 10 + [0] * 10))
    assert words in section.advice
    if shift:
        assert "in B03 (green): pixels of mining patches are darker than the others" in section.seen
        assert section.tables["gaps"]["band"].iloc[0] == "B03"


def test_equal_medians_are_not_called_brighter(make_dataset):
    random = np.random.default_rng(9)
    numbers = np.concatenate(
        [random.normal(5000, spread, (10, 3, 24, 24)) for spread in (200, 900)]
    ).astype(np.uint16)
    section = distributions(make_dataset(numbers, [1] * 10 + [0] * 10))
    assert "pixels of mining patches are about as bright as the others" in section.seen


@pytest.mark.parametrize("is_reversed", [False, True])
def test_bands_in_reversed_order_are_doubted_and_only_those(tmp_path, is_reversed):
    valley = Valley(seed=1)
    sites = valley.sites(n_mining=6, n_background=14)
    numbers = valley.pixels(sites).to_numpy()
    order = numbers[:, ::-1] if is_reversed else numbers
    dataset = write_patches(tmp_path / "toy", sites, order, bands="l2a-12", level="L2A")
    section = distributions(dataset)
    assert ("is the band order right?" in section.seen) == is_reversed
    assert section.advice.startswith("Check the order") == is_reversed
