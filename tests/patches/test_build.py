import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minewatch.errors import (
    AlreadyThereError,
    CredentialsError,
    DatasetError,
    ImageryError,
    IncompleteError,
    InputError,
    LevelError,
    SitesError,
)
from minewatch.grid import PatchGrid
from minewatch.imagery import SceneQuery
from minewatch.patches import PatchDataset, build_patches
from minewatch.patches import _build_load as loading

HERE = Path(__file__).parent
_spec = importlib.util.spec_from_file_location("build_sources", HERE / "build_sources.py")
made = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(made)

ArraySource, ManySource, DownSource = made.ArraySource, made.ManySource, made.DownSource
EmptySource = made.EmptySource
QUERY, GRID = made.QUERY, made.GRID


def build(out, source=None, *, sites=None, query=QUERY, **changes):
    sites = made.make_sites() if sites is None else sites
    return build_patches(sites, source or ArraySource(), query, out, grid=GRID, **changes)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A build in which nothing went wrong."""
    return build(tmp_path_factory.mktemp("whole") / "patches").path


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


# what a dataset holds ---------------------------------------------------------------------------


def test_every_site_has_the_pixels_of_its_own_place(whole):
    dataset, sites, source = PatchDataset.open(whole), made.make_sites(), ArraySource()
    assert list(dataset.sites.index) == list(sites.index)
    for site_id, point in sites.geometry.items():
        expected = source.load(GRID.geobox(point.x, point.y), QUERY)
        found = dataset.pixels([site_id])[0].to_numpy()
        np.testing.assert_array_equal(found, expected["reflectance"].to_numpy())
        counts = dataset.clear_counts([site_id])[0].to_numpy()
        np.testing.assert_array_equal(counts, expected["clear_count"].to_numpy())


def test_the_header_says_what_was_asked_and_of_whom(whole):
    header = PatchDataset.open(whole).header
    assert header.imagery.query == QUERY
    assert (header.level, header.bands) == ("L2A", QUERY.bands)
    assert (header.period_start, header.period_end) == ("2023-01-01", "2023-12-31")
    assert (header.source, header.imagery.asked) == ("an array", "an array")
    assert header.imagery.masks == ("made up",)
    assert header.imagery.versions == (f"numpy {np.__version__}",)


def test_the_table_says_what_each_place_was_made_from(whole):
    sites = PatchDataset.open(whole).sites
    assert set(sites["origin"]) == {"grid"}
    assert set(sites["crs"]) == {"EPSG:32620"}
    assert set(sites["status"]) == {"ok"}
    assert sites["scene_count"].between(5, 8).all()
    assert set(sites["first_scene"]) == {"2023-01-03"}
    assert sites["last_scene"].str.fullmatch(r"2023-0[5-8]-03").all()
    assert set(zip(sites["start"], sites["end"], strict=True)) == {("2023-01-01", "2023-12-31")}
    assert sites["footprint"].covers(sites.geometry).all()


def test_few_clear_views_are_kept_and_marked(tmp_path, whole):
    source = ArraySource()
    source.counts[: made.SIDE_PX // 2] = np.minimum(source.counts[: made.SIDE_PX // 2], 2)
    summary = build(tmp_path / "patches", source)
    sites = PatchDataset.open(tmp_path / "patches").sites
    few = sites[sites["status"] == "few clear views"]
    assert 0 < len(few) == summary.n_few_clear_views < len(sites)
    assert (few["clear_views"] < 3).all()
    assert (sites.drop(few.index)["clear_views"] >= 3).all()
    assert set(few["reason"]) <= {
        f"{found} in over a tenth of its pixels; at least 3 are wanted"
        for found in ("no clear view", "1 clear view or none", "2 clear views or fewer")
    }
    pixels = PatchDataset.open(tmp_path / "patches").pixels()
    np.testing.assert_array_equal(pixels, PatchDataset.open(whole).pixels())
    summary.raise_failures()


def test_a_place_that_no_scene_covers_is_marked_so(tmp_path):
    summary = build(tmp_path / "patches", EmptySource(after=30), workers=1)
    dataset = PatchDataset.open(tmp_path / "patches")
    empty = dataset.sites[dataset.sites["status"] == "no data"]
    assert len(empty) == summary.n_no_data == 10
    assert summary.n_ok == 30
    assert "10 without any pixel" in summary.describe()
    assert [one.describe(2) for one in summary.marked] == [
        "10 no data: no scene of the period covers the place (s30, s31, …)"
    ]
    assert dataset.summary()["reasons"] == {"no scene of the period covers the place": 10}
    assert set(empty["reason"]) == {"no scene of the period covers the place"}
    assert empty["first_scene"].isna().all()
    assert not dataset.digital_numbers(empty.index).any()
    assert build(tmp_path / "patches", retry_failed=True).n_loaded == 0
    assert dataset.summary()["status"] == {"ok": 30, "no data": 10}


def test_a_place_where_nothing_is_clear_is_told_from_one_that_no_scene_covers(tmp_path):
    build(tmp_path / "patches", EmptySource(after=30, views_chosen=4), workers=1)
    sites = PatchDataset.open(tmp_path / "patches").sites
    reasons = set(sites["reason"][sites["status"] == "no data"])
    assert reasons == {"nothing is clear in any scene of the period"}


def test_scenes_that_were_left_out_are_told_at_the_end_and_by_the_dataset(tmp_path):
    class Broken(ArraySource):
        def load(self, geobox, query):
            left_out = [{"id": "may", "reason": "B04.tif is gone"}] if len(self.asked) < 3 else []
            return super().load(geobox, query).assign_attrs(left_out=left_out)

    summary = build(tmp_path / "patches", Broken(), workers=1)
    told = [one.describe() for one in summary.left_out]
    assert told == ["3 made without: may (B04.tif is gone) (s0, s1, s2)"]
    assert summary.marked == ()
    assert PatchDataset.open(summary.path).summary()["made_without"] == 3


def test_a_build_without_a_pixel_is_refused_and_in_nobody_s_way(tmp_path):
    out = tmp_path / "patches"
    with pytest.raises(InputError, match=r"no scene of 2023-01-01 to .* any of 40 places.* 3 days"):
        build(out, EmptySource(holdings="3 days"))
    with pytest.raises(InputError, match=r"show nothing clear at any of 40 places"):
        build(out, EmptySource(views_chosen=2))
    assert visible(tmp_path) == []
    query = SceneQuery(start="2022-01-01", end="2022-12-31", bands=QUERY.bands)
    assert build(out, query=query).n_ok == 40


def test_another_dataset_s_sites_can_be_built_for_another_period(tmp_path, whole):
    before = PatchDataset.open(whole).sites
    query = SceneQuery(start="2021-01-01", end="2021-12-31", bands=QUERY.bands)
    build(tmp_path / "earlier", sites=before, query=query)
    after = PatchDataset.open(tmp_path / "earlier").sites
    assert list(after.columns) == list(before.columns)
    assert set(after["start"]) == {"2021-01-01"}


# one path, the same bytes -----------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 3, 16])
def test_the_bytes_are_the_same_whatever_the_number_of_workers(
    tmp_path, whole, bytes_below, workers
):
    build(tmp_path / "patches", workers=workers)
    assert bytes_below(tmp_path / "patches") == bytes_below(whole)


def test_places_loaded_together_give_the_bytes_of_places_loaded_one_by_one(
    tmp_path, whole, bytes_below
):
    build(tmp_path / "patches", ManySource())
    assert bytes_below(tmp_path / "patches") == bytes_below(whole)


@settings(max_examples=5, deadline=None)
@given(order=st.permutations(range(7)))
def test_every_site_keeps_its_pixels_in_any_order_of_sites(tmp_path_factory, order):
    sites, out = made.make_sites(7), tmp_path_factory.mktemp("order")
    source = ArraySource()
    build(out / "shuffled", source, sites=sites.iloc[list(order)])
    dataset = PatchDataset.open(out / "shuffled")
    assert list(dataset.sites.index) == [f"s{row}" for row in order]
    for site_id, point in sites.geometry.items():
        expected = source.load(GRID.geobox(point.x, point.y), QUERY)["reflectance"]
        np.testing.assert_array_equal(dataset.pixels([site_id])[0], expected)


# failures ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [ArraySource, ManySource])
def test_failed_places_are_rows_and_come_back_with_the_bytes_of_a_build_without_faults(
    tmp_path, bytes_below, kind
):
    out, sites = tmp_path / "patches", made.make_sites(200)
    build(tmp_path / "faultless", sites=sites)
    first = build(out, kind(failing=0.3), sites=sites)
    assert 30 < first.n_failed < 90
    rows = PatchDataset.open(out).sites
    failed = rows[rows["status"] == "failed"]
    assert list(failed.index) == [failure.key for failure in first.failures]
    assert set(failed["reason"]) == {"the source did not answer (503)"}
    assert not PatchDataset.open(out).digital_numbers(failed.index).any()
    assert list(pd.read_csv(first.failures_file)["site_id"]) == list(failed.index)
    says = rf"{len(failed)} of 200 places failed: the source.*--broken-scenes leave_out"
    with pytest.raises(IncompleteError, match=says):
        first.raise_failures()

    source = kind(failing=0.3, seed=5)
    second = build(out, source, sites=sites, retry_failed=True)
    assert len(source.asked) == first.n_failed
    assert second.n_loaded == first.n_failed - second.n_failed > 0
    last = build(out, sites=sites, retry_failed=True)
    assert last.n_failed == 0
    assert last.failures_file is None
    assert bytes_below(out) == bytes_below(tmp_path / "faultless")
    assert visible(tmp_path) == ["faultless", "patches"]


def test_a_source_that_stays_down_leaves_a_list_and_no_dataset(tmp_path):
    with pytest.raises(IncompleteError, match=r"not one of 40 .* connection refused \(40 ×\)"):
        build(tmp_path / "patches", DownSource(after=0))
    assert visible(tmp_path) == ["patches.failures.csv"]
    listed = pd.read_csv(tmp_path / "patches.failures.csv")
    assert list(listed["site_id"]) == list(made.make_sites().index)
    assert build(tmp_path / "patches").n_ok == 40
    assert visible(tmp_path) == ["patches"]


def test_a_source_that_goes_down_leaves_what_it_gave(tmp_path, whole, bytes_below):
    summary = build(tmp_path / "patches", DownSource(after=15), workers=1)
    assert (summary.n_ok, summary.n_failed) == (15, 25)
    build(tmp_path / "patches", retry_failed=True)
    assert bytes_below(tmp_path / "patches") == bytes_below(whole)


def test_a_source_that_only_fails_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "GIVE_UP_AFTER", 10)
    source = DownSource(after=3)
    summary = build(tmp_path / "patches", source, workers=1)
    reasons = [failure.reason for failure in summary.failures]
    assert reasons[:10] == ["connection refused"] * 10
    assert set(reasons[10:]) == {"not tried: 10 places before it failed in a row"}


def test_what_a_broken_batch_leaves_out_is_a_failure(tmp_path):
    class Broken(ManySource):
        def load_many(self, geoboxes, query):
            from minewatch.errors import ImageryError

            yield from list(super().load_many(geoboxes, query))[:30]
            raise ImageryError("the catalogue went away")

    summary = build(tmp_path / "patches", Broken())
    assert {failure.reason for failure in summary.failures} == {"the catalogue went away"}
    assert summary.n_ok == 30


def test_a_refused_account_stops_the_build_and_keeps_what_was_loaded(tmp_path, whole, bytes_below):
    class Refused(ArraySource):
        def load(self, geobox, query):
            if len(self.asked) == 12:
                raise CredentialsError("the account may not")
            return super().load(geobox, query)

    with pytest.raises(CredentialsError):
        build(tmp_path / "patches", Refused(), workers=1)
    source = ArraySource()
    build(tmp_path / "patches", source)
    assert len(source.asked) == 28
    assert bytes_below(tmp_path / "patches") == bytes_below(whole)


def test_a_build_that_kept_nothing_leaves_nothing_in_the_way_of_another(tmp_path):
    class Refused(ArraySource):
        def load(self, geobox, query):
            raise CredentialsError("there is no account")

    with pytest.raises(CredentialsError):
        build(tmp_path / "patches", Refused())
    assert visible(tmp_path) == []
    query = SceneQuery(start="2022-01-01", end="2022-12-31", bands=QUERY.bands)
    assert build(tmp_path / "patches", query=query).n_ok == 40


def test_a_damaged_journal_is_named_and_can_be_started_over(tmp_path, whole, bytes_below):
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "patches", progress=stop_after(25))
    file = tmp_path / "patches.building" / "places.sqlite"
    file.write_bytes(b"nothing of the kind" * 1000)
    with pytest.raises(DatasetError, match=r"places.sqlite cannot be used .* delete"):
        build(tmp_path / "patches")
    build(tmp_path / "patches", overwrite=True)
    assert bytes_below(tmp_path / "patches") == bytes_below(whole)


def test_pixels_that_break_the_schema_of_composites_are_a_failure(tmp_path):
    class Odd(ArraySource):
        def load(self, geobox, query):
            composite = super().load(geobox, query)
            return composite.drop_vars("clear_count") if len(self.asked) % 2 else composite

    summary = build(tmp_path / "patches", Odd(), workers=1)
    assert summary.n_failed == 20
    assert {failure.reason for failure in summary.failures} == {
        "not a composite as sources give them: no variable clear_count"
    }


# stops ------------------------------------------------------------------------------------------

KILLED = """
import os, random, signal, sys
sys.path.insert(0, sys.argv[2])
import build_sources as made
from minewatch.patches import build_patches

