"""Every file of a map, opened by a program that did not write it."""

import importlib.util
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import fastkml
import geopandas as gpd
import gpxpy
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from lxml import etree
from pmtiles.reader import MmapSource, Reader
from pmtiles.tile import Compression, TileType

from minewatch.maps import describe_contents, write_files
from minewatch.maps._numbers import write_hectares
from minewatch.maps._vector import on_grid
from minewatch.maps._vector_geojson import write_geojson
from minewatch.maps._vector_pmtiles import add_metadata
from minewatch.scan import read_detections
from minewatch.scan._merge_polygons import area_ha

_spec = importlib.util.spec_from_file_location(
    "minewatch_test_maps_maker", Path(__file__).with_name("maps_maker.py")
)
maker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(maker)

FORMATS = ["parquet", "geojson", "gpkg", "kml", "gpx", "csv", "pmtiles"]
CREDITED = "© OpenStreetMap contributors"


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    """Gather a made-up scan with outlines, parks and what was not seen."""
    return maker.make_contents(tmp_path_factory.mktemp("scan"), attribution=[CREDITED])


@pytest.fixture(scope="module")
def folder(contents, tmp_path_factory):
    """Write it in every format of vectors."""
    out = tmp_path_factory.mktemp("written") / "maps"
    write_files(contents, out, formats=FORMATS)
    return out


def says_all(text):
    """Tell whether words name the period, the threshold, the detector, the hectares and whom."""
    wanted = ("2024-12-31", "0.5", "trees", "not mined ground", "not_seen", maker.CREDIT, CREDITED)
    return [word for word in wanted if word not in text] == []


def areas(table):
    return pd.Series(area_ha(table.geometry.to_numpy()), index=table["detection_id"]).sort_index()


def test_polygons_have_the_same_hectares_in_every_format(contents, folder):
    truth = contents.detections["area_ha"]
    readable = {
        "parquet": gpd.read_parquet(folder / "detections.parquet").reset_index(),
        "geojson": pyogrio.read_dataframe(folder / "detections.geojson"),
        "gpkg": pyogrio.read_dataframe(folder / "detections.gpkg", layer="detections"),
        "kml": pyogrio.read_dataframe(folder / "detections.kml", layer="Detections"),
    }
    for name, table in readable.items():
        found = areas(table)
        assert found.index.tolist() == truth.index.tolist(), name
        np.testing.assert_allclose(found, truth, rtol=1e-4, err_msg=name)
        listed = table.set_index("detection_id")["area_ha"].astype(float).sort_index()
        np.testing.assert_allclose(listed, truth, atol=0.0051, err_msg=name)


def test_points_of_phones_and_tables_lie_inside_their_polygons(contents, folder):
    csv = pd.read_csv(folder / "detections.csv", index_col="detection_id")
    gpx = gpxpy.parse((folder / "detections.gpx").read_text(encoding="utf-8"))
    kml = pyogrio.read_dataframe(folder / "detections.kml", layer="Points")
    gpkg = pyogrio.read_dataframe(folder / "detections.gpkg", layer="points")
    by_name = {
        "csv": dict(zip(csv.index, shapely.points(csv["longitude"], csv["latitude"]), strict=True)),
        "gpx": {one.name: shapely.Point(one.longitude, one.latitude) for one in gpx.waypoints},
        "kml": dict(zip(kml["detection_id"], kml.geometry, strict=True)),
        "gpkg": dict(zip(gpkg["detection_id"], gpkg.geometry, strict=True)),
    }
    shapes = contents.detections.geometry
    for name, points in by_name.items():
        assert sorted(points) == shapes.index.tolist(), name
        assert all(shapes[one].contains(point) for one, point in points.items()), name


def test_geojson_is_as_rfc_7946_has_it(folder):
    content = json.loads((folder / "detections.geojson").read_text(encoding="utf-8"))
    assert "crs" not in content
    assert says_all(json.dumps(content["minewatch"], ensure_ascii=False))
    boxes = []
    for feature in content["features"]:
        assert feature["id"] == feature["properties"]["detection_id"]
        shape = shapely.geometry.shape(feature["geometry"])
        assert shape.is_valid
        boxes.append(shape.bounds)
        for polygon in shapely.get_parts(shape):
            assert polygon.exterior.is_ccw
            assert not any(ring.is_ccw for ring in polygon.interiors)
        numbers = shapely.get_coordinates(shape)
        np.testing.assert_allclose(numbers, numbers.round(7), rtol=0, atol=1e-12)
    whole = np.array(boxes)
    expected = [*whole[:, :2].min(axis=0), *whole[:, 2:].max(axis=0)]
    np.testing.assert_allclose(content["bbox"], expected, atol=1e-7)


