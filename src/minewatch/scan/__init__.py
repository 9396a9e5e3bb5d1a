"""Scan: a detector on every window of a region, and what its scores come to.

`scan_region` scores a region of any size, goes on where it was stopped, and says what it did not
see; `read_scores` reads what it wrote. `merge_detections` makes polygons of scored windows,
`compare_detections` says what changed between periods, `estimate_area` what a reviewed sample says
of areas, and `outline_detections` how much of the windows is bare ground. ``__all__`` lists these
few. What is used less, such as `keep_ids` or `plan_sample`, is served by name too: it is documented
for callers, who would else import private modules.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minewatch.scan._area import estimate_area
    from minewatch.scan._area import mapped_area_ha as mapped_area_ha
    from minewatch.scan._area_plan import draw_sample as draw_sample
    from minewatch.scan._area_plan import frame_windows as frame_windows
    from minewatch.scan._area_plan import plan_sample as plan_sample
    from minewatch.scan._area_plan import sum_strata as sum_strata
    from minewatch.scan._compare import compare_detections
    from minewatch.scan._compare import compare_ground as compare_ground
    from minewatch.scan._compare_periods import accumulate_detections as accumulate_detections
    from minewatch.scan._compare_periods import unite_periods as unite_periods
    from minewatch.scan._estimate import estimate_scan as estimate_scan
    from minewatch.scan._merge import merge_detections
    from minewatch.scan._merge_file import read_detections as read_detections
    from minewatch.scan._merge_file import write_detections as write_detections
    from minewatch.scan._merge_ids import keep_ids as keep_ids
    from minewatch.scan._merge_windows import read_windows
    from minewatch.scan._outline import outline_detections
    from minewatch.scan._outline_rule import OutlineRule as OutlineRule
    from minewatch.scan._overlays import context_distances as context_distances
    from minewatch.scan._overlays import touched_names as touched_names
    from minewatch.scan._region import read_bbox
    from minewatch.scan._run import scan_region
    from minewatch.scan._scores import read_scores
    from minewatch.scan._settings import ScanSettings
    from minewatch.scan._summary import ScanSummary as ScanSummary

__all__ = [
    "ScanSettings",
    "compare_detections",
    "estimate_area",
    "merge_detections",
    "outline_detections",
    "read_bbox",
    "read_scores",
    "read_windows",
    "scan_region",
]

_MODULES = {
    "OutlineRule": "_outline_rule",
    "ScanSettings": "_settings",
    "ScanSummary": "_summary",
    "accumulate_detections": "_compare_periods",
    "compare_detections": "_compare",
    "compare_ground": "_compare",
    "context_distances": "_overlays",
    "draw_sample": "_area_plan",
    "estimate_area": "_area",
    "estimate_scan": "_estimate",
    "frame_windows": "_area_plan",
    "keep_ids": "_merge_ids",
    "mapped_area_ha": "_area",
    "merge_detections": "_merge",
    "outline_detections": "_outline",
    "plan_sample": "_area_plan",
    "read_bbox": "_region",
    "read_detections": "_merge_file",
    "read_scores": "_scores",
    "read_windows": "_merge_windows",
    "scan_region": "_run",
    "sum_strata": "_area_plan",
    "touched_names": "_overlays",
    "unite_periods": "_compare_periods",
    "write_detections": "_merge_file",
}


def __getattr__(name: str) -> Any:
    """Import a name on first use."""
    if name not in _MODULES:
        raise AttributeError(f"minewatch.scan has no {name!r}; it has {', '.join(_MODULES)}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    """List every name that is here."""
    return sorted(_MODULES)
