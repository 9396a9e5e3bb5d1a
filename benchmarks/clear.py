"""What masks of clouds cost and save: views lost, and how far composites are off, by option.

The options: whether *unclassified* (class 7 of the scene classification) counts as clear, and by
how many pixels of 20 m what is not clear grows.

- Toy archive: a year of 20 passes over a stretch of the valley, as `toy.write_archive` makes it.
  What stands between the sensor and the ground is known there, so *truth* is the median of those
  views that nothing stands before. Composites of the year, and of each five passes in a row.
- Real series: five dates of one place near Exeter (B02, B03, B04, B08, SCL, 20 m), if the folder is
  given. Truth is its clear date, 2 June 2024 (1 % cloud); the composites are of the other four.
  Fields change in summer, so only differences between the rows say something.

    python benchmarks/clear.py
    python benchmarks/clear.py --series FOLDER
    python benchmarks/clear.py --series FOLDER --picture FILE.png   # the dates and composites, too
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from minewatch.imagery._clouds import clear_pixels
from minewatch.imagery._compose import median_of_views
from minewatch.types import BoolArray

Numbers = npt.NDArray[np.uint16]
Classes = npt.NDArray[np.uint8]
SEED, SIDE_M, YEAR = 1, 6_000, 2023
OPTIONS = ((True, 0), (False, 0), (True, 1), (False, 1), (False, 2), (False, 3))
"""Whether class 7 is clear; by how many pixels what is not clear grows."""
UNCLASSIFIED, PLANTS, CLOUD = 7, 4, 8
NOTHING = 0.02
"""Opacity of cloud, shadow and cirrus up to which nothing stands before the ground."""
FAR_OFF_DN = 200
"""A pixel of a composite is far off where a band misses the truth by more: reflectance 0.02."""


@dataclass(frozen=True)
class Series:
    """Views of one place on one grid of 20 m."""

    numbers: Numbers
    """(view, band, y, x): reflectance × 10,000; 0 = no data."""
    classes: Classes
    """(view, y, x): SCL."""
    truly_clear: BoolArray
    """(view, y, x): where nothing stands before the ground."""


def clear_by(classes: Classes, *, unclassified: bool, dilation_px: int) -> BoolArray:
    """Tell what is clear by an option, whatever the package's own score of class 7 is."""
    judged = classes.copy()
    judged[classes == UNCLASSIFIED] = PLANTS if unclassified else CLOUD
    return clear_pixels(judged, clear_threshold=0.75, dilation_px=dilation_px)


def compose(numbers: Numbers, clear: BoolArray) -> Numbers:
    """Take the median of clear views, (band, y, x)."""
    return median_of_views(np.where(clear[:, None], numbers, np.uint16(0)))[0]


def toy_series() -> Series:
    """See the year of a stretch of the valley, and what really stood before the ground."""
    from minewatch import toy
    from minewatch.toy._archive_ground import see_year
    from minewatch.toy._archive_plan import lay_tiles, plan_products
    from minewatch.toy._archive_scene import BANDS, swath_of, take_pictures
    from minewatch.toy._camera import cells_of
    from minewatch.toy._weather import see_air

    valley = toy.Valley(seed=SEED)
    area = cells_of(toy.archive_area(valley, side_m=SIDE_M))[0]
    tile, _ = lay_tiles((area,))
    cells = tile.cells
    land = valley._land  # noqa: SLF001  # the truth is not public
    ground = see_year(land, cells, (date(YEAR, 1, 1), date(YEAR, 12, 31)), BANDS)
    numbers, classes, clear = [], [], []
    for product in plan_products(SEED, YEAR, 20):
        if product.tile != tile.name or product.sequence:
            continue
        pictures, mask = take_pictures(product, ground, swath_of(product, (area,)))
        shown = [_on_20_m(pictures[band], product.added_dn, mask) for band in ("B02", "B04", "B8A")]
        air = see_air(product.acquisition.sky, cells).coarser(2)
        numbers.append(np.stack(shown))
        classes.append(mask)
        between = np.maximum(np.maximum(air.cloud, air.shadow), air.cirrus)
        clear.append((between <= NOTHING) & (mask > 0))
    return Series(np.stack(numbers), np.stack(classes), np.stack(clear))


