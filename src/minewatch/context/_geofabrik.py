"""Extracts of whole regions: which one to download, and the download, resumable and verified.

Geofabrik publishes extracts of OpenStreetMap by country, renewed daily, each with its MD5 checksum
beside it (https://download.geofabrik.de/technical.html).
"""

import difflib
import hashlib
import json
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import field_validator

from minewatch._http import Answer, BadAnswerError, HttpError, HttpSession, RetryPolicy
from minewatch._progress import Progress, silent
from minewatch._store import locked, write_json, write_text
from minewatch.context._border import border_name, parse_border
from minewatch.context._patience import Patience, patient_session
from minewatch.errors import ContextError, InputError
from minewatch.types import Settings

logger = logging.getLogger(__name__)

GEOFABRIK: Final = "https://download.geofabrik.de"
_INDEX: Final = "index-v1-nogeom.json"
_PIECE_BYTES: Final = 8 << 20
_RESTARTS: Final = 3
_EXTRACT: Final = re.compile(r"(-latest)?\.osm\.pbf$")
_PATH: Final = re.compile(r"[a-z0-9-]+(?:/[a-z0-9-]+)*")
_MD5: Final = re.compile(r"([0-9a-fA-F]{32})\b")

REGIONS: Final[dict[str, str]] = {
    name: f"{folder}/{name}"
    for folder, names in {
        "south-america": (
            "bolivia brazil chile colombia ecuador guyana paraguay peru suriname venezuela"
        ),
        "central-america": "costa-rica guatemala honduras nicaragua panama",
        "africa": (
            "angola benin burkina-faso burundi cameroon central-african-republic chad "
            "congo-brazzaville congo-democratic-republic ethiopia gabon ghana guinea guinea-bissau "
            "ivory-coast kenya liberia madagascar mali mauritania mozambique niger nigeria rwanda "
            "senegal-and-gambia sierra-leone south-africa south-sudan sudan tanzania togo uganda "
            "zambia zimbabwe"
        ),
        "asia": "cambodia indonesia kazakhstan kyrgyzstan laos mongolia myanmar philippines",
        "australia-oceania": "papua-new-guinea",
        "europe": "liechtenstein",
    }.items()
    for name in names.split()
} | {
    "french-guiana": "europe/france/guyane",
    "malaysia": "asia/malaysia-singapore-brunei",
}
"""Extracts of countries where gold is mined on a small scale, by name, and a small one to try."""


class RegionSource(Settings):
    """An extract of a region, and where to download it.

    Examples
    --------
    >>> RegionSource(region="venezuela").file_url
    'https://download.geofabrik.de/south-america/venezuela-latest.osm.pbf'
    >>> RegionSource(region="europe/france/guyane").file_name
    'europe-france-guyane-latest.osm.pbf'
    """

    region: str
    """A country by its name in English, or a path such as ``south-america/brazil/norte``."""
    url: str = GEOFABRIK
    """The server: Geofabrik, or a mirror with the same paths."""
    retry: RetryPolicy = RetryPolicy(attempts=6, first_wait_s=1.0, longest_wait_s=60.0)
    """How often to ask again, and how long to wait. A server that asks for a wait of more than
    ``longest_asked_wait_s`` is not asked earlier: the download ends, and goes on later."""

    @field_validator("region")
    @classmethod
    def _is_a_path(cls, region: str) -> str:
        name = region.strip().strip("/").lower().replace(" ", "-").replace("_", "-")
        if not _PATH.fullmatch(name):
            raise ValueError(f"{region!r} names no region; expected venezuela, or a path")
        return name

    @property
    def path(self) -> str | None:
        """The path of the extract; None if only the server's index tells."""
        return self.region if "/" in self.region else REGIONS.get(self.region)

    @property
    def file_url(self) -> str | None:
        """Where the extract lies; None if only the server's index tells."""
        return None if self.path is None else f"{self.url.rstrip('/')}/{self.path}-latest.osm.pbf"

    @property
    def file_name(self) -> str:
        """The name that the extract is kept under: its whole path, for Georgia is two places."""
        return f"{(self.path or self.region).replace('/', '-')}-latest.osm.pbf"


@dataclass(frozen=True)
class _Edition:
    """One day's file: what tells it from the next day's."""

    url: str
    md5: str
    size: int
    mark: str
    """ETag or date of change, as the server says it."""


class _OtherEditionError(Exception):
    """The file changed while it was downloaded."""


def fetch_region(source: RegionSource, folder: Path, *, progress: Progress = silent) -> Path:
    """Download a region's extract, or take the one that is there.

    What was downloaded of the same edition before is kept and gone on from. The file gets its name
    once its checksum was verified; beside it, ``.json`` says where it came from, and ``.poly``
    where it ends, if the server has that. A file that is there is not asked for again: remove it
    for a newer one.

    Parameters
    ----------
    source
        Which region.
    folder
        Where it is kept.
    progress
        Told of bytes.

    Returns
    -------
    pathlib.Path
        The ``.osm.pbf`` file.

    Raises
    ------
    ContextError
        If it cannot be downloaded; the message says what to download by hand.
    InputError
        If there is no such region.
    """
    file = folder / source.file_name
    if file.exists():
        return file
    session = patient_session(source.retry, Patience(source.retry))
    with locked(file):
        url = source.file_url or _look_up(session, source)
        for _ in range(_RESTARTS):
            try:
                edition = _find_edition(session, url)
                _fetch_border(session, url, file)
                _download(session, edition, file, progress)
            except _OtherEditionError:
                continue
            except HttpError as error:
                name = url.rpartition("/")[2]
                raise ContextError(
                    f"{error}. To go on by hand, download {url} and name it (--extract {name}; in "
                    f'study.toml source = "{name}"); {url}.md5 is its checksum, and '
                    f"{_EXTRACT.sub('.poly', url)}, put beside it, its border"
                ) from error
            write_json(file.with_name(f"{file.name}.json"), vars(edition))
            return file
    raise ContextError(
        f"{url} changed {_RESTARTS} times while it was downloaded, or does not fit its checksum "
        f"{url}.md5; try later"
    )


