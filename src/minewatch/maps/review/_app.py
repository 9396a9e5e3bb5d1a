"""The desk as an application: what the page asks for, and what it sends."""

import logging
import math
import sqlite3
from collections.abc import Mapping
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
from minewatch.maps.review._desk import (
    Desk,
    confirm,
    describe,
    list_items,
    show_item,
    show_scene,
    tell_progress,
    what_was_shown,
)
from minewatch.maps.review._guard import TOKEN_HEADER, Application, DeskSettings, Guard
from minewatch.maps.review._pictures import Combination
from minewatch.maps.review._said import Decision, Point
from minewatch.maps.review._tables import StoredItem

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
_FARTHEST_DEGREES: Final = 0.25
"""A mine that is drawn lies in the picture; this is farther than any picture reaches."""


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
        return describe(desk)

    @router.get("/items", responses=models.responses())
    def items(reviewer: _Reviewer, *, compare: bool = False) -> list[models.BriefOut]:
        return list_items(desk, desk.store.spell(reviewer), compare=compare)

    @router.get("/items/{number}", responses=models.responses(404))
    def item(number: models.Number, reviewer: _Reviewer) -> models.ItemOut:
        return show_item(desk, desk.find(number), desk.store.spell(reviewer))

    @router.get("/items/{number}/scenes/{period}", responses=models.responses(404, 503))
    async def scene(number: models.Number, period: models.Period) -> models.SceneOut:
        def show() -> models.SceneOut:
            name, drawn = desk.drawn(number, period)
            return show_scene(desk, desk.find(number), name, drawn)

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
    def progress(reviewer: _Reviewer, *, compare: bool = False) -> models.ProgressOut:
        return tell_progress(desk, desk.store.spell(reviewer), compare=compare)

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
            shown=what_was_shown(desk, sent.shown),
        )
        return confirm(desk, desk.store.decide(decision))

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
            shown=what_was_shown(desk, sent.shown),
        )
        return confirm(desk, desk.store.draw(point))

    @router.post("/undo", responses=refusals)
    def undo(sent: models.UndoIn) -> models.SavedOut:
        return confirm(desk, desk.store.undo(sent.reviewer, sent.number))

    return router


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