def build(out, kind, progress=lambda *_: None):
    return build_patches(
        made.make_sites(), kind(), made.QUERY, out, grid=made.GRID, workers=3, progress=progress
    )

def killed(step, at):
    def progress(now, done, total):
        if now.startswith(step) and done >= at:
            os.kill(os.getpid(), signal.SIGKILL)
    return progress

made.ArraySource()  # forks inherit what it draws
chance = random.Random(3)
stops = [("load patches", n) for n in sorted(chance.sample(range(1, 41), 3))]
for step, at in [*stops, ("write patches", 0), ("write patches", 40)]:
    for kind in (made.ArraySource, made.ManySource):
        child = os.fork()
        if child == 0:
            build(f"{sys.argv[1]}/{kind.__name__}", kind, killed(step, at))
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, (step, at)
for kind in (made.ArraySource, made.ManySource):
    summary = build(f"{sys.argv[1]}/{kind.__name__}", kind)
    print(summary.n_loaded)
"""


@pytest.mark.integration
def test_a_build_killed_again_and_again_loses_nothing_and_gives_the_same_bytes(
    tmp_path, whole, bytes_below
):
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLED, str(tmp_path), str(HERE)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.split() == ["0", "0"]  # the kills while writing came after all was loaded
    for name in ("ArraySource", "ManySource"):
        assert bytes_below(tmp_path / name) == bytes_below(whole)
    assert visible(tmp_path) == ["ArraySource", "ManySource"]


def stop_after(n_places: int):
    def progress(step: str, done: int, _total: int) -> None:
        if step.startswith("load") and done == n_places:
            raise KeyboardInterrupt

    return progress


KILLED_ANYWHERE = """
import itertools, os, random, select, signal, sys, time
sys.path.insert(0, sys.argv[2])
import build_sources as made
from minewatch.patches import build_patches

