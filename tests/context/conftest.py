"""Fixtures of the tests of context: a made-up map, and servers of it on loopback."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from minewatch._http import RetryPolicy
from minewatch.context import OverpassSource


def _load(name: str, file: Path) -> ModuleType:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="session")
def made_map(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the made-up map as an ``.osm.pbf``."""
    maker = _load("minewatch_test_made_map", Path(__file__).with_name("made_map.py"))
    return maker.write_map(tmp_path_factory.mktemp("map") / "valley.osm.pbf")


@pytest.fixture(scope="session")
def overpass() -> ModuleType:
    """Give the module of the Overpass server."""
    file = Path(__file__).parents[1] / "overpass_server.py"
    return _load("minewatch_test_overpass_server", file)


@pytest.fixture(scope="session")
def made_extract(made_map: Path, overpass: ModuleType) -> Any:
    """Give the made-up map in a server's memory."""
    return overpass.Extract(made_map)


@pytest.fixture
def serve_map(made_extract: Any, overpass: ModuleType) -> Iterator[Callable[..., Any]]:
    """Give what serves the made-up map under the settings of `OverpassSettings`."""
    with ExitStack() as running:
        yield lambda **settings: running.enter_context(
            overpass.serve_overpass(made_extract, **settings)
        )


@pytest.fixture
def quick_source() -> Callable[..., OverpassSource]:
    """Give what makes the settings of a source that waits for nothing."""

    def make(url: str, *, attempts: int = 4, **settings: Any) -> OverpassSource:
        retry = RetryPolicy(attempts=attempts, first_wait_s=0.0, longest_wait_s=0.0, patience=1_000)
        usual = {"max_area_km2": 400.0, "pause_s": 0.0, "timeout_s": 1}
        return OverpassSource(url=url, retry=retry, **(usual | settings))

    return make
