"""Items of catalogues are understood, or refused with everything that they lack."""

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import shapely
from pyproj import Transformer

from minewatch.errors import SceneError
from minewatch.grid import PatchGrid
from minewatch.imagery._documents import SceneShelf, understand
from minewatch.imagery._footprints import cut_at_date_line, place_polygon
from minewatch.imagery._items import read_scene
from minewatch.types import Failure

MakeItem = Callable[..., dict[str, Any]]


def test_an_item_of_earth_search_is_understood(make_item: MakeItem) -> None:
    scene = read_scene(make_item())
    assert (scene.platform, scene.level, scene.baseline) == ("S2A", "L2A", "05.09")
    assert (scene.tile, scene.epsg) == ("20NMJ", 32620)
    assert (scene.datatake, scene.datastrip) == ("20230304T143751", "20230304T143753")
    assert scene.datetime == dt.datetime(2023, 3, 4, 14, 40, tzinfo=dt.UTC)
    assert scene.cloud_percent == 20.0
    assert len(scene.bands) == 12
    assert scene.mask is not None
    assert scene.mask.resolution_m == 20


def test_bands_are_the_geotiffs_and_not_their_jpeg_2000_copies(make_item: MakeItem) -> None:
    scene = read_scene(make_item())
    assert all(asset.href.endswith(f"{name}.tif") for name, asset in scene.bands.items())


def test_each_band_knows_its_grid(make_item: MakeItem) -> None:
    bands = read_scene(make_item()).bands
    assert {bands[name].resolution_m for name in ("B02", "B03", "B04", "B08")} == {10}
    assert bands["B8A"].transform == (20, 0, 399_960, 0, -20, 600_000)
    assert bands["B01"].shape == (1830, 1830)


def test_an_item_is_read_alike_as_json_and_as_an_object(make_item: MakeItem) -> None:
    item = make_item()

    class AsObject:
        def to_dict(self) -> dict[str, Any]:
            return item

    assert read_scene(AsObject()) == read_scene(item)


def test_assets_named_by_esa_with_a_resolution_are_taken_at_the_bands_own(
    make_item: MakeItem,
) -> None:
    files = {
        f"{name}_{size}m": {"href": f"{name}_{size}m.tif", "gsd": size}
        for name, size in (("B02", 60), ("B02", 10), ("B02", 20), ("SCL", 60), ("SCL", 20))
    }
    scene = read_scene(make_item(assets=files))
    assert scene.bands["B02"].href == "B02_10m.tif"
    assert scene.mask is not None
    assert scene.mask.href == "SCL_20m.tif"


def test_an_asset_may_say_its_band_in_words(make_item: MakeItem) -> None:
    files = {
        "image-4": {"href": "4.tif", "roles": ["data"], "eo:bands": [{"name": "B04"}]},
        "image-8": {"href": "8.tif", "bands": [{"name": "nir", "eo:common_name": "nir"}]},
        "overview": {"href": "o.jpg", "roles": ["overview"], "eo:bands": [{"name": "B04"}]},
    }
    assert set(read_scene(make_item(assets=files)).bands) == {"B04", "B08"}


def test_relative_links_start_where_the_item_lies(make_item: MakeItem) -> None:
    files = {"red": {"href": "./B04.tif"}}
    at_url = read_scene(make_item(assets=files), base_href="https://host.test/a/item.json")
    on_disk = read_scene(make_item(assets=files), base_href="/archive/a/item.json")
    assert at_url.bands["B04"].href == "https://host.test/a/B04.tif"
    assert on_disk.bands["B04"].href == "/archive/a/B04.tif"


