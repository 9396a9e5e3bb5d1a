"""What is mapped, drawn on the pixels of patches: presence, and the distance to the nearest."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import geopandas as gpd
import numpy as np
import shapely
import xarray as xr
from numpy.typing import DTypeLike
from odc.geo.geobox import GeoBox

from minewatch._progress import Progress, silent
from minewatch.context._columns import (
    area_of,
    check_features,
    choose_layers,
    is_target,
    naming_layers,
)
from minewatch.context._features import Features
from minewatch.context._field import Pixels, distance_fields
from minewatch.context._ground import (
    Ground,
    join_area,
    to_crs,
    to_degrees,
    to_metres,
    to_plane,
    zone_of,
)
from minewatch.context._layers import TARGET, Layer
from minewatch.context._mosaic import Drawing, transforms
from minewatch.context._outline import diagonal_m
from minewatch.context._pieces import Borders, sound
from minewatch.context._plane import Membership, Places
from minewatch.context._runs import Runs
from minewatch.context._tracks import Tracks
from minewatch.errors import InputError
from minewatch.types import AnyArray, BoolArray, FloatArray, IntArray

PRESENCE: Final = "presence"
DISTANCE: Final = "distance_m"
MAX_DISTANCE_M: Final = 10_000.0
_STEP: Final = "draw channels"
_PATCHES_AT_ONCE: Final = 1_024


def draw_channels(
    geoboxes: Mapping[str, GeoBox],
    features: Features | gpd.GeoDataFrame,
    *,
    layers: Sequence[Layer | str] | None = None,
    all_touched: bool = True,
    max_distance_m: float | None = MAX_DISTANCE_M,
    progress: Progress = silent,
) -> xr.Dataset:
    """Draw what is mapped on the patches' own pixels.

    Each patch is drawn in its own CRS, with its own transform, so that a channel and the imagery
    lie on each other pixel by pixel. What names the target is not drawn, unless the layer
    ``target`` is asked for.

    Parameters
    ----------
    geoboxes
        Grid of pixels of every patch, by site_id; all of one shape, in any CRS.
    features
        What is mapped, as `read_features` gives it.
    layers
        Layers to draw, by name or as they are defined. None: all that the features have.
    all_touched
        Mark every pixel that a feature touches. Otherwise points mark the pixel they lie in, lines
        the pixels of a thin line, and areas the pixels whose centre lies within: a hut may vanish.
    max_distance_m
        How far the nearest feature is looked for, metres; it may lie outside the patch. None:
        distances are not measured.
    progress
        Told the patches drawn.

    Returns
    -------
    Dataset
        ``presence``: uint8, dims (site, layer, y, x), 1 where something of the layer is, else 0.
        ``distance_m``: float32, the same dims, metres from the pixel's centre to the nearest
        feature, exact; 0 on or within one; NaN where nothing lies within `max_distance_m`, and
        where the nearest is not known, because the area that the features were taken from ends
        nearer than the nearest of them.
        Coordinates ``site`` (site_id, in the order of `geoboxes`) and ``layer`` (names).

    Raises
    ------
    InputError
        If there is no patch, shapes differ, a patch has no CRS, or features, layers or the distance
        cannot be used.

    Examples
    --------
    >>> from minewatch.grid import PatchGrid
    >>> from shapely import LineString
    >>> features = gpd.GeoDataFrame(
    ...     {"highway": ["track"], "target": np.array([None], dtype=object), "kind": ["line"]},
    ...     geometry=[LineString([(-62.61, 5.45), (-62.59, 5.45)])],
    ...     index=["way/1"],
    ...     crs="EPSG:4326",
    ... )
    >>> channels = draw_channels({"mine": PatchGrid().geobox(-62.60, 5.45)}, features)
    >>> channels["presence"].sel(site="mine", layer="highway").sum().item()
    48
    >>> channels["distance_m"].sel(site="mine", layer="highway").max().item() > 200
    True

    To stack them upon the bands of a `PatchDataset`, by site_id and not by row::

        stack_channels(dataset.pixels(), channels)
    """
    grids = _check_grids(geoboxes)
    if max_distance_m is not None and not 0.0 < max_distance_m < np.inf:
        raise InputError(f"max_distance_m is {max_distance_m}; expected metres above 0, or None")
    names, ground, member = _mapped(features, layers)
    area = area_of(features.info) if isinstance(features, Features) else None
    extent = None if area is None else Ground.of(np.array([join_area(area)], dtype=object))
    shape = (len(grids), len(names), int(grids[0].shape.y), int(grids[0].shape.x))
    presence = np.zeros(shape, dtype=np.uint8)
    distance = None if max_distance_m is None else np.full(shape, np.nan, dtype=np.float32)
    done = 0
    progress(_STEP, 0, len(grids))
    for lot in _lots(grids):
        boxes = [grids[row] for row in lot.rows]
        canvas = _Canvas.of(boxes, lot, ground, max_distance_m or 0.0, all_touched=all_touched)
        for layer in range(len(names)):
            presence[lot.rows, layer] = canvas.presence(member[:, layer])
        if distance is not None and max_distance_m is not None:
            distance[lot.rows] = canvas.distances(member, max_distance_m).swapaxes(0, 1)
        if distance is not None and max_distance_m is not None and extent is not None:
            whole = _Canvas.of(boxes, lot, extent, max_distance_m, all_touched=False)
            known = ~(distance[lot.rows] > whole.border(max_distance_m)[:, None])
            distance[lot.rows] = np.where(known, distance[lot.rows], np.nan)
        done += len(lot.rows)
        progress(_STEP, done, len(grids))
    return _dataset(list(geoboxes), names, presence, distance)


@dataclass(frozen=True)
class _Lot:
    """Patches of one CRS, whose middles lie in one UTM zone."""

    rows: IntArray
    plane: str
    """The CRS that distances are measured in: the patches' own if that is UTM."""
    longitude: FloatArray
    latitude: FloatArray


