"""Fine maps add up to scores where gradients are there, and find what a score rests on."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from minewatch.model._explain_gradients import (
    DIFFERENCES,
    GRADIENTS,
    Attributing,
    map_gradients,
    method_words,
)
from minewatch.model._explain_maps import background_fill, draw_drops
from minewatch.model._trees import TreeDetector

N, SIZE = 40, 24


def quiet():
    return None


@pytest.fixture(scope="module")
def spotted():
    """Patches of noise; mines have a bright square at rows 4 to 12, columns 14 to 22."""
    random = np.random.default_rng(0)
    values = random.normal(0.15, 0.01, (N, 2, SIZE, SIZE)).astype("f4")
    labels = pd.Series(np.arange(N) % 2, [f"s{i:02d}" for i in range(N)])
    values[labels.to_numpy() == 1, 0, 4:12, 14:22] += 0.15
    return name(values, labels.index), labels


def name(values, sites):
    return xr.DataArray(
        values,
        dims=("site", "band", "y", "x"),
        coords={"site": list(sites), "band": ["B04", "B03"]},
        attrs={"level": "L2A", "resolution_m": 10.0},
    )


def centre_of(added):
    """Give the middle of what speaks for mining, rows and columns."""
    weights = np.maximum(added, 0)
    rows, columns = np.indices(added.shape)
    return (weights * rows).sum() / weights.sum(), (weights * columns).sum() / weights.sum()


def test_differences_of_trees_find_the_bright_square(spotted):
    pixels, labels = spotted
    detector = TreeDetector(n_trees=60, random_state=0).fit(pixels[:30], labels[:30])
    table = map_gradients(lambda _: (detector, None), pixels[31:32], None, fine_px=4, told=quiet)
    assert set(table["method"]) == {DIFFERENCES}
    assert len(table) == (SIZE // 4) ** 2
    inside = table["top_px"].between(4, 8) & table["left_px"].between(12, 20)
    assert table.loc[inside, "drop"].sum() > 5 * table.loc[~inside, "drop"].abs().mean()
    assert table.loc[table["drop"].idxmax(), ["top_px", "left_px"]].isin([4, 8, 12, 16, 20]).all()
    assert "squares" not in method_words(table)
    assert "4 px" in method_words(table)


def test_every_pixel_lies_under_one_square_of_differences(spotted):
    pixels, labels = spotted
    detector = TreeDetector(n_trees=5).fit(pixels, labels)
    table = map_gradients(lambda _: (detector, None), pixels[:1], None, fine_px=4, told=quiet)
    once = draw_drops(table.assign(drop=1.0), SIZE, SIZE)
    assert (once == 1.0).all()
    covered = sum(side**2 for side in table["square_px"])
    assert covered == SIZE**2


def test_no_patches_give_no_rows(spotted):
    pixels, _ = spotted
    table = map_gradients(lambda _: pytest.fail("asked"), pixels[:0], None, fine_px=4, told=quiet)
    assert table.empty
    assert {"site_id", "drop", "method"} <= set(table.columns)


@pytest.fixture(scope="module")
def network(spotted):
    pytest.importorskip("torch")
    from minewatch.model import CnnDetector

    pixels, labels = spotted
    detector = CnnDetector(
        width=4,
        n_members=2,
        epochs=20,
        batch_size=8,
        inner_splits=2,
        threads=1,
        augmentation=False,
    )
    return detector.fit(pixels[:30], labels[:30])


def test_what_pixels_add_is_the_score_less_that_of_the_fill(network, spotted):
    pixels = spotted[0][30:34].copy()
    pixels[0, :, :5, :5] = np.nan
    fill = np.array([0.15, 0.15], dtype="f4")
    alone = np.where(np.isfinite(pixels), fill[:, None, None], np.float32(np.nan))
    empty = pixels.copy(data=alone)
    added = network.attribute(pixels, fill)
    gain = network.predict_proba(pixels)[:, 1] - network.predict_proba(empty)[:, 1]
    assert np.abs(gain).max() > 0.05
    np.testing.assert_allclose(added.sum(axis=(1, 2)), gain, atol=0.01)
    assert (added[0, :5, :5] == 0).all()


def test_the_fill_alone_adds_nothing(network, spotted):
    flat = spotted[0][:1].copy(data=np.full((1, 2, SIZE, SIZE), 0.2, dtype="f4"))
    assert (network.attribute(flat, np.array([0.2, 0.2], dtype="f4")) == 0).all()


def test_bands_go_by_name(network, spotted):
    pixels = spotted[0][31:32]
    fill = np.array([0.15, 0.12], dtype="f4")
    turned = network.attribute(pixels[:, ::-1], fill[::-1].copy())
    np.testing.assert_allclose(turned, network.attribute(pixels, fill), atol=1e-7)


def test_gradients_find_the_bright_square(network, spotted):
    pixels = spotted[0][31:32]
    assert isinstance(network, Attributing)
    table = map_gradients(lambda _: (network, None), pixels, None, fine_px=4, told=quiet)
    assert set(table["method"]) == {GRADIENTS}
    assert len(table) == (SIZE // 4) ** 2
    gain = network.attribute(pixels, background_fill(pixels)).sum()
    assert table["drop"].sum() == pytest.approx(gain, abs=1e-6)
    row, column = centre_of(draw_drops(table, SIZE, SIZE))
    assert row == pytest.approx(7.5, abs=2.5)
    assert column == pytest.approx(17.5, abs=2.5)
    assert "Integrated gradients" in method_words(table)
    single = map_gradients(lambda _: (network, None), pixels, None, fine_px=1, told=quiet)
    assert len(single) == SIZE**2
    assert single["drop"].sum() == pytest.approx(table["drop"].sum())
