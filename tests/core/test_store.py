import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minewatch import _store
from minewatch.errors import AlreadyThereError, UnsafePathError


def test_a_file_keeps_its_old_content_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    _store.write_text(path, "old")
    with pytest.raises(RuntimeError), _store.writing_file(path) as aside:
        aside.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with pytest.raises(RuntimeError), _store.writing_folder(path) as aside:
        (aside / "a").write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with _store.writing_folder(path) as aside:
        (aside / "a").write_text("whole")
        assert not path.exists()
    assert (path / "a").read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


def test_a_result_is_never_replaced_unasked(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with _store.writing_folder(path) as aside:
        (aside / "a").write_text("first")
    with pytest.raises(AlreadyThereError, match="--overwrite"), _store.writing_folder(path):
        pytest.fail("the block must not run")
    with _store.writing_folder(path, overwrite=True) as aside:
        (aside / "b").write_text("second")
    assert [item.name for item in path.iterdir()] == ["b"]


OURS = _store.Ours("made.json", frozenset({"tables", "page.html"}))


def make_ours(path: Path, **more: object) -> None:
    with _store.writing_folder(path, overwrite=True, ours=OURS) as aside:
        (aside / "tables").mkdir()
        (aside / "tables/a.csv").write_text("a")
        (aside / "page.html").write_text("page")
        _store.write_json(aside / "made.json", {"minewatch": "1", **more})


def test_a_folder_of_ours_is_replaced_when_that_is_asked_for(tmp_path: Path) -> None:
    make_ours(tmp_path / "out")
    make_ours(tmp_path / "out", files=["second"])
    assert "second" in (tmp_path / "out/made.json").read_text()


@pytest.mark.parametrize("added", ["chapter.docx", "notes/a.txt", "tables.docx", ".hidden"])
def test_a_folder_of_ours_that_holds_a_file_of_another_is_kept(tmp_path: Path, added: str) -> None:
    make_ours(tmp_path / "out")
    (tmp_path / "out" / added).parent.mkdir(exist_ok=True)
    (tmp_path / "out" / added).write_text("work of weeks")
    with pytest.raises(AlreadyThereError, match=f"{added}; move that away"):
        make_ours(tmp_path / "out")
    assert (tmp_path / "out" / added).read_text() == "work of weeks"


@pytest.mark.parametrize("marker", [None, "{}", "[]", "no JSON", '{"made": "by hand"}'])
def test_a_folder_without_our_marker_is_never_replaced(tmp_path: Path, marker: str | None) -> None:
    thesis = tmp_path / "thesis"
    (thesis / "tables").mkdir(parents=True)
    (thesis / "tables/a.csv").write_text("mine")
    if marker is not None:
        (thesis / "made.json").write_text(marker)
    with pytest.raises(AlreadyThereError, match=r"tables/a\.csv"):
        make_ours(thesis)
    assert (thesis / "tables/a.csv").read_text() == "mine"


def test_files_that_the_marker_lists_are_ours_and_others_are_not(tmp_path: Path) -> None:
    make_ours(tmp_path / "out", files={"figures/a.png": "digest"})
    (tmp_path / "out/figures").mkdir()
    (tmp_path / "out/figures/a.png").touch()
    make_ours(tmp_path / "out", files=["figures/a.png"])
    (tmp_path / "out/figures").mkdir()
    (tmp_path / "out/figures/b.png").touch()
    with pytest.raises(AlreadyThereError, match=r"figures/b\.png"):
        make_ours(tmp_path / "out")


def test_a_file_put_there_meanwhile_is_kept_too(tmp_path: Path) -> None:
    make_ours(tmp_path / "out")
    with (
        pytest.raises(AlreadyThereError, match="late"),
        _store.writing_folder(tmp_path / "out", overwrite=True, ours=OURS),
    ):
        (tmp_path / "out/late").touch()
    assert (tmp_path / "out/late").exists()


@pytest.mark.parametrize("ours", [None, OURS])
def test_a_file_is_never_replaced_by_a_folder(tmp_path: Path, ours: _store.Ours | None) -> None:
    (tmp_path / "out").write_text("text")
    with (
        pytest.raises(AlreadyThereError, match="is a file"),
        _store.writing_folder(tmp_path / "out", overwrite=True, ours=ours),
    ):
        pass
    assert (tmp_path / "out").read_text() == "text"


KILLED = """
import os, pathlib, signal, sys
from minewatch import _store
out, point = pathlib.Path(sys.argv[1]), sys.argv[2]
replace = pathlib.Path.replace
def stop(path, target):
    if point == "between the renames" and str(path).endswith(".part"):
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(path, target)
pathlib.Path.replace = stop
with _store.writing_folder(out, overwrite=True) as aside:
    (aside / "a").write_text("second")
    if point == "while it is written":
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.integration
@pytest.mark.parametrize("point", ["while it is written", "between the renames"])
def test_what_a_killed_writer_left_is_put_right_by_the_next(tmp_path: Path, point: str) -> None:
    out = tmp_path / "out"
    with _store.writing_folder(out) as aside:
        (aside / "a").write_text("first")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(out), point], check=False)
    assert killed.returncode == -9
    assert out.exists() == (point == "while it is written")
    _store.tidy_up(out)
    assert (out / "a").read_text() == "first"
    assert list(tmp_path.iterdir()) == [out]


def test_what_others_still_write_is_left_alone(tmp_path: Path) -> None:
    host = _store._host()
    others = [f".out.{host}-{os.getppid()}.part", ".out.elsewhere-1.old", ".other.1.part", ".out.x"]
    for name in others:
        (tmp_path / name).mkdir()
    _store.tidy_up(tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(others)


def test_files_of_one_name_keep_digests_of_their_own(tmp_path: Path) -> None:
    for name in ("x/mining/points.geojson", "x/forest/points.geojson", "y/forest/points.geojson"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "grid.csv").write_text("grid")
    files = [*sorted(tmp_path.rglob("*.geojson")), tmp_path / "grid.csv", tmp_path / "grid.csv"]
    digests = _store.digest_files(files)
    assert sorted(digests) == [
        "grid.csv", "mining/points.geojson", "x/forest/points.geojson", "y/forest/points.geojson",
    ]  # fmt: skip
    assert len(set(digests.values())) == 4


@pytest.mark.parametrize(
    ("name", "beside"),
    [
        ("a.shp", ["a.cpg", "a.dbf", "a.prj", "a.shx"]),
        ("a.SHP", ["a.DBF", "a.SHX"]),
        ("a.gpkg", ["a.gpkg-wal"]),
        ("a.tif", ["a.tfw", "a.tif.aux.xml"]),
        ("a.geojson", []),
    ],
)
def test_files_that_are_read_together_are_digested_together(
    tmp_path: Path, name: str, beside: list[str]
) -> None:
    for other in (name, *beside, "b.dbf", "a.txt"):
        (tmp_path / other).write_text(other)
    assert sorted(path.name for path in _store.companions(tmp_path / name)) == beside
    before = _store.digest_files([tmp_path / name])
    assert sorted(before) == sorted([name, *beside])
    for other in beside:
        (tmp_path / other).write_text("changed")
        assert _store.digest_files([tmp_path / name]) != before


def test_nan_is_refused_in_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        _store.write_json(tmp_path / "a.json", {"score": float("nan")})
    assert list(tmp_path.iterdir()) == []


JSON_VALUES = st.dictionaries(st.text(), st.integers() | st.text() | st.none(), max_size=5)


@given(JSON_VALUES)
def test_a_digest_does_not_depend_on_the_order_of_keys(value: dict[str, object]) -> None:
    turned = dict(reversed(value.items()))
    assert _store.digest_value(value) == _store.digest_value(turned)
    assert _store.digest_value(value) != _store.digest_value({**value, "more": 1, "than": 2})


@given(st.text())
def test_a_key_from_outside_becomes_a_name_inside_the_folder(key: str) -> None:
    try:
        name = _store.file_name(key, ".tif")
    except UnicodeEncodeError:
        return  # lone surrogates are no text that a file can hold
    assert "/" not in name
    assert not name.startswith(".")
    assert _store.inside("folder", name).parent == Path("folder").resolve()


@given(st.lists(st.text(st.characters(codec="utf-8")), unique=True, max_size=20))
def test_different_keys_keep_different_names(keys: list[str]) -> None:
    assert len({_store.file_name(key) for key in keys}) == len(keys)


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "a/../../b", "link/a"])
def test_a_name_that_leaves_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    with pytest.raises(UnsafePathError, match="would leave the folder"):
        _store.inside(folder, name)


TRY_LOCK = """
import sys
from minewatch import _store, errors
try:
    with _store.locked(sys.argv[1]):
        print("mine")
except errors.LockedError as error:
    print(error)
"""


def test_another_process_cannot_write_meanwhile(tmp_path: Path) -> None:
    def ask() -> str:
        command = [sys.executable, "-c", TRY_LOCK, str(tmp_path / "out")]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    with _store.locked(tmp_path / "out"):
        assert "another process is writing" in ask()
    assert ask() == "mine\n"


def test_written_json_is_read_back(tmp_path: Path) -> None:
    _store.write_json(tmp_path / "a.json", {"river": "Caroní", "n": 2})
    assert json.loads((tmp_path / "a.json").read_text()) == {"river": "Caroní", "n": 2}


def test_what_killed_writers_left_half_written_goes_and_nothing_else(tmp_path):
    kept = ["sites.parquet", ".hidden.parquet", "a.12.part.parquet", ".x.y.part.parquet"]
    for name in [*kept, ".sites.7117.part.parquet", ".dataset.1.part.json", ".notes.22.part"]:
        (tmp_path / name).touch()
    _store.drop_parts(tmp_path)
    assert sorted(item.name for item in tmp_path.iterdir()) == sorted(kept)