CHANGES = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "shutil.rmtree"}
WRITING = os.O_WRONLY | os.O_RDWR

def build(name):
    sites, out = made.make_sites(), f"{sys.argv[1]}/{name}"
    build_patches(sites, made.ManySource(), made.QUERY, out, grid=made.GRID)

def started(name, prepare=lambda: None):
    # Gives the process, and a pipe that is closed when it ends.
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    prepare()
    build(name)
    os._exit(0)

def ended(child, pipe):
    os.close(pipe)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL), code
    return code == 0

def kill_before_change(number):
    seen = itertools.count()
    def hook(event, args):
        if event in CHANGES and (event != "open" or (args[2] or 0) & WRITING):
            if next(seen) == number:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)

made.ArraySource()  # forks inherit what it draws

# before every change of the disk, one further each time
for n_changes in itertools.count():
    if ended(*started("at-changes", lambda: kill_before_change(n_changes))):
        break

# from outside, at any moment
began = time.monotonic()
assert ended(*started("undisturbed"))
whole_s, chance, n_killed = time.monotonic() - began, random.Random(5), 0
for _ in range(12):
    child, pipe = started("at-times")
    if not select.select([pipe], [], [], chance.uniform(0, whole_s))[0]:
        os.kill(child, signal.SIGKILL)
    n_killed += not ended(child, pipe)
