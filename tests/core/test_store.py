import json
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
