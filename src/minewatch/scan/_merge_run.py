"""From files to files: detections of a scan, or of published polygons, with all that is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import pandas as pd

from minewatch import _store
from minewatch.context import Features, read_features
from minewatch.errors import InputError
from minewatch.scan._merge import PRESETS, MergeRule, merge_detections
from minewatch.scan._merge_file import (
    attribution_in,
    describe_making,
    read_detections,
    refuse_inputs,
    stale_outlines,
    write_detections,
    writes_geojson,
)
from minewatch.scan._merge_ids import DETECTION_ID
from minewatch.scan._merge_windows import HEADER, read_windows
from minewatch.scan._overlays import context_distances, touched_names
from minewatch.scan._status import FAILED
from minewatch.types import StrPath

DEFAULT_THRESHOLD: Final = "f1"
"""The threshold of a detector's card that is taken where none is said."""
_RULES: Final = ("threshold", "isolated_threshold", "neighbours", "isolation_m")


@dataclass(frozen=True)
class Merged:
    """What a merge came to."""

    detections: gpd.GeoDataFrame
    """As `merge_detections` gives them, with the columns that were asked for besides."""
    files: tuple[Path, ...]
    """What was written."""
    made: Mapping[str, Any]
    """What the files say of how they were made."""
    stale: tuple[Path, ...] = ()
    """Outlines beside them that were made of other detections."""


def choose_rule(
    header: Mapping[str, Any] | None, *, preset: str | None = None, **chosen: float | None
) -> tuple[MergeRule, str]:
    """Choose the rule: what is said, else a preset's, else the threshold on the detector's card.

    Parameters
    ----------
    header
        Of the table of scores, as a scan writes it; None for other windows.
    preset
        A name in `PRESETS`.
    chosen
        Fields of `MergeRule`; None leaves one to the preset, or to the card.

    Returns
    -------
    rule
        The rule.
    source
        Where its threshold comes from, in words.

    Raises
    ------
    InputError
        If nothing says a threshold, or a name is unknown.
    """
    unknown = set(chosen) - set(_RULES)
    if unknown or (preset is not None and preset not in PRESETS):
        raise InputError(
            f"{', '.join(sorted(unknown)) or repr(preset)} is not known; expected the presets "
            f"{', '.join(PRESETS)}, and {', '.join(_RULES)}"
        )
    said = {name: value for name, value in chosen.items() if value is not None}
    if preset is not None:
        words = "as said" if "threshold" in said else f"preset {preset}"
        return MergeRule(**{**asdict(PRESETS[preset]), **said}), words
    if "threshold" in said:
        return MergeRule(**said), "as said"  # type: ignore[arg-type]
    card = (header or {}).get("thresholds", {}).get(DEFAULT_THRESHOLD)
    if card is None:
        raise InputError(
            "no threshold is said, and the windows' header has none of a detector's card; say "
            f"threshold, or preset: {', '.join(PRESETS)}"
        )
    said["threshold"] = float(card["value"])
    return MergeRule(**said), str(card["chosen"])  # type: ignore[arg-type]


