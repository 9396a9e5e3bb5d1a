"""Fixtures that all tests share."""

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import geopandas as gpd
import pytest
from hypothesis import settings
from odc.geo.geobox import GeoBox

from minewatch import toy

settings.register_profile("minewatch", deadline=None)  # a test of truths is no test of speed
settings.load_profile("minewatch")

TOY_VALLEY = toy.Valley(seed=10, width_m=12_000, height_m=9_000)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Find the public data that the project does not ship, or skip the test that asks for it."""
    folder = Path(os.environ.get("MINEWATCH_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("needs the public data folder: set MINEWATCH_DATA to where it lies")
    return folder


@pytest.fixture(scope="session")
def toy_valley() -> toy.Valley:
    """Give the small valley that the small archive shows a part of."""
    return TOY_VALLEY


@pytest.fixture(scope="session")
def toy_area() -> GeoBox:
    """Give the ground of the small archive's main tile: 2.4 km square."""
    return toy.archive_area(TOY_VALLEY, side_m=2_400)


@pytest.fixture(scope="session")
def toy_sites(toy_area: GeoBox) -> gpd.GeoDataFrame:
    """Give 5 sites on mines and 9 without, whose patches lie in the small archive's main tile."""
    return TOY_VALLEY.sites(5, 9, within=toy_area, on=date(2022, 12, 31))


@pytest.fixture(scope="session")
def toy_archive(toy_area: GeoBox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a small archive: 8 acquisitions of 2.4 km square, one of each kind."""
    folder = tmp_path_factory.mktemp("archive") / "toy"
    return toy.write_archive(TOY_VALLEY, folder, area=toy_area, n_acquisitions=8)


@pytest.fixture(scope="module")
def few_windows() -> Iterator[None]:
    """Let textures be learned from fewer windows: for modules that ask nothing of textures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("minewatch.model._textures._WINDOWS", 1_500)
        yield


@pytest.fixture(scope="session")
def servers() -> ModuleType:
    """Give the module of the test servers."""
    return _servers()


@pytest.fixture(scope="session")
def archive_server(toy_archive: Path) -> Iterator[Any]:
    """Serve the small archive, faultless: `url`, `stac_url`, `counts`, `reset_counts()`."""
    with _servers().serve(toy_archive) as server:
        yield server


@pytest.fixture
def serve_archive(toy_archive: Path) -> Iterator[Callable[..., Any]]:
    """Give what serves the small archive under the settings of `servers.ServerSettings`."""
    module = _servers()
    with ExitStack() as running:

        def start(folder: Path = toy_archive, **settings: Any) -> Any:
            return running.enter_context(module.serve(folder, module.ServerSettings(**settings)))

        yield start


def _servers() -> ModuleType:
    name = "minewatch_test_servers"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("servers.py"))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]
