"""What a page holds: detections of all periods, layers, pictures, and what they are worth."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from minewatch import __version__
from minewatch.maps._composites import Picture, draw_composite, draw_part, square_around
from minewatch.maps._contents import MapContents, Period
from minewatch.maps._earlier import count_if_few
from minewatch.maps._page_columns import encode_columns
from minewatch.maps._page_layers import page_layers
from minewatch.maps._page_shapes import encode_areas
from minewatch.maps._phrases import page_phrases
from minewatch.maps._sureness import measured_elsewhere
from minewatch.types import IntArray

if TYPE_CHECKING:
    from minewatch.maps._page import PageSettings
    from minewatch.model import Card

_LEAST_M: Final = 960.0
"""Least side of a thumbnail's ground: two windows."""


def page_payload(contents: MapContents, settings: "PageSettings") -> dict[str, Any]:
    """Gather what the page's script reads, as JSON values.

    Parameters
    ----------
    contents
        What a map is made from.
    settings
        How much the page holds.
    """
    periods = _periods(contents)
    table = all_periods(contents, periods)
    shapes = table.geometry.to_numpy()
    bounds = shapely.bounds(shapes) if len(shapes) else np.empty((0, 4))
    return {
        "title": contents.title,
        "version": __version__,
        "language": settings.language,
        "attribution": list(contents.attribution),
        "periods": [asdict(period) for period in periods],
        "threshold": contents.threshold,
        "threshold_from": contents.threshold_from,
        "detector": contents.detector,
        "area_means": contents.area_means,
        "seen_means": contents.seen_means,
        "phrases": page_phrases(contents),
        "area": None if contents.area is None else contents.area.as_json(),
        "hardly_met": count_if_few(contents) is not None,
        "measured_at": measured_elsewhere(contents),
        "card": None if contents.card is None else _card(contents.card),
        "ids": table.index.astype(str).tolist(),
        "looked": _looked(contents, periods),
        "period": table["period"].tolist(),
        "first": table["first"].tolist(),
        "columns": encode_columns(
            pd.DataFrame(table.drop(columns=table.geometry.name)), contents.overlay_columns
        ),
        "shapes": encode_areas(shapes),
        "bounds": _whole(bounds, contents),
        "layers": page_layers(contents),
        "pictures": [
            asdict(picture)
            for composite in contents.composites
            for picture in draw_composite(composite, most_px=settings.image_px)
        ],
        "thumbnails": _thumbnails(contents, table, bounds, settings),
        "basemaps": [
            {**basemap.model_dump(), "origin": basemap.origin} for basemap in settings.basemaps
        ],
    }


def all_periods(contents: MapContents, periods: tuple[Period, ...]) -> gpd.GeoDataFrame:
    """Put the detections of all periods together, the newest first.

    Returns
    -------
    GeoDataFrame
        As the detections, with ``period``, the number of the period in `periods` (-1: none), and
        ``first``, the number of the earliest period with a detection that meets this one.
    """
    numbers = {period.name: number for number, period in enumerate(periods)}
    newest = len(periods) - 1
    tables = {newest: _with_unknown(contents)}
    tables |= {numbers[name]: table for name, table in contents.earlier.items()}
    named = [
        table.assign(period=number, first=_first(table, number, tables))
        for number, table in sorted(tables.items(), reverse=True)
    ]
    whole = pd.concat(named)
    return gpd.GeoDataFrame(whole, geometry=contents.detections.geometry.name, crs="EPSG:4326")


def _first(
    table: gpd.GeoDataFrame, number: int, tables: Mapping[int, gpd.GeoDataFrame]
) -> IntArray:
    """Say in which period a detection first met each of these."""
    first = np.full(len(table), number, dtype=np.int64)
    shapes = table.geometry.to_numpy()
    for other in sorted(tables):
        if other >= number:
            break
        rows, _ = shapely.STRtree(tables[other].geometry.to_numpy()).query(
            shapes, predicate="intersects"
        )
        met = np.unique(rows)
        first[met] = np.minimum(first[met], other)
    return first


def _looked(contents: MapContents, periods: tuple[Period, ...]) -> list[int]:
    """List the periods with detections, were it none at all; of others there is only imagery."""
    named = [number for number, one in enumerate(periods) if one.name in contents.earlier]
    return [*named, len(periods) - 1]


def _with_unknown(contents: MapContents) -> gpd.GeoDataFrame:
    """Add ``unknown_ha``: what of the ground in detections no clear image shows, if outlined."""
    table, outlines = contents.detections, contents.outlines
    if outlines is None or "not_seen_ha" not in outlines or "ground_ha" not in table:
        return table
    return table.assign(unknown_ha=outlines["not_seen_ha"].reindex(table.index))


def _periods(contents: MapContents) -> tuple[Period, ...]:
    """Give the periods; those of `earlier` that nobody told of are put before the others."""
    told = {period.name for period in contents.periods}
    more = tuple(Period(name, "", "") for name in contents.earlier if name not in told)
    if contents.periods or not more:
        return (*more, *contents.periods)
    return (*more, Period("", "", ""))


def _whole(bounds: Any, contents: MapContents) -> list[float] | None:
    """Give west, south, east, north of all that is shown at first, degrees; None if nothing is."""
    known = [bounds] if len(bounds) else []
    if contents.region is not None and len(contents.region):
        known.append(contents.region.total_bounds.reshape(1, 4))
    if not known:
        return None
    every = np.concatenate(known)
    ends = [*every[:, :2].min(axis=0), *every[:, 2:].max(axis=0)]
    return [round(float(end), 5) for end in ends]


def _thumbnails(
    contents: MapContents, table: gpd.GeoDataFrame, bounds: Any, settings: "PageSettings"
) -> dict[str, list[dict[str, Any]]]:
    """Cut thumbnails of the largest detections of the newest period, by row of the table."""
    newest = np.flatnonzero((table["period"] == table["period"].max()).to_numpy())
    if not contents.composites or not len(newest):
        return {}
    areas = table["area_ha"].to_numpy()[newest]
    largest = newest[np.argsort(-areas, kind="stable")][: settings.thumbnails]
    side = settings.thumbnail_px
    cut: dict[str, list[dict[str, Any]]] = {}
    for row in largest.tolist():
        west, south, east, north = (float(end) for end in bounds[row])
        square = square_around((west, south, east, north), least_m=_LEAST_M)
        pictures: list[Picture] = []
        for composite in contents.composites:
            pictures += draw_part(composite, square, (side, side))
        if pictures:
            cut[str(row)] = [asdict(picture) for picture in pictures]
    return cut


def _card(card: "Card") -> dict[str, Any]:
    """Give what a detector's card says to a reader of maps."""
    return {
        "name": card.name,
        "version": card.version,
        "description": card.description,
        "level": card.level,
        "ground_m": card.size_px * card.resolution_m,
        "licence": card.licence,
        "attribution": card.attribution,
        "metrics": [metric.model_dump() for metric in card.metrics],
        "null_models": {
            name: [metric.model_dump() for metric in metrics]
            for name, metrics in card.null_models.items()
        },
        "training": card.training.model_dump(
            include={"n_sites", "n_places", "classes", "period_start", "period_end"}
        ),
        "limits": list(card.limits),
        "thresholds": {name: one.model_dump() for name, one in card.thresholds.items()},
    }
