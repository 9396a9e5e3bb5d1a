"""What the tutorial and the how-tos show is what their commands print, on the public data."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from minewatch.cli._app import run

COMMAND = re.compile(r"^\$ (.*?)\n(.*?)(?=^\$ |\Z)", re.DOTALL | re.MULTILINE)
SECONDS = re.compile(r"\d+\.\d s\)")
DATA = (
    "places/v2.1_bolivar_positives.geojson",
    "places/v2.0_bolivar_negatives.geojson",
    "places/boundaries/geo_holdout_caroni.geojson",
    "places/boundaries/bolivar.geojson",
    "amw/models/48px_v3.7-a_2024-01-17.h5",
    "amw/outputs/amazon_1_48px_v3.7_0.50_2023.geojson",
)


@pytest.fixture
def folder(shared_data, toy_archive, root, tmp_path, monkeypatch) -> Path:
    """Give a folder with the files that the pages name, and the study of the tutorial."""
    study = tmp_path / "bolivar"
    study.mkdir()
    for place in (tmp_path, study):
        for name in DATA:
            shutil.copyfile(shared_data / name, place / Path(name).name)
    shutil.copyfile(root / "docs" / "examples" / "seed-study.toml", study / "study.toml")
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "archive").symlink_to(toy_archive, target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "n_commands"),
    [
        ("tutorials/seed-study.md", 3),
        ("how-to/new-region.md", 1),
        ("how-to/published-detectors.md", 3),
    ],
)
def test_every_command_of_the_page_prints_what_it_shows(
    name: str, n_commands: int, pages, folder, capsys
) -> None:
    (page,) = [page for page in pages if page.name == f"docs/{name}"]
    shown = [
        found
        for block in page.blocks
        if block.language == "console"
        for found in COMMAND.findall(block.body.replace("\\\n", " "))
    ]
    assert len(shown) == n_commands
    for command, output in shown:
        run(shlex.split(command)[1:])
        printed = capsys.readouterr()
        assert SECONDS.sub("s)", printed.out + printed.err) == SECONDS.sub("s)", output)
