"""What a section of the exploration is: two sentences, tables, and a few small pictures."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import xarray as xr


@dataclass(frozen=True, eq=False)
class Section:
    """One section: everything that it shows, as values.

    Figures are drawn from `tables` alone, so that what a reader sees can be checked.
    """

    key: str
    """Short name, used for folders and links: ``overview``."""
    title: str
    """Heading for people: ``Overview``."""
    seen: str
    """One sentence on what the numbers show, computed from them."""
    advice: str
    """One sentence on what to do about it, computed from the numbers."""
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Every number that the section shows, by a name unique within it; empty if `missing`."""
    images: Mapping[str, xr.DataArray] = field(default_factory=dict)
    """Thumbnails by name: uint8 ``(site, y, x, rgb)`` with coordinate ``site`` (site_id)."""
    missing: str | None = None
    """Why the section is left out; None where it is there."""

    @classmethod
    def left_out(cls, key: str, title: str, *, why: str, advice: str) -> "Section":
        """Make the section that says why it could not be computed, and what would allow it."""
        return cls(key=key, title=title, seen=why, advice=advice, missing=why)


@dataclass(frozen=True, eq=False)
class Findings:
    """All sections of one exploration, in the order in which they are read, and their origin."""

    sections: tuple[Section, ...]
    """The sections, those that were left out among them."""
    header: Mapping[str, Any]
    """What was explored and how, for JSON: bands, level, counts, digest, settings, versions."""

    def __getitem__(self, key: str) -> Section:
        for section in self.sections:
            if section.key == key:
                return section
        raise KeyError(f"{key!r} is not a section; there are {', '.join(self.keys())}")

    def keys(self) -> tuple[str, ...]:
        """List the keys of the sections, in order."""
        return tuple(section.key for section in self.sections)
