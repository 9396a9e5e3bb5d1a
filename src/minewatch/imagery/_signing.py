"""Links that have to be signed before they can be read, and signed again when that runs out."""

import datetime as dt
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlsplit

from minewatch._http import Answer, BadAnswerError, HttpSession

PLANETARY_COMPUTER: Final = "https://planetarycomputer.microsoft.com/api/sas/v1/token"
"""Where the Planetary Computer gives tokens, to anyone."""
STORAGE: Final = "blob.core.windows.net"
"""Links to this domain are signed."""
RENEW_BEFORE: Final = dt.timedelta(minutes=2)
"""A token this near to its end is not used any more."""


class Signer(Protocol):
    """Whatever signs links. It is used by several threads at once."""

    def sign(self, href: str) -> str:
        """Give the link that can be read."""
        ...

    def renew(self, href: str, denied: str) -> bool:
        """Prepare another signature after a signed link was denied; False if that is no use."""
        ...


class Unsigned:
    """Leaves links as they are."""

    def sign(self, href: str) -> str:
        """Give the link."""
        return href

    def renew(self, href: str, denied: str) -> bool:  # noqa: ARG002  # what is asked of signers
        """Say that there is no other."""
        return False


@dataclass(frozen=True)
class CallableSigner:
    """Signs by a function of the caller's."""

    function: Callable[[str], str]

    def sign(self, href: str) -> str:
        """Give the link that can be read."""
        return self.function(href)

    def renew(self, href: str, denied: str) -> bool:
        """Say whether the function now signs otherwise."""
        return self.function(href) != denied


@dataclass(frozen=True)
class _Token:
    query: str
    expiry: dt.datetime


class PlanetaryComputerSigner:
    """Signs links to the Planetary Computer's storage, each container with a token of its own.

    Parameters
    ----------
    session
        What asks for tokens.
    token_url
        Where they are given; below it account and container.
    storage
        Domain of the links that are signed.
    """

    def __init__(
        self,
        session: HttpSession,
        *,
        token_url: str = PLANETARY_COMPUTER,
        storage: str = STORAGE,
    ) -> None:
        self._session = session
        self._token_url = token_url
        self._storage = storage
        self._tokens: dict[str, _Token] = {}
        self._lock = threading.Lock()

    def sign(self, href: str) -> str:
        """Give the link with a token that is valid for some time yet."""
        container = self._container(href)
        if container is None:
            return href
        return f"{href}{'&' if '?' in href else '?'}{self._token(container).query}"

    def renew(self, href: str, denied: str) -> bool:
        """Ask for another token, unless another thread already did."""
        container = self._container(href)
        if container is None:
            return False
        with self._lock:
            token = self._tokens.get(container)
            if token is not None and denied.endswith(token.query):
                del self._tokens[container]
        return self.sign(href) != denied

    def _token(self, container: str) -> _Token:
        with self._lock:  # all threads wait for the one that asks
            token = self._tokens.get(container)
            if token is None or token.expiry - dt.datetime.now(dt.UTC) < RENEW_BEFORE:
                token = self._session.fetch(f"{self._token_url}/{container}", _read_token)
                self._tokens[container] = token
        return token

    def _container(self, href: str) -> str | None:
        """Give account and container of a link that is to be signed; None for any other."""
        parts = urlsplit(href)
        folder = parts.path.strip("/").partition("/")[0]
        own = f".{parts.netloc}".endswith(f".{self._storage}")
        if not own or "sig=" in parts.query or not folder:
            return None
        return f"{parts.netloc.partition('.')[0]}/{folder}"


def _read_token(answer: Answer) -> _Token:
    try:
        said = json.loads(answer.body)
        expiry = dt.datetime.fromisoformat(said["msft:expiry"])
        token = _Token(
            str(said["token"]), expiry if expiry.tzinfo else expiry.replace(tzinfo=dt.UTC)
        )
    except (ValueError, KeyError, TypeError) as error:
        raise BadAnswerError(f"not a token ({error!r})") from error
    return token
