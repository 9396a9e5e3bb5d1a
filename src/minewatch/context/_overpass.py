"""Map features from an Overpass server: asked for politely, part by part, complete or not at all.

Every part is asked for the same state of the data, one at a time, when the server has a place for
it. An answer counts once it was checked, and is kept on disk until all are there; then they are
joined by id and written as one extract, which is read as any other file.

References
----------
Overpass API: https://wiki.openstreetmap.org/wiki/Overpass_API/Overpass_QL, and its rules of use,
https://dev.overpass-api.de/overpass-doc/en/preface/commons.html.
"""

import json
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from shapely.geometry.base import BaseGeometry

from minewatch._http import Answer, BadAnswerError, HttpError, HttpSession, RetryPolicy
from minewatch._progress import Progress, silent
from minewatch._store import digest_bytes, digest_value, write_json, write_text, writing_file
from minewatch.context._layers import Layer
from minewatch.context._overpass_answer import (
    OsmAnswer,
    TooLargeError,
    decode,
    read_answer,
    seconds_until_free,
)
from minewatch.context._overpass_join import Fetched, join_answers
from minewatch.context._overpass_parts import Part, plan_parts
from minewatch.context._overpass_query import STATE_QUERY, write_query
from minewatch.context._patience import Patience, patient_session
from minewatch.errors import ContextError
from minewatch.types import Settings

logger = logging.getLogger(__name__)

PUBLIC_SERVER: Final = "https://overpass-api.de/api"
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")
_HEADERS: Final = {
    "Content-Type": "application/x-www-form-urlencoded",
    "Accept-Encoding": "gzip",
}
PLAN_FILE: Final = "plan.json"
_OR_A_REGION: Final = (
    'take a region\'s extract (--region venezuela; in study.toml source = "venezuela")'
)
_DEAF: Final = 4
"""A server that could not be reached so often in a row is not waited for any longer."""


class OverpassSource(Settings):
    """A server to ask, and how to treat it.

    Examples
    --------
    >>> OverpassSource(date="2023-12-31T00:00:00Z").url
    'https://overpass-api.de/api'
    """

    url: str = PUBLIC_SERVER
    """The address above ``/interpreter`` and ``/status``."""
    date: str | None = None
    """State of the data that is asked for: ``2023-12-31T00:00:00Z``, UTC. None: the newest that the
    server has when the fetch begins, the same for all parts. ``newest``: for each part the newest
    when it is asked for, for servers without history; parts may then differ by what was mapped
    meanwhile."""
    timeout_s: int = Field(default=180, ge=1)
    """After how many seconds the server gives a query up."""
    memory_mib: int = Field(default=512, ge=1)
    """After how much memory it does, MiB."""
    max_area_km2: float = Field(default=2_500.0, gt=0)
    """Largest box that is asked for at once, square kilometres."""
    max_parts: int = Field(default=1_000, ge=1)
    """An area that takes more requests is refused: a region's extract serves it better."""
    max_splits: int = Field(default=4, ge=0)
    """How often a part that the server finds too large is split into four."""
    pause_s: float = Field(default=1.0, ge=0)
    """Wait between two requests, seconds."""
    retry: RetryPolicy = RetryPolicy(
        attempts=8,
        read_timeout_s=60.0,
        answer_timeout_s=900.0,
        first_wait_s=5.0,
        longest_wait_s=120.0,
    )
    """How often to ask again, and how long to wait. A silent server is waited for as long as its
    own time-out, whatever is said here. One that asks for a longer wait than
    ``longest_asked_wait_s`` is not asked earlier: the fetch ends, and says when to go on."""

    @field_validator("url")
    @classmethod
    def _has_no_program(cls, url: str) -> str:
        if urlsplit(url).scheme not in ("http", "https"):
            raise ValueError(f"{url!r} is no address; expected one such as {PUBLIC_SERVER}")
        return url.rstrip("/").removesuffix("/interpreter")

    @field_validator("date")
    @classmethod
    def _is_a_state(cls, date: str | None) -> str | None:
        if date is not None and date != "newest" and not _DATE.fullmatch(date):
            raise ValueError(f"{date!r} is no state; expected 2023-12-31T00:00:00Z, or newest")
        return date


