"""The commented study.toml that a new study begins with."""

import json
import textwrap
from pathlib import Path

from minewatch import _store
from minewatch.context import DEFAULT_LAYERS
from minewatch.errors import AlreadyThereError
from minewatch.explore import ExploreSettings
from minewatch.study._read import FILE_NAME
from minewatch.types import StrPath

TEMPLATE_NAME = "study_template.toml"


def new_study(folder: StrPath, *, name: str = "") -> Path:
    """Make a study folder with a commented `study.toml` to fill in.

    Parameters
    ----------
    folder
        The folder; it is made if it does not exist.
    name
        What the study is called; the folder's name if empty.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    AlreadyThereError
        If the folder holds a `study.toml` already.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     print(new_study(Path(folder, "guri")).name)
    study.toml
    """
    path = Path(folder) / FILE_NAME
    if path.exists():
        raise AlreadyThereError(
            f"{path} exists already; edit it, or make the study in another folder"
        )
    text = (Path(__file__).parent / TEMPLATE_NAME).read_text(encoding="utf-8")
    named = json.dumps(name or Path(folder).resolve().name, ensure_ascii=False)
    filled = text.replace('"NAME"', named).replace("EXPLORE", _explore_defaults())
    filled = filled.replace("# layers = LAYERS", _layer_names())
    _store.write_text(path, filled)
    return path


def _layer_names() -> str:
    """Spell the layers of [context] as a comment."""
    names = ", ".join(json.dumps(layer.name) for layer in DEFAULT_LAYERS)
    lines = textwrap.wrap(names, 94, initial_indent="#   ", subsequent_indent="#   ")
    return "\n".join(["# layers = [", *lines, "# ]"])


def _explore_defaults() -> str:
    """Spell every setting of [explore] as a comment, with its default and what it means."""
    lines = []
    for name, field in ExploreSettings.model_fields.items():
        meaning = " ".join((field.description or "").split())
        lines += textwrap.wrap(meaning, 96, initial_indent="# ", subsequent_indent="# ")
        lines.append(f"# {name} = {json.dumps(field.get_default(call_default_factory=True))}")
    return "\n".join(lines)
