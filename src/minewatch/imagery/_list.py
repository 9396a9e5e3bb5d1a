"""The scenes of a place as a table: which are used, which are not, and why."""

from typing import Any

import pandas as pd
from odc.geo.geobox import GeoBox

from minewatch.errors import InputError
from minewatch.imagery._choose import judge_scenes
from minewatch.imagery._items import Scene
from minewatch.imagery._query import SceneQuery
from minewatch.imagery._source import ImagerySource, SceneCatalogue

COLUMNS = {
    "time": "datetime64[us, UTC]",
    "platform": "str",
    "tile": "str",
    "orbit": "Int16",
    "level": "str",
    "baseline": "str",
    "offset_dn": "Int16",
    "offset_doubtful": "boolean",
    "cloud_percent": "Float64",
    "used": "boolean",
    "view": "Int32",
    "reason": "str",
    "decisions": "str",
}
"""Columns of the table of scenes, with their types."""


def list_scenes(source: ImagerySource, geobox: GeoBox, query: SceneQuery) -> pd.DataFrame:
    """List the scenes that a catalogue has for a place, and say which of them are used.

    Nothing is read but the catalogue's items.

    Parameters
    ----------
    source
        A source that can search: all but Earth Engine.
    geobox
        The place.
    query
        Period, bands and the limit of cloud.

    Returns
    -------
    DataFrame
        One row per scene in order of time, index ``scene`` (the item's id). Columns: ``time``
        (UTC), ``platform``, ``tile``, ``orbit`` (relative), ``level``, ``baseline``, ``offset_dn``
        (added to the file's numbers), ``offset_doubtful`` (its pixels have the last word when they
        are read), ``cloud_percent`` (of the whole tile, by the metadata),
        ``used``, ``view`` (number of the view that it belongs to, from 1; <NA> if it is not used),
        ``reason`` (why it is not used, else empty), ``decisions`` (the rules that decided on its
        numbers). Items that could not be understood stand last, with their reason alone.

    Raises
    ------
    BandError
        If every scene lacks the same band.
    ImageryError
        If the catalogue does not answer.
    InputError
        If the source cannot search.
    """
    if not isinstance(source, SceneCatalogue):
        raise InputError(
            f"{type(source).__name__} cannot list its scenes; load a place, and its composite "
            "names those that it was made from, or run imagery search --catalog earth-search for "
            "the same place and period"
        )
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
        "offset_doubtful": scene.doubtful_offset and scene.offset_dn != 0,
        "cloud_percent": scene.cloud_percent,
        "used": view is not None,
        "view": view,
        "reason": reason,
        "decisions": "; ".join(scene.decisions),
    }
