"""What the commands of detections say, in words and as JSON."""

import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from minewatch.scan._area import AreaEstimate
    from minewatch.scan._area_run import Drawn
    from minewatch.scan._compare_run import Compared
    from minewatch.scan._merge_run import Merged


def records(table: "pd.DataFrame") -> dict[str, Any]:
    """Give the rows of a table as JSON values; what is not known is null."""
    records: dict[str, Any] = json.loads(table.to_json(orient="index", double_precision=6))
    return records


def describe_merged(result: dict[str, Any], merged: "Merged") -> str:
    """Say what a merge came to."""
    read, rule = result["windows_read"], result["rule"]
    alone = rule["isolated_threshold"]
    far = f"beyond {rule['isolation_m']:,.0f} m"
    more = "" if alone is None else f"; {alone:.3g} if neighbour {rule['neighbours']} is {far}"
    largest = f"{result['largest_ha']:,.1f} ha"
    apart = f"; {read['dropped_as_isolated']:,} more stand alone and score too low for that"
    apart = "" if alone is None else apart
    failed = f" ({read['failed']:,} failed: scan run --retry-failed)" if read["failed"] else ""
    seen = "and nothing says what was not seen"
    if read["not_seen"] is not None:
        seen = f"{read['not_seen']:,} of them not seen{failed}"
    lines = [
        f"{_count(read['all'], 'window')}, {seen}",
        f"{_count(read['detected'], 'window')} detected{apart}",
        f"Threshold {rule['threshold']:.3g}{more} ({result['threshold_from']})",
    ]
    if result["detections"]:
        lines += [
            f"{_count(result['detections'], 'detection')}, the largest of {largest}",
            f"{result['area_ha']:,.1f} ha of whole windows: that is not mined ground",
        ]
    else:
        lines.append("No detection: the file has no row, which is not the same as no mining")
    if "joined" in merged.detections:
        table = merged.detections
        lines.append(
            f"Made of several earlier detections: {table['joined'].notna().sum():,}; split off "
            f"from one: {table['split_from'].notna().sum():,}"
        )
    return "\n".join(
        [*lines, result["attribution"] or "No attribution is known; say --credit WORDS"]
        + [f"Saved: {file}" for file in result["files"]]
        + [f"Of other detections, now: {file}; see scan outline" for file in result["stale"]]
    )


def describe_compared(compared: "Compared") -> str:
    """Say what a comparison came to."""
    lines: list[str] = []
    for (before, after), table in compared.changes.items():
        shown = table[["places", "before_ha", "after_ha", "gained_ha", "lost_ha"]]
        there = shown[shown["places"] > 0].astype({"places": "object"})
        lines += [f"{before} to {after}", _table(there, "change"), ""]
    periods = compared.periods.astype({"detections": "object"})
    lines += [_table(periods.rename(columns={"until_ha": "so far_ha"}), "period"), ""]
    lines += [*compared.notes, f"Saved: {compared.folder}"]
    return "\n".join(lines)


def drawn_json(drawn: "Drawn") -> dict[str, Any]:
    """Give a plan as JSON values."""
    return {
        "plan": records(drawn.plan.set_index("stratum")),
        "expected_standard_error_ha": drawn.plan.attrs["expected_standard_error_ha"],
        "not_seen_ha": drawn.not_seen_ha,
        "not_seen_windows": drawn.not_seen_windows,
        "region_not_seen_ha": _known(drawn.region_not_seen_ha),
        "mapped_ha": drawn.mapped_ha,
        "framed_ha": drawn.framed_ha,
        "region_ha": _known(drawn.region_ha),
        "unit_m": drawn.unit_m,
        "files": [str(file) for file in drawn.files],
    }


def describe_drawn(drawn: "Drawn") -> str:
    """Say which windows are to be reviewed."""
    plan = drawn.plan.set_index("stratum")[["area_ha", "windows", "expected_share", "reviews"]]
    error = drawn.plan.attrs["expected_standard_error_ha"]
    shown = plan.astype({"windows": "object", "reviews": "object"})
    region = drawn.region_ha
    of_region = "" if math.isnan(region) else f"; the scan's region has {region:,.1f} ha"
    shown["expected_share"] = [f"{share:.3g}" for share in plan["expected_share"]]
    return "\n".join(
        [
            _table(shown, "stratum"),
            "",
            f"{_count(len(drawn.sample), 'window')} to review",
            f"Expected standard error: {error:,.1f} ha, if the guesses are right",
            f"To review: the square of {drawn.unit_m:,} m around each site",
            *_of_mapped(drawn),
            f"The estimate will be of {drawn.framed_ha:,.1f} ha{of_region}",
            *_not_in_it(drawn),
            "Fill in label: 1 mining, 0 none; or mining_share, 0 to 1, for hectares of ground",
            "Who reviews should not see the columns stratum and score",
            *[f"Saved: {file}" for file in drawn.files],
        ]
    )