@pytest.mark.parametrize(
    ("longitudes", "west", "east"),
    [
        ([179.5, -179.7], 179.5, -179.69),
        ([-179.7, 179.5, 178.0], 178.0, -179.69),
        ([-62.0, -61.0], -62.0, -60.99),
        ([-170.0, -60.0, 30.0, 120.0], -170.0, 120.01),
    ],
)
def test_the_box_of_a_layer_across_180_degrees_goes_the_short_way(longitudes, west, east, tmp_path):
    shapes = [shapely.box(at, -17.0, at + 0.01, -16.9) for at in longitudes]
    table = gpd.GeoDataFrame({"n": longitudes}, geometry=shapes, crs="EPSG:4326")
    write_geojson(table, tmp_path / "a.geojson", {})
    held = json.loads((tmp_path / "a.geojson").read_text())["bbox"]
    assert held == pytest.approx([west, -17.0, east, -16.9])
    whole = gpd.GeoDataFrame({"n": [1]}, geometry=[shapely.MultiPolygon(shapes)], crs="EPSG:4326")
    write_geojson(whole, tmp_path / "b.geojson", {})
    assert json.loads((tmp_path / "b.geojson").read_text())["bbox"] == held


def test_files_say_that_an_id_is_a_name_and_not_where_to_go(contents, folder, tmp_path):
    said = describe_contents(contents)["names"]
    assert contents.detections.index[0] in said
    assert said in (folder / "README.txt").read_text(encoding="utf-8")
    assert said in gpxpy.parse((folder / "detections.gpx").read_text(encoding="utf-8")).description
    called = contents.detections.rename(index=lambda name: f"mine {name}")
    assert "names" not in describe_contents(replace(contents, detections=called))


def test_hectares_are_the_same_number_in_tables_and_the_same_words_in_prose(contents, folder):
    csv = pd.read_csv(folder / "detections.csv").set_index("detection_id")
    held = json.loads((folder / "detections.geojson").read_text(encoding="utf-8"))["features"]
    gpx = gpxpy.parse((folder / "detections.gpx").read_text(encoding="utf-8")).waypoints
    kml = etree.parse(folder / "detections.kml")
    names = kml.xpath("//*[local-name()='Folder'][2]//*[local-name()='Placemark']/*[1]/text()")
    words = kml.xpath("//*[local-name()='Folder'][2]//*[local-name()='description']/text()")
    described = dict(zip(names, words, strict=True))
    for feature, waypoint in zip(held, gpx, strict=True):
        hectares = csv.loc[feature["id"], "area_ha"]
        assert hectares == feature["properties"]["area_ha"]
        assert hectares == float(waypoint.extensions[0].text)
        assert waypoint.description.startswith(f"{write_hectares(hectares)} of ")
        assert described[feature["id"]].startswith(f"{write_hectares(hectares)} of ")
        truth = contents.detections.loc[feature["id"], "area_ha"]
        assert write_hectares(truth) == write_hectares(hectares)


def test_missing_values_are_null_and_never_nan(folder):
    text = (folder / "detections.geojson").read_text(encoding="utf-8")
    assert "NaN" not in text
    first = json.loads(text)["features"][0]["properties"]
    assert first["ground_ha"] is None
    assert first["isolated"] is None


def test_a_speck_smaller_than_the_grid_of_digits_is_kept():
    speck = shapely.box(0.0, 0.0, 1e-9, 1e-9)
    kept = on_grid(np.array([speck], dtype=object))
    assert kept[0].equals(speck)


def test_holes_turn_the_other_way_after_rounding():
    ring = shapely.box(0, 0, 1, 1).difference(shapely.box(0.2, 0.2, 0.4, 0.4))
    [kept] = on_grid(np.array([ring], dtype=object))
    assert kept.exterior.is_ccw
    assert not kept.interiors[0].is_ccw
    assert kept.area == pytest.approx(0.96)


