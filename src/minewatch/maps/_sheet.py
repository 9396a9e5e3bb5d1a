"""Evidence sheets: what is known of one detection, on paper, to take along and to sign."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import numpy as np
import shapely

from minewatch import __version__
from minewatch._store import file_name, refuse_existing, writing_file
from minewatch.errors import InputError
from minewatch.maps._composites import Bounds, draw_part, square_around, to_mercator
from minewatch.maps._contents import MapContents
from minewatch.maps._coordinates import format_dms
from minewatch.maps._formats import Language
from minewatch.maps._page_html import environment, page_file, sheet_policy, strings
from minewatch.maps._sheet_words import Words, facts, sureness
from minewatch.types import AnyArray, StrPath

_IMAGE_PX: Final = 640
_LEAST_M: Final = 1_440.0
"""Least side of the ground that is shown."""
_MOST_PERIODS: Final = 2
_LOCATOR: Final = 300.0
"""Side of the drawing that says where it is, in units of its own."""
_MOST_DOTS: Final = 2_000


@dataclass(frozen=True)
class _Image:
    """An image of a sheet."""

    source: str
    caption: str
    outline: str
    """Path of the detection, 0 to 100 along each side."""
    ground: str
    """Path of the ground outlined in it."""
    bar_share: float
    """Length of the scale bar, as a share of the image's side."""
    bar: str
    """What it is long."""


def write_sheets(
    contents: MapContents,
    out: StrPath,
    *,
    detection_ids: Sequence[str] | None = None,
    n_most: int = 20,
    language: Language = "en",
    overwrite: bool = False,
) -> list[Path]:
    """Write an evidence sheet for detections: one page of HTML each, to print or to keep as PDF.

    A sheet shows the images of the oldest and the newest period, with the detection's outline and a
    scale; where it lies; what is known of it; how sure that is; and room for who looked on the
    ground. It holds no script and asks nothing of the network.

    Parameters
    ----------
    contents
        What `minewatch.maps.gather_contents` gives; without composites a sheet has no images.
    out
        Folder of the sheets, each named after its detection.
    detection_ids
        Whose sheets to write. None: those of the largest.
    n_most
        How many, where nobody says whose.
    language
        Of the words; numbers are written as in that language.
    overwrite
        Replace sheets that are there.

    Returns
    -------
    list of pathlib.Path
        The files, in the order of `detection_ids`, or the largest first.

    Raises
    ------
    InputError
        If there is no such detection.
    AlreadyThereError
        If a sheet is there; none is written then.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> from minewatch.maps import gather_contents
    >>> mines = gpd.GeoDataFrame(
    ...     index=pd.Index(["a"], name="detection_id"), crs="EPSG:4326",
    ...     geometry=[shapely.box(-62.60, 5.40, -62.59, 5.41)],
    ... )
    >>> contents = gather_contents(mines, period="2024", attribution=["drawn by hand"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [sheet.name for sheet in write_sheets(contents, folder)]
    ['a.html']
    """
    chosen = _chosen(contents, detection_ids, n_most)
    files = {name: Path(out) / file_name(name, ".html") for name in chosen}
    for file in files.values():
        refuse_existing(file, overwrite=overwrite)
    for name, file in files.items():
        text = _build_sheet(contents, name, language)
        with writing_file(file) as aside:
            aside.write_text(text, encoding="utf-8")
    return list(files.values())


def _chosen(contents: MapContents, wanted: Sequence[str] | None, n_most: int) -> list[str]:
    table = contents.detections
    if wanted is None:
        largest = np.argsort(-table["area_ha"].to_numpy(), kind="stable")[:n_most]
        return [str(name) for name in table.index[largest]]
    lost = [name for name in wanted if name not in table.index]
    if lost:
        some = ", ".join(table.index[:3].astype(str))
        raise InputError(f"there is no detection {lost[0]!r}; there are {some}, …")
    return list(dict.fromkeys(wanted))


def _build_sheet(contents: MapContents, name: str, language: Language) -> str:
    words = Words(strings()[language], language)
    row = contents.detections.loc[name]
    style = page_file("sheet.css")
    latitude, longitude = float(row["latitude"]), float(row["longitude"])
    place = {
        "decimal": f"{latitude:.5f}, {longitude:.5f}",
        "dms": f"{format_dms(latitude, 'latitude')} {format_dms(longitude, 'longitude')}",
    }
    return (
        environment()
        .get_template("sheet.html.j2")
        .render(
            words=words,
            language=language,
            version=__version__,
            policy=sheet_policy(style),
            style=style,
            title=words.own(contents.title),
            name=name,
            images=_images(contents, name, words),
            facts=facts(contents, name, words),
            sure=sureness(contents, words),
            place=place,
            locator=_locator(contents, name),
            attribution=_attribution(contents),
        )
    )


