"""The table of features and its files."""

import json

import geopandas as gpd
import geopandas.testing
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pyogrio
import pytest
import shapely
from shapely.geometry import (
    GeometryCollection,
    LineString,
    MultiLineString,
    MultiPoint,
    Point,
    Polygon,
    box,
)

from minewatch.context import (
    DEFAULT_LAYERS,
    Features,
    Layer,
    extract_features,
    read_features,
    write_features,
)
from minewatch.context._table import validate_features
from minewatch.errors import AlreadyThereError, InputError, NotThereError


@pytest.fixture(scope="module")
def features(made_map):
    return extract_features(made_map, box(-62.75, 5.15, -62.25, 5.65))


def _same(one: Features, other: Features) -> None:
    geopandas.testing.assert_geodataframe_equal(one.table, other.table)
    pd.testing.assert_frame_equal(one.dropped, other.dropped)
    assert one.info == other.info


# Our own files


@pytest.mark.parametrize("suffix", [".parquet", ".geojson", ".json", ".gpkg"])
def test_features_come_back_as_they_were_written(features, tmp_path, suffix):
    file = write_features(features, tmp_path / f"features{suffix}")
    _same(read_features(file), features)


@pytest.mark.parametrize("suffix", [".parquet", ".geojson", ".gpkg"])
def test_no_features_come_back_as_none(made_map, tmp_path, suffix):
    nothing = extract_features(made_map, box(20, 5, 21, 6))
    _same(read_features(write_features(nothing, tmp_path / f"none{suffix}")), nothing)


@pytest.mark.parametrize("suffix", [".parquet", ".geojson", ".gpkg"])
def test_a_file_with_a_part_of_our_header_is_refused(features, tmp_path, suffix, monkeypatch):
    for number, header in enumerate(
        (
            {"format": "features 1"},
            {"format": "features 1", "info": {}},
            {"format": "features 1", "info": {}, "dropped": [["way/1"]]},
            {"format": "features 9", "info": {}, "dropped": []},
            {"format": "features 1", "info": 3, "dropped": []},
        )
    ):
        with monkeypatch.context() as patch:
            patch.setattr("minewatch.context._features._header", lambda _, told=header: told)
            file = write_features(features, tmp_path / f"{number}{suffix}")
        with pytest.raises(InputError, match="holds no features that minewatch wrote"):
            read_features(file)


@pytest.mark.parametrize("column", ["tags", "kind", "feature_id", "target"])
def test_a_file_that_lost_a_column_is_refused(features, tmp_path, column):
    file = write_features(features, tmp_path / "a.parquet")
    table = pa.parquet.read_table(file)
    pa.parquet.write_table(table.drop_columns([column]), file)
    with pytest.raises(InputError, match=f"lacks {column}"):
        read_features(file)
    text = write_features(features, tmp_path / "a.geojson").read_text()
    if column == "target":  # GeoJSON leaves out what is missing
        return
    (tmp_path / "b.geojson").write_text(text.replace(f'"{column}":', '"another":'))
    with pytest.raises(InputError, match=f"lacks {column}"):
        read_features(tmp_path / "b.geojson")


def test_a_header_that_is_no_json_is_refused(features, tmp_path):
    file = write_features(features, tmp_path / "a.parquet")
    table = pa.parquet.read_table(file).replace_schema_metadata({"minewatch": "{broken"})
    pa.parquet.write_table(table, file)
    with pytest.raises(InputError, match="holds no features"):
        read_features(file)


def test_the_same_features_are_the_same_bytes(features, tmp_path):
    for suffix in (".parquet", ".geojson"):
        files = [write_features(features, tmp_path / f"{n}{suffix}") for n in "ab"]
        assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("suffix", [".geojson", ".gpkg"])
def test_gdal_reads_the_ids_unaltered_and_the_tags_as_json(features, tmp_path, suffix):
    read = pyogrio.read_dataframe(write_features(features, tmp_path / f"features{suffix}"))
    assert list(read["feature_id"]) == list(features.table.index)
    texts = list(read["tags"])
    assert [json.loads(text) if isinstance(text, str) else text for text in texts] == [
        dict(tags) for tags in features.table["tags"].tolist()
    ]
    assert read.crs == "EPSG:4326"
    assert shapely.equals(read.geometry.to_numpy(), features.table.geometry.to_numpy()).all()


def test_geopandas_reads_the_parquet_without_us(features, tmp_path):
    read = gpd.read_parquet(write_features(features, tmp_path / "features.parquet"))
    assert list(read["feature_id"]) == list(features.table.index)
    assert dict(read["tags"].iloc[0]) == dict(features.table["tags"].iloc[0])
    assert read.crs == "EPSG:4326"