def change(item: dict[str, Any], path: str, value: object) -> None:
    holder: Any = item
    *parents, last = path.split("/")
    for name in parents:
        holder = holder[name]
    holder[last] = value


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("properties", [1], "no datetime"),
        ("properties/eo:cloud_cover", "n/a", "eo:cloud_cover is 'n/a', expected a number"),
        ("properties/eo:cloud_cover", [], "eo:cloud_cover is []"),
        ("properties/eo:cloud_cover", 10**400, "eo:cloud_cover is 1"),
        ("properties/eo:cloud_cover", float("nan"), "eo:cloud_cover is nan"),
        ("assets", ["red"], "no asset"),
        ("assets", None, "no asset"),
        ("assets/red/href", "http://[", "malformed"),
        ("assets/red/proj:transform", "10, 0, 0", "B04: proj:transform is '10, 0, 0'"),
        ("assets/red/proj:transform", [10, 0, "left", 0, -10, 0], "B04: proj:transform"),
        ("assets/scl/proj:transform", [20], "scl: proj:transform is [20], expected 6 numbers"),
        ("assets/red/proj:shape", [float("inf"), 10], "B04: proj:shape"),
        ("assets/red/raster:bands", [{"nodata": "nan"}], "no data of B04 is nan, expected 0"),
        ("assets/red/raster:bands", [{"nodata": float("nan")}], "no data of B04 is nan"),
        ("assets/red/raster:bands", [{"nodata": {}}], "B04: nodata is {}"),
        ("assets/red/raster:bands", [{"scale": "1e-4 m"}], "B04: scale is '1e-4 m'"),
        ("assets/red/raster:bands", [{"offset": [0]}], "B04: offset is [0]"),
        ("geometry", [1, 2], "no footprint"),
        ("geometry", {"type": "Point", "coordinates": ["a", "b"]}, "no footprint"),
        ("geometry", {"type": "Polygon", "coordinates": [[[0, float("nan")]] * 4]}, "no footprint"),
        ("geometry", {"type": "Point", "coordinates": [399960, 600000]}, "are no degrees"),
    ],
)
def test_one_malformed_item_is_named_and_ends_nothing(
    make_item: MakeItem, path: str, value: object, words: str
) -> None:
    item = make_item()
    change(item, path, value)
    found = understand(item, base_href="/archive/item.json")
    assert isinstance(found, Failure)
    assert found.key == item["id"]
    assert words in found.reason
    shelf = SceneShelf([("/archive/item.json", item), ("/archive/b.json", make_item(id="whole"))])
    assert [scene.id for scene in shelf.scenes] == ["whole"]
    assert [one.key for one in shelf.unusable] == [item["id"]]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("properties/sat:relative_orbit", "R124"),
        ("properties/sat:relative_orbit", ["?"]),
        ("properties/providers", 3),
        ("properties/s2:generation_time", 3),
        ("links", [None, 3, {"rel": "self"}, {"rel": "self", "href": 3}]),
        ("links", "self"),
        ("assets/red/eo:bands", ["B04"]),
        ("assets/red/bands", "B04"),
        ("assets/red/roles", 3),
        ("assets/red/raster:bands", {"nodata": 0}),
        ("assets/nothing", None),
        ("assets/thumbnail", {"href": "t.jpg", "proj:shape": "?"}),
        ("assets/coastal", {"href": ["a"]}),
    ],
)
def test_what_no_pixel_needs_may_be_malformed(
    make_item: MakeItem, path: str, value: object
) -> None:
    item = make_item()
    change(item, path, value)
    found = understand(item)
    assert not isinstance(found, Failure), found
    assert found.orbit == (124 if value == "R124" else None)


@pytest.mark.parametrize(
    ("href", "base", "address"),
    [
        ("/data/B04.tif", "https://host.test/cat/item.json", "https://host.test/data/B04.tif"),
        ("//other.test/B04.tif", "https://host.test/item.json", "https://other.test/B04.tif"),
        ("../B04.tif", "http://host.test/cat/a/item.json", "http://host.test/cat/B04.tif"),
        ("B04.tif", "s3://bucket/cat/item.json", "s3://bucket/cat/B04.tif"),
        ("B04.tif", "file:///archive/item.json", "file:///archive/B04.tif"),
        ("s3://bucket/B04.tif", "/archive/item.json", "s3://bucket/B04.tif"),
        ("/data/B04.tif", "/archive/item.json", "/data/B04.tif"),
        ("../B04.tif", "/archive/a/item.json", "/archive/B04.tif"),
        ("./B04.tif", None, "./B04.tif"),
    ],
)
def test_links_mean_what_their_document_s_address_makes_of_them(
    make_item: MakeItem, href: str, base: str | None, address: str
) -> None:
    scene = read_scene(make_item(assets={"red": {"href": href}}), base_href=base)
    assert scene.bands["B04"].href == address


def test_newer_spellings_of_the_projection_are_read(make_item: MakeItem) -> None:
    item = make_item(proj__epsg=None)
    item["properties"]["proj:code"] = "EPSG:32720"
    assert read_scene(item).epsg == 32720


def test_a_baseline_is_found_in_the_products_name(make_item: MakeItem) -> None:
    item = make_item(s2__processing_baseline=None, s2__datastrip_id=None)
    item["properties"]["s2:product_uri"] = (
        "S2A_MSIL2A_20230304T143751_N0400_R096_T20NMJ_20230304T200000.SAFE"
    )
    scene = read_scene(item)
    assert (scene.baseline, scene.orbit) == ("04.00", 96)


def test_everything_that_is_missing_is_named_at_once(make_item: MakeItem) -> None:
    item = make_item(
        s2__processing_baseline=None,
        s2__datastrip_id=None,
        proj__epsg=None,
        datetime=None,
        assets={"thumbnail": {"href": "t.jpg"}},
        geometry={"type": "Polygon"},
    )
    with pytest.raises(SceneError) as caught:
        read_scene(item)
    for words in ("baseline", "proj:epsg", "datetime", "no asset", "footprint", item["id"]):
        assert words in str(caught.value)


