"""Extract features from a file of OpenStreetMap."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import shapely
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from minewatch._progress import Progress, silent
from minewatch._store import digest_file
from minewatch.context._areas import (
    SAFE_CHANGE,
    SAFE_GAP,
    close_rings,
    encloses_ground,
    relation_area,
    repair_areas,
)
from minewatch.context._features import ATTRIBUTION, Features
from minewatch.context._layers import DEFAULT_LAYERS, Kind, Layer, check_layers, wanted_layers
from minewatch.context._scan import (
    Batch,
    Header,
    Relation,
    Scan,
    check_file,
    read_header,
    read_objects,
    read_relations,
)
from minewatch.context._table import Match, Part, join_parts, make_drops, make_part, matcher
from minewatch.errors import InputError
from minewatch.types import AnyArray, BoolArray, StrPath

_STEP: Final = "extract features"
_RELATIONS_AT_ONCE: Final = 2_000
REPAIRED: Final = "its rings cross; repaired, by two methods that agree"
AMBIGUOUS: Final = (
    f"its rings cross, and two methods to repair it differ by more than {SAFE_CHANGE:.0%} of its "
    "area"
)


def extract_features(
    pbf: StrPath,
    area: BaseGeometry | None = None,
    layers: Sequence[Layer] = DEFAULT_LAYERS,
    *,
    progress: Progress = silent,
) -> Features:
    """Extract the features of some layers from a file of OpenStreetMap, within an area.

    Nodes are points; ways are lines, or areas if they are closed and their tags are on
    OpenStreetMap's list of polygon features; multipolygon and boundary relations are areas with
    their holes and islands. A feature is taken whole if any part of it, its edge included, lies in
    the area: nothing is cut off at the edge. Members of relations are features of their own if
    their own tags say so, and not otherwise. Tags that name the target are taken too, whatever the
    layers, and said in the column `target`.

    What has no shape, because nodes or ways are not in the file, is dropped and listed, and so are
    areas that cannot be repaired without guessing. Relations of other kinds (routes, sites) are not
    features. Names and ids of mappers are not kept.

    Parameters
    ----------
    pbf
        A file as Geofabrik and others give them, ``.osm.pbf``, sorted by type: nodes, ways,
        relations. Also ``.osm``, ``.osm.gz``, ``.osm.bz2``, ``.o5m``.
    area
        Polygon or MultiPolygon, EPSG:4326, longitude first, within ±180° and ±90°; one that
        crosses the antimeridian comes in two parts. None: all of the file.
    layers
        What to take.
    progress
        Told of the steps.

    Returns
    -------
    Features
        The table, what was dropped or repaired, and where it comes from.

    Raises
    ------
    NotThereError
        If there is no such file.
    InputError
        If the file cannot be read as OpenStreetMap data, or holds its history; if the area is none.
    SettingsError
        If no layer is named, or two have one name.

    Notes
    -----
    Memory holds the places of all nodes of the file (16 bytes each; of files larger than 1 GiB they
    lie in a temporary file), the lines of relations, and the features that are found; never the
    file. What no layer asks for is turned away by osmium, before Python sees it.

    References
    ----------
    https://osmcode.org/pyosmium/

    Examples
    --------
    >>> import osmium, tempfile
    >>> from osmium.osm.mutable import Node, Way
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = f"{folder}/valley.osm.pbf"
    ...     with osmium.SimpleWriter(file) as writer:
    ...         writer.add_node(Node(id=1, location=(-62.61, 5.41)))
    ...         writer.add_node(Node(id=2, location=(-62.60, 5.40)))
    ...         writer.add_way(Way(id=7, nodes=[1, 2], tags={"highway": "track", "width": "3"}))
    ...     found = extract_features(file)
    >>> print(found.table[["highway", "kind"]])
               highway  kind
    feature_id
    way/7        track  line
    >>> dict(found.table.loc["way/7", "tags"])
    {'width': '3'}
    """
    path = Path(pbf)
    check_file(path)
    wanted = wanted_layers(check_layers(layers))
    found = _Found(tuple(layers), _Clip(area))
    header = read_header(path)
    progress(_STEP, 0, 3)
    relations = found.relevant(read_relations(path, wanted))
    members = frozenset(number for relation in relations for number in relation.ways)
    progress(_STEP, 1, 3)
    scan = Scan()
    dated = header.timestamp is None
    for word, batch in read_objects(path, wanted, members, scan, dated=dated):
        found.add(word, batch)
    found.add_broken(scan)
    progress(_STEP, 2, 3)
    found.add_relations(relations, scan)
    features = found.features(_describe(path, header, scan, area, layers))
    progress(_STEP, 3, 3)
    return features


def _describe(
    path: Path, header: Header, scan: Scan, area: BaseGeometry | None, layers: Sequence[Layer]
) -> dict[str, Any]:
    """Say where features come from."""
    newest = None if scan.newest is None or scan.newest.startswith("1970") else scan.newest
    return {
        "attribution": ATTRIBUTION,
        "osm_timestamp": header.timestamp or newest,
        "osm_timestamp_from": "header" if header.timestamp else newest and "newest object",
        "source": {
            "name": path.name,
            "digest": digest_file(path),
            "generator": header.generator,
        },
        "area": None if area is None else shapely.to_wkt(area, rounding_precision=7),
        "layers": [layer.model_dump(mode="json") for layer in layers],
        "versions": {
            **{name: version(name) for name in ("minewatch", "osmium", "shapely")},
            "geos": shapely.geos_version_string,
        },
    }


class _Clip:
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
class _Found:
    """Features as they are found."""

    layers: tuple[Layer, ...]
    clip: _Clip
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
        self._draw(
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
            self._draw(
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
        area, share_open = relation_area(list(relation.ways.values()), lines)
        if area.is_empty or share_open > SAFE_GAP:
            reason = f"{share_open:.0%} of its boundary closes no ring"
            self.rows.append((feature_id, reason if share_open else "it has no outer ring", False))
            return None
        if share_open > 0.0:
            reason = f"{share_open:.2%} of its boundary closes no ring; left out of it"
            self.rows.append((feature_id, reason, True))
        return area

    def _draw(
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

    def features(self, info: Mapping[str, Any]) -> Features:
        """Put all together."""
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
        return Features(table, dropped, {**info, "counts": counts})


def _missing(relation: Relation, missing: Sequence[int], why: str) -> str:
    if not relation.ways:
        return "it has no ways"
    return f"{len(missing)} of its {len(relation.ways)} ways have no shape: way/{missing[0]}: {why}"
