"""Signs that a file of OpenStreetMap ends too early: parts of things that are not in it."""

import warnings
from pathlib import Path
from typing import Any, Final

import osmium
from osmium.osm import NODE

from minewatch.context._scan import Scan, reading
from minewatch.errors import CoverageWarning

_LOOSE: Final = 0.1
"""Share of the ways without tags that may be of no relation. In Geofabrik's Liechtenstein it is
none of 351; without its block of relations, all of them."""
_FEWEST: Final = 10
"""As few loose parts are mappers' mistakes."""


def look_for_end(path: Path, scan: Scan) -> dict[str, Any]:
    """Warn if a file seems to end before its last objects do.

    A file is sorted by type: nodes, ways, relations. One that is cut within a block cannot be
    read; one that is cut between two can, and looks like a sparse map. But what has no tags is
    there to be a part of something that follows: a node of a way, a way of a relation. A file with
    such nodes and no way was cut among its nodes; one whose untagged ways are of no relation, among
    its ways or relations. What cannot be told from a whole file: one that lacks a few relations
    only, or that has hardly any ways without tags.

    Parameters
    ----------
    path
        The file.
    scan
        What was seen on the way through all of it.

    Returns
    -------
    dict
        ``ways``, how many there are; ``untagged_ways``; ``untagged_ways_of_no_relation``.

    Warns
    -----
    CoverageWarning
        If it seems to be cut short.
    """
    told = {
        "ways": scan.n_ways,
        "untagged_ways": scan.n_untagged,
        "untagged_ways_of_no_relation": scan.n_loose,
    }
    sign = None
    if scan.n_ways == 0:
        if _has_bare_nodes(path):
            sign = "nodes without tags, and no way that they belong to"
    elif scan.n_loose >= _FEWEST and scan.n_loose > _LOOSE * scan.n_untagged:
        sign = (
            f"{scan.n_untagged:,} ways without tags, {scan.n_loose:,} of which belong to no "
            "relation in it"
        )
    if sign is not None:
        warnings.warn(
            f"{path} holds {sign}: it may be cut short, or was filtered, and what it lacks looks "
            "as if nothing were there; compare its checksum, or fetch it again",
            CoverageWarning,
            stacklevel=4,
        )
    return told


def _has_bare_nodes(path: Path) -> bool:
    """Say whether there are some nodes without tags."""
    found = 0
    with reading(path), osmium.io.Reader(str(path), NODE) as reader:
        one: Any
        for one in osmium.OsmFileIterator(reader):
            found += not one.tags
            if found >= _FEWEST:
                return True
    return False
