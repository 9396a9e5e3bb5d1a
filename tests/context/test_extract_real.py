"""A whole country: against GDAL's reading of it, osmium's own areas, and osmnx."""

import re
from pathlib import Path

import geopandas as gpd
import numpy as np
import osmium
import osmium.osm.mutable
import pyogrio
import pytest
import shapely
from pyproj import Transformer

from minewatch.context import DEFAULT_LAYERS, Features, extract_features, read_features
from minewatch.context._areas import encloses_ground

pytestmark = pytest.mark.real

_PAIRS = re.compile(r'"((?:[^"\\]|\\.)*)"=>"((?:[^"\\]|\\.)*)"')
_LAYERS = tuple(
    layer.model_copy(update={"kinds": ("point", "line", "area"), "values": None})
    for layer in DEFAULT_LAYERS
)
_TO_METRES = Transformer.from_crs("EPSG:4326", "EPSG:32632", always_xy=True)


@pytest.fixture(scope="module")
def country(shared_data: Path) -> Path:
    return shared_data / "osm" / "liechtenstein.osm.pbf"


@pytest.fixture(scope="module")
def features(country: Path) -> Features:
    """Give all that has a key of the default layers, whatever its value and kind."""
    return extract_features(country, layers=_LAYERS)


@pytest.fixture(scope="module")
def by_gdal(country: Path) -> dict[str, tuple[str, dict[str, str], shapely.Geometry]]:
    """Give GDAL's reading: id to its layer, tags and geometry."""
    read = {}
    for layer in pyogrio.list_layers(country)[:, 0]:
        for row in pyogrio.read_dataframe(country, layer=layer).to_dict("records"):
            tags = {key: value for key, value in row.items() if isinstance(value, str)}
            tags |= dict(_PAIRS.findall(tags.pop("other_tags", "")))
            number, way = tags.pop("osm_id", None), tags.pop("osm_way_id", None)
            word = {"points": "node", "lines": "way"}.get(layer, "relation")
            feature_id = f"way/{way}" if number is None else f"{word}/{number}"
            read[feature_id] = layer, tags, row["geometry"]
    return read


@pytest.fixture(scope="module")
def outer_ways(country: Path) -> set[str]:
    """Name the ways that are outer rings, or inner, of multipolygons and boundaries."""
    return {
        f"way/{member.ref}"
        for relation in osmium.FileProcessor(str(country), osmium.osm.RELATION)
        if relation.tags.get("type") in ("multipolygon", "boundary")
        for member in relation.members
        if member.type == "w"
    }


@pytest.mark.parametrize("layer", _LAYERS, ids=lambda layer: layer.name)
def test_every_tag_is_counted_as_gdal_counts_it_and_every_difference_is_known(
    features, by_gdal, outer_ways, layer
):
    ours = features.table[layer.name].dropna().to_dict()
    theirs = {id_: tags[layer.key] for id_, (_, tags, _) in by_gdal.items() if layer.key in tags}
    assert {id_: ours[id_] for id_ in ours.keys() & theirs} == {
        id_: theirs[id_] for id_ in ours.keys() & theirs
    }
    # GDAL loses areas with tags of their own if they are rings of a relation.
    lost = ours.keys() - theirs
    assert lost <= outer_ways
    assert len(lost) <= 5
    assert all(features.table.loc[id_, "kind"] == "area" for id_ in lost)
    # GDAL has relations that enclose nothing.
    more = theirs.keys() - ours
    assert {by_gdal[id_][0] for id_ in more} <= {"other_relations", "multilinestrings"}
    assert len(more) <= 3


def test_areas_and_lengths_are_gdals_within_a_thousandth_and_kinds_differ_as_known(
    features, by_gdal
):
    table = features.table[features.table.index.isin(by_gdal.keys())]
    kinds = table["kind"].to_numpy()
    layers = np.array([by_gdal[id_][0] for id_ in table.index])
    theirs = np.array([by_gdal[id_][2] for id_ in table.index], dtype=object)
    # GDAL draws closed generators as lines, and cliffs and a racetrack for karts as areas.
    for id_ in table.index[(kinds == "area") & (layers == "lines")]:
        assert by_gdal[id_][1]["power"] in ("generator", "substation", "transformer", "plant")
    for id_ in table.index[(kinds == "line") & (layers == "multipolygons")]:
        assert not encloses_ground(dict(table.loc[id_, "tags"]) | by_gdal[id_][1])
    areas = (kinds == "area") & (layers == "multipolygons")
    lines = (kinds == "line") & (layers == "lines")
    shapes = table.geometry.to_numpy()
    for measure, chosen in ((shapely.area, areas), (shapely.length, lines)):
        total, expected = (_total(measure, of[chosen]) for of in (shapes, theirs))
        assert total == pytest.approx(expected, rel=1e-3)
    assert shapely.equals(shapes[areas], shapely.make_valid(theirs[areas])).mean() > 0.999


