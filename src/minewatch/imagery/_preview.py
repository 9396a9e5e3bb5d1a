"""A picture of a composite: true colour, false colour, and how many clear views stand behind it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import xarray as xr
from odc.geo.geobox import GeoBox

from minewatch import _figures
from minewatch._store import refuse_existing, writing_file
from minewatch.errors import InputError
from minewatch.imagery._catalogues import credit_of
from minewatch.imagery._query import SceneQuery
from minewatch.imagery._source import ImagerySource, check_composite
from minewatch.types import StrPath

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PREVIEW_BANDS: Final = ("B02", "B03", "B04", "B08", "B11")
"""The bands that both pictures need."""
PICTURES: Final = {
    "true colour": (("B04",), ("B03",), ("B02",)),
    "false colour": (("B11", "B12"), ("B08", "B8A"), ("B04",)),
}
"""For red, green and blue the bands that may be shown, the first that is there."""
FULL_COLOUR: Final = {"true colour": 0.3, "false colour": 0.5}
"""Reflectance that is shown as full colour, in every band of a picture; 0 is black."""
GAMMA: Final = 1.5
"""Shades go with the reflectance to the power 1 / gamma, so that forest and water are not black."""


def shade(reflectance: npt.NDArray[np.float32], full: float) -> npt.NDArray[np.uint8]:
    """Turn reflectance into a picture: a colour means the same in every one.

    Parameters
    ----------
    reflectance
        Dims (band, y, x), three bands; NaN = no data.
    full
        Reflectance that is shown as full colour; 0 is black.

    Returns
    -------
    ndarray of uint8
        Dims (y, x, rgba); opaque, and clear where a band is not known.

    Examples
    --------
    >>> shade(np.full((3, 1, 1), 0.3, dtype=np.float32), 0.3).tolist()
    [[[255, 255, 255, 255]]]
    """
    known = np.isfinite(reflectance).all(axis=0)
    picture = np.zeros((*known.shape, 4), dtype=np.uint8)
    shades = np.clip(reflectance[:, known] / full, 0.0, 1.0) ** (1.0 / GAMMA)
    picture[known, :3] = np.rint(shades.T * 255.0)
    picture[known, 3] = 255
    return picture


def write_preview(
    source: ImagerySource,
    geobox: GeoBox,
    query: SceneQuery,
    out: StrPath,
    *,
    title: str,
    overwrite: bool = False,
) -> xr.Dataset:
    """Load the composite of a place and draw it, as one PNG file.

    Parameters
    ----------
    source
        Where the imagery comes from.
    geobox
        The place.
    query
        What is asked; its bands are replaced by those that the pictures need.
    out
        The file, .png. Its text chunks hold the title, the attribution and the composite's
        attributes.
    title
        What is shown: a place, a period.
    overwrite
        Replace the file if it is there.

    Returns
    -------
    Dataset
        The composite that was drawn, as `ImagerySource.load` gives it.

    Raises
    ------
    AlreadyThereError
        If the file is there and `overwrite` is not set; nothing is loaded then.
    InputError
        If the file is no .png; or if not one pixel has data, then nothing is drawn.
    ImageryError
        If the source does not answer.
    """
    if Path(out).suffix.lower() != ".png":
        raise InputError(f"{out} would not be a PNG file by its name; expected one that ends .png")
    refuse_existing(Path(out), overwrite=overwrite)
    composite = source.load(geobox, query.model_copy(update={"bands": PREVIEW_BANDS}))
    if not composite["clear_count"].to_numpy().any():
        raise InputError(_nothing_to_draw(composite, source, query))
    save_preview(composite, out, title=title)
    return composite


def _nothing_to_draw(composite: xr.Dataset, source: ImagerySource, query: SceneQuery) -> str:
    attrs, period = composite.attrs, f"of {query.start} to {query.end}"
    if attrs.get("views_chosen", len(attrs["scenes"])):
        words = f"the scenes {period} show nothing clear at the place"
    else:
        words = f"no scene {period} covers the place"
    holdings = getattr(source, "holdings", None)
    return f"{words}, so nothing is drawn" + (f"; the source holds {holdings}" if holdings else "")


def save_preview(composite: xr.Dataset, out: StrPath, *, title: str) -> None:
    """Draw a composite and write it as one PNG file, replacing what bears its name."""
    figure = draw_preview(composite, title=title)
    png, _ = _figures.render_figure(
        figure, title=title, description=_credit(composite), provenance=_provenance(composite)
    )
    with writing_file(out) as aside:
        aside.write_bytes(png)


@_figures.house_style()
def draw_preview(composite: xr.Dataset, *, title: str) -> "Figure":
    """Draw a composite in true colour and in false colour, with its count of clear views.

    False colour shows short-wave infrared, near infrared and red as red, green and blue: bare
    ground and mines stand out pink to white, plants green, water dark. A colour means the same
    reflectance in every preview (`FULL_COLOUR`, `GAMMA`), so that two can be compared. A picture
    whose bands are missing is left out. Pixels without data are grey.

    Parameters
    ----------
    composite
        What a source gave.
    title
        What is shown: a place, a period.

    Raises
    ------
    InputError
        If it is not a composite.
    """
    check_composite(composite)
    bands = [str(name) for name in composite["band"].to_numpy()]
    pictures = {
        name: chosen
        for name, channels in PICTURES.items()
        if (chosen := _choose_bands(channels, bands)) is not None
    }
    figure = _figures.new_figure(3.1 * (len(pictures) + 1), 3.9)
    axes = figure.subplots(1, len(pictures) + 1, squeeze=False)[0]
    for own, (name, chosen) in zip(axes, pictures.items(), strict=False):
        reflectance = composite["reflectance"].sel(band=list(chosen)).to_numpy()
        own.imshow(shade(reflectance, FULL_COLOUR[name]))
        own.set_title(f"{name.capitalize()}: {', '.join(chosen)}, 0 to {FULL_COLOUR[name]:g}")
    _draw_counts(figure, axes[-1], composite["clear_count"].to_numpy())
    for own in axes:
        own.set_facecolor(_figures.GRID)
        own.set_xticks([])
        own.set_yticks([])
        for spine in own.spines.values():
            spine.set_visible(False)
    figure.suptitle(f"{title}\n{_summary(composite)}", x=0.01, ha="left", fontsize=9.0)
    figure.supxlabel(_credit(composite), x=0.01, ha="left", fontsize=7.0, color=_figures.FAINT)
    return figure


def _choose_bands(
    channels: Sequence[Sequence[str]], bands: Sequence[str]
) -> tuple[str, ...] | None:
    chosen = [next((name for name in options if name in bands), None) for options in channels]
    return None if None in chosen else tuple(name for name in chosen if name is not None)


def _draw_counts(figure: "Figure", axes: "Axes", counts: npt.NDArray[np.uint16]) -> None:
    known = np.ma.masked_equal(counts, 0)
    image = axes.imshow(known, cmap=_figures.SEQUENTIAL, vmin=0, vmax=max(int(counts.max()), 1))
    axes.set_title("Clear views")
    bar = figure.colorbar(image, ax=axes, shrink=0.7, pad=0.02)
    bar.locator = _whole_numbers()
    bar.outline.set_visible(False)
    bar.update_ticks()


def _whole_numbers() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=5, integer=True)


def _summary(composite: xr.Dataset) -> str:
    scenes = composite.attrs["scenes"]
    counts = composite["clear_count"].to_numpy()
    dates = sorted({str(scene["date"])[:10] for scene in scenes})
    if not dates:
        return f"{composite.attrs['level']}, no scene"
    empty = float((counts == 0).mean())
    without = f" where there is data; {empty:.0%} without data" if empty >= 0.005 else ""
    span = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    return (
        f"{composite.attrs['level']} {composite.attrs['method']}, {len(scenes)} scenes of {span}, "
        f"median {np.median(counts[counts > 0]) if counts.any() else 0:g} clear views{without}"
    )


def _credit(composite: xr.Dataset) -> str:
    return (
        f"{credit_of(composite)}. Source: {composite.attrs['source']}. From black to full "
        f"colour: the reflectance named above, with a gamma of {GAMMA:g}."
    )


def _provenance(composite: xr.Dataset) -> Mapping[str, Any]:
    return {key: _plain(value) for key, value in composite.attrs.items()}


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value if isinstance(value, bool | int | float | str | None) else str(value)
