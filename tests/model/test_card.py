import json

import pytest

from minewatch.errors import BandError, DetectorError, SettingsError
from minewatch.model._card import CARD_NAME, Card, Clip, Metric, Preparation, Standardise, read_card
from minewatch.model._channels import channel_names

FACTS = {
    "name": "made",
    "kind": "cnn",
    "bands": ("B04", "B03"),
    "level": "L1C",
    "size_px": 44,
    "licence": "MIT",
    "digest": "sha256:0",
}


def test_a_card_that_is_written_and_read_is_the_same(tmp_path):
    card = Card(
        **FACTS,
        preparation=Preparation(
            steps=(Clip(low=0, high=1), Standardise(mean=(0.1, 0.2), deviation=(0.3, 0.4)))
        ),
        metrics=(Metric(name="roc_auc", value=0.8, low=0.7, high=0.9, on="x", splitter="y"),),
        thresholds={"map": {"value": 0.6, "chosen": "by hand"}},
    )
    (tmp_path / CARD_NAME).write_text(json.dumps(card.model_dump(mode="json")))
    assert read_card(tmp_path) == card


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"bands": ("B4", "B3")}, "ESA's names"),
        ({"bands": ("B04", "B04")}, "more than once"),
        ({"level": "L3"}, "level"),
        ({"size_px": 0}, "size_px"),
        ({"weights": 1}, "weights is not a setting"),
        ({"resolution_m": float("nan")}, "resolution_m"),
        ({"thresholds": {"map": {"value": 1.5, "chosen": "x"}}}, "thresholds.map.value"),
        ({"sources": [{"url": "x", "sha256": "short"}]}, "sha256"),
    ],
)
def test_a_card_that_cannot_be_names_its_fault(change, word):
    with pytest.raises(SettingsError, match=word):
        Card(**{**FACTS, **change})


def test_every_band_has_its_mean_and_deviation():
    step = Standardise(mean=(0.1,), deviation=(0.2,))
    with pytest.raises(SettingsError, match="1 means and 1 deviations for 2 bands"):
        Card(**FACTS, preparation=Preparation(steps=(step,)))


def test_a_deviation_of_zero_is_refused():
    with pytest.raises(SettingsError, match="deviation"):
        Standardise(mean=(0.1,), deviation=(0.0,))


def test_clip_needs_room():
    with pytest.raises(SettingsError, match="expected low below high"):
        Clip(low=1, high=0)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("{", "not readable JSON"),
        ("[" * 100_000, "not readable JSON"),
        ("[]", "format version None"),
        ('{"format_version": 2}', "format version 2"),
        ('{"format_version": 1}', "breaks its schema: name is missing"),
    ],
)
def test_a_damaged_card_is_named(tmp_path, content, word):
    (tmp_path / CARD_NAME).write_text(content)
    with pytest.raises(DetectorError, match=word):
        read_card(tmp_path)


def test_a_folder_without_a_card_is_no_detector(tmp_path):
    with pytest.raises(DetectorError, match="not a saved detector"):
        read_card(tmp_path)


def card_of(names):
    return Card(**{**FACTS, "bands": tuple(names)})


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["B04", "B04@after"], "'after'.*before"),
        (["B04", "osm:target"], "names the target"),
        (["B04", "osm:High way"], "no channel of context"),
        (["B04", "B4"], "more than once"),
        (["B04@before", "osm:highway"], "no band is among"),
        (["B04", "X9@before"], "X9"),
    ],
)
def test_a_card_refuses_names_that_are_no_channels(names, words):
    with pytest.raises(BandError, match=words):
        channel_names(names)
    with pytest.raises(ValueError, match=words):
        card_of(names)


def test_a_card_takes_bands_of_two_dates_and_channels():
    names = ("B04", "B04@before", "osm:highway", "osm:highway_distance")
    assert card_of(names).bands == names
