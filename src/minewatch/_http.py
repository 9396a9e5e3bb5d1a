"""One polite session: its name said, time-outs on everything, bounded retries, answers checked.

An answer counts only once it was checked: whoever asks gives a function that turns the answer into
what is wanted and raises `BadAnswerError` where it cannot be. So an answer that is cut off, garbled
or unfitting is asked for again just as a failed one is, and every request ends after a known number
of attempts.
"""

import datetime as dt
import email.utils
import json
import logging
import random
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from pydantic import Field

from minewatch.types import Settings

if TYPE_CHECKING:
    import urllib3

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

TRANSIENT_STATUS: Final = frozenset({408, 409, 420, 425, 429, 500, 502, 503, 504, 509, 520, 522})
"""HTTP status codes after which the same request may succeed."""
DENIED_STATUS: Final = frozenset({401, 403})
"""HTTP status codes that a new signature may cure."""
_PIECE_BYTES: Final = 1 << 20
_MAX_WHOLE_BYTES: Final = 64 << 20
"""Whole documents, and whole files sent instead of the part that was asked, are read up to this
size."""


class HttpError(Exception):
    """A server did not give what was asked, and asking again is over."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        permanent: bool = False,
        damaged: bool = False,
        oversized: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.permanent = permanent
        """Whether asking later is of no use either: the server said so."""
        self.damaged = damaged
        """Whether answers came, but most of them were not what was asked, at every attempt."""
        self.oversized = oversized
        """Whether the answer to what was sent is larger than any that is read."""


class BadAnswerError(ValueError):
    """An answer that came whole but is not what was asked: asked for again."""


class OversizeError(BadAnswerError):
    """An answer larger than any that is read; what was sent to get it is not sent again."""


class RetryPolicy(Settings):
    """How long to wait for an answer, and how often to ask again.

    The wait before attempt *n* is drawn evenly from 0 to ``first_wait_s × 2ⁿ⁻¹`` (full jitter),
    never more than ``longest_wait_s``; a server that asks for more in ``Retry-After`` gets it, but
    never more than ``longest_asked_wait_s``.
    """

    attempts: int = Field(default=12, ge=1)
    """Requests for one answer, the first included."""
    connect_timeout_s: float = Field(default=10.0, gt=0)
    """Longest wait for a connection, seconds."""
    read_timeout_s: float = Field(default=30.0, gt=0)
    """Longest silence of a server, seconds."""
    answer_timeout_s: float = Field(default=180.0, gt=0)
    """Longest time for one whole answer, seconds; looked at after every megabyte."""
    first_wait_s: float = Field(default=0.25, ge=0)
    """Upper limit of the first wait, seconds."""
    longest_wait_s: float = Field(default=20.0, ge=0)
    """Upper limit of a wait that no server asks for, seconds."""
    longest_asked_wait_s: float = Field(default=120.0, ge=0)
    """Upper limit of a wait that a server asks for, seconds."""
    patience: int = Field(default=48, ge=1)
    """After this many failed attempts in a row, whatever was asked, a server is taken to be down:
    until it answers again, each request is tried once."""


@dataclass(frozen=True)
class Answer:
    """What a server sent."""

    body: bytes
    """The bytes that were asked for."""
    total_bytes: int | None
    """Size of the whole file; None if it was not said."""
    headers: Mapping[str, str]


@dataclass
class Traffic:
    """What a session has asked for and got."""

    requests: int = 0
    """Requests sent, retries included."""
    retries: int = 0
    """Requests sent again."""
    received_bytes: int = 0
    """Bytes of bodies received."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, *, requests: int = 0, retries: int = 0, received_bytes: int = 0) -> None:
        """Count."""
        with self._lock:
            self.requests += requests
            self.retries += retries
            self.received_bytes += received_bytes


_NAME_ATTEMPTS: Final = 3
"""How often a server is asked whose name is not known."""


