"""Extract features from a file of OpenStreetMap."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from shapely.geometry.base import BaseGeometry

from minewatch._progress import Progress, silent
from minewatch._store import digest_file
from minewatch.context._border import find_border
from minewatch.context._covered import cover, held_ground
from minewatch.context._features import Features, attribution_of, used_versions
from minewatch.context._gather import Clip, Found
from minewatch.context._layers import DEFAULT_LAYERS, Layer, check_layers
from minewatch.context._scan import (
    Header,
    Scan,
    check_file,
    read_header,
    read_objects,
    read_relations,
)
from minewatch.context._target import wanted_layers
from minewatch.context._whole import look_for_end
from minewatch.types import StrPath

_STEP: Final = "extract features"


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
    areas that cannot be repaired without guessing. What lies beyond the file's border is not known,
    rather than empty: ``info["area"]`` is the part of the area that the file holds. The border is
    that of the ``.poly`` file beside it, as Geofabrik has them (``venezuela.poly`` beside
    ``venezuela-latest.osm.pbf``), else the bounding box of its header; None where there is neither.
    Relations of other kinds (routes, sites) are not
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
        If the file cannot be read as OpenStreetMap data, or holds its history; if the area is none,
        or the file holds nothing of it.
    SettingsError
        If no layer is named, or two have one name.

    Warns
    -----
    CoverageWarning
        If the file holds only a part of the area. If it seems to be cut short between two of its
        blocks: it has nodes without tags and no way, or ways without tags that no relation is made
        of. A file that lacks only its last few relations cannot be told from a whole one.

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
    return extract(Path(pbf), area, layers, progress=progress)


def extract(
    path: Path,
    area: BaseGeometry | None,
    layers: Sequence[Layer],
    *,
    is_whole: bool = False,
    progress: Progress = silent,
) -> Features:
    """Extract features as `extract_features` does.

    With `is_whole` the file is known to hold all of the area, whatever its header says.
    """
    check_file(path)
    wanted = wanted_layers(check_layers(layers))
    found = Found(tuple(layers), Clip(area))
    header = read_header(path)
    border = None if is_whole else find_border(path)
    held = area if is_whole else held_ground(path, header.box, border)
    covered = cover(path, area, held, border=border)
    progress(_STEP, 0, 3)
    scan = Scan()
    relations = found.relevant(read_relations(path, wanted, scan))
    members = frozenset(number for relation in relations for number in relation.ways)
    progress(_STEP, 1, 3)
    dated = header.timestamp is None
    for word, batch in read_objects(path, wanted, members, scan, dated=dated):
        found.add(word, batch)
    parts = None if is_whole else look_for_end(path, scan)
    found.add_broken(scan)
    progress(_STEP, 2, 3)
    found.add_relations(relations, scan)
    table, dropped, counts = found.result()
    info = {**_describe(path, header, scan, layers), **covered, "counts": counts}
    border_told = border and {"name": border.name, "digest": digest_file(border)}
    info["source"] |= {"border": border_told, "parts": parts}
    progress(_STEP, 3, 3)
    return Features(table, dropped, info)


def _describe(path: Path, header: Header, scan: Scan, layers: Sequence[Layer]) -> dict[str, Any]:
    """Say where features come from."""
    is_said = scan.newest is not None and scan.newest.year > 1970
    newest = f"{scan.newest:%Y-%m-%dT%H:%M:%SZ}" if is_said else None
    return {
        "attribution": attribution_of(header.generator),
        "osm_timestamp": header.timestamp or newest,
        "osm_timestamp_from": "header" if header.timestamp else newest and "newest object",
        "source": {
            "name": path.name,
            "digest": digest_file(path),
            "generator": header.generator,
        },
        "layers": [layer.model_dump(mode="json") for layer in layers],
        "versions": used_versions(),
    }
