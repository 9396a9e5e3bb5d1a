"""The area of applicability: near the training sites it holds, far from them it does not."""

import contextlib
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist, pdist

from minewatch.errors import DetectorError, InputError, NotThereError
from minewatch.model._applicability import (
    FILE_NAME,
    fit_applicability,
    load_applicability,
    save_applicability,
)


def make(seed: int, n_sites: int = 60) -> tuple[pd.DataFrame, pd.Series]:
    random = np.random.default_rng(seed)
    index = pd.Index([f"s{i}" for i in range(n_sites)], name="site_id")
    features = pd.DataFrame(random.normal(size=(n_sites, 4)), index, columns=list("abcd"))
    return features, pd.Series(random.integers(0, 4, n_sites), index)


@given(st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_it_is_the_index_of_meyer_and_pebesma(seed):
    features, folds = make(seed)
    area = fit_applicability(features, folds)
    standard = ((features - features.mean()) / features.std(ddof=0)).to_numpy()
    gaps = cdist(standard, standard) / pdist(standard).mean()
    same = folds.to_numpy()[:, None] == folds.to_numpy()[None, :]
    held_out = np.where(same, np.inf, gaps).min(axis=1)
    low, high = np.quantile(held_out, [0.25, 0.75])
    assert area.threshold == pytest.approx(
        held_out[held_out <= high + 1.5 * (high - low)].max(), rel=1e-5
    )
    asked = features + 1.0
    standard_asked = ((asked - features.mean()) / features.std(ddof=0)).to_numpy()
    expected = cdist(standard_asked, standard).min(axis=1) / pdist(standard).mean()
    np.testing.assert_allclose(area.dissimilarity(asked), expected, rtol=1e-4, atol=1e-6)


def test_training_sites_are_inside_and_unlike_places_are_not():
    features, folds = make(0)
    area = fit_applicability(features, folds)
    assert (area.dissimilarity(features) == 0).all()
    assert area.is_inside(features).all()
    assert not area.is_inside(features + 100).any()


def test_units_do_not_matter_and_weights_do():
    features, folds = make(1)
    one = fit_applicability(features, folds)
    other = fit_applicability(features * 1000 + 5, folds)
    np.testing.assert_allclose(
        one.dissimilarity(features + 0.5), other.dissimilarity((features + 0.5) * 1000 + 5),
        rtol=1e-3,
    )  # fmt: skip
    weights = pd.Series([1.0, 0.0, 0.0, 0.0], index=list("abcd"))
    blind = fit_applicability(features, folds, weights=weights)
    far = features.assign(b=1e6)
    assert blind.is_inside(far).all()
    assert not one.is_inside(far).any()


def test_columns_go_by_name_and_missing_ones_are_refused():
    features, folds = make(2)
    area = fit_applicability(features, folds)
    np.testing.assert_array_equal(
        area.dissimilarity(features[list("dcba")]), area.dissimilarity(features)
    )
    with pytest.raises(InputError, match="lacks the features b"):
        area.dissimilarity(features.drop(columns="b"))


def test_a_feature_not_known_counts_as_the_mean_and_nothing_known_as_nothing():
    features, folds = make(3)
    area = fit_applicability(features, folds)
    asked = features[:2].copy()
    asked.iloc[0, 0] = np.nan
    asked.iloc[1] = np.nan
    mean = features[:1].assign(a=features["a"].mean())
    found = area.dissimilarity(asked)
    assert found.iloc[0] == pytest.approx(area.dissimilarity(mean).iloc[0], rel=1e-5)
    assert np.isnan(found.iloc[1])
    assert not area.is_inside(asked).iloc[1]


def test_what_is_saved_is_loaded_equal(tmp_path):
    features, folds = make(4)
    area = fit_applicability(features, folds)
    save_applicability(area, tmp_path / FILE_NAME)
    again = load_applicability(tmp_path / FILE_NAME)
    pd.testing.assert_series_equal(
        again.dissimilarity(features + 1), area.dissimilarity(features + 1)
    )
    assert again.threshold == area.threshold
    assert again.names == area.names


def test_a_damaged_or_foreign_file_is_refused(tmp_path):
    features, folds = make(4)
    file = tmp_path / FILE_NAME
    with pytest.raises(NotThereError):
        load_applicability(file)
    save_applicability(fit_applicability(features, folds), file)
    content = file.read_bytes()
    for broken in (content[: len(content) // 2], b"nonsense", b""):
        file.write_bytes(broken)
        with pytest.raises(DetectorError):
            load_applicability(file)
    np.savez(file, names=np.array([{"a": 1}], dtype=object))
    with pytest.raises(DetectorError):
        load_applicability(file)


def test_what_cannot_give_a_threshold_is_refused():
    features, folds = make(5)
    with pytest.raises(InputError, match="in one fold"):
        fit_applicability(features, folds * 0)
    with pytest.raises(InputError, match="60 training sites have no fold"):
        fit_applicability(features, folds[:0])
    with pytest.raises(InputError, match="do not differ"):
        fit_applicability(features * 0, folds)
    with pytest.raises(InputError, match="weights"):
        fit_applicability(features, folds, weights=pd.Series([-1.0] * 4, index=list("abcd")))


def test_only_what_was_tested_is_held_out_and_only_against_what_trained_it():
    features, _ = make(6)
    sites = list(features.index)
    roles = np.array(["test"] * 20 + ["dead zone"] * 15 + ["train"] * 25)
    table = pd.DataFrame({"site_id": sites, "fold": 0, "role": roles})
    area = fit_applicability(features, table)
    standard = ((features - features.mean()) / features.std(ddof=0)).to_numpy()
    expected = cdist(standard[:20], standard[35:]).min(axis=1) / pdist(standard).mean()
    np.testing.assert_allclose(area.held_out[:20], expected, rtol=1e-5)
    assert np.isnan(area.held_out[20:]).all()
    assert area.threshold <= expected.max() * (1 + 1e-5)


def test_a_table_of_folds_without_dead_zones_says_what_the_folds_say():
    features, folds = make(7)
    table = pd.DataFrame(
        {
            "site_id": np.tile(features.index, 4),
            "fold": np.repeat(np.arange(4), len(features)),
        }
    )
    own = folds.loc[table["site_id"]].to_numpy()
    table["role"] = np.where(own == table["fold"], "test", "train")
    one, other = fit_applicability(features, folds), fit_applicability(features, table)
    np.testing.assert_allclose(one.held_out, other.held_out)
    assert one.threshold == other.threshold


def test_folds_that_test_none_of_the_sites_are_refused():
    features, _ = make(8)
    table = pd.DataFrame({"site_id": features.index, "fold": 0, "role": "train"})
    with pytest.raises(InputError, match="none of the folds"):
        fit_applicability(features, table)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    features, folds = make(9)
    file = tmp_path_factory.mktemp("saved") / FILE_NAME
    digest = save_applicability(fit_applicability(features, folds), file)
    return file.read_bytes(), digest


def test_whatever_bit_is_flipped_nothing_but_the_faults_that_are_named_escapes(saved, tmp_path):
    content, digest = saved
    file = tmp_path / FILE_NAME
    random = np.random.default_rng(0)
    for place in random.integers(0, len(content), 150):
        broken = bytearray(content)
        broken[place] ^= 1 << int(random.integers(8))
        file.write_bytes(broken)
        with pytest.raises(DetectorError):
            load_applicability(file, digest=digest)
        with contextlib.suppress(DetectorError):
            load_applicability(file)


def test_a_file_cut_off_anywhere_is_refused(saved, tmp_path):
    content, _ = saved
    file = tmp_path / FILE_NAME
    for length in range(0, len(content), 97):
        file.write_bytes(content[:length])
        with pytest.raises(DetectorError):
            load_applicability(file)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scale", np.nan),
        ("scale", -1.0),
        ("centre", np.inf),
        ("training", np.nan),
        ("mean_distance", np.inf),
        ("mean_distance", 0.0),
        ("threshold", np.nan),
        ("threshold", np.inf),
        ("held_out", np.inf),
    ],
)
def test_numbers_that_cannot_be_are_refused(name, value, saved, tmp_path):
    file = tmp_path / FILE_NAME
    file.write_bytes(saved[0])
    with np.load(file) as read:
        arrays = {key: read[key].copy() for key in read.files}
    arrays[name].flat[0] = value
    np.savez(file, **arrays)
    with pytest.raises(DetectorError, match=name):
        load_applicability(file)


@pytest.mark.parametrize("header", [b"{'descr': '<f8', ", b"{'descr': ((", b"\x00" * 20])
def test_an_array_whose_header_is_no_header_is_refused(header, saved, tmp_path):
    file = tmp_path / FILE_NAME
    file.write_bytes(saved[0])
    with zipfile.ZipFile(file) as read:
        parts = {name: read.read(name) for name in read.namelist()}
    parts["scale.npy"] = parts["scale.npy"][:8] + len(header).to_bytes(2, "little") + header
    with zipfile.ZipFile(file, "w") as made:
        for name, part in parts.items():
            made.writestr(name, part)
    with pytest.raises(DetectorError):
        load_applicability(file)
