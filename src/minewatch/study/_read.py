"""Read the settings of a study; every fault in them is named, with the nearest right key."""

import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from minewatch.errors import NotThereError, SettingsError
from minewatch.study._settings import BuildSettings, StudySettings
from minewatch.types import StrPath

FILE_NAME: Final = "study.toml"
_PERIOD: Final = ("start", "end")

_Model = TypeVar("_Model", bound=BaseModel)


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
    return _validated(StudySettings, _read_toml(path), str(path))


def read_build(
    file: StrPath | None, said: Mapping[str, Mapping[str, Any]] | None = None
) -> BuildSettings:
    """Read how patches are to be built: from a file, from what is said beside it, or from both.

    Parameters
    ----------
    file
        A TOML file with the sections of a `study.toml`: ``[imagery]`` and, if wanted, ``[sites]``
        and ``[patches]``. None: all is said in `said`.
    said
        Settings by section; they go before those of the file.

    Raises
    ------
    NotThereError
        If there is no such file.
    SettingsError
        As `read_study`.

    Examples
    --------
    >>> read = read_build(None, {"imagery": {"year": 2023, "bands": "rgb"}})
    >>> read.imagery.source, str(read.imagery.end), read.patches.size_px
    ('earth-search', '2023-12-31', 48)
    """
    if file is not None and not Path(file).is_file():
        raise NotThereError(f"{file} does not exist; expected a TOML file that says what to build")
    values = {} if file is None else _read_toml(Path(file))
    for section, settings in (said or {}).items():
        before = values.get(section, {})
        if isinstance(before, dict):
            values[section] = _merge(before, settings)
    name = "what is asked for" if file is None else str(file)
    return _validated(BuildSettings, {"imagery": {}, **values}, name)


def _merge(before: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """Put what is said before what a file says; a year stands for its first and last day."""
    merged = dict(before)
    if {"year", *_PERIOD} & set(said) and "year" in merged:
        year = merged.pop("year")
        merged |= {"start": f"{year}-01-01", "end": f"{year}-12-31"}
    if "year" in said:
        merged = {key: value for key, value in merged.items() if key not in _PERIOD}
    return {**merged, **said}


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from error


def _validated(model: type[_Model], values: dict[str, Any], name: str) -> _Model:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        faults = "\n".join(f"  {_describe(fault, model)}" for fault in error.errors())
        raise SettingsError(f"{name} has settings that cannot be used:\n{faults}") from error


def _describe(fault: ErrorDetails, model: type[BaseModel]) -> str:
    sections, known = _locate(fault["loc"], model)
    where = ".".join(sections)
    if fault["type"] == "extra_forbidden":
        return f"{where} is not a setting{_suggest(sections, known)}"
    if fault["type"] == "missing":
        return f"{where} is missing"
    if fault["type"] == "union_tag_not_found":
        return f"{where}.kind is missing"
    if fault["type"] == "union_tag_invalid":
        context = fault["ctx"]
        return f"{where}.kind is {context['tag']!r}: expected {context['expected_tags']}"
    if fault["type"] == "value_error":
        return f"{where}: {fault['ctx']['error']}" if where else str(fault["ctx"]["error"])
    return f"{where} is {fault['input']!r}: {fault['msg'][0].lower()}{fault['msg'][1:]}"


def _suggest(sections: Sequence[str], known: Sequence[str]) -> str:
    *inside, key = sections
    near = get_close_matches(key, known, n=1, cutoff=0.5)
    if near:
        return f"; did you mean {'.'.join([*inside, near[0]])}?"
    return f"; [{'.'.join(inside) or FILE_NAME}] takes {', '.join(known)}"


def _locate(parts: Sequence[str | int], model: type[BaseModel]) -> tuple[list[str], list[str]]:
    """Give a fault's place as it stands in the file, and the keys that its section knows."""
    where: list[str] = []
    inside: list[type[BaseModel]] = [model]
    for number, part in enumerate(map(str, parts)):
        if number and isinstance(parts[number - 1], int) and part in _forms(inside):
            continue  # pydantic names the form of an item, too
        if part.isdecimal():
            where.append(part)
            continue
        kinds = [kind for kind in inside if part in _kinds(kind)]
        if len(inside) > 1 and kinds:
            inside = kinds  # pydantic names the kind of a section, the file does not
            continue
        known = [name for kind in inside for name in kind.model_fields]
        where.append(part)
        fields = [kind.model_fields[part] for kind in inside if part in kind.model_fields]
        inside = [one for field in fields for one in _models_of(field.annotation)]
    return where, known if parts else []


def _kinds(model: type[BaseModel]) -> tuple[Any, ...]:
    field = model.model_fields.get("kind")
    return () if field is None else get_args(field.annotation)


def _forms(models: Sequence[type[BaseModel]]) -> set[str]:
    """Name the forms that an item of a list may have, as pydantic does."""
    return {"str", *(model.__name__ for model in models)}


def _models_of(annotation: Any) -> list[type[BaseModel]]:
    """Give the models in an annotation, and in the lists and choices that it is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_of(part)]
