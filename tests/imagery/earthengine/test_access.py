"""Who may ask Earth Engine: tokens, stored credentials, service accounts, projects."""

import builtins
import json
from pathlib import Path
from typing import Any

import pytest

from minewatch.errors import CredentialsError, ImageryError, MissingExtraError, NotThereError
from minewatch.grid import PatchGrid
from minewatch.imagery import SceneQuery
from minewatch.imagery._earthengine import EarthEngineSource

QUERY = SceneQuery(start="2023-01-01", end="2023-12-31", bands="B04")


def in_turn(*replies: Any, method: str) -> Any:
    """Answer the requests of a method with these, and then honestly."""
    left = list(replies)
    return lambda asked, _body: left.pop(0) if asked == method and left else None


def authorizations(earth_engine: Any) -> set[str]:
    return {headers["authorization"] for _, _, headers in earth_engine.asked}


def test_the_project_and_the_token_go_with_every_request(
    earth_engine: Any, open_source: Any
) -> None:
    open_source().load(earth_engine.place, QUERY)
    assert len(earth_engine.asked) == 2
    for method, _, headers in earth_engine.asked:
        assert headers["path"].startswith("/v1/projects/a-project/")
        assert headers["path"].split("?")[0].endswith(f":{method}")
        assert headers["authorization"] == "Bearer a-token"


def test_access_refused_says_how_to_get_it(earth_engine: Any, open_source: Any) -> None:
    message = "Caller does not have required permission to use project a-project."
    earth_engine.fault = in_turn(earth_engine.reply(403, message), method="compute")
    source = open_source()
    with pytest.raises(CredentialsError, match="earthengine authenticate") as caught:
        source.load(earth_engine.place, QUERY)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert source.waits == []


def test_an_earth_engine_that_is_away_ends_with_an_error_and_not_with_failures(
    earth_engine: Any, open_source: Any
) -> None:
    earth_engine.fault = in_turn(*[earth_engine.reply(503, "away")] * 9, method="discovery")
    with pytest.raises(ImageryError, match="a connection, asked 3 times"):
        list(open_source(retries=2).load_many({"a": earth_engine.place}, QUERY))


def test_no_credentials_is_one_clear_line(
    earth_engine: Any, open_source: Any, bare_home: Path
) -> None:
    source = open_source(credentials=None)
    with pytest.raises(CredentialsError, match="run `earthengine authenticate`") as caught:
        source.load(earth_engine.place, QUERY)
    assert "\n" not in str(caught.value)
    assert source.waits == []


def test_no_project_is_one_clear_line(earth_engine: Any) -> None:
    from google.oauth2.credentials import Credentials

    source = EarthEngineSource(credentials=Credentials("a-token"), url=earth_engine.url)
    with pytest.raises(CredentialsError, match="name a Google Cloud project") as caught:
        source.load(earth_engine.place, QUERY)
    assert "\n" not in str(caught.value)


def test_a_service_accounts_key_is_looked_at_before_anything_is_asked(
    earth_engine: Any, tmp_path: Path
) -> None:
    missing = EarthEngineSource("p", service_account=tmp_path / "no.json", url=earth_engine.url)
    with pytest.raises(NotThereError, match=r"no\.json"):
        missing.load(earth_engine.place, QUERY)
    (tmp_path / "key.json").write_text('{"type": "nothing"}', encoding="utf-8")
    broken = EarthEngineSource("p", service_account=tmp_path / "key.json", url=earth_engine.url)
    with pytest.raises(CredentialsError, match="no service account's key"):
        broken.load(earth_engine.place, QUERY)
    assert earth_engine.asked == []


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "ee":
            raise ImportError(name)
        return honest(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"pip install 'minewatch\[ee\]'"):
        EarthEngineSource("p").load(PatchGrid().geobox(-62.6, 5.4), QUERY)


def test_a_token_that_ran_out_is_renewed_as_after_earthengine_authenticate(
    earth_engine: Any, open_source: Any
) -> None:
    from google.oauth2.credentials import Credentials

    stored = Credentials(
        None,
        refresh_token="kept",  # noqa: S106  # opens nothing
        token_uri=f"{earth_engine.url}/token",
        client_id="minewatch",
        client_secret="none",  # noqa: S106
    )
    open_source(credentials=stored).load(earth_engine.place, QUERY)
    assert [asked["refresh_token"] for asked in earth_engine.tokens] == ["kept"]
    assert authorizations(earth_engine) == {"Bearer a-fresh-token"}


def test_a_service_account_signs_for_its_token(
    earth_engine: Any, open_source: Any, key_file: Path
) -> None:
    source = open_source(credentials=None, service_account=key_file)
    source.load(earth_engine.place, QUERY)
    assert earth_engine.tokens[0]["grant_type"].endswith("jwt-bearer")
    assert authorizations(earth_engine) == {"Bearer a-fresh-token"}


def test_a_service_account_in_the_environment_is_used_with_its_purpose(
    earth_engine: Any, open_source: Any, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import base64

    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key_file))
    open_source(credentials=None).load(earth_engine.place, QUERY)
    claims = earth_engine.tokens[0]["assertion"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert "https://www.googleapis.com/auth/earthengine" in claims["scope"].split()
    assert authorizations(earth_engine) == {"Bearer a-fresh-token"}
