"""One function fetches from any source, and never leaves half a result."""

import hashlib
import json
import shutil

import geopandas as gpd
import osmium
import pandas as pd
import pytest
import shapely
from osmium.osm.mutable import Node

from minewatch._http import RetryPolicy
from minewatch.context import (
    DEFAULT_LAYERS,
    OverpassSource,
    RegionSource,
    extract_features,
    fetch_features,
    measure_context,
    read_features,
    site_neighbourhoods,
    write_features,
)
from minewatch.context._fetch import _settings
from minewatch.errors import (
    AlreadyThereError,
    ContextError,
    CoverageWarning,
    InputError,
    NotThereError,
)

AREA = shapely.box(-62.7, 5.2, -62.4, 5.5)


def test_a_file_gives_what_is_extracted_from_it(made_map, tmp_path):
    file = fetch_features(AREA, DEFAULT_LAYERS, made_map, tmp_path)
    found, extracted = read_features(file), extract_features(made_map, AREA)
    assert list(found.table.index) == list(extracted.table.index)
    assert found.info["source"] == {**extracted.info["source"], "kind": "file"}
    assert sorted(f.name for f in tmp_path.iterdir() if not f.name.endswith(".lock")) == [
        "features.json",
        "features.parquet",
    ]


def test_a_region_is_downloaded_and_read(servers, made_map, tmp_path):
    site = tmp_path / "site" / "south-america"
    site.mkdir(parents=True)
    shutil.copy(made_map, site / "venezuela-latest.osm.pbf")
    digest = hashlib.md5(made_map.read_bytes(), usedforsecurity=False).hexdigest()
    (site / "venezuela-latest.osm.pbf.md5").write_text(digest)
    with servers.serve(site.parent) as server:
        retry = RetryPolicy(attempts=2, first_wait_s=0.0)
        source = RegionSource(region="venezuela", url=f"{server.url}/data", retry=retry)
        file = fetch_features(AREA, source=source, out=tmp_path / "c")
    found = read_features(file)
    assert list(found.table.index) == list(extract_features(made_map, AREA).table.index)
    assert found.info["source"]["region"] == "south-america/venezuela"


def test_an_area_in_which_nothing_is_mapped_is_warned_of(tmp_path):
    source = tmp_path / "small.osm.pbf"
    with osmium.SimpleWriter(str(source)) as writer:
        writer.add_node(Node(id=1, location=(9.53, 47.13), tags={"place": "town"}))
    with pytest.warns(CoverageWarning, match=r"holds no feature of highway, .* in the area"):
        file = fetch_features((-62.7, 5.2, -62.6, 5.3), source=source, out=tmp_path)
    assert read_features(file).table.empty


def test_without_an_area_all_of_a_file_is_taken(made_map, tmp_path):
    file = fetch_features(None, source=made_map, out=tmp_path)
    assert len(read_features(file).table) == len(extract_features(made_map).table)


def test_around_a_site_beyond_the_file_nothing_is_known_rather_than_nothing_there(tmp_path):
    places = {"inside": (9.53, 47.13), "outside": (-62.60, 5.40)}
    sites = gpd.GeoDataFrame(
        index=pd.Index(list(places), name="site_id"),
        geometry=[shapely.Point(*place) for place in places.values()],
        crs="EPSG:4326",
    )
    file = tmp_path / "small.osm.pbf"
    header = osmium.io.Header()
    header.add_box(osmium.osm.Box(9.4, 47.0, 9.7, 47.3))
    with osmium.SimpleWriter(str(file), header=header) as writer:
        writer.add_node(Node(id=1, location=places["inside"], tags={"place": "town"}))
    around = site_neighbourhoods(sites, radius_m=2_000)
    with pytest.warns(CoverageWarning, match="holds 50%"):
        features = read_features(fetch_features(around, source=file, out=tmp_path / "c"))
    table = measure_context(sites, features, radii_m=(500, 1_000))
    assert table["is_edge_limited"].to_dict() == {"inside": False, "outside": True}
    assert table["edge_m"].loc["outside"] == 0.0
    assert table["osm_is_bound"].to_dict() == {"inside": False, "outside": True}
    with pytest.raises(InputError, match="another region"):
        fetch_features(AREA, source=file, out=tmp_path / "d")
    assert not (tmp_path / "d" / "features.parquet").exists()


def test_a_result_is_not_replaced_unasked(made_map, tmp_path):
    first = fetch_features(AREA, source=made_map, out=tmp_path).read_bytes()
    with pytest.raises(AlreadyThereError):
        fetch_features(None, source=made_map, out=tmp_path)
    assert (tmp_path / "features.parquet").read_bytes() == first
    fetch_features(None, source=made_map, out=tmp_path, overwrite=True)
    assert (tmp_path / "features.parquet").read_bytes() != first


def test_the_same_fetch_gives_the_same_bytes(made_map, tmp_path):
    one = fetch_features(AREA, source=made_map, out=tmp_path / "a")
    other = fetch_features(AREA, source=made_map, out=tmp_path / "b")
    assert one.read_bytes() == other.read_bytes()


