"""Cloud-optimized GeoTIFFs: the scores of a scan on a grid, and the imagery."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import rasterio
import rasterio.shutil
from affine import Affine
from rasterio.enums import ColorInterp
from rasterio.io import MemoryFile

from minewatch._store import file_name, write_text, writing_file
from minewatch.bands import SCALE_FACTOR
from minewatch.errors import InputError
from minewatch.maps._attribution import describe_contents
from minewatch.maps._contents import Composite, MapContents
from minewatch.maps._style_raster import style_of_composite, style_of_scores
from minewatch.types import FloatArray, IntArray

SCORE_BANDS: Final = ("score_mean", "score_max", "windows")
_WINDOW: Final = ("epsg", "left_m", "top_m", "size_m", "score")
_FIRST: Final = ("B04", "B03", "B02")
"""Bands that are written first, so that programs show true colour."""
_COLOURS: Final = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)


@dataclass(frozen=True, eq=False)
class ScoreGrid:
    """Scores of the windows of a UTM zone on a grid."""

    epsg: int
    """The zone."""
    transform: Affine
    """Of its cells, north up, metres."""
    values: npt.NDArray[np.float32]
    """Dims (band, y, x), bands `SCORE_BANDS`; NaN where no window with a score lies, 0 of
    ``windows`` likewise NaN."""


def grid_scores(scores: pd.DataFrame) -> list[ScoreGrid]:
    """Lay the scores of windows on a grid for each zone: no pixel is resampled.

    A cell is as large as the distance between windows (or a part of it, where that does not divide
    their side), and has the mean and the greatest of the scores of all windows over it, and their
    number. Windows without a score, which were not seen, count for nothing.

    Parameters
    ----------
    scores
        As `minewatch.scan.read_scores` gives them.

    Returns
    -------
    list of ScoreGrid
        One for each UTM zone, by its number.

    Raises
    ------
    InputError
        If the table is not of a scan.

    Examples
    --------
    >>> scores = pd.DataFrame({
    ...     "epsg": 32620, "left_m": [420000, 420240], "top_m": 702480, "size_m": 480,
    ...     "score": [0.2, 0.8]})
    >>> [grid] = grid_scores(scores)
    >>> grid.values[0].round(1).tolist()
    [[0.20000000298023224, 0.5, 0.800000011920929], [0.20000000298023224, 0.5, 0.800000011920929]]
    """
    missing = [name for name in _WINDOW if name not in scores]
    if missing:
        raise InputError(
            f"the scores lack {', '.join(missing)}; only those of a scan (scores.parquet) lie on a "
            "grid"
        )
    zones = scores["epsg"].to_numpy(np.int64)
    return [_grid_zone(int(epsg), scores[zones == epsg]) for epsg in np.unique(zones)]


def _grid_zone(epsg: int, own: pd.DataFrame) -> ScoreGrid:
    left, top, size = (own[name].to_numpy(np.int64) for name in ("left_m", "top_m", "size_m"))
    west, north = int(left.min()), int(top.max())
    cell = int(np.gcd.reduce(np.concatenate([left - west, north - top, size])))
    shape = (
        int((north - (top - size).min()) // cell),
        int(((left + size).max() - west) // cell),
    )
    column, row = (left - west) // cell, (north - top) // cell
    values = own["score"].to_numpy(np.float64)
    seen = np.isfinite(values)
    total, most, count = _stack(row[seen], column[seen], (size // cell)[seen], values[seen], shape)
    with np.errstate(invalid="ignore"):
        mean = total / count
    bands = np.stack([mean, np.where(count > 0, most, np.nan), np.where(count > 0, count, np.nan)])
    transform = Affine(cell, 0.0, west, 0.0, -cell, north)
    return ScoreGrid(epsg, transform, bands.astype(np.float32))


def _stack(
    row: IntArray, column: IntArray, side: IntArray, values: FloatArray, shape: tuple[int, int]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Sum, take the greatest of, and count the windows over every cell."""
    total, most, count = np.zeros(shape), np.full(shape, -np.inf), np.zeros(shape)
    for down in range(int(side.max(initial=0))):
        for along in range(int(side.max(initial=0))):
            reaches = (down < side) & (along < side)
            at = (row[reaches] + down, column[reaches] + along)
            np.add.at(total, at, values[reaches])
            np.maximum.at(most, at, values[reaches])
            np.add.at(count, at, 1.0)
    return total, most, count


