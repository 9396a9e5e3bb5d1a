"""Files that appear whole, digests that name them, locks, and names that stay inside a folder."""

import hashlib
import json
import os
import shutil
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from minewatch.errors import AlreadyThereError, LockedError, UnsafePathError
from minewatch.types import AnyArray, StrPath

_BLOCK_BYTES = 1 << 20


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
def writing_folder(path: StrPath, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a folder to fill aside; rename it to `path` when the block ends without an error.

    Raises
    ------
    AlreadyThereError
        If `path` exists, is not an empty folder, and `overwrite` is false. The check comes first,
        before any work is done.
    """
    final = Path(path)
    refuse_existing(final, overwrite=overwrite)
    final.parent.mkdir(parents=True, exist_ok=True)
    aside = final.with_name(f".{final.name}.{os.getpid()}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    try:
        yield aside
        put_in_place(aside, final)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """Raise AlreadyThereError if `path` holds something that may not be replaced."""
    if overwrite or not path.exists():
        return
    if path.is_dir() and not any(path.iterdir()):
        return
    raise AlreadyThereError(
        f"{path} exists already; choose another name, or allow it to be replaced (overwrite=True, "
        "--overwrite)"
    )


def put_in_place(aside: Path, final: Path) -> None:
    """Rename a finished folder to its final name, replacing what stood there."""
    old = final.with_name(f".{final.name}.{os.getpid()}.old")
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

    Raises
    ------
    LockedError
        If another process holds it for longer than `timeout_s` seconds.
    """
    final = Path(path)
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
