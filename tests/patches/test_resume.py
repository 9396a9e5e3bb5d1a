import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from minewatch import _store
from minewatch.errors import AlreadyThereError, InputError, LockedError
from minewatch.patches import PatchDataset, _shards, write_patches

N_SITES = 2500  # three shards

# Writes the same dataset as `_write`, but is killed while the third shard is asked for.
KILLED = """
import os, signal, sys
sys.path[:0] = sys.argv[2:]
import test_resume
def read_rows(start, stop):
    if start == 2048:
        os.kill(os.getpid(), signal.SIGKILL)
    return test_resume.numbers_of(start, stop)
test_resume.write(sys.argv[1], read_rows)
"""


def numbers_of(start: int, stop: int) -> np.ndarray:
    rows = np.arange(start, stop, dtype=np.uint16)
    return np.broadcast_to(rows[:, None, None, None], (stop - start, 1, 2, 2)).copy()


def sites_of(n_sites: int):
    import geopandas as gpd

    points = gpd.points_from_xy(np.linspace(-62, -61, n_sites), np.full(n_sites, 5.4))
    return gpd.GeoDataFrame(
        {"label": 1}, geometry=points, index=[f"s{row}" for row in range(n_sites)], crs="EPSG:4326"
    )


def write(out, read_rows=numbers_of, **changes) -> PatchDataset:
    given = {"bands": ["B04"], "level": "L2A", "size_px": 2, "inputs": {"made": "up"}} | changes
    return write_patches(out, sites_of(N_SITES), read_rows, **given)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("whole") / "dataset").path


@pytest.mark.integration
def test_a_killed_write_goes_on_where_it_stood_and_gives_the_same_bytes(
    tmp_path, whole, bytes_below
):
    out = tmp_path / "dataset"
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(out), str(Path(__file__).parent)],
        check=False,
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert not out.exists()
    partial = tmp_path / "dataset.partial"
    with (partial / "journal.jsonl").open("a") as journal:
        journal.write('{"shard": 2, "pix')  # a line that was being written
    (partial / "patches.zarr/reflectance/c/2/0/0").mkdir(parents=True)
    (partial / "patches.zarr/reflectance/c/2/0/0/0.__lock").touch()
    asked = []

    def read_rows(start: int, stop: int) -> np.ndarray:
        asked.append(start)
        return numbers_of(start, stop)

    write(out, read_rows)
    assert asked == [2048]
    assert bytes_below(out) == bytes_below(whole)
    assert not partial.exists()


# Writes the dataset again, but is killed when the old one is away and the new one not yet there.
KILLED_BETWEEN = """
import os, pathlib, signal, sys
sys.path[:0] = sys.argv[2:]
import test_resume
replace = pathlib.Path.replace
def replace_or_stop(path, target):
    if str(path).endswith("dataset.partial"):
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(path, target)
pathlib.Path.replace = replace_or_stop
test_resume.write(sys.argv[1], overwrite=True)
"""


def _read_nothing(start: int, stop: int) -> np.ndarray:
    pytest.fail(f"rows {start} to {stop} are read again")


@pytest.mark.integration
def test_a_write_killed_between_two_renames_loses_neither_dataset(tmp_path, whole, bytes_below):
    out = tmp_path / "dataset"
    first = write(out, numbers_of(0, N_SITES) + 1)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_BETWEEN, str(out), str(Path(__file__).parent)],
        check=False,
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert not out.exists()
    with pytest.raises(AlreadyThereError, match="exists already"):
        write(out)
    assert PatchDataset.open(out).header.digest == first.header.digest
    write(out, _read_nothing, overwrite=True)
    assert bytes_below(out) == bytes_below(whole)
    assert {path.name for path in tmp_path.iterdir()} == {"dataset", ".dataset.lock"}


@pytest.mark.parametrize("point", ["the journal goes", "the dataset gets its name"])
def test_a_write_stopped_when_all_is_written_reads_no_pixel_again(
    tmp_path, whole, bytes_below, monkeypatch, point
):
    out = tmp_path / "dataset"
    name = {"the journal goes": "unlink", "the dataset gets its name": "replace"}[point]
    do = getattr(Path, name)

    def stop(path: Path, *rest: object, **options: object) -> object:
        if path.name in ("journal.jsonl", "dataset.partial"):
            raise KeyboardInterrupt
        return do(path, *rest, **options)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Path, name, stop)
        write(out)
    assert not out.exists()
    write(out, _read_nothing)
    assert bytes_below(out) == bytes_below(whole)


def test_a_whole_write_of_other_data_is_not_put_in_place(tmp_path, monkeypatch):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "dataset"
    with monkeypatch.context() as patched:
        patched.setattr(_store, "put_in_place", stop)
        with pytest.raises(KeyboardInterrupt):
            write(out)
    with pytest.raises(AlreadyThereError, match="stopped write of other data"):
        write(out, level="L1C")
    assert write(out, level="L1C", overwrite=True).level == "L1C"


