"""Gather features: make areas, repair them, keep what meets the area, list what is lost."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from minewatch.context._areas import (
    SAFE_CHANGE,
    SAFE_GAP,
    close_rings,
    encloses_ground,
    relation_area,
    repair_areas,
)
from minewatch.context._layers import Kind, Layer
from minewatch.context._scan import Batch, Relation, Scan
from minewatch.context._table import Match, Part, join_parts, make_drops, make_part, matcher
from minewatch.errors import InputError
from minewatch.types import AnyArray, BoolArray

_RELATIONS_AT_ONCE: Final = 2_000
REPAIRED: Final = "its rings cross; repaired, by two methods that agree"
AMBIGUOUS: Final = (
    f"its rings cross, and two methods to repair it differ by more than {SAFE_CHANGE:.0%} of its "
    "area"
)


class Clip:
    """The area that features must lie in."""

    def __init__(self, area: BaseGeometry | None) -> None:
        self._area = area
        if area is not None:
            _check_area(area)
            self._bounds = shapely.bounds(area)
            shapely.prepare(area)

    def near(self, shapes: AnyArray) -> BoolArray:
        """Say which shapes have a bounding box that meets the area's."""
        if self._area is None:
            return np.ones(len(shapes), dtype=np.bool_)
        west, south, east, north = self._bounds
        bounds = shapely.bounds(shapes)
        meets: BoolArray = (
            (bounds[:, 0] <= east)
            & (bounds[:, 2] >= west)
            & (bounds[:, 1] <= north)
            & (bounds[:, 3] >= south)
        )
        return meets

    def meets(self, shapes: AnyArray) -> BoolArray:
        """Say which shapes, all valid, have a point in common with the area."""
        if self._area is None:
            return np.ones(len(shapes), dtype=np.bool_)
        return np.asarray(shapely.intersects(self._area, shapes), dtype=np.bool_)

    def is_near(self, places: Sequence[tuple[float, float]]) -> bool:
        """Say whether the bounding box of places meets the area's."""
        if self._area is None:
            return True
        return bool(places) and bool(self.near(np.array([shapely.multipoints(places)]))[0])


def _check_area(area: BaseGeometry) -> None:
    if not isinstance(area, Polygon | MultiPolygon) or area.is_empty:
        raise InputError(f"the area is {area.geom_type}; expected a Polygon or MultiPolygon")
    west, south, east, north = area.bounds
    if not (-180.0 <= west <= east <= 180.0 and -90.0 <= south <= north <= 90.0):
        raise InputError(
            f"the area reaches from {west}, {south} to {east}, {north}; expected degrees, "
            "longitude first, within ±180 and ±90: cut it in two at the antimeridian"
        )
    if not area.is_valid:
        raise InputError(
            f"the area is not valid ({shapely.is_valid_reason(area)}); repair it (make_valid)"
        )


