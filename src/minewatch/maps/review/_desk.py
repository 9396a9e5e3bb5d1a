"""A desk: what is reviewed, with what it is shown, and what may be told of it to whom."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
from fastapi import HTTPException

from minewatch import __version__
from minewatch.maps.review import _models as models
from minewatch.maps.review._agreement import measure_agreement
from minewatch.maps.review._ground import Surroundings, lay_out
from minewatch.maps.review._pictures import COMBINATIONS, FULL_COLOUR, Album, Drawn
from minewatch.maps.review._said import Saved
from minewatch.maps.review._store import ReviewStore
from minewatch.maps.review._tables import StoredItem
from minewatch.maps.review._words import LABELS, REASONS, Kind, Verdict

_SCORES: Final = ("score_max", "score", "score_mean", "probability")


@dataclass(frozen=True)
class Desk:
    """What is reviewed, and what it is shown with."""

    store: ReviewStore
    album: Album
    reviewer: str = ""
    """Name that is suggested."""
    is_blind: bool = False
    surroundings: Surroundings | None = None
    attribution: Sequence[str] = ()
    items: Sequence[StoredItem] = field(default=())

    @classmethod
    def of(
        cls,
        store: ReviewStore,
        album: Album,
        *,
        reviewer: str = "",
        is_blind: bool = False,
        surroundings: Surroundings | None = None,
    ) -> "Desk":
        """Put a desk together from a store whose queue was taken up."""
        said = [store.recall().get("attribution", "")]
        said += [] if surroundings is None else [surroundings.attribution]
        credit = tuple(dict.fromkeys(one for one in said if one))
        return cls(store, album, reviewer, is_blind, surroundings, credit, tuple(store.items()))

    @cached_property
    def by_number(self) -> dict[int, StoredItem]:
        """Items by their number in the store."""
        return {one.number: one for one in self.items}

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Numbers by item_id."""
        return {one.item.item_id: one.number for one in self.items}

    def find(self, number: int, item_id: str | None = None) -> StoredItem:
        """Look an item up by its number; 404 if it is not in the queue, or has another name."""
        found = self.by_number.get(number)
        if found is None or item_id not in (None, found.item.item_id):
            raise HTTPException(404, f"there is no item {number} in this queue")
        return found

    def drawn(self, number: int, period: int) -> tuple[str, Drawn]:
        """Give the pictures of an item; 404 if there are none."""
        stored = self.find(number)
        if not 0 <= period < len(self.album.periods):
            raise HTTPException(404, f"there is no period {period}")
        name = self.album.periods[period]
        drawn = self.album.get(stored.item, name)
        if drawn is None:
            raise HTTPException(404, f"there is no imagery of {name} here")
        return name, drawn


def describe(desk: Desk) -> models.DeskOut:
    """Say what is reviewed, and with what."""
    said = desk.store.recall()
    kind: Kind = said["kind"]  # type: ignore[assignment]  # take_up wrote it
    return models.DeskOut(
        title=said["title"],
        kind=kind,
        is_blind=desk.is_blind,
        n_items=len(desk.items),
        reviewer=desk.reviewer,
        periods=list(desk.album.periods),
        combinations=list(COMBINATIONS),
        full_colour=dict(FULL_COLOUR),
        reasons=list(REASONS),
        attribution=list(desk.attribution),
        store=desk.store.path.name,
        review_id=said["id"],
        version=__version__,
    )


def list_items(desk: Desk, reviewer: str, *, compare: bool = False) -> list[models.BriefOut]:
    """List the queue; with `compare` say where others do not agree with a reviewer, and note it."""
    said: dict[str, list[tuple[str, Verdict, Any]]] = {}
    for item_id, who, verdict, reason in desk.store.current():
        said.setdefault(item_id, []).append((who, verdict, reason))
    if compare:
        desk.store.mark_told(reviewer)
    return [
        _brief(one, said.get(one.item.item_id, []), reviewer, compare=compare) for one in desk.items
    ]


def _brief(
    stored: StoredItem,
    said: Sequence[tuple[str, Verdict, Any]],
    reviewer: str,
    *,
    compare: bool,
) -> models.BriefOut:
    own = next(((verdict, reason) for who, verdict, reason in said if who == reviewer), None)
    votes = {verdict for _, verdict, _ in said if verdict in LABELS}
    facts = stored.item.facts
    return models.BriefOut(
        number=stored.number,
        item_id=stored.item.item_id,
        longitude=stored.item.longitude,
        latitude=stored.item.latitude,
        score=next((_number(facts.get(name)) for name in _SCORES if name in facts), None),
        area_ha=_number(facts.get("area_ha")),
        verdict=None if own is None else own[0],
        reason=None if own is None else own[1],
        n_reviewers=len(said),
        # Who has not judged it yet is not told that others do not agree on it.
        is_conflict=compare and own is not None and own[0] != "skip" and len(votes) > 1,
    )


