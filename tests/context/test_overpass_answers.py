"""What passes for an answer of an Overpass server, and what never does."""

import gzip
import json
import re

import pytest

from minewatch._http import Answer, BadAnswerError
from minewatch.context import Layer
from minewatch.context._overpass_answer import (
    OsmAnswer,
    TooLargeError,
    decode,
    read_answer,
    seconds_until_free,
)
from minewatch.context._overpass_join import join_answers
from minewatch.context._overpass_parts import plan_parts
from minewatch.context._overpass_query import write_query


def answer(*elements: dict, **more: object) -> bytes:
    head = {"osm3s": {"timestamp_osm_base": "2024-05-01T00:00:00Z"}}
    return json.dumps(head | {"elements": list(elements)} | more).encode()


@pytest.mark.real
def test_every_real_answer_is_read_or_refused_for_its_remark(shared_data):
    files = sorted((shared_data / "osm").glob("over*/*.json"))
    assert len(files) > 25
    refused = {}
    for file in files:
        try:
            read = read_answer(file.read_bytes())
        except (BadAnswerError, TooLargeError) as error:
            refused[file.name] = type(error)
        else:
            listed = json.loads(file.read_bytes())["elements"]
            areas = sum(element["type"] == "area" for element in listed)
            assert len(read.elements) == len(listed) - areas
    assert refused == {
        "remark-runtime-error-01.json": TooLargeError,
        "remark-runtime-remark-01.json": BadAnswerError,
        "remark-unknown-01.json": BadAnswerError,
    }


@pytest.mark.real
def test_real_answers_make_an_extract(shared_data, tmp_path):
    import osmium

    body = (shared_data / "osm" / "overpass" / "map.json").read_bytes()
    counts, _ = join_answers([read_answer(body)], tmp_path / "map.osm.pbf")
    read = [
        f"{item.type_str()}{item.id}" for item in osmium.FileProcessor(tmp_path / "map.osm.pbf")
    ]
    assert (counts.nodes, counts.ways, counts.relations) == (84, 10, 2)
    assert len(read) == len(set(read)) == 96


@pytest.mark.parametrize(
    ("remark", "kind"),
    [
        ('runtime error: Query timed out in "query" at line 4 after 2 seconds.', TooLargeError),
        ("runtime error: Query run out of memory using about 2048 MB of RAM.", TooLargeError),
        ("runtime error: open64: 0 Success Dispatcher_Client::timeout. too busy", BadAnswerError),
    ],
)
def test_a_remark_is_a_failure_though_elements_came(remark, kind):
    node = {"type": "node", "id": 1, "lat": 1.0, "lon": 2.0}
    with pytest.raises(kind, match="runtime error"):
        read_answer(answer(node, remark=remark))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>rate_limited</body></html>",
        answer({"type": "node", "id": 1, "lat": 1.0, "lon": 2.0})[:-3],
        b"[]",
        b'{"elements": null}',
        answer({"type": "way", "id": 1}),
        answer({"type": "node", "id": 1}),
        answer({"type": "node", "lat": 1.0, "lon": 2.0}),
        answer({"type": "node", "id": 1, "lat": float("nan"), "lon": 2.0}),
        answer({"type": "node", "id": 1, "lat": 1.0, "lon": 999}),
        answer({"type": "node", "id": 2**63, "lat": 1.0, "lon": 2.0}),
        answer({"type": "node", "id": 1, "lat": 1.0, "lon": 2.0, "version": "a"}),
        answer({"type": "node", "id": 1, "lat": 1.0, "lon": 2.0, "tags": {"place": None}}),
        answer({"type": "way", "id": 1, "nodes": ["a"]}),
        answer({"type": "way", "id": 1, "nodes": [1, 2.5]}),
        answer({"type": "relation", "id": 1, "members": [{}]}),
        answer({"type": "relation", "id": 1, "members": [{"type": "area", "ref": 1}]}),
        b"[" * 100_000,
    ],
)
def test_what_is_not_whole_is_no_answer(body):
    with pytest.raises(BadAnswerError):
        read_answer(body)


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
def test_a_packed_answer_is_unpacked_up_to_a_size(encoding, monkeypatch):
    monkeypatch.setattr("minewatch.context._overpass_answer._MOST_BYTES", 1 << 20)
    headers = {"Content-Encoding": encoding}
    fits, large = bytes(1 << 20), bytes((1 << 20) + 1)
    assert decode(Answer(gzip.compress(fits), None, headers)) == fits
    with pytest.raises(TooLargeError, match="1 MiB"):
        decode(Answer(gzip.compress(large), None, headers))
    with pytest.raises(BadAnswerError, match="cut off"):
        decode(Answer(gzip.compress(fits)[:-9], None, headers))