def _of_mapped(drawn: "Drawn") -> list[str]:
    """Say why the stratum of what is detected has other hectares than the detections."""
    found = drawn.plan.set_index("stratum")["area_ha"].get("detected")
    if found is None:
        return []
    mapped = f"Detections have {drawn.mapped_ha:,.1f} ha, the stratum detected {found:,.1f}"
    return [f"{mapped}: squares whose centre lies in a detection count whole, others not at all"]


def _not_in_it(drawn: "Drawn") -> list[str]:
    """Say what an estimate leaves out: squares, and of the region as the scan says it."""
    if not drawn.not_seen_windows:
        squares = "Not in it: nothing; every square was seen"
    else:
        squares = (
            f"Not in it: {_count(drawn.not_seen_windows, 'square')} that were not seen, whole "
            f"{drawn.not_seen_ha:,.1f} ha, with ground beyond the region and ground that windows "
            "beside them show"
        )
    if math.isnan(drawn.region_not_seen_ha):
        return [squares]
    region = f"Of the region itself {drawn.region_not_seen_ha:,.1f} ha were not seen"
    return [squares, f"{region} by any window, as scan run says"]


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def describe_estimate(estimate: "AreaEstimate") -> str:
    """Say what a reviewed sample says of areas."""
    areas = estimate.areas[["mapped_ha", "area_ha", "se_ha", "low_ha", "high_ha"]]
    accuracy = estimate.accuracy[["value", "se", "low", "high"]].map(lambda value: f"{value:.3f}")
    hidden = estimate.strata["may_hide_ha"].dropna()
    notes = [
        f"No mining was found in {name}: with {estimate.confidence:.0%} confidence it may hold up "
        f"to {most:,.0f} ha, which the standard error does not know of"
        for name, most in hidden.items()
    ]
    shown = estimate.strata.astype({"reviewed": "object"})
    shown["mining_share"] = [f"{share:.3f}" for share in estimate.strata["mining_share"]]
    return "\n".join(
        [
            f"Intervals: {estimate.confidence:.0%}",
            _table(areas, "class"),
            "",
            _table(accuracy, "accuracy"),
            "",
            _table(shown.drop(columns="may_hide_ha"), "stratum"),
            "",
            "Mapped: whole squares around centres in detections; not the area of their polygons",
            *notes,
        ]
    )


def estimate_json(estimate: "AreaEstimate") -> dict[str, Any]:
    """Give an estimate as JSON values."""
    return {
        "confidence": estimate.confidence,
        **{
            name: json.loads(getattr(estimate, name).reset_index().to_json(orient="records"))
            for name in ("areas", "accuracy", "strata")
        },
    }


def describe_outlines(result: dict[str, Any]) -> str:
    """Say how much ground the outlines have."""
    share = result["ground_ha"] / result["area_ha"] if result["area_ha"] else 0.0
    count = _count(result["detections"], "detection")
    return "\n".join(
        [
            f"{count} of {result['area_ha']:,.1f} ha of windows",
            f"{result['ground_ha']:,.1f} ha of bare ground and ponds in them, {share:.1%}",
            f"  bare {result['bare_ha']:,.1f}, ponds {result['pond_ha']:,.1f} ha{_rounded(result)}",
            f"{result['not_seen_ha']:,.1f} ha without data",
            "The rule sees colour alone: pasture, roads and sandbanks count, overgrown pits do not",
            *[f"Saved: {file}" for file in result["files"]],
        ]
    )


def _rounded(result: dict[str, Any]) -> str:
    """Say so where parts that are rounded do not add up to the rounded sum."""
    parts = round(result["bare_ha"], 1) + round(result["pond_ha"], 1)
    adds_up = math.isclose(parts, round(result["ground_ha"], 1), abs_tol=0.01)
    return "" if adds_up else " (each rounded by itself)"


def _table(table: "pd.DataFrame", corner: str) -> str:
    """Write a table of numbers for a person, hectares with one decimal."""
    names = [str(name).removesuffix("_ha").replace("_", " ") for name in table.columns]
    units = [" ha" if str(name).endswith("_ha") else "" for name in table.columns]
    rows = [[corner, *(name + unit for name, unit in zip(names, units, strict=True))]]
    for key, row in table.iterrows():
        label = ", ".join(map(str, key)) if isinstance(key, tuple) else str(key)
        rows.append([label, *map(_cell, row)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "–" if math.isnan(value) else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
