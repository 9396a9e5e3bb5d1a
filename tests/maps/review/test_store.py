"""The store: at once, nothing lost, nothing twice, readable by others."""

import json
import shutil
import sqlite3
import warnings
from contextlib import closing
from dataclasses import replace

import geopandas as gpd
import pandas as pd
import pyogrio
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minewatch.errors import AlreadyThereError, InputError, NotThereError, SharedDriveWarning
from minewatch.maps.review import Decision, Item, Point, ReviewStore, agree_on, read_queue
from minewatch.maps.review._database import keep_log
from minewatch.maps.review._said import fold_name
from minewatch.sites import write_sites

ANA = Decision("u1", "place-00", "not_mine", "Ana", "river", "a bend\nof it", {"scale_m": 480})


@pytest.fixture
def store(maker, tmp_path):
    with ReviewStore(tmp_path / "review.gpkg") as opened:
        opened.take_up(maker.make_queue(5))
        yield opened


def test_a_decision_is_in_the_file_before_decide_returns(store):
    store.decide(ANA)
    with sqlite3.connect(f"file:{store.path}?mode=ro", uri=True) as other:
        row = other.execute("SELECT item_id, verdict, reason, reviewer FROM decisions").fetchone()
    other.close()
    assert row == ("place-00", "not_mine", "river", "Ana")


def test_it_is_kept_with_a_write_ahead_log_that_is_flushed_at_every_commit(store):
    assert store._database.read("PRAGMA journal_mode") == [("wal",)]
    assert store._database.read("PRAGMA synchronous") == [(2,)]


def test_a_copy_of_the_file_alone_holds_all_while_the_desk_is_open(store, tmp_path):
    store.decide(ANA)
    store.draw(Point("p1", "place-01", -62.58, 5.401, "Ana"))
    shutil.copy(store.path, tmp_path / "copy.gpkg")  # without its log
    with ReviewStore(tmp_path / "copy.gpkg", create=False) as copy:
        assert copy.decisions()["uid"].tolist() == ["u1"]
        assert copy.points()["uid"].tolist() == ["p1"]


def test_a_file_system_that_gives_no_write_ahead_log_is_told(tmp_path):
    path = tmp_path / "review.gpkg"
    # SQLite's locks by files, for drives that lend no memory to share: it cannot write ahead there
    address = f"file:{path}?vfs=unix-dotfile"
    with closing(sqlite3.connect(address, uri=True)) as connection:
        with pytest.warns(SharedDriveWarning, match="network drive"):
            keep_log(connection, path)
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "delete"
    with warnings.catch_warnings(), closing(sqlite3.connect(path)) as connection:
        warnings.simplefilter("error")
        keep_log(connection, path)


def test_who_when_and_what_was_shown_come_back_as_they_were(store):
    saved = store.decide(ANA)
    row = store.decisions().loc[saved.number]
    assert (row["reviewer"], row["note"], row["decided_at"]) == ("Ana", ANA.note, saved.decided_at)
    assert json.loads(row["shown"]) == {"scale_m": 480}
    assert row["decided_at"].endswith("Z")
    assert row.geometry.equals(shapely.Point(-62.6, 5.4))


def test_a_decision_that_is_sent_twice_is_one(store):
    first, again = store.decide(ANA), store.decide(ANA)
    assert (first.number, first.is_new, again.is_new) == (again.number, True, False)
    assert len(store.decisions()) == 1


def test_a_uid_cannot_stand_for_two_decisions(store):
    store.decide(ANA)
    with pytest.raises(InputError, match="another decision"):
        store.decide(replace(ANA, verdict="mine", reason=None))
    with pytest.raises(InputError, match="another decision"):
        store.draw(Point("u1", "place-00", -62.6, 5.4, "Ana"))


def test_the_last_decision_of_each_reviewer_holds_and_none_is_overwritten(store):
    store.decide(ANA)
    store.decide(replace(ANA, uid="u2", verdict="mine", reason=None))
    store.decide(replace(ANA, uid="u3", reviewer="Ben", verdict="unsure", reason=None))
    held = {(item, who): verdict for item, who, verdict, _ in store.current()}
    assert held == {("place-00", "Ana"): "mine", ("place-00", "Ben"): "unsure"}
    assert len(store.decisions()) == 3


