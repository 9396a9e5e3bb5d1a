"""Small sites and pixels that the tests of patches share."""

from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from numpy.typing import NDArray

from minewatch.patches import PatchDataset, write_patches

Sites = Callable[..., gpd.GeoDataFrame]
Numbers = NDArray[np.uint16]


def _make_sites(n_sites: int, *, unplaced: tuple[int, ...] = ()) -> gpd.GeoDataFrame:
    longitude = np.linspace(-66.5, -65.4, n_sites)
    points = gpd.points_from_xy(longitude, np.full(n_sites, 5.4))
    ids = [f"s{row}" for row in range(n_sites)]
    geometry = [None if row in unplaced else point for row, point in enumerate(points)]
    return gpd.GeoDataFrame(
        {"label": [row % 2 for row in range(n_sites)], "source": "made up"},
        geometry=gpd.GeoSeries(geometry, index=ids, crs="EPSG:4326"),
        index=ids,
        crs="EPSG:4326",
    )


@pytest.fixture(scope="session")
def make_sites() -> Sites:
    """Lay sites s0, s1, … along a line that crosses two UTM zones, every other one mining."""
    return _make_sites


def _make_numbers(*shape: int, seed: int = 0) -> Numbers:
    return np.random.default_rng(seed).integers(0, 4000, shape).astype(np.uint16)


@pytest.fixture(scope="session")
def make_numbers() -> Callable[..., Numbers]:
    """Draw digital numbers from 0 to 3,999."""
    return _make_numbers


@pytest.fixture
def numbers() -> Numbers:
    """Seven patches of 8 × 8 pixels in three bands."""
    return _make_numbers(7, 3, 8, 8)


@pytest.fixture
def dataset(tmp_path: Path, numbers: Numbers) -> PatchDataset:
    """Those patches on disk; the third site is unplaced."""
    return write_patches(
        tmp_path / "dataset", _make_sites(7, unplaced=(2,)), numbers, bands="rgb", level="L2A"
    )


def _bytes_below(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@pytest.fixture(scope="session")
def bytes_below() -> Callable[[Path], dict[str, bytes]]:
    """Read every file of a folder."""
    return _bytes_below
