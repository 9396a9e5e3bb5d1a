"""What lies in the folder of a scan is its own, or it is not used; and a dead source ends soon."""

import pytest
import shapely

from minewatch.errors import DetectorError, IncompleteError
from minewatch.scan import ScanSettings, _run, estimate_scan, read_bbox, read_scores

EVERYWHERE = shapely.box(-180, -80, 180, 80)
SMALL = read_bbox("-60.01,2.00,-60.007,2.003")
OTHER = ScanSettings(stride_px=6, tile_px=60, workers=2, min_clear_views=2)


def stop_at(n):
    def stop(step, done, total):
        if done == n:
            raise KeyboardInterrupt

    return stop


def test_parts_of_another_detector_are_never_taken_for_ones_own(tmp_path, maker):
    # The folder of parts is a link, as where another disk is larger: what it leads to stays.
    elsewhere, out = tmp_path / "disk", tmp_path / "scan"
    with pytest.raises(KeyboardInterrupt):
        maker.scan(out, progress=stop_at(8))
    (out / "parts").rename(elsewhere)
    (out / "parts").symlink_to(elsewhere)
    left = list(elsewhere.rglob("*.parquet"))
    assert left
    darker = maker.make_detector_of(weights=(0.5, 0.25))
    made = maker.scan(out, detector=darker, overwrite=True)
    alone = maker.scan(tmp_path / "alone", detector=darker)
    assert made.n_done == made.n_tiles
    assert made.scores.read_bytes() == alone.scores.read_bytes()
    assert all(part.exists() for part in left)


def test_parts_of_another_request_are_done_again_even_where_they_could_not_be_removed(
    tmp_path, maker
):
    one, two = tmp_path / "one", tmp_path / "two"
    for out, settings in ((one, maker.SETTINGS), (two, OTHER)):
        with pytest.raises(KeyboardInterrupt):
            maker.scan(out, settings=settings, progress=stop_at(8))
    n_parts = len(list((one / "parts").rglob("*.parquet")))
    (two / "parts").rename(tmp_path / "gone")
    (one / "parts").rename(two / "parts")
    made = maker.scan(two, settings=OTHER)
    assert n_parts > 0
    assert made.n_done == made.n_tiles


def test_parts_that_cannot_be_removed_are_an_error(tmp_path, maker, monkeypatch):
    out = tmp_path / "scan"
    with pytest.raises(KeyboardInterrupt):
        maker.scan(out, progress=stop_at(4))

    def refuse(path, ignore_errors=False):
        if not ignore_errors:
            raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("shutil.rmtree", refuse)
    with pytest.raises(PermissionError, match="parts"):
        maker.scan(out, settings=OTHER, overwrite=True)


def test_the_scores_of_a_scan_that_is_given_up_stay_until_there_are_others(tmp_path, maker):
    out = tmp_path / "scan"
    before = maker.scan(out, region=SMALL)
    kept = {file: file.read_bytes() for file in (before.scores, before.not_seen)}
    dead = maker.FormulaSource(broken=EVERYWHERE)
    with pytest.raises(IncompleteError):
        maker.scan(out, dead, region=SMALL, settings=OTHER, overwrite=True)
    assert {file: file.read_bytes() for file in kept} == kept
    after = maker.scan(out, region=SMALL, settings=OTHER, overwrite=True)
    assert after.n_done == after.n_tiles
    assert read_scores(out).attrs["minewatch"]["min_clear_views"] == 2


@pytest.mark.parametrize("name", ["scores.parquet", "not_seen.parquet"])
def test_a_finished_scan_of_which_a_file_is_gone_is_scanned_anew(tmp_path, maker, name):
    out = tmp_path / "scan"
    made = maker.scan(out, region=SMALL)
    kept = (out / name).read_bytes()
    (out / name).unlink()
    again = maker.scan(out, region=SMALL)
    assert again.n_done == made.n_tiles
    assert (out / name).read_bytes() == kept


def test_a_dead_source_is_given_up_in_the_first_pass_and_tiles_keep_their_reasons(
    tmp_path, maker, monkeypatch
):
    monkeypatch.setattr(_run, "GIVE_UP_AFTER", 4)
    source = maker.FormulaSource(broken=EVERYWHERE)
    with pytest.raises(IncompleteError):
        maker.scan(tmp_path / "scan", source)
    assert len(source.asked) <= 4 + maker.SETTINGS.workers
    text = (tmp_path / "scan/failures.csv").read_text()
    assert text.count(",the source did not answer (503)") >= 4
    assert "not tried: 4 tiles failed in a row, then: the source did not answer (503)" in text


def test_retries_of_few_tiles_do_not_pile_up_to_a_dead_source(tmp_path, maker, monkeypatch):
    broken = shapely.box(-60.008, 2.005, -60.007, 2.006)
    settings = maker.SETTINGS.model_copy(update={"attempts": 6, "workers": 1})
    monkeypatch.setattr(_run, "GIVE_UP_AFTER", 5)
    source = maker.FormulaSource(broken=broken)
    made = maker.scan(tmp_path / "scan", source, settings=settings)
    assert 1 <= len(made.failures) < 5
    assert len(source.asked) == made.n_done + 6 * len(made.failures)
    assert {one.reason for one in made.failures} == {"the source did not answer (503)"}


def test_a_network_that_gives_no_numbers_is_no_success(tmp_path, maker):
    silent = maker.make_detector_of(weights=(float("nan"), 0.5))
    made = maker.scan(tmp_path / "scan", detector=silent, region=SMALL)
    assert made.windows == {"no number": made.n_windows}
    with pytest.raises(DetectorError, match=f"no number for any of the {made.n_windows} windows"):
        made.raise_failures()


def test_a_scan_may_be_written_to_the_folder_one_is_in(tmp_path, maker, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    maker.scan(".", region=SMALL)
    assert {file.name for file in here.iterdir()} == {
        "scan.json",
        "scores.parquet",
        "not_seen.parquet",
    }
    assert maker.scan(".", region=SMALL).n_done == 0


def test_a_dry_run_of_a_scan_that_was_stopped_says_what_is_left(tmp_path, maker):
    out = tmp_path / "scan"
    with pytest.raises(KeyboardInterrupt):
        maker.scan(out, progress=stop_at(8))
    n_parts = len(list((out / "parts").rglob("*.parquet")))
    told = estimate_scan(
        maker.REGION, maker.make_detector(), maker.FormulaSource(), maker.QUERY,
        settings=maker.SETTINGS, out=out,
    )  # fmt: skip
    assert told.tiles_done == n_parts > 0
    assert 0 < told.windows_done < told.n_windows
    left = told.n_windows - told.windows_done
    assert f"{n_parts:,} of {told.n_tiles:,} tiles, in {out}; {left:,} windows" in told.describe()
    assert len(list((out / "parts").rglob("*.parquet"))) == n_parts
