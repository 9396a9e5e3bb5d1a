"""Scan: a detector on every window of a region, and what its scores come to.

`scan_region` scores a region of any size, goes on where it was stopped, and says what it did not
see; `read_scores` reads what it wrote.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minewatch.scan._estimate import estimate_scan as estimate_scan
    from minewatch.scan._region import read_bbox
    from minewatch.scan._run import scan_region
    from minewatch.scan._scores import read_scores
    from minewatch.scan._settings import ScanSettings
    from minewatch.scan._summary import ScanSummary as ScanSummary

__all__ = ["ScanSettings", "read_bbox", "read_scores", "scan_region"]

_MODULES = {
    "ScanSettings": "_settings",
    "ScanSummary": "_summary",
    "estimate_scan": "_estimate",
    "read_bbox": "_region",
    "read_scores": "_scores",
    "scan_region": "_run",
}


def __getattr__(name: str) -> Any:
    """Import a name on first use."""
    if name not in _MODULES:
        raise AttributeError(f"minewatch.scan has no {name!r}; it has {', '.join(_MODULES)}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    """List every name that is here."""
    return sorted(_MODULES)