def test_a_write_stopped_by_another_version_is_not_continued(tmp_path, monkeypatch):
    out = tmp_path / "dataset"
    with pytest.raises(KeyboardInterrupt):
        write(out, _stop_at(1024))
    monkeypatch.setattr(_shards, "__version__", "99.0")
    with pytest.raises(AlreadyThereError, match="stopped write of other data"):
        write(out)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_another_where_it_would_write_aside_is_kept(tmp_path, overwrite):
    chapter = tmp_path / "dataset.partial/chapter.docx"
    chapter.parent.mkdir()
    chapter.write_text("work of weeks")
    with pytest.raises(AlreadyThereError, match=r"chapter\.docx"):
        write(tmp_path / "dataset", overwrite=overwrite)
    assert chapter.read_text() == "work of weeks"


def test_only_a_dataset_is_replaced(tmp_path):
    chapter = tmp_path / "thesis/chapter.docx"
    chapter.parent.mkdir()
    chapter.write_text("work of weeks")
    with pytest.raises(AlreadyThereError, match=r"chapter\.docx; move that away"):
        write(tmp_path / "thesis", overwrite=True)
    made = write(tmp_path / "dataset")
    (made.path / "notes.txt").write_text("mine")
    with pytest.raises(AlreadyThereError, match=r"notes\.txt"):
        write(made.path, overwrite=True)
    assert chapter.read_text() == "work of weeks"
    assert (made.path / "notes.txt").read_text() == "mine"


def _stop_at(row: int):
    def read_rows(start: int, stop: int) -> np.ndarray:
        if start >= row:
            raise KeyboardInterrupt
        return numbers_of(start, stop)

    return read_rows


def test_a_stopped_write_leaves_nothing_under_the_final_name(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "dataset", _stop_at(1024))
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == [
        "dataset.partial"
    ]


@pytest.mark.parametrize(
    "change", [{"level": "L1C"}, {"inputs": {"made": "down"}}, {"cut": "point"}]
)
def test_a_stopped_write_of_other_data_is_not_continued(tmp_path, change):
    out = tmp_path / "dataset"
    with pytest.raises(KeyboardInterrupt):
        write(out, _stop_at(1024))
    with pytest.raises(AlreadyThereError, match="stopped write of other data"):
        write(out, **change)
    assert write(out, overwrite=True, **change).path == out


def test_a_shard_that_vanished_is_written_again(tmp_path, whole, bytes_below):
    out = tmp_path / "dataset"
    with pytest.raises(KeyboardInterrupt):
        write(out, _stop_at(2048))
    (tmp_path / "dataset.partial/patches.zarr/reflectance/c/0/0/0/0").unlink()
    write(out)
    assert bytes_below(out) == bytes_below(whole)


def test_the_same_pixels_give_the_same_digest_and_others_another(tmp_path, whole):
    other = write(tmp_path / "other", lambda start, stop: numbers_of(start, stop) + 1)
    assert PatchDataset.open(whole).header.digest != other.header.digest
    again = write(tmp_path / "again", numbers_of(0, N_SITES))
    assert PatchDataset.open(whole).header.digest == again.header.digest


def test_a_shard_of_nothing_but_no_data_is_still_written(tmp_path):
    made = write(tmp_path / "dataset", lambda start, stop: np.zeros((stop - start, 1, 2, 2), "u2"))
    assert np.isnan(made.pixels().to_numpy()).all()


def test_two_writers_of_one_dataset_are_kept_apart(tmp_path):
    out = tmp_path / "dataset"
    refused: list[BaseException] = []

    def write_too() -> None:
        try:
            write(out)
        except LockedError as error:
            refused.append(error)

    def read_rows(start: int, stop: int) -> np.ndarray:
        if start == 0:
            other = threading.Thread(target=write_too)
            other.start()
            other.join()
        return numbers_of(start, stop)

    write(out, read_rows)
    assert len(refused) == 1


def test_rows_of_the_wrong_shape_are_refused_and_nothing_is_finished(tmp_path):
    with pytest.raises(InputError, match=r"\(452, 1, 2, 3\); expected \(452, 1, 2, 2\)"):
        write(
            tmp_path / "dataset",
            lambda start, stop: np.zeros((stop - start, 1, 2, 2 + (start == 2048)), "u2"),
        )
    assert not (tmp_path / "dataset").exists()


def test_progress_begins_at_nothing_and_ends_at_all(tmp_path):
    told = []
    write(tmp_path / "dataset", progress=lambda *step: told.append(step))
    assert told[0] == ("write patches", 0, N_SITES)
    assert told[-1] == ("write patches", N_SITES, N_SITES)
