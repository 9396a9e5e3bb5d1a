"""What a stage was made from, so that a later run knows whether it must be made again."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from minewatch import _store

FOLDER: Final = ".minewatch"


@dataclass(frozen=True)
class Record:
    """What one run of a stage took and gave."""

    settings: Mapping[str, Any]
    """The stage's settings, as JSON values."""
    inputs: Mapping[str, str]
    """Each input by its name in the study, with the digest of its content."""
    outputs: Mapping[str, str]
    """Each result that others build on, with the digest of its content."""
    version: str
    """The version of minewatch that made it."""


def decide(now: Record, before: Record | None) -> str | None:
    """Say why a stage must run, or give None if what it gave still stands.

    Parameters
    ----------
    now
        The settings, inputs and version as they are; as `outputs`, the digests of the results that
        these settings have, as they lie on disk, ``""`` for one that is not there.
    before
        What the last run of the stage recorded; None if there is no record of one.

    Examples
    --------
    >>> before = Record({"seed": 0}, {"a.csv": "sha256:1"}, {"b.csv": "sha256:2"}, "0.1.0")
    >>> decide(before, None)
    'it has not been run'
    >>> decide(Record({"seed": 1}, *list(vars(before).values())[1:]), before)
    'setting seed changed from 0 to 1'
    >>> layers = [{"name": "highway"}, {"name": "building"}]
    >>> old, new = (Record({"layers": of}, {}, {}, "0.1.0") for of in (layers[:1], layers[1:]))
    >>> decide(new, old)
    'setting layers changed: new building; no longer highway'
    >>> decide(before, before) is None
    True
    """
    if before is None:
        return "it has not been run"
    for name, digest in before.outputs.items():
        found = now.outputs.get(name)
        if found is not None and found != digest:  # None: with these settings it is no result
            return f"{name} {'was changed since' if found else 'is missing'}"
    if now.version != before.version:
        return f"it was made by minewatch {before.version}, and this is {now.version}"
    return _compare_settings(now, before) or _compare_inputs(now, before)


def read_record(study: Path, stage: str) -> Record | None:
    """Read what the last run of a stage recorded; None if there is none that can be read."""
    path = study / FOLDER / f"{stage}.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return Record(**values)
    except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError, TypeError):
        return None


def write_record(study: Path, stage: str, record: Record) -> None:
    """Write what a run of a stage took and gave."""
    _store.write_json(study / FOLDER / f"{stage}.json", dict(vars(record)))


def _compare_settings(now: Record, before: Record) -> str | None:
    for name in sorted({*now.settings, *before.settings}):
        old, new = before.settings.get(name), now.settings.get(name)
        if old != new:
            return f"setting {name} changed{_change(old, new)}"
    return None


def _compare_inputs(now: Record, before: Record) -> str | None:
    for name in sorted({*now.inputs, *before.inputs}):
        if name not in before.inputs:
            return f"{name} is new"
        if name not in now.inputs:
            return f"{name} is no longer taken"
        if now.inputs[name] != before.inputs[name]:
            return f"{name} changed"
    return None


def _change(old: Any, new: Any) -> str:
    """Say how a setting changed; of a list of things with names, which of them."""
    before, after = _by_name(old), _by_name(new)
    if before is None or after is None:
        return f" from {_show(old)} to {_show(new)}"
    both = [name for name in after if name in before]
    groups = {
        "new": [name for name in after if name not in before],
        "no longer": [name for name in before if name not in after],
        "defined otherwise": [name for name in both if after[name] != before[name]],
    }
    said = [f"{word} {', '.join(names)}" for word, names in groups.items() if names]
    return f": {'; '.join(said) or 'another order'}"


def _by_name(value: Any) -> dict[str, Any] | None:
    """Give the things of a list by their names; None if it is no list of such."""
    if not isinstance(value, list) or not value:
        return None
    if not all(isinstance(one, dict) and "name" in one for one in value):
        return None
    return {str(one["name"]): one for one in value}


def _show(value: Any) -> str:
    return "unset" if value is None else json.dumps(value, ensure_ascii=False)