def fetch_overpass(
    area: BaseGeometry,
    layers: Sequence[Layer],
    source: OverpassSource,
    folder: Path,
    out: Path,
    *,
    progress: Progress = silent,
) -> Fetched:
    """Ask a server for all that lies in an area, and write it as one ``.osm.pbf``.

    Parameters
    ----------
    area
        Polygon or multipolygon, EPSG:4326.
    layers
        What is wanted; what names the target is asked for too.
    source
        The server.
    folder
        Where answers are kept until all are there. Those found in it, of the same request, are not
        asked for again.
    out
        The extract.
    progress
        Told of parts.

    Raises
    ------
    ContextError
        If a part does not come. Answers that came are kept.
    InputError
        If the area takes too many parts.
    """
    parts = plan_parts(area, max_area_km2=source.max_area_km2, max_parts=source.max_parts)
    server = _Server(source)
    date = _settle_date(server, source, _digest(parts, layers, source), folder)
    desk = _Desk(server, layers, date, folder)
    files = list(desk.collect(parts, progress))
    answers = (_read_kept(file) for file in files)
    with writing_file(out) as aside:
        counts, states = join_answers(answers, aside)
    traffic = server.session.traffic
    return Fetched(
        date,
        tuple(states),
        len(files),
        traffic.requests,
        traffic.received_bytes,
        counts,
        is_of_past=source.date not in (None, "newest"),
    )


class _Server:
    """One server, asked one thing at a time."""

    def __init__(self, source: OverpassSource) -> None:
        self.source = source
        silence_s = max(source.retry.read_timeout_s, source.timeout_s + 30.0)
        self.patience = Patience(source.retry)
        self.session = patient_session(source.retry, self.patience, read_timeout_s=silence_s)
        self._status = HttpSession(
            source.retry.model_copy(update={"attempts": 1, "read_timeout_s": 10.0}), connections=1
        )
        self._deaf = 0

    def ask(self, query: str, *, not_before: str | None = None) -> tuple[bytes, OsmAnswer]:
        """Ask, and check the answer: it must be whole, and name a state of the data."""

        def check(answer: Answer) -> tuple[bytes, OsmAnswer]:
            self._deaf = 0
            body = decode(answer)
            read = read_answer(body)
            if read.timestamp is None:
                raise BadAnswerError("the answer does not say which state of the data it shows")
            if not_before is not None and read.timestamp < not_before:
                raise BadAnswerError(
                    f"the server's data ends at {read.timestamp}, before {not_before}"
                )
            return body, read

        try:
            return self.session.fetch(self._when_free, check, post=query.encode(), headers=_HEADERS)
        except HttpError as error:
            if error.oversized:
                raise TooLargeError(str(error)) from error
            raise

    def pause(self) -> None:
        """Leave the server alone for a moment."""
        if self.source.pause_s > 0:
            self.patience.wait(self.source.pause_s)

    def _when_free(self) -> str:
        """Give the address once the server says that it takes a query; called before each try."""
        try:
            text = self._status.fetch(f"{self.source.url}/status", lambda answer: answer.body)
        except HttpError as error:
            logger.debug("the server does not tell its status: %s", error)
            self._deaf = self._deaf + 1 if error.status is None else 0
            if self._deaf >= _DEAF:
                raise
            return f"{self.source.url}/interpreter"
        wait_s = seconds_until_free(text.decode("utf-8", "replace"))
        if wait_s > 0:
            logger.info("waiting %.0f s for a place at %s", wait_s, self.source.url)
            self.patience(wait_s)
        return f"{self.source.url}/interpreter"


