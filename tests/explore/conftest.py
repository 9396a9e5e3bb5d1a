"""Makers of sites, of small datasets, and of what a pass over their pixels would leave behind."""

from collections.abc import Callable, Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from shapely import Point

from minewatch.bands import band_names, spectral_indices
from minewatch.explore._statistics import PatchStatistics
from minewatch.patches import DatasetHeader, PatchDataset, write_patches


def make_sites(longitude, latitude, labels) -> gpd.GeoDataFrame:
    """Make a sites table; NaN longitudes are unplaced, None labels unlabelled."""
    points = gpd.points_from_xy(longitude, latitude)
    geometry = [p if np.isfinite(x) else None for p, x in zip(points, longitude, strict=True)]
    index = pd.Index([f"s{i:04d}" for i in range(len(labels))], name="site_id")
    columns = {"label": pd.array(labels, dtype="Int8"), "source": "made"}
    return gpd.GeoDataFrame(columns, geometry=geometry, crs="EPSG:4326", index=index)


def make_towns(n_towns=40, n_each=6, *, by_town: bool, seed=0) -> gpd.GeoDataFrame:
    """Scatter towns over five degrees, sites within 1 km of each; label towns or single sites."""
    rng = np.random.default_rng(seed)
    town = np.repeat(np.arange(n_towns), n_each)
    middle = rng.uniform(0, 5, (n_towns, 2))
    longitude, latitude = (middle[town] + rng.uniform(-0.004, 0.004, (len(town), 2))).T
    # Exactly half, for leaving sites out of a random sample makes their class rarer elsewhere.
    labels = (rng.permutation(n_towns) % 2)[town] if by_town else rng.permutation(len(town)) % 2
    return make_sites(longitude - 65, latitude + 3, labels)


def make_statistics(
    sites: gpd.GeoDataFrame, *, bands="l2a-12", signal=0.0, seed=0
) -> PatchStatistics:
    """Make band means from three causes; B11 is `signal` standard deviations higher in mining."""
    names = band_names(bands)
    order = {name: i for i, name in enumerate(band_names("l2a-12"))}
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(len(sites), 3)) @ rng.normal(size=(3, 12))
    everything = 0.2 + 0.01 * hidden + 0.005 * rng.normal(size=(len(sites), 12))
    labels = sites["label"].to_numpy(dtype=float, na_value=0.0)
    everything[:, order["B11"]] += signal * everything[:, order["B11"]].std() * labels
    values = everything[:, [order[name] for name in names]]
    mean = pd.DataFrame(values, sites.index, list(names))
    indices = spectral_indices(values, names, band_axis=1)
    header = DatasetHeader(
        minewatch="0", bands=names, level="L2A", n_sites=len(sites), size_px=48, resolution_m=10.0,
        source="made", digest="sha256:0",
    )  # fmt: skip
    return PatchStatistics(
        sites=sites,
        header=header,
        bands=names,
        mean=mean,
        std=mean * 0.1,
        p10=mean * 0.9,
        p90=mean * 1.1,
        indices=pd.DataFrame(indices, sites.index),
        counts=xr.DataArray(
            np.zeros((3, len(names), 1), dtype=np.int64), dims=("label", "band", "dn")
        ),
        quality=pd.DataFrame(index=sites.index),
        small=np.zeros((len(sites), len(names), 8, 8), dtype=np.float32),
    )


@pytest.fixture(scope="session")
def sites_of() -> Callable[..., gpd.GeoDataFrame]:
    return make_sites


@pytest.fixture(scope="session")
def towns() -> Callable[..., gpd.GeoDataFrame]:
    return make_towns


@pytest.fixture(scope="session")
def statistics_of() -> Callable[..., PatchStatistics]:
    return make_statistics


def make_textured_patches(n_sites: int, n_bands: int, size_px: int = 16, seed: int = 0):
    """Make patches that all differ, with blotches of several pixels: uint16 (site, band, y, x)."""
    random = np.random.default_rng(seed)
    blotches = random.integers(-300, 300, (n_sites, n_bands, 4, 4)).repeat(size_px // 4, axis=2)
    base = random.integers(600, 2600, (n_sites, n_bands, 1, 1))
    noise = random.integers(-50, 50, (n_sites, n_bands, size_px, size_px))
    return (base + blotches.repeat(size_px // 4, axis=3) + noise).astype(np.uint16)


@pytest.fixture(scope="session")
def make_textured() -> Callable[..., np.ndarray]:
    return make_textured_patches


@pytest.fixture
def make_dataset(tmp_path: Path) -> Callable[..., PatchDataset]:
    """Write a dataset from digital numbers, labels (1, 0, None) and what else is given."""
    return make_datasets_in(tmp_path)


@pytest.fixture(scope="module")
def make_shared_dataset(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., PatchDataset]:
    """Write datasets as `make_dataset` does, for all tests of a module; nobody changes them."""
    return make_datasets_in(tmp_path_factory.mktemp("shared"))


def make_datasets_in(folder: Path) -> Callable[..., PatchDataset]:
    """Give what writes datasets into a folder."""
    made = 0

    def make(
        numbers: np.ndarray,
        labels: Sequence[int | None],
        *,
        bands: Sequence[str] = ("B02", "B03", "B04"),
        ids: Sequence[str] | None = None,
        placed: bool = True,
        points: Sequence[Point] | None = None,
        **settings: object,
    ) -> PatchDataset:
        nonlocal made
        made += 1
        n = len(numbers)
        grid = [Point(-62.0 + 0.05 * (i % 50), 5.0 + 0.05 * (i // 50)) for i in range(n)]
        sites = gpd.GeoDataFrame(
            {"label": pd.array(list(labels), dtype="Int8"), "source": "made"},
            geometry=(points or grid) if placed else [None] * n,
            index=pd.Index(ids or [f"site-{i:03d}" for i in range(n)], name="site_id"),
            crs="EPSG:4326",
        )
        out = folder / f"dataset-{made}"
        return write_patches(out, sites, numbers, bands=list(bands), level="L2A", **settings)

    return make
