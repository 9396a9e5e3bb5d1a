"""Sections on context: what is mapped, what lies around, and what a map alone scores."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from minewatch import toy
from minewatch._figures import _settle_layout
from minewatch._report._plates import draw_plates
from minewatch.cli._app import run
from minewatch.context import Context, Features, extract_features, write_context
from minewatch.errors import InputError
from minewatch.explore import ExploreSettings, explore
from minewatch.explore import _captions_context as captions
from minewatch.explore._context import context_steps
from minewatch.explore._context_around import describe_surroundings
from minewatch.explore._context_mapped import describe_mapped
from minewatch.explore._context_models import context_numbers, measure_null_models
from minewatch.explore._context_values import Surroundings, gather_surroundings
from minewatch.explore._figures import PLATES
from minewatch.explore._figures_context import draw_distances
from minewatch.explore._figures_context_maps import draw_layer_maps
from minewatch.patches import PatchDataset, write_patches

QUICK = ExploreSettings(n_repeats=1, block_sizes_m=(10_000.0,), n_thumbnails=2)
SIDES = ("left", "center", "right")
KEYS = ("context", "surroundings", "null_models")


def features_of(rows, **info) -> Features:
    """Make features from (layer, value, target, geometry)."""
    kinds = {"Point": "point", "LineString": "line", "Polygon": "area"}
    table = pd.DataFrame(
        {
            "highway": [value if layer == "highway" else None for layer, value, _, _ in rows],
            "landuse": [value if layer == "landuse" else None for layer, value, _, _ in rows],
            "target": [target for _, _, target, _ in rows],
            "kind": [kinds[shape.geom_type] for *_, shape in rows],
        },
        index=pd.Index([f"way/{i}" for i in range(len(rows))], name="feature_id"),
    ).astype("str")
    frame = gpd.GeoDataFrame(table, geometry=[shape for *_, shape in rows], crs="EPSG:4326")
    dropped = pd.DataFrame({"feature_id": [], "reason": [], "repaired": []})
    told = {"attribution": "© OpenStreetMap contributors, ODbL 1.0"} | info
    return Features(frame, dropped, told)


def measures_of(sites, *, nearest_m, in_patch=None, counts=None) -> pd.DataFrame:
    """Make the measures of one layer, highway, as measure_context names them."""
    nearest = np.asarray(nearest_m, dtype=np.float64)
    there = nearest < 200.0 if in_patch is None else np.asarray(in_patch)
    table = pd.DataFrame(index=sites.index)
    table["highway_nearest_m"] = nearest
    table["highway_in_patch"] = pd.array(there, dtype="boolean")
    table["highway_2000m_length_m"] = np.where(nearest < 2000, 3000.0, 0.0)
    count = np.full(len(sites), 4) if counts is None else counts
    table["osm_features_2000m"] = pd.array(count, dtype="Int32")
    return table


def gathered(statistics_of, sites, measures, features=None, **header) -> Surroundings:
    roads = [("highway", "track", None, shapely.LineString([(-64.0, 4.0), (-63.0, 5.0)]))]
    features = features_of(roads) if features is None else features
    context = Context(Path("context"), features, measures, None, {})
    statistics = statistics_of(sites)
    statistics = replace(statistics, header=statistics.header.model_copy(update=header))
    return gather_surroundings(statistics, context)


@pytest.fixture(scope="module")
def sites(towns) -> gpd.GeoDataFrame:
    return towns(60, 5, by_town=False, seed=3)


@pytest.fixture(scope="module")
def is_mining(sites) -> np.ndarray:
    return sites["label"].to_numpy(dtype=np.int64) == 1


def test_features_are_counted_by_layer_without_those_that_name_the_target(statistics_of, sites):
    line, point = shapely.LineString([(-63, 4), (-62.9, 4)]), shapely.Point(-63, 4)
    features = features_of(
        [
            ("highway", "track", None, line),
            ("highway", "track", None, line),
            ("highway", "primary", None, line),
            ("highway", "path", "name~mina", line),
            ("landuse", "quarry", "landuse=quarry", point),
        ]
    )
    around = gathered(statistics_of, sites, measures_of(sites, nearest_m=[1.0] * 300), features)
    tables = describe_mapped(around).tables
    road, land = tables["layers"].to_dict("records")
    assert (road["n_features"], road["n_values"], road["top_value"], road["n_top"]) == (
        (3, 2, "track", 2)
    )
    assert (road["n_naming_target"], land["n_naming_target"], land["n_features"]) == (1, 1, 0)
    assert dict(tables["targets"][["tag", "n_features"]].to_numpy().tolist()) == {
        "name~mina": 1,
        "landuse=quarry": 1,
    }
    assert set(tables["cells"]["layer"]) == {"highway", "target"}


def test_a_layer_that_names_the_target_is_no_ordinary_layer(statistics_of, sites):
    roads = [("highway", "track", None, shapely.Point(-63, 4))]
    layers = [{"name": "highway", "key": "highway", "names_the_target": True}]
    around = gathered(
        statistics_of,
        sites,
        measures_of(sites, nearest_m=[1.0] * 300),
        features_of(roads, layers=layers),
    )
    assert around.mapped_layers == ["landuse"]
    assert around.measured_layers == []
    assert list(context_numbers(around).columns) == ["osm_features_2000m"]
    assert describe_mapped(around).tables["targets"]["tag"].tolist() == ["highway=track"]


@pytest.mark.parametrize(
    ("osm_timestamp", "words"),
    [
        ("2023-03-01T00:00:00Z", "2 months younger than the last image (2022-12-31)"),
        ("2025-12-31", "3.0 years younger"),
        ("2021-05-05T00:00:00Z", "older than the first image (2022-01-01)"),
        ("2022-07-01T00:00:00Z", "of the time of the images"),
        (datetime(2023, 1, 2, tzinfo=UTC), "2 days younger"),
        (None, "The day of the map is not known"),
    ],
)
def test_the_maps_day_is_held_against_the_images(statistics_of, sites, osm_timestamp, words):
    features = features_of(
        [("highway", "track", None, shapely.Point(-63, 4))], osm_timestamp=osm_timestamp
    )
    around = gathered(
        statistics_of,
        sites,
        measures_of(sites, nearest_m=[1.0] * 300),
        features,
        period_start="2022-01-01",
        period_end="2022-12-31",
    )
    assert words in describe_mapped(around).advice


def test_nothing_within_the_search_ranks_behind_everything_and_is_counted(statistics_of, sites):
    is_mining = sites["label"].to_numpy(dtype=np.int64) == 1
    near = np.where(is_mining, 9_999.0, np.nan)
    tables = describe_surroundings(
        gathered(statistics_of, sites, measures_of(sites, nearest_m=near)), QUICK
    ).tables
    row = tables["distances"].iloc[0]
    assert (row["auc"], row["in_mining"]) == (1.0, "nearer")
    assert (row["mining_nothing_share"], row["no_mining_nothing_share"]) == (0.0, 1.0)
    curves = tables["distance_curves"].groupby("class").last()
    assert (curves["share"] + curves["nothing_share"]).tolist() == pytest.approx([1.0, 1.0])


def test_curve_and_strip_make_up_all_sites(statistics_of, sites):
    random = np.random.default_rng(0)
    nearest = np.where(random.random(300) < 0.3, np.nan, random.uniform(5, 9000, 300))
    tables = describe_surroundings(
        gathered(statistics_of, sites, measures_of(sites, nearest_m=nearest)), QUICK
    ).tables
    last = tables["distance_curves"].groupby("class").last()
    assert (last["share"] + last["nothing_share"]).to_numpy() == pytest.approx(1.0)


def test_mapping_that_follows_mining_is_warned_of(statistics_of, sites, is_mining):
    random = np.random.default_rng(1)
    mapped = random.random(300) < np.where(is_mining, 0.75, 0.4)
    measures = measures_of(sites, nearest_m=np.full(300, 500.0), in_patch=mapped)
    section = describe_surroundings(gathered(statistics_of, sites, measures), QUICK)
    assert "How much people have drawn goes with the class" in section.advice
    assert "patches of mining more often hold anything drawn by hand (odds" in section.advice
    odds = section.tables["odds"].iloc[0]
    assert odds["odds_ratio_low"] > 1.0


def test_mapping_that_does_not_is_not(statistics_of, sites):
    random = np.random.default_rng(2)
    measures = measures_of(
        sites, nearest_m=random.uniform(1, 5000, 300), in_patch=random.random(300) < 0.5
    )
    section = describe_surroundings(gathered(statistics_of, sites, measures), QUICK)
    assert "goes with the class" not in section.advice
    assert "none tells the classes apart by its distance beyond chance" in section.seen


def test_an_interval_that_leaves_out_a_half_is_shown_beside_the_widened_one_that_does_not(
    statistics_of, sites, is_mining
):
    random = np.random.default_rng(24)
    measures = measures_of(sites, nearest_m=random.uniform(1, 5000, 300) + 400.0 * ~is_mining)
    for layer in ("place", "power", "building", "waterway"):
        measures[f"{layer}_nearest_m"] = 700.0
        measures[f"{layer}_in_patch"] = pd.array(np.zeros(300, dtype=bool), dtype="boolean")
    section = describe_surroundings(gathered(statistics_of, sites, measures), QUICK)
    row = section.tables["distances"].set_index("layer").loc["highway"]
    assert row["auc_low"] > 0.5 > row["auc_widened_low"]
    assert not row["is_telling"]
    assert "by itself, and" in section.seen
    assert "with its interval widened for so many" in section.seen
    figure = draw_distances(section.tables["distance_curves"], section.tables["distances"])
    assert not any("mining nearer" in axes.get_title(loc) for axes in figure.axes for loc in SIDES)
    assert "(of no layer here)" in captions.distances(None, section.tables["distances"])


def test_a_layer_that_tells_says_on_which_side_mining_lies(statistics_of, sites, is_mining):
    nearest = np.where(is_mining, 200.0, 3000.0) + np.random.default_rng(0).uniform(0, 900, 300)
    tables = describe_surroundings(
        gathered(statistics_of, sites, measures_of(sites, nearest_m=nearest)), QUICK
    ).tables
    figure = draw_distances(tables["distance_curves"], tables["distances"])
    assert any("highway, mining nearer" in figure.axes[0].get_title(loc) for loc in SIDES)
    figure.canvas.draw()
    assert "≤ 10\u202fm" in [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert "of no layer" not in captions.distances(None, tables["distances"])


def test_a_layer_of_which_there_is_little_is_seen_over_the_sites(statistics_of, sites):
    place = sites.geometry.iloc[0]
    strip = shapely.LineString([(place.x, place.y), (place.x + 0.001, place.y)])
    rows = [("highway", "track", None, strip), ("landuse", "farm", None, place.buffer(9.0))]
    measures = measures_of(sites, nearest_m=np.full(300, 500.0))
    around = gathered(statistics_of, sites, measures, features_of(rows))
    tables = describe_mapped(around).tables
    needed = ("frame", "cells", "map_sites", "layers")
    figure = draw_layer_maps(*(tables[name] for name in needed), None)
    few, many = figure.axes[:2]
    drawn = np.ma.filled(few.images[0].get_array(), np.nan)
    assert np.isfinite(drawn).sum() >= 25  # one cell, five wide
    assert few.images[0].zorder > max(dots.zorder for dots in few.collections)
    assert few.collections[0].get_alpha() < many.collections[0].get_alpha()


def test_mining_sites_close_together_among_near_negatives_are_told(statistics_of, sites_of):
    random = np.random.default_rng(0)
    labels = [1] * 40 + [0] * 40
    longitude = np.concatenate([random.normal(-63, 0.001, 40), random.normal(-62.96, 0.001, 40)])
    sites = sites_of(longitude, random.normal(4, 0.001, 80), labels)
    measures = measures_of(sites, nearest_m=random.uniform(1, 5000, 80))
    advice = describe_surroundings(gathered(statistics_of, sites, measures), QUICK).advice
    assert "Mining sites lie close together (median" in advice
    assert "hold out whole places" in advice


def test_more_mapped_around_mining_is_warned_of_where_patches_are_alike(
    statistics_of, sites, is_mining
):
    random = np.random.default_rng(3)
    counts = random.poisson(np.where(is_mining, 30, 12))
    measures = measures_of(sites, nearest_m=np.full(300, 500.0), counts=counts)
    advice = describe_surroundings(gathered(statistics_of, sites, measures), QUICK).advice
    assert "the ground within 2" in advice
    assert "more mapped" in advice


def test_patches_that_hold_more_amid_ground_with_less_are_not_called_more_mapped(
    statistics_of, sites, is_mining
):
    random = np.random.default_rng(1)
    mapped = random.random(300) < np.where(is_mining, 0.75, 0.4)
    counts = random.poisson(np.where(is_mining, 12, 30))
    measures = measures_of(sites, nearest_m=np.full(300, 500.0), in_patch=mapped, counts=counts)
    advice = describe_surroundings(gathered(statistics_of, sites, measures), QUICK).advice
    assert "patches of mining more often hold" in advice
    assert "but around mining the ground within 2" in advice
    assert "is less mapped by numbers of features" in advice
    assert "may learn who mapped" not in advice
    assert "in patches of mining more often highway" in advice


def test_nobody_is_sent_to_look_at_patches_that_are_not_there(statistics_of, sites, is_mining):
    told = {}
    for name, there in (("mining", is_mining), ("both", np.ones(300, dtype=bool))):
        measures = measures_of(sites, nearest_m=np.full(300, 500.0))
        measures["target_nearest_m"] = np.where(there, 10.0, np.nan)
        measures["target_in_patch"] = pd.array(there, dtype="boolean")
        around = gathered(statistics_of, sites, measures)
        told[name] = describe_surroundings(around, QUICK).advice
    assert "a label may be wrong" not in told["mining"]
    assert "a label may be wrong" in told["both"]


def test_the_best_of_many_radii_is_not_taken_for_a_finding(statistics_of, sites, is_mining):
    counts = np.random.default_rng(24).poisson(np.where(is_mining, 13, 12))
    measures = measures_of(sites, nearest_m=np.full(300, 500.0), counts=counts)
    for column in ("osm_features_500m", "osm_features_10000m"):
        measures[column] = pd.array(np.full(300, 4), dtype="Int32")
    section = describe_surroundings(gathered(statistics_of, sites, measures), QUICK)
    best = section.tables["completeness_auc"].set_index("radius_m").loc[2_000]
    assert best["auc_low"] > 0.5  # by itself it differs from chance
    assert not best["is_telling"]
    assert "round mining" not in section.advice


def test_far_negatives_are_advised_to_be_matched(statistics_of, sites_of, towns):
    near = towns(20, 5, by_town=True, seed=1)
    labels = [1] * 50 + [0] * 50
    random = np.random.default_rng(0)
    longitude = np.concatenate([random.uniform(-63, -62.9, 50), random.uniform(-60, -59.9, 50)])
    far = sites_of(longitude, random.uniform(4, 4.1, 100), labels)
    told = {}
    for name, sites in (("near", near), ("far", far)):
        measures = measures_of(sites, nearest_m=random.uniform(1, 5000, 100))
        section = describe_surroundings(gathered(statistics_of, sites, measures), QUICK)
        told[name] = (section.advice, section.tables["apart"].set_index("class")["median_m"])
    assert "Negatives lie far from mining" in told["far"][0]
    assert told["far"][1]["no mining"] == pytest.approx(322_000, rel=0.05)
    assert "match each mining site" in told["far"][0]


def test_an_unknown_end_of_the_extract_is_not_told_as_none(statistics_of, sites):
    measures = measures_of(sites, nearest_m=np.random.default_rng(0).uniform(1, 5000, 300))
    for column in (None, pd.array([pd.NA] * 300, dtype="boolean")):
        if column is not None:
            measures["is_edge_limited"] = column
        section = describe_surroundings(gathered(statistics_of, sites, measures), QUICK)
        edge = section.tables["edge"]
        assert edge["n_edge_unknown"].sum() == 300
        assert edge["share"].isna().all()
        assert "300 sites it is not known where the extract ends" in section.advice


def test_sites_outside_of_the_extract_are_left_out(statistics_of, sites):
    measures = measures_of(sites, nearest_m=np.random.default_rng(0).uniform(1, 5000, 300))
    measures["edge_m"] = [0.0] * 30 + [800.0] * 100 + [np.nan] * 170
    measures["is_edge_limited"] = pd.array([True] * 130 + [False] * 170, dtype="boolean")
    around = gathered(statistics_of, sites, measures)
    assert (len(around.sites), around.n_unmeasured) == (270, 30)
    assert len(context_numbers(around)) == 270
    section = describe_surroundings(around, QUICK)
    assert section.tables["edge"]["n_edge_limited"].sum() == 100


def test_patches_that_name_mining_are_told_apart(statistics_of, sites, is_mining):
    measures = measures_of(sites, nearest_m=np.random.default_rng(0).uniform(1, 5000, 300))
    measures["target_nearest_m"] = np.where(is_mining, 10.0, np.nan)
    measures["target_in_patch"] = pd.array(is_mining, dtype="boolean")
    around = gathered(statistics_of, sites, measures)
    section = describe_surroundings(around, QUICK)
    assert "150 mining patches and none without hold features that name mining" in section.advice
    named = section.tables["odds"].set_index("layer").loc["target"]
    assert bool(named["names_target"])
    assert named["odds_ratio"] == np.inf
    assert not any("target" in name for name in context_numbers(around).columns)
    assert "target" not in section.seen


def test_a_map_that_ends_within_the_search_is_said(statistics_of, sites):
    measures = measures_of(sites, nearest_m=np.full(300, 500.0))
    measures["is_edge_limited"] = pd.array([True] * 7 + [False] * 293, dtype="boolean")
    section = describe_surroundings(gathered(statistics_of, sites, measures), QUICK)
    assert "Around 7 sites the extract ends within the search" in section.advice
    assert section.tables["edge"]["n_edge_limited"].sum() == 7


def test_context_that_tells_the_class_adds_to_place(statistics_of, sites, is_mining):
    random = np.random.default_rng(5)
    nearest = 10.0 ** (random.normal(2.5, 0.4, 300) + 0.5 * ~is_mining)
    measures = measures_of(sites, nearest_m=np.minimum(nearest, 9_000.0))
    section = measure_null_models(gathered(statistics_of, sites, measures), QUICK)
    models = section.tables["models"].query("folds == 'clusters'").set_index("model")["auc"]
    assert models["coordinates only"].max() < 0.6
    assert models["context only"].min() > 0.7
    added = section.tables["added"].query("folds == 'clusters'")
    assert (added["auc_difference_low"] > 0.0).all()
    assert "beyond place" in section.advice
    assert "there context adds" in section.seen
    assert re.search(r"must beat \d\.\d\d \(\d\.\d\d–\d\.\d\d\) where", section.advice)


def test_context_that_tells_nothing_adds_nothing(statistics_of, towns):
    sites = towns(60, 5, by_town=True, seed=4)
    measures = measures_of(sites, nearest_m=np.random.default_rng(6).uniform(1, 9_000, 300))
    section = measure_null_models(gathered(statistics_of, sites, measures), QUICK)
    models = section.tables["models"]
    random = models[models["folds"] == "random"].set_index("model")["auc"]
    assert random["coordinates only"] > 0.9
    assert random["context and coordinates"] > 0.9
    assert (models.query("model == 'context only'")["auc_low"] < 0.5).all()
    added = section.tables["added"].query("difference.str.startswith('context and')")
    assert (added["auc_difference_low"] <= 0.0).all()
    assert "do not expect it to help" in section.advice
    assert "no gain over coordinates alone can be shown" in section.seen
    assert "adds" not in section.seen


def test_no_result_depends_on_the_order_of_sites(statistics_of, sites):
    measures = measures_of(sites, nearest_m=np.random.default_rng(7).uniform(1, 9_000, 300))
    turned = sites.iloc[::-1]
    for describe in (
        lambda around: describe_surroundings(around, QUICK),
        lambda around: measure_null_models(around, QUICK),
        describe_mapped,
    ):
        first = describe(gathered(statistics_of, sites, measures))
        second = describe(gathered(statistics_of, turned, measures.sample(frac=1, random_state=0)))
        assert first.seen == second.seen
        for name, table in first.tables.items():
            pd.testing.assert_frame_equal(table, second.tables[name])


def test_sites_that_were_not_measured_are_left_out_and_counted(statistics_of, sites):
    measures = measures_of(sites, nearest_m=np.full(300, 500.0)).iloc[20:]
    around = gathered(statistics_of, sites, measures)
    assert (len(around.sites), around.n_unmeasured) == (280, 20)
    assert "20 patches left out: without coordinates or measures" in describe_mapped(around).seen


def test_sites_that_moved_since_they_were_measured_are_left_out(statistics_of, sites):
    measures = measures_of(sites, nearest_m=np.full(300, 500.0))
    places = sites.get_coordinates().set_axis(["longitude", "latitude"], axis=1)
    places["longitude"] += 360.0  # the same meridian
    places.iloc[:5, 1] += 1.5 / 111_320
    context = Context(Path("context"), features_of([]), measures, None, {}, places)
    around = gather_surroundings(statistics_of(sites), context)
    assert around.n_unmeasured == 5
    assert set(around.sites.index) == set(sites.index[5:])


def test_context_of_other_sites_is_left_out_in_words(statistics_of, sites):
    other = measures_of(sites, nearest_m=np.full(300, 500.0)).add_prefix("x", axis=0)
    around = gathered(statistics_of, sites, other)
    sections = [step() for step in context_steps(around, QUICK)]
    assert tuple(section.key for section in sections) == KEYS
    assert all("joined by site_id" in section.advice for section in sections)


def test_one_class_alone_has_no_surroundings_to_compare(statistics_of, sites_of):
    sites = sites_of(np.linspace(-63, -62, 20), np.full(20, 4.0), [1] * 20)
    around = gathered(statistics_of, sites, measures_of(sites, nearest_m=np.full(20, 500.0)))
    assert describe_surroundings(around, QUICK).missing is not None
    assert measure_null_models(around, QUICK).missing is not None


# the toy valley, from its own map --------------------------------------------------------------


@pytest.fixture(scope="module")
def valley(tmp_path_factory) -> tuple[PatchDataset, Context]:
    """Write patches of the small valley, and the context around them from the valley's own map."""
    folder = tmp_path_factory.mktemp("valley")
    small = toy.Valley(seed=10, width_m=12_000, height_m=9_000)
    sites = small.sites(n_mining=24, n_background=36)
    pixels = small.pixels(sites, bands=["B03", "B04", "B08", "B11"])
    dataset = write_patches(
        folder / "patches", sites, pixels, bands=list(pixels["band"].to_numpy()), level="L2A"
    )
    features = extract_features(toy.write_osm(small, folder / "valley.osm.pbf"))
    context = write_context(folder / "context", dataset.sites, features, with_channels=False)
    return dataset, context


