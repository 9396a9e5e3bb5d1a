"""Who is let in: the right host, the same origin, a token, and no more bytes than a decision takes.

A page of another site that is open in the same browser can send requests to this machine. It cannot
read our page, nor set our header without being asked about it first (CORS), nor bear our host name:
the three are checked before a request reaches anything else.

References
----------
OWASP, Cross-Site Request Forgery Prevention Cheat Sheet (custom request headers; origin), and
RFC 9110, section 7.4 (rejecting misdirected requests).
"""

import ipaddress
import json
import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, Self, TypeAlias

from pydantic import Field, model_validator

from minewatch.maps.review._words import MOST_NAME
from minewatch.types import Settings

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]

TOKEN_HEADER: Final = "X-Minewatch-Token"  # noqa: S105 - a name, no secret
SHORTEST_TOKEN: Final = 16
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_HOST: Final = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::\d{1,5})?")
_SAFE: Final = frozenset({"GET", "HEAD"})
SECURITY_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


class DeskSettings(Settings):
    """Where a desk is served, and to whom.

    Examples
    --------
    >>> DeskSettings().is_loopback
    True
    >>> DeskSettings(host="0.0.0.0")
    Traceback (most recent call last):
    minewatch.errors.SettingsError: DeskSettings: host is '0.0.0.0', which other machines reach;
    give a token of your own (token=…, the variable MINEWATCH_REVIEW_TOKEN), or stay on 127.0.0.1
    """

    host: str = "127.0.0.1"
    """Address to listen at."""
    port: int = Field(default=8642, ge=0, le=65_535)
    """0: any that is free."""
    token: str | None = Field(default=None, min_length=SHORTEST_TOKEN, max_length=200)
    """What every request has to bear. None: made anew for each run, on this machine alone."""
    allowed_hosts: tuple[str, ...] = ()
    """Names by which other machines call this one, beside `host`."""
    reviewer: str = Field(default="", max_length=MOST_NAME)
    """Name that the page suggests to who opens it first."""
    max_body_bytes: int = Field(default=65_536, ge=1_024, le=10_000_000)
    """Larger requests are refused."""

    @model_validator(mode="after")
    def _others_need_a_token(self) -> Self:
        if not self.is_loopback and self.token is None:
            raise ValueError(
                f"host is {self.host!r}, which other machines reach; give a token of your own "
                "(token=…, the variable MINEWATCH_REVIEW_TOKEN), or stay on 127.0.0.1"
            )
        if self.token is not None and not (self.token.isascii() and self.token.isprintable()):
            raise ValueError("the token holds letters that no header can; use plain ones")
        return self

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def is_called(self, header: str) -> bool:
        """Say whether a Host header names this server: a name from elsewhere may be rebound."""
        found = _HOST.fullmatch(header)
        if found is None:
            return False
        name = (found["six"] or found["name"]).lower().rstrip(".")
        named = {self.host.lower(), *(one.lower() for one in self.allowed_hosts)}
        if name in named or (self.is_loopback and name in _LOOPBACK):
            return True
        return self.host in ("0.0.0.0", "::") and _is_address(name)  # noqa: S104 - compared only


def _is_address(name: str) -> bool:
    """Say whether a host is a number: no one can make a number of theirs mean another machine."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class Guard:
    """Lets requests through to an application, or refuses them with a reason.

    Parameters
    ----------
    app
        The application behind it.
    settings
        Who is let in.
    token
        What requests have to bear, unless their path is public.
    public
        Paths that anyone on this machine may read: they hold no data.
    """

    def __init__(
        self, app: Application, *, settings: DeskSettings, token: str, public: frozenset[str]
    ) -> None:
        self._app, self._settings, self._token = app, settings, token.encode()
        self._public = public

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        guarded = _with_headers(send)
        refusal = self._refuse(scope)
        body = b""
        if refusal is None:
            read = await self._read(scope, receive)
            if read is None:
                limit = self._settings.max_body_bytes
                refusal = 413, f"the request is larger than {limit} bytes"
            else:
                body = read
        if refusal is not None:
            await _answer(guarded, *refusal)
            return
        await self._app(scope, _replay(body, receive), guarded)

    def _refuse(self, scope: Message) -> tuple[int, str] | None:
        hosts = _header(scope, b"host")
        if len(hosts) != 1 or not self._settings.is_called(hosts[0]):
            return 421, "this desk is not called by that name; open the address that it printed"
        if scope["path"] in self._public and scope["method"] in _SAFE:
            return None  # a link from anywhere may lead here; there is nothing to read
        origins, sites = _header(scope, b"origin"), _header(scope, b"sec-fetch-site")
        if any(origin.partition("://")[2] != hosts[0] for origin in origins):
            return 403, "the request comes from another page"
        allowed = {"same-origin", "none"} if scope["method"] in _SAFE else {"same-origin"}
        if any(site not in allowed for site in sites):
            return 403, "the request comes from another page"
        tokens = _header(scope, TOKEN_HEADER.lower().encode())
        if len(tokens) != 1 or not secrets.compare_digest(tokens[0].encode(), self._token):
            return 401, "the token is missing or old; open the address that the desk printed"
        return None

    async def _read(self, scope: Message, receive: Receive) -> bytes | None:
        """Read the whole body, for it is small; None if it is not."""
        most = self._settings.max_body_bytes
        said = _header(scope, b"content-length")
        if any(not (one.isascii() and one.isdigit()) or int(one) > most for one in said):
            return None
        parts, size, more = list[bytes](), 0, True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                break
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > most:
                return None
            more = message.get("more_body", False)
        return b"".join(parts)


def _header(scope: Message, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]


def _replay(body: bytes, receive: Receive) -> Receive:
    left = [body]

    async def again() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
        return await receive()

    return again


def _with_headers(send: Send) -> Send:
    own = [(name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *own]}
        await send(message)

    return sending


async def _answer(send: Send, status: int, detail: str) -> None:
    body = json.dumps({"detail": detail}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        *([(b"www-authenticate", b"Token")] if status == 401 else []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
