"""A tile's scores are those of its windows, each cut out and scored as a patch."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from minewatch import _store
from minewatch.bands import band_names
from minewatch.errors import BandError, DetectorError, InputError, LevelError
from minewatch.model import Card, OnnxDetector, convert_keras
from minewatch.model._card import MissingPixels, Preparation
from minewatch.model._cnn_layers import (
    Conv,
    Network,
    dense_network,
    learn_normalisation,
    reference_network,
)
from minewatch.model._cnn_onnx import write_network
from minewatch.model._prepare import prepare
from minewatch.scan._dense_padded import PaddedNetwork
from minewatch.scan._score import score_tile, way_of_scoring
from minewatch.scan._tile import PixelWindows

BANDS = band_names("rgbn-swir")
KEEP = MissingPixels(method="keep", most_share=0.5)
WHERE = {"level": "L2A", "resolution_m": 10.0}


def random_weights(network, n_bands, seed):
    """Weights as torch names them, large enough that scores differ."""
    rng = np.random.default_rng(seed)
    weights, position = {}, 0
    for layer in network.layers:
        if not isinstance(layer, Conv):
            position += 1
            continue
        spread = np.sqrt(2 / (9 * n_bands))
        kernel = rng.normal(0, spread, (layer.width, n_bands, 3, 3))
        weights[f"features.{position}.weight"] = kernel.astype("float32")
        if network.is_dense:
            norm = f"features.{position + 1}"
            weights[f"{norm}.weight"] = rng.uniform(0.8, 1.2, layer.width).astype("float32")
            weights[f"{norm}.bias"] = rng.normal(0, 0.1, layer.width).astype("float32")
            weights[f"{norm}.running_mean"] = rng.normal(0, 0.1, layer.width).astype("float32")
            weights[f"{norm}.running_var"] = rng.uniform(0.8, 1.2, layer.width).astype("float32")
        else:
            weights[f"features.{position}.bias"] = rng.normal(0, 0.1, layer.width).astype("float32")
        n_bands = layer.width
        position += 3 if network.is_dense else 2
    n_inputs = 3 * n_bands if network.is_dense else n_bands * network.cells**2
    at = 0 if not network.is_dense else 1
    for width in (*network.hidden, 1):
        shape = (width, n_inputs)
        weights[f"head.{at}.weight"] = rng.normal(0, n_inputs**-0.5, shape).astype("float32")
        weights[f"head.{at}.bias"] = np.zeros(width, dtype="float32")
        n_inputs, at = width, at + 3
    return weights


def random_tile(height, width, seed=0, *, n_missing=0, bands=BANDS):
    """Reflectance with large and small shapes in it; some rectangles are missing."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0.02, 0.4, (len(bands), height // 6 + 1, width // 6 + 1))
    values = coarse.repeat(6, axis=1).repeat(6, axis=2)[:, :height, :width]
    values = values * rng.normal(1, 0.1, values.shape)
    for _ in range(n_missing):
        top, left = rng.integers(0, height), rng.integers(0, width)
        values[:, top : top + rng.integers(1, 30), left : left + rng.integers(1, 30)] = np.nan
    return as_tile(np.round(values, 4).astype("float32"), bands)


def as_tile(values, bands=BANDS):
    return xr.DataArray(values, dims=("band", "y", "x"), coords={"band": list(bands)})


def make_detector(network: Network, *, n_members=1, missing=None, seed=0, bands=BANDS):
    normalisation = learn_normalisation(random_tile(96, 96, bands=bands).to_numpy()[None])
    members = [random_weights(network, len(bands), seed + i) for i in range(n_members)]
    content = write_network(network, normalisation, members)
    card = Card(
        name="random",
        kind="cnn",
        bands=bands,
        level="L2A",
        size_px=network.size_px,
        preparation=Preparation(missing=missing or KEEP),
        licence="MIT",
        digest=_store.digest_bytes(content),
    )
    return OnnxDetector(card, content)


def grid(height, width, size, stride):
    rows = np.arange(0, height - size + 1, stride)
    columns = np.arange(0, width - size + 1, stride)
    every = np.meshgrid(rows, columns, indexing="ij")
    return every[0].ravel(), every[1].ravel()


def by_patches(detector, tile, rows, columns, where=WHERE):
    """The truth: each window cut out, as a patch."""
    size = detector.card.size_px
    cut = [
        tile[:, r : r + size, c : c + size].to_numpy() for r, c in zip(rows, columns, strict=True)
    ]
    patches = xr.DataArray(
        np.stack(cut),
        dims=("site", "band", "y", "x"),
        coords={"site": np.arange(len(cut)), "band": tile["band"].to_numpy()},
        attrs=where,
    )
    return detector.score(patches)


