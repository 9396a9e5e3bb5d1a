"""Fixtures of the tests of scanning."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


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
