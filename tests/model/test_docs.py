"""The page of the documentation shows what the commands print."""

import shutil
from pathlib import Path

import pytest

from minewatch.cli._app import run

PAGE = (Path(__file__).parents[2] / "docs" / "model.md").read_text(encoding="utf-8")


def _shown(command: str) -> str:
    return PAGE.partition(f"```console\n$ minewatch {command}\n")[2].partition("```")[0]


def test_the_page_lists_the_published_detectors(capsys):
    assert run(["model", "fetch"]) == 0
    assert capsys.readouterr().out == _shown("model fetch")


@pytest.mark.real
def test_the_page_shows_the_card_of_a_published_detector(
    shared_data, tmp_path, monkeypatch, capsys
):
    name = "44px_v2.6_rgb_2021-11-11.h5"
    shutil.copyfile(shared_data / "amw/models" / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    words = ["model", "convert", name, "--out", "detector"]
    assert run(words) == 0
    assert capsys.readouterr().out == _shown(" ".join(words))
