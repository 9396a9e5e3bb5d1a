"""Questions to STAC APIs: pystac-client over our own session, with our own errors."""

import json
from collections.abc import Mapping
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from minewatch._http import BadAnswerError, HttpSession
from minewatch.errors import ImageryError
from minewatch.imagery._documents import MALFORMED
from minewatch.imagery._links import resolve
from minewatch.imagery._values import mappings

if TYPE_CHECKING:
    from pystac_client import Client

PAGE_ITEMS: Final = 100
"""Items that a search API is asked for at once. (Earth Search fails where an answer exceeds 6 MB,
some 260 items: github.com/Element84/earth-search/issues/60.)"""
MOST_ITEMS: Final = 100_000
"""A search that gives more items than this is taken to go on for ever: ten years of a rectangle of
one degree are some 6,000."""


class SearchClient:
    """A STAC API that is asked for items.

    Parameters
    ----------
    url
        Its root.
    root
        The document there.
    session
        What talks to servers.

    Raises
    ------
    ImageryError
        If it is no API that searches.
    HttpError
        If it does not answer.
    """

    def __init__(self, url: str, root: Mapping[str, Any], session: HttpSession) -> None:
        self._url = url
        methods = [link.get("method") for link in search_links(root)]
        self._method = "POST" if "POST" in methods else "GET"
        try:
            self._client = _open_client(url, session)
        except _client_errors() as error:
            raise self._refusal(error) from error

    def search(
        self, collection: str, bounds: tuple[float, float, float, float], interval: str
    ) -> list[dict[str, Any]]:
        """Give the items of a collection in a rectangle, in degrees, and a period.

        Raises
        ------
        ImageryError
            If its answers are not those of a STAC API.
        HttpError
            If it does not answer.
        """
        try:
            asked = self._client.search(
                collections=[collection],
                bbox=bounds,
                datetime=interval,
                limit=PAGE_ITEMS,
                method=self._method,
            )
            items = list(islice(asked.items_as_dicts(), MOST_ITEMS + 1))
        except _client_errors() as error:
            raise self._refusal(error) from error
        if len(items) > MOST_ITEMS:
            raise ImageryError(
                f"{self._url} gave more than {MOST_ITEMS} items, page after page; ask for less"
            )
        return items

    def _refusal(self, error: Exception) -> ImageryError:
        words = f"{type(error).__name__}: {' '.join(str(error).split())}"
        return ImageryError(f"{self._url} is not a STAC API that can be searched ({words})")


def search_links(root: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Give the links of a root document by which it can be searched."""
    return [link for link in mappings(root.get("links")) if link.get("rel") == "search"]


@lru_cache(maxsize=1)
def _client_errors() -> tuple[type[Exception], ...]:
    """Give what pystac and pystac-client raise on servers that do not keep to the standard."""
    from pystac.errors import STACError, STACTypeError
    from pystac_client.exceptions import APIError, ParametersError
    from pystac_client.warnings import PystacClientWarning

    return (
        APIError,
        NotImplementedError,
        ParametersError,
        PystacClientWarning,
        STACError,
        STACTypeError,
        *MALFORMED,
    )


def _open_client(url: str, session: HttpSession) -> "Client":
    from pystac_client import Client

    answers = _session_io(url, session)
    client = Client.open(url, stac_io=answers)
    answers.pages_only = True
    return client


def _session_io(url: str, session: HttpSession) -> Any:
    from pystac import Link
    from pystac_client.stac_api_io import StacApiIO

    class SessionIO(StacApiIO):
        """Asks by our session instead of its own, and never reads from the disk."""

        pages_only = False

        def read_text(self, source: Any, *args: Any, **how: Any) -> str:
            if isinstance(source, Link):
                return super().read_text(source, *args, **how)
            return self.request(str(source), *args, **how)

        def request(
            self,
            href: str,
            method: str | None = None,
            headers: dict[str, str] | None = None,  # noqa: ARG002  # none are needed
            parameters: dict[str, Any] | None = None,
        ) -> str:
            href = resolve(href, url)
            is_root = href.rstrip("/") == url.rstrip("/")  # the client may look there once more
            check = _check_page if self.pages_only and not is_root else _check_object
            post = None
            if (method or "GET").upper() == "POST":
                post = parameters or {}
            elif query := urlencode(parameters or {}, doseq=True):
                href = f"{href}{'&' if '?' in href else '?'}{query}"
            return json.dumps(session.fetch_json(href, post=post, check=check))

    return SessionIO()


def _check_object(answer: object) -> None:
    if not isinstance(answer, Mapping):
        raise BadAnswerError(f"the answer is a JSON {type(answer).__name__}, expected an object")


def _check_page(answer: object) -> None:
    _check_object(answer)
    features = answer.get("features") if isinstance(answer, Mapping) else None
    if not isinstance(features, list) or len(mappings(features)) < len(features):
        raise BadAnswerError("the answer to a search is not a list of items (FeatureCollection)")
