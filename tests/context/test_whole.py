"""Files that end too early, between two of their blocks."""

import importlib.util
import struct
from pathlib import Path

import pytest

from minewatch.context import extract_features
from minewatch.errors import CoverageWarning

_spec = importlib.util.spec_from_file_location(
    "osm_maker", Path(__file__).with_name("osm_maker.py")
)
osm_maker = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(osm_maker)

N_LAKES = 30


def ends_of_blocks(data: bytes) -> list[int]:
    """Say where each block of a PBF ends: a length, a header that ends with a size, a blob."""
    ends, place = [], 0
    while place < len(data):
        length = struct.unpack_from(">I", data, place)[0]
        header = data[place + 4 : place + 4 + length]
        digits = header[header.rindex(b"\x18") + 1 :]
        size = sum((digit & 127) << 7 * n for n, digit in enumerate(digits))
        place += 4 + length + size
        ends.append(place)
    assert place == len(data)
    return ends


def cut(source: Path, target: Path, n_blocks: int) -> Path:
    """Leave the last blocks of a file away."""
    data = source.read_bytes()
    target.write_bytes(data[: ends_of_blocks(data)[-1 - n_blocks]])
    return target


@pytest.fixture
def lakes(tmp_path):
    """Write a map of lakes, each a relation of one way without tags, and some roads."""
    nodes, ways, relations = {}, {}, {}
    for number in range(N_LAKES):
        first = 4 * number + 1
        nodes |= osm_maker.square(first, -62.6 + 0.01 * number, 5.4, 0.005)
        ways[number + 1] = (osm_maker.ring(first), {})
        tags = {"type": "multipolygon", "natural": "water"}
        relations[number + 1] = ([("w", number + 1, "outer")], tags)
    ways[100] = ([1, 5, 9], {"highway": "track"})
    return osm_maker.write_osm(tmp_path / "whole.osm.pbf", nodes, ways, relations)


def test_of_a_whole_file_nothing_is_said(lakes):
    features = extract_features(lakes)
    assert len(features.table) == N_LAKES + 1
    assert features.info["source"]["parts"] == {
        "ways": N_LAKES + 1,
        "untagged_ways": N_LAKES,
        "untagged_ways_of_no_relation": 0,
    }


def test_a_file_without_its_last_block_is_said_to_lack_relations(lakes, tmp_path):
    file = cut(lakes, tmp_path / "short.osm.pbf", 1)
    with pytest.warns(CoverageWarning, match="30 ways without tags, 30 of which belong to no"):
        features = extract_features(file)
    assert list(features.table.index) == ["way/100"]
    assert features.info["source"]["parts"]["untagged_ways_of_no_relation"] == N_LAKES


def test_a_file_cut_among_its_nodes_is_said_to_lack_ways(lakes, tmp_path):
    file = cut(lakes, tmp_path / "short.osm.pbf", 2)
    with pytest.warns(CoverageWarning, match="nodes without tags, and no way that they belong to"):
        assert extract_features(file).table.empty


def test_a_file_of_places_alone_is_whole(tmp_path):
    nodes = {number: (-62.0, 5.0 + 0.01 * number) for number in range(1, 40)}
    tags = {number: {"place": "hamlet"} for number in nodes}
    file = osm_maker.write_osm(tmp_path / "places.osm.pbf", nodes, tags=tags)
    assert len(extract_features(file).table) == len(nodes)


def test_ways_of_relations_that_no_layer_asks_for_are_parts_of_something(tmp_path):
    nodes = osm_maker.square(1, -62.6, 5.4, 0.1)
    ways = {number: ([1, 2], {}) for number in range(1, 40)}
    members = [("w", number, "") for number in ways]
    relations = {1: (members, {"type": "route", "route": "bus"}), 2: ([("w", 1, "")], {})}
    file = osm_maker.write_osm(tmp_path / "routes.osm.pbf", nodes, ways, relations)
    assert extract_features(file).info["source"]["parts"]["untagged_ways_of_no_relation"] == 0


@pytest.mark.real
def test_a_real_file_is_told_from_what_is_left_of_it(shared_data, tmp_path):
    source = shared_data / "osm" / "liechtenstein.osm.pbf"
    for n_blocks in (1, 23):
        file = cut(source, tmp_path / "short.osm.pbf", n_blocks)
        with pytest.warns(CoverageWarning, match="may be cut short"):
            extract_features(file)
    parts = extract_features(source).info["source"]["parts"]
    assert (parts["untagged_ways"], parts["untagged_ways_of_no_relation"]) == (351, 0)
