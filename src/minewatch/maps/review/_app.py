"""The desk as an application: what the page asks for, and what it sends."""

import logging
import math
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, FastAPI, HTTPException, Query, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import APIKeyHeader

from minewatch import __version__
from minewatch.errors import InputError, MinewatchError, one_line
from minewatch.maps.review import _models as models
from minewatch.maps.review._agreement import measure_agreement
from minewatch.maps.review._ground import Surroundings, lay_out
from minewatch.maps.review._guard import TOKEN_HEADER, Application, DeskSettings, Guard
from minewatch.maps.review._pictures import COMBINATIONS, FULL_COLOUR, Album, Combination, Drawn
from minewatch.maps.review._said import Decision, Point, Saved, check_name
from minewatch.maps.review._store import ReviewStore, StoredItem
from minewatch.maps.review._words import LABELS, REASONS, Kind, Verdict

logger = logging.getLogger(__name__)

_PAGE: Final = Path(__file__).parent / "page"
_PICTURES_WAITING: Final = 16
"""Pictures that are drawn, or waited for, at a time."""
_ASSETS: Final[Mapping[str, tuple[str, str]]] = {
    "/": ("desk.html", "text/html; charset=utf-8"),
    "/assets/desk.css": ("desk.css", "text/css; charset=utf-8"),
    "/assets/desk.js": ("desk.js", "text/javascript; charset=utf-8"),
    "/assets/cards.js": ("cards.js", "text/javascript; charset=utf-8"),
    "/assets/stage.js": ("stage.js", "text/javascript; charset=utf-8"),
    "/assets/state.js": ("state.js", "text/javascript; charset=utf-8"),
    "/assets/view.js": ("view.js", "text/javascript; charset=utf-8"),
    "/assets/talk.js": ("talk.js", "text/javascript; charset=utf-8"),
    "/assets/words.js": ("words.js", "text/javascript; charset=utf-8"),
    "/assets/strings.json": ("strings.json", "application/json"),
    "/assets/icon.svg": ("icon.svg", "image/svg+xml"),
}
"""Everything that is served from disk: paths of requests are looked up here, never joined."""
PUBLIC: Final = frozenset(_ASSETS)
_SCORES: Final = ("score_max", "score", "score_mean", "probability")
_FARTHEST_DEGREES: Final = 0.25
"""A mine that is drawn lies in the picture; this is farther than any picture reaches."""


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


