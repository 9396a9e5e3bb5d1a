"""The scenes of a place as a table: which are used, which are not, and why."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
from odc.geo.geobox import GeoBox

from minewatch.imagery._choose import judge_scenes
from minewatch.imagery._items import Scene
from minewatch.imagery._query import SceneQuery
from minewatch.imagery._source import SceneCatalogue

COLUMNS = {
    "time": "datetime64[us, UTC]",
    "platform": "str",
    "tile": "str",
    "orbit": "Int16",
    "level": "str",
    "baseline": "str",
    "offset_dn": "Int16",
    "cloud_percent": "Float64",
    "used": "boolean",
    "view": "Int32",
    "reason": "str",
    "decisions": "str",
}
"""Columns of the table of scenes, with their types."""


def list_scenes(source: SceneCatalogue, geobox: GeoBox, query: SceneQuery) -> pd.DataFrame:
    """List the scenes that a catalogue has for a place, and say which of them are used.

    Nothing is read but the catalogue's items.

    Parameters
    ----------
    source
        A source that can search.
    geobox
        The place.
    query
        Period, bands and the limit of cloud.

    Returns
    -------
    DataFrame
        One row per scene in order of time, index ``scene`` (the item's id). Columns: ``time``
        (UTC), ``platform``, ``tile``, ``orbit`` (relative), ``level``, ``baseline``, ``offset_dn``
        (added to the file's numbers), ``cloud_percent`` (of the whole tile, by the metadata),
        ``used``, ``view`` (number of the view that it belongs to, from 1; <NA> if it is not used),
        ``reason`` (why it is not used, else empty), ``decisions`` (the rules that decided on its
        numbers). Items that could not be understood stand last, with their reason alone.

    Raises
    ------
    BandError
        If every scene lacks the same band.
    ImageryError
        If the catalogue does not answer.
    """
    found = source.search(geobox, query)
    choice = judge_scenes(found.scenes, geobox, query)
    rows = [
        _row(scene, view=number, reason="")
        for number, view in enumerate(choice.views, start=1)
        for scene in view
    ]
    rows += [_row(one.scene, view=None, reason=one.reason) for one in choice.dropped]
    rows.sort(key=lambda row: (row["time"], row["scene"]))
    rows += [
        {"scene": failure.key, "used": False, "reason": failure.reason}
        for failure in found.unusable
    ]
    table = pd.DataFrame(rows, columns=["scene", *COLUMNS]).set_index("scene")
    return table.astype(COLUMNS)


def describe_scenes(table: pd.DataFrame) -> str:
    """Write the table of `list_scenes` for a person: a line per scene, then the counts."""
    used = table.loc[table["used"].fillna(value=False)]
    views, others = used["view"].nunique(), len(table) - len(used)
    return "\n".join(
        [
            _line("date", "tile", "sat", "baseline", "offset", "cloud", "view", "scene"),
            *_lines(table),
            "",
            f"{views} views from {len(used)} scenes; {others} not used",
        ]
    )


def _lines(table: pd.DataFrame) -> Iterator[str]:
    for scene, row in table.iterrows():
        why = f"{scene}: {row['reason']}" if row["reason"] else str(scene)
        if pd.isna(row["time"]):
            yield _line("–", "", "", "", "", "", "–", why)
            continue
        cloud = "–" if pd.isna(row["cloud_percent"]) else f"{row['cloud_percent']:.0f} %"
        view = "–" if pd.isna(row["view"]) else str(row["view"])
        day = f"{row['time']:%Y-%m-%d}"
        offset = str(row["offset_dn"])
        yield _line(day, row["tile"], row["platform"], row["baseline"], offset, cloud, view, why)


def _line(*cells: str) -> str:
    day, tile, platform, baseline, offset, cloud, view, scene = cells
    return (
        f"{day:<10}  {tile:<5}  {platform:<3}  {baseline:<8}  {offset:>6}  {cloud:>5}  {view:>4}  "
        f"{scene}"
    )


def _row(scene: Scene, *, view: int | None, reason: str) -> dict[str, Any]:
    return {
        "scene": scene.id,
        "time": scene.datetime,
        "platform": scene.platform,
        "tile": scene.tile,
        "orbit": scene.orbit,
        "level": scene.level,
        "baseline": scene.baseline,
        "offset_dn": scene.offset_dn,
        "cloud_percent": scene.cloud_percent,
        "used": view is not None,
        "view": view,
        "reason": reason,
        "decisions": "; ".join(scene.decisions),
    }
