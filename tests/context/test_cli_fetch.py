"""`minewatch context fetch` from the command line."""

import hashlib
import json
import shutil

import geopandas as gpd
import osmium
import pytest
import shapely
from osmium.osm.mutable import Node

from minewatch.cli._app import run
from minewatch.context import open_context


def test_a_box_of_a_file_is_fetched_and_summed_up(made_map, tmp_path, capsys):
    out = tmp_path / "c"
    words = ["context", "fetch", "--extract", str(made_map), "--bbox", "-62.7,5.2,-62.4,5.65"]
    assert run([*words, "--out", str(out)]) == 0
    said = capsys.readouterr().out
    record = json.loads((out / "features.json").read_text())
    assert f"highway {record['features']['highway']}" in " ".join(said.split())
    assert "Kept apart, for they name the target: landuse=quarry 1, man_made=adit 1" in said
    assert "Map data of 2024-05-01T00:00:00Z, © OpenStreetMap contributors, ODbL 1.0" in said
    assert said.endswith(f"Saved: {out / 'features.parquet'}\n")
    assert run([*words, "--out", str(out)]) == 6
    assert run([*words, "--out", str(out), "--overwrite"]) == 0


def test_an_area_on_both_sides_of_180_is_said_to_be(tmp_path, capsys):
    file = tmp_path / "fiji.osm.pbf"
    with osmium.SimpleWriter(str(file)) as writer:
        writer.add_node(Node(id=1, location=(179.9, -16.5), tags={"place": "hamlet"}))
    words = ["context", "fetch", "--extract", str(file), "--out"]
    assert run([*words, str(tmp_path / "a"), "--bbox", "179.5,-17,-179.5,-16"]) == 0
    assert "The area crosses 180°" in capsys.readouterr().out
    assert run([*words, str(tmp_path / "b"), "--bbox", "179.5,-17,180,-16"]) == 0
    assert "crosses" not in capsys.readouterr().out


def test_an_area_with_swapped_axes_is_told_what_comes_first(tmp_path, capsys):
    file = tmp_path / "vaduz.osm.pbf"
    header = osmium.io.Header()
    header.add_box(osmium.osm.Box(9.4, 47.0, 9.7, 47.3))
    with osmium.SimpleWriter(str(file), header=header) as writer:
        writer.add_node(Node(id=1, location=(9.53, 47.13), tags={"place": "town"}))
    words = ["context", "fetch", "--extract", str(file), "--out", str(tmp_path / "c"), "--bbox"]
    assert run([*words, "47.1,9.5,47.2,9.56"]) == 3
    assert "longitude comes first" in " ".join(capsys.readouterr().err.split())
    assert run([*words, "-63,6,-62,7"]) == 3
    assert "longitude comes first" not in " ".join(capsys.readouterr().err.split())


def test_what_says_where_a_file_ends_is_named(made_map, tmp_path, capsys, servers):
    copy = tmp_path / "valley-latest.osm.pbf"
    shutil.copy(made_map, copy)
    arguments = ["context", "fetch", "--extract", str(copy), "--out"]
    assert run([*arguments, str(tmp_path / "box")]) == 0
    assert "Where the file ends" not in capsys.readouterr().out
    ring = " -63 5\n -62 5\n -62 6\n -63 6\n"
    (tmp_path / "valley.poly").write_text(f"valley\n1\n{ring}END\nEND\n")
    assert run([*arguments, str(tmp_path / "border")]) == 0
    assert "Where the file ends is told by valley.poly\n" in capsys.readouterr().out
    site = tmp_path / "site" / "south-america"
    site.mkdir(parents=True)
    shutil.copy(made_map, site / "venezuela-latest.osm.pbf")
    digest = hashlib.md5(made_map.read_bytes(), usedforsecurity=False).hexdigest()
    (site / "venezuela-latest.osm.pbf.md5").write_text(digest)
    with servers.serve(site.parent) as server:
        words = ["--region", "venezuela", "--url", f"{server.url}/data"]
        assert run(["context", "fetch", *words, "--out", str(tmp_path / "region")]) == 0
    assert "told by its box alone" in capsys.readouterr().out


