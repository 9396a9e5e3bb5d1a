"""Names of detections: from the place alone, and kept from one period to the next.

A name comes from the ground. Every detection covers cells of a fixed equal-area grid; each cell has
a fixed lot (a hash of its column and row), and the cell with the lowest lot names the detection.
Two detections that cover much the same ground so have the same name with the probability of the
ground they share, over the ground that either covers (Broder 1997), without knowing of each other.
`keep_ids` makes it certain where the earlier detections are at hand.

References
----------
Broder, A. Z. (1997), On the resemblance and containment of documents, Compression and Complexity of
Sequences, 21–29, https://doi.org/10.1109/SEQUEN.1997.666900.
"""

from collections.abc import Sequence
from typing import Any, Final

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from minewatch.scan._merge_polygons import area_ha
from minewatch.sites._space import from_equal_area, to_equal_area
from minewatch.types import AnyArray, IntArray

DETECTION_ID: Final = "detection_id"
CELL_M: Final = 100.0
"""Side of a cell, metres in the equal-area plane: names of 4 decimals tell all of them apart."""
_LOTS: Final = np.uint64(0x9E3779B97F4A7C15)
_LEAST_SHARED_HA: Final = 1e-6
_Lots = npt.NDArray[np.uint64]


def place_ids(polygons: AnyArray) -> list[str]:
    """Name polygons after their places: ``N05.4516W062.6281``.

    Parameters
    ----------
    polygons
        Detections, EPSG:4326. None shares ground with another.

    Returns
    -------
    list of str
        Latitude and longitude, degrees, of the middle of the cell that names each. Where several
        have the same cell, for it is larger than they are, all but the first by place (north to
        south, then west to east) get ``-2``, ``-3``, …

    Examples
    --------
    >>> place_ids([shapely.box(west, 5.45, west + 0.01, 5.46) for west in (-62.63, -62.51)])
    ['N05.4582W062.6229', 'N05.4564W062.5097']
    """
    shapes = np.asarray(polygons, dtype=object)
    if not len(shapes):
        return []
    cells = np.array([_naming_cell(polygon) for polygon in _to_equal_area(shapes)])
    middle = from_equal_area((cells + 0.5) * CELL_M)
    middle[middle[:, 0] >= 180.0, 0] -= 360.0  # the last cell reaches beyond
    names = [f"{_letter(lat, 'NS', 7)}{_letter(lon, 'EW', 8)}" for lon, lat in middle]
    west, _, _, north = shapely.bounds(shapes).reshape(-1, 4).T
    taken: set[str] = set()
    given = list(names)
    for row in np.lexsort((west, -north)):
        given[row] = _free(names[row], taken)
        taken.add(given[row])
    return given


def keep_ids(detections: gpd.GeoDataFrame, earlier: Sequence[gpd.GeoDataFrame]) -> gpd.GeoDataFrame:
    """Give detections the names that the same mines had in earlier periods.

    Detections that share ground are of one mine. Of two periods, the pair that shares most ground
    is matched first, then the next, each name once. So a mine that grew, shrank or moved a little
    keeps its name; of one that split, the part that has most of the old ground keeps it; of several
    that became one, the one that gave most of the ground gives it its name. What matches nothing in
    the last period is looked for in the one before, and so on: a mine that was not seen, or stood
    still, for a year gets its old name back. What is left is named after its place.

    Parameters
    ----------
    detections
        Polygons, EPSG:4326, of the new period.
    earlier
        Those of earlier periods, the oldest first, each with the index ``detection_id``.

    Returns
    -------
    GeoDataFrame
        The same rows and columns, sorted by the new index ``detection_id``; ``joined`` (str), other
        earlier names that share ground with it, ``"; "`` between them; ``split_from`` (str), the
        earlier name whose ground it shares but which another part keeps. Both are missing where
        there are none.

    Examples
    --------
    >>> old = gpd.GeoDataFrame(
    ...     index=pd.Index(["a"], name="detection_id"),
    ...     geometry=[shapely.box(-62.63, 5.45, -62.62, 5.46)], crs="EPSG:4326",
    ... )
    >>> grown = gpd.GeoDataFrame(
    ...     geometry=[shapely.box(-62.64, 5.44, -62.62, 5.46)], crs="EPSG:4326"
    ... )
    >>> keep_ids(grown, [old]).index.tolist()
    ['a']
    """
    shapes = detections.geometry.to_numpy()
    shared = _shared_ground(shapes, earlier)
    kept = _match(shared)
    new = np.array([row for row in range(len(shapes)) if row not in kept], dtype=np.int64)
    taken = {str(name) for period in earlier for name in period.index}
    for row, name in zip(new.tolist(), place_ids(shapes[new]), strict=True):
        kept[row] = _free(name, taken)
        taken.add(kept[row])
    is_kept = shared["name"].isin(set(kept.values()))
    joined = shared[~is_kept].groupby("row")["name"].agg(lambda some: "; ".join(sorted(set(some))))
    split = shared[is_kept & shared["row"].isin(new)].groupby("row")["name"].first()
    table = detections.assign(joined=_column(joined, len(shapes)))
    table["split_from"] = _column(split, len(shapes))
    names = [kept[row] for row in range(len(shapes))]
    table.index = pd.Index(names, name=DETECTION_ID, dtype="str")
    return table.sort_index()


