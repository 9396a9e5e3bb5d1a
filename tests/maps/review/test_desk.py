"""The desk's interface: what it shows, what it keeps, what it hides."""

import json
import re
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import get_args

import pytest

from minewatch._store import digest_bytes
from minewatch.errors import ImageryError
from minewatch.maps.review import ArchivePictures
from minewatch.maps.review._desk import Desk
from minewatch.maps.review._pictures import Album
from minewatch.maps.review._words import Kind


def test_a_decision_is_answered_when_it_is_on_disk_and_shows_in_the_list(maker, client, desk):
    number = client.get("/api/items", params={"reviewer": "Ana"}).json()[0]["number"]
    shown = {"pictures": [], "scale_m": 480.0, "outlines": True, "mapped": False}
    body = maker.decision(number, "not_mine", reason="river", note="bend", shown=shown)
    answer = client.post("/api/decisions", json=body)
    assert answer.status_code == 201
    other = sqlite3.connect(f"file:{desk.store.path}?mode=ro", uri=True)
    row = other.execute("SELECT verdict, reason, note, shown FROM decisions").fetchone()
    other.close()
    assert row[:3] == ("not_mine", "river", "bend")
    assert json.loads(row[3]).items() >= shown.items()
    brief = client.get("/api/items", params={"reviewer": "Ana"}).json()[0]
    assert (brief["verdict"], brief["reason"], brief["n_reviewers"]) == ("not_mine", "river", 1)


def test_a_decision_on_an_item_that_bears_another_name_here_is_refused(maker, client, desk):
    assert client.post("/api/decisions", json=maker.decision(1, item_id="x")).status_code == 404
    assert desk.store.decisions().empty
    body = maker.decision(1, item_id=desk.items[0].item.item_id)
    assert client.post("/api/decisions", json=body).status_code == 201


def test_what_is_sent_again_after_a_lost_answer_is_kept_once(maker, client, desk):
    body = maker.decision(1)
    first, again = (client.post("/api/decisions", json=body).json() for _ in range(2))
    assert (first["number"], first["is_new"]) == (again["number"], True)
    assert not again["is_new"]
    assert len(desk.store.decisions()) == 1


def say(maker, client, who, number, verdict, at=0):
    """Decide as somebody; give the number that it got."""
    body = maker.decision(number, verdict, uid=f"{who}-{number:04d}-{at:04d}") | {"reviewer": who}
    return client.post("/api/decisions", json=body).json()["number"]


def ask(client, path, who, **more):
    return client.get(f"/api/{path}", params={"reviewer": who, **more}).json()


def agreement(client):
    (pair,) = ask(client, "progress", "Eva", compare=True)["agreement"]
    return pair


def test_a_reviewer_is_not_told_what_others_said_before_they_decided(maker, client):
    say(maker, client, "Ana", 1, "mine")
    item, brief = ask(client, "items/1", "Ben"), ask(client, "items", "Ben", compare=True)[0]
    assert (item["others"], item["decision"], brief["is_conflict"]) == ([], None, False)
    say(maker, client, "Ben", 1, "not_mine")
    assert not ask(client, "items", "Ben")[0]["is_conflict"]  # nor afterwards, unless they ask
    assert ask(client, "progress", "Ben")["agreement"] == []
    item = ask(client, "items/1", "Ben")
    assert [(one["reviewer"], one["verdict"]) for one in item["others"]] == [("Ana", "mine")]
    assert ask(client, "items", "Ben", compare=True)[0]["is_conflict"]
    progress = ask(client, "progress", "Ben", compare=True)
    assert progress["agreement"][0]["n_conflicts"] == 1
    assert progress["reviewers"] == {"Ana": {"mine": 1}, "Ben": {"not_mine": 1}}