def make_app(desk: Desk, *, settings: DeskSettings, token: str) -> Application:
    """Make the application, guarded.

    Parameters
    ----------
    desk
        What is reviewed.
    settings
        Who is let in.
    token
        What every request for data has to bear, in the header ``X-Minewatch-Token``.

    Returns
    -------
    Application
        An ASGI application.
    """
    app = FastAPI(
        title="minewatch review",
        version=__version__,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    for path, (name, kind) in _ASSETS.items():
        app.add_api_route(path, _asset(name, kind), include_in_schema=False)
    app.include_router(_reading(desk))
    app.include_router(_writing(desk))
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(MinewatchError, _refused)
    app.add_exception_handler(sqlite3.Error, _not_saved)
    return Guard(app, settings=settings, token=token, public=PUBLIC)


def _asset(name: str, kind: str) -> Any:
    content = (_PAGE / name).read_bytes()

    def serve() -> Response:
        return Response(content, headers={"content-type": kind})

    return serve


def _router() -> APIRouter:
    key = APIKeyHeader(name=TOKEN_HEADER, auto_error=False)  # the guard asks for it; this says so
    return APIRouter(prefix="/api", dependencies=[Security(key)])


_Reviewer = Annotated[str, Query(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]+$")]


def _reading(desk: Desk) -> APIRouter:
    """Give the routes that only read."""
    router = _router()
    waiting = CapacityLimiter(_PICTURES_WAITING)  # their own threads: no decision waits for them

    @router.get("/review", responses=models.responses())
    def review() -> models.DeskOut:
        return _describe(desk)

    @router.get("/items", responses=models.responses())
    def items(reviewer: _Reviewer) -> list[models.BriefOut]:
        return _list(desk, check_name(reviewer))

    @router.get("/items/{number}", responses=models.responses(404))
    def item(number: models.Number, reviewer: _Reviewer) -> models.ItemOut:
        return _item(desk, desk.find(number), check_name(reviewer))

    @router.get("/items/{number}/scenes/{period}", responses=models.responses(404, 503))
    async def scene(number: models.Number, period: models.Period) -> models.SceneOut:
        def show() -> models.SceneOut:
            name, drawn = desk.drawn(number, period)
            return _scene(desk, desk.find(number), name, drawn)

        return await to_thread.run_sync(show, limiter=waiting)

    @router.get(
        "/items/{number}/scenes/{period}/{combination}",
        response_class=Response,
        responses={**models.responses(404, 503), 200: {"content": {"image/png": {}}}},
    )
    async def picture(
        number: models.Number, period: models.Period, combination: Combination
    ) -> Response:
        _, drawn = await to_thread.run_sync(desk.drawn, number, period, limiter=waiting)
        png = drawn.pictures.get(combination)
        if png is None:
            raise HTTPException(404, f"the bands of this imagery show no {combination}")
        return Response(png, media_type="image/png")

    @router.get("/progress", responses=models.responses())
    def progress(reviewer: _Reviewer) -> models.ProgressOut:
        return _progress(desk, check_name(reviewer))

    return router


def _writing(desk: Desk) -> APIRouter:
    """Give the routes that write; each answers when what it was sent is on disk."""
    router = _router()
    refusals = models.responses(400, 404, 415, 503)

    @router.post("/decisions", status_code=201, responses=refusals)
    def decide(sent: models.DecisionIn) -> models.SavedOut:
        stored = desk.find(sent.number, sent.item_id)
        decision = Decision(
            uid=sent.uid,
            item_id=stored.item.item_id,
            verdict=sent.verdict,
            reviewer=sent.reviewer,
            reason=sent.reason,
            note=sent.note,
            shown=_shown(desk, sent.shown),
        )
        return _saved(desk, desk.store.decide(decision))

    @router.post("/points", status_code=201, responses=refusals)
    def draw(sent: models.PointIn) -> models.SavedOut:
        stored = desk.find(sent.number, sent.item_id)
        _check_near(stored, sent.longitude, sent.latitude)
        point = Point(
            uid=sent.uid,
            item_id=stored.item.item_id,
            longitude=sent.longitude,
            latitude=sent.latitude,
            reviewer=sent.reviewer,
            note=sent.note,
            shown=_shown(desk, sent.shown),
        )
        return _saved(desk, desk.store.draw(point))

    @router.post("/undo", responses=refusals)
    def undo(sent: models.UndoIn) -> models.SavedOut:
        return _saved(desk, desk.store.undo(sent.reviewer, sent.number))

    return router


def _describe(desk: Desk) -> models.DeskOut:
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


def _list(desk: Desk, reviewer: str) -> list[models.BriefOut]:
    said: dict[str, list[tuple[str, Verdict, Any]]] = {}
    for item_id, who, verdict, reason in desk.store.current():
        said.setdefault(item_id, []).append((who, verdict, reason))
    return [_brief(one, said.get(one.item.item_id, []), reviewer) for one in desk.items]


def _brief(
    stored: StoredItem, said: Sequence[tuple[str, Verdict, Any]], reviewer: str
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
        is_conflict=own is not None and own[0] != "skip" and len(votes) > 1,
    )


def _number(value: Any) -> float | None:
    is_one = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_one else None


def _item(desk: Desk, stored: StoredItem, reviewer: str) -> models.ItemOut:
    table = desk.store.decisions(item_id=stored.item.item_id)
    held = table[table["undone_at"].isna()].drop_duplicates("reviewer", keep="last")
    rows = {str(row["reviewer"]): _own(number, row) for number, row in held.iterrows()}
    own = rows.pop(reviewer, None)
    points = desk.store.points(item_id=stored.item.item_id)
    mine = points[points["undone_at"].isna() & (points["reviewer"] == reviewer)]
    may_see = own is not None and own.verdict != "skip"
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
        others=list(rows.values()) if may_see else [],
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


def _scene(desk: Desk, stored: StoredItem, period: str, drawn: Drawn) -> models.SceneOut:
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
        corners=list(layout.corners),
        point=layout.point,
        square=layout.square,
        rings=[list(ring) for ring in layout.rings],
        features=[models.FeatureOut(**one) for one in mapped],
        pictures=dict(drawn.digests),
    )


def _progress(desk: Desk, reviewer: str) -> models.ProgressOut:
    counts: dict[str, dict[Verdict, int]] = {}
    for item_id, who, verdict, _ in desk.store.current():
        if item_id in desk.numbers:
            own = counts.setdefault(who, {})
            own[verdict] = own.get(verdict, 0) + 1
    points = desk.store.points()
    last = desk.store.last(reviewer)
    pairs = measure_agreement(desk.store.decisions()).to_dict("records")
    return models.ProgressOut(
        n_items=len(desk.items),
        reviewers=counts,
        n_points=int(points["undone_at"].isna().sum()),
        last=None if last is None or last.item_id not in desk.numbers else _saved(desk, last),
        agreement=[
            models.PairOut.model_validate({**one, "kappa": _number(one["kappa"])}) for one in pairs
        ],
    )


def _shown(desk: Desk, shown: models.Shown) -> dict[str, Any]:
    return {**shown.model_dump(mode="json"), "is_blind": desk.is_blind, "minewatch": __version__}


def _saved(desk: Desk, saved: Saved) -> models.SavedOut:
    return models.SavedOut(
        number=saved.number,
        item=desk.numbers.get(saved.item_id, 0),
        decided_at=saved.decided_at,
        is_new=saved.is_new,
    )


def _check_near(stored: StoredItem, longitude: float, latitude: float) -> None:
    apart = abs((longitude - stored.item.longitude + 180.0) % 360.0 - 180.0)
    shrunk = apart * math.cos(math.radians(stored.item.latitude))
    if max(shrunk, abs(latitude - stored.item.latitude)) > _FARTHEST_DEGREES:
        raise InputError(
            f"the point {longitude:.5f}, {latitude:.5f} lies far outside the picture of "
            f"{stored.item.item_id}; draw it where it is seen"
        )


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    """Say what is wrong with a request, without giving back what it held."""
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    said = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in faults[:10]]
    text = "; ".join(said).encode("ascii", "backslashreplace").decode("ascii")
    return JSONResponse({"detail": text[:2_000]}, 422)


async def _refused(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": one_line(error)}, 422 if isinstance(error, InputError) else 503)


async def _not_saved(_: Request, error: Exception) -> JSONResponse:
    logger.error("the store cannot be used: %s", error)
    return JSONResponse({"detail": f"nothing was saved: {one_line(error)}"}, 503)
