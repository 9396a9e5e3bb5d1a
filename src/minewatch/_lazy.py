"""Names of a package that are imported on first use."""

import importlib
from collections.abc import Mapping
from typing import Any


def import_name(package: str, modules: Mapping[str, str], name: str) -> Any:
    """Import a name that a package lists, from the module that holds it.

    Parameters
    ----------
    package
        The package, by its whole name.
    modules
        By name: the module that holds it, relative to the package (``"_build"``, or ``"._report"``
        for one that lies beside the package). A name that is listed as itself is a module.
    name
        What is wanted.

    Raises
    ------
    AttributeError
        If the package lists no such name; the message says what it lists.

    Examples
    --------
    >>> import_name("minewatch", {"PatchGrid": "grid"}, "PatchGrid").__name__
    'PatchGrid'
    """
    if name not in modules:
        raise AttributeError(f"{package} has no {name!r}; it has {', '.join(sorted(modules))}")
    module = importlib.import_module(f".{modules[name]}", package)
    return module if modules[name] == name else getattr(module, name)
