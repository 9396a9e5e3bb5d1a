"""Nothing is lost: the server is killed as no program can catch, and goes on where it was."""

import itertools
import random
import signal
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import httpx
import pytest

from minewatch import _store
from minewatch.errors import LockedError
from minewatch.maps.review import ReviewStore, serve_review

pytestmark = pytest.mark.integration


def test_every_answered_decision_is_there_after_kill_9_and_the_desk_goes_on(maker, forge, tmp_path):
    queue = maker.write_detections(tmp_path / "found.geojson", 20)
    store = tmp_path / "review.gpkg"
    arguments = [str(queue), "--store", str(store), "--port", "0"]
    server = maker.Server(forge, *arguments)
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

    again = maker.Server(forge, *arguments)
    with again.client() as client:
        items = client.get("/api/items", params={"reviewer": "Ana"}).json()
        assert [one["verdict"] for one in items] == ["mine"] * 7 + [None] * 13
        # the page sends again what was not answered, and what was, with the same uid
        assert client.post("/api/decisions", json=maker.decision(8)).json()["is_new"]
        last = maker.decision(7, note="n 7")
        assert not client.post("/api/decisions", json=last).json()["is_new"]
    assert again.stop() == 130
    with ReviewStore(store, create=False) as opened:
        assert len(opened.decisions()) == 8
    assert not store.with_name("review.gpkg-wal").exists()


class Burst:
    """Reviewers who decide without a pause, each in a thread, until nobody answers any more."""

    def __init__(self, url, headers, n_items, lot):
        self.url, self.headers, self.n_items, self.lot = url, headers, n_items, lot
        self.answers = threading.Semaphore(0)
        self.answered, self.unanswered = {}, {}

    def _decide(self, who):
        lot = random.Random(f"{self.lot}-{who}")  # noqa: S311 - a seed
        with httpx.Client(base_url=self.url, headers=self.headers) as client:
            for at in itertools.count():
                body = {
                    "uid": f"{self.lot}-{who}-{at:05d}",
                    "number": lot.randint(1, self.n_items),
                    "verdict": lot.choice(["mine", "not_mine", "unsure"]),
                    "reviewer": who,
                    "note": "x" * lot.randint(0, 500),
                }
                try:
                    answer = client.post("/api/decisions", json=body)
                except httpx.TransportError:
                    self.unanswered[body["uid"]] = body
                    return
                assert answer.status_code == 201
                self.answered[body["uid"]] = body
                self.answers.release()

    def run(self, names, kill, after):
        """Begin, kill the desk after so many answers, and wait until all have noticed."""
        with ThreadPoolExecutor(len(names)) as pool:
            running = [pool.submit(self._decide, one) for one in names]
            for _ in range(after):
                self.answers.acquire()
            kill()
            for one in running:
                one.result()


def kept(store):
    """Read what is on disk as any SQLite does, and check that the file is sound."""
    with closing(sqlite3.connect(store)) as other:
        assert other.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert other.execute("PRAGMA foreign_key_check").fetchall() == []
        rows = other.execute("SELECT uid, verdict, reviewer, note FROM decisions").fetchall()
    assert len({row[0] for row in rows}) == len(rows)
    return {row[0]: row[1:] for row in rows}


def test_killed_in_a_burst_at_any_moment_nothing_answered_is_lost_and_nothing_is_twice(
    maker, forge, tmp_path
):
    store, n_items = tmp_path / "review.gpkg", 20
    queue = maker.write_detections(tmp_path / "found.geojson", n_items)
    arguments = [str(queue), "--store", str(store), "--port", "0"]
    names = ["Ana", "Ben", "Eva", "Leo"]
    moments = random.Random(7)  # noqa: S311 - a seed
    said, n_unanswered = {}, 0
    for lot in range(5):
        server = maker.Server(forge, *arguments)
        burst = Burst(server.url, maker.HEADERS, n_items, f"lot-{lot}")
        burst.run(names, server.strike, moments.randint(1, 60))
        assert server.close() == -signal.SIGKILL
        said |= burst.answered
        n_unanswered += len(burst.unanswered)
        rows = kept(store)
        # all that was answered, and of the rest nothing but what was on its way
        assert said.keys() <= rows.keys() <= said.keys() | burst.unanswered.keys()
        server = maker.Server(forge, *arguments)
        with server.client() as client:
            for uid, body in burst.unanswered.items():
                first, again = (client.post("/api/decisions", json=body) for _ in range(2))
                assert first.json()["is_new"] is (uid not in rows)
                assert again.json() == {**first.json(), "is_new": False}
        server.kill()
        said |= burst.unanswered
    rows = kept(store)
    wanted = {uid: (body["verdict"], body["reviewer"], body["note"]) for uid, body in said.items()}
    assert rows == wanted
    assert n_unanswered >= 5  # it was always in the middle of something


def test_a_second_desk_is_refused_the_store_that_the_first_holds(maker, tmp_path):
    store = tmp_path / "review.gpkg"
    with _store.locked(store), pytest.raises(LockedError):
        serve_review(maker.make_queue(2), store)
    assert not store.exists()
