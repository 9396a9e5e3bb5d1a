"""An Overpass server's answers: what is one, what is a failure, and what a query too large is.

A server reports many failures with the status 200: a remark after half of the elements, or a page
of HTML. None of them may pass for an answer, least of all for an empty one.
"""

import gzip
import html
import io
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from minewatch._http import Answer, BadAnswerError

_TOO_LARGE: Final = re.compile(
    r"Query timed out|Query run out of memory|out of memory|memory limit", re.IGNORECASE
)
_SLOT: Final = re.compile(r"Slot available after: \S+ in (-?\d+) seconds")
_FREE: Final = re.compile(r"(\d+) slots? available now")
_BUSY_WAIT_S: Final = 5.0
_MOST_BYTES: Final = 128 << 20
"""An answer that unpacks to more is too large: its parts are asked for instead."""
_KINDS: Final = frozenset({"node", "way", "relation"})
_LARGEST_ID: Final = 2**63 - 1
_LARGEST_VERSION: Final = 2**31 - 1


class TooLargeError(Exception):
    """The server gave up on a query for its size; parts of it may do."""


@dataclass(frozen=True)
class OsmAnswer:
    """What an Overpass server knows."""

    elements: Sequence[Mapping[str, Any]]
    """Nodes, ways and relations, as the server wrote them."""
    timestamp: str | None
    """State of the data, ISO 8601 in UTC; None if the answer does not say."""


def read_answer(body: bytes) -> OsmAnswer:
    """Read an answer, or say why it is none.

    Raises
    ------
    TooLargeError
        If the server ran out of time or memory.
    BadAnswerError
        If it is a page of HTML, cut off, carries a remark, or holds elements that are not whole.
    """
    if body.lstrip()[:1] == b"<":
        _refuse(f"a page instead of JSON ({_words(body)})")
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadAnswerError(f"the answer is cut off or not JSON ({error})") from error
    if not isinstance(said, dict) or not isinstance(said.get("elements"), list):
        raise BadAnswerError("the answer has no list of elements")
    if said.get("remark"):
        _refuse(f"the server remarks: {said['remark']}")
    for element in said["elements"]:
        _check_element(element)
    header = said.get("osm3s")
    stamp = header.get("timestamp_osm_base") if isinstance(header, dict) else None
    return OsmAnswer(
        [element for element in said["elements"] if element["type"] in _KINDS],
        stamp if isinstance(stamp, str) and stamp else None,
    )


def decode(answer: Answer) -> bytes:
    """Give the body of an answer, unpacked.

    Raises
    ------
    TooLargeError
        If it is larger than any that is read.
    BadAnswerError
        If it was cut off.
    """
    encoding = next(
        (text for name, text in answer.headers.items() if name.lower() == "content-encoding"), ""
    )
    if encoding.strip().lower() not in ("gzip", "x-gzip"):
        return answer.body
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(answer.body)) as packed:
            body = packed.read(_MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise BadAnswerError(f"the answer is cut off ({error})") from error
    if len(body) > _MOST_BYTES:
        raise TooLargeError(f"the answer is larger than {_MOST_BYTES >> 20} MiB")
    return body


def seconds_until_free(status: str) -> float:
    """Read from a server's status how long to wait until it takes a query, seconds.

    Examples
    --------
    >>> seconds_until_free("Slot available after: 2024-05-01T10:00:12Z, in 9 seconds.")
    9.0
    >>> seconds_until_free("Rate limit: 2; 1 slots available now.")
    0.0
    """
    free = _FREE.search(status)
    if "Rate limit: 0" in status or (free and int(free[1]) > 0):
        return 0.0
    waits = [max(float(found), 0.0) for found in _SLOT.findall(status)]
    if waits:
        return min(waits)
    return _BUSY_WAIT_S if "Rate limit:" in status else 0.0


def _refuse(words: str) -> None:
    if _TOO_LARGE.search(words):
        raise TooLargeError(words)
    raise BadAnswerError(words)


def _check_element(element: Any) -> None:
    """Refuse an element that cannot be joined with others and written."""
    if not isinstance(element, dict) or not _is_whole(element.get("id"), _LARGEST_ID):
        raise BadAnswerError("an element has no id")
    kind = str(element.get("type"))
    if kind not in _KINDS:
        return
    name = f"{kind}/{element['id']}"
    if not _is_whole(element.get("version", 0), _LARGEST_VERSION):
        raise BadAnswerError(f"{name} has the version {element['version']!r}")
    if not _are_tags(element.get("tags", {})):
        raise BadAnswerError(f"{name} has tags that are no words")
    if kind == "node":
        for key, most in (("lat", 90.0), ("lon", 180.0)):
            if not _is_degrees(element.get(key), most):
                raise BadAnswerError(f"{name} has no {key} (found {element.get(key)!r})")
    else:
        key, is_one = ("nodes", _is_ref) if kind == "way" else ("members", _is_member)
        listed = element.get(key)
        if not isinstance(listed, list) or not all(map(is_one, listed)):
            raise BadAnswerError(f"{name} has no {key}, or some that are none")


def _is_whole(found: Any, most: int) -> bool:
    return isinstance(found, int) and not isinstance(found, bool) and -most <= found <= most


def _is_degrees(found: Any, most: float) -> bool:
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    return is_number and -most <= found <= most


def _are_tags(found: Any) -> bool:
    return isinstance(found, dict) and all(isinstance(value, str) for value in found.values())


def _is_ref(found: Any) -> bool:
    return _is_whole(found, _LARGEST_ID)


def _is_member(found: Any) -> bool:
    return (
        isinstance(found, dict)
        and found.get("type") in _KINDS
        and _is_ref(found.get("ref"))
        and isinstance(found.get("role", ""), str)
    )


def _words(page: bytes) -> str:
    """Give what a page of HTML says, in one line."""
    text = page.decode("utf-8", "replace")
    body = text.partition("<body>")[2] or text
    plain = html.unescape(re.sub(r"<[^>]*>", " ", body))
    return " ".join(plain.split())[-200:]
