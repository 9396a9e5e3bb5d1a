"""What a figure of the report is: a drawing of tables, with the words that go with it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from minewatch._figures import format_percent
from minewatch._report._section import Section


@dataclass(frozen=True)
class Plate:
    """One kind of figure: the tables it draws, the function that draws, title, caption and alt."""

    name: str
    """Name of its files, unique in its section."""
    title: str
    """A few words in bold before the caption."""
    tables: tuple[str, ...]
    """The section's tables that are given to `draw`, `caption` and `alt`, in this order."""
    draw: Callable[..., Figure]
    """Draws the tables (and images); computes nothing that a reader might want to look up."""
    caption: Callable[..., str]
    """Says on what and on how many the figure rests, from the same arguments."""
    alt: Callable[..., str]
    """Says what is to be seen, for those who cannot see it, from the same arguments."""
    optional: tuple[str, ...] = ()
    """Tables given after these, or None where they are not there."""
    images: tuple[str, ...] = ()
    """The section's images given after all tables, or None where they are not there."""
    has_intervals: bool = False
    """Whether the caption must say what share of cases its intervals cover."""
    is_worth: Callable[..., bool] = lambda *_: True
    """Whether these arguments hold anything to be drawn; if not, the figure is left out."""
    is_key: bool = False
    """Whether the report sets the figure apart, because the reader must not miss it."""

    def arguments(self, section: Section) -> list[Any] | None:
        """Collect what is to be drawn; None if a table is not there, or empty."""
        tables = [section.tables.get(name) for name in self.tables]
        if any(table is None or table.empty for table in tables):
            return None
        optional = [section.tables.get(name) for name in self.optional]
        return [*tables, *optional, *(section.images.get(name) for name in self.images)]


@dataclass(frozen=True, eq=False)
class Drawn:
    """A figure that has been drawn, and its words."""

    plate: Plate
    figure: Figure
    caption: str
    alt: str


def draw_plates(
    section: Section, plates: tuple[Plate, ...], *, confidence: float | None
) -> Iterator[Drawn]:
    """Draw those figures of a section whose tables are there.

    Parameters
    ----------
    confidence
        Coverage of the intervals, 0 to 1; None if it is not known.
    """
    for plate in plates:
        arguments = plate.arguments(section)
        if arguments is None or not plate.is_worth(*arguments):
            continue
        caption = plate.caption(*arguments)
        if plate.has_intervals and confidence is not None:
            caption = f"{caption} Intervals cover {format_percent(confidence)}."
        figure = plate.draw(*arguments)
        yield Drawn(plate=plate, figure=figure, caption=caption, alt=plate.alt(*arguments))
