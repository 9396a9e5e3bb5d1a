"""The toy's map: a valid extract, incomplete by stated chances, and true to the valley."""

from collections import Counter
from datetime import date
from pathlib import Path

import geopandas as gpd
import numpy as np
import osmium
import pyogrio
import pytest
import shapely
from pyproj import Transformer

from minewatch import toy
from minewatch.errors import AlreadyThereError, InputError
from minewatch.toy._noise import Chance
from minewatch.toy._osm import draw_sheet
from minewatch.toy._osm_mines import map_mines
from minewatch.toy._osm_sheet import MAP_DATE, Sheet
from minewatch.toy._osm_survey import CHANCES, Survey
from minewatch.toy._osm_water import map_water
from minewatch.toy._shapes import middle
from minewatch.types import AnyArray

CODE = {name: code for code, name in toy.COVERS.items()}
VALLEY = toy.Valley(seed=1)


@pytest.fixture(scope="module")
def extract(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.write_osm(VALLEY, tmp_path_factory.mktemp("osm") / "valley.osm.pbf")


@pytest.fixture(scope="module")
def cover() -> AnyArray:
    return VALLEY.land_cover(VALLEY.geobox).to_numpy()


def tagged(extract: Path, layer: str, key: str) -> gpd.GeoDataFrame:
    """Give GDAL's features of a layer that bear a key, in the valley's UTM zone."""
    table = gpd.read_file(extract, layer=layer)
    named = table[key] if key in table else pd_none(table)
    other = table["other_tags"].fillna("").str.extract(rf'"{key}"=>"([^"]*)"')[0]
    table["value"] = named.where(named.notna(), other)
    return table[table["value"].notna()].to_crs("EPSG:32620")


def pd_none(table: gpd.GeoDataFrame) -> "gpd.pd.Series":
    return table["other_tags"].where(table["other_tags"].isna()).astype(object)


def covers_near(cover: AnyArray, points: AnyArray, reach: int) -> list[set[str]]:
    """Name the covers of the cells around points (easting, northing), `reach` cells each way."""
    box = VALLEY.geobox.boundingbox
    found = []
    for east, north in points:
        row, column = int((box.top - north) // 10), int((east - box.left) // 10)
        rows = slice(max(0, row - reach), row + reach + 1)
        columns = slice(max(0, column - reach), column + reach + 1)
        found.append({toy.COVERS[int(one)] for one in np.unique(cover[rows, columns])})
    return found


def along(lines: gpd.GeoDataFrame, step_m: float) -> AnyArray:
    parts = [
        shapely.get_coordinates(
            shapely.line_interpolate_point(line, np.arange(0, line.length, step_m))
        )
        for line in lines.geometry
    ]
    return np.concatenate(parts)


def test_osmium_reads_it_sorted_with_unique_ids_versions_and_dates(extract: Path) -> None:
    seen = [
        (kind, one.id, one.version, one.timestamp.date())
        for one in osmium.FileProcessor(str(extract))
        for kind in ["nwr".index(one.type_str())]
    ]
    keys = [entry[:2] for entry in seen]
    assert keys == sorted(set(keys))
    assert all(version >= 1 for _, _, version, _ in seen)
    assert all(date(2012, 1, 1) <= day <= MAP_DATE for *_, day in seen)


def test_the_header_says_that_it_is_made_up_and_where_it_lies(extract: Path) -> None:
    header = osmium.io.Reader(str(extract)).header()
    assert "made-up" in header.get("generator")
    assert header.get("osmosis_replication_timestamp").startswith(MAP_DATE.isoformat())
    box, metres = header.box(), VALLEY.geobox.boundingbox
    to_degrees = Transformer.from_crs("EPSG:32620", "EPSG:4326", always_xy=True)
    west, south, east, north = to_degrees.transform_bounds(*metres)
    assert west <= box.bottom_left.lon < box.top_right.lon <= east
    assert south <= box.bottom_left.lat < box.top_right.lat <= north


def test_all_nodes_of_ways_and_all_members_of_relations_are_there(extract: Path) -> None:
    ids: dict[str, set[int]] = {"n": set(), "w": set(), "r": set()}
    for one in osmium.FileProcessor(str(extract)):
        ids[one.type_str()].add(one.id)
        if one.is_way():
            assert {node.ref for node in one.nodes} <= ids["n"]
        if one.is_relation():
            assert {member.ref for member in one.members if member.type == "w"} <= ids["w"]


def test_rings_of_relations_close(extract: Path) -> None:
    ends, rings = {}, 0
    for one in osmium.FileProcessor(str(extract)):
        if one.is_way():
            ends[one.id] = (one.nodes[0].ref, one.nodes[-1].ref)
        if not one.is_relation():
            continue
        for role in ("outer", "inner"):
            met = Counter(end for m in one.members if m.role == role for end in ends[m.ref])
            assert all(count == 2 for count in met.values())
            rings += bool(met)
    assert rings > 20


def test_gdal_finds_as_many_areas_as_there_are_relations_and_all_are_valid(extract: Path) -> None:
    relations = [one.id for one in osmium.FileProcessor(str(extract)) if one.is_relation()]
    areas = pyogrio.read_dataframe(extract, layer="multipolygons")
    found = areas.loc[areas["osm_id"].notna(), "osm_id"].astype(int)
    assert sorted(found) == relations
    assert areas.geometry.is_valid.all()
    river = areas[areas["osm_id"].notna() & areas["name"].eq("Río Quimera")]
    islands = sum(len(part.interiors) for area in river.geometry for part in area.geoms)
    assert islands >= 3


def test_equal_valleys_give_equal_bytes_and_other_seeds_others(tmp_path: Path) -> None:
    small = [toy.Valley(seed=seed, width_m=12_000, height_m=9_000) for seed in (4, 4, 5)]
    files = [toy.write_osm(one, tmp_path / f"{i}.osm.pbf") for i, one in enumerate(small)]
    first, again, other = (file.read_bytes() for file in files)
    assert first == again
    assert first != other


def test_a_name_that_hides_the_format_and_a_file_that_is_there_are_refused(tmp_path: Path) -> None:
    small = toy.Valley(seed=4, width_m=6_000, height_m=6_000)
    with pytest.raises(InputError, match=r"valley\.osm is to hold"):
        toy.write_osm(small, tmp_path / "valley.osm")
    there = tmp_path / "valley.osm.pbf"
    there.write_text("mine")
    with pytest.raises(AlreadyThereError, match="exists already"):
        toy.write_osm(small, there)
    assert there.read_text() == "mine"
    assert toy.write_osm(small, there, overwrite=True).stat().st_size > 1_000


def test_roads_lie_on_roads_and_bridges_on_the_river(extract: Path, cover: AnyArray) -> None:
    roads = tagged(extract, "lines", "highway")
    plain = ~roads["other_tags"].fillna("").str.contains('"bridge"')
    built = roads[plain & roads["value"].isin(["primary", "tertiary", "unclassified", "service"])]
    near = covers_near(cover, along(built, 25.0), 1)
    # a stream, the river or a mine is painted over the road that runs through it
    shown = {"road", "stream", "river", "mine", "outside"}
    assert np.mean([bool(found & shown) for found in near]) > 0.999
    assert np.mean(["road" in found for found in near]) > 0.97
    bridges = roads[~plain]
    assert all(
        "river" in found
        for bridge in bridges.geometry
        for found in covers_near(cover, [(bridge.centroid.x, bridge.centroid.y)], 15)
    )
    assert len(bridges) >= 2


def test_streams_lie_on_streams_and_the_river_area_is_the_river(
    extract: Path, cover: AnyArray
) -> None:
    waters = tagged(extract, "lines", "waterway")
    near = covers_near(cover, along(waters[waters["value"] == "stream"], 25.0), 1)
    assert np.mean([bool(found & {"stream", "river", "mine"}) for found in near]) > 0.99
    areas = tagged(extract, "multipolygons", "natural")
    river = shapely.union_all(areas[areas["name"].eq("Río Quimera")].geometry.to_numpy())
    inner = river.buffer(-15.0)
    points = np.array([(p.x, p.y) for p in points_in(inner, 400)])
    here = [next(iter(found)) for found in covers_near(cover, points, 0)]
    assert set(here) <= {"river", "sandbar", "mine"}
    assert here.count("river") > 0.7 * len(here)


def points_in(area: shapely.Geometry, n_points: int) -> list[shapely.Point]:
    chance, (west, south, east, north) = Chance(0, "points"), area.bounds
    found: list[shapely.Point] = []
    while len(found) < n_points:
        point = shapely.Point(chance.uniform(west, east), chance.uniform(south, north))
        if area.contains(point):
            found.append(point)
    return found


@pytest.mark.parametrize(
    ("key", "value", "covers"),
    [
        ("natural", "water", {"pond", "road", "mine", "stream", "river", "sandbar"}),
        ("landuse", "residential", {"village", "road", "pond", "stream", "river"}),
        ("landuse", "meadow", {"pasture", "village", "pond", "road", "stream", "river", "sandbar"}),
        ("natural", "sand", {"sandbar", "mine"}),
    ],
)
def test_areas_lie_on_their_cover(
    extract: Path, cover: AnyArray, key: str, value: str, covers: set[str]
) -> None:
    areas = tagged(extract, "multipolygons", key)
    chosen = areas[areas["value"].eq(value)].geometry
    points = [area.buffer(-8.0).representative_point() for area in chosen if area.area > 900.0]
    found = covers_near(cover, np.array([(p.x, p.y) for p in points]), 0)
    assert len(points) > 5
    assert np.mean([bool(one & covers) for one in found]) == 1.0


def test_ponds_are_holes_in_pastures_and_water_themselves(extract: Path) -> None:
    areas = tagged(extract, "multipolygons", "landuse")
    meadows = areas[areas["osm_id"].notna() & areas["value"].isin(["meadow", "farmland"])]
    waters = tagged(extract, "multipolygons", "natural").geometry.union_all()
    holes = [
        shapely.Polygon(ring)
        for area in meadows.geometry
        for p in area.geoms
        for ring in p.interiors
    ]
    assert len(holes) > 10
    assert all(waters.intersection(hole).area > 0.999 * hole.area for hole in holes)


def test_what_names_the_target_is_mine_but_for_gravel(extract: Path, cover: AnyArray) -> None:
    quarries = tagged(extract, "multipolygons", "landuse")
    quarries = quarries[quarries["value"] == "quarry"]
    gravel = quarries["other_tags"].fillna("").str.contains('"gravel"')
    assert gravel.sum() == 2
    points = [area.representative_point() for area in quarries.geometry]
    found = covers_near(cover, np.array([(p.x, p.y) for p in points]), 0)
    on_mine = np.array(["mine" in one for one in found])
    assert on_mine[~gravel].all()
    assert not on_mine[gravel].any()


def test_some_mines_are_named_and_most_are_not(extract: Path) -> None:
    areas = tagged(extract, "multipolygons", "landuse")
    quarries = areas[areas["value"] == "quarry"].geometry.union_all()
    mines = VALLEY.mines.to_crs("EPSG:32620").geometry
    assert 0.05 < mines.intersects(quarries).mean() < 0.5


def test_nothing_is_known_of_a_mine_before_it_opened(extract: Path) -> None:
    survey = Survey(VALLEY._land)
    assert all(opened < MAP_DATE for opened in survey.known_mines.values())
    sheet = Sheet(VALLEY.seed)
    map_mines(sheet, survey)
    by_ring = {tuple(way.nodes): way.edit.saved.date() for way in sheet.ways}
    ways = [
        way
        for way in sheet.ways
        if way.tags.get("landuse") == "quarry" and "resource" not in way.tags
    ]
    assert ways
    starts = {
        tuple(np.round(VALLEY._land.mines.rings[m][0], 2)): day
        for m, day in survey.known_mines.items()
    }
    for way in ways:
        opened = starts[tuple(np.round(sheet.points[way.nodes[0] - 1], 2))]
        assert by_ring[way.nodes] >= opened


@pytest.mark.parametrize("kind", ["pond", "stream", "mine pond", "track"])
def test_as_much_is_mapped_as_the_chances_say(kind: str) -> None:
    expected = variance = 0.0
    mapped = 0
    for seed in (1, 2, 3):
        survey = Survey(toy.Valley(seed=seed)._land)
        for number, point in candidates(survey, kind):
            chance = survey.chance_of(kind, point)
            expected, variance = expected + chance, variance + chance * (1.0 - chance)
            mapped += survey.maps(kind, number, point)
    assert variance > 10.0
    assert abs(mapped - expected) < 4.0 * np.sqrt(variance)


def candidates(survey: Survey, kind: str) -> list[tuple[int, tuple[float, float]]]:
    land = survey.land
    if kind in ("pond", "mine pond"):
        rings = (land.ponds if kind == "pond" else land.mine_ponds).rings
        return [(number, middle([tuple(p) for p in ring])) for number, ring in enumerate(rings)]
    lines = land.streams.lines if kind == "stream" else land.roads.lines
    return [(number, line[len(line) // 2]) for number, line in enumerate(lines)]


def test_quarters_differ_in_how_much_of_their_streams_is_mapped() -> None:
    shares = []
    for seed in (1, 2, 3):
        survey, sheet = Survey(toy.Valley(seed=seed)._land), Sheet(seed)
        map_water(sheet, survey)
        seen = {
            point
            for way in sheet.ways
            if way.tags.get("waterway") == "stream"
            for point in way.nodes
        }
        mapped = {(round(x, 1), round(y, 1)) for x, y in (sheet.points[n - 1] for n in seen)}
        for line in survey.land.streams.lines:
            for point in line[::10]:
                hit = (round(point[0], 1), round(point[1], 1)) in mapped
                shares.append((survey.effort(point), hit))
    effort, hit = np.array(shares).T
    low, high = np.quantile(effort, [0.25, 0.75])
    assert hit[effort <= low].mean() < 0.45
    assert hit[effort >= high].mean() > hit[effort <= low].mean() + 0.2


def test_more_effort_is_made_beside_villages_roads_and_known_mines() -> None:
    survey = Survey(VALLEY._land)
    chance, box = Chance(0, "places"), VALLEY.geobox.boundingbox
    anywhere = [
        survey.effort((chance.uniform(box.left, box.right), chance.uniform(box.bottom, box.top)))
        for _ in range(300)
    ]
    known = [survey.effort(tuple(VALLEY._land.mines.rings[m][0])) for m in survey.known_mines]
    unknown = [
        survey.effort(tuple(ring[0]))
        for number, ring in enumerate(VALLEY._land.mines.rings)
        if number not in survey.known_mines
    ]
    villages = [survey.effort(place) for place in survey.villages]
    assert np.mean(villages) > np.mean(anywhere) + 0.15
    assert np.mean(known) > np.mean(unknown) > 0.0
    assert 0.0 < min(anywhere) < max(anywhere) <= 0.95


def test_every_kind_that_is_drawn_has_a_chance_between_none_and_one() -> None:
    assert all(0.0 <= base <= base + gain <= 1.0 for base, gain in CHANCES.values())


def test_ways_that_trouble_other_readers_are_there(extract: Path) -> None:
    closed = {"roundabout": 0, "street": 0, "square": 0, "tagged member": 0, "tagged node": 0}
    ways = {}
    for one in osmium.FileProcessor(str(extract)):
        tags = dict(one.tags)
        if one.is_node():
            closed["tagged node"] += "power" in tags
        if one.is_way():
            ways[one.id] = tags
            if one.nodes[0].ref == one.nodes[-1].ref:
                closed["roundabout"] += tags.get("junction") == "roundabout"
                closed["street"] += tags.get("highway") == "residential"
                closed["square"] += tags.get("area") == "yes"
        if one.is_relation():
            closed["tagged member"] += any(ways.get(m.ref) for m in one.members)
    assert closed["roundabout"] == 1
    assert closed["square"] == 1
    assert min(closed.values()) >= 1


def test_roads_meet_in_shared_nodes(extract: Path) -> None:
    used: Counter[int] = Counter()
    for way in osmium.FileProcessor(str(extract), osmium.osm.WAY):
        if "highway" in way.tags:
            used.update({node.ref for node in way.nodes})
    assert sum(count > 1 for count in used.values()) > 60


def test_nodes_are_where_the_valley_has_them_to_seven_decimals() -> None:
    valley = toy.Valley(seed=4, width_m=12_000, height_m=9_000)
    sheet = draw_sheet(valley)
    to_degrees = Transformer.from_crs("EPSG:32620", "EPSG:4326", always_xy=True)
    drawn = np.array(sheet.points)
    village = np.array(middle([tuple(p) for p in valley._land.villages.rings[0]]))
    named = [sheet.points[n - 1] for n, tags in sheet.node_tags.items() if "place" in tags]
    assert np.isfinite(to_degrees.transform(drawn[:, 0], drawn[:, 1])).all()
    assert any(np.hypot(*(np.array(place) - village)) < 0.01 for place in named)
