"""Fetch a published detector: download, check, convert, keep."""

import hashlib
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from minewatch import _store
from minewatch._http import Answer, HttpError, HttpSession, RetryPolicy
from minewatch._progress import Progress, silent
from minewatch.errors import DetectorError, FetchError, InputError, UnsafeError
from minewatch.model._amw import convert_read
from minewatch.model._amw_read import read_keras
from minewatch.model._card import SourceFile
from minewatch.model._onnx import OURS, OnnxDetector, load_detector, save_detector
from minewatch.model._registry import Published, find_published
from minewatch.types import StrPath

MAX_BYTES: Final = 256 << 20
"""No published detector is larger."""
PIECE_BYTES: Final = 4 << 20
_TRIES: Final = 3
_POLICY: Final = RetryPolicy(attempts=5)


def fetch_detector(
    name: str,
    out: StrPath,
    *,
    sha256: str | None = None,
    url: str | None = None,
    session: HttpSession | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> Path:
    """Fetch a published detector by its name and save it as one that runs without TensorFlow.

    The file is downloaded piece by piece, each asked for again if it does not come, and converted
    only if it is, byte for byte, the file whose digest is known. If `out` holds that detector
    already, nothing is asked of the network.

    Parameters
    ----------
    name
        A name of the registry, such as ``48px_v3.2-3.7ensemble``.
    out
        The new folder.
    sha256
        Digest of the file in hexadecimal, for detectors of which none is known here.
    url
        Where else the file lies; None for the makers' repository.
    session
        What asks; None for a new one with five attempts for each piece.
    overwrite
        Replace another detector in `out`.
    progress
        Told of the bytes that came.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        If there is no detector of that name; if its digest is neither known nor given, or is given
        and another is known.
    FetchError
        If the file cannot be had, is too large, or is not the one whose digest was expected.
    AlreadyThereError
        If `out` holds something else.

    Examples
    --------
    >>> fetch_detector("44px_v2.8", "out")
    Traceback (most recent call last):
    minewatch.errors.InputError: no digest of 44px_v2.8 is known here...
    """
    published = find_published(name)
    expected = _expected_digest(published, sha256)
    folder = Path(out)
    if _is_there(folder, expected):
        return folder
    _store.refuse_existing(folder, overwrite=overwrite, ours=OURS)
    urls = published.urls if url is None else (url,)
    place, body = _download(urls, expected, session or HttpSession(_POLICY), progress)
    detector = _convert(published, body, SourceFile(url=place, sha256=expected))
    return save_detector(detector, folder, overwrite=overwrite)


def _expected_digest(published: Published, given: str | None) -> str:
    if given is not None:
        given = given.lower().removeprefix("sha256:")
        if not re.fullmatch(r"[0-9a-f]{64}", given):
            raise InputError(f"{given!r} is no SHA-256; expected 64 hexadecimal digits")
    known = published.sha256
    if known is None and given is None:
        raise InputError(
            f"no digest of {published.name} is known here, so a download could not be checked; "
            f"take {published.file} from a place you trust and give its SHA-256 (--sha256)"
        )
    if known is not None and given is not None and known != given:
        raise InputError(
            f"the digest of {published.name} is {known}, and {given} was given; leave it out"
        )
    return known or given or ""


def _is_there(folder: Path, sha256: str) -> bool:
    if not folder.is_dir():
        return False
    try:
        card = load_detector(folder).card
    except (DetectorError, UnsafeError):
        return False
    return any(source.sha256 == sha256 for source in card.sources)


def _convert(published: Published, body: bytes, source: SourceFile) -> OnnxDetector:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / published.file
        file.write_bytes(body)
        detector = convert_read(read_keras(file), published)
    card = detector.card.model_copy(update={"sources": (source,)})
    return OnnxDetector(card, detector.network)


def _download(
    urls: Sequence[str], sha256: str, session: HttpSession, progress: Progress
) -> tuple[str, bytes]:
    """Try one place after the other; give the place and the bytes."""
    faults = []
    for url in urls:
        if urlsplit(url).scheme not in ("http", "https"):
            raise InputError(f"{url!r} is no web address; expected http:// or https://")
        try:
            return url, _download_checked(url, sha256, session, progress)
        except (HttpError, FetchError) as error:
            faults.append(str(error))
    raise FetchError(
        f"the detector could not be fetched: {'; '.join(faults)}. Nothing was kept; try again, or "
        "convert a file you have (minewatch model convert)"
    )


def _download_checked(url: str, sha256: str, session: HttpSession, progress: Progress) -> bytes:
    """Download a file, and again if it came garbled."""
    found = ""
    for _ in range(_TRIES):
        body = _download_once(url, session, progress)
        found = hashlib.sha256(body).hexdigest()
        if found == sha256:
            return body
    raise FetchError(f"{url} gave a file with SHA-256 {found}, and {sha256} was expected")


def _download_once(url: str, session: HttpSession, progress: Progress) -> bytes:
    pieces: list[bytes] = []
    done, total = 0, 1
    while done < total:
        answer: Answer = session.fetch(url, _whole, byte_range=(done, PIECE_BYTES))
        total = answer.total_bytes or 0
        if not answer.body or total > MAX_BYTES:
            raise FetchError(f"{url} holds {total:,} bytes; that is no detector")
        pieces.append(answer.body)
        done += len(answer.body)
        progress("download", min(done, total), total)
    return b"".join(pieces)


def _whole(answer: Answer) -> Answer:
    return answer
