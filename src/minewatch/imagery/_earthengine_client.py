"""One patient connection to Earth Engine: credentials, bounded concurrency, retries with an end."""

import logging
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from minewatch.errors import CredentialsError, ImageryError, MissingExtraError
from minewatch.imagery._earthengine_access import (
    Access,
    Transport,
    find_credentials,
)
from minewatch.imagery._earthengine_graph import Expression
from minewatch.types import Settings

MAX_CONCURRENCY: Final = 40
"""Requests that Earth Engine lets one project have under way at a time."""
MAX_WORDS: Final = 300

Kind: TypeAlias = Literal["again", "too big", "not allowed", "refused"]
Answer = TypeVar("Answer")
logger = logging.getLogger(__name__)

_LIMIT_WORDS: Final = re.compile(
    r"user memory limit|out of memory|computation timed out|total request size"
    r"|must be less than or equal to",
    re.IGNORECASE,
)
_BUSY_WORDS: Final = re.compile(
    r"too many|quota|rate.?limit|capacity exceeded|internal error|try again|unavailable"
    r"|deadline exceeded|backend",
    re.IGNORECASE,
)
_ACCESS_WORDS: Final = re.compile(
    r"permission|not registered|not signed up|credential|unauthenticated|has not been used"
    r"|no project found|authorize access|invalid_grant|api key",
    re.IGNORECASE,
)
_HOW_TO_GET_ACCESS: Final = (
    "run `earthengine authenticate` and name a Google Cloud project that is registered for Earth "
    "Engine (project=…, or `earthengine set_project`), or give a service account's key file"
)


class TooBigError(Exception):
    """Earth Engine could do this, but not in one request; it is split and never leaves the room."""


@dataclass(frozen=True)
class Verdict:
    """What an answer that is no result means."""

    kind: Kind
    words: str
    """What the server said, in one line."""
    wait_s: float | None = None
    """How long the server asks to be left alone, seconds; None if it says nothing."""


class Patience(Settings):
    """How often, and how long apart, a request is made before it counts as failed."""

    retries: int = Field(default=6, ge=0, le=20)
    """Tries after the first."""
    first_wait_s: float = Field(default=2.0, ge=0)
    """The wait before the second try, seconds; it doubles with each, plus or minus a half."""
    longest_wait_s: float = Field(default=120.0, ge=0)
    """No wait is longer, whatever the server asks for, seconds."""
    seed: int = 0
    """Of the random part of the waits, which keeps many workers from coming back at once."""

    def waits(self, what: str) -> list[float]:
        """Give the waits between the tries of one request, seconds.

        Examples
        --------
        >>> [round(wait, 1) for wait in Patience(retries=4).waits("site-0001")]
        [2.8, 5.2, 7.4, 12.1]
        """
        noise = random.Random(f"{self.seed} {what}")  # noqa: S311  # spreads load, guards nothing
        steps = (self.first_wait_s * 2**step for step in range(self.retries))
        return [min(step * noise.uniform(0.5, 1.5), self.longest_wait_s) for step in steps]


