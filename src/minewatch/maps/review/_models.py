"""What the page and the server tell each other, as strict models."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from minewatch.maps.review._pictures import Combination
from minewatch.maps.review._words import MOST_NAME, MOST_NOTE, Kind, Reason, Verdict

Uid = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{8,64}$")]
Name = Annotated[str, Field(min_length=1, max_length=MOST_NAME, pattern=r"^[^\x00-\x1f\x7f]+$")]
Note = Annotated[str, Field(max_length=MOST_NOTE, pattern=r"^[^\x00-\x09\x0b-\x1f\x7f]*$")]
Number = Annotated[int, Field(ge=1, le=2**31 - 1)]
Period = Annotated[int, Field(ge=0, le=1_000)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ShownPicture(_Model):
    """A picture that was on the screen."""

    period: Annotated[str, Field(max_length=100)]
    combination: Combination
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class Shown(_Model):
    """What was on the screen when it was decided."""

    pictures: Annotated[list[ShownPicture], Field(max_length=24)] = []
    scale_m: Annotated[float, Field(ge=0, le=100_000)] | None = None
    outlines: bool = True
    mapped: bool = False


class DecisionIn(_Model):
    """A decision that is sent."""

    uid: Uid
    number: Number
    verdict: Verdict
    reviewer: Name
    reason: Reason | None = None
    note: Note = ""
    shown: Shown = Shown()
    item_id: str | None = None


class PointIn(_Model):
    """A mine that was drawn."""

    uid: Uid
    number: Number
    longitude: Annotated[float, Field(ge=-180, le=180)]
    latitude: Annotated[float, Field(ge=-90, le=90)]
    reviewer: Name
    note: Note = ""
    shown: Shown = Shown()
    item_id: str | None = None


class UndoIn(_Model):
    """What is to be undone."""

    reviewer: Name
    number: Number


class SavedOut(_Model):
    """What is on disk now."""

    number: int
    item: int
    decided_at: str
    is_new: bool


class DeskOut(_Model):
    """What is reviewed, and with what words."""

    title: str
    kind: Kind
    is_blind: bool
    n_items: int
    reviewer: str
    periods: list[str]
    combinations: list[Combination]
    full_colour: dict[str, float]
    reasons: list[Reason]
    attribution: list[str]
    store: str
    review_id: str
    version: str


class BriefOut(_Model):
    """An item in the list."""

    number: int
    item_id: str
    longitude: float
    latitude: float
    score: float | None
    area_ha: float | None
    verdict: Verdict | None
    reason: Reason | None
    n_reviewers: int
    is_conflict: bool


class OwnOut(_Model):
    """A decision that holds."""

    number: int
    verdict: Verdict
    reason: Reason | None
    note: str
    reviewer: str
    decided_at: str


class DrawnOut(_Model):
    """A mine that was drawn before."""

    number: int
    longitude: float
    latitude: float
    note: str


class ItemOut(_Model):
    """All that may be shown of an item."""

    number: int
    item_id: str
    longitude: float
    latitude: float
    square_m: float
    facts: dict[str, str | bool | int | float]
    decision: OwnOut | None
    points: list[DrawnOut]
    others: list[OwnOut]


class FeatureOut(_Model):
    """Something that is mapped, in pixels of the picture."""

    layer: str
    word: str
    lines: list[list[tuple[float, float]]]


class SceneOut(_Model):
    """The pictures of an item in one period, and where things lie in them, in pixels."""

    period: str
    days: str
    n_scenes: int | None
    level: str
    credit: str
    size_px: tuple[int, int]
    resolution_m: float
    seen: float
    corners: list[tuple[float, float]]
    point: tuple[float, float]
    square: tuple[float, float, float, float]
    rings: list[list[tuple[float, float]]]
    features: list[FeatureOut]
    pictures: dict[Combination, str]


class PairOut(_Model):
    """How far two reviewers agree."""

    reviewer: str
    other: str
    n_both: int
    n_same: int
    kappa: float | None
    n_both_last: int
    n_same_last: int
    n_conflicts: int


class ProgressOut(_Model):
    """How far a review is."""

    n_items: int
    reviewers: dict[str, dict[Verdict, int]]
    n_points: int
    last: SavedOut | None
    agreement: list[PairOut]


class ErrorOut(BaseModel):
    """Why a request was refused."""

    detail: str


def responses(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Say which refusals a route can give."""
    return {code: {"model": ErrorOut} for code in (401, 403, 413, 421, 422, *codes)}
