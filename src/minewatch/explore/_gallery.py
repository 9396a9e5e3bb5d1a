"""Gallery: what patches look like – typical, extreme and random ones of each class."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
import xarray as xr

from minewatch._figures import format_count, format_number
from minewatch._report._section import Section
from minewatch.bands import SCALE_FACTOR
from minewatch.explore._rows import by_wavelength
from minewatch.explore._settings import ExploreSettings
from minewatch.explore._statistics import CLASSES, PatchStatistics
from minewatch.explore._thumbnails import common_stretch, composites, thumbnails

if TYPE_CHECKING:
    from minewatch.patches import PatchDataset

KEY: Final = "gallery"
TITLE: Final = "Gallery"
KINDS: Final = ("typical", "extreme", "random")

_NORMAL_MAD: Final = 1.4826
"""Standard deviations of a normal distribution in one median absolute deviation."""
_FAR: Final = 10.0
"""Distance, in robust standard deviations, from which a patch is called far from its class."""


def pick_gallery(
    statistics: PatchStatistics, settings: ExploreSettings, dataset: "PatchDataset"
) -> Section:
    """Show typical, extreme and random patches of each class, all stretched alike.

    Returns
    -------
    Section
        ``chosen``, index site_id: ``class``, ``kind`` (typical: nearest to the class's median;
        extreme: farthest from it; random: drawn by ``settings.random_state`` from the rest),
        ``distance`` (`class_distances`), coordinates. ``stretch``: reflectance of black and of full
        colour, by band. Images are named ``composite_class_kind``, for the true-colour and the
        false-colour (short-wave infrared, near infrared, red) composite as far as bands allow.
    """
    distance = class_distances(statistics)
    if distance.empty:
        return Section.left_out(
            KEY,
            TITLE,
            why="No patch has a known pixel in every band, so there is nothing to show.",
            advice="Look at the section on integrity for patches without data.",
        )
    chosen = _choose(statistics, distance, settings)
    stretch = common_stretch(statistics, settings)
    return Section(
        key=KEY,
        title=TITLE,
        seen=_seen(statistics, distance, settings),
        advice=_advice(statistics, distance),
        tables={"chosen": chosen, "stretch": _stretch_table(statistics, stretch)},
        images=dict(_pictures(dataset, statistics, chosen, stretch)),
    )


def class_distances(statistics: PatchStatistics) -> "pd.Series[float]":
    """Measure how far each patch is from the middle of its class.

    Band means are centred on the class's median and divided by the spread of all patches (1.4826 ×
    median absolute deviation), so that a few odd patches move neither; the distance is the root
    mean square over bands, in robust standard deviations.

    Returns
    -------
    Series
        Index site_id, sorted; without patches that have a band about which nothing is known.
    """
    means = statistics.mean[by_wavelength(statistics.bands)].dropna().sort_index()
    classes = statistics.classes.loc[means.index]
    if means.empty:
        return pd.Series(dtype="float64", name="distance")
    values = means.to_numpy()
    spread = _NORMAL_MAD * np.median(np.abs(values - np.median(values, axis=0)), axis=0)
    spread[~(spread > 0)] = 1.0
    distance = np.zeros(len(values))
    for name in classes.unique():
        members = (classes == name).to_numpy()
        offset = (values[members] - np.median(values[members], axis=0)) / spread
        distance[members] = np.sqrt(np.mean(offset**2, axis=1))
    return pd.Series(distance, index=means.index, name="distance")


def _choose(
    statistics: PatchStatistics, distance: "pd.Series[float]", settings: ExploreSettings
) -> pd.DataFrame:
    classes = statistics.classes.loc[distance.index]
    parts = []
    for position, name in enumerate(CLASSES):
        members = distance[(classes == name).to_numpy()]
        random = np.random.default_rng([settings.random_state, position])
        for kind, ids in zip(KINDS, _split(members, settings.n_thumbnails, random), strict=True):
            parts.append(pd.DataFrame({"class": name, "kind": kind}, index=ids))
    chosen = pd.concat(parts)
    chosen.index.name = "site_id"
    chosen["distance"] = distance.loc[chosen.index]
    for column in ("longitude", "latitude"):
        chosen[column] = statistics.sites.loc[chosen.index, column].astype("float64")
    return chosen


def _split(
    distance: "pd.Series[float]", n_most: int, random: np.random.Generator
) -> tuple[pd.Index, pd.Index, pd.Index]:
    """Give the typical, the extreme and some random patches; none twice."""
    ordered = distance.sort_values(kind="stable").index
    n = min(n_most, -(-len(ordered) // 3))
    typical, rest = ordered[:n], ordered[n:]
    n_extreme = min(n, -(-len(rest) // 2))
    extreme, rest = rest[::-1][:n_extreme], rest[: len(rest) - n_extreme].sort_values()
    drawn = random.choice(len(rest), size=min(n, len(rest)), replace=False)
    return typical, extreme, rest[np.sort(drawn)]


def _pictures(
    dataset: "PatchDataset",
    statistics: PatchStatistics,
    chosen: pd.DataFrame,
    stretch: pd.DataFrame,
) -> Iterator[tuple[str, xr.DataArray]]:
    for composite, bands in composites(statistics.bands).items():
        every = thumbnails(dataset, list(chosen.index), bands, stretch)
        for (class_name, kind), part in chosen.groupby(["class", "kind"], sort=False):
            name = f"{composite}_{class_name}_{kind}".replace(" ", "_")
            yield name, every.sel(site=list(part.index))


def _stretch_table(statistics: PatchStatistics, stretch: pd.DataFrame) -> pd.DataFrame:
    rows = [
        {
            "composite": composite,
            "channel": channel,
            "band": band,
            "black": float(stretch["low"][band]) * SCALE_FACTOR,
            "full": float(stretch["high"][band]) * SCALE_FACTOR,
        }
        for composite, bands in composites(statistics.bands).items()
        for channel, band in zip(
            ("red", "green", "blue") if len(bands) == 3 else ("grey",), bands, strict=True
        )
    ]
    return pd.DataFrame(rows)


def _seen(
    statistics: PatchStatistics,
    distance: "pd.Series[float]",
    settings: ExploreSettings,
) -> str:
    farthest = str(distance.idxmax())
    where = statistics.classes[farthest]
    names = " and ".join(composites(statistics.bands)).replace("_", " ")
    low, high = settings.stretch_percent, 100.0 - settings.stretch_percent
    return (
        f"All pictures ({names}) run from the {low:g} to the {high:g} percentile of all pixels in "
        f"each band, alike for every class; the patch farthest from the middle of its class is "
        f"{farthest} ({where}), {format_number(distance[farthest], decimals=1)} robust standard "
        "deviations away."
    )


def _advice(statistics: PatchStatistics, distance: "pd.Series[float]") -> str:
    n_far = int((distance > _FAR).sum())
    n_left_out = len(statistics.sites) - len(distance)
    left_out = (
        f" ({format_count(n_left_out)} with unknown bands cannot be placed among them)"
        if n_left_out
        else ""
    )
    if n_far:
        n_known, lie = format_count(len(distance)), "lies" if n_far == 1 else "lie"
        return (
            f"Look at the extreme rows first{left_out}: {format_count(n_far)} of {n_known} patches "
            f"{lie} more than {_FAR:g} robust standard deviations from the middle of their class, "
            "often cloud, haze or a wrong label."
        )
    return (
        f"Look through the random rows for labels that you would not give yourself{left_out}: no "
        f"patch lies more than {_FAR:g} robust standard deviations from the middle of its class."
    )
