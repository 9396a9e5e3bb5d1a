"""An Overpass server's answers: what is one, what is a failure, and what a query too large is.

A server reports many failures with the status 200: a remark after half of the elements, or a page
of HTML. None of them may pass for an answer, least of all for an empty one.
"""

import gzip
import html
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
_NEEDS: Final[Mapping[str, Mapping[str, type | tuple[type, ...]]]] = {
    "node": {"lat": (int, float), "lon": (int, float)},
    "way": {"nodes": list},
    "relation": {"members": list},
}
"""What an element of each type must have."""


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
    except ValueError as error:
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
        [element for element in said["elements"] if element["type"] in _NEEDS],
        stamp if isinstance(stamp, str) and stamp else None,
    )


def decode(answer: Answer) -> bytes:
    """Give the body of an answer, unpacked."""
    encoding = next(
        (text for name, text in answer.headers.items() if name.lower() == "content-encoding"), ""
    )
    if encoding != "gzip":
        return answer.body
    try:
        return gzip.decompress(answer.body)
    except (OSError, EOFError, zlib.error) as error:
        raise BadAnswerError(f"the answer is cut off ({error})") from error


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
    if not isinstance(element, dict) or not isinstance(element.get("id"), int):
        raise BadAnswerError("an element has no id")
    kind = str(element.get("type"))
    for key, wanted in _NEEDS.get(kind, {}).items():
        if not isinstance(element.get(key), wanted):
            raise BadAnswerError(f"{kind}/{element['id']} has no {key}")


def _words(page: bytes) -> str:
    """Give what a page of HTML says, in one line."""
    text = page.decode("utf-8", "replace")
    body = text.partition("<body>")[2] or text
    plain = html.unescape(re.sub(r"<[^>]*>", " ", body))
    return " ".join(plain.split())[-200:]
