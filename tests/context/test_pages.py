"""What the pages say to do can be done as they say it, and gives what they show."""

import contextlib
import io
import re
import shutil
from pathlib import Path

import pytest

from minewatch import context, sites, toy
from minewatch.cli._app import run
from minewatch.patches import PatchDataset, write_patches

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "context.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```python\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?", re.DOTALL | re.MULTILINE)

# The valley ends within the radius of some sites.
pytestmark = pytest.mark.filterwarnings("ignore::minewatch.errors.CoverageWarning")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write what the pages find in the folder of the demo: a map, sites, patches and context."""
    folder = tmp_path_factory.mktemp("page") / "demo"
    valley = toy.Valley(seed=1)
    toy.write_osm(valley, folder / "valley.osm.pbf")
    places = valley.sites(n_mining=2, n_background=3)
    sites.write_sites(places, folder / "sites.parquet")
    pixels = valley.pixels(places, bands="rgb").transpose("site", "band", "y", "x")
    write_patches(
        folder / "patches", places, pixels.to_numpy(), bands="rgb", level="L2A", cut="grid"
    )
    features = context.extract_features(folder / "valley.osm.pbf")
    patches = PatchDataset.open(folder / "patches")
    geoboxes = {str(name): patches.geobox(str(name)) for name in patches.sites.index}
    context.write_context(folder / "context", patches.sites, features, geoboxes=geoboxes)
    return folder


def test_the_python_of_the_page_runs_and_prints_what_it_shows(demo, tmp_path, monkeypatch):
    shutil.copytree(demo, tmp_path / "demo")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    blocks = BLOCK.findall(PAGE)
    assert len(blocks) >= 4
    for code, shown in blocks:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "docs/context.md", "exec"), names)  # noqa: S102 - our own page
        assert printed.getvalue() == shown
    assert names["stacked"].sizes["band"] == 3 + 5


def test_the_page_names_every_public_name_and_says_how_most_are_called():
    section = PAGE[PAGE.index("## In Python") :]
    assert {name for name in dir(context) if f"`{name}`" not in section} == set()
    functions = [name for name in dir(context) if name.islower()]
    assert [name for name in functions if not re.search(rf"\b{name}\(", PAGE)] == []


def test_the_commands_of_the_readme_run(demo, tmp_path, monkeypatch, capsys):
    shutil.copytree(demo, tmp_path / "guri", ignore=shutil.ignore_patterns("context"))
    (tmp_path / "guri" / "valley.osm.pbf").rename(tmp_path / "venezuela-latest.osm.pbf")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^\$ minewatch (context .*?)(?:\s+#.*)?$", text, re.MULTILINE)
    assert [command.split()[1] for command in commands] == ["fetch", "measure"]
    for command in commands:
        assert run(command.split()) == 0
    assert "Channels: 5 patches × 9 layers" in capsys.readouterr().out
    assert list(context.open_context("guri/context").table.index) == list(
        PatchDataset.open("guri/patches").sites.index
    )
