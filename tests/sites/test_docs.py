"""The page of the documentation shows what the commands print."""

import re
import shlex
from pathlib import Path

import pytest

from minewatch.cli._app import run

PAGE = Path(__file__).parents[2] / "docs" / "sites.md"
BLOCK = re.compile(r"^```(\S+)(?: title=\"(\S+)\")?\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.mark.integration
def test_every_command_of_the_page_prints_what_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    n_commands = 0
    for language, title, body in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if title:
            Path(title).write_text(body, encoding="utf-8")
        if language == "console":
            command, _, shown = body.removeprefix("$ minewatch ").partition("\n")
            run(shlex.split(command))
            printed = capsys.readouterr()
            assert printed.out + printed.err == shown
            n_commands += 1
    assert n_commands == 4
