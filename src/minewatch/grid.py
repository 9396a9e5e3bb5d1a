"""From a longitude and a latitude to the exact grid of pixels around it.

A place is a `odc.geo.geobox.GeoBox`: its CRS, its transform and its shape in one value.
"""

import math
from functools import lru_cache
from typing import Self

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from pydantic import Field, model_validator
from pyproj import Transformer

from minewatch.errors import InputError
from minewatch.types import FloatArray, IntArray, Settings

SOUTHERN_FALSE_NORTHING_M = 10_000_000
MIN_LATITUDE, MAX_LATITUDE = -80.0, 84.0
"""Limits of the Universal Transverse Mercator system, in degrees."""


def utm_epsg(longitude: float, latitude: float) -> int:
    """Name the UTM zone of a place by its EPSG code (WGS 84).

    Zones are the plain six-degree ones: the exceptions for Norway and Svalbard, where no one looks
    for artisanal gold mining, are not made. The equator belongs to the north, 180° to zone 1.

    Parameters
    ----------
    longitude, latitude
        Degrees, EPSG:4326; latitude within the UTM system, 80° S to 84° N.

    Raises
    ------
    InputError
        If a coordinate is not finite or out of range.

    Examples
    --------
    >>> utm_epsg(-62.6, 5.45), utm_epsg(-56.4, -1.5)
    (32620, 32721)
    """
    if not (math.isfinite(longitude) and -180.0 <= longitude <= 180.0):
        raise InputError(f"longitude is {longitude}; expected degrees from -180 to 180")
    if not (math.isfinite(latitude) and MIN_LATITUDE <= latitude <= MAX_LATITUDE):
        raise InputError(
            f"latitude is {latitude}; expected degrees from {MIN_LATITUDE:g} to {MAX_LATITUDE:g}, "
            "where UTM zones are defined"
        )
    zone = int((longitude + 180.0) % 360.0 // 6.0) + 1
    return (32600 if latitude >= 0 else 32700) + zone


def format_longitude(longitude: float) -> str:
    """Write a longitude, degrees, for people; "–" if it is not known.

    Examples
    --------
    >>> format_longitude(-62.62811), format_longitude(7.5)
    ('62.6281° W', '7.5000° E')
    """
    return _degrees(longitude, "EW")


def format_latitude(latitude: float) -> str:
    """Write a latitude, degrees, for people; "–" if it is not known.

    Examples
    --------
    >>> format_latitude(5.45162), format_latitude(-1.5)
    ('5.4516° N', '1.5000° S')
    """
    return _degrees(latitude, "NS")


def _degrees(value: float, letters: str) -> str:
    if not math.isfinite(value):
        return "–"
    rounded = round(float(value), 4)
    return f"{abs(rounded):.4f}° {letters[rounded < 0]}"


class PatchGrid(Settings):
    """The grid on which patches are cut: square, in the local UTM zone, snapped.

    Patches are snapped to a grid of `snap_m` that starts where the zone's central meridian's false
    easting and the equator put it. With the default of 60 m that is the grid on which every
    Sentinel-2 tile of a zone lies, whatever the band's resolution, so that 10, 20 and 60 m bands
    are read without interpolation. (South of the equator the tiles' northings are 40 m past a
    multiple of 60, because the false northing of 10,000 km is not one.)

    The centre of a patch is therefore up to ``snap_m / 2`` from its point in each direction.

    Examples
    --------
    >>> geobox = PatchGrid().geobox(-62.6281, 5.4516)
    >>> geobox.crs.epsg, geobox.shape.yx
    (32620, (48, 48))
    >>> geobox.boundingbox.left % 60, geobox.boundingbox.top % 60
    (0.0, 0.0)
    """

    size_px: int = Field(default=48, ge=1, le=4096)
    """Pixels along each side."""
    resolution_m: float = Field(default=10.0, gt=0)
    """Ground size of a pixel, metres."""
    snap_m: float = Field(default=60.0, gt=0)
    """Spacing of the grid that patch corners lie on, metres; a whole number of pixels."""

    @model_validator(mode="after")
    def _snap_is_whole_pixels(self) -> Self:
        pixels = self.snap_m / self.resolution_m
        if abs(pixels - round(pixels)) > 1e-9:
            raise ValueError(
                f"snap_m is {self.snap_m:g}, not a whole number of {self.resolution_m:g} m pixels; "
                "patches would fall between the pixels of their imagery"
            )
        return self

    @property
    def side_m(self) -> float:
        """Length of a patch's side, metres."""
        return self.size_px * self.resolution_m

    @property
    def diagonal_m(self) -> float:
        """Length of a patch's diagonal, metres: nearer points may share pixels."""
        return self.side_m * math.sqrt(2.0)

    def geobox(self, longitude: float, latitude: float) -> GeoBox:
        """Give the grid of pixels around a place.

        Parameters
        ----------
        longitude, latitude
            Degrees, EPSG:4326.

        Returns
        -------
        GeoBox
            ``size_px`` × ``size_px`` pixels, north up, in the place's UTM zone (WGS 84).

        Raises
        ------
        InputError
            If a coordinate is out of range.
        """
        epsg = utm_epsg(longitude, latitude)
        easting, northing = _project(epsg, longitude, latitude)
        anchor = SOUTHERN_FALSE_NORTHING_M if epsg >= 32700 else 0
        half = self.side_m / 2.0
        left = _snap(easting - half, self.snap_m)
        top = anchor + _snap(northing + half - anchor, self.snap_m)
        transform = Affine(self.resolution_m, 0.0, left, 0.0, -self.resolution_m, top)
        return GeoBox((self.size_px, self.size_px), transform, f"EPSG:{epsg}")

    def corners(
        self, longitude: FloatArray, latitude: FloatArray
    ) -> tuple[IntArray, FloatArray, FloatArray]:
        """Give the upper left corners of the patches of many places at once.

        It says where the geoboxes of `geobox` lie, a thousand times faster, and checks nothing:
        every coordinate must be in range.

        Parameters
        ----------
        longitude, latitude
            Degrees, EPSG:4326, one per place.

        Returns
        -------
        epsg
            UTM zone of each patch.
        left, top
            Metres in that zone, WGS 84.
        """
        epsg = (np.floor((longitude + 180.0) % 360.0 / 6.0) + 1).astype(np.int64)
        epsg += np.where(latitude >= 0, 32600, 32700)
        left, top = np.empty(len(epsg)), np.empty(len(epsg))
        for zone in np.unique(epsg):
            own = epsg == zone
            easting, northing = _to_utm(int(zone)).transform(longitude[own], latitude[own])
            anchor = SOUTHERN_FALSE_NORTHING_M if zone >= 32700 else 0
            half = self.side_m / 2.0
            left[own] = np.floor((easting - half) / self.snap_m + 0.5) * self.snap_m
            steps = np.floor((northing + half - anchor) / self.snap_m + 0.5)
            top[own] = anchor + steps * self.snap_m
        return epsg, left, top


def _snap(value_m: float, snap_m: float) -> float:
    return math.floor(value_m / snap_m + 0.5) * snap_m


def _project(epsg: int, longitude: float, latitude: float) -> tuple[float, float]:
    easting, northing = _to_utm(epsg).transform(longitude, latitude)
    return float(easting), float(northing)


@lru_cache(maxsize=128)
def _to_utm(epsg: int) -> Transformer:
    return Transformer.from_crs("EPSG:4326", f"EPSG:{epsg}", always_xy=True)