def _on_20_m(picture: Numbers, added_dn: int, mask: Classes) -> Numbers:
    factor = picture.shape[0] // mask.shape[0]
    rows, columns = mask.shape
    means = picture.reshape(rows, factor, columns, factor).mean(axis=(1, 3)) - added_dn
    return np.where(mask > 0, np.maximum(np.floor(means + 0.5), 1), 0).astype(np.uint16)


def real_series(folder: Path) -> Series:
    """Read the real dates, brought onto the grid of the first that is on the common one."""
    import rasterio
    from rasterio.enums import Resampling
    from rasterio.vrt import WarpedVRT

    files = sorted(folder.glob("*.tif"))
    with rasterio.open(files[-1]) as last:
        grid: dict[str, Any] = {
            "crs": last.crs,
            "transform": last.transform,
            "height": last.height,
            "width": last.width,
        }
    stacks = []
    for file in files:
        with (
            rasterio.open(file) as opened,
            WarpedVRT(opened, **grid, resampling=Resampling.nearest) as warped,
        ):
            stacks.append(warped.read())
    found = np.stack(stacks)
    classes = found[:, -1].astype(np.uint8)
    classes[(found[:, :-1] == 0).any(axis=1)] = 0
    return Series(found[:, :-1], classes, np.zeros(classes.shape, np.bool_))


def say_toy(series: Series) -> None:
    spans = [slice(None)], [slice(first, first + 5) for first in range(0, len(series.numbers), 5)]
    print(f"toy archive, {len(series.numbers)} passes, {series.classes[0].size:,} pixels of 20 m")
    counts = [int((series.truly_clear & (series.classes == value)).sum()) for value in range(12)]
    seen = [int((series.classes == value).sum()) for value in range(12)]
    share = counts[UNCLASSIFIED] / max(seen[UNCLASSIFIED], 1)
    print(f"unclassified: {seen[UNCLASSIFIED]:,} views of pixels, {share:.0%} of them truly clear")
    print(
        "class 7 | grown px | clear views lost | of those kept, not clear "
        "| year: error, far off | 5 passes: error, far off, empty"
    )
    truths = [[compose(series.numbers[s], series.truly_clear[s]) for s in own] for own in spans]
    for unclassified, dilation_px in OPTIONS:
        clear = clear_by(series.classes, unclassified=unclassified, dilation_px=dilation_px)
        lost = 1 - (clear & series.truly_clear).sum() / series.truly_clear.sum()
        wrong = 1 - (clear & series.truly_clear).sum() / clear.sum()
        year, short = (
            list(_errors(series, clear, own, truth))
            for own, truth in zip(spans, truths, strict=True)
        )
        error, far, _ = np.mean(year, axis=0)
        error_5, far_5, empty_5 = np.mean(short, axis=0)
        print(
            f"{'clear' if unclassified else 'not':>7} | {dilation_px} | {lost:.2%} | {wrong:.2%} "
            f"| {error:.0f} DN, {far:.2%} | {error_5:.0f} DN, {far_5:.2%}, {empty_5:.2%}"
        )


def _errors(
    series: Series, clear: BoolArray, spans: Sequence[slice], truths: Sequence[Numbers]
) -> Iterator[tuple[float, float, float]]:
    """Give root mean square error and share far off, where both are known; share without view."""
    for span, truth in zip(spans, truths, strict=True):
        made = compose(series.numbers[span], clear[span])
        both = (made > 0).all(axis=0) & (truth > 0).all(axis=0)
        off = made.astype(np.int64)[:, both] - truth.astype(np.int64)[:, both]
        empty = float(((made == 0).any(axis=0) & (truth > 0).all(axis=0)).mean())
        yield (
            float(np.sqrt((off**2).mean())),
            float((np.abs(off) > FAR_OFF_DN).any(axis=0).mean()),
            empty,
        )


