import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from minewatch.errors import InputError, NotThereError
from minewatch.scan._area import estimate_area, mapped_area_ha
from minewatch.scan._area_plan import draw_sample, frame_windows, plan_sample, sum_strata
from minewatch.scan._area_run import SampleSettings, draw_files, estimate_files
from minewatch.scan._merge import merge_detections
from minewatch.scan._merge_file import write_detections
from minewatch.scan._merge_polygons import area_ha
from minewatch.sites import read_sites, write_sites

_spec = importlib.util.spec_from_file_location(
    "minewatch_test_windows_maker", Path(__file__).with_name("windows_maker.py")
)
maker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(maker)

seeds = st.integers(0, 2**32 - 1)
PAPER_CLASSES = ["deforestation", "forest gain", "stable forest", "stable non-forest"]
PAPER_COUNTS = [[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]]
PAPER_PIXELS = np.array([200_000, 150_000, 3_200_000, 6_450_000])
PIXEL_HA = 0.09
"""Olofsson et al. (2014), section 5: map areas and the counts of their table 8, rows = map."""


def paper():
    """Give the sample and the strata of the paper's example."""
    rows = [
        (PAPER_CLASSES[i], PAPER_CLASSES[j])
        for i, counts in enumerate(PAPER_COUNTS)
        for j, count in enumerate(counts)
        for _ in range(count)
    ]
    strata = {"stratum": PAPER_CLASSES, "class": PAPER_CLASSES, "area_ha": PAPER_PIXELS * PIXEL_HA}
    return pd.DataFrame(rows, columns=["stratum", "reference"]), pd.DataFrame(strata)


def test_the_areas_of_the_papers_example_come_out():
    areas = estimate_area(*paper()).areas
    expected = {
        "deforestation": (21_158, 6_158),
        "forest gain": (11_686, 3_756),
        "stable forest": (285_770, 15_510),
        "stable non-forest": (581_386, 16_282),
    }
    for name, (area, half) in expected.items():
        assert areas.loc[name, "area_ha"] == pytest.approx(area, abs=0.5)
        assert 1.96 * areas.loc[name, "se_ha"] == pytest.approx(half, abs=0.5)
        assert areas.loc[name, "high_ha"] == pytest.approx(area + half, abs=1.0)
    assert areas.loc["deforestation", "mapped_minus_estimate_ha"] == pytest.approx(-3_158, abs=0.5)


def test_the_accuracies_of_the_papers_example_come_out():
    table = estimate_area(*paper()).accuracy
    half = 1.96 * table["se"]
    users = {"deforestation": (0.88, 0.07), "forest gain": (0.73, 0.10)}
    users |= {"stable forest": (0.93, 0.04), "stable non-forest": (0.96, 0.02)}
    for name, (value, interval) in users.items():
        assert round(table.loc[("users", name), "value"], 2) == value
        assert round(half["users", name], 2) == interval
    producers = {"deforestation": (0.75, 0.21), "forest gain": (0.85, 0.25)}
    producers |= {"stable forest": (0.93, 0.03), "stable non-forest": (0.96, 0.02)}
    for name, (value, interval) in producers.items():
        assert table.loc[("producers", name), "value"] == pytest.approx(value, abs=0.0051)
        assert half["producers", name] == pytest.approx(interval, abs=0.0051)
    assert table.loc[("overall", "all"), "value"] == pytest.approx(0.95, abs=0.005)
    assert half["overall", "all"] == pytest.approx(0.02, abs=0.005)


def test_the_sample_size_of_the_papers_example_comes_out():
    _, strata = paper()
    users = dict(zip(PAPER_CLASSES, [0.70, 0.60, 0.90, 0.95], strict=True))
    error = 0.01 * strata["area_ha"].sum()
    plan = plan_sample(strata, users, standard_error_ha=error, at_least=2)
    assert plan.attrs["reviews"] == 641
    assert plan.attrs["expected_standard_error_ha"] == pytest.approx(error, rel=0.01)


