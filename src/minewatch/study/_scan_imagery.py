"""The imagery of a study's scan: what the study says, and what the command line says before it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minewatch.errors import InputError
from minewatch.imagery import BatchSource, open_source
from minewatch.study._build import place_of_source
from minewatch.study._settings import ImagerySection


def open_imagery(study: Path, images: ImagerySection) -> BatchSource:
    """Open what a study, or the command line, says of imagery."""
    return open_source(
        place_of_source(study, images),
        collection=images.collection,
        level=images.level,
        project=images.project,
    )


def study_imagery(told: ImagerySection | None, said: Mapping[str, Any]) -> ImagerySection:
    """Let what was said go before the study's; a period that was said replaces all of its own.

    Raises
    ------
    InputError
        If neither says where imagery comes from, or of which days.
    """
    values = {} if told is None else told.model_dump(exclude_unset=True)
    if {"year", "start", "end"} & said.keys():
        values = {key: one for key, one in values.items() if key not in ("start", "end")}
    merged = {**values, **said}
    if told is None and "source" not in merged:
        raise InputError(
            "nothing says where imagery comes from; give --source (earth-search, …), or scan in a "
            "study with a section [imagery] (--study)"
        )
    if not {"year", "start", "end"} & merged.keys():
        raise InputError("nothing says of which days; give --year, or --start and --end")
    return ImagerySection(**merged)