@pytest.mark.parametrize(
    ("path", "more"),
    [("items/1", {}), ("items", {"compare": True}), ("progress", {"compare": True})],
)
def test_who_was_told_of_another_can_change_a_verdict_but_not_kappa(maker, client, path, more):
    say(maker, client, "Ana", 1, "mine")
    say(maker, client, "Ben", 1, "unsure")
    ask(client, path, "ben", **more)
    number = say(maker, client, "Ben", 1, "mine", at=1)
    client.post("/api/undo", json={"reviewer": "Ben", "number": number})
    client.post("/api/undo", json={"reviewer": "Ben", "number": number - 1})
    say(maker, client, "Ben", 1, "mine", at=2)
    found = agreement(client)
    assert (found["n_same"], found["n_both"]) == (0, 1)
    assert (found["n_same_last"], found["n_both_last"]) == (1, 1)


def test_a_slip_undone_at_once_counts_for_nothing_though_another_judged_before(maker, client):
    say(maker, client, "Ana", 1, "mine")
    slip = say(maker, client, "Ben", 1, "not_mine")
    for path in ("items", "progress"):  # as the page asks after every undo
        ask(client, path, "Ben")
    client.post("/api/undo", json={"reviewer": "Ben", "number": slip})
    assert ask(client, "items/1", "Ben")["others"] == []
    say(maker, client, "Ben", 1, "mine", at=1)
    found = agreement(client)
    assert (found["n_same"], found["n_both"], found["n_conflicts"]) == (1, 1, 0)


def test_a_reviewer_who_comes_back_in_other_capitals_goes_on_and_undoes(maker, client):
    number = say(maker, client, "Ana", 1, "mine")
    assert ask(client, "items", "ANA")[0]["verdict"] == "mine"
    assert ask(client, "items/1", " ana")["decision"]["verdict"] == "mine"
    assert ask(client, "progress", "ana")["last"]["number"] == number
    undone = client.post("/api/undo", json={"reviewer": "ana", "number": number})
    assert undone.status_code == 200
    assert ask(client, "progress", "Ana")["reviewers"] == {}


def test_undo_goes_back_one_by_one_through_decisions_and_points(maker, client):
    client.post("/api/decisions", json=maker.decision(1))
    point = {"uid": "point-000001", "number": 2, "longitude": -62.58, "latitude": 5.4}
    client.post("/api/points", json=point | {"reviewer": "Ana"})
    undone = []
    while last := client.get("/api/progress", params={"reviewer": "Ana"}).json()["last"]:
        body = {"reviewer": "Ana", "number": last["number"]}
        undone.append(client.post("/api/undo", json=body).json()["item"])
    assert undone == [2, 1]
    assert client.get("/api/items/2", params={"reviewer": "Ana"}).json()["points"] == []
    assert client.post("/api/undo", json={"reviewer": "Ana", "number": 9}).status_code == 422


def test_pictures_are_png_files_whose_digest_is_told(client):
    scene = client.get("/api/items/1/scenes/0").json()
    assert set(scene["pictures"]) == {"true_colour", "swir", "infrared"}
    png = client.get("/api/items/1/scenes/0/true_colour")
    assert png.headers["content-type"] == "image/png"
    assert png.content[:8] == b"\x89PNG\r\n\x1a\n"
    assert digest_bytes(png.content) == scene["pictures"]["true_colour"]


def test_what_a_browser_keeps_is_of_one_review_though_files_bear_one_name(maker, tmp_path):
    told = []
    for folder in ("a", "a", "b"):
        (tmp_path / folder).mkdir(exist_ok=True)
        desk = maker.make_desk(tmp_path / folder / "detections.gpkg")
        with maker.serving(desk) as client:
            told.append(client.get("/api/review").json()["review_id"])
            page = client.get("/assets/desk.js").text
        desk.store.close()
    assert told[0] == told[1] != told[2]
    assert "new Pending(state.desk.review_id)" in page


@pytest.mark.parametrize(
    "path",
    ["/api/items/99", "/api/items/1/scenes/7", "/api/items/99/scenes/0", "/api/nothing", "/etc"],
)
def test_what_is_not_there_is_said_not_to_be(client, path):
    answer = client.get(path, params={"reviewer": "Ana"})
    assert answer.status_code == 404
    assert "detail" in answer.json()