def say_real(series: Series) -> None:
    reference, known = series.numbers[0].astype(np.int64), series.classes[0]
    steady = np.isin(known, (4, 5, 6))
    print(f"real series, 4 dates against the clear one, {int(steady.sum()):,} pixels of 20 m")
    later = series.classes[1:]
    for name, which in _groups(later):
        off = [
            np.abs(numbers[0].astype(np.int64) - reference[0])[own & steady]
            for numbers, own in zip(series.numbers[1:], which, strict=True)
        ]
        values = np.concatenate(off)
        print(
            f"  {name:<42} {values.size:>8,} views of pixels, |blue - truth|: "
            f"median {np.median(values):4.0f} DN, {np.mean(values > FAR_OFF_DN):6.1%} far off"
        )
    print("class 7 | grown px | views kept | composite: known, blue error, blue far off")
    for unclassified, dilation_px in OPTIONS:
        clear = clear_by(later, unclassified=unclassified, dilation_px=dilation_px)
        made = compose(series.numbers[1:], clear)
        both = (made > 0).all(axis=0) & steady
        off = made[0].astype(np.int64)[both] - reference[0][both]
        print(
            f"{'clear' if unclassified else 'not':>7} | {dilation_px} | {clear.mean():.1%} "
            f"| {both.sum() / steady.sum():.1%}, {np.sqrt((off**2).mean()):.0f} DN, "
            f"{(np.abs(off) > FAR_OFF_DN).mean():.2%}"
        )


def _groups(classes: Classes) -> Iterator[tuple[str, BoolArray]]:
    """Sort the views of pixels that are clear or unclassified by how near a cloud lies."""
    yield "unclassified (class 7)", classes == UNCLASSIFIED
    near = np.zeros(classes.shape, np.bool_)
    for distance in (1, 2, 3, 5):
        clear = clear_by(classes, unclassified=False, dilation_px=distance)
        ring = np.isin(classes, (4, 5, 6)) & ~clear & ~near
        near |= ring
        yield f"ground, up to {distance} px from what is not clear", ring
    yield "ground, farther", np.isin(classes, (4, 5, 6)) & ~near


def draw_real(series: Series, path: Path) -> None:
    """Draw the dates, three composites of all five, and how many clear views stand behind one."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(16, 7.2), layout="constrained")
    axes = figure.subplots(2, 5)
    for number, (axis, view) in enumerate(zip(axes[0], series.numbers, strict=True), start=1):
        axis.imshow(_true_colour(view))
        axis.set_title(f"date {number}")
    for axis, (unclassified, dilation_px) in zip(axes[1], (*OPTIONS[:2], OPTIONS[3]), strict=False):
        clear = clear_by(series.classes, unclassified=unclassified, dilation_px=dilation_px)
        axis.imshow(_true_colour(compose(series.numbers, clear)))
        words = "clear" if unclassified else "not clear"
        axis.set_title(f"class 7 {words}, grown {dilation_px} px")
    counts = axes[1, 3].imshow(clear.sum(axis=0), vmin=0, vmax=5)
    axes[1, 3].set_title("clear views behind the last")
    figure.colorbar(counts, ax=axes[1, 3])
    shown = axes[1, 4].imshow(series.classes[3], vmin=0, vmax=11, cmap="tab20")
    axes[1, 4].set_title("classes of date 4")
    figure.colorbar(shown, ax=axes[1, 4])
    for axis in axes.flat:
        axis.set_axis_off()
    figure.savefig(path, dpi=100)


def _true_colour(numbers: Numbers) -> npt.NDArray[np.float64]:
    """Give B04, B03, B02 from 0 to 1; the offset of baseline 04.00 is still in the files."""
    rgb = (numbers[[2, 1, 0]].astype(np.float64) - 1000.0) / 2000.0
    shown = np.moveaxis(np.clip(rgb, 0.0, 1.0), 0, -1)
    shown[(numbers[:3] == 0).any(axis=0)] = (1.0, 0.0, 1.0)
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description="What masks of clouds cost and save.")
    parser.add_argument("--series", type=Path, help="folder of the real dates")
    parser.add_argument("--picture", type=Path, help="draw the real dates and composites here")
    chosen = parser.parse_args()
    say_toy(toy_series())
    if chosen.series is not None:
        series = real_series(chosen.series)
        say_real(series)
        if chosen.picture is not None:
            draw_real(series, chosen.picture)


if __name__ == "__main__":
    main()