@pytest.fixture(scope="module")
def findings(valley):
    return explore(*valley, settings=QUICK)


def test_context_adds_its_sections_after_space_and_changes_no_other(valley, findings):
    dataset, _ = valley
    without = explore(dataset, settings=QUICK)
    assert "context" not in without.header
    assert [x.key for x in findings.sections if x.key not in KEYS] == list(without.keys())
    place = findings.keys().index("space") + 1
    assert findings.keys()[place : place + 3] == KEYS
    for section in without.sections:
        assert findings[section.key].seen == section.seen
        for name, table in section.tables.items():
            pd.testing.assert_frame_equal(findings[section.key].tables[name], table)


def test_the_valleys_features_are_all_counted(valley, findings):
    _, context = valley
    tables = findings["context"].tables
    named = context.features.table["target"].notna()
    assert tables["targets"]["n_features"].sum() == named.sum() > 0
    counted = tables["layers"].set_index("layer")["n_features"]
    expected = context.features.table.loc[~named, list(counted.index)].notna().sum()
    assert counted.to_dict() == expected.to_dict()


def test_no_figure_of_context_is_cut_at_its_edge(findings):
    drawn = [
        one for key in KEYS for one in draw_plates(findings[key], PLATES[key], confidence=0.95)
    ]
    assert {one.plate.name for one in drawn} >= {"maps", "presence", "distances", "apart"}
    for one in drawn:
        width_in, height_in = one.figure.get_size_inches()
        _settle_layout(one.figure)
        box = one.figure.get_tightbbox()
        assert box.x0 > -0.02, one.plate.name
        assert box.y0 > -0.02, one.plate.name
        assert box.x1 < width_in + 0.02, one.plate.name
        assert box.y1 < height_in + 0.02, one.plate.name