class HttpSession:
    """A pool of connections that asks again, with an end.

    Parameters
    ----------
    policy
        Time-outs and retries.
    connections
        Connections kept open to one server.
    seed
        Of the jitter of the waits; results never depend on it.
    pause
        Waits for some seconds; None for a wait that `close` ends.
    """

    def __init__(
        self,
        policy: RetryPolicy | None = None,
        *,
        connections: int = 32,
        seed: int = 0,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        self.policy = policy or RetryPolicy()
        self.traffic = Traffic()
        self._connections = connections
        self._seed = seed
        self._stopped = threading.Event()
        self._pause = pause
        self._pools: dict[str | None, urllib3.PoolManager] = {}
        self._failures: dict[str, int] = {}
        self._lock = threading.Lock()

    def fetch(
        self,
        url: str | Callable[[], str],
        check: Callable[[Answer], Result],
        *,
        byte_range: tuple[int, int] | None = None,
        post: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        renew: Callable[[], bool] | None = None,
    ) -> Result:
        """Ask until an answer passes its check.

        Parameters
        ----------
        url
            Where; a function is called before each attempt (signed links).
        check
            Turns the answer into the result; raises `BadAnswerError` if it is not what was asked.
        byte_range
            First byte and number of bytes; None for the whole file.
        post
            A body to send, JSON unless `headers` says otherwise; None for GET.
        headers
            More to say, or other than is said by default. Who asks for an encoding decodes it.
        renew
            Called where the server denies access; True if asking again may help.

        Raises
        ------
        HttpError
            After the last attempt, or at once if the server's word is final.
        """
        stopped = self._stopped
        pause = self._pause or stopped.wait
        address = url if callable(url) else lambda: url
        last: _FailedAttempt | None = None
        tried = n_bad = 0
        while tried < self._most_attempts(last) and not (last and self._is_down(last.host)):
            if last is not None:
                self.traffic.add(retries=1)
                pause(self._wait_s(tried, last))
            if stopped.is_set():
                raise HttpError("the session was closed")
            tried += 1
            try:
                return self._attempt(address(), check, byte_range, post, headers or {})
            except _FailedAttempt as failed:
                last = failed
                n_bad += failed.bad_answer
                logger.debug("attempt %d: %s", tried, failed)
                renewed = failed.status in DENIED_STATUS and renew is not None and renew()
                if failed.permanent and not renewed:
                    raise HttpError(str(failed), status=failed.status, permanent=True) from failed
                if failed.oversized and post is not None:
                    raise HttpError(str(failed), oversized=True) from failed
        status = None if last is None else last.status
        damaged = tried == self.policy.attempts and 2 * n_bad >= tried
        words = f"{last} ({tried} attempts)"
        raise HttpError(words, status=status, damaged=damaged) from last

    def fetch_json(
        self,
        url: str,
        *,
        post: Mapping[str, Any] | None = None,
        check: Callable[[object], None] | None = None,
    ) -> Any:
        """Ask for a JSON document, by GET or by sending one, until it passes a check, if any."""
        body = None if post is None else json.dumps(post, sort_keys=True).encode()

        def read(answer: Answer) -> Any:
            document = _read_json(answer)
            if check is not None:
                check(document)
            return document

        return self.fetch(url, read, post=body)

    def close(self) -> None:
        """End every wait, with an error, and close idle connections. It may be used again."""
        stopped, self._stopped = self._stopped, threading.Event()
        stopped.set()
        for pool in self._pools.values():
            pool.clear()

    def _attempt(
        self,
        url: str,
        check: Callable[[Answer], Result],
        byte_range: tuple[int, int] | None,
        post: bytes | None,
        more: Mapping[str, str],
    ) -> Result:
        scheme, host, *_ = urlsplit(url)
        if scheme not in ("http", "https"):
            words = f"{_plain(url)} is not an address of a server, http:// or https://"
            raise _FailedAttempt(words, host, permanent=True)
        try:
            result = check(self._ask(url, byte_range, post, more))
        except BadAnswerError as error:
            self._note(host, ok=False)
            oversized = isinstance(error, OversizeError)
            words = f"{_plain(url)}: {error}"
            raise _FailedAttempt(words, host, bad_answer=True, oversized=oversized) from error
        except _FailedAttempt as failed:
            self._note(host, ok=failed.permanent)
            raise
        self._note(host, ok=True)
        return result

    def _ask(
        self,
        url: str,
        byte_range: tuple[int, int] | None,
        post: bytes | None,
        more: Mapping[str, str],
    ) -> Answer:
        import urllib3

        host = urlsplit(url).netloc
        headers = {"User-Agent": _user_agent(), "Accept-Encoding": "identity"}
        if byte_range is not None:
            headers["Range"] = f"bytes={byte_range[0]}-{byte_range[0] + byte_range[1] - 1}"
        if post is not None:
            headers["Content-Type"] = "application/json"
        self.traffic.add(requests=1)
        try:
            response = self._pool(url).request(
                "GET" if post is None else "POST",
                url,
                body=post,
                headers=headers | dict(more),
                preload_content=False,
                retries=_redirects_only(),
            )
            try:
                _check_status(response, url, byte_range)
                body = self._read_body(response, _most_bytes(response.status, byte_range))
            finally:
                _give_back(response)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            permanent = "CERTIFICATE_VERIFY_FAILED" in str(error)
            cause = getattr(error, "reason", error)
            nameless = isinstance(cause, urllib3.exceptions.NameResolutionError)
            reason = f"nobody knows {host}; is this machine online?" if nameless else _reason(error)
            words = f"{_plain(url)}: {reason}"
            raise _FailedAttempt(words, host, permanent=permanent, nameless=nameless) from error
        self.traffic.add(received_bytes=len(body))
        return _cut_to_range(response.status, dict(response.headers), body, byte_range)

    def _most_attempts(self, last: "_FailedAttempt | None") -> int:
        """Say how often to ask: a name that nobody knows is seldom known a minute later."""
        most = self.policy.attempts
        return min(most, _NAME_ATTEMPTS) if last is not None and last.nameless else most

    def _read_body(self, response: "urllib3.BaseHTTPResponse", most_bytes: int) -> bytes:
        """Read a body piece by piece, so that no answer goes on for ever or fills the memory."""
        end = time.monotonic() + self.policy.answer_timeout_s
        said = response.headers.get("Content-Length", "")
        if said.isdecimal() and int(said) > most_bytes:
            raise OversizeError(f"{said} bytes, expected at most {most_bytes}")
        pieces, n_bytes = [], 0
        for piece in response.stream(min(_PIECE_BYTES, most_bytes + 1), decode_content=False):
            pieces.append(piece)
            n_bytes += len(piece)
            if n_bytes > most_bytes:
                raise OversizeError(f"more than {most_bytes} bytes, expected at most that")
            if time.monotonic() > end:
                raise TimeoutError(f"no whole answer in {self.policy.answer_timeout_s:g} s")
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _pool(self, url: str) -> "urllib3.PoolManager":
        import urllib3

        proxy = _proxy_of(*urlsplit(url)[:2])
        with self._lock:
            if proxy not in self._pools:
                timeout = urllib3.Timeout(
                    connect=self.policy.connect_timeout_s, read=self.policy.read_timeout_s
                )
                options: dict[str, Any] = {"maxsize": self._connections, "timeout": timeout}
                self._pools[proxy] = (
                    urllib3.PoolManager(**options)
                    if proxy is None
                    else urllib3.ProxyManager(proxy, **options)
                )
            return self._pools[proxy]

    def _note(self, host: str, *, ok: bool) -> None:
        with self._lock:
            self._failures[host] = 0 if ok else self._failures.get(host, 0) + 1

    def _is_down(self, host: str) -> bool:
        return self._failures.get(host, 0) >= self.policy.patience

    def _wait_s(self, attempt: int, last: "_FailedAttempt") -> float:
        limit = min(self.policy.first_wait_s * 2.0 ** (attempt - 1), self.policy.longest_wait_s)
        own = random.Random(f"{self._seed} {last} {attempt}").uniform(0.0, limit)  # noqa: S311
        # "Retry-After: 0", or a date that is past, does not mean: ask without end, at once.
        return max(own, min(last.retry_after_s or 0.0, self.policy.longest_asked_wait_s))


class _FailedAttempt(Exception):  # noqa: N818  # never leaves this file
    """One request that failed."""

    def __init__(
        self,
        message: str,
        host: str,
        *,
        status: int | None = None,
        permanent: bool = False,
        retry_after_s: float | None = None,
        bad_answer: bool = False,
        oversized: bool = False,
        nameless: bool = False,
    ) -> None:
        super().__init__(message)
        self.host = host
        self.nameless = nameless
        self.bad_answer = bad_answer
        self.oversized = oversized
        self.status = status
        self.permanent = permanent
        self.retry_after_s = retry_after_s


def _check_status(
    response: "urllib3.BaseHTTPResponse", url: str, byte_range: tuple[int, int] | None
) -> None:
    status = response.status
    if url.startswith("https://") and str(response.url).startswith("http://"):
        words = f"{_plain(url)} leads on to {_plain(str(response.url))}, which anyone may alter"
        raise _FailedAttempt(words, urlsplit(url).netloc, permanent=True)
    if status == (200 if byte_range is None else 206):
        return
    size = response.headers.get("Content-Length", "")
    if status == 200 and size.isdecimal() and int(size) <= _MAX_WHOLE_BYTES:
        return
    words = f"{_plain(url)}: HTTP {status} {response.reason or ''}".rstrip()
    if status == 200:
        words = f"{_plain(url)}: the server does not serve parts of files"
    # An unsatisfiable range may come from garbled offsets, which are then read again.
    transient = status in TRANSIENT_STATUS or status == 416
    raise _FailedAttempt(
        words,
        urlsplit(url).netloc,
        status=status,
        permanent=not transient,
        retry_after_s=_retry_after_s(response.headers.get("Retry-After")),
    )


def _most_bytes(status: int, byte_range: tuple[int, int] | None) -> int:
    return _MAX_WHOLE_BYTES if byte_range is None or status != 206 else byte_range[1]


def _give_back(response: "urllib3.BaseHTTPResponse") -> None:
    """Keep the connection if its answer was read to the end or soon can be, else close it."""
    left = response.length_remaining
    if left is not None and left <= _PIECE_BYTES and response.status >= 400:
        response.drain_conn()  # an empty body, too, has to be read
    if response.length_remaining == 0:
        response.release_conn()
    else:
        response.close()


@lru_cache(maxsize=1)
def _redirects_only() -> "urllib3.Retry":
    import urllib3

    return urllib3.Retry(
        connect=0, read=0, other=0, status=0, redirect=5, respect_retry_after_header=False
    )


def _cut_to_range(
    status: int, headers: Mapping[str, str], body: bytes, byte_range: tuple[int, int] | None
) -> Answer:
    if byte_range is None:
        return Answer(body, len(body), headers)
    start, length = byte_range
    if status == 200:
        return Answer(body[start : start + length], len(body), headers)
    said = next((text for name, text in headers.items() if name.lower() == "content-range"), "")
    first, last, total = _parse_content_range(said)
    expected = start + length - 1 if total is None else min(start + length, total) - 1
    if (first, last) != (start, expected) or len(body) != last - first + 1:
        raise BadAnswerError(
            f"asked for bytes {start} to {start + length - 1}, got {len(body)} as {said!r}"
        )
    return Answer(body, total, headers)


def _parse_content_range(said: str) -> tuple[int, int, int | None]:
    try:
        span, _, total = said.removeprefix("bytes ").partition("/")
        first, _, last = span.partition("-")
        return int(first), int(last), None if total.strip() == "*" else int(total)
    except ValueError as error:
        raise BadAnswerError(f"Content-Range is {said!r}") from error


def _retry_after_s(said: str | None) -> float | None:
    """Read Retry-After: seconds or a date."""
    if not said:
        return None
    if said.strip().isdecimal():
        return float(said)
    try:
        when = email.utils.parsedate_to_datetime(said)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=dt.UTC)
    return max((when - dt.datetime.now(dt.UTC)).total_seconds(), 0.0)


def _read_json(answer: Answer) -> Any:
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise BadAnswerError(f"the answer is not JSON ({error})") from error


def _plain(url: str) -> str:
    """Give a link without its query: signatures do not belong into messages."""
    return url.partition("?")[0]


def _reason(error: Exception) -> str:
    cause = getattr(error, "reason", None)
    words = str(cause if isinstance(cause, Exception) else error) or type(error).__name__
    return words.rpartition(": ")[2] if "object at 0x" in words or "Pool(" in words else words


@lru_cache(maxsize=256)
def _proxy_of(scheme: str, host: str) -> str | None:
    if urllib.request.proxy_bypass(host.partition(":")[0]):
        return None
    return urllib.request.getproxies().get(scheme)


@lru_cache(maxsize=1)
def _user_agent() -> str:
    from minewatch import __version__

    return f"minewatch/{__version__}"
