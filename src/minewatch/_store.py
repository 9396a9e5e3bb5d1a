"""Files that appear whole, digests that name them, locks, and names that stay inside a folder."""

import hashlib
import json
import os
import re
import shutil
import socket
import sys
import urllib.parse
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from minewatch.errors import AlreadyThereError, LockedError, UnsafePathError
from minewatch.types import AnyArray, StrPath

_BLOCK_BYTES: Final = 1 << 20

_COMPANIONS: Final[Mapping[str, tuple[str, ...]]] = {
    ".shp": (".dbf", ".shx", ".prj", ".cpg"),
    ".gml": (".xsd", ".gfs"),
    ".tif": (".tfw", ".tifw", ".wld"),
    ".tiff": (".tfw", ".tifw", ".wld"),
}
"""Suffixes that stand in place of a file's own, of files that are read with it."""
_ADDED_COMPANIONS: Final[Mapping[str, tuple[str, ...]]] = {
    ".gpkg": ("-wal",),
    ".tif": (".aux.xml",),
    ".tiff": (".aux.xml",),
}
"""What is added to the whole name of a file, of files that are read with it."""


@dataclass(frozen=True)
class Ours:
    """What tells a folder that minewatch made from any other; only such a one may be replaced."""

    marker: str
    """A file that must be in it: a JSON object with the key ``minewatch``. The files that it lists
    under ``files``, if it does, are ours too."""
    names: frozenset[str] = frozenset()
    """What else is ours in it: files, and folders with all that is below them."""

    def foreign(self, folder: Path) -> list[str]:
        """List the files of a folder that are not ours; all of them if the marker is missing."""
        try:
            marker = json.loads((folder / self.marker).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            marker = None
        is_ours = isinstance(marker, dict) and "minewatch" in marker
        ours = {self.marker, *self.names, *_listed(marker)} if is_ours else set()
        files = [item.relative_to(folder) for item in folder.rglob("*") if not _is_folder(item)]
        return sorted(
            file.as_posix()
            for file in files
            if not ours.intersection(part.as_posix() for part in (file, *file.parents))
        )


def _listed(marker: Mapping[str, Any]) -> list[str]:
    files = marker.get("files", ())
    return [str(name) for name in files] if isinstance(files, list | dict) else []


_PART: Final = re.compile(r"\..+\.\d+\.part(\..+)?")
"""A file that `writing_file` fills."""


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


@contextmanager
def writing_file(path: StrPath) -> Iterator[Path]:
    """Give a path to write aside; rename it to `path` when the block ends without an error.

    A file of that name is replaced. After an error nothing bears the final name that did not
    before, and nothing is left beside it.
    """
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    aside = final.with_name(f".{final.stem}.{os.getpid()}.part{final.suffix}")
    try:
        yield aside
        _flush(aside)
        aside.replace(final)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def writing_folder(
    path: StrPath, *, overwrite: bool = False, ours: Ours | None = None
) -> Iterator[Path]:
    """Give a folder to fill aside; rename it to `path` when the block ends without an error.

    Parameters
    ----------
    path
        The folder.
    overwrite
        Replace a folder of that name.
    ours
        What such a folder must be for that. None: the caller has looked at it.

    Raises
    ------
    AlreadyThereError
        If `path` exists, is not an empty folder, and `overwrite` is false or it is not ours. The
        check comes first, before any work is done, and again before the folder is replaced.
    """
    final = Path(path)
    tidy_up(final)
    refuse_existing(final, overwrite=overwrite, ours=ours)
    final.parent.mkdir(parents=True, exist_ok=True)
    aside = _beside(final, "part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    try:
        yield aside
        refuse_existing(final, overwrite=overwrite, ours=ours)
        put_in_place(aside, final)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def refuse_existing(path: Path, *, overwrite: bool, ours: Ours | None = None) -> None:
    """Raise AlreadyThereError if `path` holds something that may not be replaced.

    With `ours`, `path` is to be a folder: even with `overwrite` it is only replaced if it is ours,
    and nothing of anyone else is in it.
    """
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    if not overwrite:
        raise AlreadyThereError(
            f"{path} exists already; choose another name, or allow it to be replaced "
            "(overwrite=True, --overwrite)"
        )
    if ours is None:
        return
    if not path.is_dir():
        raise AlreadyThereError(
            f"{path} is a file, and a folder is to be written; choose another name"
        )
    foreign = ours.foreign(path)
    if foreign:
        more = f" and {len(foreign) - 5} more" if len(foreign) > 5 else ""
        raise AlreadyThereError(
            f"{path} is not replaced, because it holds what this command does not write: "
            f"{', '.join(foreign[:5])}{more}; move that away, or choose another folder"
        )


def put_in_place(aside: Path, final: Path) -> None:
    """Rename a finished folder to its final name, replacing the folder that stood there."""
    if final.is_file():
        raise AlreadyThereError(f"{final} is a file, and a folder is to be written")
    old = _beside(final, "old")
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.replace(old)
    try:
        aside.replace(final)
    except OSError:
        if old.exists():
            old.replace(final)
        raise
    shutil.rmtree(old, ignore_errors=True)


def tidy_up(path: StrPath) -> None:
    """Undo what writers of the folder `path` left beside it when they were killed.

    A result that was moved aside, to be replaced, comes back if nothing took its place. What was
    half written goes. Writers that are alive, or run on another machine, are left alone.
    """
    final = Path(path)
    if not final.parent.is_dir():
        return
    left = re.compile(rf"\.{re.escape(final.name)}\.{re.escape(_host())}-(\d+)\.(old|part)")
    for item in sorted(final.parent.iterdir()):
        found = left.fullmatch(item.name)
        if found is None or _is_running(int(found[1])):
            continue
        if found[2] == "old" and not final.exists():
            item.replace(final)
        else:
            shutil.rmtree(item, ignore_errors=True)


def drop_parts(folder: StrPath) -> None:
    """Remove the files that killed writers left half written in a folder.

    The caller holds the lock of the folder: whoever wrote them is gone.
    """
    for item in Path(folder).rglob(".*.part*"):
        if _PART.fullmatch(item.name) and item.is_file():
            item.unlink()


def _beside(final: Path, kind: str) -> Path:
    """Name a folder beside the final one, by who writes it."""
    return final.with_name(f".{final.name}.{_host()}-{os.getpid()}.{kind}")


def _host() -> str:
    return socket.gethostname().replace("/", "_")


def _is_running(process: int) -> bool:
    """Say whether another process of this machine is running, or cannot be told not to be."""
    if process == os.getpid():
        return False  # it is this one, which has not begun
    if sys.platform == "win32":
        return True  # to ask would end it
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def write_text(path: StrPath, text: str) -> None:
    """Write a UTF-8 text file whole."""
    with writing_file(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_json(path: StrPath, value: Mapping[str, Any]) -> None:
    """Write a JSON file whole, indented, with a final newline; NaN is refused, not written."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def digest_file(path: StrPath) -> str:
    """Give the SHA-256 of a file's bytes as ``sha256:…``."""
    sha = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            sha.update(block)
    return f"sha256:{sha.hexdigest()}"


def companions(path: StrPath) -> list[Path]:
    """List the files that are read together with a file: of a Shapefile its table, and so on.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("a.shp", "a.dbf", "a.prj", "a.txt"):
    ...         Path(folder, name).touch()
    ...     [file.name for file in companions(Path(folder, "a.shp"))]
    ['a.dbf', 'a.prj']
    """
    file = Path(path)
    suffix = file.suffix.lower()
    inplace = [file.with_suffix(end) for end in _COMPANIONS.get(suffix, ())]
    capitals = [beside.with_suffix(beside.suffix.upper()) for beside in inplace]
    added = [file.with_name(file.name + end) for end in _ADDED_COMPANIONS.get(suffix, ())]
    there = [beside for beside in (*inplace, *capitals, *added) if beside.is_file()]
    # Where capitals do not matter, a file would be found by both of its names.
    return [
        beside
        for place, beside in enumerate(there)
        if not any(beside.samefile(earlier) for earlier in there[:place])
    ]


def digest_files(paths: Iterable[StrPath]) -> dict[str, str]:
    """Give the digest of every file, and of those that are read with it, by its name.

    Files of one name are told apart by as many of the folders above them as that takes:
    ``mining/points.geojson`` and ``forest/points.geojson``.
    """
    given = [Path(path) for path in paths]
    files = sorted({file.absolute() for one in given for file in (one, *companions(one))})
    names = {file: file.name for file in files}
    depth = 1
    while len(same := _shared_names(names)) > 0:
        depth += 1
        names |= {file: Path(*file.parts[-depth:]).as_posix() for file in same}
    return {names[file]: digest_file(file) for file in files}


def _shared_names(names: Mapping[Path, str]) -> list[Path]:
    counts = Counter(names.values())
    return [file for file, name in names.items() if counts[name] > 1]


def digest_bytes(content: bytes | AnyArray) -> str:
    """Give the SHA-256 of bytes, or of the bytes of a contiguous array, as ``sha256:…``."""
    buffer = content if isinstance(content, bytes) else content.data
    return f"sha256:{hashlib.sha256(buffer).hexdigest()}"


def digest_value(value: Any) -> str:
    """Give the SHA-256 of a JSON value, independent of the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


@contextmanager
def locked(path: StrPath, *, timeout_s: float = 0.0) -> Iterator[None]:
    """Hold the right to write at `path`; another process that asks meanwhile is refused.

    The empty lock file stays beside it: were it removed, a process that waits for the old file and
    one that makes a new one could both be let in.

    Raises
    ------
    LockedError
        If another process holds it for longer than `timeout_s` seconds.
    """
    final = Path(os.path.abspath(path))  # noqa: PTH100 - "." has no name, and links stay links
    final.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(final.with_name(f".{final.name}.lock"))
    try:
        lock.acquire(timeout=timeout_s)
    except Timeout as error:
        raise LockedError(
            f"another process is writing {final}; wait for it to end, then run this again"
        ) from error
    try:
        yield
    finally:
        lock.release()


def file_name(key: str, suffix: str = "") -> str:
    """Turn a key from outside (a site_id) into a file name that cannot leave its folder.

    Everything but letters, digits, ``-``, ``_`` and inner dots is percent-encoded, so different
    keys keep different names.

    Examples
    --------
    >>> file_name("mina/../7", ".tif")
    'mina%2F..%2F7.tif'
    """
    quoted = urllib.parse.quote(key, safe="") or "%"
    if quoted.startswith("."):
        quoted = "%2E" + quoted[1:]
    return quoted + suffix


def inside(folder: StrPath, name: str) -> Path:
    """Join a relative name from outside to a folder, refusing one that would leave it.

    Raises
    ------
    UnsafePathError
        If the name is absolute, climbs out with ``..`` or through a link.
    """
    base = Path(folder).resolve()
    joined = (base / name).resolve()
    if not joined.is_relative_to(base):
        raise UnsafePathError(f"{name!r} would leave the folder {folder}; give a name inside it")
    return joined


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