def assert_same(table, truth):
    assert table["reason"].tolist() == truth["reason"].tolist()
    assert table["missing_share"].tolist() == truth["missing_share"].tolist()
    np.testing.assert_allclose(table["score"], truth["score"], rtol=0, atol=1e-5)
    known = truth["score"].notna()
    assert truth["score"][known].std() > 1e-3, "scores that do not differ prove nothing"


@pytest.fixture(scope="module")
def dense():
    return make_detector(dense_network(48, 4), n_members=2)


@pytest.fixture(scope="module")
def padded():
    return make_detector(reference_network(36, 4), missing=KEEP)


def test_a_network_that_pads_nothing_is_run_over_the_tile_at_once(dense):
    assert way_of_scoring(dense) == "dense"
    tile = random_tile(400, 330, 1)
    rows, columns = grid(400, 330, 48, 24)
    assert_same(
        score_tile(dense, tile, rows, columns, **WHERE), by_patches(dense, tile, rows, columns)
    )


@pytest.mark.parametrize("method", ["keep", "refuse", "fill"])
def test_windows_with_missing_pixels_get_the_reasons_and_scores_of_patches(method):
    missing = MissingPixels(method=method, fill=0.1, most_share=0.2)
    detector = make_detector(dense_network(48, 4), missing=missing)
    tile = random_tile(200, 220, 3, n_missing=12)
    tile[:, :60, :60] = np.nan
    rows, columns = grid(200, 220, 48, 12)
    table = score_tile(detector, tile, rows, columns, **WHERE)
    assert_same(table, by_patches(detector, tile, rows, columns))
    assert "every pixel is missing" in table["reason"].tolist()
    assert (table["reason"] == "").any()


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_windows_may_lie_anywhere_in_any_order(dense, data):
    tile = random_tile(97, 121, 4, n_missing=3)
    n_windows = data.draw(st.integers(2, 12))
    rows, columns = (
        np.array(
            data.draw(st.lists(st.integers(0, side - 48), min_size=n_windows, max_size=n_windows))
        )
        for side in (97, 121)
    )
    table = score_tile(dense, tile, rows, columns, **WHERE)
    truth = by_patches(dense, tile, rows, columns)
    assert table["reason"].tolist() == truth["reason"].tolist()
    np.testing.assert_allclose(table["score"], truth["score"], rtol=0, atol=1e-5)


def test_bands_are_found_by_name(dense):
    tile = random_tile(100, 100, 5)
    more = xr.concat([tile[::-1], (tile[:1] + 0.1).assign_coords(band=["B05"])], "band")
    rows, columns = grid(100, 100, 48, 24)
    plain = score_tile(dense, tile, rows, columns, **WHERE)
    pd.testing.assert_frame_equal(score_tile(dense, more, rows, columns, **WHERE), plain)


@pytest.mark.parametrize("stride", [24, 12, 18])
def test_networks_that_pad_share_their_first_block_and_nothing_else_changes(stride):
    detector = make_detector(reference_network(48, 6), missing=KEEP)
    assert way_of_scoring(detector) == "shared first block"
    tile = random_tile(260, 200, 6, n_missing=3)
    rows, columns = grid(260, 200, 48, stride)
    table = score_tile(detector, tile, rows, columns, **WHERE)
    assert_same(table, by_patches(detector, tile, rows, columns))


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_windows_of_networks_that_pad_may_lie_anywhere_too(padded, data):
    tile = random_tile(70, 80, 7)
    n_windows = data.draw(st.integers(2, 40))
    pairs = st.tuples(st.integers(0, 12), st.integers(0, 16))
    chosen = data.draw(st.lists(pairs, min_size=n_windows, max_size=n_windows))
    rows, columns = 2 * np.array(chosen).T + data.draw(st.integers(0, 1))
    table = score_tile(padded, tile, rows, columns, **WHERE)
    truth = by_patches(padded, tile, rows, columns)
    np.testing.assert_allclose(table["score"], truth["score"], rtol=0, atol=1e-5)


def test_what_is_shared_is_exact_for_every_window(padded):
    """Whichever way is cheaper, both are right: this one is asked for."""
    network = PaddedNetwork.of(padded)
    tile = random_tile(120, 131, 8).to_numpy()
    rows, columns = grid(120, 131, 36, 6)
    some = np.random.default_rng(0).permutation(len(rows))[:70]
    windows = PixelWindows(rows[some], columns[some], 36)
    prepared = prepare(tile, padded.card.preparation)
    truth = by_patches(padded, as_tile(tile), windows.rows, windows.columns)["score"]
    np.testing.assert_allclose(network.together(prepared, windows), truth, rtol=0, atol=1e-6)
    assert truth.std() > 1e-3