def test_an_empty_item_is_refused_in_words() -> None:
    with pytest.raises(SceneError, match="an item without id"):
        read_scene({})


@pytest.mark.parametrize(("key", "value"), [("scale", 1.0), ("nodata", 65535)])
def test_numbers_on_another_scale_are_refused(make_item: MakeItem, key: str, value: float) -> None:
    item = make_item()
    item["assets"]["red"]["raster:bands"][0][key] = value
    with pytest.raises(SceneError, match="of B04 is"):
        read_scene(item)


def test_the_date_line_is_cut_whichever_way_it_is_written() -> None:
    jumping = shapely.Polygon([(179, 60), (-179, 60), (-179, 61), (179, 61)])
    running_on = shapely.box(179, 60, 181, 61)
    westward = shapely.box(-181, 60, -179, 61)
    cut = shapely.MultiPolygon([shapely.box(179, 60, 180, 61), shapely.box(-180, 60, -179, 61)])
    for written in (jumping, running_on, westward, cut):
        found = cut_at_date_line(written)
        assert found.symmetric_difference(cut).area == pytest.approx(0, abs=1e-9)


def test_an_ordinary_footprint_is_left_alone() -> None:
    outline = shapely.box(-179, -5, -178, -4)
    assert cut_at_date_line(outline).equals(outline)


@pytest.mark.parametrize("latitude", [65.0, 5.0, -5.0, -65.0])
@pytest.mark.parametrize("longitude", [-180.0, -179.9995, 0.0, 179.9995])
def test_a_place_is_where_its_point_is(longitude: float, latitude: float) -> None:
    place = place_polygon(PatchGrid().geobox(longitude, latitude))
    assert place.intersects(shapely.Point(longitude, latitude))
    assert place.area < 0.001
    assert place.is_valid


def test_a_footprint_across_the_date_line_meets_places_on_both_sides(make_item: MakeItem) -> None:
    ring = [[179.5, -18], [-179.5, -18], [-179.5, -17], [179.5, -17], [179.5, -18]]
    footprint = read_scene(make_item(geometry={"type": "Polygon", "coordinates": [ring]})).footprint
    for longitude, inside in ((179.9, True), (-179.9, True), (178.0, False), (0.0, False)):
        place = place_polygon(PatchGrid().geobox(longitude, -17.5))
        assert footprint.intersects(place) is inside


def read_items(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in sorted((folder / "stac/items").glob("*.json"))]


@pytest.mark.real
def test_every_real_item_gives_its_bands_mask_and_ground(shared_data: Path) -> None:
    scenes = [read_scene(item) for item in read_items(shared_data)]
    assert len(scenes) == 18
    for scene in scenes:
        assert len(scene.bands) == (13 if scene.level == "L1C" else 12)
        assert (scene.mask is None) == (scene.level == "L1C")
        assert scene.epsg % 100 == int(scene.tile[:2])
        assert (scene.epsg >= 32700) == (scene.tile[2] < "N")
        assert scene.footprint.is_valid
        for asset in scene.bands.values():
            assert asset.transform is not None
            assert asset.shape is not None
            assert asset.shape[0] * asset.resolution_m == 109_800


@pytest.mark.real
def test_real_footprints_leave_out_what_has_no_data(shared_data: Path) -> None:
    """Products say how much of their tile has no data; footprints agree within a hundredth."""
    n_said = 0
    for item in read_items(shared_data):
        empty_percent = item["properties"].get("s2:nodata_pixel_percentage")
        if empty_percent is None:
            continue
        scene = read_scene(item)
        project = Transformer.from_crs("EPSG:4326", f"EPSG:{scene.epsg}", always_xy=True)
        outline = shapely.transform(scene.footprint, project.transform, interleaved=False)
        assert outline.area / 109_800**2 == pytest.approx(1 - empty_percent / 100, abs=0.01)
        n_said += 1
    assert n_said == 14


@pytest.mark.real
def test_every_real_item_gets_the_offset_that_its_catalogue_left_in(shared_data: Path) -> None:
    expected = {"s2-l2a": 0, "c1": -1000, "l1c": -1000, "pc-2019": 0, "pc-2024": -1000}
    found: dict[str, set[int]] = {}
    for item in read_items(shared_data):
        scene = read_scene(item)
        kind = scene.collection.removeprefix("sentinel-2-").removesuffix("-l2a")
        if kind == "l2a":
            kind = (
                "s2-l2a" if "sentinel-cogs" in scene.bands["B04"].href else f"pc-{scene.date.year}"
            )
        found.setdefault(kind.replace("pc-2018", "pc-2019"), set()).add(scene.offset_dn)
    assert found == {kind: {offset} for kind, offset in expected.items()}
