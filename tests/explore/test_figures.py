"""Figures: each is a function of a table, and says what the table says."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from minewatch._figures import CLASS_STYLES
from minewatch._report._pictures import draw_pictures
from minewatch._report._plates import draw_plates
from minewatch._report._section import Section
from minewatch.explore._captions import leakage as leakage_caption
from minewatch.explore._figures import PLATES, TABLE_VIEWS
from minewatch.explore._figures_bands import (
    draw_densities,
    draw_ranking,
    draw_signatures,
    in_order_of_wavelength,
)
from minewatch.explore._figures_correlation import draw_correlation, draw_scores
from minewatch.explore._figures_labels import draw_doubts
from minewatch.explore._figures_overview import draw_checks, draw_class_balance
from minewatch.explore._figures_space import draw_leakage, draw_map, draw_nearest, draw_variogram


def words(figure: Figure) -> str:
    """Collect every visible text of a figure."""
    return " | ".join(text.get_text() for text in figure.findobj(lambda x: hasattr(x, "get_text")))


def audit(*, far=0.62) -> pd.DataFrame:
    rows = []
    for model, near, held_out in (("coordinates only", 0.97, far), ("spectra", 0.93, 0.88)):
        for folds, distance_m, auc in (
            ("random", np.nan, near),
            ("clusters", 3_000.0, held_out),
            ("clusters", 20_000.0, np.nan),
            ("square blocks", 3_000.0, held_out),
        ):
            rows.append(
                {
                    "model": model, "folds": folds, "distance_m": distance_m, "auc": auc,
                    "auc_low": auc - 0.05, "auc_high": auc + 0.02, "n_sites": 502,
                    "n_mining": 170, "n_folds": 5, "n_repeats": 3,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def places(longitude, latitude, classes=("mining", "no mining")) -> pd.DataFrame:
    return pd.DataFrame({"longitude": longitude, "latitude": latitude, "class": list(classes)})


def test_the_leakage_audit_draws_chance_and_every_score_in_both_panels():
    figure = draw_leakage(audit())
    assert len(figure.axes) == 2
    for axes in figure.axes:
        levels = [line.get_ydata()[0] for line in axes.lines if len(set(line.get_ydata())) == 1]
        assert 0.5 in levels
        shown = [text.get_text() for text in axes.texts]
        assert shown.count("0.97") == 1
        assert shown.count("0.62") == 1
    assert "no better than chance" in words(figure)


def test_the_leakage_audit_leaves_out_folds_that_could_not_be_made_and_says_so():
    first = draw_leakage(audit()).axes[0]
    assert [label.get_text() for label in first.get_xticklabels()] == ["random", "3\u202fkm"]
    assert "clusters of 20\u202fkm" in leakage_caption(audit())


def test_the_leakage_audit_shows_scores_below_chance():
    axes = draw_leakage(audit(far=0.2)).axes[0]
    assert axes.get_ylim()[0] < 0.15


def test_a_degree_east_is_drawn_as_long_as_it_is_on_the_ground():
    axes = draw_map(places([-60.0, -59.0], [60.0, 61.0])).axes[0]
    south, north = axes.get_ylim()
    assert axes.get_aspect() == pytest.approx(1 / np.cos(np.radians((south + north) / 2)), rel=1e-2)
    assert axes.get_aspect() == pytest.approx(2.0, abs=0.06)


@pytest.mark.parametrize("spread", [1e-9, 0.01, 1.0, 40.0])
def test_the_scale_bar_is_as_long_as_it_says(spread):
    axes = draw_map(places([-60.0, -60.0 + spread], [5.0, 5.0 + spread])).axes[0]
    west, east = axes.lines[0].get_xdata()
    south, north = axes.get_ylim()
    length_km = (east - west) * 111.32 * np.cos(np.radians((south + north) / 2))
    number, unit = axes.texts[0].get_text().rsplit("\u202f", 1)
    said_km = float(number.replace("\u202f", "")) * (1.0 if unit == "km" else 0.001)
    assert length_km == pytest.approx(said_km, rel=1e-6)
    assert axes.get_xlim()[0] < west < east < axes.get_xlim()[1]


def test_classes_keep_their_colours_and_markers():
    axes = draw_map(places([1.0, 2.0], [1.0, 2.0])).axes[0]
    drawn = {
        collection.get_label().split(" (")[0]: to_hex(collection.get_facecolor()[0])
        for collection in axes.collections
    }
    assert drawn["mining"] == CLASS_STYLES["mining"].colour.lower()
    assert drawn["no mining"] == CLASS_STYLES["no mining"].colour.lower()


def test_the_classes_of_a_band_share_their_axis():
    grid = np.linspace(0.0, 0.3, 16)
    parts = [
        pd.DataFrame({"band": band, "class": name, "reflectance": grid, "density": grid})
        for band in ("B11", "B02")
        for name in ("mining", "no mining")
    ]
    panels = draw_densities(pd.concat(parts)).axes
    assert [axes.get_title(loc="left").split()[0] for axes in panels] == ["B02", "B11"]
    assert all(len(axes.lines) == 2 for axes in panels)
    assert all(axes.get_xlim() == pytest.approx((0.0, 0.3)) for axes in panels)


def test_bands_stand_in_order_of_wavelength_whatever_order_they_came_in():
    assert in_order_of_wavelength(["B8A", "B12", "B02", "B09"]) == ["B02", "B8A", "B09", "B12"]


def test_signatures_lie_over_wavelength_with_their_bands_named():
    table = pd.DataFrame(
        {
            "class": ["mining"] * 2, "band": ["B02", "B11"], "wavelength_nm": [492.7, 1613.7],
            "p05": [0.01, 0.1], "p25": [0.02, 0.15], "median": [0.03, 0.2], "p75": [0.04, 0.25],
            "p95": [0.05, 0.3],
        }
    )  # fmt: skip
    figure = draw_signatures(table)
    median = next(line for line in figure.axes[0].lines if line.get_label() == "mining")
    np.testing.assert_allclose(median.get_xdata(), [492.7, 1613.7])
    np.testing.assert_allclose(median.get_ydata(), [0.03, 0.2])
    assert "B11" in words(figure)


def test_the_ranking_has_the_best_on_top_and_tells_the_direction():
    table = pd.DataFrame(
        {
            "feature": ["B04", "NDVI"], "kind": ["band", "index"], "auc": [0.8, 0.7],
            "auc_low": [0.7, np.nan], "auc_high": [0.9, np.nan],
            "direction": ["higher in mining", "lower in mining"],
        }
    )  # fmt: skip
    axes = draw_ranking(table).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["B04  ▲", "NDVI  ▼"]
    assert axes.yaxis_inverted()


def test_a_correlation_that_is_not_known_leaves_its_cell_empty():
    table = pd.DataFrame({"band": ["B02", "B03"], "B02": [1.0, np.nan], "B03": [np.nan, 1.0]})
    figure = draw_correlation(table)
    assert sorted(text.get_text() for text in figure.axes[0].texts) == ["1.00", "1.00"]


def test_the_plane_of_components_is_framed_by_the_outermost_patches():
    scores = pd.DataFrame(
        {"site_id": list("pqrs"), "class": "mining", "PC1": [0, 1, 2, 3.0], "PC2": [3, 2, 1, 0.0]}
    )
    explained = pd.DataFrame({"component": ["PC1", "PC2"], "variance_share": [0.7, 0.2]})
    extremes = pd.DataFrame(
        {"component": ["PC1", "PC1"], "end": ["low", "high"], "site_id": ["p", "s"]}
    )
    pictures = xr.DataArray(
        np.zeros((2, 4, 4, 3), np.uint8),
        dims=("site", "y", "x", "rgb"),
        coords={"site": ["p", "s"]},
    )
    assert len(draw_scores(scores, explained, extremes, pictures).axes) == 3
    assert len(draw_scores(scores, explained, extremes, None).axes) == 1


def test_doubted_labels_are_counted_by_class():
    doubts = pd.DataFrame(
        {
            "label": ["mining", "mining", "no mining"], "probability": [0.9, 0.05, 0.1],
            "is_flagged": [False, True, False],
        }
    )  # fmt: skip
    noise = pd.DataFrame({"label": ["mining", "no mining"], "threshold": [0.6, 0.9]})
    titles = [axes.get_title(loc="left") for axes in draw_doubts(doubts, noise).axes]
    assert titles == [
        "Labelled mining: 2 sites, 1 doubted",
        "Labelled no mining: 1 sites, 0 doubted",
    ]


def test_a_class_without_patches_has_no_bar():
    table = pd.DataFrame(
        {"class": ["mining", "unlabelled"], "n_patches": [3, 0], "share": [1.0, 0.0]}
    )
    axes = draw_class_balance(table).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["mining"]


def test_distances_of_zero_find_a_place_on_the_axis():
    nearest = pd.DataFrame(
        {
            "class": ["mining"], "nearest": ["any"], "p5_m": [0.0], "p25_m": [0.0],
            "median_m": [10.0], "p75_m": [900.0], "p95_m": [20_000.0],
        }
    )  # fmt: skip
    axes = draw_nearest(nearest, pd.DataFrame({"distance_m": [480.0]})).axes[0]
    assert axes.get_xscale() == "log"
    assert axes.get_xlim()[0] > 0


@pytest.mark.parametrize("range_m", [2_000.0, np.nan])
def test_a_variogram_shows_its_range_only_if_one_was_found(range_m):
    table = pd.DataFrame(
        {"distance_m": [300.0, 1e3, 1e4], "semivariance": [0.2, 0.6, 1.0], "n_pairs": [5, 5, 5]}
    )
    model = pd.DataFrame({"range_m": [range_m], "nugget": [0.1], "sill": [0.9]})
    assert ("range" in words(draw_variogram(table, model))) == np.isfinite(range_m)


def test_long_rows_of_pictures_go_on_in_the_next_line():
    pictures = xr.DataArray(
        np.zeros((14, 4, 4, 3), np.uint8),
        dims=("site", "y", "x", "rgb"),
        coords={"site": [f"a-very-long-name-of-a-site-{i}" for i in range(14)]},
    )
    figure = draw_pictures({"Doubts": pictures}, {})
    assert "Doubts (continued)" in words(figure)
    assert len(figure.axes[0].images) == 2
    assert max(len(text.get_text()) for text in figure.axes[0].texts) <= len("Doubts (continued)")


def test_a_figure_whose_table_is_missing_or_empty_is_left_out():
    for tables in ({}, {"classes": pd.DataFrame(columns=["class", "n_patches", "share"])}):
        section = Section("overview", "Overview", seen="", advice="", tables=tables)
        assert list(draw_plates(section, PLATES["overview"], confidence=None)) == []


def test_checks_that_find_nothing_need_no_figure_and_others_show_their_counts():
    found = pd.DataFrame(
        {
            "check": ["no_data", "empty"], "n_patches": [5, 0], "n_mining": [2, 0],
            "n_no_mining": [3, 0], "n_unlabelled": [0, 0],
        }
    )  # fmt: skip
    assert "no data" in words(draw_checks(found))
    clean = found.assign(n_patches=0, n_mining=0, n_no_mining=0)
    section = Section("integrity", "Integrity", seen="", advice="", tables={"checks": clean})
    assert list(draw_plates(section, PLATES["integrity"], confidence=None)) == []


def test_intervals_say_what_they_cover():
    section = Section("space", "Space", seen="", advice="", tables={"leakage": audit()})
    (drawn,) = draw_plates(section, PLATES["space"], confidence=0.9)
    assert drawn.caption.endswith("Intervals cover 90\u202f%.")


def test_files_of_figures_have_names_of_their_own():
    for plates in PLATES.values():
        names = [plate.name for plate in plates]
        assert len(set(names)) == len(names)
    assert {key for key, _ in TABLE_VIEWS} <= {*PLATES, "gallery"}


def test_titles_of_the_leakage_audits_panels_do_not_run_into_each_other():
    rows = [("random", np.nan), ("clusters", 1_000.0)]
    rows += [("square blocks", distance_m) for distance_m in (3_000.0, 10_000.0, 20_000.0)]
    table = pd.DataFrame(
        {
            "model": "coordinates only", "folds": [folds for folds, _ in rows],
            "distance_m": [distance_m for _, distance_m in rows], "auc": 0.7, "auc_low": 0.6,
            "auc_high": 0.8, "n_sites": 502, "n_mining": 170, "n_folds": 5, "n_repeats": 3,
        }
    )  # fmt: skip
    figure = draw_leakage(table)
    figure.canvas.draw()
    boxes = [
        text.get_window_extent()
        for axes in figure.axes
        for text in (axes.title, axes._left_title)
        if text.get_text()
    ]
    assert len(boxes) == 2
    assert boxes[0].x1 < boxes[1].x0
