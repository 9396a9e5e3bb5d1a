"""A detector's figures on a map: at the map's own threshold, or said to be of another."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest

from minewatch.maps import describe_contents
from minewatch.maps._page_html import LANGUAGES, strings
from minewatch.maps._sheet_words import Words
from minewatch.maps._sureness import describe_figures, measured_elsewhere

_spec = importlib.util.spec_from_file_location(
    "minewatch_test_page_maker", Path(__file__).with_name("page_maker.py")
)
maker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(maker)

FIRST = ("sensitivity", "specificity")
SAMPLE = "300 held-out patches (100 mining) of patches, L2A, 12 bands"


def card(on):
    """Make a card whose figures are of a sample at some threshold, and that has one for F1."""
    one = maker.make_card()
    metrics = tuple(metric.model_copy(update={"on": on}) for metric in one.metrics)
    known = {"f1": {"value": 0.445026608665981, "chosen": "for the best F1"}}
    told = one.model_dump() | {"metrics": [metric.model_dump() for metric in metrics]}
    return type(one)(**(told | {"thresholds": known}))


def contents(threshold, on=f"{SAMPLE}, threshold f1 chosen inside training folds"):
    return replace(maker.make_contents(), threshold=threshold, card=card(on))


def test_figures_of_the_maps_own_threshold_are_told_without_more():
    own = contents(0.445026608665981)
    assert measured_elsewhere(own) == {}
    assert measured_elsewhere(contents(0.445027)) == {}  # written with six digits
    assert "at a threshold of" not in describe_contents(own)["measured"]


@pytest.mark.parametrize(
    ("threshold", "words"),
    [(0.6, "which is higher: it finds fewer mines"), (0.3, "which is lower: it finds more mines")],
)
def test_a_map_of_another_threshold_says_so_and_what_that_changes(threshold, words):
    other = contents(threshold)
    assert measured_elsewhere(other) == dict.fromkeys(FIRST, 0.445026608665981)
    told = describe_contents(other)["measured"]
    start = "Sensitivity, Specificity: measured at a threshold of 0.445; that of this map is"
    assert f"{start} {threshold:.3f}, {words}" in told


def test_a_sample_may_name_its_threshold_itself():
    at = f"{SAMPLE}, at 0.8; 3 patches were not decided"
    assert measured_elsewhere(contents(0.8, at)) == {}
    assert measured_elsewhere(contents(0.5, at)) == dict.fromkeys(FIRST, 0.8)


def test_figures_of_several_thresholds_are_told_apart():
    both = contents(0.8, f"{SAMPLE}, at 0.8")
    first, second = both.card.metrics
    mixed = (first, second.model_copy(update={"on": f"{SAMPLE}, at 0.6"}))
    other = replace(both, card=both.card.model_copy(update={"metrics": mixed}))
    assert measured_elsewhere(other) == {"specificity": 0.6}
    told = describe_contents(other)["measured"]
    assert "Specificity: measured at a threshold of 0.600" in told
    assert "Sensitivity: measured" not in told


def test_nothing_is_said_of_thresholds_that_nobody_knows():
    assert measured_elsewhere(contents(None)) == {}
    assert measured_elsewhere(contents(0.5, SAMPLE)) == {}
    assert measured_elsewhere(replace(contents(0.5), card=None)) == {}
    unknown = contents(0.5, f"{SAMPLE}, threshold youden chosen inside training folds")
    assert measured_elsewhere(unknown) == {}


def test_files_tell_the_figures_of_the_page_with_their_sample():
    told = describe_contents(contents(0.445026608665981))["measured"]
    assert told.startswith(
        "Sensitivity: 81 % (90 % interval: 70 % to 90 %) of the mines in the test"
    )
    assert "Specificity: 97 % (90 % interval: 95 % to 99 %) of the places" in told
    assert told.endswith(
        f"Measured on (hold-out): {SAMPLE}, threshold f1 chosen inside training folds; "
        "5 folds of blocks of 50 km."
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_at_which_threshold(language):
    words = Words(strings()[language], language)
    told = describe_figures(contents(0.6), words)[-1]
    point = "." if language == "en" else ","
    assert f"0{point}445" in told
    assert f"0{point}600" in told
