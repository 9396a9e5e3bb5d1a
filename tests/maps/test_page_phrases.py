"""Sentences of our own reach readers in their language, and nobody else's are touched."""

import ast
import importlib.util
import re
import warnings
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

import minewatch.model
from minewatch import patches, toy
from minewatch.maps import Layers, gather_contents
from minewatch.maps._page_html import strings
from minewatch.maps._phrases import (
    NUMBER_MARKS,
    OTHERS,
    own_sentences,
    page_phrases,
    phrase_words,
    translate,
)
from minewatch.maps._sheet_words import Words
from minewatch.model import BlockKFold, RegionHoldout, train_detector
from minewatch.model._amw import GENERATIONS
from minewatch.model._blocks import ClusterKFold, RandomKFold
from minewatch.model._blocks_nndm import NearestNeighbourDistanceKFold
from minewatch.model._blocks_table import describe_folds, describe_unplaced, why_unplaced
from minewatch.model._evaluation import EvaluationSettings
from minewatch.model._registry import published_detectors
from minewatch.model._train import TrainSettings
from minewatch.model._training import NO_LICENCE
from minewatch.model._trees import TreeDetector
from minewatch.scan._merge import PRESETS
from minewatch.scan._merge_run import choose_rule
from minewatch.scan._not_seen import BETWEEN
from minewatch.scan._status import FAILED, FEW, NO_DATA, NO_NUMBER

_spec = importlib.util.spec_from_file_location(
    "minewatch_test_maps_maker", Path(__file__).with_name("maps_maker.py")
)
maker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(maker)

GAP = re.compile(r"\{(\w+)(?::\w+)?\}")
OF_WAR = re.compile(r"\bminad[oa]s?\b", re.IGNORECASE)
FAST = EvaluationSettings(n_resamples=100, n_inner=2)
REGION = gpd.GeoDataFrame(geometry=[shapely.box(-64.0, 6.0, -63.5, 7.0)], crs="EPSG:4326")


def untold(sentences):
    """Give the sentences that have no words in some language."""
    return {
        (language, text)
        for text in sentences
        for language in OTHERS
        if translate(text, language, str) is None
    }