@dataclass(frozen=True)
class _Canvas:
    """Patches of a lot, and the features near them, ready to be drawn."""

    n_patches: int
    drawn: IntArray
    """Positions of the features that may lie on a patch."""
    drawing: Drawing
    tracks: Tracks | None
    """Lines that are not in the drawing, where every pixel that they touch is marked."""
    is_area: BoolArray
    """Whether a feature that is drawn is an area."""
    measured: IntArray
    """Positions of the features that distances are measured to."""
    borders: Borders | None
    """These, in the plane that distances are measured in; None: nothing is measured."""
    pixels: Pixels | None

    @classmethod
    def of(
        cls,
        grids: list[GeoBox],
        lot: _Lot,
        ground: Ground,
        max_distance_m: float,
        *,
        all_touched: bool,
    ) -> "_Canvas":
        """Choose features, bring them to the patches' pixels and, to measure, to metres."""
        longitude, latitude = lot.longitude, lot.latitude
        reach_m = _reach_m(grids)
        drawn = ground.near(longitude, latitude, reach_m)
        degrees = ground.nearby(drawn, longitude, latitude, max_distance_m + reach_m)
        drawing, tracks = _drawing(grids, degrees, all_touched=all_touched)
        is_area = np.asarray(shapely.get_dimensions(degrees) == 2)
        if max_distance_m <= 0.0:
            nothing = np.empty(0, dtype=np.int64)
            return cls(len(grids), drawn, drawing, tracks, is_area, nothing, None, None)
        margin_m = max_distance_m + reach_m
        measured = ground.near(longitude, latitude, margin_m)
        runs = Runs.of(ground.nearby(measured, longitude, latitude, margin_m))
        borders = Borders.of(runs.moved(partial(to_metres, lot.plane)))
        pixels = _pixels(grids, lot)
        return cls(len(grids), drawn, drawing, tracks, is_area, measured, borders, pixels)

    def presence(self, member: BoolArray) -> AnyArray:
        """Draw the features of a layer, dims (patch, y, x)."""
        drawn = member[self.drawn]
        burnt = self.drawing.burn(
            drawn[self.drawing.feature], self.n_patches, all_touched=self.tracks is not None
        )
        if self.tracks is not None:
            self.tracks.mark(drawn, burnt)
        return burnt

    def distances(self, member: BoolArray, max_distance_m: float) -> AnyArray:
        """Measure from every pixel to features by layer, metres, dims (layer, patch, y, x)."""
        fields = self._fields(member, max_distance_m, np.float32)
        for layer, field in enumerate(fields):
            field[self._within(member[:, layer])] = 0.0
        return fields

    def border(self, max_distance_m: float) -> FloatArray:
        """Measure from every pixel to the border of an area, metres; 0 outside of it."""
        every = np.ones((1, 1), dtype=np.bool_)
        field = self._fields(every, max_distance_m, np.float64)[0]
        return np.where(self._within(every[:, 0]), field, 0.0)

    def _within(self, member: BoolArray) -> BoolArray:
        """Say which pixels' centres lie within an area, dims (patch, y, x)."""
        areas = (member[self.drawn] & self.is_area)[self.drawing.feature]
        areas &= shapely.get_dimensions(self.drawing.geometry) == 2
        return np.asarray(self.drawing.burn(areas, self.n_patches, all_touched=False) == 1)

    def _fields(self, member: BoolArray, max_distance_m: float, dtype: DTypeLike) -> AnyArray:
        if self.pixels is None or self.borders is None:
            raise InputError("distances need the centres of pixels")
        own = member[self.measured]
        layers = Membership(own, np.any(own, axis=1))
        return distance_fields(self.pixels, self.borders, layers, max_distance_m, dtype)


