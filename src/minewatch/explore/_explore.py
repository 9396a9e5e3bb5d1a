"""The whole exploration: one pass over the pixels, then section after section."""

import platform
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from threadpoolctl import threadpool_limits

from minewatch import __version__
from minewatch._progress import Progress, silent
from minewatch._report._section import Findings, Section
from minewatch.explore._context import context_steps
from minewatch.explore._context_values import Surroundings, check_context, gather_surroundings
from minewatch.explore._correlation import measure_correlation
from minewatch.explore._distributions import describe_distributions
from minewatch.explore._gallery import pick_gallery
from minewatch.explore._integrity import check_integrity
from minewatch.explore._labels import doubt_labels
from minewatch.explore._overview import describe_overview
from minewatch.explore._periods import describe_period
from minewatch.explore._separability import rank_separability
from minewatch.explore._settings import DEFAULT_SETTINGS, ExploreSettings
from minewatch.explore._space import describe_space
from minewatch.explore._statistics import CLASSES, PatchStatistics, summarise_patches

if TYPE_CHECKING:
    from minewatch.context import Context
    from minewatch.patches import PatchDataset

_LIBRARIES: Final = ("numpy", "pandas", "scipy", "scikit-learn", "KDEpy", "spyndex")
"""Libraries whose version may change a number."""


def explore(
    dataset: "PatchDataset",
    context: "Context | None" = None,
    *,
    settings: ExploreSettings = DEFAULT_SETTINGS,
    progress: Progress = silent,
) -> Findings:
    """Explore a patch dataset: what it holds, what is wrong with it, what it can and cannot show.

    Every patch is read once, in bounded memory; only thumbnails are read again. Nothing is written
    or drawn: `write_report` does that. A section that lacks what it needs (labels, coordinates,
    bands) says so and is left out. No result depends on the order of sites or bands.

    Parameters
    ----------
    dataset
        The patches.
    context
        What is mapped around the sites (`minewatch.context.open_context`), for three more sections;
        None for none. Sites are joined by site_id.
    settings
        Choices, all with defaults; they are written into the findings' header.
    progress
        Told how far the pass over the pixels and the sections are.

    Returns
    -------
    Findings
        The sections overview, integrity, distributions, separability, correlation, space, labels
        and gallery, in this order; with context also context, surroundings and null_models, after
        space.

    Raises
    ------
    InputError
        If `context` is not what `minewatch.context.open_context` gives.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> from minewatch import patches, toy
    >>> valley = toy.Valley(seed=1)
    >>> sites = valley.sites(n_mining=8, n_background=12)
    >>> dataset = patches.write_patches(
    ...     mkdtemp() + "/toy", sites, valley.pixels(sites), bands="l2a-12", level="L2A"
    ... )
    >>> findings = explore(dataset)
    >>> print(findings["overview"].seen.replace(chr(0x202F), " "))
    20 patches of 48 × 48 px (480 m wide) in 12 bands, level L2A:
    8 mining (40 %), 12 no mining (60 %).
    """
    if context is not None:
        check_context(context)
    statistics = summarise_patches(dataset, settings=settings, progress=progress).in_order()
    around = None if context is None else gather_surroundings(statistics, context)
    steps = _steps(dataset, statistics, around, settings)
    sections = []
    # Matrices here are small: threads inside BLAS cost up to ten times what they save.
    with threadpool_limits(limits=1, user_api="blas"):
        for done, step in enumerate(steps):
            progress("exploring", done, len(steps))
            sections.append(step())
    progress("exploring", len(steps), len(steps))
    return Findings(tuple(sections), _header(dataset, statistics, around, settings))


def _steps(
    dataset: "PatchDataset",
    statistics: PatchStatistics,
    around: Surroundings | None,
    settings: ExploreSettings,
) -> list[Callable[[], Section]]:
    """Give the sections to make, in the order in which they are read."""
    on_context = [] if around is None else context_steps(around, settings)
    return [
        partial(describe_overview, statistics, settings),
        partial(check_integrity, statistics, settings, dataset),
        partial(describe_distributions, statistics, settings),
        partial(rank_separability, statistics, settings),
        partial(measure_correlation, statistics, settings, dataset),
        partial(describe_space, statistics, settings),
        *on_context,
        partial(doubt_labels, statistics, settings, dataset),
        partial(pick_gallery, statistics, settings, dataset),
    ]


def _header(
    dataset: "PatchDataset",
    statistics: PatchStatistics,
    around: Surroundings | None,
    settings: ExploreSettings,
) -> dict[str, Any]:
    header, classes = dataset.header, statistics.classes
    on_context = {} if around is None else {"context": around.origin}
    return {
        "dataset": dataset.path.name,
        "dataset_digest": header.digest,
        "sites_digest": header.sites_digest or "",
        "source": header.source,
        "attribution": header.attribution,
        "level": header.level,
        "bands": list(dataset.bands),
        "n_sites": len(dataset),
        "classes": {name: n for name in CLASSES if (n := int((classes == name).sum()))},
        "size_px": header.size_px,
        "resolution_m": header.resolution_m,
        "period": describe_period(header, dataset.sites),
        **on_context,
        "settings": settings.model_dump(mode="json"),
        "versions": {
            "minewatch": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in _LIBRARIES},
        },
    }
