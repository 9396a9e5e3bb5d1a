"""The valley that people ask: its cover, its reflectance, its mines, labelled sites, patches."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from minewatch.bands import BANDS, band_names
from minewatch.errors import BandError, InputError, SettingsError
from minewatch.grid import PatchGrid
from minewatch.toy._camera import cells_of, inside, photograph, see_cover, see_reflectance
from minewatch.toy._draw import Field, draw_background, draw_mining, flip_labels
from minewatch.toy._landscape import Landscape, draw_landscape
from minewatch.toy._mines import FIRST_DAY
from minewatch.toy._shapes import CELL_M
from minewatch.toy._spectra import SPECTRUM_BANDS
from minewatch.toy._water import Extent
from minewatch.types import BoolArray, FloatArray

CRS: Final = "EPSG:32620"
EQUAL_AREA_CRS: Final = "EPSG:6933"
WEST_M, SOUTH_M = 420_000.0, 702_000.0
BLOCK_M: Final = 60.0
MIN_SIDE_M: Final = 6_000.0
_DEFAULT_GRID: Final = PatchGrid()


@dataclass(frozen=True)
class Valley:
    """A made-up valley in the rainforest, with a river, people and gold mines.

    **Nothing in it exists.** It is put where the Guiana Shield of Bolívar, Venezuela, would be
    (UTM zone 20 N, near 63.5° W, 6.5° N) so that projections, distances and areas are real.

    The valley is a landscape of lines and polygons, drawn from a seed, and can be looked at through
    any north-up `GeoBox` in its CRS on its grid of 10 m cells: the same ground always shows the
    same cover and the same reflectance. Equal seeds and sides give equal bytes on every machine.

    Parameters
    ----------
    seed
        Which valley; any whole number.
    width_m, height_m
        Sides of the valley, metres: multiples of 60, at least 6,000. Another size is another
        valley, not a part of this one.

    Raises
    ------
    SettingsError
        If a side is too short or not a multiple of 60 m.

    Examples
    --------
    >>> valley = Valley(seed=1, width_m=12_000, height_m=9_000)
    >>> sites = valley.sites(n_mining=4, n_background=6)
    >>> sites["label"].tolist()
    [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    >>> pixels = valley.pixels(sites, bands="rgb")
    >>> dict(pixels.sizes), pixels.dtype.name
    ({'site': 10, 'band': 3, 'y': 48, 'x': 48}, 'uint16')
    """

    seed: int = 1
    width_m: float = 48_000.0
    height_m: float = 32_040.0

    def __post_init__(self) -> None:
        for name, side_m in (("width_m", self.width_m), ("height_m", self.height_m)):
            if not (side_m >= MIN_SIDE_M and side_m % BLOCK_M == 0):
                raise SettingsError(
                    f"{name} is {side_m:g}; expected a multiple of {BLOCK_M:g} m from "
                    f"{MIN_SIDE_M:g} m on"
                )

    @property
    def _land(self) -> Landscape:
        return draw_landscape(self.seed, Extent(WEST_M, SOUTH_M, self.width_m, self.height_m))

    @property
    def geobox(self) -> GeoBox:
        """The whole valley on its 10 m grid, in EPSG:32620."""
        shape = (int(self.height_m / CELL_M), int(self.width_m / CELL_M))
        corner = Affine(CELL_M, 0.0, WEST_M, 0.0, -CELL_M, SOUTH_M + self.height_m)
        return GeoBox(shape, corner, CRS)

    @property
    def mines(self) -> gpd.GeoDataFrame:
        """The true mines.

        Returns
        -------
        GeoDataFrame
            Index ``mine_id`` (str); ``opened`` (datetime64, the day on which it was first there),
            ``area_ha`` (hectares, in an equal-area projection), polygons in EPSG:4326. Mines may
            touch or overlap a little; none leaves the valley.

        Examples
        --------
        >>> mines = Valley(seed=1, width_m=12_000, height_m=9_000).mines
        >>> mines.crs.to_epsg(), bool((mines["area_ha"] > 0).all())
        (4326, True)
        """
        land = self._land
        shapes = gpd.GeoSeries([shapely.Polygon(ring) for ring in land.mines.rings], crs=CRS)
        first = pd.Timestamp(FIRST_DAY)
        opened = [first + timedelta(days=int(day)) for day in land.mine_opened_day]
        index = pd.Index([f"mine-{i:04d}" for i in range(len(shapes))], name="mine_id", dtype="str")
        columns = {
            "opened": pd.Series(opened, dtype="datetime64[s]").to_numpy(),
            "area_ha": (shapes.to_crs(EQUAL_AREA_CRS).area / 1e4).round(4).to_numpy(),
        }
        geometry = shapes.to_crs("EPSG:4326").to_numpy()
        return gpd.GeoDataFrame(columns, geometry=geometry, crs="EPSG:4326", index=index)

    def sites(
        self,
        n_mining: int = 60,
        n_background: int = 140,
        *,
        label_noise: float = 0.0,
        within: GeoBox | Iterable[GeoBox] | None = None,
        on: date | None = None,
    ) -> gpd.GeoDataFrame:
        """Draw labelled sites.

        A mining site has mine on at least 1 % of its default patch (`PatchGrid()`), some of it
        within 100 m of the patch's centre; a background site has none in its patch at all, and is
        in no patch with a mining site. Both come in clusters, as they do when people look for
        examples on a map. A mine that opens after `on` makes no mining site, and no background site
        either.

        Parameters
        ----------
        n_mining, n_background
            How many of each.
        label_noise
            Share of the labels that is wrong on purpose, 0 to 1; the column ``true_label`` always
            holds the truth.
        within
            Draw only sites whose default patch lies in here, or in one of these: geoboxes in
            EPSG:32620, such as `archive_area` and `archive_areas` give. None: anywhere in the
            valley.
        on
            The day on which a mining site's mine is there already. None: any.

        Returns
        -------
        GeoDataFrame
            A sites table: index ``site_id``; ``label`` (Int8, 1 mining), ``source`` (str),
            ``cover`` (str, what covers the point), ``true_label`` (Int8), points in EPSG:4326
            rounded to 7 decimals.

        Raises
        ------
        InputError
            If there is no room for so many, or an argument is out of range.

        Examples
        --------
        >>> sites = Valley(seed=1, width_m=12_000, height_m=9_000).sites(5, 20, label_noise=0.2)
        >>> int((sites["label"] != sites["true_label"]).sum())
        5
        """
        if n_mining < 0 or n_background < 0:
            raise InputError(
                f"n_mining is {n_mining} and n_background {n_background}; expected 0 or more"
            )
        if not 0.0 <= label_noise <= 1.0:
            raise InputError(f"label_noise is {label_noise}; expected a share from 0 to 1")
        field = Field(self._land, self._opened(on), _bounds_of(within))
        mining = draw_mining(field, n_mining)
        background = draw_background(field, n_background, mining)
        truth = [1] * n_mining + [0] * n_background
        to_degrees = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
        points = np.array(mining.points + background.points, dtype=np.float64).reshape(-1, 2)
        longitude, latitude = to_degrees.transform(points[:, 0], points[:, 1])
        geometry = shapely.points(np.round(longitude, 7), np.round(latitude, 7))
        columns = {
            "label": pd.array(list(flip_labels(self.seed, truth, label_noise)), dtype="Int8"),
            "source": pd.array(["toy"] * len(truth), dtype="str"),
            "cover": pd.array(mining.covers + background.covers, dtype="str"),
            "true_label": pd.array(truth, dtype="Int8"),
        }
        names = [f"toy-{i:05d}" for i in range(len(truth))]
        index = pd.Index(names, name="site_id", dtype="str")
        return gpd.GeoDataFrame(columns, geometry=geometry, crs="EPSG:4326", index=index)

    def land_cover(self, geobox: GeoBox, *, on: date | None = None) -> xr.DataArray:
        """Say what covers the ground at the centre of each pixel.

        Parameters
        ----------
        geobox
            Where to look: north up, in EPSG:32620, on the valley's 10 m grid.
        on
            The day that is shown: mines that opened later are not there yet. None shows them all.

        Returns
        -------
        DataArray
            uint8 ``(y, x)``, numbers of `COVERS`, 0 outside the valley; the coordinates are
            northings and eastings in metres.

        Raises
        ------
        InputError
            If the geobox is not on the valley's grid.

        Examples
        --------
        >>> valley = Valley(seed=1, width_m=12_000, height_m=9_000)
        >>> cover = valley.land_cover(PatchGrid().geobox(-63.7, 6.4))
        >>> cover.dtype.name, cover.shape
        ('uint8', (48, 48))
        """
        cover = see_cover(self._land, geobox, self._opened(on))
        coords = _centres(geobox)
        attrs = {"crs": CRS}
        return xr.DataArray(cover, dims=("y", "x"), coords=coords, name="land_cover", attrs=attrs)

    def reflectance(
        self, geobox: GeoBox, *, bands: str | Iterable[str] = "l2a-12", on: date | None = None
    ) -> xr.DataArray:
        """Give the noise-free surface reflectance of the ground.

        Each band is as sharp as it is in nature: 20 and 60 m bands are averages of the 10 m cells
        over blocks of the 60 m grid, repeated on the pixels of the geobox.

        Parameters
        ----------
        geobox
            Where to look: north up, in EPSG:32620, on the valley's 10 m grid, pixels a multiple of
            10 m.
        bands
            Names in any spelling, or a preset; not B10, which no L2A product has.
        on
            The day that is shown: mines that opened later are not there yet. None shows them all.

        Returns
        -------
        DataArray
            float64 ``(band, y, x)``, reflectance, NaN outside the valley; the coordinates are
            northings and eastings in metres.

        Raises
        ------
        InputError, BandError
            If the geobox is not on the valley's grid; if a band is unknown or B10.

        Examples
        --------
        >>> valley = Valley(seed=1, width_m=12_000, height_m=9_000)
        >>> place = PatchGrid().geobox(-63.7, 6.4)
        >>> seen = valley.reflectance(place, bands=["red", "nir"])
        >>> bool((seen.sel(band="B08") > seen.sel(band="B04")).mean() > 0.5)
        True
        """
        names = _surface_bands(bands)
        values = see_reflectance(self._land, geobox, self._opened(on), names)
        coords = {"band": list(names), **_centres(geobox)}
        dims, attrs = ("band", "y", "x"), {"crs": CRS}
        return xr.DataArray(values, dims=dims, coords=coords, name="reflectance", attrs=attrs)

    def pixels(
        self,
        sites: gpd.GeoDataFrame,
        *,
        grid: PatchGrid = _DEFAULT_GRID,
        bands: str | Iterable[str] = "l2a-12",
    ) -> xr.DataArray:
        """Take a picture of each site, as a cloud-free Sentinel-2 L2A composite would show it.

        On top of the reflectance lies what an instrument adds: each patch has a haze and a light of
        its own, each pixel its noise. They depend on the seed and the place, never on the order or
        the number of the sites.

        Parameters
        ----------
        sites
            A table of sites with points in EPSG:4326 inside the valley, indexed by ``site_id``.
        grid
            How patches are cut; its resolution a multiple of 10 m.
        bands
            Names in any spelling, or a preset; not B10, which no L2A product has.

        Returns
        -------
        DataArray
            Digital numbers, uint16 ``(site, band, y, x)``, in the order of the sites and bands
            asked for; reflectance × 10⁴, 0 = no data (outside the valley).

        Raises
        ------
        InputError, BandError
            If a site has no point or lies outside the valley; if a band is unknown or B10.

        Examples
        --------
        >>> valley = Valley(seed=1, width_m=12_000, height_m=9_000)
        >>> pixels = valley.pixels(valley.sites(2, 3))
        >>> pixels.shape, pixels.attrs["level"]
        ((5, 12, 48, 48), 'L2A')
        """
        names = _surface_bands(bands)
        geoboxes = self._geoboxes(sites, grid)
        opened = self._opened(None)
        values = np.zeros((len(sites), len(names), grid.size_px, grid.size_px), dtype=np.uint16)
        for row, geobox in enumerate(geoboxes):
            values[row] = photograph(self._land, geobox, opened, names)
        coords = {"site": sites.index.to_numpy(), "band": list(names)}
        attrs = {"level": "L2A", "scale_factor": 1e-4, "no_data": 0}
        return xr.DataArray(values, dims=("site", "band", "y", "x"), coords=coords, attrs=attrs)

    def _geoboxes(self, sites: gpd.GeoDataFrame, grid: PatchGrid) -> list[GeoBox]:
        missing = sites.geometry.isna() | sites.geometry.is_empty
        if missing.any():
            raise InputError(
                f"sites without a point: {', '.join(map(str, sites.index[missing][:5]))}"
            )
        if sites.crs is None or sites.crs.to_epsg() != 4326:
            raise InputError(f"sites are in {sites.crs}; expected longitude, latitude (EPSG:4326)")
        points = zip(sites.geometry.x, sites.geometry.y, strict=True)
        geoboxes = [grid.geobox(float(x), float(y)) for x, y in points]
        strays = [
            str(name)
            for name, geobox in zip(sites.index, geoboxes, strict=True)
            if geobox.crs != CRS or not inside(self._land.extent, cells_of(geobox)[0]).any()
        ]
        if strays:
            raise InputError(
                f"{len(strays)} sites outside the valley: {', '.join(strays[:5])}; it spans "
                f"{WEST_M:g} to {WEST_M + self.width_m:g} m east, {SOUTH_M:g} to "
                f"{SOUTH_M + self.height_m:g} m north in {CRS}"
            )
        return geoboxes

    def _opened(self, on: date | None) -> BoolArray:
        days = self._land.mine_opened_day
        if on is None:
            return np.ones(len(days), dtype=np.bool_)
        opened: BoolArray = days <= (on - date.fromisoformat(FIRST_DAY)).days
        return opened


def _bounds_of(
    within: GeoBox | Iterable[GeoBox] | None,
) -> tuple[tuple[float, float, float, float], ...] | None:
    """Give the west, south, east, north of areas, metres."""
    if within is None:
        return None
    areas = (within,) if isinstance(within, GeoBox) else tuple(within)
    if not areas:
        raise InputError("within lists no area; name one, or leave it out")
    return tuple(cells_of(area)[0].bounds for area in areas)


def _centres(geobox: GeoBox) -> dict[str, tuple[str, FloatArray]]:
    """Give the eastings and northings of a geobox's pixels, metres."""
    transform = geobox.transform
    rows, columns = geobox.shape.yx
    northings = transform.f + transform.e * (np.arange(rows, dtype=np.float64) + 0.5)
    eastings = transform.c + transform.a * (np.arange(columns, dtype=np.float64) + 0.5)
    return {"y": ("y", northings), "x": ("x", eastings)}


def _surface_bands(bands: str | Iterable[str]) -> tuple[str, ...]:
    names = band_names(bands)
    if "B10" in names:
        raise BandError(
            "B10 sees no ground and is in no L2A product, which is what the valley gives; leave it "
            f"out: {', '.join(band.name for band in BANDS if band.name in SPECTRUM_BANDS)}"
        )
    return names