def test_geoparquet_can_be_written_as_a_map_again(contents, folder, tmp_path):
    from minewatch.maps import gather_contents

    table = read_detections(folder / "detections.parquet")
    pd.testing.assert_frame_equal(
        pd.DataFrame(table.drop(columns="geometry")),
        pd.DataFrame(contents.detections.drop(columns="geometry")),
        check_dtype=False,
    )
    again = gather_contents(folder / "detections.parquet", title=contents.title)
    before, after = describe_contents(contents), describe_contents(again)
    assert {key: after[key] for key in ("found", "period", "threshold", "attribution")} == {
        key: before[key] for key in ("found", "period", "threshold", "attribution")
    }
    # What was not seen lies beside, and is known to be of the same scan.
    assert after["not_seen"] == before["not_seen"]
    assert again.region.geometry.iloc[0].equals(contents.region.geometry.iloc[0])


def test_geoparquet_says_all_in_its_metadata(folder):
    for name in ("detections.parquet", "not_seen.parquet"):
        metadata = pq.read_schema(folder / name).metadata
        assert says_all(metadata[b"minewatch"].decode()), name
        assert json.loads(metadata[b"geo"])["primary_column"] == "geometry"


def test_a_geopackage_holds_every_layer_with_its_words_and_its_style(contents, folder):
    path = folder / "detections.gpkg"
    layers = dict(pyogrio.list_layers(path))
    assert list(layers)[:2] == ["detections", "points"]
    assert {"outlines", "not_seen", "region"} <= set(layers)
    assert layers["detections"] == "MultiPolygon"
    for layer in ("detections", "points", "not_seen", "region"):
        info = pyogrio.read_info(path, layer=layer)
        assert info["crs"] == "EPSG:4326"
        assert says_all(info["layer_metadata"]["DESCRIPTION"])
        assert info["layer_metadata"]["attribution"] == "; ".join(contents.attribution)
    unseen = pyogrio.read_dataframe(path, layer="not_seen")
    assert area_ha(unseen.geometry.to_numpy()).sum() == pytest.approx(
        contents.not_seen["area_ha"].sum(), rel=1e-6
    )


def test_the_styles_of_a_geopackage_are_the_layers_own_and_cover_every_score(contents, folder):
    with closing(sqlite3.connect(folder / "detections.gpkg")) as database:
        rows = database.execute(
            "SELECT f_table_name, f_geometry_column, styleQML, useAsDefault FROM layer_styles"
        ).fetchall()
        geometry = dict(
            database.execute("SELECT table_name, column_name FROM gpkg_geometry_columns")
        )
        # 1.2: GDAL before 3.7 warns of what is newer
        assert database.execute("PRAGMA user_version").fetchone() == (10_200,)
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        assert database.execute(
            "SELECT data_type FROM gpkg_contents WHERE table_name = 'layer_styles'"
        ).fetchall() == [("attributes",)]
    assert {name for name, *_ in rows} == set(geometry)
    called = {"detections": "detection_id", "points": "detection_id", "not_seen": "reason"}
    for name, column, style, is_default in rows:
        preview = etree.fromstring(style.encode()).findtext("previewExpression")
        assert preview == (f'"{called[name]}"' if name in called else preview)
        assert column == geometry[name]
        assert is_default == 1
        root = etree.fromstring(style.encode())
        symbols = {one.get("name") for one in root.findall(".//symbols/symbol")}
        used = {one.get("symbol") for one in root.iterfind(".//range")} | {
            one.get("symbol") for one in root.iterfind(".//category")
        }
        assert used <= symbols
    style = next(one for name, _, one, _ in rows if name == "detections")
    ranges = [
        (float(one.get("lower")), float(one.get("upper")))
        for one in etree.fromstring(style.encode()).iterfind(".//range")
    ]
    assert all(
        any(low <= score <= high for low, high in ranges)
        for score in contents.detections["score_max"]
    )
    assert [low for low, _ in ranges[1:]] == [high for _, high in ranges[:-1]]