def test_a_page_says_in_the_message_what_it_says():
    page = b"<html><title>x</title><body><p>Dispatcher_Client::timeout &lt;1</p></body>"
    with pytest.raises(BadAnswerError, match=r"Dispatcher_Client::timeout <1"):
        read_answer(page)


def node(number: int, longitude: float, **tags: str) -> dict:
    more = {"tags": tags} if tags else {}
    return {"type": "node", "id": number, "lat": 5.0, "lon": longitude} | more


def read_back(path) -> dict[str, tuple]:
    import osmium

    return {
        f"{item.type_str()}{item.id}": (
            dict(item.tags),
            item.location.lon if item.is_node() else [one.ref for one in item.nodes],
        )
        for item in osmium.FileProcessor(path)
    }


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_that_differ_the_newer_stays_and_the_conflict_is_counted(tmp_path, order):
    old = OsmAnswer(
        [node(1, 9.0, place="hamlet"), {"type": "way", "id": 3, "nodes": [1]}],
        "2024-05-01T00:00:00Z",
    )
    new = OsmAnswer(
        [node(1, 9.5, place="town"), {"type": "way", "id": 3, "nodes": [1, 1]}],
        "2024-05-01T00:05:00Z",
    )
    file = tmp_path / "joined.osm.pbf"
    counts, states = join_answers([old, new][::order], file)
    assert (counts.duplicates, counts.conflicts) == (2, 2)
    assert states == ["2024-05-01T00:00:00Z", "2024-05-01T00:05:00Z"]
    assert read_back(file) == {"n1": ({"place": "town"}, 9.5), "w3": ({}, [1, 1])}


def test_a_version_counts_more_than_the_state(tmp_path):
    newer = {"type": "way", "id": 3, "nodes": [1], "version": 4}
    older = {"type": "way", "id": 3, "nodes": [2], "version": 3}
    answers = [
        OsmAnswer([newer], "2024-05-01T00:00:00Z"),
        OsmAnswer([older], "2024-05-01T00:05:00Z"),
    ]
    counts, _ = join_answers(answers, tmp_path / "joined.osm.pbf")
    assert read_back(tmp_path / "joined.osm.pbf")["w3"][1] == [1]
    assert counts.missing_nodes == 1


def test_an_empty_answer_is_an_empty_extract(tmp_path):
    counts, _ = join_answers([OsmAnswer([], None)], tmp_path / "none.osm.pbf")
    assert (counts.nodes, counts.ways, counts.relations, counts.missing_nodes) == (0, 0, 0, 0)
    assert read_back(tmp_path / "none.osm.pbf") == {}


def test_what_is_special_in_the_language_is_quoted():
    layer = Layer(name="odd", key='a"b\\c', values=("x.y", 'q"'), kinds=("point",))
    part = plan_parts(_box(), max_area_km2=1e6, max_parts=1)[0]
    query = write_query(part, [layer], date=None, timeout_s=9, memory_mib=1)
    assert r'node["a\"b\\c"~"^(q\"|x\\.y)$"](5.000000,-63.000000,5.500000,-62.500000);' in query


def test_one_of_several_values_that_name_the_target_is_asked_for():
    part = plan_parts(_box(), max_area_km2=1e6, max_parts=1)[0]
    layer = Layer(name="pier", key="man_made", values=("pier",))
    query = write_query(part, [layer], date=None, timeout_s=9, memory_mib=1)
    pattern = next(line for line in query.splitlines() if 'nwr["man_made"~' in line).split('"')[3]
    for value in ("adit", "pier", "mast;adit", "adit ; mast"):
        assert re.search(pattern, value)
    for value in ("adits", "mast", "tadit;mast"):
        assert not re.search(pattern, value)


def _box():
    import shapely

    return shapely.box(-63.0, 5.0, -62.5, 5.5)


@pytest.mark.parametrize(
    ("status", "seconds"),
    [
        ("Connected as: 1\nRate limit: 2\n2 slots available now.\n", 0.0),
        ("Rate limit: 0\nCurrently running queries", 0.0),
        (
            "Slot available after: 2024-01-01T00:00:09Z, in 9 seconds.\n" * 2
            + "Slot available after: 2024-01-01T00:00:04Z, in 4 seconds.\n",
            4.0,
        ),
        ("Rate limit: 2\nCurrently running queries (pid, space limit)", 5.0),
        ("a page that is no status", 0.0),
    ],
)
def test_the_wait_for_a_place_is_what_the_server_says(status, seconds):
    assert seconds_until_free(status) == seconds
