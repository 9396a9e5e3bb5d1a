"""Nothing is lost: the server is killed as no program can catch, and goes on where it was."""

import sqlite3

import httpx
import pytest

from minewatch import _store
from minewatch.errors import LockedError
from minewatch.maps.review import ReviewStore, serve_review

pytestmark = pytest.mark.integration


def test_every_answered_decision_is_there_after_kill_9_and_the_desk_goes_on(maker, tmp_path):
    queue = maker.write_detections(tmp_path / "found.geojson", 20)
    store = tmp_path / "review.gpkg"
    arguments = [str(queue), "--store", str(store), "--port", "0"]
    server = maker.Server(*arguments)
    answered = []
    with server.client() as client:
        for number in range(1, 8):
            saved = client.post("/api/decisions", json=maker.decision(number, note=f"n {number}"))
            answered.append((saved.json()["item"], saved.json()["decided_at"]))
        server.kill()
        with pytest.raises(httpx.TransportError):
            client.post("/api/decisions", json=maker.decision(8))
    # what is left on disk is read by any SQLite, with the log that was not put away
    with sqlite3.connect(store) as other:
        assert other.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        query = "SELECT i.number, d.decided_at FROM decisions d JOIN items i USING (item_id)"
        there = other.execute(f"{query} ORDER BY d.number").fetchall()
    other.close()
    assert there == answered

    again = maker.Server(*arguments)
    with again.client() as client:
        items = client.get("/api/items", params={"reviewer": "Ana"}).json()
        assert [one["verdict"] for one in items] == ["mine"] * 7 + [None] * 13
        # the page sends again what was not answered, and what was, with the same uid
        assert client.post("/api/decisions", json=maker.decision(8)).json()["is_new"]
        last = maker.decision(7, note="n 7")
        assert not client.post("/api/decisions", json=last).json()["is_new"]
    assert again.stop() == 0 or again.process.returncode in (130, -2)
    with ReviewStore(store, create=False) as opened:
        assert len(opened.decisions()) == 8
    assert not store.with_name("review.gpkg-wal").exists()


def test_a_second_desk_is_refused_the_store_that_the_first_holds(maker, tmp_path):
    store = tmp_path / "review.gpkg"
    with _store.locked(store), pytest.raises(LockedError):
        serve_review(maker.make_queue(2), store)
    assert not store.exists()