def _total(measure, shapes) -> float:
    project = shapely.transform(shapes, _TO_METRES.transform, interleaved=False)
    return float(measure(project).sum())


def test_multipolygons_have_the_holes_and_islands_that_osmium_finds(features, country):
    ours = features.table[features.table.index.str.startswith("relation/")].geometry
    expected = {}
    factory = osmium.geom.WKBFactory()
    for one in osmium.FileProcessor(str(country)).with_areas():
        if one.is_area() and not one.from_way() and f"relation/{one.orig_id()}" in ours.index:
            expected[f"relation/{one.orig_id()}"] = factory.create_multipolygon(one)
    theirs = shapely.from_wkb(list(expected.values()))
    same = shapely.equals(ours.loc[list(expected)].to_numpy(), shapely.make_valid(theirs))
    assert len(expected) == len(ours) > 200
    assert same.all()
    holes = [len(part.interiors) for shape in ours for part in shapely.get_parts(shape)]
    assert sum(holes) > 500
    assert (shapely.get_num_geometries(ours.to_numpy()) > 1).sum() == 10


def test_ids_kinds_and_geometry_are_those_of_osmnx(country, tmp_path):
    osmnx = pytest.importorskip("osmnx")
    area = shapely.box(9.50, 47.12, 9.54, 47.15)
    table = extract_features(country, area, _LAYERS).table
    clipped = _write_with_references(country, set(table.index), tmp_path / "part.osm")
    tags = {layer.key: True for layer in _LAYERS}
    theirs = osmnx.features_from_xml(clipped, polygon=area, tags=tags)
    theirs.index = [f"{word}/{number}" for word, number in theirs.index]
    table = table[table[[layer.name for layer in _LAYERS]].notna().any(axis=1)]
    assert len(table) > 1_000
    assert table["kind"].value_counts().min() > 100
    assert set(table.index) == set(theirs.index)
    theirs = theirs.loc[table.index]
    assert shapely.equals(table.geometry.to_numpy(), theirs.geometry.to_numpy()).all()
    assert (table.geom_type == theirs.geom_type).all()


def _write_with_references(file: Path, ids: set[str], path: Path) -> Path:
    """Write objects and all they are made of as XML."""
    chosen = _of(ids, "relation")
    relations = list(_objects(file, osmium.osm.RELATION, chosen))
    ways = _of(ids, "way") | {ref for one in relations for _, ref, _ in one.members}
    kept = list(_objects(file, osmium.osm.WAY, ways))
    nodes = _of(ids, "node") | {node for one in kept for node in one.nodes}
    with osmium.SimpleWriter(str(path)) as writer:
        for one in osmium.FileProcessor(str(file), osmium.osm.NODE):
            if one.id in nodes:
                writer.add(one)
        for one in (*kept, *relations):
            writer.add(one)
    return path


def _objects(file, entities, chosen):
    """Give chosen objects of a kind that outlive the reading of them."""
    make = {"w": osmium.osm.mutable.Way, "r": osmium.osm.mutable.Relation}
    for one in osmium.FileProcessor(str(file), entities):
        if one.id not in chosen:
            continue
        if one.is_way():
            refs = {"nodes": [node.ref for node in one.nodes]}
        else:
            refs = {"members": [(m.type, m.ref, m.role) for m in one.members]}
        yield make[one.type_str()](id=one.id, tags=dict(one.tags), **refs)


def _of(ids, word):
    return {int(id_.split("/")[1]) for id_ in ids if id_.startswith(f"{word}/")}


def test_what_lies_outside_the_file_is_listed(features):
    dropped = features.dropped.set_index("feature_id")["reason"]
    assert dropped.str.contains("ways have no shape").all()
    assert {"relation/2128682", "relation/11342353"} <= set(dropped.index)
    assert not set(dropped.index) & set(features.table.index)
    assert features.info["osm_timestamp"] == "2022-07-24T20:21:51Z"


def test_geofabriks_roads_of_a_municipality_are_read_as_ways(shared_data):
    file = shared_data / "osm" / "sinop" / "sinop_rodovias.shp"
    features = read_features(file)
    raw = gpd.read_file(file)
    assert set(features.table.index) == {f"way/{number}" for number in raw["osm_id"]}
    assert len(features.table) == len(raw) == 6_394
    in_pieces = raw["osm_id"][raw.geom_type == "MultiLineString"]
    assert set(features.dropped["feature_id"]) == {f"way/{number}" for number in in_pieces}
    assert len(in_pieces) == 8
    assert features.dropped["repaired"].all()
    assert set(features.table["kind"]) == {"line"}
    total, expected = features.table.to_crs(32721).length.sum(), raw.to_crs(32721).length.sum()
    assert total == pytest.approx(expected, rel=1e-9)