def test_every_file_says_its_licence_and_the_state_of_its_data(features, tmp_path):
    state = features.info["osm_timestamp"]
    text = json.loads(write_features(features, tmp_path / "a.geojson").read_text())
    says = pyogrio.read_info(write_features(features, tmp_path / "a.gpkg"))["layer_metadata"]
    for given in (text, says):
        assert given["attribution"] == "© OpenStreetMap contributors, ODbL 1.0"
        assert given["osm_timestamp"] == state


def test_features_are_shown_in_a_line(features):
    n_target = features.table["target"].notna().sum()
    shown = repr(features)
    assert "\n" not in shown
    assert shown.startswith(f"Features({len(features.table):,} of highway, waterway, ")
    assert f"; {n_target} name the target; " in shown
    assert shown.endswith("data of 2024-05-01T00:00:00Z)")


def test_no_file_is_replaced_unless_asked(features, tmp_path):
    file = write_features(features, tmp_path / "features.parquet")
    with pytest.raises(AlreadyThereError):
        write_features(features, file)
    assert write_features(features, file, overwrite=True) == file


def test_other_suffixes_and_files_of_others_are_refused(features, tmp_path):
    with pytest.raises(InputError, match=r"ends in '\.csv'"):
        write_features(features, tmp_path / "features.csv")
    with pytest.raises(NotThereError):
        read_features(tmp_path / "nothing.parquet")
    table = gpd.GeoDataFrame({"a": [1]}, geometry=[Point(0, 0)], crs=4326)
    table.to_parquet(tmp_path / "other.parquet")
    table.to_file(tmp_path / "other.gpkg")
    for name in ("other.parquet", "other.gpkg"):
        with pytest.raises(InputError, match="no features that minewatch wrote"):
            read_features(tmp_path / name)
    for name in ("a.parquet", "a.gpkg", "a.geojson", "a.shp", "a.osm.pbf"):
        (tmp_path / name).write_bytes(b"\x80no such thing")
        with pytest.raises(InputError):
            read_features(tmp_path / name)


def test_a_file_that_was_cut_short_is_refused(features, tmp_path):
    for suffix in (".geojson", ".parquet"):
        file = write_features(features, tmp_path / f"cut{suffix}")
        file.write_bytes(file.read_bytes()[:-200])
        with pytest.raises(InputError, match="cannot be read"):
            read_features(file)


@pytest.mark.parametrize(
    ("break_it", "fault"),
    [
        (lambda table: table.set_crs(3857, allow_override=True), "its CRS is EPSG:3857"),
        (lambda table: table.rename_axis("id"), "its index is called 'id'"),
        (lambda table: pd.concat([table, table.iloc[:1]]), "1 ids are there more than once"),
        (lambda table: table.rename({table.index[0]: "w1"}), "1 ids are not like node/1"),
        (lambda table: table.assign(kind="blob"), "kind is blob"),
        (lambda table: table.assign(kind="point"), "of kind point are no Point"),
        (lambda table: table.assign(highway=1), "column highway is int64"),
        (lambda table: table.assign(tags="{}"), "expected an Arrow map"),
        (lambda table: table.drop(columns="target"), "no column target"),
        (lambda table: table.set_geometry(table.translate(500)), "those are no degrees"),
        (lambda table: table.set_geometry([None] * len(table)), "have no geometry"),
    ],
)
@pytest.mark.filterwarnings("ignore:Geometry is in a geographic CRS")
def test_a_table_that_breaks_the_schema_is_refused_by_its_fault(features, break_it, fault):
    with pytest.raises(InputError, match=fault):
        validate_features(break_it(features.table))


# Files of others


@pytest.fixture
def osmnx_table():
    """Give what osmnx's features look like: two types of ids, wide columns, lists, repeats."""
    road = LineString([(0, 0), (1.1234567, 1)])
    rows = [
        ("node", 5, Point(1, 2), {"place": "farm", "name": "Uno"}),
        ("way", 5, road, {"highway": "track", "nodes": [1, 2], "lanes": "2"}),
        ("way", 5, road, {"highway": "track", "nodes": [1, 2], "lanes": "2"}),
        ("way", 9, box(0, 0, 1, 1), {"building": "yes", "nodes": [1, 2, 3, 4, 1]}),
        (
            "relation",
            5,
            box(0, 0, 3, 3),
            {"landuse": "forest", "ways": [[1]], "type": "multipolygon"},
        ),
        ("way", 11, road, {"railway": "rail", "nodes": [1, 2]}),
    ]
    index = pd.MultiIndex.from_tuples([row[:2] for row in rows], names=["element", "id"])
    tags = pd.DataFrame([row[3] for row in rows], index=index, dtype=object)
    return gpd.GeoDataFrame(tags, geometry=[row[2] for row in rows], crs=4326)


