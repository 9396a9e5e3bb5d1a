"""A dataset that stands where one is to be built: what of it is good and need not be loaded."""

from dataclasses import dataclass, field
from pathlib import Path

import geopandas as gpd
import pandas as pd

from minewatch import _store
from minewatch.errors import AlreadyThereError, DatasetError, LevelError, NotThereError
from minewatch.patches._build_place import FAILED, PlaceFacts, Provenance, table_facts
from minewatch.patches._build_request import Request, refuse_other, request_of
from minewatch.patches._dataset import PatchDataset
from minewatch.patches._pixels import SHARD_SITES


@dataclass(frozen=True)
class Before:
    """A dataset of the same request that stands there, and its good rows."""

    dataset: PatchDataset | None = None
    facts: dict[str, PlaceFacts] = field(default_factory=dict)
    """What is told of each place that need not be loaded again."""

    @property
    def provenance(self) -> list[Provenance]:
        """Where the rows come from, as far as the header says it."""
        imagery = None if self.dataset is None else self.dataset.header.imagery
        if self.dataset is None or imagery is None or not self.facts:
            return []
        source = self.dataset.header.source
        return [
            Provenance(source, mask, imagery.versions, imagery.makers) for mask in imagery.masks
        ]


def open_finished(
    out: Path, request: Request, sites: gpd.GeoDataFrame, *, min_clear_views: int
) -> PatchDataset | None:
    """Open a dataset of the very same request and sites; None if there is nothing.

    Raises
    ------
    AlreadyThereError, LevelError
        If there is something else.
    """
    dataset = None if _is_free(out) else _open_built(out)
    if dataset is None or dataset.header.imagery is None:
        _store.refuse_existing(out, overwrite=False)
        return None
    least = dataset.header.imagery.min_clear_views
    refuse_other(
        str(out),
        {**request_of(dataset.header), "min_clear_views": least},
        {**request.to_dict(), "min_clear_views": min_clear_views},
    )
    if not _same_sites(dataset.sites, sites):
        raise AlreadyThereError(
            f"{out} was made of other sites; load those that are new (retry_failed=True, "
            "--retry-failed), choose another name, or start over (overwrite=True, --overwrite)"
        )
    return dataset


def look_before(
    out: Path,
    request: Request,
    sites: gpd.GeoDataFrame,
    *,
    overwrite: bool,
) -> Before:
    """Say what of a dataset at `out` need not be loaded again.

    Raises
    ------
    AlreadyThereError, LevelError
        If there is a dataset that was made with other settings, and `overwrite` is false.
    DatasetError
        If its pixels are not those that it was written with, and `overwrite` is false.
    """
    dataset = None if _is_free(out) else _open_built(out)
    if dataset is None:
        _store.refuse_existing(out, overwrite=overwrite)
        return Before()
    try:
        refuse_other(str(out), request_of(dataset.header), request.to_dict())
        _check_pixels(dataset)
    except (AlreadyThereError, LevelError, DatasetError):
        if not overwrite:
            raise
        return Before()
    return Before(dataset, _good(dataset, sites))


def _is_free(out: Path) -> bool:
    return not out.exists() or (out.is_dir() and not any(out.iterdir()))


def _open_built(out: Path) -> PatchDataset | None:
    """Open a dataset that was built; None if there is something else."""
    try:
        dataset = PatchDataset.open(out)
    except (DatasetError, NotThereError):
        return None
    return None if dataset.header.imagery is None else dataset


def _same_sites(rows: gpd.GeoDataFrame, sites: gpd.GeoDataFrame) -> bool:
    columns = list(sites.columns)
    if not set(columns) <= set(rows.columns):
        return False
    return bool(pd.DataFrame(rows[columns]).to_csv() == pd.DataFrame(sites).to_csv())


def _good(dataset: PatchDataset, sites: gpd.GeoDataFrame) -> dict[str, PlaceFacts]:
    rows = dataset.sites
    rows = rows[(rows["status"] != FAILED) & rows.index.isin(sites.index)]
    wanted = sites.loc[rows.index]
    same = (rows["crs"] == wanted["crs"]) & (rows["transform"] == wanted["transform"])
    return {str(site_id): table_facts(row) for site_id, row in rows[same].iterrows()}


def _check_pixels(dataset: PatchDataset) -> None:
    """Compare the pixels with the digest that was taken when they were written."""
    pixels, counts = [], []
    for start in range(0, len(dataset), SHARD_SITES):
        ids = list(dataset.sites.index[start : start + SHARD_SITES])
        pixels.append(_store.digest_bytes(dataset.digital_numbers(ids).to_numpy()))
        clear = dataset.clear_counts(ids)
        counts.append(None if clear is None else _store.digest_bytes(clear.to_numpy()))
    content = {
        "bands": list(dataset.bands),
        "site_ids": list(dataset.sites.index),
        "pixels": pixels,
        "clear_count": counts,
    }
    if _store.digest_value(content) != dataset.header.digest:
        raise DatasetError(
            f"the pixels of {dataset.path} are not those that it was written with; build it again "
            "(overwrite=True, --overwrite)"
        )