def test_imagery_that_does_not_answer_is_said_and_decisions_still_go(maker, tmp_path):
    class Broken(maker.Stripes):
        def load(self, geobox, query):
            raise ImageryError("the catalogue does not answer")

    store = maker.make_desk(tmp_path / "review.gpkg").store
    desk = Desk.of(store, Album([ArchivePictures(Broken(), {"2024": maker.QUERY})]))
    with maker.serving(desk) as client:
        answer = client.get("/api/items/1/scenes/0")
        assert answer.status_code == 503
        assert "does not answer" in answer.json()["detail"]
        assert client.post("/api/decisions", json=maker.decision(1)).status_code == 201
    store.close()


def test_a_decision_does_not_wait_for_pictures_of_other_places(maker, tmp_path):
    comes, asked = threading.Event(), threading.Semaphore(0)

    class Slow(maker.Stripes):
        def load(self, geobox, query):
            asked.release()
            comes.wait()
            return super().load(geobox, query)

    n_places = 60  # more than the server has threads
    store = maker.make_desk(tmp_path / "review.gpkg", maker.make_queue(n_places)).store
    desk = Desk.of(store, Album([ArchivePictures(Slow(), {"2024": maker.QUERY}, side_px=96)]))
    with maker.serving(desk) as client, ThreadPoolExecutor(n_places) as pool:
        places = range(1, n_places + 1)
        waiting = [pool.submit(client.get, f"/api/items/{one}/scenes/0") for one in places]
        asked.acquire()
        answer = client.post("/api/decisions", json=maker.decision(1))
        early = [one for one in waiting if one.done()]
        comes.set()
        assert answer.status_code == 201
        assert early == []
        assert {one.result().status_code for one in waiting} == {200}
    store.close()


def test_a_store_that_cannot_be_written_says_that_nothing_was_saved(maker, desk):
    with maker.serving(desk) as client:
        desk.store._database.read("PRAGMA query_only = ON")
        answer = client.post("/api/decisions", json=maker.decision(1))
        desk.store._database.read("PRAGMA query_only = OFF")
        assert answer.status_code == 503
        assert "nothing was saved" in answer.json()["detail"]
    assert desk.store.decisions().empty


def test_a_mine_is_drawn_where_it_is_seen_and_not_elsewhere(client):
    point = {"uid": "point-000001", "number": 1, "reviewer": "Ana", "note": ""}
    far = client.post("/api/points", json=point | {"longitude": 10.0, "latitude": 5.4})
    assert far.status_code == 422
    assert "far outside" in far.json()["detail"]
    near = client.post("/api/points", json=point | {"longitude": -62.6001, "latitude": 5.4002})
    assert near.status_code == 201
    drawn = client.get("/api/items/1", params={"reviewer": "Ana"}).json()["points"]
    assert (drawn[0]["longitude"], drawn[0]["latitude"]) == (-62.6001, 5.4002)


def test_the_page_and_all_it_needs_come_from_the_desk_alone(client):
    page = client.get("/").text
    assert "://" not in page
    for path in ("/assets/desk.js", "/assets/view.js", "/assets/talk.js", "/assets/cards.js"):
        script = client.get(path)
        assert script.headers["content-type"].startswith("text/javascript")
        assert not re.search(r"(?<!\{)import\(", script.text)  # in braces it names a type
    assert "@import" not in client.get("/assets/desk.css").text


def test_every_word_of_the_page_is_there_in_three_languages(client):
    strings = client.get("/assets/strings.json").json()
    for key, said in strings.items():
        assert set(said) == {"en", "es", "pt"}, key
        assert all(said.values()), key
        places = [
            sorted(part.split("}")[0] for part in text.split("{")[1:]) for text in said.values()
        ]
        assert places[0] == places[1] == places[2], key
    scripts = "".join(
        client.get(f"/assets/{one}.js").text for one in ("desk", "stage", "cards", "view")
    )
    used = set(re.findall(r'(?:say|status)\("([a-z_]+)"', scripts))
    used |= set(re.findall(r'data-say="([a-z_]+)"', client.get("/").text))
    used |= {f"kind_{one}" for one in get_args(Kind)}
    used |= {f"reason_{one}" for one in client.get("/api/review").json()["reasons"]}
    assert used <= set(strings)
