"""The page: one file that opens anywhere, with the map, the list and all that it is worth."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
from pydantic import Field

from minewatch._store import refuse_existing, writing_file
from minewatch.errors import InputError
from minewatch.maps._contents import MapContents
from minewatch.maps._formats import Language
from minewatch.maps._page_basemaps import BASEMAPS, Basemap
from minewatch.maps._page_html import build_page
from minewatch.maps._page_payload import page_payload
from minewatch.types import Settings, StrPath


class PageSettings(Settings):
    """How much a page holds, and how it opens."""

    language: Language | None = None
    """Language that it opens in; None: the reader's, as the browser says, else English. The reader
    can choose another."""
    basemaps: tuple[Basemap, ...] = BASEMAPS
    """Maps from the network that the reader may choose; nothing is asked of them before."""
    image_px: int = Field(default=1_800, ge=64, le=8_192)
    """Most pixels along a side of a composite; a larger one is averaged."""
    thumbnails: int = Field(default=150, ge=0)
    """How many detections, the largest first, get thumbnails of their own, cut from the composites
    at full resolution. Those of others are cut from the layer, in the reader's browser."""
    thumbnail_px: int = Field(default=160, ge=32, le=512)
    """Pixels along a side of a thumbnail."""


def write_map(
    contents: MapContents | gpd.GeoDataFrame,
    out: StrPath,
    *,
    title: str | None = None,
    attribution: Sequence[str] = (),
    period: str | None = None,
    settings: PageSettings = PageSettings(),  # noqa: B008 - frozen
    overwrite: bool = False,
) -> Path:
    """Write detections as one page that needs no network, with all that says what they are worth.

    The page holds its map library, its data and its images. It asks nothing of the network unless
    the reader chooses one of `PageSettings.basemaps`, and its content security policy allows
    nothing else. Where the browser cannot draw maps (WebGL), the list, the cards and the totals are
    there all the same. Shapes are drawn to about a metre (five decimals of a degree); hectares are
    those of the table.

    Parameters
    ----------
    contents
        What `minewatch.maps.gather_contents` gives, or detections alone: polygons, EPSG:4326.
    out
        The file, .html.
    title
        What is shown; None: the title of `contents`.
    attribution
        Whom to name besides those whom `contents` names.
    period
        Of the imagery, where `contents` are detections that do not say it: ``2024``.
    settings
        How much it holds.
    overwrite
        Replace the file if it is there.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    InputError
        If the file is no .html by its name, or nothing says of which period detections are, or
        whom to name.
    AlreadyThereError
        If the file is there.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> import shapely
    >>> mines = gpd.GeoDataFrame(
    ...     index=pd.Index(["a"], name="detection_id"), crs="EPSG:4326",
    ...     geometry=[shapely.box(-62.60, 5.40, -62.59, 5.41)],
    ... )
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = write_map(mines, Path(folder) / "map.html", title="One square", period="2024",
    ...                      attribution=["drawn by hand"])
    ...     "<title>One square</title>" in page.read_text(encoding="utf-8")
    True
    """
    final = Path(out)
    if final.suffix.lower() not in {".html", ".htm"}:
        raise InputError(f"{out} is no page by its name; expected one that ends in .html")
    refuse_existing(final, overwrite=overwrite)
    shown = _as_contents(contents, title, attribution, period)
    text = build_page(page_payload(shown, settings), shown, settings)
    with writing_file(final) as aside:
        aside.write_text(text, encoding="utf-8")
    return final


def _as_contents(
    given: MapContents | gpd.GeoDataFrame,
    title: str | None,
    attribution: Sequence[str],
    period: str | None,
) -> MapContents:
    if not isinstance(given, MapContents):
        from minewatch.maps._gather import gather_contents

        given = gather_contents(given, title=title or "", attribution=attribution, period=period)
    words = tuple(dict.fromkeys([*given.attribution, *attribution]))
    return replace(given, title=title or given.title, attribution=words)
