"""From files to files: changes between periods, and what all of them have found."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import pandas as pd

from minewatch import _store
from minewatch.errors import InputError
from minewatch.scan._compare import compare_ground, count_changes
from minewatch.scan._compare_periods import accumulate_detections, unite_periods
from minewatch.scan._compare_unseen import find_not_seen, with_outside
from minewatch.scan._merge_file import (
    attribution_in,
    describe_making,
    read_detections,
    refuse_inputs,
    write_detections,
)
from minewatch.scan._merge_polygons import area_ha
from minewatch.scan._merge_windows import HEADER
from minewatch.sites._regions import read_polygons
from minewatch.types import StrPath

SUMMARY: Final = "comparison.json"
OURS: Final = _store.Ours(SUMMARY)
_HARDLY: Final = 0.01


@dataclass(frozen=True)
class Compared:
    """What a comparison came to."""

    changes: Mapping[tuple[str, str], pd.DataFrame]
    """For each pair of neighbouring periods the table of `count_changes`."""
    periods: pd.DataFrame
    """One row per period (index ``period``): ``detections``, ``area_ha``, ``until_ha``, in it or
    before; ``not_seen_ha``, NaN where nothing says what was not seen."""
    folder: Path
    """Where it was written to."""
    notes: tuple[str, ...]
    """What a reader should know."""


def compare_files(  # noqa: PLR0913 - keyword-only: they are what a comparison is asked
    files: Mapping[str, StrPath],
    out: StrPath,
    *,
    not_seen: Mapping[str, StrPath] | None = None,
    min_area_ha: float = 1.0,
    gap_m: float = 30.0,
    increments: bool = False,
    credit: Sequence[str] = (),
    geojson: bool = False,
    overwrite: bool = False,
) -> Compared:
    """Compare each period with the next, unite all, and write what came of it to a folder.

    Parameters
    ----------
    files
        Files of detections by the name of their period, the oldest first; two or more.
    out
        The folder: for each pair ``{before}_{after}_places.parquet`` and ``…_ground.parquet`` (see
        `compare_ground`), ``cumulative.parquet`` (see `accumulate_detections`), and
        ``comparison.json``.
    not_seen
        Files of polygons that were not seen, by the name of the period. Where none is named, the
        ``not_seen.parquet`` that lies beside detections of that very scan is taken. Ground outside
        of a scan's region counts as not seen.
    min_area_ha, gap_m
        See `compare_detections`.
    increments
        Whether each file holds only what is new in its period: see `unite_periods`.
    credit
        Attributions of what does not say its own.
    geojson, overwrite
        Write GeoJSON besides; replace the folder.

    Returns
    -------
    Compared
        Tables, the folder, and notes.

    Raises
    ------
    InputError, NotThereError, AlreadyThereError
        If an input cannot be used, or the folder is there.
    """
    unseen_files = dict(not_seen or {})
    strangers = sorted(set(unseen_files) - set(files))
    if len(files) < 2 or strangers:
        raise InputError(
            f"the periods are {', '.join(files)}, and not seen is told of "
            f"{', '.join(strangers) or 'none else'}; expected two periods or more, and of them only"
        )
    refuse_inputs([out], [*files.values(), *unseen_files.values()])
    _store.refuse_existing(Path(out), overwrite=overwrite, ours=OURS)
    own = {name: read_detections(path) for name, path in files.items()}
    unseen_files = {**find_not_seen(files, own), **unseen_files}
    unseen = {name: read_polygons(path) for name, path in unseen_files.items()}
    hidden = {name: with_outside(unseen[name], path) for name, path in unseen_files.items()}
    periods = unite_periods(own, gap_m=gap_m) if increments else own
    made = describe_making(
        "compare",
        [*files.values(), *unseen_files.values()],
        {
            "periods": list(files),
            "min_area_ha": min_area_ha,
            "gap_m": gap_m,
            "increments": increments,
        },
        [*(attribution_in(one.attrs.get(HEADER)) for one in own.values()), *credit],
    )
    with _store.writing_folder(Path(out), overwrite=overwrite, ours=OURS) as aside:
        changes = {
            pair: _compare_pair(aside, pair, periods, hidden, made, geojson=geojson)
            for pair in itertools.pairwise(periods)
        }
        known = accumulate_detections(
            periods, not_seen=hidden, min_area_ha=min_area_ha, gap_m=gap_m
        )
        write_detections(known, aside / "cumulative.parquet", made=made, geojson=geojson)
        table = _periods(own, known, unseen)
        notes = tuple(_notes(changes, files, unseen, increments=increments))
        _write_summary(aside, made, changes, table, notes)
    return Compared(changes, table, Path(out), notes)


def _compare_pair(
    folder: Path,
    pair: tuple[str, str],
    periods: Mapping[str, gpd.GeoDataFrame],
    unseen: Mapping[str, gpd.GeoDataFrame],
    made: Mapping[str, Any],
    *,
    geojson: bool,
) -> pd.DataFrame:
    """Compare two periods, write their places and their ground, and count the changes."""
    before, after = pair
    places, ground = compare_ground(
        periods[before],
        periods[after],
        min_area_ha=made["settings"]["min_area_ha"],
        gap_m=made["settings"]["gap_m"],
        before_not_seen=unseen.get(before),
        after_not_seen=unseen.get(after),
    )
    stem = _store.file_name(f"{before}_{after}")
    said = {**made, "settings": {**made["settings"], **places.attrs[HEADER]}}
    for name, table in (("places", places), ("ground", ground)):
        write_detections(table, folder / f"{stem}_{name}.parquet", made=said, geojson=geojson)
    return count_changes(places)


def _periods(
    own: Mapping[str, gpd.GeoDataFrame],
    known: gpd.GeoDataFrame,
    unseen: Mapping[str, gpd.GeoDataFrame],
) -> pd.DataFrame:
    rows = {
        name: {
            "detections": len(table),
            "area_ha": float(area_ha(table.geometry.to_numpy()).sum()),
            "until_ha": float(known[f"until_{name}_ha"].sum()),
            "not_seen_ha": float(area_ha(unseen[name].geometry.to_numpy()).sum())
            if name in unseen
            else float("nan"),
        }
        for name, table in own.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("period")


def _notes(
    changes: Mapping[tuple[str, str], pd.DataFrame],
    files: Mapping[str, StrPath],
    unseen: Mapping[str, gpd.GeoDataFrame],
    *,
    increments: bool,
) -> Iterator[str]:
    silent = [name for name in files if name not in unseen]
    if silent:
        yield (
            f"Nothing says what was not seen in {', '.join(silent)}: places are called new and "
            "gone as if all had been seen"
        )
    for (before, after), table in changes.items():
        total = table.sum()
        both = min(total["before_ha"], total["after_ha"])
        if not increments and both > 0 and total["common_ha"] < _HARDLY * both:
            yield (
                f"{before} and {after} have {total['common_ha']:,.0f} ha in common, less than 1 %: "
                "if the files hold only what is new in each period, say --increments"
            )


def _write_summary(
    folder: Path,
    made: Mapping[str, Any],
    changes: Mapping[tuple[str, str], pd.DataFrame],
    periods: pd.DataFrame,
    notes: Sequence[str],
) -> None:
    files = sorted(file.name for file in folder.iterdir())
    _store.write_json(
        folder / SUMMARY,
        {
            **made,
            "changes": [
                {"before": before, "after": after, **_rounded(table)}
                for (before, after), table in changes.items()
            ],
            "periods": _rounded(periods),
            "notes": list(notes),
            "files": files,
        },
    )


def _rounded(table: pd.DataFrame) -> dict[str, dict[str, float | None]]:
    """Give the rows of a table of numbers as JSON values; what is not known is null."""
    return {
        str(name): {
            str(column): None if pd.isna(value) else round(float(value), 2)
            for column, value in row.items()
        }
        for name, row in table.iterrows()
    }
