"""Find artisanal and small-scale gold mining in Sentinel-2 imagery.

Eight words carry the package, in the order in which the data moves: sites, imagery, patches,
context, explore, model, scan, maps. Each is a module, a group of commands, a section of
``study.toml`` and a page of the documentation. `toy` makes the valley that every example uses.
A word is imported on first use, so ``import minewatch`` costs almost nothing.
"""

from types import ModuleType

from minewatch._lazy import import_name

__version__ = "0.1.0"

_WORDS = ("sites", "imagery", "patches", "context", "explore", "model", "scan", "maps", "toy")
__all__ = ["__version__", *_WORDS]  # noqa: PLE0604 - the words are strings


def __getattr__(name: str) -> ModuleType:
    module: ModuleType = import_name(__name__, dict(zip(_WORDS, _WORDS, strict=True)), name)
    return module


def __dir__() -> list[str]:
    return sorted(__all__)