def _drawing(
    grids: list[GeoBox], degrees: AnyArray, *, all_touched: bool
) -> tuple[Drawing, Tracks | None]:
    """Bring features to the pixels of patches: lines side by side where all touched is marked."""
    crs = str(grids[0].crs)
    if not all_touched:
        return Drawing.of(grids, _sound_areas(to_crs(degrees, crs), flat=False)), None
    is_line = shapely.get_dimensions(degrees) == 1
    lines, others = degrees.copy(), degrees.copy()
    lines[~is_line], others[is_line] = None, None
    shape = (int(grids[0].shape.y), int(grids[0].shape.x))
    runs = Runs.of(lines).moved(partial(to_metres, crs))
    tracks = Tracks.of(runs, transforms(grids, inverse=True), shape)
    rest = tracks.doubtful
    drawing = Drawing.of(grids, _sound_areas(to_crs(others, crs), flat=True))
    sides = (tracks.patch[rest], tracks.feature[rest], tracks.ends[:, rest])
    return drawing.with_sides(*sides), tracks


def _sound_areas(geometry: AnyArray, *, flat: bool) -> AnyArray:
    """Mend areas as what is measured of them is: what crosses itself would be cut inside out.

    What has no ground at all becomes its border where `flat`, and is left out elsewhere.
    """
    areas = np.flatnonzero(shapely.get_dimensions(geometry) == 2)
    mended = sound(geometry[areas])
    empty = shapely.is_empty(mended)
    mended[empty] = shapely.boundary(geometry[areas[empty]]) if flat else None
    geometry[areas] = mended
    return geometry


def _check_grids(geoboxes: Mapping[str, GeoBox]) -> list[GeoBox]:
    grids = list(geoboxes.values())
    shapes = {tuple(geobox.shape) for geobox in grids}
    if len(shapes) != 1:
        raise InputError(
            f"patches have the shapes {sorted(shapes)}; expected at least one patch, and one shape"
        )
    unplaced = [key for key, geobox in geoboxes.items() if geobox.crs is None]
    if unplaced:
        raise InputError(f"{', '.join(unplaced[:5])} have no CRS, so nothing can be drawn on them")
    return grids


