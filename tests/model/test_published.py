import hashlib
from contextlib import contextmanager

import numpy as np
import pytest

from minewatch._http import HttpSession, RetryPolicy
from minewatch.errors import AlreadyThereError, FetchError, InputError
from minewatch.model import _published as fetching
from minewatch.model import fetch_detector, load_detector
from minewatch.model._amw import GENERATIONS
from minewatch.model._registry import find_published, published_detectors

NAME = "44px_v2.8"
"""A published detector of which no digest is known here: the digest has to be given."""


@pytest.fixture(scope="module")
def published_file(tmp_path_factory):
    """Give a folder with a Keras file of the shape that `NAME` has: 44 px, 12 bands."""
    from .conftest import make_layer, make_sequential, write_keras

    rng = np.random.default_rng(3)
    layers = [
        make_layer("MaxPooling2D", "p", pool_size=[11, 11]),
        make_layer("Flatten", "f"),
        make_layer("Dense", "d", units=2, activation="softmax"),
    ]
    weights = {"d/kernel:0": rng.normal(size=(192, 2)), "d/bias:0": rng.normal(size=2)}
    folder = tmp_path_factory.mktemp("published")
    return write_keras(folder / "made.h5", make_sequential((44, 44, 12), layers), {"d": weights})


@pytest.fixture
def sha256(published_file):
    return hashlib.sha256(published_file.read_bytes()).hexdigest()


@pytest.fixture
def serve(servers, published_file):
    @contextmanager
    def start(**settings):
        with servers.serve(published_file.parent, servers.ServerSettings(**settings)) as server:
            yield server, f"{server.url}/data/{published_file.name}"

    return start


def _session(attempts=5):
    policy = RetryPolicy(attempts=attempts, read_timeout_s=5, first_wait_s=0, longest_wait_s=0)
    return HttpSession(policy, pause=lambda seconds: None)


def test_a_detector_is_fetched_converted_and_kept(serve, published_file, sha256, tmp_path):
    with serve() as (server, url):
        folder = fetch_detector(NAME, tmp_path / "d", sha256=sha256, url=url, session=_session())
        assert server.counts.bytes_sent == published_file.stat().st_size
    card = load_detector(folder).card
    assert (card.name, card.bands, card.level) == (NAME, GENERATIONS["44px-12"].bands, "L1C")
    assert [(source.url, source.sha256) for source in card.sources] == [(url, sha256)]
    assert card.thresholds["report"].value == 0.8
    assert card.licence == "MIT"


def test_what_is_there_is_not_fetched_again(serve, sha256, tmp_path):
    with serve() as (server, url):
        once = {"sha256": sha256, "url": url, "session": _session()}
        fetch_detector(NAME, tmp_path / "d", **once)
        server.reset_counts()
        assert fetch_detector(NAME, tmp_path / "d", **once) == tmp_path / "d"
        assert server.counts.requests == 0


def test_a_large_file_comes_in_pieces(serve, published_file, sha256, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "PIECE_BYTES", 5_000)
    told = []
    with serve() as (server, url):
        fetch_detector(
            NAME, tmp_path / "d", sha256=sha256, url=url, session=_session(),
            progress=lambda *step: told.append(step),
        )  # fmt: skip
        n_pieces = -(-published_file.stat().st_size // 5_000)
        assert server.counts.requests == n_pieces
    assert told[-1] == ("download", published_file.stat().st_size, published_file.stat().st_size)


@pytest.mark.parametrize("fault", ["reset", "500", "503", "429", "truncated", "garbage"])
def test_a_download_that_breaks_is_mended(serve, sha256, tmp_path, fault):
    with serve(fault_rate=1.0, faults=(fault,), in_a_row=2) as (server, url):
        folder = fetch_detector(NAME, tmp_path / "d", sha256=sha256, url=url, session=_session())
        assert server.counts.faults[fault] == 2
    assert load_detector(folder).card.name == NAME


@pytest.mark.parametrize("fault", ["reset", "500", "truncated", "garbage"])
def test_a_download_that_never_comes_leaves_nothing(serve, sha256, tmp_path, fault):
    with (
        serve(fault_rate=1.0, faults=(fault,), in_a_row=None) as (_, url),
        pytest.raises(FetchError, match="Nothing was kept"),
    ):
        fetch_detector(NAME, tmp_path / "d", sha256=sha256, url=url, session=_session(2))
    assert list(tmp_path.iterdir()) == []


def test_a_file_with_another_digest_is_refused(serve, tmp_path):
    with (
        serve() as (_, url),
        pytest.raises(FetchError, match=r"gave a file with SHA-256 .*, and 0{64} was expected"),
    ):
        fetch_detector(NAME, tmp_path / "d", sha256="0" * 64, url=url, session=_session())
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_there_is_said(serve, sha256, tmp_path):
    with serve() as (_, url), pytest.raises(FetchError, match="HTTP 404"):
        fetch_detector(NAME, tmp_path / "d", sha256=sha256, url=f"{url}x", session=_session())


def test_a_file_that_is_too_large_is_not_downloaded(serve, sha256, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "MAX_BYTES", 10_000)
    monkeypatch.setattr(fetching, "PIECE_BYTES", 1_000)
    with serve() as (server, url), pytest.raises(FetchError, match="that is no detector"):
        fetch_detector(NAME, tmp_path / "d", sha256=sha256, url=url, session=_session())
    assert server.counts.bytes_sent == 1_000


def test_only_the_web_is_asked(sha256, tmp_path):
    with pytest.raises(InputError, match="no web address"):
        fetch_detector(NAME, tmp_path / "d", sha256=sha256, url="file:///etc/passwd")


def test_a_detector_of_unknown_digest_needs_one(tmp_path):
    with pytest.raises(InputError, match=r"no digest of 44px_v2\.8 is known here"):
        fetch_detector(NAME, tmp_path / "d")


@pytest.mark.parametrize("given", ["abc", "g" * 64])
def test_a_digest_has_64_hexadecimal_digits(tmp_path, given):
    with pytest.raises(InputError, match="no SHA-256"):
        fetch_detector(NAME, tmp_path / "d", sha256=given)


def test_a_known_digest_is_not_overruled(tmp_path):
    with pytest.raises(InputError, match="leave it out"):
        fetch_detector("48px_v3.7-a", tmp_path / "d", sha256="0" * 64)


def test_an_unknown_name_lists_those_that_are_known(tmp_path):
    with pytest.raises(InputError, match=r"there are 44px_v2\.6_rgb, "):
        fetch_detector("50px", tmp_path / "d")


def test_another_folder_is_never_replaced(sha256, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(AlreadyThereError):
        fetch_detector(NAME, tmp_path, sha256=sha256, url="http://127.0.0.1:9/x")


def test_every_published_detector_is_of_a_generation_that_is_known():
    names = [one.name for one in published_detectors()]
    assert len(names) == len(set(names))
    assert {one.generation for one in published_detectors()} <= set(GENERATIONS)
    assert find_published(names[0]) is published_detectors()[0]


def test_a_published_detector_is_taken_from_a_state_that_does_not_change():
    for one in published_detectors():
        assert one.urls[0].split("/")[-3] == one.commit
        assert one.urls[1].split("/")[-3] == "main"