def test_qgis_finds_what_a_geopackage_says_of_itself_and_whom_to_name(contents, folder):
    with closing(sqlite3.connect(folder / "detections.gpkg")) as database:
        rows = database.execute(
            "SELECT table_name, metadata FROM gpkg_metadata JOIN gpkg_metadata_reference"
            " ON md_file_id = id WHERE md_standard_uri = 'http://mrcc.com/qgis.dtd'"
        ).fetchall()
    layers = set(pyogrio.list_layers(folder / "detections.gpkg")[:, 0]) - {"layer_styles"}
    assert {name for name, _ in rows} == layers
    for name, text in rows:
        root = etree.fromstring(text.encode())
        assert root.findtext("identifier") == name
        assert root.findtext("title").startswith(contents.title)
        assert root.findtext("rights") == "; ".join(contents.attribution)
        assert describe_contents(contents)["period"] in root.findtext("abstract")


def test_kml_is_valid_and_reads_as_folders_that_say_all(contents, folder):
    path = folder / "detections.kml"
    assert fastkml.validator.validate(file_to_validate=path)
    document = fastkml.KML.parse(path).features[0]
    assert says_all(document.description)
    names = [one.name for one in document.features]
    assert names == ["Detections", "Points", "Not seen", "Region"]
    places = document.features[0].features
    assert [one.name for one in places] == contents.detections.index.tolist()
    data = {one.name: one.value for one in places[-1].extended_data.elements}
    assert data["parks"] == "Serranía <&> Peña"
    assert " ha" in places[-1].description
    used = {one.style_url.url for one in (*places, *document.features[1].features)}
    assert used <= {f"#{style.id}" for style in document.styles}


def test_gpx_waypoints_have_hectares_days_and_score_and_claim_no_visit(contents, folder):
    gpx = gpxpy.parse((folder / "detections.gpx").read_text(encoding="utf-8"))
    assert says_all(f"{gpx.description} {gpx.copyright_author}")
    assert "not_seen" in gpx.description
    row = contents.detections.loc[gpx.waypoints[3].name]
    waypoint = gpx.waypoints[3]
    assert f"{write_hectares(row['area_ha'])} of whole windows" in waypoint.description
    assert f"imagery of {row['start']} to {row['end']}" in waypoint.description
    assert f"score {row['score_max']:.2f}" in waypoint.comment
    assert waypoint.time is None
    assert waypoint.symbol == "Flag, Blue"
    listed = {one.tag.split("}")[1]: one.text for one in waypoint.extensions}
    assert float(listed["area_ha"]) == pytest.approx(row["area_ha"], abs=5.1e-5)
    assert (listed["start"], listed["end"]) == (row["start"], row["end"])
    assert (folder / "not_seen.geojson").is_file()


def test_a_row_of_the_table_says_all_without_its_file(contents, folder):
    table = pd.read_csv(folder / "detections.csv")
    for _, row in table.iterrows():
        assert says_all(" ".join(map(str, row)))
    one = table.set_index("detection_id").loc["N05.2103W063.1340"]
    truth = contents.detections.loc["N05.2103W063.1340"]
    assert one["latitude"] == pytest.approx(truth["latitude"], abs=5.1e-8)
    assert one["latitude_dms"] == "5°12'32.1\"N"
    assert (folder / "detections.csv").read_bytes()[:3] == b"\xef\xbb\xbf"


def test_text_that_a_spreadsheet_would_run_is_made_harmless(tmp_path):
    from minewatch.maps import gather_contents

    mines = gpd.GeoDataFrame(
        {"name": ["=HYPERLINK(1)", "Mina"], "=1+1": [1, 2]},
        index=pd.Index(["a", "b"], name="detection_id"),
        geometry=[shapely.box(west, 5, west + 0.01, 5.01) for west in (-62.0, -61.0)],
        crs="EPSG:4326",
    )
    contents = gather_contents(mines, period="2024", attribution=["@me"])
    write_files(contents, tmp_path / "maps", formats=["csv"])
    table = pd.read_csv(tmp_path / "maps" / "detections.csv")
    assert table["name"].tolist() == ["'=HYPERLINK(1)", "Mina"]
    assert table["'=1+1"].tolist() == [1, 2]
    assert table["map_attribution"].tolist() == ["'@me", "'@me"]
    assert table["longitude"].tolist() == pytest.approx([-61.995, -60.995])


