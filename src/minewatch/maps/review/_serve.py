"""A desk as a server: one process, one store, until it is stopped."""

import getpass
import secrets
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from minewatch import _store
from minewatch.errors import InputError, LockedError, MissingExtraError
from minewatch.maps.review._guard import DeskSettings
from minewatch.maps.review._pictures import Album, PictureSource
from minewatch.maps.review._queue import Queue
from minewatch.maps.review._store import ReviewStore
from minewatch.types import StrPath

if TYPE_CHECKING:
    import uvicorn

    from minewatch.context import Features
    from minewatch.maps.review._guard import Application

__all__ = ["DeskSettings", "serve_review"]

_MOST_AT_ONCE: Final = 64
_LARGEST_HEAD: Final = 16_384


def serve_review(
    queue: Queue,
    store: StrPath,
    pictures: Sequence[PictureSource] = (),
    *,
    settings: DeskSettings | None = None,
    features: "Features | None" = None,
    tell: Callable[[str], None] | None = None,
) -> None:
    """Serve the review desk until it is stopped (Ctrl+C).

    Every decision is in the store before the page says so; whoever is killed, the server or the
    browser, goes on where it was. One server at a time holds a store.

    Parameters
    ----------
    queue
        What is reviewed.
    store
        Where decisions go, a ``.gpkg``; what it holds of this queue is gone on with.
    pictures
        Where pictures come from: of each place and period the first that has one.
    settings
        Where it is served; None: on this machine alone.
    features
        What is mapped, to draw over the pictures.
    tell
        Called with the address to open, once it answers. The address bears the token: who knows it
        can decide.

    Raises
    ------
    MissingExtraError
        If FastAPI or uvicorn is not installed.
    InputError, LockedError
        If the address cannot be listened at, or another desk has the store.
    """
    check_extra()
    from minewatch.maps.review._app import make_app
    from minewatch.maps.review._desk import Desk
    from minewatch.maps.review._ground import Surroundings

    chosen = settings or DeskSettings()
    token = chosen.token or secrets.token_urlsafe(24)
    with _listen(chosen) as listening, _alone(store), ReviewStore(store) as opened:
        opened.take_up(queue)
        desk = Desk.of(
            opened,
            Album(pictures),
            reviewer=chosen.reviewer or _user(),
            is_blind=queue.is_blind,
            surroundings=(
                None if features is None else Surroundings(features, targets=not queue.is_blind)
            ),
        )
        app = make_app(desk, settings=chosen, token=token)
        _run(app, listening, lambda: tell and tell(address(chosen, listening, token)))


@contextmanager
def _alone(store: StrPath) -> Iterator[None]:
    """Hold a store, so that no other desk opens it."""
    with ExitStack() as held:
        try:
            held.enter_context(_store.locked(store))
        except LockedError as error:
            raise LockedError(
                f"a desk is open on {store} already; go to its address, or end it with Ctrl+C "
                "where it was started"
            ) from error
        yield


def check_extra() -> None:
    """Raise MissingExtraError if the web server is not installed."""
    try:
        import fastapi  # noqa: F401 - looked for only
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            "the review desk needs FastAPI and uvicorn, which are not installed: "
            "pip install 'minewatch[review]'"
        ) from error


def address(settings: DeskSettings, listening: socket.socket, token: str) -> str:
    """Give the address to open; what is after # is not sent, and stands in no log."""
    port = listening.getsockname()[1]
    any_of = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - as hosts are written
    host = settings.host
    if host in any_of:
        host = next(iter(settings.allowed_hosts), any_of[host])
    named = f"[{host}]" if ":" in host else host
    return f"http://{named}:{port}/#token={token}"


def _listen(settings: DeskSettings) -> socket.socket:
    try:
        family, kind, proto, _, where = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, proto)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(where)
    except OSError as error:
        raise InputError(
            f"{settings.host}:{settings.port} cannot be listened at ({error.strerror or error}); "
            "give another port (port=…, --port; 0 takes any)"
        ) from error
    listening.listen(_MOST_AT_ONCE)
    return listening


def _run(app: "Application", listening: socket.socket, tell: Callable[[], object]) -> None:
    # It listens already: who opens the address before the server runs waits for it.
    tell()
    make_server(app).run(sockets=[listening])


def make_server(app: "Application") -> "uvicorn.Server":
    """Give the server of a desk: it reads small requests, and writes no log of who asked what."""
    import uvicorn

    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_MOST_AT_ONCE,
        h11_max_incomplete_event_size=_LARGEST_HEAD,
        timeout_graceful_shutdown=2,
    )
    return uvicorn.Server(config)


def _user() -> str:
    """Name who runs this, as the machine knows them; "" where it does not."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""
