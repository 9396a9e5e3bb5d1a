"""Statistics from sums over a tile are those of its windows; trees give the very same answers."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from minewatch.bands import band_names
from minewatch.errors import DetectorError, InputError
from minewatch.model import EnsembleDetector, OnnxDetector, TextureDetector, TreeDetector
from minewatch.model._features import patch_statistics, statistic_names
from minewatch.scan._score import score_tile, way_of_scoring
from minewatch.scan._tile import PixelWindows, cut_windows
from minewatch.scan._tree_statistics import make_layers, measure_windows
from minewatch.scan._tree_statistics_forest import find_forests

BANDS = band_names("rgbn-swir")
WHERE = {"level": "L2A", "resolution_m": 10.0}
SIZE_PX = 24


def ground(height, width, seed, kind="patchy"):
    """Reflectance in whole digital numbers: fields with grain, or flat water beside bright sand."""
    rng = np.random.default_rng(seed)
    if kind == "beside":
        return beside(height, width, rng)
    cell = {"patchy": 5, "flat": 40}[kind]
    shape = (len(BANDS), height // cell + 1, width // cell + 1)
    fields = rng.uniform(0.02, 0.4, shape).repeat(cell, axis=1).repeat(cell, axis=2)
    values = fields[:, :height, :width]
    if kind == "patchy":
        values = values * rng.normal(1, 0.1, values.shape)
    return (np.round(np.clip(values, 1e-4, 1) * 1e4) / 1e4).astype("float32")


def beside(height, width, rng):
    """Ground at 1e-4 beside 1.0, with grain in some bands; and a band of noughts."""
    values = np.full((len(BANDS), height, width), 1e-4)
    values[:, :, width // 2 :] = 1.0
    values[::2] *= rng.choice([1.0, 0.5], values[::2].shape)
    values[3] = 0.0
    return values.astype("float32")


def grid(height, width, stride):
    starts = [np.arange(0, side - SIZE_PX + 1, stride) for side in (height, width)]
    rows, columns = np.meshgrid(*starts, indexing="ij")
    return rows.ravel(), columns.ravel()


def as_tile(values):
    return xr.DataArray(values, dims=("band", "y", "x"), coords={"band": list(BANDS)})


def patches_of(values, rows, columns):
    cut = cut_windows(values, PixelWindows(rows, columns, SIZE_PX))
    sites = [f"s{i:04d}" for i in range(len(cut))]
    coords = {"site": sites, "band": list(BANDS)}
    return xr.DataArray(cut, dims=("site", "band", "y", "x"), coords=coords, attrs=WHERE)


def trained(detector, seed=0, context=None):
    """Train on windows of a tile: mining is where the ground is bright and uneven."""
    values = ground(120, 144, seed)
    pixels = patches_of(values, *grid(120, 144, 12))
    mean = pixels.mean(("band", "y", "x")).to_numpy()
    spread = pixels.std(("y", "x")).mean("band").to_numpy()
    labels = pd.Series((mean + spread > np.median(mean + spread)).astype(int), pixels["site"])
    fitted = detector.fit(pixels, labels, None if context is None else context(pixels["site"]))
    return OnnxDetector(*fitted.to_onnx())


@pytest.fixture(scope="module")
def trees():
    return trained(TreeDetector(n_trees=60))


@pytest.mark.parametrize("kind", ["patchy", "flat", "beside"])
@pytest.mark.parametrize("size", [(97, 110), (105, 73), (80, 128)])
def test_statistics_lie_within_their_stated_error_of_those_of_patches(kind, size):
    values = ground(*size, 1, kind)
    rows, columns = grid(*size, 7)
    layers, names = make_layers(values, BANDS)
    windows = PixelWindows(rows, columns, SIZE_PX)
    cut = cut_windows(layers, windows)
    windows = windows[np.isfinite(cut).all(axis=(1, 2, 3))]
    wanted = statistic_names(BANDS)
    found = measure_windows(layers, names, len(BANDS), windows, frozenset(wanted))
    truth, _ = patch_statistics(cut_windows(values, windows), BANDS)
    assert set(found) == set(wanted)
    assert len(windows) > 50
    for column, name in enumerate(wanted):
        difference = np.abs(found[name].numbers - truth[:, column])
        assert (difference <= found[name].error + 1e-12).all(), name


def test_errors_are_small_beside_how_much_windows_differ():
    values = ground(110, 120, 2)
    layers, names = make_layers(values, BANDS)
    windows = PixelWindows(*grid(110, 120, 12), SIZE_PX)
    wanted = frozenset(statistic_names(BANDS))
    for name, one in measure_windows(layers, names, len(BANDS), windows, wanted).items():
        assert np.median(one.error) < 0.005 * one.numbers.std(), name


@pytest.mark.parametrize("kind", ["patchy", "flat", "beside"])
def test_trees_give_every_window_the_score_of_its_patch(trees, kind):
    assert way_of_scoring(trees) == "shared statistics"
    values = ground(130, 118, 3, kind)
    rows, columns = grid(130, 118, 6)
    table = score_tile(trees, as_tile(values), rows, columns, **WHERE)
    truth = trees.score(patches_of(values, rows, columns))
    np.testing.assert_allclose(table["score"], truth["score"], rtol=0, atol=1e-5)
    assert truth["score"].std() > 0.05


def test_windows_with_missing_pixels_are_measured_as_patches_are(trees):
    values = ground(96, 96, 4)
    values[:, 20:30, 40:55] = np.nan
    values[2, 70, 70] = np.nan
    values[:, 60:, :30] = np.nan
    rows, columns = grid(96, 96, 6)
    table = score_tile(trees, as_tile(values), rows, columns, **WHERE)
    truth = trees.score(patches_of(values, rows, columns))
    np.testing.assert_allclose(table["score"], truth["score"], rtol=0, atol=1e-5)
    assert table["reason"].tolist() == truth["reason"].tolist()
    assert table["missing_share"].tolist() == truth["missing_share"].tolist()
    assert set(table["reason"]) >= {"", "every pixel is missing"}


def test_a_window_on_a_threshold_gets_no_score_from_sums(trees):
    (forest,) = find_forests(trees.network)
    numbers = np.zeros((2, len(trees.card.preparation.statistics)), dtype=np.float32)
    first = forest.roots[0]
    numbers[1, forest.column[first]] = forest.split[first]
    errors = np.full_like(numbers, 1e-12)
    assert forest.is_settled(numbers, errors).tolist()[1] is False
    assert forest.is_settled(numbers, np.zeros_like(numbers) - 1).all()
    assert not forest.is_settled(numbers, np.full_like(numbers, np.inf)).any()


def test_a_bound_that_is_not_known_settles_nothing(trees):
    (forest,) = find_forests(trees.network)
    numbers = np.zeros((2, len(trees.card.preparation.statistics)), dtype=np.float32)
    assert not forest.is_settled(numbers, np.full_like(numbers, np.nan)).any()
    unknown = np.full_like(numbers, np.nan)
    assert not forest.is_settled(unknown, np.full_like(numbers, np.nan)).any()
    assert not forest.is_settled(unknown, np.full_like(numbers, 1e-9)).any()
    assert forest.is_settled(unknown, np.zeros_like(numbers)).all()


def test_the_error_of_a_layer_of_noughts_is_a_number():
    values = np.zeros((len(BANDS), 60, 60), dtype=np.float32)
    windows = PixelWindows(*grid(60, 60, 12), SIZE_PX)
    found = measure_windows(values, BANDS, len(BANDS), windows, frozenset(statistic_names(BANDS)))
    assert {f"{band} grain 3 px" for band in BANDS} <= found.keys()
    for name, one in found.items():
        assert np.isfinite(one.error).all(), name
        assert (np.abs(one.numbers) <= one.error).all(), name


def some_context(sites):
    rng = np.random.default_rng(7)
    numbers = rng.uniform(0, 1000, len(sites))
    numbers[::9] = np.nan
    return pd.DataFrame({"road_m": numbers}, index=pd.Index(np.asarray(sites), name="site_id"))


def test_context_is_joined_to_statistics_as_for_patches():
    detector = trained(TreeDetector(n_trees=30), context=some_context)
    values = ground(90, 90, 5)
    rows, columns = grid(90, 90, 12)
    patches = patches_of(values, rows, columns)
    context = some_context(patches["site"])
    table = score_tile(detector, as_tile(values), rows, columns, context=context, **WHERE)
    truth = detector.score(patches, context)
    pd.testing.assert_index_equal(table.index, context.index)
    np.testing.assert_allclose(table["score"], truth["score"], rtol=0, atol=1e-5)
    with pytest.raises(InputError, match="takes context"):
        score_tile(detector, as_tile(values), rows, columns, **WHERE)


def test_textures_are_compared_with_each_place_once():
    detector = trained(TextureDetector(n_textures=20))
    assert way_of_scoring(detector) == "shared fields"
    values = ground(101, 133, 6)
    values[:, 50:54, 10:14] = np.nan
    values[:, 60:, 100:] = np.nan
    for stride in (12, 5):
        rows, columns = grid(101, 133, stride)
        table = score_tile(detector, as_tile(values), rows, columns, **WHERE)
        truth = detector.score(patches_of(values, rows, columns))
        np.testing.assert_allclose(table["score"], truth["score"], rtol=0, atol=1e-5)
        assert table["reason"].tolist() == truth["reason"].tolist()
        assert truth["score"].std() > 0.05


def test_ensembles_of_trees_and_textures_share_too():
    detector = trained(EnsembleDetector([TreeDetector(n_trees=20), TextureDetector(n_textures=8)]))
    assert way_of_scoring(detector) == "shared statistics"
    values = ground(84, 96, 6)
    values[:, 50:54, 10:14] = np.nan
    rows, columns = grid(84, 96, 6)
    table = score_tile(detector, as_tile(values), rows, columns, **WHERE)
    truth = detector.score(patches_of(values, rows, columns))
    np.testing.assert_allclose(table["score"], truth["score"], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "way"),
    [
        (TreeDetector(n_trees=5), "shared statistics"),
        (TextureDetector(n_textures=6), "shared fields"),
        (
            EnsembleDetector([TreeDetector(n_trees=5), TextureDetector(n_textures=6)]),
            "shared statistics",
        ),
    ],
)
def test_networks_that_give_no_probabilities_are_refused_as_for_patches(kind, way, maker):
    detector = maker.without_bound(trained(kind))
    assert way_of_scoring(detector) == way
    values = ground(60, 60, 3)
    rows, columns = grid(60, 60, 6)
    with pytest.raises(DetectorError, match="expected probabilities"):
        detector.score(patches_of(values, rows, columns))
    with pytest.raises(DetectorError, match="expected probabilities"):
        score_tile(detector, as_tile(values), rows, columns, **WHERE)
