"""Say in a page of plain text what a check of sites found."""

import math
from typing import TYPE_CHECKING, Any

from minewatch.grid import format_latitude, format_longitude
from minewatch.sites._schema import CLASS_NAMES, UNLABELLED
from minewatch.sites._validate import describe_fault

if TYPE_CHECKING:
    from minewatch.sites._check import SitesCheck

_MOST_ROWS = 3


def summarize_check(check: "SitesCheck") -> str:
    """Give the summary of a check, a few lines for each of its tables."""
    parts = [
        _counts(check),
        _extent(check),
        _distances(check),
        _overlaps(check),
        _clusters(check),
        _faults(check),
    ]
    return "\n\n".join(parts)


def metres(value: float) -> str:
    """Spell a distance with three figures and its unit.

    Examples
    --------
    >>> metres(172.92), metres(1620.0), metres(63648.2), metres(float("nan"))
    ('173 m', '1.62 km', '63.6 km', '–')
    """
    if not math.isfinite(value):
        return "–"
    if value < 999.5:
        return f"{value:.0f} m"
    kilometres = value / 1000.0
    return f"{kilometres:,.{2 if kilometres < 9.995 else 1 if kilometres < 99.95 else 0}f} km"


def _counts(check: "SitesCheck") -> str:
    counts = check.counts.to_dict("index")
    every = counts["all"]
    n_sources = len(check.sources)
    lines = [f"{_many(every['n_sites'], 'site')} from {_many(n_sources, 'source')}"]
    width = max(len(str(name)) for name in counts)
    lines += [
        f"  {name:<{width}}  {row['n_sites']:>7,}  {100 * row['share']:>5.1f} %"
        for name, row in counts.items()
        if name != "all"
    ]
    unplaced = every["n_sites"] - every["n_placed"]
    if unplaced:
        lines.append(f"  {unplaced:,} have no usable place and are left out of what follows")
    return "\n".join(lines)


def _extent(check: "SitesCheck") -> str:
    west, south, east, north = check.extent.to_dict("index")["all"].values()
    if not math.isfinite(west):
        return "Extent: none"
    return (
        f"Extent: {format_longitude(west)} to {format_longitude(east)}, "
        f"{format_latitude(south)} to {format_latitude(north)}"
    )


def _distances(check: "SitesCheck") -> str:
    table = check.distances
    both = set(CLASS_NAMES.values()) <= _placed_classes(check)
    table = table[(table["of"] == "all") | (both & (table[["of", "to"]] != UNLABELLED).all(axis=1))]
    rows = [
        [
            "any site" if row["of"] == "all" else f"{row['of']} to {_target(row)}",
            f"{row['n_sites']:,}",
            *(metres(row[name]) for name in ("min_m", "q05_m", "median_m", "q95_m")),
        ]
        for row in table.to_dict("records")
        if row["of"] == "all" or (row["to"] != "all" and row["n_sites"])
    ]
    head = ["nearest other site", "sites", "min", "5 %", "median", "95 %"]
    return "Distances on the ellipsoid\n" + _lay_out(head, rows)


def _placed_classes(check: "SitesCheck") -> set[str]:
    return {
        str(name)
        for name, row in check.counts.to_dict("index").items()
        if name != "all" and row["n_placed"]
    }


def _target(row: "dict[Any, Any]") -> str:
    return "the same" if row["of"] == row["to"] else str(row["to"])


def _overlaps(check: "SitesCheck") -> str:
    grid = check.grid
    row = check.overlaps.to_dict("index")["all"]
    total = row["n_sites"]
    lines = [f"Patches of {grid.size_px} × {grid.size_px} pixels of {grid.resolution_m:g} m"]
    for name, text in (
        ("n_within_side", f"have another site within a patch's side, {grid.side_m:g} m"),
        ("n_overlapping", "have a patch that overlaps another"),
        ("n_overlapping_other_class", "have a patch that overlaps one of the other class"),
    ):
        share = f" ({100 * row[name] / total:.1f} %)" if total else ""
        lines.append(f"  {row[name]:,} of {total:,} sites{share} {text}")
    if not set(CLASS_NAMES.values()) <= _placed_classes(check):
        lines.pop()
    pairs = len(check.conflicts)
    if pairs:
        lines.append(f"  {_many(pairs, 'pair')} of sites with different labels in one patch")
    return "\n".join(lines)


def _clusters(check: "SitesCheck") -> str:
    rows = [
        [f"{float(str(step)) / 1000:g} km", *(f"{count:,}" for count in row.values())]
        for step, row in check.clusters.to_dict("index").items()
    ]
    head = ["steps up to", "clusters", "of one site", "largest", "with both classes"]
    return "Clusters\n" + _lay_out(head, rows)


def _faults(check: "SitesCheck") -> str:
    faults = check.faults
    if len(faults) == 0:
        return "Faults: none"
    lines = [f"Faults: {len(faults):,}"]
    for fault, own in faults.groupby("fault", sort=False):
        lines.append(f"  {fault}: {len(own):,}")
        shown = own.head(_MOST_ROWS).itertuples(index=False, name=None)
        lines += [f"    {describe_fault(*row).replace(f'{fault}: ', '', 1)}" for row in shown]
        if len(own) > _MOST_ROWS:
            lines.append(f"    … and {len(own) - _MOST_ROWS:,} more")
    return "\n".join(lines)


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _lay_out(head: list[str], rows: list[list[str]]) -> str:
    widths = [max(len(cell) for cell in column) for column in zip(head, *rows, strict=True)]

    def line(cells: list[str]) -> str:
        first, *rest = cells
        aligned = [f"{cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True)]
        return "  " + "  ".join([f"{first:<{widths[0]}}", *aligned])

    return "\n".join([line(head), *(line(row) for row in rows)])
