"""Who asks Earth Engine, where, and over which connections."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from minewatch.errors import CredentialsError, NotThereError

HIGH_VOLUME_URL: Final = "https://earthengine-highvolume.googleapis.com"
"""The address for many small requests at a time."""


@dataclass(frozen=True)
class Access:
    """Who asks, and where."""

    project: str | None
    """Google Cloud project that pays; None for the one stored with the credentials."""
    credentials: Any | None
    """Credentials of google-auth; None for stored ones."""
    service_account: str | None
    """Path of a service account's key (JSON); None for none."""
    url: str


def find_credentials(access: Access) -> object:
    """Give what Google's client takes as credentials; nothing is asked of a server.

    A service account's key that the environment names (``GOOGLE_APPLICATION_CREDENTIALS``) is taken
    unless `earthengine authenticate` was run: Google's client would leave out what it is for.

    Raises
    ------
    NotThereError
        If the service account's key does not exist.
    CredentialsError
        If it is no key.
    """
    if access.credentials is not None:
        return access.credentials
    key = access.service_account or _key_of_environment()
    if key is None:
        return "persistent"
    import ee

    try:
        return ee.ServiceAccountCredentials(None, key_file=key)
    except FileNotFoundError as error:
        raise NotThereError(f"no service account's key at {key}") from error
    except (ValueError, KeyError) as error:
        raise CredentialsError(f"{key} is no service account's key (JSON): {error}") from error


def _key_of_environment() -> str | None:
    import ee

    key = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    if not key or Path(ee.oauth.get_credentials_path()).exists():
        return None
    try:
        content = json.loads(Path(key).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # Google's client says what is wrong with it
    is_key = isinstance(content, dict) and content.get("type") == "service_account"
    return key if is_key else None


class Transport:
    """Carries the requests of Google's client over as many kept connections as it has workers.

    Its own default keeps ten, and makes and drops the others anew for every request.
    """

    def __init__(self, n_connections: int, timeout_s: float) -> None:
        import requests
        from requests.adapters import HTTPAdapter

        self._session = requests.Session()
        self._session.mount("https://", HTTPAdapter(pool_maxsize=n_connections))
        self._session.mount("http://", HTTPAdapter(pool_maxsize=n_connections))
        self._timeout_s = timeout_s

    def request(  # httplib2's signature, which Google's client calls
        self,
        uri: str,
        method: str = "GET",
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        redirections: int | None = None,
        connection_type: type | None = None,
    ) -> tuple[Any, bytes]:
        """Make one request; faults of the network come as ConnectionError."""
        import httplib2
        import requests

        del redirections, connection_type  # of httplib2; they have no meaning here
        try:
            answer = self._session.request(
                method, uri, data=body, headers=headers, timeout=self._timeout_s
            )
        except requests.exceptions.RequestException as error:
            raise ConnectionError(f"{type(error).__name__}: {error}") from error
        return httplib2.Response({**answer.headers, "status": answer.status_code}), answer.content
