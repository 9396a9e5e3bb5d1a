"""Every command that a page shows can be given: its words and options are those there are."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from minewatch.cli._app import app

SHELLS = {"", "console", "sh", "bash", "text"}
INLINE = re.compile(r"`(minewatch [a-z][^`\n]*)`")
ENDS = {"|", ">", "&", "&&", ";", "2>"}
COMMAND = typer.main.get_command(app)
UsageError = typer.BadParameter.__mro__[1]
CUT = "…"
"""Stands in a command for words that are left out."""


def _lines(block) -> Iterator[str]:
    """Give the commands of a block, those that go on behind a backslash as one line."""
    has_prompts = block.language in {"console", "text"} or "\n$ " in f"\n{block.body}"
    for line in block.body.replace("\\\n", " ").splitlines():
        if line.startswith("$ ") or not has_prompts:
            yield line.removeprefix("$ ")


def _words(line: str) -> list[str]:
    try:
        words = shlex.split(line, comments=True)
    except ValueError:  # a sentence with an apostrophe, or a quotation that goes on
        return []
    end = next((place for place, word in enumerate(words) if word in ENDS), len(words))
    return words[:end]


def _refusal(words: list[str], *, is_cut: bool = False) -> str | None:
    """Say what the command line has against some words, as far as it tells without running.

    Where words are left out (`is_cut`, or with `CUT` among them), nothing is missing.
    """
    kept = _parse(words, is_cut=is_cut)
    if kept is None or CUT not in words:
        return kept
    return _parse([word for word in words if word != CUT], is_cut=True)


def _parse(words: list[str], *, is_cut: bool) -> str | None:
    command, context = COMMAND, None
    try:
        while True:
            context = command.make_context(command.name or "minewatch", words, parent=context)
            if not hasattr(command, "resolve_command"):
                return None
            rest = [*context._protected_args, *context.args]
            _, command, words = command.resolve_command(context, rest)
    except typer.Exit:  # --help, --version
        return None
    except UsageError as error:
        is_missing = type(error).__name__ == "MissingParameter"
        return None if is_cut and is_missing else error.format_message()


def test_every_command_of_every_page_is_one_that_the_command_line_takes(pages, capsys) -> None:
    n_commands, refused = 0, {}
    for page in pages:
        for block in page.blocks:
            lines = _lines(block) if block.language in SHELLS else ()
            for words in map(_words, lines):
                if words[:1] and Path(words[0]).name == "minewatch":
                    n_commands += 1
                    refused[f"{block.where}: {shlex.join(words)}"] = _refusal(words[1:])
    assert {line: why for line, why in refused.items() if why} == {}
    assert n_commands > 100


def test_every_command_in_a_sentence_names_one_that_there_is(pages, capsys) -> None:
    refused = {}
    for page in pages:
        for shown in INLINE.findall(page.prose):
            refused[f"{page.name}: {shown}"] = _refusal(_words(shown)[1:], is_cut=True)
    assert {line: why for line, why in refused.items() if why} == {}
    assert len(refused) > 20


def test_every_script_and_target_that_a_page_runs_is_there(pages, root) -> None:
    targets = re.findall(
        r"^([a-z]+):", (root / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
    )
    missing, n_found = [], 0
    for page in pages:
        shown = [line for block in page.blocks for line in _lines(block)]
        for line in [*shown, *re.findall(r"`([^`\n]+)`", page.prose)]:
            for file in re.findall(r"(?:^|\s)((?:benchmarks|tests|docs)/[\w/]+\.py)\b", line):
                n_found += 1
                missing += [] if (root / file).is_file() else [f"{page.name}: {file}"]
            for target in re.findall(r"^make ([a-z]+)\b", line):
                missing += [] if target in targets else [f"{page.name}: make {target}"]
    assert missing == []
    assert n_found > 20


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("scan run --no-such-option", "No such option"),
        ("scan fly", "No such command"),
        ("model convert", "Missing argument"),
        ("patches build sites.parquet --year twelve", "valid integer"),
    ],
)
def test_what_the_command_line_would_refuse_is_refused(words: str, why: str) -> None:
    assert why in (_refusal(words.split()) or "")


def test_nothing_runs_while_commands_are_read(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert _refusal(["new", "study"]) is None
    assert list(tmp_path.iterdir()) == []