@pytest.mark.parametrize("names", [("element", "id"), ("element_type", "osmid")])
def test_what_osmnx_writes_is_read_with_its_own_ids_and_each_object_once(
    osmnx_table, tmp_path, names
):
    osmnx_table.index.names = names
    file = tmp_path / "osmnx.geojson"
    osmnx_table.to_file(file, driver="GeoJSON")
    features = read_features(file)
    assert list(features.table.index) == ["node/5", "way/5", "way/9", "relation/5"]
    assert features.info["counts"]["twice_in_the_file"] == 1
    assert features.info["counts"]["in_no_layer"] == 1
    assert dict(features.table.loc["way/5", "tags"]) == {"lanes": "2"}
    assert dict(features.table.loc["relation/5", "tags"]) == {"type": "multipolygon"}
    assert features.table.loc["way/5", "geometry"].equals(osmnx_table.geometry.iloc[1])
    assert features.info["osm_timestamp"] is None
    _same(read_features(write_features(features, tmp_path / "features.parquet")), features)


def test_two_objects_that_share_an_id_are_counted_apart_from_repeats(osmnx_table, tmp_path):
    osmnx_table.iloc[2, osmnx_table.columns.get_loc("highway")] = "path"
    osmnx_table.to_file(tmp_path / "a.geojson", driver="GeoJSON")
    counts = read_features(tmp_path / "a.geojson").info["counts"]
    assert (counts["twice_in_the_file"], counts["twice_and_different"]) == (0, 1)


def _write_geojson(path, rows):
    listed = [
        {
            "type": "Feature",
            **row,
            "geometry": json.loads(shapely.to_geojson(shape)) if shape else None,
        }
        for row, shape in rows
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": listed}, indent=1))
    return path


@pytest.mark.parametrize(
    "row",
    [
        {"id": "way/7", "properties": {"highway": "track"}},
        {"properties": {"@id": "way/7", "highway": "track", "@relations": [{"rel": 1}]}},
        {"properties": {"full_id": "w7", "osm_id": "7", "osm_type": "way", "highway": "track"}},
        {
            "properties": {
                "unique_id": "way/7",
                "osmid": 7,
                "element_type": "way",
                "highway": "track",
            }
        },
        {"properties": {"osm_id": 7.0, "osm_type": "W", "highway": "track"}},
    ],
)
def test_ids_are_found_however_they_are_said(row, tmp_path):
    file = _write_geojson(tmp_path / "a.geojson", [(row, LineString([(0, 0), (1, 1)]))])
    table = read_features(file).table
    assert table["highway"].to_dict() == {"way/7": "track"}
    assert dict(table["tags"].iloc[0]) == {}


def test_features_without_ids_of_openstreetmap_are_refused(tmp_path):
    rows = [({"properties": {"highway": "track", "id": 7}}, Point(0, 0))]
    with pytest.raises(InputError, match="does not say which object"):
        read_features(_write_geojson(tmp_path / "a.geojson", rows))


def test_values_of_any_type_become_text(tmp_path):
    given = {"lanes": 2, "ele": 1.5, "ford": 3.0, "oneway": True, "ref": ["a", "b"], "x": {"y": 1}}
    row = {
        "id": "way/7",
        "properties": {"highway": "track", **given, "no": None, "nan": float("nan")},
    }
    file = _write_geojson(tmp_path / "a.geojson", [(row, LineString([(0, 0), (1, 1)]))])
    assert dict(read_features(file).table.loc["way/7", "tags"]) == {
        "lanes": "2",
        "ele": "1.5",
        "ford": "3",
        "oneway": "True",
        "ref": "a;b",
        "x": '{"y": 1}',
    }


@pytest.mark.parametrize("suffix", [".parquet", ".gpkg", ".geojson"])
def test_a_way_of_several_lines_stays_one_feature_and_joined_where_they_meet(tmp_path, suffix):
    apart = MultiLineString([[(0, 0), (1, 1)], [(2, 2), (3, 3)]])
    meeting = MultiLineString([[(0, 0), (1, 1)], [(1, 1), (2, 0)]])
    track = {"highway": "track"}
    rows = [
        ({"id": "way/1", "properties": track}, apart),
        ({"id": "way/2", "properties": track}, meeting),
    ]
    features = read_features(_write_geojson(tmp_path / "a.geojson", rows))
    again = read_features(write_features(features, tmp_path / f"b{suffix}"))
    assert list(again.table["kind"]) == ["line", "line"]
    assert again.table.loc["way/1", "geometry"].equals(apart)
    assert again.table.loc["way/2", "geometry"].equals(LineString([(0, 0), (1, 1), (2, 0)]))
    reason = "it was a MultiLineString; its lines stay"
    told = again.dropped.itertuples(index=False, name=None)
    assert list(told) == [("way/1", reason, True), ("way/2", reason, True)]


def test_what_no_feature_can_be_is_dropped_and_listed_and_collections_keep_their_areas(tmp_path):
    building = {"building": "yes"}
    parts = GeometryCollection([box(0, 0, 1, 1), LineString([(1, 1), (2, 2)])])
    rows = [
        ({"id": "way/1", "properties": building}, None),
        (
            {"id": "way/2", "properties": {"highway": "track"}},
            MultiPoint([(0, 0), (1, 1)]),
        ),
        ({"id": "way/3", "properties": building}, parts),
        ({"id": "way/4", "properties": building}, Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])),
    ]
    features = read_features(_write_geojson(tmp_path / "a.geojson", rows))
    assert list(features.table.index) == ["way/3", "way/4"]
    assert features.table.loc["way/3", "geometry"].equals(box(0, 0, 1, 1))
    assert features.dropped.set_index("feature_id")["repaired"].to_dict() == {
        "way/1": False,
        "way/2": False,
        "way/3": True,
        "way/4": True,
    }


