import json
import sys

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import xarray as xr
from sklearn.base import clone

from minewatch.errors import BandError, InputError, LevelError, MissingExtraError, SettingsError
from minewatch.model import Detector, load_detector, save_detector
from minewatch.model._cnn import CnnDetector
from minewatch.model._cnn_folds import inner_folds
from minewatch.model._cnn_layers import (
    dense_network,
    learn_normalisation,
    reference_network,
)
from minewatch.model._cnn_onnx import DENSE_KEY, write_network

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'minewatch[cnn]'")

from minewatch.model import _cnn_augment, _cnn_train  # noqa: E402 - they need torch
from minewatch.model._cnn_network import PatchNetwork  # noqa: E402

BANDS = ("B02", "B03", "B04", "B08")
TINY = {"width": 4, "n_members": 2, "epochs": 6, "inner_splits": 2, "threads": 1}


def _patches(n=40, seed=0, size=48):
    """Dark green ground; half of the patches have bright red pits in their middle."""
    random = np.random.default_rng(seed)
    values = random.normal([[0.04], [0.06], [0.05], [0.3]], 0.01, (n, 4, size * size))
    values = values.reshape(n, 4, size, size)
    labels = np.arange(n) % 2
    third = slice(size // 3, size - size // 3)
    values[labels == 1, 2, third, third] += 0.15
    sites = [f"s{number:03d}" for number in range(n)]
    pixels = xr.DataArray(
        values.astype(np.float32),
        dims=("site", "band", "y", "x"),
        coords={"site": sites, "band": list(BANDS)},
        attrs={"level": "L1C", "resolution_m": 10.0},
    )
    return pixels, pd.Series(labels, sites)


def _weights(network, n_bands, seed):
    """Random weights, batch normalisation with statistics of its own."""
    torch.manual_seed(seed)
    made = PatchNetwork(network, n_bands)
    for name, values in made.state_dict().items():
        if "running_mean" in name or name.endswith("bias"):
            values.normal_(0, 0.3)
        elif "running_var" in name or (name.endswith("weight") and values.ndim == 1):
            values.uniform_(0.5, 2.0)
    return made.arrays()


def _run(content, values):
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(None, {"pixels": values})


@pytest.fixture(scope="module")
def random_values():
    values = np.random.default_rng(3).uniform(0, 0.6, (5, 4, 48, 48)).astype(np.float32)
    values[0, :, :9, :20] = np.nan
    values[1, 2, 30:, :] = np.nan
    return values


@pytest.mark.parametrize("lay_out", [dense_network, reference_network])
def test_the_graph_gives_what_torch_gives(lay_out, random_values):
    network, normalisation = lay_out(48, 6), learn_normalisation(random_values)
    members = [_weights(network, 4, seed) for seed in range(3)]
    scores = _run(write_network(network, normalisation, members), random_values)[0]
    expected = [
        _cnn_train.member_scores(network, normalisation, weights, random_values)
        for weights in members
    ]
    assert np.ptp(expected) > 0.02
    np.testing.assert_allclose(scores[:, 0], np.mean(expected, axis=0), rtol=0, atol=1e-5)


@pytest.mark.parametrize("size_px", [24, 28, 44, 48])
def test_every_window_of_a_tile_scores_as_if_it_came_alone(size_px):
    random = np.random.default_rng(size_px)
    tile = random.uniform(0, 0.5, (1, 4, 144, 132)).astype(np.float32)
    tile[0, :, 70:90, 20:60] = np.nan
    network = dense_network(size_px, 6)
    members = [_weights(network, 4, seed) for seed in range(2)]
    content = write_network(network, learn_normalisation(tile), members)
    windows, score_map = _run(content, tile)
    step = network.stride_px
    rows, columns = ((side - size_px) // step + 1 for side in tile.shape[2:])
    assert score_map.shape == (1, rows, columns)
    np.testing.assert_array_equal(windows.reshape(score_map.shape), score_map)
    chosen = [(0, 0), (rows - 1, columns - 1), (0, columns - 1), (3, 5), (11, 2), (17, 9)]
    patches = np.concatenate(
        [tile[..., i * step :, j * step :][..., :size_px, :size_px] for i, j in chosen]
    )
    alone = _run(content, patches)[0]
    assert alone.shape == (len(chosen), 1)
    assert np.ptp(alone) > 1e-4
    shared = [score_map[0, i, j] for i, j in chosen]
    np.testing.assert_allclose(shared, alone[:, 0], rtol=0, atol=1e-5)


def test_the_shared_features_of_a_tile_give_each_window_its_score():
    tile = np.random.default_rng(1).uniform(0, 0.5, (1, 4, 144, 144)).astype(np.float32)
    network, normalisation = dense_network(48, 6), learn_normalisation(tile)
    weights = _weights(network, 4, 0)
    made = PatchNetwork(network, 4).eval()
    made.load_state_dict({name: torch.as_tensor(values) for name, values in weights.items()})
    with torch.no_grad():
        found = made.features(_cnn_train.normalise(normalisation, torch.as_tensor(tile)))
        for top in range(0, 97, 24):
            i = top // network.stride_px
            cells = found[:, :, i : i + network.cells, i : i + network.cells]
            score = torch.sigmoid(made.head(made.pooled(cells))).item()
            patch = tile[..., top : top + 48, top : top + 48]
            alone = _cnn_train.member_scores(network, normalisation, weights, patch)
            assert score == pytest.approx(alone[0], abs=1e-5)


@pytest.mark.parametrize("size_px", [20, 24, 32, 36, 44, 48, 96])
def test_the_arithmetic_of_the_layout_is_that_of_the_network(size_px):
    network = dense_network(size_px, 2)
    made = PatchNetwork(network, 1).eval()
    values = torch.zeros(1, 1, size_px, size_px, requires_grad=True)
    found = made.features(values)
    assert found.shape[2:] == (network.cells, network.cells)
    assert network.field_px + (network.cells - 1) * network.stride_px <= size_px


def test_the_metadata_say_how_windows_lie_in_a_tile(random_values):
    network = dense_network(48, 4)
    content = write_network(network, learn_normalisation(random_values), [_weights(network, 4, 0)])
    graph = onnx.load_from_string(content)
    said = {entry.key: entry.value for entry in graph.metadata_props}
    facts = json.loads(said[DENSE_KEY])
    assert (facts["window_px"], facts["stride_px"], facts["field_px"]) == (48, 4, 32)
    assert {node.name for node in graph.graph.node} >= set(facts["features"])


@pytest.fixture(scope="module")
def taught():
    pixels, labels = _patches()
    return CnnDetector(**TINY).fit(pixels, labels)


def test_it_keeps_the_protocol_of_detectors_and_of_scikit_learn():
    detector = CnnDetector("reference", width=8, random_state=3)
    assert isinstance(detector, Detector)
    copy = clone(detector)
    assert copy.get_params() == detector.get_params()
    assert copy.set_params(width=5).width == 5


def test_it_learns_what_a_mine_looks_like(taught):
    pixels, labels = _patches(n=20, seed=1)
    scores = taught.predict_proba(pixels)
    np.testing.assert_allclose(scores.sum(axis=1), 1.0)
    assert scores[labels == 1, 1].min() > scores[labels == 0, 1].max()
    np.testing.assert_array_equal(taught.classes_, [0, 1])


def test_the_reference_learns_it_too():
    pixels, labels = _patches()
    detector = CnnDetector("reference", **{**TINY, "n_members": 1, "width": 8}, batch_size=4)
    scores = detector.fit(pixels, labels).predict_proba(pixels)[:, 1]
    assert scores[labels == 1].mean() > scores[labels == 0].mean() + 0.05


def test_a_saved_detector_gives_the_same_scores(taught, tmp_path):
    pixels, _ = _patches(n=9, seed=2)
    pixels[0, :, :10] = np.nan
    loaded = load_detector(save_detector(taught, tmp_path / "cnn"))
    expected = taught.predict_proba(pixels)
    np.testing.assert_allclose(loaded.predict_proba(pixels), expected, rtol=0, atol=1e-5)
    assert loaded.card.training.classes == {"mining": 20, "no mining": 20}
    assert loaded.card.settings == CnnDetector(**TINY).get_params()


def test_the_same_seed_gives_the_same_scores_whatever_the_order_of_the_patches():
    pixels, labels = _patches(n=24)
    quick = {**TINY, "epochs": 2}
    first = CnnDetector(**quick).fit(pixels, labels).predict_proba(pixels)
    order = np.random.default_rng(0).permutation(24)
    again = CnnDetector(**quick).fit(pixels[order], labels.sample(frac=1, random_state=1))
    np.testing.assert_array_equal(again.predict_proba(pixels), first)
    other = CnnDetector(**quick, random_state=1).fit(pixels, labels).predict_proba(pixels)
    assert not np.array_equal(other, first)


def test_training_leaves_the_seed_and_the_threads_of_torch_alone():
    pixels, labels = _patches(n=16)
    torch.manual_seed(5)
    before = torch.get_num_threads(), torch.random.get_rng_state()
    CnnDetector(**{**TINY, "epochs": 1, "n_members": 1}).fit(pixels, labels)
    assert torch.get_num_threads() == before[0]
    assert torch.equal(torch.random.get_rng_state(), before[1])


def test_a_patch_without_pixels_gets_no_score_and_one_with_gaps_does(taught):
    pixels, _ = _patches(n=3, seed=2)
    pixels[0] = np.nan
    pixels[1, :, :20] = np.nan
    scores = taught.predict_proba(pixels)
    assert np.isnan(scores[0]).all()
    assert np.isfinite(scores[1:]).all()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda pixels: pixels.assign_attrs(level="L2A"), LevelError),
        (lambda pixels: pixels.isel(band=[0, 1]), BandError),
        (lambda pixels: pixels.assign_attrs(resolution_m=20.0), InputError),
    ],
)
def test_patches_of_another_kind_are_refused(taught, change, error):
    with pytest.raises(error):
        taught.predict_proba(change(_patches(n=2)[0]))


