"""Stores of several reviewers, read as one."""

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import pandas as pd

from minewatch.errors import InputError, UnlabelledWarning
from minewatch.maps.review._agreement import current_verdicts
from minewatch.maps.review._store import ReviewStore
from minewatch.maps.review._tables import StoredItem
from minewatch.types import StrPath


@dataclass(frozen=True)
class Reviewed:
    """Several stores as one."""

    kind: str
    items: dict[str, StoredItem]
    decisions: gpd.GeoDataFrame
    points: gpd.GeoDataFrame
    brought: pd.DataFrame
    """What each store brought: index ``store`` (name of the file), ``decisions`` that hold (int64),
    ``reviewers`` (str)."""

    @property
    def n_skipped(self) -> int:
        """Places that were on the screen, and of which nobody said more than skip."""
        held = current_verdicts(self.decisions)
        return int((held["verdict"] == "skip").groupby(held["item_id"]).all().sum())

    @property
    def n_unseen(self) -> int:
        """Places of which every verdict was given without a picture on the screen."""
        held = current_verdicts(self.decisions)
        held = held[held["verdict"] != "skip"]
        is_unseen = held["shown"].map(lambda shown: not json.loads(shown).get("pictures"))
        return int(is_unseen.astype(bool).groupby(held["item_id"]).all().sum())


def read_stores(paths: Sequence[StrPath]) -> Reviewed:
    """Read the stores of reviewers as one; `UnlabelledWarning` where one brings no decision.

    Raises
    ------
    NotThereError, InputError, DatasetError
        If one is not there, or they are of several kinds, or of other places.
    """
    if not paths:
        raise InputError("no review is named; expected at least one file of a review")
    kinds, items = set[str](), dict[str, StoredItem]()
    decisions, points = [], []
    for path in paths:
        with ReviewStore(path, read_only=True) as store:
            kinds |= store.kinds()
            for one in store.items(every=True):
                there = items.setdefault(one.item.item_id, one)
                if how := there.item.differs(one.item):
                    raise InputError(
                        f"{one.item.item_id} of {path} is another than that of {paths[0]}: it "
                        f"{how}; export reviews of the same together, others by themselves"
                    )
            decisions.append(store.decisions())
            points.append(store.points())
    if len(kinds) > 1:
        raise InputError(f"these are reviews of {', '.join(sorted(kinds))}; export them one by one")
    brought = pd.DataFrame(
        {"decisions": map(len, held := [current_verdicts(one) for one in decisions])},
        index=pd.Index([Path(path).name for path in paths], name="store"),
    ).assign(reviewers=[", ".join(dict.fromkeys(one["reviewer"])) for one in held])
    _warn_of_empty(brought)
    kind = kinds.pop() if kinds else "sites"
    return Reviewed(kind, items, _join(decisions), _join(points), brought)


def _warn_of_empty(brought: pd.DataFrame) -> None:
    empty = [str(name) for name in brought.index[brought["decisions"] == 0]]
    if empty and len(empty) < len(brought):
        warnings.warn(
            f"no decision is in {', '.join(empty)}; a review that was open elsewhere when it was "
            "copied brings what was in it by then: copy it anew when the desk has ended",
            UnlabelledWarning,
            stacklevel=3,
        )


def _join(tables: Sequence[gpd.GeoDataFrame]) -> gpd.GeoDataFrame:
    filled = [one for one in tables if len(one)] or list(tables[:1])
    joined = filled[0] if len(filled) == 1 else pd.concat(filled, ignore_index=True)
    # What is undone in any copy is undone: nothing ever brings a decision back.
    undone = joined.dropna(subset=["undone_at"]).groupby("uid")["undone_at"].min()
    joined = joined.assign(undone_at=joined["uid"].map(undone).astype("str"))
    if "told_after" in joined.columns:
        told = joined.dropna(subset=["told_after"]).groupby("uid")["told_after"].min()
        joined = joined.assign(told_after=joined["uid"].map(told).astype("Int64"))
    return joined.drop_duplicates("uid")
