"""The notebook runs offline and prints what it shows; run as a script, this stores its outputs."""

import copy
import json
import re
import sys
import tempfile
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FILE = Path(__file__).parents[2] / "docs" / "notebooks" / "seed_study.ipynb"
MOST_BYTES = 400_000
"""A notebook that is larger than this does not belong into a repository."""


def _text(cell) -> str:
    """Give what a cell printed and what its last line came to, as text."""
    parts = [
        "".join(output.get("text", output.get("data", {}).get("text/plain", "")))
        for output in cell.get("outputs", [])
    ]
    return re.sub(r"0x\w+", "", "".join(parts))


@pytest.fixture(scope="module")
def stored():
    return nbformat.read(FILE, as_version=4)


def _execute(stored, folder: Path):
    """Run all cells in a kernel of its own, without a network, in an empty folder."""
    notebook = copy.deepcopy(stored)
    offline = nbformat.v4.new_code_cell(
        "import socket\n"
        "socket.socket.connect = None  # whoever asks a server fails\n"
        f"import tempfile; tempfile.tempdir = {str(folder)!r}"
    )
    notebook.cells.insert(0, offline)
    resources = {"metadata": {"path": str(folder)}}
    with pytest.MonkeyPatch.context() as environment:
        for name in ("JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):  # nothing is left in the user's home
            environment.setenv(name, str(folder))
        NotebookClient(
            notebook,
            timeout=300,
            kernel_name="python3",
            resources=resources,
            coalesce_streams=True,  # what is printed may come in pieces
        ).execute()
    notebook.cells.pop(0)
    return notebook


@pytest.fixture(scope="module")
def executed(stored, tmp_path_factory):
    return _execute(stored, tmp_path_factory.mktemp("notebook"))


@pytest.mark.integration
def test_the_notebook_runs_and_prints_what_it_shows(stored, executed) -> None:
    differing = [
        cell.id
        for cell, now in zip(stored.cells, executed.cells, strict=True)
        if "varies" not in cell.metadata.get("tags", []) and _text(cell) != _text(now)
    ]
    assert differing == []


def test_every_cell_that_shows_something_has_its_output_stored(stored) -> None:
    shows = [cell for cell in stored.cells if cell.cell_type == "code" and "print(" in cell.source]
    assert len(shows) > 5
    assert [cell.id for cell in shows if not _text(cell)] == []


def test_pictures_of_the_notebook_are_small_and_it_names_no_machine(stored) -> None:
    text = FILE.read_text(encoding="utf-8")
    assert len(text) < MOST_BYTES
    assert re.findall(r"/(?:tmp|home|work|root|Users)/\S*", text) == []
    assert {cell.execution_count for cell in stored.cells if cell.cell_type == "code"} == {None}


def rewrite() -> None:
    """Run the notebook and store what it prints and draws, and nothing of the machine."""
    stored = nbformat.read(FILE, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        executed = _execute(stored, Path(folder))
    for cell, now in zip(stored.cells, executed.cells, strict=True):
        if cell.cell_type == "code":
            cell["outputs"] = now.outputs
            for output in cell["outputs"]:
                if "execution_count" in output:
                    output["execution_count"] = None
    text = json.dumps(json.loads(nbformat.writes(stored)), indent=1, ensure_ascii=False)
    FILE.write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(rewrite())