def write_scores(contents: MapContents, folder: Path) -> list[Path]:
    """Write the scores as COGs: ``scores.tif``, or one for each UTM zone, ``scores_32620.tif``.

    Bands ``score_mean``, ``score_max`` and ``windows`` (how many lie over a cell), float32, NaN
    where nothing was seen. Each has a style for QGIS beside it.
    """
    if contents.scores is None:
        raise InputError("there are no scores to write")
    grids = grid_scores(contents.scores)
    about = describe_contents(contents)
    files = []
    for grid in grids:
        name = "scores" if len(grids) == 1 else f"scores_{grid.epsg}"
        profile = {"crs": f"EPSG:{grid.epsg}", "transform": grid.transform, "nodata": np.nan}
        path = folder / f"{name}.tif"
        write_cog(grid.values, path, profile, SCORE_BANDS, about)
        style = path.with_suffix(".qml")
        write_text(style, style_of_scores())
        files += [path, style]
    return files


def write_composite(contents: MapContents, composite: Composite, folder: Path) -> list[Path]:
    """Write the imagery of a period as a COG, ``composite_2024.tif``, with a style for QGIS.

    Reflectance × 10,000 as uint16 with its scale, 0 = no data; red, green and blue come first.
    """
    there = [str(name) for name in composite.reflectance["band"].to_numpy()]
    bands: list[str] = [name for name in _FIRST if name in there]
    bands += [name for name in there if name not in bands]
    numbers = composite.reflectance.sel(band=bands).to_numpy() / SCALE_FACTOR
    stored = np.clip(np.rint(np.nan_to_num(numbers, nan=0.0)), 0, 65_535).astype(np.uint16)
    box = composite.geobox
    about = {
        **describe_contents(contents),
        "title": f"Imagery of {composite.period}, {composite.level}",
        "period": _days(contents, composite.period),
        "attribution": composite.attribution,
    }
    profile = {"crs": str(box.crs), "transform": box.transform, "nodata": 0}
    path = folder / f"composite_{file_name(composite.period)}.tif"
    write_cog(stored, path, profile, bands, about, scale=SCALE_FACTOR)
    style = path.with_suffix(".qml")
    write_text(style, style_of_composite(bands))
    return [path, style]


def _days(contents: MapContents, period: str) -> str:
    found = [one for one in contents.periods if one.name == period]
    return f"{found[0].start} to {found[0].end}" if found else period


def write_cog(
    values: npt.NDArray[Any],
    path: Path,
    profile: Mapping[str, Any],
    bands: Sequence[str],
    about: Mapping[str, str],
    *,
    scale: float | None = None,
) -> None:
    """Write an array as a cloud-optimized GeoTIFF.

    Parameters
    ----------
    values
        Dims (band, y, x).
    path
        The file.
    profile
        ``crs``, ``transform``, ``nodata``.
    bands
        Names.
    about
        What the map says of itself; goes to the tags.
    scale
        What stored numbers are multiplied by to give the quantity.
    """
    count, height, width = values.shape
    plain = {"driver": "GTiff", "count": count, "height": height, "width": width}
    with writing_file(path) as aside, MemoryFile() as memory:
        with memory.open(**plain, dtype=values.dtype, BIGTIFF="IF_SAFER", **profile) as raster:
            raster.write(values)
            raster.descriptions = tuple(bands)
            if tuple(bands[:3]) == _FIRST:
                rest = (ColorInterp.undefined,) * (count - 3)
                raster.colorinterp = (*_COLOURS, *rest)
            if scale is not None:
                raster.scales = (scale,) * count
            raster.update_tags(
                TIFFTAG_IMAGEDESCRIPTION=about["title"],
                TIFFTAG_COPYRIGHT=_ascii(about.get("attribution", "")),
                TIFFTAG_SOFTWARE=about["made_by"],
                **about,
            )
        with memory.open() as raster:
            rasterio.shutil.copy(
                raster,
                aside,
                driver="COG",
                compress="DEFLATE",
                predictor="YES",
                blocksize=512,
                overview_resampling="AVERAGE",
                bigtiff="IF_SAFER",
            )


def _ascii(text: str) -> str:
    """Write what TIFF's own tags can hold: ASCII; the whole is in GDAL's tags."""
    plain = text.replace("–", "-").replace("©", "(c)")
    return plain.encode("ascii", "replace").decode("ascii")
