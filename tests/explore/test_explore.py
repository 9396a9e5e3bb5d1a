import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minewatch.explore import ExploreSettings, explore
from minewatch.toy import Valley

BANDS = ("B02", "B03", "B04", "B08", "B11", "B12")
QUICK = ExploreSettings(n_repeats=1, n_folds=3, block_sizes_m=(3_000.0,), n_thumbnails=2)
KEYS = (
    "overview", "integrity", "distributions", "separability", "correlation", "space", "labels",
    "gallery",
)  # fmt: skip
LABELS = [1, 0, 0, 1, 0, None] * 5
ORDERLY = {"suppress_health_check": [HealthCheck.function_scoped_fixture], "deadline": None}


@pytest.fixture(scope="module")
def numbers(make_textured):
    numbers = make_textured(len(LABELS), len(BANDS))
    numbers[3], numbers[11], numbers[20, 2] = numbers[8], 0, 0
    numbers.setflags(write=False)
    return numbers


@pytest.fixture(scope="module")
def dataset(make_shared_dataset, numbers):
    return make_shared_dataset(numbers, LABELS, bands=BANDS)


@pytest.fixture(scope="module")
def told():
    """Keep what the exploration says of its progress."""
    return []


@pytest.fixture(scope="module")
def findings(dataset, told):
    return explore(dataset, settings=QUICK, progress=lambda *call: told.append(call))


def tables(findings):
    return {
        (section.key, name): table
        for section in findings.sections
        for name, table in section.tables.items()
        if (section.key, name) != ("overview", "dataset")  # holds the digest of bytes as stored
    }


def assert_same(first, second):
    assert [s.seen for s in first.sections] == [s.seen for s in second.sections]
    assert [s.advice for s in first.sections] == [s.advice for s in second.sections]
    assert list(tables(first)) == list(tables(second))
    for key, table in tables(first).items():
        pd.testing.assert_frame_equal(table, tables(second)[key], check_exact=True, obj=str(key))


def test_sections_come_in_reading_order_and_say_two_sentences(findings):
    assert findings.keys() == KEYS
    for section in findings.sections:
        assert section.missing is None, section.key
        assert section.seen.endswith(".")
        assert section.advice.endswith(".")
        assert section.tables


@settings(max_examples=3, **ORDERLY)
@given(seed=st.integers(0, 2**16))
def test_order_of_sites_changes_nothing(make_dataset, dataset, findings, numbers, seed):
    turn = np.random.default_rng(seed).permutation(len(LABELS))
    turned_ids = list(dataset.sites.index[turn])
    turned = make_dataset(
        numbers[turn], [LABELS[i] for i in turn], bands=BANDS, ids=turned_ids,
        points=list(dataset.sites.geometry.iloc[turn]),
    )  # fmt: skip
    assert_same(findings, explore(turned, settings=QUICK))


@settings(max_examples=3, **ORDERLY)
@given(turn=st.permutations(range(len(BANDS))))
def test_order_of_bands_changes_nothing(make_dataset, findings, numbers, turn):
    turned = make_dataset(numbers[:, turn], LABELS, bands=[BANDS[i] for i in turn])
    assert_same(findings, explore(turned, settings=QUICK))


def test_the_header_says_what_made_the_findings(dataset, findings):
    header = json.loads(json.dumps(findings.header, allow_nan=False))
    assert header["dataset_digest"] == dataset.header.digest
    assert ExploreSettings(**header["settings"]) == QUICK
    assert header["classes"] == {"mining": 10, "no mining": 15, "unlabelled": 5}
    assert {"minewatch", "numpy", "scipy", "KDEpy", "spyndex"} <= set(header["versions"])


@pytest.mark.parametrize(
    "labels",
    [[1] * 30, [0] * 30, [None] * 30, [1] + [0] * 29, [1, 0] + [None] * 28],
    ids=["all mining", "none mining", "unlabelled", "one mining", "two labelled"],
)
def test_labels_that_are_scarce_leave_a_report(make_dataset, numbers, labels):
    findings = explore(make_dataset(numbers, labels, bands=BANDS), settings=QUICK)
    assert findings.keys() == KEYS
    for key in ("overview", "integrity", "distributions", "correlation", "gallery"):
        assert findings[key].missing is None


def test_without_coordinates_only_space_is_left_out_or_poorer(make_dataset, numbers):
    dataset = make_dataset(numbers, LABELS, bands=BANDS, placed=False)
    findings = explore(dataset, settings=QUICK)
    assert findings["space"].missing
    assert not findings["space"].tables
    for key in ("overview", "integrity", "distributions", "separability", "gallery"):
        assert findings[key].missing is None


@pytest.mark.parametrize("bands", [("B04", "B03", "B02"), ("B08",)])
def test_few_bands_leave_a_report(make_dataset, numbers, bands):
    dataset = make_dataset(numbers[:, : len(bands)], LABELS, bands=bands)
    assert explore(dataset, settings=QUICK)["distributions"].missing is None


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_patches_leave_a_report(make_dataset, numbers, n):
    dataset = make_dataset(numbers[:n], LABELS[:n], bands=BANDS)
    assert explore(dataset, settings=QUICK).keys() == KEYS


def test_empty_patches_leave_a_report(make_dataset, numbers):
    dataset = make_dataset(np.zeros_like(numbers), LABELS, bands=BANDS)
    findings = explore(dataset, settings=QUICK)
    assert findings["distributions"].missing
    assert findings["integrity"].tables["no_data"]["no_data_share"].eq(1).all()


def test_progress_tells_the_pass_and_the_sections(told, findings):
    assert told[0] == ("reading patches", 0, len(LABELS))
    assert told[-1] == ("exploring", len(KEYS), len(KEYS))


def test_an_unknown_section_is_named_with_those_there_are(findings):
    with pytest.raises(KeyError, match="'spce' is not a section; there are overview, integrity"):
        findings["spce"]


@pytest.mark.integration
def test_a_valley_is_explored_without_a_fault(tmp_path):
    from minewatch.patches import write_patches

    valley = Valley(seed=1)
    sites = valley.sites(n_mining=30, n_background=70)
    dataset = write_patches(
        tmp_path / "valley", sites, valley.pixels(sites), bands="l2a-12", level="L2A"
    )
    findings = explore(dataset)
    assert all(section.missing is None for section in findings.sections)
    checks = findings["integrity"].tables["checks"].set_index("check")["n_patches"]
    assert checks[["no_data", "zero_bands", "exact_duplicates", "near_duplicates"]].sum() == 0
    gaps = findings["distributions"].tables["gaps"]
    assert 0.1 < gaps["ks"].max() < 0.9


def test_findings_name_the_table_of_sites_that_they_were_made_from(dataset, findings):
    header = findings.header
    assert header["sites_digest"] == dataset.header.sites_digest
    assert header["sites_digest"] != ""