def _mapped(
    features: Features | gpd.GeoDataFrame, layers: Sequence[Layer | str] | None
) -> tuple[list[str], Ground, BoolArray]:
    """Give the names of layers, the features, and which belongs to which (feature, layer)."""
    table, info = check_features(features)
    naming = naming_layers(layers, info)
    target = is_target(table, naming)
    ordinary = None if layers is None else [layer for layer in layers if layer != TARGET]
    names = [layer.name for layer in choose_layers(ordinary, table, info)]
    columns = [np.asarray(table[name].notna(), dtype=np.bool_) & ~target for name in names]
    if layers is not None and TARGET in layers:
        names.append(TARGET)
        columns.append(target)
    if not names:
        raise InputError("no layer was named; expected at least one, such as highway")
    return names, Ground.of(table.geometry.to_numpy()), np.column_stack(columns)


def _lots(grids: list[GeoBox]) -> Iterator[_Lot]:
    """Put patches together that are drawn in one CRS and measured in one plane."""
    crs = np.array([str(geobox.crs) for geobox in grids], dtype=object)
    for name in sorted(set(crs)):
        rows = np.flatnonzero(crs == name)
        longitude, latitude = _middles([grids[row] for row in rows], name)
        own = _is_utm(grids[rows[0]])
        zones = np.zeros(len(rows), np.int64) if own else zone_of(longitude, latitude)
        for zone in np.unique(zones):
            lot = np.flatnonzero(zones == zone)
            for start in range(0, len(lot), _PATCHES_AT_ONCE):
                part = lot[start : start + _PATCHES_AT_ONCE]
                plane = name if own else f"EPSG:{zone}"
                yield _Lot(rows[part], plane, longitude[part], latitude[part])


def _is_utm(geobox: GeoBox) -> bool:
    epsg = None if geobox.crs is None else geobox.crs.epsg
    return epsg is not None and (32601 <= epsg <= 32660 or 32701 <= epsg <= 32760)


def _middles(grids: list[GeoBox], crs: str) -> tuple[FloatArray, FloatArray]:
    """Give longitude and latitude of the middles of patches of one CRS."""
    row, column = grids[0].shape.y / 2, grids[0].shape.x / 2
    a, b, c, d, e, f = transforms(grids).T
    return to_degrees(crs, a * column + b * row + c, d * column + e * row + f)


def _reach_m(grids: list[GeoBox]) -> float:
    """Give how far east, west, north or south of its middle a patch may reach at most, metres.

    The patches are of one CRS and shape; a pixel more on every side is within.
    """
    height, width = grids[0].shape
    a, b, _, d, e, _ = abs(transforms(grids)).T
    sides = np.maximum(a * (width + 2) + b * (height + 2), d * (width + 2) + e * (height + 2))
    longest = int(np.argmax(sides))
    if _is_utm(grids[longest]):
        # Grid north is less than 5° from true north: the patch, so turned, is that much wider.
        return 0.6 * float(sides[longest])
    return diagonal_m(grids[longest]) / 2.0


def _pixels(grids: list[GeoBox], lot: _Lot) -> Pixels:
    """Give the centres of all pixels as seen from the middle of each patch."""
    height, width = grids[0].shape
    column, row = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    a, b, c, d, e, f = transforms(grids).T[:, :, None, None]
    east, north = a * column + b * row + c, d * column + e * row + f
    crs = str(grids[0].crs)
    x, y, scale = to_plane(lot.plane, lot.longitude, lot.latitude)
    if crs != lot.plane:
        degrees = to_degrees(crs, east.ravel(), north.ravel())
        plane_x, plane_y, _ = to_plane(lot.plane, *degrees)
        east, north = plane_x.reshape(east.shape), plane_y.reshape(north.shape)
    ground = scale[:, None, None]
    places = Places(x, y, scale, np.empty(0, dtype=object))
    return Pixels(places, (east - x[:, None, None]) / ground, (north - y[:, None, None]) / ground)


def _dataset(
    site_ids: list[str], names: list[str], presence: AnyArray, distance: AnyArray | None
) -> xr.Dataset:
    dims = ("site", "layer", "y", "x")
    drawn = {PRESENCE: (dims, presence, {"long_name": "something is mapped here", "units": "1"})}
    if distance is not None:
        words = {"long_name": "distance to the nearest that is mapped", "units": "m"}
        drawn[DISTANCE] = (dims, distance, words)
    return xr.Dataset(drawn, coords={"site": site_ids, "layer": names})
