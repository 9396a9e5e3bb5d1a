"""The command ``maps review``: what it takes from a study, exports, and refuses."""

import json
import sys

import pytest

from minewatch.cli._app import run
from minewatch.errors import MissingExtraError
from minewatch.maps.review import Decision, ReviewStore, read_queue
from minewatch.maps.review._serve import check_extra
from minewatch.sites import read_sites


@pytest.fixture
def reviewed(maker, tmp_path):
    queue = maker.write_detections(tmp_path / "found.geojson", 3)
    with ReviewStore(tmp_path / "review" / "detections.gpkg") as store:
        store.take_up(read_queue(queue))
        store.decide(Decision("u1", "place-00", "mine", "Ana"))
        store.decide(Decision("u2", "place-01", "not_mine", "Ana", "road"))
        store.decide(Decision("u3", "place-01", "mine", "Ben"))
    return queue


def test_export_writes_sites_and_says_who_agrees(reviewed, tmp_path, capsys):
    out = tmp_path / "sites.geojson"
    code = run(["maps", "review", str(reviewed), "--study", str(tmp_path), "--export", str(out)])
    told = capsys.readouterr().out
    assert code == 0
    assert read_sites(out)["label"].to_dict() == {"place-00": 1}
    assert "2 places reviewed: 1 mining, 0 not, 1 without a label" in told
    assert "Ana and Ben: each alone 0 of 1 alike" in told
    assert "Written: 1 places, 1 with mining, 0 without, 0 without a label; 1 are new" in told
    assert "--trust" in told
    again = ["maps", "review", str(reviewed), "--study", str(tmp_path), "--export", str(out)]
    assert run(again) == 6
    assert run([*again, "--overwrite", "--trust", "Ana", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["mining"], result["no_mining"], result["conflicts"]) == (1, 1, 0)


def test_without_anything_to_review_it_says_what_to_give(tmp_path, capsys):
    assert run(["maps", "review", "--study", str(tmp_path)]) == 4
    assert "or give a file of detections" in capsys.readouterr().err


def test_serving_others_without_a_token_of_ones_own_is_refused(reviewed, tmp_path, capsys):
    common = ["maps", "review", str(reviewed), "--study", str(tmp_path)]
    assert run([*common, "--host", "0.0.0.0"]) == 3  # noqa: S104 - it is refused
    assert "MINEWATCH_REVIEW_TOKEN" in capsys.readouterr().err


def test_imagery_without_a_period_is_refused_before_anything_is_served(reviewed, tmp_path, capsys):
    common = ["maps", "review", str(reviewed), "--study", str(tmp_path)]
    assert run([*common, "--imagery", "earth-search"]) == 3
    assert "--period" in capsys.readouterr().err


def test_without_the_server_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "fastapi", None)
    with pytest.raises(MissingExtraError, match=r"minewatch\[review\]"):
        check_extra()


def test_exporting_needs_no_web_server(reviewed, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fastapi", None)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    out = tmp_path / "sites.geojson"
    code = run(["maps", "review", str(reviewed), "--study", str(tmp_path), "--export", str(out)])
    assert code == 0