def _number(value: Any) -> float | None:
    is_one = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_one else None


def show_item(desk: Desk, stored: StoredItem, reviewer: str) -> models.ItemOut:
    """Tell all of an item; of others' verdicts once there is an own one, and note that."""
    table = desk.store.decisions(item_id=stored.item.item_id)
    held = table[table["undone_at"].isna()].drop_duplicates("reviewer", keep="last")
    rows = {str(row["reviewer"]): _own(number, row) for number, row in held.iterrows()}
    own = rows.pop(reviewer, None)
    points = desk.store.points(item_id=stored.item.item_id)
    mine = points[points["undone_at"].isna() & (points["reviewer"] == reviewer)]
    may_see = own is not None and own.verdict != "skip"
    others = [one for one in rows.values() if may_see and one.verdict != "skip"]
    if others:
        desk.store.mark_told(reviewer, item_id=stored.item.item_id)
    return models.ItemOut(
        number=stored.number,
        item_id=stored.item.item_id,
        longitude=stored.item.longitude,
        latitude=stored.item.latitude,
        square_m=stored.square_m,
        facts=dict(stored.item.facts),
        decision=own,
        points=[
            models.DrawnOut(
                number=int(number),
                longitude=row.geometry.x,
                latitude=row.geometry.y,
                note=row["note"],
            )
            for number, row in mine.iterrows()
        ],
        others=others,
    )


def _own(number: Any, row: Any) -> models.OwnOut:
    return models.OwnOut(
        number=int(number),
        verdict=row["verdict"],
        reason=row["reason"] if isinstance(row["reason"], str) else None,
        note=row["note"],
        reviewer=row["reviewer"],
        decided_at=row["decided_at"],
    )


def show_scene(desk: Desk, stored: StoredItem, period: str, drawn: Drawn) -> models.SceneOut:
    """Say what lies where in the pictures of an item."""
    scene = drawn.scene
    layout = lay_out(scene.geobox, stored.item, stored.square_m)
    mapped = [] if desk.surroundings is None else desk.surroundings.within(scene.geobox)
    return models.SceneOut(
        period=period,
        days=scene.days,
        n_scenes=scene.n_scenes,
        level=scene.level,
        credit=scene.credit,
        size_px=layout.size_px,
        resolution_m=layout.resolution_m,
        seen=float(np.isfinite(scene.reflectance).all(axis=0).mean()),
        corners=list(layout.corners),
        point=layout.point,
        square=layout.square,
        rings=[list(ring) for ring in layout.rings],
        features=[models.FeatureOut(**one) for one in mapped],
        pictures=dict(drawn.digests),
    )


def tell_progress(desk: Desk, reviewer: str, *, compare: bool = False) -> models.ProgressOut:
    """Say how far everybody is; with `compare` how far they agree, and note who was told."""
    counts: dict[str, dict[Verdict, int]] = {}
    for item_id, who, verdict, _ in desk.store.current():
        if item_id in desk.numbers:
            own = counts.setdefault(who, {})
            own[verdict] = own.get(verdict, 0) + 1
    points = desk.store.points()
    last = desk.store.last(reviewer)
    pairs = _agreement(desk, reviewer) if compare else []
    return models.ProgressOut(
        n_items=len(desk.items),
        reviewers=counts,
        n_points=int(points["undone_at"].isna().sum()),
        last=None if last is None or last.item_id not in desk.numbers else confirm(desk, last),
        agreement=pairs,
    )


def _agreement(desk: Desk, reviewer: str) -> list[models.PairOut]:
    desk.store.mark_told(reviewer)
    pairs = measure_agreement(desk.store.decisions()).to_dict("records")
    told = [{**one, "kappa": _number(one["kappa"])} for one in pairs]
    return [models.PairOut.model_validate(one) for one in told]


def what_was_shown(desk: Desk, shown: models.Shown) -> dict[str, Any]:
    """Give what was on the screen, with what the desk knows of it."""
    return {**shown.model_dump(mode="json"), "is_blind": desk.is_blind, "minewatch": __version__}


def confirm(desk: Desk, saved: Saved) -> models.SavedOut:
    """Say what is on disk now."""
    return models.SavedOut(
        number=saved.number,
        item=desk.numbers.get(saved.item_id, 0),
        decided_at=saved.decided_at,
        is_new=saved.is_new,
    )
