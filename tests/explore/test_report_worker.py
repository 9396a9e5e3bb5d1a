"""Figures that a second process draws are those that the first would have drawn."""

import subprocess

import pandas as pd
import pytest

from minewatch.explore import Findings, Section, write_report

CLASSES = pd.DataFrame({"class": ["mining", "no mining"], "n_sites": [2, 3]})
SITES = pd.DataFrame(
    {
        "site_id": ["a", "b", "c"],
        "class": ["mining", "no mining", "mining"],
        "longitude": [-62.6, -62.5, -62.4],
        "latitude": [5.4, 5.5, 5.6],
    }
).set_index("site_id")


@pytest.fixture
def findings() -> Findings:
    sections = (
        Section("overview", "Overview", seen="Five patches.", advice="Add some."),
        Section("space", "Space", seen="Three.", advice="More.", tables={"sites": SITES}),
    )
    return Findings(sections, {"n_sites": 5})


def files(folder):
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.mark.integration
def test_two_processes_write_the_same_bytes_as_one(findings, tmp_path):
    write_report(findings, tmp_path / "one")
    write_report(findings, tmp_path / "two", n_processes=2)
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert any(name.startswith("figures/space") for name in files(tmp_path / "two"))


def test_a_second_process_that_cannot_start_is_done_without(findings, tmp_path, monkeypatch):
    def refuse(*_arguments, **_options):
        raise OSError("no more processes")

    write_report(findings, tmp_path / "one")
    monkeypatch.setattr(subprocess, "run", refuse)
    write_report(findings, tmp_path / "two", n_processes=2)
    assert files(tmp_path / "one") == files(tmp_path / "two")
