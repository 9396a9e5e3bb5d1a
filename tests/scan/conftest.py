"""Fixtures of the tests of scanning."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from minewatch.model import save_detector
from minewatch.sites import write_sites
from minewatch.study import run_study

STUDY = """
[sites]
files = ["places.geojson"]

[imagery]
source = "{archive}"
year = 2023

[patches]
kind = "build"

[scan]
around_m = 300
detector = "mean"
merge = {{ threshold = 0.175 }}
"""


def _maker() -> ModuleType:
    name = "scan_maker"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def maker() -> ModuleType:
    """Give the module that makes sources and detectors."""
    return _maker()


@pytest.fixture(scope="session")
def whole(maker, tmp_path_factory):
    """Scan the region of the tests without any trouble."""
    return maker.scan(tmp_path_factory.mktemp("whole") / "scan")


@pytest.fixture(scope="session")
def study(tmp_path_factory, toy_archive, toy_sites, maker):
    """Make a study that has scanned the ground around three sites; nobody changes it."""
    folder = tmp_path_factory.mktemp("study")
    write_sites(toy_sites.iloc[:3], folder / "places.geojson")
    save_detector(maker.make_detector(48), folder / "mean")
    (folder / "study.toml").write_text(STUDY.format(archive=toy_archive))
    run_study(folder, only=["sites", "scan"])
    return folder
