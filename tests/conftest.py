"""Fixtures that all tests share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Find the public data that the project does not ship, or skip the test that asks for it."""
    folder = Path(os.environ.get("MINEWATCH_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("needs the public data folder: set MINEWATCH_DATA to where it lies")
    return folder