def population(seed):
    """Make a population of units in three strata, of which some are mining."""
    rng = np.random.default_rng(seed)
    sizes, shares = [400, 800, 4_000], [0.8, 0.1, 0.01]
    return pd.DataFrame(
        {
            "stratum": np.repeat(["detected", "doubtful", "clear"], sizes),
            "area_ha": 23.0,
            "score": 0.5,
            "longitude": -62.0,
            "latitude": 5.0,
            "mined": rng.random(sum(sizes)) < np.repeat(shares, sizes),
        },
        index=pd.Index([f"w{i:04d}" for i in range(sum(sizes))], name="window_id"),
    )


def review(frame, sample):
    """Review a sample as someone who makes no mistake."""
    mined = frame["mined"].reindex(sample.index)
    return pd.DataFrame(
        {"stratum": sample["stratum"], "reference": np.where(mined, "mining", "no mining")}
    )


def test_estimates_are_unbiased_and_their_intervals_hold_the_truth_as_often_as_they_say():
    frame = population(3)
    strata = sum_strata(frame)
    truth = 23.0 * frame["mined"].sum()
    counts = {"detected": 80, "doubtful": 120, "clear": 300}
    found = []
    for seed in range(60):
        sample = draw_sample(frame, counts, random_state=seed)
        found.append(estimate_area(review(frame, sample), strata).areas.loc["mining"])
    table = pd.DataFrame(found)
    assert table["area_ha"].mean() == pytest.approx(truth, rel=0.02)
    assert table["area_ha"].std() == pytest.approx(table["se_ha"].mean(), rel=0.2)
    covered = ((table["low_ha"] <= truth) & (truth <= table["high_ha"])).mean()
    assert covered >= 0.88


def test_a_plan_reaches_the_error_that_was_wanted():
    frame = population(4)
    strata = sum_strata(frame)
    shares = frame.groupby("stratum")["mined"].mean().clip(0.005, 0.995).to_dict()
    plan = plan_sample(strata, shares, standard_error_ha=800.0, at_least=2)
    counts = dict(zip(plan["stratum"], plan["reviews"].tolist(), strict=True))
    errors = [
        estimate_area(review(frame, draw_sample(frame, counts, random_state=seed)), strata)
        .areas.loc["mining", "se_ha"]
        for seed in range(12)
    ]  # fmt: skip
    assert np.mean(errors) == pytest.approx(800.0, rel=0.1)
    assert plan.attrs["expected_standard_error_ha"] <= 800.0


@settings(deadline=None, max_examples=15)
@given(seeds)
def test_a_larger_draw_holds_the_smaller_one_whatever_the_order_of_the_rows(seed):
    frame = population(1)
    few = draw_sample(frame, {"detected": 5, "clear": 9}, random_state=seed % 1_000)
    many = draw_sample(
        frame.sample(frac=1.0, random_state=seed), {"detected": 50, "clear": 90},
        random_state=seed % 1_000,
    )  # fmt: skip
    assert set(few.index) <= set(many.index)
    assert few["stratum"].value_counts().to_dict() == {"clear": 9, "detected": 5}
    assert few["label"].isna().all()


def test_what_is_reviewed_whole_is_known_without_error():
    frame = population(5)
    strata = sum_strata(frame)
    counts = dict(zip(strata["stratum"], strata["windows"].tolist(), strict=True))
    estimate = estimate_area(review(frame, draw_sample(frame, counts)), strata)
    assert estimate.areas.loc["mining", "area_ha"] == pytest.approx(23.0 * frame["mined"].sum())
    assert estimate.areas["se_ha"].max() == pytest.approx(0.0, abs=1e-9)


def test_reviewed_shares_of_ground_give_hectares_of_ground():
    strata = pd.DataFrame(
        {"stratum": ["in", "out"], "class": ["mining", "no mining"], "area_ha": [100.0, 900.0]}
    )
    sample = pd.DataFrame(
        {"stratum": ["in"] * 4 + ["out"] * 4, "mining_share": [0.1, 0.2, 0.3, 0.2, 0, 0, 0, 0.04]}
    )
    areas = estimate_area(sample, strata).areas
    assert areas.loc["mining", "area_ha"] == pytest.approx(100 * 0.2 + 900 * 0.01)
    assert areas["area_ha"].sum() == pytest.approx(1_000.0)


