"""KML and GPX: for phones, GPS receivers and globes."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import quoteattr

import geopandas as gpd
import numpy as np
import shapely

from minewatch._store import writing_file
from minewatch.maps._attribution import as_text, describe_contents
from minewatch.maps._contents import MapContents
from minewatch.maps._numbers import write_hectares, written
from minewatch.maps._settlement import SETTLEMENT, SETTLEMENT_M
from minewatch.maps._sheet_words import Words
from minewatch.maps._style import (
    FOUND,
    SCORE,
    UNSEEN,
    ScoreClass,
    class_of,
    score_classes,
)
from minewatch.maps._vector import DECIMALS, name_of, on_grid, plain_table, records
from minewatch.maps._xml import escape_text, without_control
from minewatch.types import AnyArray

_EXTENSIONS: Final = ("area_ha", "ground_ha", SCORE, "start", "end", SETTLEMENT, SETTLEMENT_M)
"""Columns that waypoints hold besides their description."""
_KML: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<kml xmlns="http://www.opengis.net/kml/2.2">\n'
)
_GPX: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<gpx version="1.1" creator="minewatch" xmlns="http://www.topografix.com/GPX/1/1" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    'xmlns:minewatch="urn:minewatch:maps:1" '
    'xsi:schemaLocation="http://www.topografix.com/GPX/1/1 '
    'http://www.topografix.com/GPX/1/1/gpx.xsd">\n'
)


def write_kml(contents: MapContents, path: Path) -> None:
    """Write detections, a point for each, and what was not seen, as KML 2.2.

    Folders: ``Detections`` (polygons, coloured by score), ``Points``, and, where they are known,
    ``Not seen`` and ``Region``. Every detection has all its columns as extended data.

    References
    ----------
    Open Geospatial Consortium (2008), OGC KML 2.2.0, OGC 07-147r2.
    """
    about = describe_contents(contents)
    table = plain_table(contents.detections)
    rows, classes = records(table), score_classes(table)
    with writing_file(path) as aside, aside.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f"{_KML}<Document>\n<name>{escape_text(contents.title)}</name>\n")
        file.write(
            f"<description>{escape_text(as_text(about, without=('title',)))}</description>\n"
        )
        file.writelines(_styles(classes))
        shapes = on_grid(table.geometry.to_numpy())
        file.writelines(_folder("Detections", _polygons(rows, shapes, classes)))
        file.writelines(_folder("Points", _points(rows, classes)))
        if contents.not_seen is not None:
            file.writelines(_folder("Not seen", _unseen(contents.not_seen)))
        if contents.region is not None:
            region = on_grid(contents.region.geometry.to_numpy())
            marks = (_placemark("Region", "", "#region", _geometry(one), {}) for one in region)
            file.writelines(_folder("Region", marks))
        file.write("</Document>\n</kml>\n")


def write_gpx(contents: MapContents, path: Path) -> None:
    """Write a waypoint inside every detection, as GPX 1.1.

    GPX holds no polygons: of what was not seen it can only say in its description where that is.
    A waypoint has no time: programs take it for the day on which somebody stood there. The days of
    the imagery are in its description and its extensions. Its symbol is a plain flag: nobody has
    seen yet what is there.

    References
    ----------
    Topografix (2004), GPX 1.1, https://www.topografix.com/GPX/1/1/.
    """
    about = describe_contents(contents)
    words = as_text(about, without=("title", "attribution"))
    table = plain_table(contents.detections)
    with writing_file(path) as aside, aside.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f"{_GPX}<metadata>\n<name>{escape_text(contents.title)}</name>\n")
        file.write(f"<desc>{escape_text(words)}</desc>\n")
        file.write(
            f"<copyright author={quoteattr(without_control(about.get('attribution', '')))}/>\n"
        )
        if len(table):
            file.write(_bounds(table))
        file.write("</metadata>\n")
        file.writelines(_waypoint(row) for row in records(table))
        file.write("</gpx>\n")


def summary(row: Mapping[str, Any]) -> str:
    """Say of a detection in one line how large it is, how sure, when it was seen, and near what.

    Examples
    --------
    >>> summary({"area_ha": 23.1, "windows": 2, "settlement": "Yagrumo", "settlement_m": 870})
    '23.1 ha of whole windows, 870 m from Yagrumo'
    """
    of = "whole windows" if row.get("windows") is not None else "the polygon as given"
    parts = [f"{write_hectares(row['area_ha'])} of {of}"]
    if row.get("ground_ha") is not None:
        parts.append(f"{write_hectares(row['ground_ha'])} bare ground or ponds")
    for name, words in (("score_mean", "mean score"), (SCORE, "greatest score")):
        if row.get(name) is not None:
            parts.append(f"{words} {written(row[name], 2)}")
    if row.get("start") and row.get("end"):
        parts.append(f"imagery of {row['start']} to {row['end']}")
    if row.get(SETTLEMENT) and row.get(SETTLEMENT_M) is not None:
        parts.append(_from_settlement(str(row[SETTLEMENT]), float(row[SETTLEMENT_M])))
    return ", ".join(parts)


def _from_settlement(name: str, metres: float) -> str:
    if metres == 0.0:
        return f"at {name}"
    return f"{Words({}, 'en').distance(metres)} from {name}".replace("\u202f", " ")


def _bounds(points: gpd.GeoDataFrame) -> str:
    west, east = points["longitude"].min(), points["longitude"].max()
    south, north = points["latitude"].min(), points["latitude"].max()
    return (
        f'<bounds minlat="{south:.7f}" minlon="{west:.7f}" maxlat="{north:.7f}" '
        f'maxlon="{east:.7f}"/>\n'
    )


def _waypoint(row: Mapping[str, Any]) -> str:
    told = summary(row)
    more = "".join(
        f"<minewatch:{name}>{escape_text(row[name])}</minewatch:{name}>"
        for name in _EXTENSIONS
        if row.get(name) is not None
    )
    return (
        f'<wpt lat="{row["latitude"]:.7f}" lon="{row["longitude"]:.7f}">'
        f"<name>{escape_text(name_of(row))}</name><cmt>{escape_text(told)}</cmt><desc>{escape_text(told)}</desc>"
        f"<sym>Flag, Blue</sym><type>possible mining</type><extensions>{more}</extensions></wpt>\n"
    )


def _styles(classes: Sequence[ScoreClass]) -> Iterator[str]:
    colours = [one.colour for one in classes] or [FOUND]
    for place, colour in enumerate(colours):
        yield _style(f"found{place}", colour, "66")
    yield _style("unseen", UNSEEN, "80", outlined=False)
    yield _style("region", "#FFFFFF", "00")


def _style(name: str, colour: str, opacity: str, *, outlined: bool = True) -> str:
    """Write a style; KML has colours as opacity, blue, green, red."""
    reverse = colour[5:7] + colour[3:5] + colour[1:3]
    return (
        f'<Style id="{name}"><IconStyle><color>ff{reverse}</color><scale>0.8</scale></IconStyle>'
        f"<LabelStyle><scale>0.7</scale></LabelStyle>"
        f"<LineStyle><color>ff{reverse}</color><width>2</width></LineStyle>"
        f"<PolyStyle><color>{opacity}{reverse}</color><outline>{int(outlined)}</outline>"
        "</PolyStyle></Style>\n"
    )


def _folder(name: str, marks: Iterator[str]) -> Iterator[str]:
    yield f"<Folder><name>{escape_text(name)}</name>\n"
    yield from marks
    yield "</Folder>\n"


def _polygons(
    rows: Sequence[Mapping[str, Any]], shapes: AnyArray, classes: Sequence[ScoreClass]
) -> Iterator[str]:
    for row, shape in zip(rows, shapes, strict=True):
        yield _placemark(name_of(row), summary(row), _url(row, classes), _geometry(shape), row)


def _points(rows: Sequence[Mapping[str, Any]], classes: Sequence[ScoreClass]) -> Iterator[str]:
    for row in rows:
        place = (
            f"<Point><coordinates>{_pair(row['longitude'], row['latitude'])}</coordinates></Point>"
        )
        yield _placemark(name_of(row), summary(row), _url(row, classes), place, row)


def _unseen(table: gpd.GeoDataFrame) -> Iterator[str]:
    plain = plain_table(table)
    for row, shape in zip(records(plain), on_grid(plain.geometry.to_numpy()), strict=True):
        why = str(row.get("reason") or "not seen")
        yield _placemark(why, "Not seen: mines may be here", "#unseen", _geometry(shape), row)


def _url(row: Mapping[str, Any], classes: Sequence[ScoreClass]) -> str:
    return f"#found{class_of(row.get(SCORE), classes) or 0}"


def _placemark(
    name: str, description: str, style: str, geometry: str, row: Mapping[str, Any]
) -> str:
    told = f"<description>{escape_text(description)}</description>" if description else ""
    values = "".join(
        f"<Data name={quoteattr(without_control(key))}><value>{escape_text(value)}</value></Data>"
        for key, value in row.items()
        if value is not None
    )
    data = f"<ExtendedData>{values}</ExtendedData>" if values else ""
    return (
        f"<Placemark><name>{escape_text(name)}</name>{told}<styleUrl>{style}</styleUrl>{data}{geometry}"
        "</Placemark>\n"
    )


def _geometry(shape: shapely.Geometry) -> str:
    polygons = [_polygon(part) for part in shapely.get_parts(shape)]
    joined = "".join(polygons)
    return joined if len(polygons) == 1 else f"<MultiGeometry>{joined}</MultiGeometry>"


def _polygon(polygon: shapely.Polygon) -> str:
    inner = "".join(
        f"<innerBoundaryIs>{_ring(ring)}</innerBoundaryIs>" for ring in polygon.interiors
    )
    outer = f"<outerBoundaryIs>{_ring(polygon.exterior)}</outerBoundaryIs>"
    return f"<Polygon><tessellate>1</tessellate>{outer}{inner}</Polygon>"


def _ring(ring: shapely.LinearRing) -> str:
    pairs = " ".join(_pair(*at) for at in shapely.get_coordinates(ring).tolist())
    return f"<LinearRing><coordinates>{pairs}</coordinates></LinearRing>"


def _pair(longitude: float, latitude: float) -> str:
    return f"{_number(longitude)},{_number(latitude)}"


def _number(value: float) -> str:
    return np.format_float_positional(value, precision=DECIMALS, trim="-")