@dataclass
class _Desk:
    """Where the answers of all parts are collected."""

    server: _Server
    layers: Sequence[Layer]
    date: str | None
    folder: Path

    def collect(self, parts: Sequence[Part], progress: Progress) -> Iterator[Path]:
        """Give the file of every part's answer; those that are not there are asked for."""
        waiting = [(part, 0) for part in reversed(parts)]
        done, total, asked = 0, len(parts), False
        progress("fetch map data", done, total)
        while waiting:
            part, splits = waiting.pop()
            query = self._query(part)
            file = self.folder / f"{_key(query)}.json"
            too_large = file.with_suffix(".split")
            if not file.exists() and not too_large.exists():
                if asked:
                    self.server.pause()
                asked = True
                try:
                    self._fetch(part, query, file, splits)
                except TooLargeError as error:
                    write_text(too_large, f"{error}\n")
            if too_large.exists():
                smaller = part.quarters()
                waiting.extend((quarter, splits + 1) for quarter in reversed(smaller))
                total += len(smaller) - 1
                continue
            done += 1
            yield file
            progress("fetch map data", done, total)

    def _query(self, part: Part) -> str:
        source = self.server.source
        return write_query(
            part,
            self.layers,
            date=self.date,
            timeout_s=source.timeout_s,
            memory_mib=source.memory_mib,
        )

    def _fetch(self, part: Part, query: str, file: Path, splits: int) -> None:
        """Ask for one part; raise TooLargeError where its quarters are to be asked for."""
        try:
            body, _ = self.server.ask(query, not_before=self.date)
        except TooLargeError as error:
            if splits < self.server.source.max_splits:
                raise
            raise self._give_up(
                part, f"even a part of {part.area_km2:.1f} km² is: {error}"
            ) from error
        except HttpError as error:
            # A gateway may have cut a long query off. If it was the server itself that is down,
            # the first quarter ends the fetch.
            if error.status == 504 and splits < min(1, self.server.source.max_splits):
                raise TooLargeError(str(error)) from error
            raise self._give_up(part, str(error)) from error
        with writing_file(file) as aside:
            aside.write_bytes(body)

    def _give_up(self, part: Part, reason: str) -> ContextError:
        kept = sum(1 for _ in self.folder.glob("*.json")) - 1
        box = ",".join(f"{edge:g}" for edge in part.bounds)
        return ContextError(
            f"no map data for {box} from {self.server.source.url}: {reason}. {kept} parts that "
            f"came are kept; run the same again to go on, or {_OR_A_REGION}"
        )


def _settle_date(server: _Server, source: OverpassSource, request: str, folder: Path) -> str | None:
    """Decide on the state to ask for, once for a request, and note it for the next run."""
    plan = folder / PLAN_FILE
    noted = _read_plan(plan)
    if noted.get("request") == request:
        date = noted.get("date")
        return None if date is None else str(date)
    folder.mkdir(parents=True, exist_ok=True)
    for file in (*folder.glob("*.json"), *folder.glob("*.split")):
        file.unlink()
    date = source.date
    if date is None:
        try:
            date = server.ask(STATE_QUERY)[1].timestamp
        except (HttpError, TooLargeError) as error:
            raise ContextError(
                f"no map data from {source.url}: {error}; try later, or {_OR_A_REGION}"
            ) from error
    date = None if date == "newest" else date
    write_json(plan, {"request": request, "date": date})
    return date


def _read_kept(file: Path) -> OsmAnswer:
    try:
        return read_answer(file.read_bytes())
    except (BadAnswerError, TooLargeError) as error:
        file.unlink()
        raise ContextError(
            f"{file} was damaged since it came ({error}); it is removed: run the same again"
        ) from error


def _read_plan(plan: Path) -> dict[str, Any]:
    try:
        noted = json.loads(plan.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _digest(parts: Sequence[Part], layers: Sequence[Layer], source: OverpassSource) -> str:
    """Name a request: the same boxes, tags and date; another server may go on with it."""
    return digest_value(
        {
            "parts": [part.bounds for part in parts],
            "layers": [layer.model_dump(mode="json", exclude={"why"}) for layer in layers],
            "date": source.date,
        }
    )


def _key(query: str) -> str:
    return digest_bytes(query.encode()).removeprefix("sha256:")[:16]