def merge_files(  # noqa: PLR0913 - keyword-only: they are what a merge is asked
    scores: StrPath,
    out: StrPath,
    *,
    preset: str | None = None,
    rule: Mapping[str, float | None] | None = None,
    score_field: str | None = None,
    gap_m: float = 30.0,
    earlier: Sequence[StrPath] = (),
    features: StrPath | None = None,
    overlays: Mapping[StrPath, str] | None = None,
    credit: Sequence[str] = (),
    geojson: bool = False,
    overwrite: bool = False,
) -> Merged:
    """Merge the windows of a file, add what was asked for, and write the detections.

    Parameters
    ----------
    scores, score_field
        See `read_windows`.
    out
        A name that ends in ``.parquet``.
    preset, rule
        Fields of `MergeRule`, by name, and a preset for those that are missing or None: see
        `choose_rule`. Without either, the threshold ``f1`` of the detector's card.
    gap_m
        See `merge_detections`.
    earlier
        Files of detections of earlier periods, the oldest first: a mine keeps its name.
    features
        File of map features: adds the columns of `context_distances`.
    overlays
        Layers of polygons, each with its column of names: adds a column of what is touched, called
        like the file.
    credit
        Attributions of what does not say its own.
    geojson, overwrite
        See `write_detections`. A GeoJSON of detections that is there already is replaced with them.

    Returns
    -------
    Merged
        The detections, the files, and what they say of themselves.

    Raises
    ------
    InputError, NotThereError, AlreadyThereError
        If an input cannot be used, or `out` is there.
    """
    layers = {Path(path): name for path, name in (overlays or {}).items()}
    inputs = [_file_of(scores), *earlier, *layers, *([] if features is None else [features])]
    geojson = writes_geojson(out, geojson=geojson, overwrite=overwrite)
    refuse_inputs([out, Path(out).with_suffix(".geojson")] if geojson else [out], inputs)
    _store.refuse_existing(Path(out), overwrite=overwrite)
    windows = read_windows(scores, score_field=score_field)
    _check_seen(windows, scores)
    header = windows.attrs.get(HEADER)
    chosen, source = choose_rule(header, preset=preset, **(rule or {}))
    known = [read_detections(path) for path in earlier]
    table = merge_detections(windows, **asdict(chosen), gap_m=gap_m, earlier=known)
    told = None if features is None else read_features(features)
    settings = {**table.attrs[HEADER], "threshold_from": source, "scores": header}
    settings["windows"] |= {"failed": _failed(windows)}
    if "status" not in windows:  # of another detector: what it did not see is not in its file
        settings["windows"] |= {"not_seen": None}
    table = _add(table, told, layers)
    words = [attribution_in(header), "" if told is None else str(told.info.get("attribution"))]
    made = describe_making("merge", inputs, settings, [*words, *credit])
    files = write_detections(table, out, made=made, geojson=geojson, overwrite=overwrite)
    return Merged(table, tuple(files), made, tuple(stale_outlines(out)))


def _failed(windows: pd.DataFrame) -> int:
    return int((windows["status"] == FAILED).sum()) if "status" in windows else 0


def _check_seen(windows: pd.DataFrame, scores: StrPath) -> None:
    """Refuse a scan that saw nothing: no detection there would be taken for no mining."""
    if len(windows) and not windows["score"].notna().any():
        failed = _failed(windows)
        count, again = (
            (f" ({failed:,} failed)", "again (--retry-failed), or ") if failed else ("", "")
        )
        raise InputError(
            f"not one of the {len(windows):,} windows of {scores} has a score{count}, so nothing "
            f"can be said of mining there; scan {again}another region, period or source"
        )


def _file_of(scores: StrPath) -> Path:
    path = Path(scores)
    return path / "scores.parquet" if path.is_dir() else path


def _add(
    table: gpd.GeoDataFrame, told: Features | None, layers: Mapping[Path, str]
) -> gpd.GeoDataFrame:
    """Add what detections lie near and what they touch."""
    if told is not None:
        distances = context_distances(table, told)
        table = table.assign(**{name: distances[name] for name in distances.columns})
    for path, name_column in layers.items():
        column = path.stem
        if column in table.columns or column == DETECTION_ID:
            raise InputError(f"{path} would write over the column {column!r}; rename the file")
        table = table.assign(**{column: touched_names(table, path, name_column=name_column)})
    columns = [name for name in table.columns if name != table.geometry.name]
    return table[[*columns, table.geometry.name]]


def describe_detections(table: gpd.GeoDataFrame) -> dict[str, Any]:
    """Count detections and sum their hectares, as JSON values.

    Examples
    --------
    >>> describe_detections(gpd.GeoDataFrame({"area_ha": [23.0, 40.5], "windows": [1, 3]}))
    {'detections': 2, 'windows': 4, 'area_ha': 63.5, 'largest_ha': 40.5}
    """
    areas = table["area_ha"]
    return {
        "detections": len(table),
        "windows": int(table["windows"].sum()) if "windows" in table else None,
        "area_ha": round(float(areas.sum()), 2),
        "largest_ha": round(float(areas.max()), 2) if len(table) else 0.0,
    }