def test_periods_are_estimated_each_by_itself():
    sample, strata = paper()
    both = [table.assign(period=year) for year in ("2021", "2022") for table in (sample, strata)]
    found = estimate_area(pd.concat(both[::2]), pd.concat(both[1::2])).areas
    assert found.index.names == ["period", "class"]
    alone = estimate_area(sample, strata).areas
    pd.testing.assert_frame_equal(found.loc["2022"], alone)


def test_a_stratum_without_any_find_says_what_it_may_hide():
    strata = pd.DataFrame(
        {"stratum": ["in", "out"], "class": ["mining", "no mining"], "area_ha": [100.0, 9_900.0]}
    )
    sample = pd.DataFrame({"stratum": ["in"] * 60 + ["out"] * 100})
    sample["reference"] = ["mining"] * 50 + ["no mining"] * 110
    hidden = estimate_area(sample, strata).strata["may_hide_ha"]
    assert hidden["out"] == pytest.approx(9_900 * (1 - 0.05 ** (1 / 100)))  # binomial, 0 of 100
    assert np.isnan(hidden["in"])


def test_windows_of_a_frame_tile_the_ground_without_overlap():
    windows = maker.cover_box(-63.03, -0.02, -62.97, 0.03, score=0.1)
    found = merge_detections(windows.assign(score=0.9).head(3), threshold=0.5)
    frame = frame_windows(windows, found, doubtful_score=0.3)
    squares = maker.squares(windows.loc[frame.index])
    ground = area_ha(np.array([shapely.union_all(squares.to_numpy())]))[0]
    assert frame["area_ha"].sum() == pytest.approx(ground, rel=1e-6)
    whole = area_ha(np.array([shapely.union_all(maker.squares(windows).to_numpy())]))[0]
    assert frame["area_ha"].sum() > 0.8 * whole


def test_windows_are_sorted_by_what_the_map_and_the_score_say():
    columns, rows = (steps.ravel() for steps in np.meshgrid(np.arange(8), np.arange(8) + 9_000))
    windows = maker.make_windows(32620, columns, rows, 0.05)
    windows.loc[windows.index[27], "score"] = 0.9
    windows.loc[windows.index[0], "score"] = 0.35
    windows.loc[windows.index[63], "status"] = "no data"
    found = merge_detections(windows, threshold=0.5)
    frame = frame_windows(windows, found, doubtful_score=0.3)
    centres = shapely.points(frame[["longitude", "latitude"]].to_numpy())
    inside = shapely.intersects(centres, found.geometry.iloc[0])
    assert ((frame["stratum"] == "detected") == inside).all()
    assert windows.index[63] not in frame.index
    strata = sum_strata(frame)
    assert strata["area_ha"].sum() == pytest.approx(frame["area_ha"].sum())


def test_detected_polygons_alone_are_no_frame():
    windows = maker.make_windows(32620, [0], [9_000], 0.9)
    found = merge_detections(windows, threshold=0.5)
    with pytest.raises(InputError, match="all windows that were scanned"):
        frame_windows(found.assign(score=0.9), found, doubtful_score=0.3)


def test_mapped_area_counts_ground_once():
    twice = maker.detections(a=(0, 0, 480, 480), b=(240, 0, 720, 480))
    assert mapped_area_ha(twice) == pytest.approx(0.48 * 72, rel=0.01)


