"""What an explanation says of detectors whose eyes are known."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from minewatch.errors import InputError
from minewatch.model._ablations import AblationSettings, run_ablations
from minewatch.model._blocks import BlockKFold, RegionHoldout
from minewatch.model._explain import ExplainSettings, explain
from minewatch.model._explain_importance import context_layers
from minewatch.model._explain_maps import draw_drops, occlude
from minewatch.model._nulls import NullDetector
from minewatch.patches import write_patches

FOLDS = BlockKFold(3, block_m=8_000)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Patches of 24 px in two bands: mines are bright in B04 at the upper left, B08 is noise."""
    from minewatch.toy import Valley

    sites = Valley(seed=1).sites(20, 40)
    random = np.random.default_rng(0)
    values = random.uniform(0.1, 0.2, (60, 2, 24, 24)).astype(np.float32)
    values[(sites["label"] == 1).to_numpy(), 0, :8, :8] += 0.3
    names = list(sites.index)
    pixels = xr.DataArray(
        np.round(values * 10_000).astype(np.uint16),
        dims=("site", "band", "y", "x"),
        coords={"site": names, "band": ["B04", "B08"]},
    )
    folder = tmp_path_factory.mktemp("explained") / "d"
    return write_patches(folder, sites, pixels, bands=["B04", "B08"], level="L2A")


@pytest.fixture(scope="module")
def explained(dataset):
    settings = ExplainSettings(n_repeats=2, n_patches=2)
    return explain(NullDetector("mean colour"), dataset, splitter=FOLDS, settings=settings)


def test_the_band_that_tells_is_missed_and_the_other_is_not(explained):
    drops = explained.importance.set_index("part")
    assert drops.loc["B04", "drop_low"] > 0.2
    assert abs(drops.loc["B08", "drop"]) < 0.05


def test_no_site_is_scored_by_a_detector_that_learned_from_it(dataset, explained):
    splits = {
        fold: set(test)
        for fold, (_, test) in enumerate(
            FOLDS.split(dataset.sites.sort_index(), dataset.sites.sort_index()["label"])
        )
    }
    order = list(dataset.sites.sort_index().index)
    for row in explained.scores.itertuples():
        assert order.index(row.site_id) in splits[row.fold]


def test_hiding_the_bright_corner_costs_a_mine_its_score(explained):
    mines = explained.chosen[explained.chosen["kind"] == "mining, scored highest"]["site_id"]
    for site in mines:
        rows = explained.occlusion[explained.occlusion["site_id"] == site]
        drops = draw_drops(rows, 24, 24)
        assert drops[:4, :4].mean() > 5 * np.abs(drops[12:, 12:]).mean()


def test_every_pixel_is_hidden_at_least_once(explained):
    site = explained.chosen["site_id"].iloc[0]
    rows = explained.occlusion[explained.occlusion["site_id"] == site]
    assert np.isfinite(draw_drops(rows, 24, 24)).all()


def test_squares_that_do_not_divide_the_patch_end_at_its_edge(dataset):
    from minewatch.model._detector import read_pixels

    pixels = read_pixels(dataset)
    labels = dataset.sites["label"].astype("int64")
    detector = NullDetector("mean colour").fit(pixels, labels)
    rows = occlude(
        detector, pixels.isel(site=[0]), None, np.zeros(2, np.float32), square_px=7, stride_px=5
    )
    assert rows["top_px"].max() + 7 == 24


def test_no_patch_is_shown_twice(explained):
    assert explained.chosen["site_id"].is_unique


def test_the_same_seed_gives_the_same_explanation(dataset, explained):
    settings = ExplainSettings(n_repeats=2, n_patches=2)
    again = explain(NullDetector("mean colour"), dataset, splitter=FOLDS, settings=settings)
    pd.testing.assert_frame_equal(again.importance, explained.importance)


