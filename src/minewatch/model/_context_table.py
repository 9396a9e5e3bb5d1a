"""The context table as detectors take it: columns by name, classes as ones and noughts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from minewatch.context import open_context
from minewatch.errors import InputError, NotThereError
from minewatch.types import StrPath

TARGET_PREFIX: Final = "target_"
"""Columns that begin so name the target itself: who learns from them looks the answer up."""
PLACE_COLUMNS: Final = ("longitude", "latitude")
"""Columns that say where a site is: no context, but what a null model of coordinates sees."""
_MOST_CLASSES: Final = 50


def read_context_table(path: StrPath) -> pd.DataFrame:
    """Read what was measured around sites, without where they are.

    Parameters
    ----------
    path
        A folder that `minewatch.context.write_context` wrote, or a Parquet table with a site_id.

    Returns
    -------
    DataFrame
        Index site_id; columns that name the target (``target_…``) are there too, and coordinates,
        in degrees, are not.

    Raises
    ------
    NotThereError
        If there is nothing at the path.
    InputError
        If a table has no site_id.
    """
    place = Path(path)
    if place.is_dir():
        return open_context(place).table
    if not place.is_file():
        raise NotThereError(f"{place} does not exist; expected a folder of context or its table")
    table = pd.read_parquet(place)
    if table.index.name != "site_id" and "site_id" not in table.columns:
        raise InputError(f"{place} has no site_id; tables are joined by it")
    keyed = table if table.index.name == "site_id" else table.set_index("site_id")
    return keyed.drop(columns=[name for name in PLACE_COLUMNS if name in keyed])


def without_target(table: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Leave out the columns of a context table that name the target itself.

    Returns
    -------
    table, names
        The others, and the names of those left out.

    Examples
    --------
    >>> table, names = without_target(pd.DataFrame({"road_m": [5.0], "target_quarry_m": [9.0]}))
    >>> list(table), names
    (['road_m'], ('target_quarry_m',))
    """
    telling = tuple(str(name) for name in table if str(name).startswith(TARGET_PREFIX))
    return table.drop(columns=list(telling)), telling


@dataclass(frozen=True)
class ContextColumns:
    """Columns of a context table that a detector learned from.

    Examples
    --------
    >>> table = pd.DataFrame({"road_m": [5.0, None], "cover": ["wood", "sand"]}, index=["a", "b"])
    >>> columns = ContextColumns.choose(table)
    >>> columns.width, columns.classes
    (3, {'cover': ('sand', 'wood')})
    >>> columns.read(table, pd.Index(["b"]), "this detector").tolist()
    [[nan, 1.0, 0.0]]
    """

    names: tuple[str, ...] = ()
    """The columns, in order."""
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """For each column of classes, those that were there in training, sorted."""

    @classmethod
    def choose(
        cls, context: pd.DataFrame, sites: pd.Index | None = None, *, allow_target: bool = False
    ) -> "ContextColumns":
        """Take all columns of a table; those of text or categories hold classes.

        Parameters
        ----------
        context
            The context table, index site_id.
        sites
            The sites that are learned from: a class that others alone have is not taken, so that
            sites held out have no part in what is learned. None: all of the table.
        allow_target
            Whether columns that name the target may be learned from.

        Raises
        ------
        InputError
            If a column names the target and that is not allowed, or is of neither numbers nor
            classes, or has more than 50 classes.
        """
        names = tuple(str(name) for name in context.columns)
        telling = [name for name in names if name.startswith(TARGET_PREFIX)]
        if telling and not allow_target:
            raise InputError(
                f"the context table has {', '.join(telling)}, which name the target itself; drop "
                "them, or say that a detector may learn from them (allow_target=True)"
            )
        classes = {}
        if sites is not None:
            context = context.loc[context.index.isin(sites)]
        for name in names:
            column = context[name]
            if not pd.api.types.is_numeric_dtype(column):
                classes[name] = tuple(sorted(column.dropna().astype("str").unique()))
                if len(classes[name]) > _MOST_CLASSES:
                    raise InputError(
                        f"context column {name} has {len(classes[name])} different texts; expected "
                        f"numbers, or at most {_MOST_CLASSES} classes"
                    )
        return cls(names, classes)

    @property
    def width(self) -> int:
        """How many numbers a site has."""
        return sum(len(self.classes.get(name, (name,))) for name in self.names)

    @property
    def numbers(self) -> tuple[str, ...]:
        """Name each of those numbers: ``road_m``, ``cover=wood``."""
        found: list[str] = []
        for name in self.names:
            known = self.classes.get(name)
            found += [name] if known is None else [f"{name}={one}" for one in known]
        return tuple(found)

    def read(self, context: pd.DataFrame, sites: pd.Index, who: str) -> npt.NDArray[np.float32]:
        """Give the numbers of these sites: (site, number), NaN where one is not known.

        A class that was not there in training is a row of noughts; an unknown one, of NaN.

        Raises
        ------
        InputError
            If a column or a site is missing, or a site stands in the table twice.
        """
        missing = [name for name in self.names if name not in context.columns]
        if missing:
            raise InputError(f"the context table lacks {', '.join(missing)}, which {who} takes")
        absent = sites.difference(context.index)
        if len(absent):
            raise InputError(
                f"the context table lacks {len(absent)} of {len(sites)} sites, "
                f"{', '.join(map(str, absent[:5]))} among them"
            )
        if not context.index.is_unique:
            twice = context.index[context.index.duplicated()][0]
            raise InputError(f"site {twice!r} stands in the context table twice")
        rows = context.loc[sites]
        parts = [self._read_column(rows[name], name) for name in self.names]
        values = np.concatenate([np.empty((len(sites), 0)), *parts], axis=1)
        return values.astype(np.float32)

    def _read_column(self, column: "pd.Series", name: str) -> npt.NDArray[np.float64]:
        known = self.classes.get(name)
        if known is None:
            try:
                numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
            except (TypeError, ValueError) as error:
                raise InputError(f"context column {name} holds texts; expected numbers") from error
            finite: npt.NDArray[np.float64] = np.where(np.isfinite(numbers), numbers, np.nan)
            return finite[:, None]
        texts = column.astype("str").to_numpy()
        ones = np.zeros((len(texts), len(known)), dtype=np.float64)
        for place, one in enumerate(known):
            ones[texts == one, place] = 1.0
        ones[column.isna().to_numpy()] = np.nan
        return ones