def test_every_table_with_intervals_says_on_how_many(findings):
    for name in ("presence", "odds", "distances", "completeness_auc"):
        assert (findings["surroundings"].tables[name]["n_blocks"] > 0).all()
    assert (findings["null_models"].tables["models"]["n_groups"] > 0).all()


def test_what_is_no_context_is_refused(valley):
    dataset, _ = valley
    with pytest.raises(InputError, match=r"context is a dict; expected what .*open_context"):
        explore(dataset, {"roads": 1})


def test_the_command_writes_a_report_that_names_the_maps_makers_and_day(valley, tmp_path, capsys):
    dataset, context = valley
    words = ["explore", "report", str(dataset.path), "--context", str(context.path)]
    quick = ["--folds", "3", "--thumbnails", "1", "--block-km", "5"]
    out = tmp_path / "report"
    assert run([*words, "--out", str(out), *quick]) == 0
    printed = capsys.readouterr().out
    assert "Surroundings:" in printed
    assert "Null models:" in printed
    text = (out / "report.html").read_text(encoding="utf-8")
    maker = "minewatch toy: a made-up valley, no real place"
    assert f"Map data: {maker}" in text
    assert "not OpenStreetMap: made up, 2024-06-01" in text
    saved = json.loads((out / "findings.json").read_text(encoding="utf-8"))
    assert saved["header"]["context"]["osm_date"] == "2024-06-01"
    maps = (out / "figures" / "context-maps.svg").read_text(encoding="utf-8")
    assert f"{maker}; data of 2024-06-01" in maps
    assert "© OpenStreetMap" not in maps


def test_a_context_that_is_not_there_is_an_error(valley, tmp_path):
    dataset, _ = valley
    words = ["explore", "report", str(dataset.path), "--context", str(tmp_path / "none")]
    assert run([*words, "--out", str(tmp_path / "report")]) == 4
    assert not (tmp_path / "report").exists()