def test_the_background_can_hide_squares_too(dataset):
    settings = ExplainSettings(n_repeats=1, n_patches=1, fill="background")
    found = explain(NullDetector("mean colour"), dataset, splitter=FOLDS, settings=settings)
    mine = found.chosen["site_id"].iloc[0]
    assert found.occlusion.loc[found.occlusion["site_id"] == mine, "drop"].max() > 0.1


def test_a_region_held_out_is_explained_on_its_own_sites_alone(dataset):
    import shapely

    west, south, east, north = dataset.sites.total_bounds
    half = shapely.box(west, south, (west + east) / 2, north)
    settings = ExplainSettings(n_repeats=1, n_patches=0)
    found = explain(
        NullDetector("mean colour"), dataset, splitter=RegionHoldout(half), settings=settings
    )
    inside = dataset.sites[dataset.sites.intersects(half)].index
    assert set(found.scores["site_id"]) == set(inside)
    assert found.occlusion.empty


def test_a_saved_detector_that_learned_from_these_patches_is_said_to_remember_them(
    dataset, tmp_path
):
    from minewatch.model import load_detector
    from minewatch.model._train import train_detector
    from minewatch.model._trees import TreeDetector

    train_detector(TreeDetector(n_trees=10), dataset, tmp_path / "t", splitter=FOLDS)
    settings = ExplainSettings(n_repeats=1, n_patches=1)
    found = explain(load_detector(tmp_path / "t"), dataset, splitter=FOLDS, settings=settings)
    assert "60 of 60 patches are of sites that the saved detector" in found.header["notes"][0]


def test_layers_with_a_common_beginning_are_kept_apart():
    columns = ["road_nearest_m", "road_big_nearest_m", "road_big_500m_count", "edge_m"]
    assert context_layers(columns) == {
        "road": ("road_nearest_m",),
        "road_big": ("road_big_nearest_m", "road_big_500m_count"),
        "other": ("edge_m",),
    }


@pytest.fixture(scope="module")
def ablated(dataset):
    context = pd.DataFrame(
        {"road_nearest_m": np.arange(60.0), "river_nearest_m": 1.0}, index=dataset.sites.index
    )
    settings = AblationSettings(
        flip_shares=(0.2,), sizes_px=(8, 16), negatives_column="cover", n_resamples=200
    )
    return run_ablations(
        NullDetector("mean colour"), dataset, splitter=FOLDS, context=context, settings=settings
    )


def test_the_full_detector_does_not_differ_from_itself(ablated):
    full = ablated.table.iloc[0]
    assert (full["roc_auc_change"], full["roc_auc_change_low"]) == (0.0, 0.0)


def test_without_the_corner_that_tells_the_score_falls(ablated):
    rows = ablated.table.set_index("variant")
    assert rows.loc["middle 8 px", "roc_auc_change_high"] < 0
    assert rows.loc["middle 8 px", "size_px"] == 8


def test_layers_of_context_are_left_out_one_by_one(ablated):
    rows = ablated.table.set_index("variant")["n_context"]
    assert rows[["full", "no context", "no road", "no river"]].tolist() == [2, 0, 1, 1]


def test_all_variants_are_tested_on_the_same_sites(ablated):
    sites = ablated.scores.groupby("variant")["site_id"].agg(lambda ids: tuple(sorted(ids)))
    assert len(set(sites)) == 1


def test_with_one_kind_of_negatives_fewer_sites_are_learned_from(ablated):
    rows = ablated.table
    kinds = rows[rows["group"] == "negatives"]
    assert len(kinds)
    assert (kinds["n_train"] < rows.iloc[0]["n_train"]).all()


def test_a_column_that_is_not_there_is_named(dataset):
    with pytest.raises(InputError, match="no column 'colour'"):
        run_ablations(
            NullDetector("mean colour"),
            dataset,
            splitter=FOLDS,
            settings=AblationSettings(negatives_column="colour"),
        )
