"""The sections on what OpenStreetMap knows around the sites."""

from collections.abc import Callable
from functools import partial
from typing import Final

from minewatch._report._section import Section
from minewatch.explore import _context_around, _context_mapped, _context_models
from minewatch.explore._context_values import Surroundings
from minewatch.explore._settings import ExploreSettings
from minewatch.explore._words import number_of

_SECTIONS: Final = tuple(
    (module.KEY, module.TITLE) for module in (_context_mapped, _context_around, _context_models)
)


def context_steps(around: Surroundings, settings: ExploreSettings) -> list[Callable[[], Section]]:
    """Give the sections on context to make, in the order in which they are read.

    Where no site of the dataset was measured, each of them says so and is left out.
    """
    if around.sites.empty:
        return [partial(_left_out, key, title, around) for key, title in _SECTIONS]
    return [
        partial(_context_mapped.describe_mapped, around),
        partial(_context_around.describe_surroundings, around, settings),
        partial(_context_models.measure_null_models, around, settings),
    ]


def _left_out(key: str, title: str, around: Surroundings) -> Section:
    return Section.left_out(
        key,
        title,
        why=f"Of {number_of(around.n_unmeasured, 'patch')} none has both coordinates and a row in "
        "the context’s table of measures.",
        advice="Measure context for this dataset’s own sites: the two are joined by site_id.",
    )