@dataclass
class Found:
    """Features as they are found."""

    layers: tuple[Layer, ...]
    clip: Clip
    parts: list[Part] = field(default_factory=list)
    rows: list[tuple[str, str, bool]] = field(default_factory=list)
    """Of what was dropped or repaired: feature_id, reason, repaired."""

    def __post_init__(self) -> None:
        self._match = matcher(self.layers)

    def relevant(self, relations: Sequence[Relation]) -> list[Relation]:
        """Give the relations that lie in some layer."""
        return [one for one in relations if self._match(one.tags, "area") is not None]

    def add(self, word: str, batch: Batch) -> None:
        """Take the features among some nodes or ways."""
        kinds: list[Kind] = [
            "point" if word == "node" else ("area" if closed and encloses_ground(tags) else "line")
            for tags, closed in zip(batch.tags, batch.closed, strict=True)
        ]
        matches = [self._match(*one) for one in zip(batch.tags, kinds, strict=True)]
        rows = [place for place, match in enumerate(matches) if match is not None]
        if not rows:
            return
        shapes = shapely.from_wkb([batch.shapes[row] for row in rows])
        near = self.clip.near(shapes)
        rows = [row for row, is_near in zip(rows, near, strict=True) if is_near]
        self.draw(
            [word] * len(rows),
            [batch.numbers[row] for row in rows],
            [kinds[row] for row in rows],
            [match for row in rows if (match := matches[row]) is not None],
            [batch.tags[row] for row in rows],
            np.asarray(shapes[near], dtype=np.object_),
        )

    def add_broken(self, scan: Scan) -> None:
        """List what has a tag of some layer, but no shape."""
        for feature_id, reason, tags, known in scan.broken:
            kinds: tuple[Kind, ...] = ("point",) if feature_id[0] == "n" else ("line", "area")
            is_wanted = any(self._match(tags, kind) is not None for kind in kinds)
            if is_wanted and self.clip.is_near(known):
                self.rows.append((feature_id, reason, False))

    def add_relations(self, relations: Sequence[Relation], scan: Scan) -> None:
        """Take the features among relations, whose members have been read."""
        for start in range(0, len(relations), _RELATIONS_AT_ONCE):
            some = relations[start : start + _RELATIONS_AT_ONCE]
            drawn = [(one, self._area_of(one, scan)) for one in some]
            whole = [(one, area) for one, area in drawn if area is not None]
            shapes = np.array([area for _, area in whole], dtype=np.object_)
            self.draw(
                ["relation"] * len(whole),
                [one.number for one, _ in whole],
                ["area"] * len(whole),
                [match for one, _ in whole if (match := self._match(one.tags, "area"))],
                [one.tags for one, _ in whole],
                shapes,
                are_drawn=True,
            )

    def _area_of(self, relation: Relation, scan: Scan) -> BaseGeometry | None:
        """Draw a relation near the area; None if it is not near, or cannot be drawn."""
        feature_id = f"relation/{relation.number}"
        there = [number for number in relation.ways if number in scan.member_shapes]
        lines = shapely.from_wkb([scan.member_shapes[number] for number in there])
        if not self.clip.is_near([tuple(p) for p in shapely.get_coordinates(lines)]):
            return None
        missing = sorted(set(relation.ways) - set(there))
        if missing or not there:
            why = scan.broken_members.get(missing[0], "it is not in the file") if missing else ""
            self.rows.append((feature_id, _missing(relation, missing, why), False))
            return None
        area, share_open, unsure = relation_area(list(relation.ways.values()), lines)
        if area.is_empty or share_open > SAFE_GAP:
            reason = f"{share_open:.0%} of its boundary closes no ring"
            self.rows.append((feature_id, reason if share_open else "it has no outer ring", False))
            return None
        if unsure > SAFE_CHANGE:
            reason = (
                f"{share_open:.2%} of its boundary closes no ring, and may be that of a hole or an "
                f"island of {unsure:.1%} of its area"
            )
            self.rows.append((feature_id, reason, False))
            return None
        if share_open > 0.0:
            reason = f"{share_open:.2%} of its boundary closes no ring; left out of it"
            self.rows.append((feature_id, reason, True))
        return area

    def draw(
        self,
        words: list[str],
        numbers: list[int],
        kinds: Sequence[str],
        matches: list[Match],
        tags: list[Mapping[str, str]],
        shapes: AnyArray,
        *,
        are_drawn: bool = False,
    ) -> None:
        """Make areas of closed lines, repair them, and keep what meets the area."""
        is_area = np.array([kind == "area" for kind in kinds], dtype=np.bool_)
        is_line = np.array([kind == "line" for kind in kinds], dtype=np.bool_)
        reasons: dict[int, tuple[str, bool]] = {}
        if not are_drawn:
            shapes[is_area] = close_rings(shapes[is_area])
            for place in np.flatnonzero(shapely.is_missing(shapes)):
                reasons[int(place)] = "its ring has fewer than four nodes", False
            for place in np.flatnonzero(is_line & (shapely.length(shapes) == 0.0)):
                reasons[int(place)] = "its nodes all lie in one place", False
                shapes[place] = None
        drawn = np.flatnonzero(is_area & ~shapely.is_missing(shapes))
        repaired, were_invalid = repair_areas(shapes[drawn])
        shapes[drawn] = repaired
        for place, shape in zip(drawn[were_invalid], repaired[were_invalid], strict=True):
            reasons[int(place)] = (AMBIGUOUS, False) if shape is None else (REPAIRED, True)
        there = ~shapely.is_missing(shapes)
        kept = there.copy()
        kept[there] = self.clip.meets(shapes[there])
        self.rows += [
            (f"{words[place]}/{numbers[place]}", *reason)
            for place, reason in reasons.items()
            if kept[place] or not there[place]
        ]
        places = np.flatnonzero(kept).tolist()
        if len(places):
            self.parts.append(
                make_part(
                    [words[place] for place in places],
                    [numbers[place] for place in places],
                    [kinds[place] for place in places],
                    [matches[place] for place in places],
                    [tags[place] for place in places],
                    shapes[places],
                    self.layers,
                )
            )

    def result(self) -> tuple[gpd.GeoDataFrame, pd.DataFrame, dict[str, Any]]:
        """Give the table of features, what was dropped or repaired, and the counts of both."""
        table, twice = join_parts(self.parts, self.layers)
        dropped = make_drops(self.rows)
        counts = {
            "features": len(table),
            "kinds": dict(sorted(Counter(table["kind"]).items())),
            "names_the_target": int(table["target"].notna().sum()),
            "twice_in_the_file": twice,
            "dropped": int((~dropped["repaired"]).sum()),
            "repaired": int(dropped["repaired"].sum()),
        }
        return table, dropped, counts


def _missing(relation: Relation, missing: Sequence[int], why: str) -> str:
    if not relation.ways:
        return "it has no ways"
    return f"{len(missing)} of its {len(relation.ways)} ways have no shape: way/{missing[0]}: {why}"