def test_pmtiles_hold_polygons_to_a_metre_and_their_attribution(contents, folder):
    with (folder / "detections.pmtiles").open("rb") as file:
        reader = Reader(MmapSource(file))
        header, metadata = reader.header(), reader.metadata()
        assert header["tile_type"] == TileType.MVT
        assert header["internal_compression"] == Compression.GZIP
        west = contents.detections.total_bounds[0]
        assert header["min_lon_e7"] == pytest.approx(west * 1e7, abs=2_000)
        assert reader.get(13, *_tile(contents.detections.iloc[0], 13))
    assert metadata["attribution"] == "; ".join(contents.attribution)
    assert says_all(json.dumps(metadata["minewatch"], ensure_ascii=False))
    table = pyogrio.read_dataframe(folder / "detections.pmtiles", layer="detections")
    polygons = table[table.geom_type != "Point"].to_crs("EPSG:4326")
    found = (
        polygons.assign(hectares=area_ha(shapely.make_valid(polygons.geometry.to_numpy())))
        .groupby("detection_id")["hectares"]
        .sum()
    )
    np.testing.assert_allclose(found, contents.detections["area_ha"].loc[found.index], rtol=0.01)
    assert found.index.tolist() == contents.detections.index.tolist()
    with (folder / "points.pmtiles").open("rb") as file:
        assert Reader(MmapSource(file)).get(0, 0, 0)  # where polygons are too small for any pixel
    points = pyogrio.read_dataframe(folder / "points.pmtiles", layer="points")
    assert sorted(set(points["detection_id"])) == contents.detections.index.tolist()


def _tile(row, zoom):
    """Give the column and row of the tile of Web Mercator that a detection lies in."""
    count = 2**zoom
    latitude = np.radians(row["latitude"])
    x = (row["longitude"] + 180.0) / 360.0
    y = (1.0 - np.arcsinh(np.tan(latitude)) / np.pi) / 2.0
    return int(x * count), int(y * count)


def test_what_is_added_to_tiles_changes_no_tile(contents, folder):
    archive = (folder / "detections.pmtiles").read_bytes()
    more = add_metadata(archive, {"x": "ü" * 500})
    first, tiles = _tile(contents.detections.iloc[0], 13), []
    for content in (archive, more):

        def source(offset, length, content=content):
            return content[offset : offset + length]

        reader = Reader(source)
        tiles.append([reader.get(*at) for at in [(9, 166, 248), (13, *first)]])
        assert reader.metadata()["name"] == "Mining in 2024"
    assert tiles[0] == tiles[1]
    assert any(tiles[0])


def test_a_map_without_any_detection_is_written_in_every_format(contents, tmp_path):
    from dataclasses import replace

    empty = replace(contents, detections=contents.detections.iloc[:0])
    files = write_files(empty, tmp_path / "maps", formats=FORMATS)
    assert "not_seen.geojson" in [file.name for file in files]
    assert len(gpd.read_parquet(tmp_path / "maps" / "detections.parquet")) == 0
    assert len(pyogrio.read_dataframe(tmp_path / "maps" / "detections.gpkg", layer="points")) == 0
    content = json.loads((tmp_path / "maps" / "detections.geojson").read_text())
    assert content["features"] == []
    assert gpxpy.parse((tmp_path / "maps" / "detections.gpx").read_text()).waypoints == []
    assert len(pd.read_csv(tmp_path / "maps" / "detections.csv")) == 0
    assert fastkml.validator.validate(file_to_validate=tmp_path / "maps" / "detections.kml")


def test_names_from_outside_cannot_break_xml(tmp_path):
    from minewatch.maps import gather_contents

    mines = gpd.GeoDataFrame(
        {"park": ["</value><bad>\x00\x0b & 'x' \"y\""]},
        index=pd.Index(["<a>\x1f"], name="detection_id"),
        geometry=[shapely.box(-62, 5, -61.99, 5.01)],
        crs="EPSG:4326",
    )
    contents = gather_contents(mines, period="2024", attribution=['<me> & "you"'], title="A & B")
    write_files(contents, tmp_path / "maps", formats=["kml", "gpx"])
    root = etree.parse(tmp_path / "maps" / "detections.kml").getroot()
    values = [one.text for one in root.iter("{http://www.opengis.net/kml/2.2}value")]
    assert "</value><bad>   & 'x' \"y\"" in values
    gpx = gpxpy.parse((tmp_path / "maps" / "detections.gpx").read_text())
    assert gpx.waypoints[0].name == "<a> "
    assert gpx.copyright_author == '<me> & "you"'