def sentences_of(card):
    """Give all that a card says in sentences."""
    said = [part for metric in card.metrics for part in (metric.on, metric.splitter)]
    return [*said, *card.limits, card.licence, *(one.chosen for one in card.thresholds.values())]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Give 60 patches, 20 mining; every third place is known by its file alone."""
    valley = toy.Valley(seed=1)
    sites = valley.sites(20, 40)
    pixels = valley.pixels(sites, bands="rgb")[:, :, 16:32, 16:32]
    sites["source"] = [f"file {number % 9}" for number in range(60)]
    placed = sites.groupby("label").cumcount() % 3 > 0
    sites.loc[placed, "source"] = None
    sites.loc[~placed, "geometry"] = None
    sites["start"], sites["end"] = "2019-01-01", "2020-12-31"
    folder = tmp_path_factory.mktemp("small") / "patches"
    return patches.write_patches(
        folder, sites, pixels, bands="rgb", level="L2A", size_px=16, cut="point"
    )


def train(dataset, splitter, folder, **said):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trained = train_detector(
            TreeDetector(n_trees=5), dataset, folder, splitter=splitter,
            settings=TrainSettings(name="trees", evaluation=FAST, **said),
        )  # fmt: skip
    return trained.card


@pytest.fixture(scope="module")
def cards(small, tmp_path_factory):
    """Train under folds near and far: cards with every kind of doubt."""
    folder = tmp_path_factory.mktemp("cards")
    west, _, east, _ = small.sites[small.sites.geometry.notna()].total_bounds
    half = shapely.box(west - 1, -90, (west + east) / 2, 90)
    region = gpd.GeoDataFrame(geometry=[half], crs="EPSG:4326")
    return [
        train(small, BlockKFold(3, block_m=6_000, group_column="source"), folder / "near"),
        train(small, BlockKFold(2, block_m=50_000, group_column="source"), folder / "far"),
        train(small, RegionHoldout(region, group_column="source"), folder / "region"),
        train(small, RandomKFold(3, group_column="source"), folder / "random"),
    ]


def test_every_sentence_has_the_same_gaps_in_every_language():
    for phrase in phrase_words():
        assert set(phrase) == {"en", *OTHERS}
        for language in OTHERS:
            assert sorted(GAP.findall(phrase[language])) == sorted(GAP.findall(phrase["en"]))


def test_no_word_for_mined_ground_speaks_of_mines_of_war():
    words = [phrase[language] for phrase in phrase_words() for language in OTHERS]
    words += [text for language in OTHERS for text in strings()[language].values()]
    assert [text for text in words if OF_WAR.search(text)] == []


def test_all_that_a_trained_detectors_card_says_is_known(cards):
    said = {text for card in cards for text in sentences_of(card)}
    assert untold(said) == set()
    kinds = ("may flatter it", "not to be shown as its own", "sites that have a place",
             "no null model of context", "which leak", "tested inside")  # fmt: skip
    assert [kind for kind in kinds if not any(kind in text for text in said)] == []


def test_all_that_the_published_detectors_cards_say_is_known():
    said = {NO_LICENCE}
    for one in published_detectors():
        facts = one.card_facts()
        said |= {part for metric in facts["metrics"] for part in (metric.on, metric.splitter)}
        said |= {threshold.chosen for threshold in facts["thresholds"].values()}
    for generation in GENERATIONS.values():
        said |= set(generation.limits)
    assert len(said) > 10
    assert untold(said) == set()


def literals_of_limits():
    """Collect what the code of detectors writes down for ``limits``, wherever it stands."""
    found = set()
    for path in Path(minewatch.model.__file__).parent.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        named = {
            node.target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Constant)
        }
        sides = [
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.keyword) and node.arg == "limits"
        ]
        sides += [
            node.value
            for node in tree.body
            if isinstance(node, ast.AnnAssign)
            and re.fullmatch(r"_(LIMIT|NO|OTHER|ORDER)\w*", node.target.id)
        ]
        for side in sides:
            for part in ast.walk(side):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    found.add(part.value)
                elif isinstance(part, ast.Name) and isinstance(named.get(part.id), str):
                    found.add(named[part.id])
    return {text for text in found if text.endswith(".")}


def test_all_limits_that_detectors_are_born_with_are_known():
    said = literals_of_limits()
    assert any("no probabilities" in text for text in said)
    assert any("means nothing on L2A" in text for text in said)
    assert untold(said) == set()


@pytest.mark.parametrize(
    "splitter",
    [
        BlockKFold(5), BlockKFold(2, group_column="file"), ClusterKFold(4, distance_m=3_000),
        RandomKFold(3), RegionHoldout(REGION), NearestNeighbourDistanceKFold(3),
        NearestNeighbourDistanceKFold(3, region=REGION),
    ],
    ids=lambda splitter: splitter.describe()[:30],
)  # fmt: skip
@pytest.mark.parametrize("n_unplaced", [0, 1, 3])
def test_all_ways_to_hold_sites_apart_are_known(splitter, n_unplaced):
    sites = pd.DataFrame(
        {"longitude": [1.0, 2.0, 3.0, 4.0], "latitude": 0.0, "file": [*"abcd"], "label": 1}
    )
    sites.loc[sites.index[:n_unplaced], ["longitude", "latitude"]] = None
    said = [describe_folds(splitter, sites), describe_unplaced(splitter, sites)]
    said.append(why_unplaced(splitter, sites) or "")
    assert untold(text for text in said if text) == set()


def test_all_that_gathering_says_is_known(tmp_path):
    scan = maker.make_scan(tmp_path / "scan")
    found = maker.make_detections(tmp_path, scan)
    outlines = maker.make_outlines(tmp_path, found)
    square = gpd.GeoDataFrame(
        index=pd.Index(["a"], name="detection_id"), crs="EPSG:4326",
        geometry=[shapely.box(-62.60, 5.40, -62.59, 5.41)],
    )  # fmt: skip
    every = [
        gather_contents(found),
        gather_contents(found, Layers(scores=scan, outlines=outlines)),
        gather_contents(square, period="2024", attribution=["by hand"], threshold=0.6),
        *(gather_contents(square, period=period, attribution=["by hand"])
          for period in ("2024", "2024-02", "2023-10-01/2024-03-31")),
    ]  # fmt: skip
    said = {text for contents in every for text in own_sentences(contents)}
    assert len(said) >= 8
    assert untold(said) == set()


def test_all_sources_of_a_threshold_are_known(cards):
    presets = [choose_rule(None, preset=name)[1] for name in PRESETS]
    card = {name: one.model_dump() for name, one in cards[0].thresholds.items()}
    said = [*presets, choose_rule(None, threshold=0.3)[1], choose_rule({"thresholds": card})[1]]
    assert untold(said) == set()


def test_all_reasons_not_to_have_seen_have_words():
    for reason in (FEW, NO_DATA, NO_NUMBER, FAILED, BETWEEN, "not seen"):
        for words in strings().values():
            assert f"reason.{reason}" in words


def test_what_users_wrote_stays_as_it_is(small, tmp_path):
    theirs = "No lo use al sur del río Paragua."
    card = train(
        small, BlockKFold(2, block_m=6_000, group_column="source"), tmp_path / "trees",
        limits=(theirs,), licence="solo para la escuela",
    )  # fmt: skip
    assert untold([theirs, card.licence]) == {
        (language, text) for language in OTHERS for text in (theirs, card.licence)
    }
    assert Words({}, "es").own(theirs) == theirs
    assert Words({}, "en").own("as said") == "as said"


def test_names_within_a_sentence_are_kept_whatever_stands_in_them():
    text = (
        "8,644 held-out patches (2\u2009158 mining) of west, L2A; 2 bands, L1C, 3 bands, threshold "
        "f0.5 chosen inside training folds; 10 patches were not decided"
    )
    assert Words({}, "pt").own(text) == (
        "8.644 recortes separados (2.158 com mineração) de “west, L2A; 2 bands”, L1C, 3 bandas, "
        "com o limiar f0.5 escolhido dentro dos dados de treinamento; 10 recortes ficaram sem "
        "decisão"
    )


@given(st.decimals(-180, 180, places=2).map(lambda value: f"{value:f}"))
def test_numbers_are_written_as_in_the_language(value):
    text = (
        f"Trained and evaluated between {value} and 6.63° of latitude and -63.72 and {value}° of "
        "longitude; elsewhere it is untested."
    )
    local = value.replace(".", ",")
    said = Words({}, "es").own(text)
    assert said.count(local) >= 2
    assert "-63,72" in said
    assert "." not in said.rstrip(".")


def test_a_page_holds_its_sentences_with_numbers_that_it_can_write_itself(tmp_path):
    scan = maker.make_scan(tmp_path / "scan")
    contents = gather_contents(maker.make_detections(tmp_path, scan))
    told = page_phrases(contents)
    assert set(told) == set(OTHERS)
    before, after = NUMBER_MARKS
    assert f"{before}480{after} × {before}480{after} m" in told["pt"][contents.area_means]
    assert told["es"]["Mining in 2024"] == "Minería en 2024"


def test_a_long_text_of_somebody_elses_is_let_be_at_once():
    assert translate(f"{'x'}{', at 1' * 100_000}", "es", str) is None