def _attribution(contents: MapContents) -> list[str]:
    features = contents.features
    more = "" if features is None else str(features.info.get("attribution") or "")
    return [one for one in dict.fromkeys([*contents.attribution, more]) if one]


def _images(contents: MapContents, name: str, words: Words) -> list[_Image]:
    """Draw the oldest and the newest period, each in both kinds."""
    shape = contents.detections.geometry[name]
    west, south, east, north = (float(end) for end in shape.bounds)
    square = square_around((west, south, east, north), least_m=_LEAST_M, margin=0.25)
    composites = contents.composites
    shown = composites if len(composites) <= _MOST_PERIODS else (composites[0], composites[-1])
    stretch = math.cos(math.radians((south + north) / 2.0))
    side_m = (square[2] - square[0]) * stretch
    bar_m = _round_length(side_m / 4.0)
    ground = _ground_of(contents, name)
    newest = contents.periods[-1].name if contents.periods else None
    periods = {period.name: period for period in contents.periods}
    return [
        _Image(
            source=picture.source,
            caption=f"{words.period(periods.get(picture.period), picture.period)} · "
            f"{words[f'kind.{picture.kind}']} ({', '.join(picture.bands)})",
            outline=_path(shape, square),
            ground=_path(ground, square) if picture.period == newest else "",
            bar_share=100.0 * bar_m / side_m,
            bar=words.distance(bar_m),
        )
        for composite in shown
        for picture in draw_part(composite, square, (_IMAGE_PX, _IMAGE_PX))
    ]


def _ground_of(contents: MapContents, name: str) -> shapely.Geometry:
    outlines = contents.outlines
    if outlines is None or name not in outlines.index:
        return shapely.MultiPolygon()
    ground: shapely.Geometry = outlines.geometry[name]
    return ground


def _round_length(metres: float) -> float:
    """Give the largest of 1, 2 and 5 times a power of ten that is no longer.

    Examples
    --------
    >>> [_round_length(one) for one in (430.0, 1_900.0, 60.0)]
    [200.0, 1000.0, 50.0]
    """
    power = 10.0 ** math.floor(math.log10(metres))
    return max(step * power for step in (1.0, 2.0, 5.0) if step * power <= metres)


def _path(shape: shapely.Geometry, square: Bounds) -> str:
    """Draw a shape in degrees into a square of Web Mercator, as a path of SVG, 0 to 100."""
    west, south, east, north = square
    rings = shapely.get_rings(shapely.get_parts(shape))
    parts = []
    for ring in rings:
        points = [to_mercator((x, y, x, y))[:2] for x, y in shapely.get_coordinates(ring)]
        at = [
            f"{100 * (x - west) / (east - west):.2f} {100 * (north - y) / (north - south):.2f}"
            for x, y in points
        ]
        parts.append(f"M{'L'.join(at)}Z")
    return "".join(parts)


def _locator(contents: MapContents, name: str) -> dict[str, Any]:
    """Draw where the detection lies among the others: dots, and the border of what was seen."""
    table = contents.detections
    bounds = _bounds_of(table, contents.region)
    west, south, east, north = bounds
    narrow = math.cos(math.radians((south + north) / 2.0))
    unit = _LOCATOR / max((east - west) * narrow, north - south)

    def place(points: AnyArray) -> AnyArray:
        across = (points[:, 0] - west) * narrow * unit
        return np.round(np.column_stack([across, (north - points[:, 1]) * unit]), 1)

    points = place(table[["longitude", "latitude"]].to_numpy(np.float64))
    own = points[table.index.get_loc(name)]
    step = max(1, len(points) // _MOST_DOTS)
    rings = []
    if contents.region is not None:
        whole = shapely.simplify(shapely.union_all(contents.region.geometry.to_numpy()), 0.5 / unit)
        rings = [
            "M" + "L".join(f"{x} {y}" for x, y in place(shapely.get_coordinates(ring))) + "Z"
            for ring in shapely.get_rings(shapely.get_parts(whole))
        ]
    return {
        "width": round((east - west) * narrow * unit, 1),
        "height": round((north - south) * unit, 1),
        "dots": points[::step].tolist(),
        "own": own.tolist(),
        "border": "".join(rings),
        "corners": (f"{south:.2f}, {west:.2f}", f"{north:.2f}, {east:.2f}"),
    }


def _bounds_of(table: gpd.GeoDataFrame, region: gpd.GeoDataFrame | None) -> Bounds:
    """Give the ground of the map with a margin, degrees."""
    both = [table.total_bounds, *([] if region is None else [region.total_bounds])]
    west, south = (float(end) for end in np.min(both, axis=0)[:2])
    east, north = (float(end) for end in np.max(both, axis=0)[2:])
    margin = 0.04 * max(east - west, north - south) + 0.005
    return west - margin, south - margin, east + margin, north + margin