def test_members_do_not_learn_from_the_patches_they_stop_by(taught):
    stopped_by = taught.held_out_.groupby("member")["site_id"].agg(set)
    assert not stopped_by[0] & stopped_by[1]
    assert len(stopped_by[0] | stopped_by[1]) == 40


def test_groups_and_blocks_are_not_parted_by_inner_folds():
    pixels, labels = _patches(n=40)
    group = np.arange(40) // 4
    placed = np.where(np.arange(40) < 20, np.arange(40) // 4 * 2.0, np.nan)
    named = pixels.assign_coords(
        group=("site", [f"g{number}" for number in group]),
        longitude=("site", placed),
        latitude=("site", placed * 0.0),
    )
    for learn, stop in inner_folds(named, labels, n_splits=3, block_m=50_000):
        assert not set(group[learn]) & set(group[stop])
        assert len(learn) + len(stop) == 40


def test_normalisation_is_learned_from_known_pixels_and_bounded_by_them():
    values = np.random.default_rng(0).uniform(0, 1, (3, 2, 24, 24)).astype(np.float32)
    expected = learn_normalisation(values)
    holed = values.copy()
    holed[0, :, 0, 0] = np.nan
    found = learn_normalisation(holed)
    np.testing.assert_allclose(found.mean, expected.mean, atol=1e-3)
    prepared = _cnn_train.normalise(found, torch.as_tensor(holed)).numpy()
    assert (prepared[0, :, 0, 0] == 0).all()
    assert np.isfinite(prepared).all()


def _varied(values, seed=0):
    pixels, generator = torch.as_tensor(values), torch.Generator().manual_seed(seed)
    return _cnn_augment.augment(pixels, generator, [range(pixels.shape[1])]).numpy()


def test_variations_keep_a_mine_in_its_place_and_its_bands_together():
    values = np.full((200, 3, 48, 48), 0.1, dtype=np.float32)
    values[:, 1, 20:28, 20:28] = 0.5
    varied = _varied(values)
    known = np.nan_to_num(varied, nan=0.0)
    outside = known.copy()
    outside[:, :, 16:32, 16:32] = 0
    assert outside[:, 1].max() < 0.2
    inside = known[:, 1, 22:26, 22:26] / np.maximum(known[:, 0, 22:26, 22:26], 1e-6)
    assert np.median(inside) == pytest.approx(5.0, rel=0.1)


def test_variations_make_gaps_and_shadows_in_a_small_part_of_patches():
    values = np.full((400, 2, 48, 48), 0.3, dtype=np.float32)
    varied = _varied(values)
    with_gap = np.isnan(varied).any(axis=(1, 2, 3))
    assert 0.05 < with_gap.mean() < 0.15
    assert np.isnan(varied).mean() < 0.02
    spread = np.nanmax(varied, axis=(2, 3)) / np.nanmin(varied, axis=(2, 3))
    assert 0.1 < (spread[:, 0] > 1.2).mean() < 0.25
    assert values.min() == values.max()


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"network": "resnet"}, "network is 'resnet'; expected dense or reference"),
        ({"epochs": 0, "width": -1}, "width is -1; expected 1 or more; epochs is 0"),
        ({"label_smoothing": 1.5}, "label_smoothing is 1.5"),
    ],
)
def test_impossible_settings_are_all_named(settings, word):
    pixels, labels = _patches(n=4)
    with pytest.raises(SettingsError, match=word):
        CnnDetector(**settings).fit(pixels, labels)


def test_patches_that_are_too_small_are_refused():
    pixels, labels = _patches(n=8, size=12)
    with pytest.raises(InputError, match="at least 20"):
        CnnDetector(**TINY).fit(pixels, labels)


def test_a_detector_that_learned_nothing_gives_no_scores():
    with pytest.raises(InputError, match="has not been fitted"):
        CnnDetector().predict_proba(_patches(n=2)[0])


def test_without_torch_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    pixels, labels = _patches(n=4)
    with pytest.raises(MissingExtraError, match=r"minewatch\[cnn\]"):
        CnnDetector().fit(pixels, labels)


def test_a_saved_network_is_run_without_torch_and_onnx(taught, tmp_path, monkeypatch):
    pixels, _ = _patches(n=2)
    expected = taught.predict_proba(pixels)
    folder = save_detector(taught, tmp_path / "cnn")
    for name in ("torch", "onnx"):
        monkeypatch.setitem(sys.modules, name, None)
    np.testing.assert_array_equal(load_detector(folder).predict_proba(pixels), expected)
