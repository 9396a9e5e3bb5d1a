"""What came of a scan, in numbers and in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minewatch.errors import DetectorError, IncompleteError
from minewatch.scan._folder import ScanFolder
from minewatch.scan._plan import Plan
from minewatch.types import Failure


@dataclass(frozen=True)
class ScanSummary:
    """What came of a scan."""

    path: Path
    """Its folder."""
    scores: Path
    """The table of windows, `read_scores`."""
    not_seen: Path
    """The map of what was not seen, GeoParquet."""
    n_tiles: int
    """Tiles of the region."""
    n_done: int
    """Tiles that were scored in this run, not in one before it."""
    windows: Mapping[str, int]
    """Windows by status: ``scored``, ``few clear views``, ``no data``, ``no number``,
    ``failed``."""
    region_ha: float
    """Area of the region, hectares."""
    not_seen_ha: float
    """How much of it no window with a score shows, hectares."""
    failures: tuple[Failure, ...]
    """Tiles that failed, with the reason."""
    failures_file: Path | None
    """The table of the failures, CSV; None if there are none."""
    seconds: float
    """Time that this run took."""

    @property
    def n_windows(self) -> int:
        """Windows of the region."""
        return sum(self.windows.values())

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON values."""
        return {
            "path": str(self.path),
            "scores": str(self.scores),
            "not_seen": str(self.not_seen),
            "tiles": self.n_tiles,
            "tiles_done_now": self.n_done,
            "windows": dict(self.windows),
            "region_ha": self.region_ha,
            "not_seen_ha": self.not_seen_ha,
            "failures": [vars(failure) for failure in self.failures],
            "failures_file": None if self.failures_file is None else str(self.failures_file),
            "seconds": round(self.seconds, 3),
        }

    def describe(self) -> str:
        """Write in a few lines what was seen and what was not."""
        others = [f"{n:,} {name}" for name, n in self.windows.items() if name != "scored"]
        share = 100.0 * self.not_seen_ha / self.region_ha
        kept = self.n_tiles - self.n_done - len(self.failures)
        counts = ", ".join([f"{self.windows.get('scored', 0):,} scored", *others])
        before = f"; {kept:,} tiles kept from before" if kept else ""
        return (
            f"{self.n_windows:,} windows in {self.n_tiles:,} tiles: {counts}{before}\n"
            f"{self.region_ha / 100:,.1f} km², of which {self.not_seen_ha / 100:,.1f} km² "
            f"({share:.1f} %) were not seen: that is not the same as no mining{self._doubt()}"
        )

    def _doubt(self) -> str:
        """Ask back where nothing at all was seen."""
        if self.windows.get("scored"):
            return ""
        return "\nNo window has a score: are region, period and source those that you meant?"

    def raise_failures(self) -> None:
        """Raise an error if any tile failed; what was scored stays as it is.

        Raises
        ------
        IncompleteError
            Which says how many, why, and where the list is.
        DetectorError
            If no window has a score because the detector's network gave none.
        """
        numberless = self.windows.get("no number", 0)
        if numberless and not self.windows.get("scored"):
            raise DetectorError(
                f"the detector's network gave no number for any of the {numberless:,} windows that "
                "show enough; expected probabilities: score patches with it first, or take another"
            )
        if not self.failures:
            return
        first = self.failures[0]
        raise IncompleteError(
            f"{len(self.failures)} of {self.n_tiles} tiles failed, of them {first.key}: "
            f"{first.reason}. They are listed in {self.failures_file}; scan those again with "
            "--retry-failed (retry_failed=True)"
        )


def summarize(
    folder: ScanFolder, plan: Plan, finished: Mapping[str, Any], n_done: int, seconds: float
) -> ScanSummary:
    failures = tuple(Failure(**one) for one in finished["failures"])
    return ScanSummary(
        path=folder.path,
        scores=folder.scores,
        not_seen=folder.not_seen,
        n_tiles=len(plan.tiles),
        n_done=n_done,
        windows=finished["windows"],
        region_ha=float(plan.region_facts["area_ha"]),
        not_seen_ha=float(finished["not_seen_ha"]),
        failures=failures,
        failures_file=folder.failures_file if failures else None,
        seconds=seconds,
    )