def test_columns_that_databases_cannot_hold_get_other_names_and_nothing_is_lost(tmp_path):
    from minewatch.maps import gather_contents

    mines = gpd.GeoDataFrame(
        {
            "fid": ["x", "y"], "Name": ["A", "B"], "name": ["a", "b"], "area_ha": [1.5, 2.5],
            "score_max": ["0.7", "high"], "rate": [np.inf, 1.0],
            "seen": pd.to_datetime(["2024-01-02", None]), "is_new": pd.array([True, None]),
        },
        index=pd.Index(["a", "b"], name="detection_id"),
        geometry=[shapely.box(west, 5, west + 0.01, 5.01) for west in (-62.0, -61.0)],
        crs="EPSG:4326",
    )  # fmt: skip
    contents = gather_contents(mines, period="2024", attribution=["me"])
    write_files(contents, tmp_path / "maps", formats=FORMATS)
    table = pyogrio.read_dataframe(tmp_path / "maps" / "detections.gpkg", layer="detections")
    assert table["fid_2"].tolist() == ["x", "y"]
    assert table["Name"].tolist() == ["A", "B"]
    assert table["name_2"].tolist() == ["a", "b"]
    assert table["area_ha_given"].tolist() == [1.5, 2.5]
    assert table["area_ha"].min() > 100
    assert table["score_max"].fillna(-1).tolist() == [0.7, -1]
    content = json.loads((tmp_path / "maps" / "detections.geojson").read_text())
    assert content["features"][0]["properties"]["rate"] is None
    assert content["features"][0]["properties"]["is_new"] == "true"
    assert content["features"][0]["properties"]["seen"].startswith("2024-01-02")


def test_dates_and_numbers_that_others_wrote_as_words_are_missing(tmp_path):
    from minewatch.maps import gather_contents, write_map

    mines = gpd.GeoDataFrame(
        {
            "start": ["2024-01-02T10:00:00", "12.5", None], "end": ["2024-02-31", "A&B <co", "-"],
            "ground_ha": ["1.5", "a few", None], "road_m": ["none", "120", None],
            "windows": ["4", "four", None], "isolated": ["true", "False", "maybe"],
        },
        index=pd.Index(["a", "b", "c"], name="detection_id"),
        geometry=[shapely.box(west, 5, west + 0.01, 5.01) for west in (-62.0, -61.0, -60.0)],
        crs="EPSG:4326",
    )  # fmt: skip
    contents = gather_contents(mines, period="2024", attribution=["me"])
    table = contents.detections
    assert table["start"].fillna("").tolist() == ["2024-01-02", "", ""]
    assert table["end"].isna().all()
    assert table["ground_ha"].fillna(-1).tolist() == [1.5, -1, -1]
    assert table["road_m"].fillna(-1).tolist() == [-1, 120, -1]
    assert table["isolated"].astype(object).where(table["isolated"].notna(), None).tolist() == [
        True, False, None,
    ]  # fmt: skip
    write_files(contents, tmp_path / "maps", formats=[*FORMATS, "sheets"])
    write_map(contents, tmp_path / "map.html")
    gpx = gpxpy.parse((tmp_path / "maps" / "detections.gpx").read_text(encoding="utf-8"))
    assert all("imagery of" not in one.description for one in gpx.waypoints)


def test_contents_that_nobody_checked_cannot_break_gpx(contents, tmp_path):
    from dataclasses import replace

    evil = contents.detections.assign(end="A&B <co")
    write_files(replace(contents, detections=evil), tmp_path / "maps", formats=["gpx"])
    root = etree.parse(tmp_path / "maps" / "detections.gpx").getroot()
    assert len(root.findall("{*}wpt")) == len(evil)


def test_a_column_that_is_called_like_the_index_gets_another_name(tmp_path):
    from minewatch.maps import gather_contents, write_map

    mines = gpd.GeoDataFrame(
        {"detection_id": ["theirs"]},
        index=pd.Index(["ours"], name="detection_id"),
        geometry=[shapely.box(-62, 5, -61.99, 5.01)],
        crs="EPSG:4326",
    )
    contents = gather_contents(mines, period="2024", attribution=["me"])
    write_files(contents, tmp_path / "maps", formats=FORMATS)
    write_map(contents, tmp_path / "map.html")
    row = pd.read_csv(tmp_path / "maps" / "detections.csv").iloc[0]
    assert (row["detection_id"], row["detection_id_given"]) == ("ours", "theirs")