assert ended(*started("at-times"))
print(n_changes, n_killed)
"""


@pytest.mark.integration
def test_a_build_killed_before_any_change_of_the_disk_or_at_any_moment_gives_the_same_bytes(
    tmp_path, whole, bytes_below
):
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLED_ANYWHERE, str(tmp_path), str(HERE)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    n_changes, n_killed = map(int, ended.stdout.split())
    assert n_changes > 20, "as many as a build makes, its last renames among them"
    assert n_killed > 0
    for name in ("at-changes", "at-times"):
        assert bytes_below(tmp_path / name) == bytes_below(whole)
    left = {path.name for path in tmp_path.glob("[!.]*")}
    assert left == {"at-changes", "at-times", "undisturbed"}


def test_a_stopped_build_has_only_places_in_flight_to_load_again(tmp_path, whole, bytes_below):
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "patches", progress=stop_after(25), workers=4)
    assert visible(tmp_path) == ["patches.building"]
    source = ArraySource()
    told = []
    summary = build(tmp_path / "patches", source, progress=lambda *step: told.append(step))
    assert summary.n_loaded == len(source.asked) == 15
    assert told[0] == ("load patches, going on: 25 of 40 are kept", 25, 40)
    assert summary.describe() == "40 patches, 15 loaded now, 25 kept from before"
    assert bytes_below(tmp_path / "patches") == bytes_below(whole)


def test_a_site_that_moved_since_the_build_stopped_never_keeps_the_pixels_of_its_old_place(
    tmp_path,
):
    out, sites = tmp_path / "patches", made.make_sites(5)
    with pytest.raises(KeyboardInterrupt):
        build(out, sites=sites, progress=stop_after(3), workers=1)
    moved = sites.copy()
    moved.loc["s1", "geometry"] = sites.geometry["s4"]

    class DownThere(ArraySource):
        def load(self, geobox, query):
            composite = super().load(geobox, query)
            if len(self.asked) == 1:
                raise ImageryError("connection refused")
            return composite

    summary = build(out, DownThere(), sites=moved, workers=1)
    dataset = PatchDataset.open(out)
    assert [(one.key, one.reason) for one in summary.failures] == [("s1", "connection refused")]
    assert dataset.sites["status"].to_list() == ["ok", "failed", "ok", "ok", "ok"]
    assert dataset.sites["scene_count"].isna().to_list() == [False, True, False, False, False]
    assert not dataset.digital_numbers(["s1"]).any()
    assert not dataset.clear_counts(["s1"]).any()
    with pytest.raises(IncompleteError, match="1 of 5 places failed"):
        summary.raise_failures()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"query": SceneQuery(start="2022-01-01", end="2023-12-31", bands=QUERY.bands)},
            "start 2023-01-01, asked 2022-01-01",
        ),
        ({"inputs": {"items": "sha256:1"}}, "items None, asked sha256:1"),
    ],
)
@pytest.mark.parametrize("finished", [True, False])
def test_another_request_is_refused_by_what_differs_or_starts_over(
    tmp_path, change, message, finished
):
    out = tmp_path / "patches"
    if finished:
        build(out)
    else:
        with pytest.raises(KeyboardInterrupt):
            build(out, progress=stop_after(25))
    for retry_failed in (False, True):
        with pytest.raises(AlreadyThereError, match=message):
            build(out, retry_failed=retry_failed, **change)
    source = ArraySource()
    build(out, source, overwrite=True, **change)
    assert len(source.asked) == 40


def test_levels_are_never_mixed(tmp_path):
    class Other(ArraySource):
        level = "L1C"

    out = tmp_path / "patches"
    build(out)
    with pytest.raises(LevelError, match="level L2A, asked L1C"):
        build(out, Other(), retry_failed=True)

    class Mixed(ArraySource):
        def load(self, geobox, query):
            return super().load(geobox, query).assign_attrs(level="L1C")

    with pytest.raises(LevelError, match="said L2A and gave a composite of L1C"):
        build(tmp_path / "other", Mixed())


def test_a_finished_build_is_not_done_again(tmp_path, bytes_below):
    out = tmp_path / "patches"
    first = build(out, DownSource(after=15), workers=1)
    before, source = bytes_below(out), ArraySource()
    again = build(out, source)
    assert source.asked == []
    assert (again.n_loaded, again.failures) == (0, first.failures)
    assert bytes_below(out) == before


def test_a_build_killed_after_it_was_whole_is_tidied_up_by_the_next_call(tmp_path):
    out = tmp_path / "patches"
    with pytest.raises(KeyboardInterrupt):
        build(out, progress=stop_after(25))
    shutil.copytree(tmp_path / "patches.building", tmp_path / "kept")
    build(out)
    shutil.move(tmp_path / "kept", tmp_path / "patches.building")
    assert build(out).n_loaded == 0
    assert visible(tmp_path) == ["patches"]


def test_a_stopped_try_to_load_failures_again_is_kept(tmp_path, whole, bytes_below):
    out = tmp_path / "patches"
    build(out, DownSource(after=15), workers=1)
    with pytest.raises(KeyboardInterrupt):
        build(out, retry_failed=True, progress=stop_after(35))
    assert build(out).n_failed == 25
    assert build(out, retry_failed=True).n_loaded == 5
    assert bytes_below(out) == bytes_below(whole)


def test_new_sites_are_added_only_on_request(tmp_path, bytes_below, whole):
    out, sites = tmp_path / "patches", made.make_sites()
    build(out, sites=sites.iloc[::2])
    with pytest.raises(AlreadyThereError, match="made of other sites"):
        build(out, sites=sites)
    source = ArraySource()
    build(out, source, sites=sites, retry_failed=True)
    assert len(source.asked) == 20
    assert bytes_below(out) == bytes_below(whole)


def test_a_site_that_moved_is_loaded_again(tmp_path):
    out, sites = tmp_path / "patches", made.make_sites(5)
    build(out, sites=sites)
    moved = sites.copy()
    moved.loc["s2", "geometry"] = sites.geometry["s3"]
    source = ArraySource()
    build(out, source, sites=moved, retry_failed=True)
    assert len(source.asked) == 1
    pixels = PatchDataset.open(out).pixels()
    np.testing.assert_array_equal(pixels[2], pixels[3])


def test_a_stopped_write_of_something_else_is_not_thrown_away(tmp_path):
    from minewatch.patches import write_patches

    def stop(start, stop):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_patches(
            tmp_path / "patches", made.make_sites(3), stop, bands="rgb", level="L2A", size_px=6
        )
    with pytest.raises(AlreadyThereError, match="stopped write of other data"):
        build(tmp_path / "patches")
    assert build(tmp_path / "patches", overwrite=True).n_ok == 40


def test_damaged_pixels_are_not_taken_up(tmp_path):
    out = tmp_path / "patches"
    build(out, DownSource(after=15), workers=1)
    header = json.loads((out / "dataset.json").read_text())
    (out / "dataset.json").write_text(json.dumps(header | {"digest": "sha256:0"}))
    with pytest.raises(Exception, match="not those that it was written with"):
        build(out, retry_failed=True)


def test_sites_that_cannot_be_cut_are_named_before_anything_is_asked(tmp_path):
    sites, source = made.make_sites(4), ArraySource()
    sites.loc["s2", "geometry"] = None
    with pytest.raises(SitesError, match="s2"):
        build(tmp_path / "patches", source, sites=sites)
    assert source.asked == []
    assert visible(tmp_path) == []


def test_progress_counts_places_and_failures(tmp_path):
    told = []
    build(
        tmp_path / "patches",
        DownSource(after=38),
        workers=1,
        progress=lambda *step: told.append(step),
    )
    loads = [step for step in told if step[0].startswith("load")]
    assert loads[0] == ("load patches", 0, 40)
    assert loads[-1] == ("load patches (2 failed)", 40, 40)


def test_patches_may_be_of_any_size(tmp_path):
    grid = PatchGrid(size_px=10, snap_m=10)
    sites = made.make_sites(3)
    build_patches(sites, ArraySource(), QUERY, tmp_path / "patches", grid=grid)
    assert PatchDataset.open(tmp_path / "patches").shape == (3, 2, 10, 10)