def test_other_formats_hold_the_same_ids(made_map, tmp_path):
    file = fetch_features(AREA, source=made_map, out=tmp_path, also=("geojson", "gpkg"))
    ids = list(read_features(file).table.index)
    for suffix in (".geojson", ".gpkg"):
        read = gpd.read_file(file.with_suffix(suffix))
        assert list(read["feature_id"]) == ids


def test_the_record_names_the_bytes_of_every_file(made_map, tmp_path):
    file = fetch_features(AREA, source=made_map, out=tmp_path, also=("geojson", "gpkg"))
    digests = json.loads(file.with_suffix(".json").read_text())["digests"]
    assert sorted(digests) == ["features.geojson", "features.gpkg", "features.parquet"]
    for name, digest in digests.items():
        assert digest == f"sha256:{hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()}"


def test_a_fetch_that_is_stopped_while_it_writes_replaces_nothing(made_map, tmp_path, monkeypatch):
    fetch_features(AREA, source=made_map, out=tmp_path, also=("geojson", "gpkg"))
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def stop_at_the_last(features, path, **options):
        if path.suffix == ".gpkg":
            raise KeyboardInterrupt
        return write_features(features, path, **options)

    monkeypatch.setattr("minewatch.context._fetch.write_features", stop_at_the_last)
    with pytest.raises(KeyboardInterrupt):
        fetch_features(
            None, source=made_map, out=tmp_path, also=("geojson", "gpkg"), overwrite=True
        )
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_the_record_counts_what_is_there(made_map, tmp_path):
    file = fetch_features(AREA, source=made_map, out=tmp_path)
    record = json.loads(file.with_suffix(".json").read_text())
    table = read_features(file).table
    usual = table[table["target"].isna()]
    assert record["features"] == {
        layer.name: int(usual[layer.name].notna().sum()) for layer in DEFAULT_LAYERS
    }
    assert sum(record["names_the_target"].values()) == table["target"].notna().sum()


@pytest.mark.real
def test_a_real_country_comes_the_same_from_a_server(shared_data, overpass, quick_source, tmp_path):
    country = shared_data / "osm" / "liechtenstein.osm.pbf"
    area = shapely.box(9.51, 47.13, 9.53, 47.15)
    from_file = extract_features(country, area)
    with overpass.serve_overpass(overpass.Extract(country), fault_rate=0.2) as server:
        source = quick_source(server.url, attempts=6, max_area_km2=1.0)
        file = fetch_features(area, source=source, out=tmp_path)
        assert len(server.asked.answered) > 4
    found = read_features(file)
    columns = [*from_file.layer_names, "target", "kind"]
    pd.testing.assert_frame_equal(
        pd.DataFrame(found.table[columns]), pd.DataFrame(from_file.table[columns])
    )
    assert (found.table.geometry.to_wkb() == from_file.table.geometry.to_wkb()).all()
    assert len(from_file.table) > 500


def test_a_name_is_a_file_a_region_or_the_server(tmp_path):
    assert _settings("data/brazil.osm.pbf") == tmp_path.__class__("data/brazil.osm.pbf")
    assert _settings("overpass").url == "https://overpass-api.de/api"
    assert _settings("suriname").path == "south-america/suriname"


def test_a_server_is_not_asked_for_all_the_world(tmp_path):
    with pytest.raises(InputError, match="give one"):
        fetch_features(None, source="overpass", out=tmp_path)


@pytest.mark.parametrize(
    "source",
    [
        "nowhere.osm.pbf",
        RegionSource(region="venezuela", url="http://127.0.0.1:9", retry=RetryPolicy(attempts=1)),
        OverpassSource(url="http://127.0.0.1:9", retry=RetryPolicy(attempts=1)),
        OverpassSource(
            url="http://127.0.0.1:9", date="2024-05-01T00:00:00Z", retry=RetryPolicy(attempts=1)
        ),
    ],
)
def test_a_fetch_of_which_nothing_came_leaves_nothing(tmp_path, source):
    with pytest.raises((NotThereError, ContextError)):
        fetch_features(AREA, source=source, out=tmp_path / "study" / "context")
    assert list(tmp_path.iterdir()) == []


def test_what_was_there_or_came_stays_after_a_fetch_that_failed(serve_map, quick_source, tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(NotThereError):
        fetch_features(AREA, source="nowhere.osm.pbf", out=tmp_path / "mine")
    assert (tmp_path / "mine").is_dir()

    def stop(step, done, total):
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_features(
            AREA, source=quick_source(serve_map().url), out=tmp_path / "new", progress=stop
        )
    kept = {file.name for file in (tmp_path / "new" / ".overpass").glob("*.json")}
    assert len(kept) == 2
    assert "plan.json" in kept


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(NotThereError, match=r"none\.osm\.pbf"):
        fetch_features(AREA, source="none.osm.pbf", out=tmp_path)