class EarthEngineClient:
    """The only door to Earth Engine.

    Google's client keeps one connection per process; the last one opened is the one in use.

    Parameters
    ----------
    access
        Who asks, and where.
    max_concurrency
        Requests under way at a time, at most 40.
    patience
        How failed requests are repeated.
    timeout_s
        How long one request may take, seconds.
    sleep
        What waits between tries; it takes seconds.
    """

    _open_access: ClassVar[Access | None] = None
    _opening: ClassVar[threading.Lock] = threading.Lock()

    def __init__(
        self,
        access: Access,
        *,
        max_concurrency: int,
        patience: Patience,
        timeout_s: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._access = access
        self._max_concurrency = max_concurrency
        self._patience = patience
        self._timeout_s = timeout_s
        self._sleep = sleep
        self._slots = threading.BoundedSemaphore(max_concurrency)

    def open(self) -> None:
        """Connect, unless that is done.

        Raises
        ------
        MissingExtraError
            If earthengine-api is not installed.
        CredentialsError
            If there are no credentials, no project, or they are refused.
        ImageryError
            If Earth Engine does not answer.
        """
        try:
            import ee
        except ImportError as error:
            raise MissingExtraError(
                "Earth Engine needs earthengine-api: pip install 'minewatch[ee]'"
            ) from error
        with EarthEngineClient._opening:
            if EarthEngineClient._open_access == self._access and ee.data.is_initialized():
                return
            EarthEngineClient._open_access = None
            credentials = find_credentials(self._access)
            self._persist(lambda: self._initialise(credentials), "a connection", splittable=False)
            EarthEngineClient._open_access = self._access

    def value(self, expression: Expression, what: str) -> object:
        """Have a value computed.

        Parameters
        ----------
        expression
            What to compute.
        what
            What it is for, as a person would say it: it stands in errors.

        Raises
        ------
        CredentialsError
            If access is refused.
        ImageryError
            If Earth Engine refuses, or does not answer after every retry.
        """
        import ee

        def ask() -> object:
            return ee.data.computeValue(expression)

        return self._persist(ask, what, splittable=False)

    def pixels(
        self,
        expression: Expression,
        grid: Mapping[str, Any],
        names: list[str],
        what: str,
        *,
        splittable: bool,
    ) -> dict[str, npt.NDArray[np.uint16]]:
        """Have the pixels of an image computed.

        Parameters
        ----------
        expression
            An image whose bands are uint16.
        grid
            Earth Engine's `PixelGrid`.
        names
            The bands that must come back.
        what
            What it is for, as a person would say it: it stands in errors.
        splittable
            Whether the caller can ask for less at a time.

        Returns
        -------
        dict of str to ndarray
            Each band's values (y, x), uint16, of the grid's shape.

        Raises
        ------
        TooBigError
            If Earth Engine cannot do it in one request, and it is splittable.
        CredentialsError
            If access is refused.
        ImageryError
            If Earth Engine refuses, or does not answer after every retry.
        """
        import ee

        request = {"expression": expression, "fileFormat": "NUMPY_NDARRAY", "grid": dict(grid)}
        shape = (grid["dimensions"]["height"], grid["dimensions"]["width"])

        def ask() -> dict[str, npt.NDArray[np.uint16]]:
            return _unpack(ee.data.computePixels(request), names, shape)

        return self._persist(ask, what, splittable=splittable)

    def _initialise(self, credentials: object) -> None:
        import ee

        ee.data.setMaxRetries(0)  # retries are counted here, with waits that a test can see
        ee.Initialize(
            credentials=credentials,
            project=self._access.project,
            url=self._access.url,
            http_transport=Transport(self._max_concurrency, self._timeout_s),
        )

    def _persist(self, ask: Callable[[], Answer], what: str, *, splittable: bool) -> Answer:
        waits = self._patience.waits(what)
        last_words = ""
        for wait_s in (*waits, None):
            outcome = self._try(ask)
            if not isinstance(outcome, Verdict):
                return outcome
            _end_if_final(outcome, what, splittable=splittable)
            last_words = outcome.words
            if wait_s is not None:
                self._wait(wait_s, outcome, what)
        raise ImageryError(
            f"Earth Engine did not answer for {what}, asked {len(waits) + 1} times; "
            f"the last answer: {last_words}"
        )

    def _try(self, ask: Callable[[], Answer]) -> Answer | Verdict:
        from ee.ee_exception import EEException
        from google.auth.exceptions import GoogleAuthError
        from googleapiclient.errors import Error

        try:
            with self._slots:
                return ask()
        except (EEException, Error, GoogleAuthError, OSError, EOFError, ValueError) as error:
            return judge_answer(error)

    def _wait(self, wait_s: float, verdict: Verdict, what: str) -> None:
        if verdict.wait_s is not None:
            wait_s = min(max(wait_s, verdict.wait_s), self._patience.longest_wait_s)
        logger.info("Earth Engine, %s: %s; trying again in %.1f s", what, verdict.words, wait_s)
        self._sleep(wait_s)


def _end_if_final(verdict: Verdict, what: str, *, splittable: bool) -> None:
    if verdict.kind == "too big" and splittable:
        raise TooBigError(verdict.words)
    if verdict.kind == "not allowed":
        raise CredentialsError(
            f"Earth Engine gives no access ({verdict.words}): {_HOW_TO_GET_ACCESS}"
        )
    if verdict.kind == "refused":
        raise ImageryError(f"Earth Engine refused {what}: {verdict.words}")


def judge_answer(error: Exception) -> Verdict:
    """Decide what an error means: try again, ask for less, get access first, or give up.

    A limit on one request (memory, time, size) asks for less. Quotas and faults of the server or
    of the network pass. Everything else would fail again.
    """
    from googleapiclient.errors import HttpError

    answer = error if isinstance(error, HttpError) else error.__context__  # ee keeps only words
    response = answer.resp if isinstance(answer, HttpError) else None
    words = error.reason if isinstance(error, HttpError) else str(error)
    words = " ".join(words.split())[:MAX_WORDS] or type(error).__name__
    status = 0 if response is None else int(response.status)
    asked = "" if response is None else str(response.get("retry-after", ""))
    wait_s = float(asked) if asked.isdigit() else None
    return Verdict(_kind(error, status, words), words, wait_s)


def _kind(error: Exception, status: int, words: str) -> Kind:
    from google.auth.exceptions import GoogleAuthError, TransportError

    if isinstance(error, TransportError):
        return "again"
    if isinstance(error, GoogleAuthError):
        return "not allowed"
    if isinstance(error, OSError | EOFError | ValueError):  # the network, or bytes of no meaning
        return "again"
    if _LIMIT_WORDS.search(words):
        return "too big"
    if status == 429 or status >= 500 or _BUSY_WORDS.search(words):
        return "again"
    if status in (401, 403) or _ACCESS_WORDS.search(words):
        return "not allowed"
    return "refused"


def _unpack(
    answer: npt.NDArray[Any], names: list[str], shape: tuple[int, int]
) -> dict[str, npt.NDArray[np.uint16]]:
    if answer.dtype.names is None or set(names) - set(answer.dtype.names):
        raise ValueError(f"an array of {answer.dtype}, expected bands {', '.join(names)}")
    if answer.shape != shape:
        raise ValueError(f"{answer.shape} pixels came back, {shape} were asked for")
    return {name: answer[name].astype(np.uint16) for name in names}
