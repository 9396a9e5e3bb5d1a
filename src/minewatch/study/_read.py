"""Read a study.toml; every fault in it is named, with the nearest right key."""

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from minewatch.errors import NotThereError, SettingsError
from minewatch.study._settings import StudySettings
from minewatch.types import StrPath

FILE_NAME = "study.toml"


def read_study(folder: StrPath) -> StudySettings:
    """Read the settings of a study.

    Parameters
    ----------
    folder
        The study's folder, which holds `study.toml`.

    Raises
    ------
    NotThereError
        If the folder holds no `study.toml`.
    SettingsError
        If the file is no TOML, or a key is unknown, missing or has a value that cannot be; the
        message names every fault, and for a misspelt key the nearest right one.
    """
    path = Path(folder) / FILE_NAME
    if not path.is_file():
        raise NotThereError(
            f"{path} does not exist; `minewatch new {folder}` writes one to fill in, or name the "
            "study's folder with --study DIR"
        )
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from error
    try:
        return StudySettings.model_validate(values)
    except ValidationError as error:
        faults = "\n".join(f"  {_describe(fault)}" for fault in error.errors())
        raise SettingsError(f"{path} has settings that cannot be used:\n{faults}") from error


def _describe(fault: ErrorDetails) -> str:
    where = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{where} is not a setting{_suggest(fault)}"
    if fault["type"] == "missing":
        return f"{where} is missing"
    if fault["type"] == "value_error":
        return f"{where}: {fault['ctx']['error']}" if where else str(fault["ctx"]["error"])
    return f"{where} is {fault['input']!r}: {fault['msg'][0].lower()}{fault['msg'][1:]}"


def _suggest(fault: ErrorDetails) -> str:
    *sections, key = (str(part) for part in fault["loc"])
    known = _known_keys(StudySettings, sections)
    near = get_close_matches(key, known, n=1, cutoff=0.5)
    if near:
        return f"; did you mean {'.'.join([*sections, near[0]])}?"
    return f"; [{'.'.join(sections) or 'study.toml'}] takes {', '.join(known)}"


def _known_keys(model: type[BaseModel], sections: list[str]) -> list[str]:
    for section in sections:
        field = model.model_fields.get(section)
        inner = _model_of(field.annotation) if field else None
        if inner is None:
            return []
        model = inner
    return list(model.model_fields)


def _model_of(annotation: Any) -> type[BaseModel] | None:
    candidates = [annotation, *get_args(annotation)]
    return next(
        (kind for kind in candidates if isinstance(kind, type) and issubclass(kind, BaseModel)),
        None,
    )
