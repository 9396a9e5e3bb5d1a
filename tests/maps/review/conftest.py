"""Fixtures of the tests of the review desk."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest


def _maker() -> ModuleType:
    name = "desk_maker"
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
    """Give the module that makes queues, imagery and desks."""
    return _maker()


@pytest.fixture
def desk(maker, tmp_path) -> Iterator:
    """Give a desk with five detections."""
    made = maker.make_desk(tmp_path / "review.gpkg")
    yield made
    made.store.close()


@pytest.fixture
def client(maker, desk):
    """Serve the desk; give what asks it, as the page does."""
    with maker.serving(desk) as asking:
        yield asking


@pytest.fixture(scope="session")
def forge(maker) -> Iterator:
    """Give what runs commands in processes of their own."""
    made = maker.Forge()
    yield made
    made.close()
