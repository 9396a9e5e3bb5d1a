"""What the commands of scan share: where imagery comes from, which options were given."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

Source: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--source",
        "--catalog",
        metavar="NAME|URL|FOLDER",
        help="earth-search, planetary-computer, earth-engine, a STAC API, or a folder of "
        "items; else the study's.",
    ),
]


def given(**options: Any) -> dict[str, Any]:
    """Keep the options that were given."""
    return {
        key: getattr(value, "value", value) for key, value in options.items() if value is not None
    }


def label_words(mining: "Sequence[str]", no_mining: "Sequence[str]") -> dict[str, int]:
    """Say what words for a label mean: 1 mining, 0 none."""
    if both := sorted(set(mining) & set(no_mining)):
        raise typer.BadParameter(f"{both[0]!r} is given for mining and for no mining")
    return {**dict.fromkeys(mining, 1), **dict.fromkeys(no_mining, 0)}


def from_here(source: str | None) -> str | None:
    """Give a folder as it lies from here: the study's paths are relative to the study."""
    is_folder = source is not None and "://" not in source and Path(source).is_dir()
    return str(Path(source).resolve()) if source is not None and is_folder else source