def test_the_summary_for_programs_is_the_record(made_map, tmp_path, capsys):
    words = ["context", "fetch", "--extract", str(made_map), "--layers", "highway,power"]
    assert run([*words, "--out", str(tmp_path), "--json", "--format", "gpkg"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == {"file": str(tmp_path / "features.parquet")} | json.loads(
        (tmp_path / "features.json").read_text()
    )
    assert list(said["features"]) == ["highway", "power"]
    assert len(gpd.read_file(tmp_path / "features.gpkg")) == said["info"]["counts"]["features"]


def test_a_server_is_asked_for_what_is_near_sites(serve_map, tmp_path, capsys):
    sites = tmp_path / "sites.csv"
    sites.write_text("site_id,longitude,latitude,label\na,-62.55,5.605,1\n")
    server = serve_map()
    words = ["context", "fetch", "--sites", str(sites), "--radius-m", "2000", "--out"]
    assert run([*words, str(tmp_path / "c"), "--overpass", "--url", server.url]) == 0
    said = capsys.readouterr().out
    assert f"features from {server.url} in 2 requests (" in said
    features = gpd.read_parquet(tmp_path / "c" / "features.parquet")
    around = shapely.Point(-62.55, 5.605).buffer(0.03)
    assert shapely.intersects(features.geometry.to_numpy(), around).all()
    assert features["target"].eq("landuse=quarry").any()


def test_a_server_that_is_not_there_is_exit_code_15(tmp_path, capsys, serve_map):
    words = ["--bbox", "-62.51,5.4,-62.5,5.41", "--region", "venezuela", "--url"]
    server = serve_map()  # knows nothing of regions: 404
    assert run(["context", "fetch", "--out", str(tmp_path), *words, server.url]) == 15
    said = capsys.readouterr().err
    assert "south-america/venezuela-latest.osm.pbf" in said
    assert "--extract" in said


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ([], 2, "name one source"),
        (["--overpass", "--region", "peru"], 2, "name one source"),
        (["--extract", "x.osm.pbf", "--url", "http://x"], 2, "a file has none"),
        (["--extract", "x.osm.pbf", "--date", "2023-12-31T00:00:00Z"], 2, "a file has the date"),
        (["--overpass", "--bbox", "1,2,3,4", "--area", "x.geojson"], 2, "name one area"),
        (["--overpass", "--layers", "roads"], 2, "there is no layer roads"),
        (["--overpass", "--bbox", "1,2,3"], 3, "west,south,east,north"),
        (["--overpass"], 3, "give one"),
        (["--overpass", "--bbox", "1,2,3,4", "--date", "now"], 3, "2023-12-31T00:00:00Z"),
        (["--region", "?"], 3, "names no region"),
        (["--extract", "none.osm.pbf"], 4, "none.osm.pbf"),
    ],
)
def test_what_is_wrong_is_said(words, code, says, tmp_path, capsys):
    assert run(["context", "fetch", "--out", str(tmp_path / "c"), *words]) == code
    said = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert says in said


def test_other_features_are_said_to_outdate_what_was_measured(made_map, tmp_path, capsys):
    sites = tmp_path / "sites.geojson"
    places = gpd.GeoDataFrame(
        {"site_id": ["a"], "label": [1]}, geometry=[shapely.Point(-62.6, 5.4)], crs="EPSG:4326"
    )
    places.to_file(sites)
    out = tmp_path / "context"
    fetch = ["context", "fetch", "--extract", str(made_map), "--out", str(out), "--overwrite"]
    measure = ["context", "measure", str(sites), "--out", str(out), "--no-channels"]
    assert run([*fetch, "--bbox", "-62.7,5.2,-62.4,5.65"]) == 0
    assert run(measure) == 0
    capsys.readouterr()
    assert run([*fetch, "--bbox", "-62.7,5.2,-62.4,5.65"]) == 0
    assert "was of other features" not in capsys.readouterr().out
    assert (out / "context.json").is_file()
    assert run([*fetch, "--bbox", "-62.7,5.2,-62.4,5.5"]) == 0
    assert "What was measured in this folder was of other features" in capsys.readouterr().out
    assert run(measure) == 0
    assert len(open_context(out).table) == 1