def test_geojson_in_metres_and_geojson_of_one_feature_are_refused(tmp_path):
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::3857"}}
    file = tmp_path / "a.geojson"
    file.write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": []}))
    with pytest.raises(InputError, match="expected degrees"):
        read_features(file)
    file.write_text('{"type": "Point", "coordinates": [0, 0]}')
    with pytest.raises(InputError, match="expected a FeatureCollection"):
        read_features(file)


def _geofabrik(path, code, fclass, shape):
    columns = {"osm_id": ["7"], "code": [code], "fclass": [fclass], "name": ["BR-163"]}
    more = {"maxspeed": [80], "bridge": ["T"], "tunnel": ["F"]}
    gpd.GeoDataFrame({**columns, **more}, geometry=[shape], crs=4674).to_file(path)
    return path


def test_geofabriks_roads_and_waterways_are_ways(tmp_path):
    line = LineString([(-55, -12), (-55.1, -12)])
    road = read_features(_geofabrik(tmp_path / "r.shp", 5147, "track_grade3", line)).table
    assert road["highway"].to_dict() == {"way/7": "track"}
    assert dict(road.loc["way/7", "tags"]) == {
        "tracktype": "grade3",
        "name": "BR-163",
        "bridge": "yes",
        "maxspeed": "80",
    }
    assert shapely.hausdorff_distance(road["geometry"].iloc[0], line) < 1e-5
    river = read_features(_geofabrik(tmp_path / "w.shp", 8102, "stream", line)).table
    assert river["waterway"].to_dict() == {"way/7": "stream"}


def test_geofabriks_areas_are_refused_because_their_ids_are_ambiguous(tmp_path):
    with pytest.raises(InputError, match="ways or relations"):
        read_features(_geofabrik(tmp_path / "l.shp", 7201, "forest", box(0, 0, 1, 1)))


def test_others_features_are_sorted_into_the_layers_that_are_asked_for(osmnx_table, tmp_path):
    osmnx_table.to_file(tmp_path / "a.geojson", driver="GeoJSON")
    layers = (Layer(name="rail", key="railway"),)
    features = read_features(tmp_path / "a.geojson", layers=layers)
    assert features.table["rail"].to_dict() == {"way/11": "rail"}
    assert features.layers == layers != DEFAULT_LAYERS


def test_a_file_of_roads_says_nothing_of_other_layers(tmp_path):
    line = LineString([(-55, -12), (-55.1, -12)])
    roads = read_features(_geofabrik(tmp_path / "r.shp", 5147, "track_grade3", line))
    assert roads.layer_names == [layer.name for layer in roads.layers] == ["highway"]
    row = {"id": "way/7", "properties": {"waterway": "stream", "power": "line"}}
    both = read_features(_write_geojson(tmp_path / "a.geojson", [(row, line)]))
    assert both.layer_names == ["waterway", "power"]


def test_a_folder_is_not_said_to_be_missing(tmp_path):
    with pytest.raises(InputError, match=r"is a folder; name one of its files"):
        read_features(tmp_path)