def test_undo_brings_back_what_held_before_and_deletes_nothing(store):
    store.decide(ANA)
    second = store.decide(replace(ANA, uid="u2", verdict="mine", reason=None))
    assert store.undo("Ana", second.number).is_new
    assert not store.undo("Ana", second.number).is_new
    assert store.current() == [("place-00", "Ana", "not_mine", "river")]
    assert len(store.decisions()) == 2
    assert store.last("Ana").item_id == "place-00"


def test_the_last_decision_holds_though_the_clock_was_set_back(store, monkeypatch):
    times = iter(["2026-05-02T00:00:00.000Z", "2026-05-01T00:00:00.000Z"])
    monkeypatch.setattr("minewatch.maps.review._store._now", lambda: next(times))
    store.decide(ANA)
    store.decide(replace(ANA, uid="u2", verdict="mine", reason=None))
    assert store.current() == [("place-00", "Ana", "mine", None)]
    assert agree_on(store.decisions())["label"].to_dict() == {"place-00": 1}


def test_nobody_undoes_what_another_decided(store):
    number = store.decide(ANA).number
    with pytest.raises(InputError, match="Ben has nothing"):
        store.undo("Ben", number)
    assert store.current() == [("place-00", "Ana", "not_mine", "river")]


def test_a_name_in_other_capitals_is_the_same_person_everywhere(store):
    store.decide(ANA)
    again = store.decide(replace(ANA, uid="u2", reviewer=" ANA ", verdict="mine", reason=None))
    assert store.decide(replace(ANA, reviewer="ana")).number == 1  # what was sent is what is there
    assert store.current() == [("place-00", "Ana", "mine", None)]
    assert store.last("aNA").number == again.number
    store.undo("ana", again.number)
    assert store.current() == [("place-00", "Ana", "not_mine", "river")]
    assert store.spell("ANA") == "Ana"
    assert store.spell("Anna") == "Anna"


def test_what_stood_when_others_were_told_is_marked_once_and_only_where_there_is_another(store):
    ben = replace(ANA, reviewer="Ben")
    store.decide(ANA)
    store.decide(replace(ANA, uid="u2", item_id="place-01"))
    store.decide(replace(ben, uid="b1", verdict="skip", reason=None, item_id="place-01"))
    store.mark_told("Ana")  # nobody else has judged anything
    assert store.decisions()["told_after"].isna().all()
    store.decide(replace(ben, uid="b2"))
    store.mark_told("ana")
    store.decide(replace(ANA, uid="u3", verdict="mine", reason=None))
    store.mark_told("Ana")
    told = store.decisions().set_index("uid")["told_after"].dropna()
    assert told.to_dict() == {"u1": 4}