def test_a_sample_is_drawn_written_reviewed_and_estimated(tmp_path):
    columns, rows = (steps.ravel() for steps in np.meshgrid(np.arange(40), np.arange(40) + 9_000))
    rng = np.random.default_rng(0)
    windows = maker.make_windows(32620, columns, rows, rng.random(1_600) ** 3)
    found = merge_detections(windows, threshold=0.6)
    detections = write_detections(found, tmp_path / "detections.parquet", made={})[0]
    scores = maker.write_scores(windows, tmp_path / "scores.parquet")
    plan = SampleSettings(
        standard_error_ha=400.0, at_least=20,
        expected_share={"detected": 0.7, "doubtful": 0.1, "clear": 0.05},
    )  # fmt: skip
    out = tmp_path / "sample.geojson"
    drawn = draw_files(scores, detections, out, plan, period="2023")
    assert [file.name for file in drawn.files] == ["sample.geojson", "sample.strata.json"]
    sites = read_sites(out)
    mined = sites["stratum"] == "detected"
    reviewed = sites.assign(label=pd.array(mined.astype(int), dtype="Int8"))
    reviewed.iloc[0, reviewed.columns.get_loc("label")] = pd.NA  # it could not be told
    write_sites(reviewed, out, overwrite=True)
    estimate = estimate_files([out])
    area = estimate.areas.loc[("2023", "mining"), "area_ha"]
    strata = sum_strata(frame_windows(windows, found, doubtful_score=plan.doubtful_score))
    assert area == pytest.approx(strata.set_index("stratum").loc["detected", "area_ha"], rel=1e-6)
    drawn.files[1].unlink()
    with pytest.raises(NotThereError, match="keep them both"):
        estimate_files([out])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda sample, strata: (sample.drop(columns="reference"), strata), "either reference"),
        (lambda sample, strata: (sample.head(1), strata), "fewer than 2"),
        (lambda sample, strata: (sample, strata.head(1)), "not listed"),
        (lambda sample, strata: (sample, strata.assign(area_ha=-1.0)), "above 0"),
        (lambda sample, strata: (sample.assign(period="a"), strata), "or neither"),
    ],
)
def test_a_sample_that_cannot_be_estimated_from_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        estimate_area(*change(*paper()))


@pytest.mark.parametrize("share", [0.0, 1.0, None])
def test_a_plan_takes_nothing_for_certain(share):
    _, strata = paper()
    guesses = {} if share is None else dict.fromkeys(PAPER_CLASSES, share)
    with pytest.raises(InputError, match="between 0 and 1"):
        plan_sample(strata, guesses, standard_error_ha=100.0)


def test_more_windows_than_there_are_cannot_be_drawn():
    with pytest.raises(InputError, match="there are 400"):
        draw_sample(population(1), {"detected": 401})


@pytest.mark.parametrize(
    ("size_m", "stride_m", "unit_m"),
    [
        (480, 240, 480),
        (440, 180, 360),
        (480, 300, 300),
        (480, 180, 360),
        (480, 600, 480),
    ],
)
def test_the_units_of_a_frame_tile_the_ground_whatever_the_stride(size_m, stride_m, unit_m):
    columns, rows = (steps.ravel() for steps in np.meshgrid(np.arange(60), np.arange(60) + 9_000))
    windows = maker.make_windows(32620, columns, rows, 0.1, size_m=size_m, stride_m=stride_m)
    windows.attrs["minewatch"] = {
        "stride_px": stride_m // 10,
        "resolution_m": 10.0,
        "region": {"area_ha": 5.0},
    }
    found = maker.detections(a=(0, 0, 480, 480)).iloc[:0]
    frame = frame_windows(windows, found, doubtful_score=0.3)
    assert (frame.attrs["unit_m"], frame.attrs["region_ha"]) == (unit_m, 5.0)
    assert frame["area_ha"].to_numpy() == pytest.approx(unit_m**2 / 1e4, rel=0.01)
    if stride_m <= size_m:
        whole_ha = (60 * stride_m) ** 2 / 1e4
        assert frame["area_ha"].sum() == pytest.approx(whole_ha, rel=0.1)


def test_a_stratum_that_was_reviewed_to_its_last_unit_is_sure():
    strata = pd.DataFrame(
        {
            "stratum": ["detected", "clear"],
            "class": ["mining", "no mining"],
            "area_ha": [23.0, 2_300.0],
            "windows": [1, 100],
        }
    )
    sample = pd.DataFrame(
        {"stratum": ["detected", *["clear"] * 50], "reference": ["mining", *["no mining"] * 50]}
    )
    areas = estimate_area(sample, strata).areas
    assert areas.loc["mining", ["area_ha", "se_ha"]].tolist() == [23.0, 0.0]
    with pytest.raises(InputError, match="fewer than 2 units"):
        estimate_area(sample, strata.assign(windows=[2, 100]))