def _find_edition(session: HttpSession, url: str) -> _Edition:
    md5 = session.fetch(f"{url}.md5", _read_md5)
    size, mark = session.fetch(url, _read_edition, byte_range=(0, 1))
    return _Edition(url, md5, size, mark)


def _fetch_border(session: HttpSession, url: str, file: Path) -> None:
    """Download the polygon that an extract was cut by; of a server that has none, go on without.

    What is told of the border then is the box of the file's header.
    """
    border = file.with_name(border_name(file.name))
    border.unlink(missing_ok=True)
    try:
        text = session.fetch(_EXTRACT.sub(".poly", url), _read_border)
    except HttpError as error:
        if not (error.permanent or error.damaged):
            raise
        logger.info("%s has no border: %s", url, error)
    else:
        write_text(border, text)


def _read_border(answer: Answer) -> str:
    try:
        text = answer.body.decode("utf-8")
        parse_border(text)
    except ValueError as error:
        raise BadAnswerError(f"not the border of an extract ({error})") from error
    return text


def _download(session: HttpSession, edition: _Edition, file: Path, progress: Progress) -> None:
    part, note = (file.with_name(f".{file.name}.{end}") for end in ("part", "part.json"))
    if _read_note(note) != vars(edition):
        part.unlink(missing_ok=True)
        write_json(note, vars(edition))
    step = f"download {file.name}"
    with part.open("ab") as grown:
        done = grown.tell()
        progress(step, 0, edition.size)
        while done < edition.size:
            body = session.fetch(
                edition.url,
                lambda answer: _read_piece(answer, edition),
                byte_range=(done, min(_PIECE_BYTES, edition.size - done)),
            )
            grown.write(body)
            done += len(body)
            progress(step, done, edition.size)
    with part.open("rb") as whole:
        found = hashlib.file_digest(whole, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    note.unlink()
    if found != edition.md5:
        part.unlink()
        raise _OtherEditionError
    part.replace(file)


def _read_piece(answer: Answer, edition: _Edition) -> bytes:
    size, mark = _read_edition(answer)
    if (size, mark) != (edition.size, edition.mark):
        raise _OtherEditionError
    if not answer.body:
        raise BadAnswerError("an empty piece")
    return answer.body


def _read_edition(answer: Answer) -> tuple[int, str]:
    if not answer.total_bytes:
        raise BadAnswerError("the server does not say how large the file is")
    said = {name.lower(): text for name, text in answer.headers.items()}
    return answer.total_bytes, said.get("etag") or said.get("last-modified", "")


def _read_md5(answer: Answer) -> str:
    found = _MD5.match(answer.body.decode("ascii", "replace").strip())
    if found is None:
        raise BadAnswerError("not a checksum")
    return found[1].lower()


def _read_note(note: Path) -> Any:
    try:
        return json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _look_up(session: HttpSession, source: RegionSource) -> str:
    """Find a region that is not known by name in the server's own index."""
    address = f"{source.url.rstrip('/')}/{_INDEX}"
    advice = "give its path as the server has it, such as south-america/brazil/norte"
    try:
        regions = session.fetch(address, _read_index)
    except HttpError as error:
        raise InputError(
            f"{source.region!r} is none of the {len(REGIONS)} regions known by name"
            f"{_suggest(source.region, REGIONS)}, and the server's index does not answer "
            f"({error}); {advice}"
        ) from error
    if source.region not in regions:
        near = _suggest(source.region, [*REGIONS, *regions])
        raise InputError(f"{address} lists no region {source.region!r}{near}; {advice}")
    found = regions[source.region]
    if urlsplit(found)[:2] != urlsplit(source.url)[:2]:
        raise InputError(
            f"{address} sends {source.region} to {found}, which is not on that server; give the "
            "region's path, or download the file by hand (--extract)"
        )
    return found


def _suggest(name: str, known: Iterable[str]) -> str:
    """Name the region that was meant, perhaps."""
    near = difflib.get_close_matches(name, dict.fromkeys(known), n=2)
    return f" (did you mean {' or '.join(near)}?)" if near else ""


def _read_index(answer: Answer) -> dict[str, str]:
    try:
        listed = [feature["properties"] for feature in json.loads(answer.body)["features"]]
        return {
            str(region["id"]): str(region["urls"]["pbf"])
            for region in listed
            if "pbf" in region.get("urls", {})
        }
    except (ValueError, KeyError, TypeError) as error:
        raise BadAnswerError(f"not an index of regions ({error!r})") from error