def _shared_ground(shapes: AnyArray, earlier: Sequence[gpd.GeoDataFrame]) -> pd.DataFrame:
    """List what shares ground: ``row`` and earlier ``name``, the last period and most ground first.

    A name that stands in several periods stands in several rows.
    """
    found = [pd.DataFrame({"age": [], "area_ha": [], "name": [], "row": []})]
    for age, period in enumerate(reversed(earlier)):
        before = period.geometry.to_numpy()
        row, old = shapely.STRtree(before).query(shapes, predicate="intersects")
        shared = area_ha(shapely.intersection(shapes[row], before[old]))
        names = period.index.astype("str").to_numpy()[old]
        found.append(pd.DataFrame({"age": age, "area_ha": shared, "name": names, "row": row}))
    table = pd.concat([one for one in found if len(one)] or found[:1])
    table = table[table["area_ha"] >= _LEAST_SHARED_HA]
    return table.sort_values(
        ["age", "area_ha", "name", "row"], ascending=[True, False, True, True]
    ).astype({"row": "int64", "name": "str"})


def _match(shared: pd.DataFrame) -> dict[int, str]:
    """Give each row one name, and each name to one row, in the order of the table."""
    names: dict[int, str] = {}
    used: set[str] = set()
    for row, name in zip(shared["row"].tolist(), shared["name"].tolist(), strict=True):
        if row not in names and name not in used:
            names[row] = name
            used.add(name)
    return names


def _column(values: "pd.Series[str]", count: int) -> Any:
    return pd.array(values.reindex(range(count)).astype("str").tolist(), dtype="str")


def _naming_cell(polygon: shapely.Geometry) -> IntArray:
    """Find the cell with the lowest lot among those whose middle lies in a polygon."""
    covered = np.concatenate([_cells_within(part) for part in shapely.get_parts(polygon)])
    if not len(covered):
        point = shapely.point_on_surface(polygon)
        return np.asarray(np.floor(shapely.get_coordinates(point)[0] / CELL_M), dtype=np.int64)
    return np.asarray(covered[int(np.argmin(_lots(covered)))])


def _cells_within(part: shapely.Geometry) -> IntArray:
    """List the cells whose middle lies in a polygon of one part: those in its box are looked at."""
    low = np.floor(shapely.bounds(part) / CELL_M).astype(np.int64)
    columns, rows = np.meshgrid(
        np.arange(low[0], low[2] + 1), np.arange(low[1], low[3] + 1), indexing="ij"
    )
    cells = np.column_stack([columns.ravel(), rows.ravel()])
    shapely.prepare(part)
    return cells[np.asarray(shapely.contains_xy(part, (cells + 0.5) * CELL_M))]


def _lots(cells: IntArray) -> _Lots:
    """Draw the lot of each cell, once and for all (splitmix64 of its column and row)."""
    with np.errstate(over="ignore"):
        value = cells[:, 0].astype(np.uint64) * _LOTS
        value = _mix(value) + cells[:, 1].astype(np.uint64) * _LOTS
        return _mix(value)


def _mix(value: _Lots) -> _Lots:
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def _to_equal_area(shapes: AnyArray) -> AnyArray:
    return np.asarray(shapely.transform(shapes, to_equal_area))


def _letter(degrees: float, letters: str, width: int) -> str:
    value = round(float(degrees), 4)
    return f"{letters[value < 0]}{abs(value):0{width}.4f}"


def _free(name: str, taken: set[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    return free