def test_networks_whose_patches_the_pooling_does_not_divide_are_scored_window_by_window():
    detector = make_detector(reference_network(19, 4))
    assert way_of_scoring(detector) == "window by window"
    tile = random_tile(100, 90, 6, n_missing=2)
    rows, columns = grid(100, 90, 19, 5)
    table = score_tile(detector, tile, rows, columns, **WHERE)
    assert_same(table, by_patches(detector, tile, rows, columns))


def test_no_window_gives_an_empty_table(dense):
    none = np.array([], dtype=int)
    table = score_tile(dense, random_tile(50, 50), none, none, **WHERE)
    assert table.shape == (0, 3)
    assert table["score"].dtype == np.float32


def test_what_does_not_fit_is_refused(dense):
    tile, at = random_tile(60, 60), np.array([0])
    with pytest.raises(InputError, match="1 windows of 48 px leave the tile of 60 × 60 px"):
        score_tile(dense, tile, np.array([13]), at, **WHERE)
    with pytest.raises(InputError, match="leave the tile"):
        score_tile(dense, tile, np.array([-1]), at, **WHERE)
    with pytest.raises(InputError, match="one length"):
        score_tile(dense, tile, np.array([0, 1]), at, **WHERE)
    with pytest.raises(InputError, match="dims"):
        score_tile(dense, tile.transpose("y", "x", "band"), at, at, **WHERE)
    with pytest.raises(LevelError):
        score_tile(dense, tile, at, at, level="L1C", resolution_m=10.0)
    with pytest.raises(InputError, match="20 m"):
        score_tile(dense, tile, at, at, level="L2A", resolution_m=20.0)
    with pytest.raises(BandError, match="B04"):
        score_tile(dense, tile.drop_sel(band="B04"), at, at, **WHERE)
    with pytest.raises(InputError, match="too small"):
        score_tile(dense, tile[:, :40], at, at, **WHERE)
    with pytest.raises(InputError, match="context of 2"):
        score_tile(dense, tile, at, at, context=pd.DataFrame(index=["a", "b"]), **WHERE)


@pytest.mark.parametrize("way", ["dense", "shared first block"])
def test_networks_that_give_no_probabilities_are_refused_as_for_patches(way, dense, padded, maker):
    detector = maker.without_bound({"dense": dense, "shared first block": padded}[way])
    assert way_of_scoring(detector) == way
    tile = random_tile(100, 100, 9)
    rows, columns = grid(100, 100, detector.card.size_px, 6)
    with pytest.raises(DetectorError, match="expected probabilities"):
        by_patches(detector, tile, rows, columns)
    with pytest.raises(DetectorError, match="expected probabilities"):
        score_tile(detector, tile, rows, columns, **WHERE)


@pytest.mark.real
@pytest.mark.parametrize(
    ("stem", "way"),
    [
        ("48px_v3.7-a_2024-01-17", "shared first block"),
        ("48px_v3.2-3.7ensemble_2024-02-13", "shared first block"),
        ("44px_v2.6_rgb_2021-11-11", "window by window"),
    ],
)
def test_published_detectors_give_a_tile_the_scores_of_its_windows(shared_data, stem, way):
    pytest.importorskip("h5py", reason="h5py is not installed: pip install 'minewatch[convert]'")
    detector = convert_keras(shared_data / "amw" / "models" / f"{stem}.h5")
    assert way_of_scoring(detector) == way
    card = detector.card
    tile = published_patches(shared_data, stem, card)
    rows, columns = grid(*tile.shape[1:], card.size_px, card.size_px // 2)
    where = {"level": card.level, "resolution_m": card.resolution_m}
    table = score_tile(detector, tile, rows, columns, **where)
    assert_same(table, by_patches(detector, tile, rows, columns, where))


def published_patches(shared_data, stem, card):
    """The patches that TensorFlow's answers are known for, side by side: 4 × 6 of them."""
    with np.load(shared_data / "amw" / "models" / "expected_scores.npz") as known:
        patches = np.moveaxis(known[f"{stem}__x"][:24], -1, 1)
    for step in card.preparation.steps:
        if step.step == "standardise":
            mean, deviation = (np.reshape(v, (-1, 1, 1)) for v in (step.mean, step.deviation))
            patches = patches * deviation + mean
    size, n_bands = card.size_px, len(card.bands)
    tile = patches.reshape(4, 6, n_bands, size, size).transpose(2, 0, 3, 1, 4)
    whole = tile.reshape(n_bands, 4 * size, 6 * size).astype("float32")
    return as_tile(whole, card.bands)