def test_decisions_and_points_are_counted_together_so_that_the_last_is_known(store):
    store.decide(ANA)
    point = store.draw(Point("p1", "place-01", -62.58, 5.401, "Ana"))
    assert point.number == 2
    assert store.last("Ana").number == 2
    store.undo("Ana", 2)
    assert store.last("Ana").number == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"verdict": "perhaps"}, "expected one of mine"),
        ({"reason": "swamp"}, "expected none"),
        ({"verdict": "mine"}, "of mine"),
        ({"reviewer": "  "}, "expected a name"),
        ({"reviewer": "a\x00b"}, "expected a name"),
        ({"note": "x" * 2_001}, "2001 characters"),
        ({"note": "\x07"}, "cannot be printed"),
        ({"uid": ""}, "uid"),
        ({"item_id": "../place-00"}, "no item"),
        ({"shown": {"much": "x" * 30_000}}, "characters"),
        ({"shown": {"odd": float("nan")}}, "JSON"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_kept(store, change, words):
    with pytest.raises(InputError, match=words):
        store.decide(replace(ANA, **change))
    assert store.decisions().empty


def test_gdal_reads_all_layers_of_it_while_it_is_open(store):
    store.decide(ANA)
    store.draw(Point("p1", "place-01", -62.58, 5.401, "Ana"))
    layers = dict(pyogrio.list_layers(store.path))
    points = dict.fromkeys(("decisions", "verdicts", "points"), "Point")
    assert layers == {"items": "Unknown", **points, "review": None}
    read = gpd.read_file(store.path, layer="decisions")
    assert read.crs.to_epsg() == 4326
    assert read["verdict"].tolist() == ["not_mine"]
    assert str(read["decided_at"].dtype).startswith("datetime64")
    assert gpd.read_file(store.path, layer="items").geom_type.unique().tolist() == ["Polygon"]


def test_going_on_with_a_longer_queue_keeps_numbers_and_decisions(maker, tmp_path):
    path = tmp_path / "review.gpkg"
    with ReviewStore(path) as store:
        assert store.take_up(maker.make_queue(3)) == 3
        before = {one.item.item_id: one.number for one in store.items()}
        store.decide(ANA)
    with ReviewStore(path) as store:
        assert store.take_up(maker.make_queue(5)) == 2
        after = {one.item.item_id: one.number for one in store.items()}
        assert before.items() <= after.items()
        assert len(store.decisions()) == 1
        assert store.take_up(maker.make_queue(1)) == 0
        assert [one.item.item_id for one in store.items()] == ["place-00"]
        assert len(store.items(every=True)) == 5


def test_other_ground_under_a_known_name_is_refused(maker, store):
    queue = maker.make_queue(5)
    moved = replace(queue, items=(Item("place-00", -60.0, 5.4), *queue.items[1:]))
    with pytest.raises(AlreadyThereError, match="place-00"):
        store.take_up(moved)
    assert len(store.items()) == 5


def test_the_same_ground_at_another_time_is_another_review(maker, tmp_path):
    path = tmp_path / "sample.gpkg"
    years = {}
    for year in ("2019", "2024"):
        table = gpd.GeoDataFrame(
            {"label": pd.array([None], "Int8"), "source": "scan", "stratum": "clear"},
            index=pd.Index(["w1"], name="site_id"),
            geometry=[shapely.Point(-62.6, 5.4)],
            crs="EPSG:4326",
        )
        years[year] = write_sites(table, tmp_path / f"{year}.geojson")
        inputs = {"scores.parquet": f"sha256:{year}"}
        (tmp_path / f"{year}.strata.json").write_text(json.dumps({"inputs": inputs}))
    with ReviewStore(path) as store:
        store.take_up(read_queue(years["2019"]))
        assert store.take_up(read_queue(years["2019"])) == 0
        with pytest.raises(AlreadyThereError, match="another time"):
            store.take_up(read_queue(years["2024"]))
    found = maker.write_detections(tmp_path / "found.geojson", 1)
    dated = gpd.read_file(found).assign(start="2024-01-01", end="2024-12-31")
    dated.to_file(tmp_path / "dated.geojson")
    one, other = (read_queue(file).items[0] for file in (found, tmp_path / "dated.geojson"))
    assert "another time" in one.differs(other)


def test_the_same_detections_in_another_format_are_the_same_review(maker, tmp_path):
    found = maker.write_detections(tmp_path / "found.geojson", 3)
    table = gpd.read_file(found)
    exact = table.assign(geometry=table.geometry.translate(1e-8, -2e-8))
    exact.to_parquet(tmp_path / "found.parquet")
    turned = table.assign(geometry=shapely.normalize(table.geometry.to_numpy()).copy())
    turned["geometry"] = shapely.reverse(turned.geometry.to_numpy())
    turned.to_file(tmp_path / "other.gpkg")
    with ReviewStore(tmp_path / "review.gpkg") as store:
        store.take_up(read_queue(found))
        for name in ("found.parquet", "other.gpkg"):
            assert store.take_up(read_queue(tmp_path / name)) == 0
        table.assign(geometry=table.geometry.translate(0.0, 1e-3)).to_file(tmp_path / "m.geojson")
        with pytest.raises(AlreadyThereError, match=r"lies 111 m away"):
            store.take_up(read_queue(tmp_path / "m.geojson"))


def test_a_store_is_read_where_nothing_can_be_written(store, tmp_path):
    store.decide(ANA)
    folder = tmp_path / "drive"
    folder.mkdir()
    shutil.copy(store.path, folder / "review.gpkg")
    for path in (store.path, folder / "review.gpkg"):  # open elsewhere, and by nobody
        with ReviewStore(path, read_only=True) as read:
            assert read.decisions()["uid"].tolist() == ["u1"]
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                read.decide(replace(ANA, uid="u2"))
    assert [one.name for one in folder.iterdir()] == ["review.gpkg"]


def test_a_layer_holds_what_counts_and_nothing_that_was_changed_or_undone(store):
    store.decide(ANA)
    store.decide(replace(ANA, uid="u2", verdict="mine", reason=None))
    undone = store.decide(replace(ANA, uid="u3", item_id="place-01"))
    store.decide(replace(ANA, uid="u4", reviewer="Ben"))
    store.undo("Ana", undone.number)
    held = gpd.read_file(store.path, layer="verdicts")
    told = held[["item_id", "reviewer", "verdict"]].to_numpy().tolist()
    assert told == [["place-00", "Ana", "mine"], ["place-00", "Ben", "not_mine"]]
    assert held.geometry.iloc[0].equals(shapely.Point(-62.6, 5.4))


def test_a_file_that_is_no_review_is_left_alone(maker, tmp_path):
    other = tmp_path / "other.gpkg"
    maker.write_detections(other, 2)
    before = other.read_bytes()
    with pytest.raises(InputError, match="no review"):
        ReviewStore(other)
    assert other.read_bytes() == before
    with pytest.raises(NotThereError):
        ReviewStore(tmp_path / "none.gpkg", create=False)
    with pytest.raises(InputError, match="gpkg"):
        ReviewStore(tmp_path / "review.sqlite")


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(note=st.text(max_size=200), name=st.text(min_size=1, max_size=80), uid=st.uuids())
def test_any_text_is_kept_as_it_is_or_refused(store, note, name, uid):
    said = replace(ANA, uid=str(uid), note=note, reviewer=name)
    try:
        number = store.decide(said).number
    except InputError:
        return
    row = store.decisions().loc[number]
    assert row["note"] == note
    assert fold_name(row["reviewer"]) == fold_name(name)


def test_a_transaction_that_was_cut_short_is_taken_back_before_anything_is_read(store, tmp_path):
    store.decide(ANA)
    kept, own = store.decisions(), shutil.copy(store.path, tmp_path / "own.gpkg")
    with closing(sqlite3.connect(own, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = DELETE")  # as on drives that give no log
        writer.execute("PRAGMA cache_size = 2")  # pages go into the file before the commit
        before = own.read_bytes()
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE decisions SET verdict = 'mine'")
        writer.execute("UPDATE items SET facts = :much", {"much": "x" * 300_000})
        for end in ("", "-journal"):
            shutil.copy(f"{own}{end}", tmp_path / f"cut.gpkg{end}")
        writer.execute("ROLLBACK")
    assert (tmp_path / "cut.gpkg").read_bytes()[: len(before)] != before
    with ReviewStore(tmp_path / "cut.gpkg", read_only=True) as read:
        pd.testing.assert_frame_equal(pd.DataFrame(read.decisions()), pd.DataFrame(kept))
        assert read.items()[0].item.item_id == "place-00"


def test_a_verdict_that_its_reviewer_took_back_by_a_skip_is_not_marked_as_told(store):
    store.decide(ANA)
    store.decide(replace(ANA, uid="u2", verdict="skip", reason=None))
    store.decide(Decision("u3", "place-00", "mine", "Ben"))
    store.mark_told("Ana")
    assert store.decisions()["told_after"].isna().all()
