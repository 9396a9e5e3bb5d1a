"""What an Overpass server gives is complete, or the fetch fails; it is never quietly less."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely

from minewatch.context import (
    DEFAULT_LAYERS,
    Features,
    extract_features,
    fetch_features,
    read_features,
)
from minewatch.context._area import read_area
from minewatch.context._overpass import _Server
from minewatch.context._overpass_parts import plan_parts
from minewatch.context._overpass_query import STATE_QUERY
from minewatch.errors import ContextError, InputError, SettingsError

# A square without its north-eastern quarter, so that the hull is larger.
AREA = shapely.box(-62.75, 5.15, -62.25, 5.65) - shapely.box(-62.5, 5.4, -62.0, 6.0)
BOX = re.compile(r"\((-?[\d.]+),(-?[\d.]+),(-?[\d.]+),(-?[\d.]+)\);")


def boxes_of(queries: list[str]) -> list[shapely.Polygon]:
    """Give the box of every query that has one."""
    found = [BOX.search(query) for query in queries]
    edges = [[float(edge) for edge in one.groups()] for one in found if one]
    return [shapely.box(west, south, east, north) for south, west, north, east in edges]


def assert_same(one: Features, other: Features) -> None:
    """Compare everything but where it comes from."""
    rest = ["geometry", "tags"]
    pd.testing.assert_frame_equal(
        pd.DataFrame(one.table.drop(columns=rest)), pd.DataFrame(other.table.drop(columns=rest))
    )
    assert [dict(tags) for tags in one.table["tags"]] == [
        dict(tags) for tags in other.table["tags"]
    ]
    assert shapely.equals_exact(
        one.table.geometry.to_numpy(), other.table.geometry.to_numpy(), tolerance=0.0
    ).all()
    pd.testing.assert_frame_equal(one.dropped, other.dropped)


@pytest.fixture(scope="module")
def from_file(made_map: Path) -> Features:
    return extract_features(made_map, AREA)


def test_a_server_gives_what_the_file_gives(serve_map, quick_source, from_file, tmp_path):
    server = serve_map()
    file = fetch_features(AREA, DEFAULT_LAYERS, quick_source(server.url), tmp_path / "c")
    assert len(server.asked.queries) > 5
    assert_same(read_features(file), from_file)


def test_what_encloses_the_whole_area_is_found(serve_map, quick_source, tmp_path):
    server = serve_map()
    file = fetch_features((-62.51, 5.39, -62.5, 5.4), source=quick_source(server.url), out=tmp_path)
    table = read_features(file).table
    assert (table["boundary"] == "protected_area").sum() == 1
    assert (table["landuse"] == "meadow").sum() == 1


def test_rivers_relations_bring_nothing_from_other_continents(serve_map, quick_source, tmp_path):
    server = serve_map()
    fetch_features((-62.6, 5.1, -62.5, 5.2), source=quick_source(server.url), out=tmp_path)
    extract = extract_features(tmp_path / "overpass.osm.pbf").table
    assert extract.total_bounds[2] < 0


@pytest.mark.parametrize("fault", ["429", "504", "remark", "truncated", "html", "reset", "late"])
def test_a_fault_that_passes_changes_nothing(serve_map, quick_source, from_file, tmp_path, fault):
    server = serve_map(fault_rate=0.7, faults=(fault,))
    file = fetch_features(AREA, source=quick_source(server.url), out=tmp_path)
    assert server.asked.faults[fault] >= 3
    assert_same(read_features(file), from_file)


def test_all_faults_together_change_nothing(serve_map, quick_source, from_file, tmp_path):
    server = serve_map(fault_rate=0.8, seed=3, most_elements=600)
    file = fetch_features(AREA, source=quick_source(server.url), out=tmp_path)
    assert len(server.asked.faults) >= 4
    assert_same(read_features(file), from_file)


def test_the_file_has_the_same_bytes_however_often_a_server_was_asked(
    serve_map, quick_source, tmp_path
):
    server = serve_map(fault_rate=0.6, seed=5)
    source = quick_source(server.url)
    files = [fetch_features(AREA, source=source, out=tmp_path / name) for name in ("a", "b")]
    costs = [json.loads((file.parent / "features.json").read_text())["traffic"] for file in files]
    assert costs[0] != costs[1]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("fault", ["429", "504", "remark", "truncated", "html", "reset"])
def test_a_server_that_stays_bad_fails_and_leaves_nothing_half_written(
    serve_map, quick_source, tmp_path, fault
):
    server = serve_map(fault_rate=1.0, faults=(fault,), in_a_row=None)
    source = quick_source(server.url, date="2024-05-01T00:00:00Z")
    with pytest.raises(ContextError, match=r"run the same again"):
        fetch_features(AREA, source=source, out=tmp_path)
    assert len(server.asked.queries) <= 2 * 4
    assert [file.name for file in tmp_path.iterdir() if not file.name.startswith(".")] == []
    assert list((tmp_path / ".overpass").glob("*.json")) == [tmp_path / ".overpass" / "plan.json"]


def test_a_server_that_asks_for_a_long_wait_is_not_asked_before(serve_map, quick_source, tmp_path):
    server = serve_map(fault_rate=1.0, faults=("429",), in_a_row=None, retry_after="600")
    with pytest.raises(ContextError, match=r"asks to wait 600 s.*run the same again"):
        fetch_features(
            AREA, source=quick_source(server.url, date="2024-05-01T00:00:00Z"), out=tmp_path
        )
    assert len(server.asked.queries) == 1
    busy = serve_map(status="Slot available after: 2024-05-01T00:09:59Z, in 599 seconds.\n")
    with pytest.raises(ContextError, match="asks to wait 599 s"):
        fetch_features(AREA, source=quick_source(busy.url), out=tmp_path)
    assert busy.asked.queries == []


def test_a_server_is_waited_for_as_long_as_it_asks(serve_map, quick_source, monkeypatch):
    server = serve_map(fault_rate=1.0, faults=("429",), in_a_row=1, retry_after="90")
    asking, waits = _Server(quick_source(server.url)), []
    monkeypatch.setattr(asking.patience, "wait", waits.append)
    asking.ask(STATE_QUERY)
    assert waits == [90.0]


def test_a_part_too_large_is_split_until_it_is_not(serve_map, quick_source, from_file, tmp_path):
    server = serve_map(most_elements=400)
    source = quick_source(server.url, max_area_km2=10_000)
    file = fetch_features(AREA, source=source, out=tmp_path)
    fetched = json.loads((tmp_path / "features.json").read_text())["traffic"]
    assert fetched["n_parts"] > 4
    assert_same(read_features(file), from_file)


@pytest.mark.parametrize(
    "limit", ["_http._MAX_WHOLE_BYTES", "context._overpass_answer._MOST_BYTES"]
)
def test_a_part_whose_answer_is_too_large_to_read_is_split(
    serve_map, quick_source, from_file, tmp_path, monkeypatch, limit
):
    monkeypatch.setattr(f"minewatch.{limit}", 6_000 if "_http" in limit else 60_000)
    server = serve_map()
    file = fetch_features(AREA, source=quick_source(server.url, max_area_km2=10_000), out=tmp_path)
    fetched = json.loads((tmp_path / "features.json").read_text())["traffic"]
    assert fetched["n_parts"] > 1
    assert len(set(server.asked.queries)) == len(server.asked.queries)  # none twice
    assert_same(read_features(file), from_file)


def test_splitting_has_an_end(serve_map, quick_source, tmp_path):
    server = serve_map(most_elements=1)
    source = quick_source(server.url, max_area_km2=10_000, max_splits=2)
    source = source.model_copy(update={"date": "2024-05-01T00:00:00Z"})
    with pytest.raises(ContextError, match="Query timed out"):
        fetch_features(AREA, source=source, out=tmp_path)
    assert len(server.asked.queries) == 3


def test_a_killed_fetch_asks_only_for_what_is_missing(serve_map, quick_source, from_file, tmp_path):
    held = serve_map(hold_at=5)
    source = quick_source(held.url)
    words = source.model_dump_json()
    script = (
        "import sys, shapely; from minewatch.context import OverpassSource, fetch_features;"
        "fetch_features(shapely.from_wkt(sys.argv[1]),"
        "source=OverpassSource.model_validate_json(sys.argv[2]), out=sys.argv[3])"
    )
    command = [sys.executable, "-c", script, AREA.wkt, words, str(tmp_path)]
    with subprocess.Popen(command) as process:
        assert held.held.wait(60)
        os.kill(process.pid, signal.SIGKILL)
    assert not (tmp_path / "features.parquet").exists()
    server = serve_map()
    file = fetch_features(AREA, source=quick_source(server.url), out=tmp_path)
    assert len(held.asked.answered) == 4  # the state, and three parts
    assert not set(held.asked.answered) & set(server.asked.queries)
    assert_same(read_features(file), from_file)
    assert not (tmp_path / ".overpass").exists()


def test_only_the_ground_of_the_area_is_asked_for(serve_map, quick_source, tmp_path):
    server = serve_map()
    fetch_features(AREA, source=quick_source(server.url), out=tmp_path)
    boxes = boxes_of(server.asked.queries)
    asked = shapely.union_all(boxes)
    assert shapely.contains(shapely.buffer(asked, 1e-9), AREA)
    assert asked.area < 1.02 * AREA.area < AREA.convex_hull.area
    assert sum(box.area for box in boxes) < 1.02 * asked.area


def test_all_parts_are_of_one_state(serve_map, quick_source, tmp_path):
    server = serve_map()
    file = fetch_features(AREA, source=quick_source(server.url), out=tmp_path)
    with_date = ['[date:"2024-05-01T00:00:00Z"]' in query for query in server.asked.queries]
    assert with_date == [False] + [True] * (len(with_date) - 1)
    info = read_features(file).info
    assert info["osm_timestamp"] == "2024-05-01T00:00:00Z"
    assert info["source"]["fetched"]["states"] == ["2024-05-01T00:00:00Z"]
    assert info["attribution"].startswith("© OpenStreetMap contributors")


def test_the_record_says_what_no_server_can_be_asked_for(serve_map, quick_source, tmp_path):
    server = serve_map()
    lacks = []
    for name, date in (("now", None), ("then", "2024-04-01T00:00:00Z")):
        fetch_features(AREA, source=quick_source(server.url, date=date), out=tmp_path / name)
        record = json.loads((tmp_path / name / "features.json").read_text())
        lacks.append(record["info"]["source"]["fetched"]["may_lack"])
    assert [len(lack) for lack in lacks] == [1, 2]
    assert "relations without a name" in lacks[0][0]
    assert "today's alone" in lacks[1][1]


def test_a_server_behind_the_date_is_refused(serve_map, quick_source, tmp_path):
    server = serve_map(state="2024-01-01T00:00:00Z")
    source = quick_source(server.url, date="2024-05-01T00:00:00Z")
    with pytest.raises(ContextError, match="ends at 2024-01-01T00:00:00Z, before"):
        fetch_features(AREA, source=source, out=tmp_path)


def test_the_server_is_asked_politely(serve_map, quick_source, tmp_path):
    server = serve_map()
    fetch_features(AREA, source=quick_source(server.url), out=tmp_path)
    assert server.asked.status == len(server.asked.queries)
    assert all(agent.startswith("minewatch/") for agent in server.asked.agents)
    assert server.asked.encodings == {"gzip"}


def test_elements_of_several_parts_are_kept_once(serve_map, quick_source, tmp_path):
    server = serve_map()
    file = fetch_features(AREA, source=quick_source(server.url), out=tmp_path)
    counts = read_features(file).info["source"]["fetched"]["counts"]
    record = json.loads((tmp_path / "features.json").read_text())
    assert record["traffic"]["duplicates"] > 0
    assert counts["conflicts"] == counts["missing_nodes"] == 0
    assert read_features(file).table.index.is_unique


def test_a_fetch_with_other_tags_begins_anew(serve_map, quick_source, tmp_path):
    server = serve_map(hold_at=None, most_elements=None)
    held = serve_map(fault_rate=1.0, faults=("504",), in_a_row=None)
    state = "2024-05-01T00:00:00Z"
    with pytest.raises(ContextError):
        fetch_features(AREA, source=quick_source(held.url, date=state), out=tmp_path)
    one = DEFAULT_LAYERS[:1]
    file = fetch_features(AREA, one, quick_source(server.url, date=state), tmp_path)
    assert read_features(file).layer_names == ["highway"]


def test_a_kept_answer_that_was_damaged_is_asked_for_again(
    serve_map, quick_source, from_file, tmp_path
):
    state = "2024-05-01T00:00:00Z"
    bad = serve_map(fault_rate=0.3, faults=("504",), in_a_row=None, seed=5)
    with pytest.raises(ContextError):
        fetch_features(AREA, source=quick_source(bad.url, date=state, attempts=1), out=tmp_path)
    kept = sorted((tmp_path / ".overpass").glob("*.json"))
    victim = next(file for file in kept if file.name != "plan.json")
    victim.write_bytes(victim.read_bytes()[:-20])
    server = serve_map()
    with pytest.raises(ContextError, match="damaged"):
        fetch_features(AREA, source=quick_source(server.url, date=state), out=tmp_path)
    file = fetch_features(AREA, source=quick_source(server.url, date=state), out=tmp_path)
    assert_same(read_features(file), from_file)


def test_too_large_an_area_is_sent_to_an_extract(quick_source, tmp_path):
    source = quick_source("http://127.0.0.1:9", max_parts=10)
    with pytest.raises(InputError, match="--region"):
        fetch_features((-70.0, -10.0, -50.0, 5.0), source=source, out=tmp_path)


def test_parts_cover_the_area_and_are_small_enough():
    random = np.random.default_rng(3)
    places = shapely.points(random.uniform((-63, 4), (-60, 7), (30, 2)))
    area = shapely.union_all(shapely.buffer(places, 0.05))
    parts = plan_parts(area, max_area_km2=500, max_parts=500)
    boxes = shapely.union_all([shapely.box(*part.bounds) for part in parts])
    assert shapely.contains(shapely.buffer(boxes, 1e-9), area)
    assert max(part.area_km2 for part in parts) <= 500
    assert boxes.area < 2.5 * area.area < 0.3 * area.convex_hull.area
    again = plan_parts(area, max_area_km2=500, max_parts=500)
    assert [part.bounds for part in again] == [part.bounds for part in parts]


def test_an_area_across_180_is_asked_for_on_both_sides_only():
    area = read_area((179.5, -17.0, -179.5, -16.0))
    bounds = [part.bounds for part in plan_parts(area, max_area_km2=10_000, max_parts=9)]
    assert sorted(bounds) == [(-180.0, -17.0, -179.5, -16.0), (179.5, -17.0, 180.0, -16.0)]


def test_a_server_that_cannot_be_reached_is_not_waited_for_long(quick_source, tmp_path):
    source = quick_source("http://127.0.0.1:9/api", attempts=1_000)
    with pytest.raises(ContextError, match=r"127\.0\.0\.1:9.*take a region's extract"):
        fetch_features((-62.6, 5.1, -62.5, 5.2), source=source, out=tmp_path)


def test_a_server_without_a_status_is_asked_all_the_same(
    serve_map, quick_source, from_file, tmp_path
):
    server = serve_map(status="")
    file = fetch_features(AREA, source=quick_source(server.url), out=tmp_path)
    assert_same(read_features(file), from_file)


def test_a_date_that_is_none_is_refused(quick_source):
    with pytest.raises(SettingsError, match="2023-12-31T00:00:00Z"):
        quick_source("http://127.0.0.1:9", date="yesterday")


def test_the_record_says_what_was_fetched(serve_map, quick_source, from_file, tmp_path):
    file = fetch_features(AREA, source=quick_source(serve_map().url), out=tmp_path)
    record = json.loads((tmp_path / "features.json").read_text())
    assert record["names_the_target"]["landuse=quarry"] == 1
    usual = from_file.table["target"].isna()
    assert record["features"]["highway"] == (from_file.table["highway"].notna() & usual).sum()
    assert record["info"] == read_features(file).info
