"""A scan scores every window once, whatever happens on the way, and says what it did not see."""

import csv
import json
import random
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
import xarray as xr

from minewatch import _store
from minewatch.errors import (
    AlreadyThereError,
    DetectorError,
    IncompleteError,
    InputError,
    LevelError,
    LockedError,
    NotThereError,
)
from minewatch.grid import PatchGrid
from minewatch.imagery import SceneQuery
from minewatch.imagery._footprints import place_polygon
from minewatch.scan import ScanSettings, read_bbox, read_scores
from minewatch.scan._not_seen import areas_of

HERE = Path(__file__).parent
FILES = ("scores.parquet", "not_seen.parquet")
CLOUD = shapely.Point(-60.003, 2.005).buffer(0.003)
BROKEN = shapely.box(-60.008, 2.005, -60.007, 2.006)


def bytes_of(folder):
    return {name: (Path(folder) / name).read_bytes() for name in FILES}


def test_scores_are_those_of_patches_built_at_the_windows_centres(whole, maker):
    scores = read_scores(whole.scores)
    assert (scores["status"] == "scored").all()
    source, detector = maker.FormulaSource(), maker.make_detector()
    some = scores.sample(200, random_state=1)
    boxes = [
        PatchGrid(size_px=12).geobox(*place)
        for place in zip(some["longitude"], some["latitude"], strict=True)
    ]
    pixels = xr.DataArray(
        np.stack([source.pixels(box, 2)[0] for box in boxes]),
        dims=("site", "band", "y", "x"),
        coords={"site": some["window_id"].to_list(), "band": ["B04", "B08"]},
        attrs={"level": "L2A", "resolution_m": 10.0},
    )
    expected = detector.score(pixels)
    np.testing.assert_allclose(some["score"], expected["score"], atol=1e-6)
    assert [round(box.transform.c) for box in boxes] == some["left_m"].to_list()
    assert [round(box.transform.f) for box in boxes] == some["top_m"].to_list()


def test_the_table_keeps_its_schema_and_order_and_says_what_made_it(whole, maker):
    scores = read_scores(whole.path)
    header = scores.attrs["minewatch"]
    assert scores["window_id"].is_unique
    assert len(scores) == whole.n_windows == header["windows"]
    keys = scores["epsg"], -scores["top_m"], scores["left_m"]
    assert list(np.lexsort([np.asarray(key) for key in keys[::-1]])) == list(range(len(scores)))
    assert set(scores["epsg"]) == {32620, 32621}
    assert scores.dtypes.astype(str).to_dict() == {
        **dict.fromkeys(("window_id", "tile", "status", "reason", "start", "end"), "str"),
        **dict.fromkeys(("epsg", "left_m", "top_m", "size_m"), "int32"),
        **dict.fromkeys(("longitude", "latitude"), "float64"),
        **dict.fromkeys(("score", "clear_views", "missing_share", "dissimilarity"), "float32"),
        "is_applicable": "boolean",
    }
    first = scores.iloc[0]
    assert first["window_id"] == f"{first['epsg']}_{first['left_m']}_{first['top_m']}_120"
    assert (first["start"], first["end"]) == ("2023-02-03", "2023-08-03")
    assert header["detector_digest"] == maker.make_detector().card.digest
    assert header["attribution"] == "Imagery: a formula (CC0-1.0)"
    assert (header["stride_px"], header["size_px"], header["level"]) == (6, 12, "L2A")


def test_a_clear_region_is_seen_wholly_across_the_border_of_zones(whole):
    assert whole.not_seen_ha == 0
    assert gpd.read_parquet(whole.not_seen).empty


def test_what_was_not_seen_is_mapped_to_the_last_window(tmp_path, maker):
    made = maker.scan(tmp_path / "scan", maker.FormulaSource(clouded=CLOUD))
    scores = read_scores(made.scores)
    few = scores["status"] != "scored"
    assert set(scores.loc[few, "status"]) == {"few clear views", "no data"}
    assert scores.loc[few, "score"].isna().all()
    assert scores.loc[~few, "score"].notna().all()
    assert (scores.loc[few, "reason"] != "").all()
    missed = gpd.read_parquet(made.not_seen)
    assert missed.crs.to_epsg() == 4326
    own = scores[~few].groupby("epsg")
    seen = shapely.union_all(
        [
            gpd.GeoSeries(
                shapely.box(
                    part["left_m"], part["top_m"] - 120, part["left_m"] + 120, part["top_m"]
                ),
                crs=epsg,
            )
            .to_crs(4326)
            .union_all()
            for epsg, part in own
        ]
    )
    expected = maker.REGION.difference(seen)
    mapped = missed.union_all()
    assert expected.area > 1e-5
    assert mapped.symmetric_difference(expected).area < 1e-4 * expected.area
    assert made.not_seen_ha == pytest.approx(missed["area_ha"].sum(), rel=1e-3)
    in_metres = missed.to_crs(6933).area.sum() / 1e4
    assert made.not_seen_ha == pytest.approx(in_metres, rel=1e-2)
    assert set(missed["reason"]) <= {"few clear views", "no data"}


@pytest.mark.parametrize("workers", [1, 5])
def test_neither_workers_nor_the_order_of_tiles_change_a_byte(tmp_path, maker, whole, workers):
    def dawdle(geobox):
        time.sleep(random.random() * 0.002)  # noqa: S311

    changes = {"settings": maker.SETTINGS.model_copy(update={"workers": workers})}
    made = maker.scan(tmp_path / "scan", maker.FormulaSource(on_load=dawdle), **changes)
    assert bytes_of(made.path) == bytes_of(whole.path)
    assert not (made.path / "parts").exists()


def test_a_finished_scan_is_not_done_again(tmp_path, maker, whole):
    out = tmp_path / "scan"
    maker.scan(out)
    source = maker.FormulaSource()
    again = maker.scan(out, source)
    assert source.asked == []
    assert again.n_done == 0
    assert again.windows == whole.windows


KILLED = """
import os, random, signal, sys, threading
sys.path.insert(0, sys.argv[1])
import scan_maker as maker
from pathlib import Path
out = Path(sys.argv[2])
lock, real = threading.Lock(), os.fsync
for seed in range(3):
    left = [random.Random(seed).randrange(2, 8)]
    def fsync(file):
        with lock:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        real(file)
    child = os.fork()
    if not child:
        os.fsync = fsync
        maker.scan(out)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    kept = [part for part in out.rglob("parts/*/*.parquet") if part.name[0] != "."]
    print(os.WTERMSIG(status), len(kept), (out / "scores.parquet").exists())
"""


@pytest.mark.integration
def test_a_scan_killed_again_and_again_goes_on_and_ends_with_the_same_bytes(tmp_path, maker, whole):
    out = tmp_path / "scan"
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(HERE), str(out)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    told = [line.split() for line in done.stdout.splitlines()]
    assert [one[0] for one in told] == [str(int(signal.SIGKILL))] * 3
    assert [one[2] for one in told] == ["False"] * 3
    kept = [int(one[1]) for one in told]
    assert 0 < kept[0] <= kept[1] <= kept[2] < whole.n_tiles
    with pytest.raises(NotThereError, match="run it again to go on"):
        read_scores(out)
    source = maker.FormulaSource()
    made = maker.scan(out, source)
    assert made.n_done == len(source.asked) == whole.n_tiles - kept[2]
    assert bytes_of(out) == bytes_of(whole.path)
    assert not [item for item in out.rglob("*") if ".part" in item.name]


def test_a_damaged_part_is_done_again(tmp_path, maker, whole):
    out = tmp_path / "scan"
    stopped = maker.FormulaSource(on_load=_stop_after(12))
    with pytest.raises(KeyboardInterrupt):
        maker.scan(out, stopped)
    parts = sorted(out.rglob("parts/*/[!.]*.parquet"))
    assert parts
    parts[0].write_bytes(parts[0].read_bytes()[:-40])
    made = maker.scan(out)
    assert made.n_done == whole.n_tiles - len(parts) + 1
    assert bytes_of(out) == bytes_of(whole.path)


def _stop_after(n):
    left, lock = [n], threading.Lock()

    def stop(geobox):
        with lock:
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt

    return stop


def test_a_brief_outage_leaves_no_trace(tmp_path, maker, whole):
    made = maker.scan(tmp_path / "scan", maker.FormulaSource(failures=7))
    assert made.failures == ()
    assert bytes_of(made.path) == bytes_of(whole.path)


def test_tiles_that_fail_are_listed_and_only_they_are_scanned_again(tmp_path, maker, whole):
    out = tmp_path / "scan"
    made = maker.scan(out, maker.FormulaSource(broken=BROKEN))
    with pytest.raises(IncompleteError, match=r"tiles failed, .*\(503\).*--retry-failed"):
        made.raise_failures()
    with made.failures_file.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["tile"] for row in rows] == [one.key for one in made.failures]
    assert {row["reason"] for row in rows} == {"the source did not answer (503)"}
    scores = read_scores(out)
    assert set(scores.loc[scores["status"] == "failed", "tile"]) == {row["tile"] for row in rows}
    assert len(scores) == whole.n_windows
    missed = gpd.read_parquet(made.not_seen)
    assert set(missed["reason"]) == {"failed"}
    assert missed.union_all().covers(BROKEN)

    untouched = maker.FormulaSource()
    assert maker.scan(out, untouched).failures == made.failures
    assert untouched.asked == []
    source = maker.FormulaSource()
    mended = maker.scan(out, source, retry_failed=True)
    assert len(source.asked) == mended.n_done == len(rows)
    assert mended.failures == ()
    assert mended.failures_file is None
    assert not made.failures_file.exists()
    assert bytes_of(out) == bytes_of(whole.path)


def test_every_tile_is_tried_as_often_as_it_may_be_and_no_oftener(tmp_path, maker):
    source = maker.FormulaSource(broken=BROKEN)
    settings = maker.SETTINGS.model_copy(update={"attempts": 4})
    made = maker.scan(tmp_path / "scan", source, settings=settings)
    assert len(source.asked) == made.n_done + 4 * len(made.failures)


@pytest.mark.parametrize("error", [InputError, DetectorError])
def test_what_no_attempt_would_mend_is_tried_once(tmp_path, maker, error):
    def refuse(geobox):
        if BROKEN.intersects(place_polygon(geobox)):
            raise error("that can never be")

    source = maker.FormulaSource(on_load=refuse)
    made = maker.scan(tmp_path / "scan", source)
    assert {one.reason for one in made.failures} == {"that can never be"}
    assert len(source.asked) == made.n_tiles


def test_an_error_that_every_tile_would_meet_ends_the_scan_at_once(tmp_path, maker):
    def refuse(geobox):
        raise NotThereError("there are no scenes at all")

    source = maker.FormulaSource(on_load=refuse)
    with pytest.raises(NotThereError, match="no scenes at all"):
        maker.scan(tmp_path / "scan", source)
    assert len(source.asked) <= 2 * maker.SETTINGS.workers


def test_a_source_that_stays_down_ends_the_scan_without_scores(tmp_path, maker):
    source = maker.FormulaSource(broken=shapely.box(-180, -80, 180, 80))
    with pytest.raises(IncompleteError, match="not one of"):
        maker.scan(tmp_path / "scan", source)
    assert not (tmp_path / "scan/scores.parquet").exists()
    assert (tmp_path / "scan/failures.csv").exists()
    made = maker.scan(tmp_path / "scan")
    assert made.failures == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"settings": ScanSettings(stride_px=12, tile_px=60)}, "stride_px 6, asked 12"),
        ({"query": SceneQuery(start="2022-01-01", end="2022-12-31")}, "end 2023-12-31, asked 2022"),
        ({"region": read_bbox("-60.01,2.00,-59.995,2.01")}, "area_ha"),
        ({"settings": ScanSettings(stride_px=6, tile_px=60, min_clear_views=2)}, "min_clear_views"),
    ],
)
def test_a_folder_refuses_a_scan_with_other_settings_and_says_which(whole, maker, changes, words):
    with pytest.raises(AlreadyThereError, match=words):
        maker.scan(whole.path, **changes)


def test_another_scan_takes_the_folder_only_if_it_may_and_nothing_of_others_goes(tmp_path, maker):
    out = tmp_path / "scan"
    small = {"region": read_bbox("-60.01,2.00,-60.007,2.003")}
    maker.scan(out, **small)
    (out / "detections.parquet").write_text("of others")
    other = small | {"settings": ScanSettings(stride_px=12, tile_px=60)}
    with pytest.raises(AlreadyThereError, match="stride_px 6, asked 12"):
        maker.scan(out, **other)
    again = maker.scan(out, overwrite=True, **other)
    assert read_scores(out).attrs["minewatch"]["stride_px"] == 12
    assert again.n_done == again.n_tiles
    assert (out / "detections.parquet").read_text() == "of others"
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "notes.txt").write_text("mine")
    with pytest.raises(AlreadyThereError):
        maker.scan(foreign, overwrite=True, **small)
    assert (foreign / "notes.txt").read_text() == "mine"


def test_two_scans_do_not_write_to_one_folder(tmp_path, maker):
    with _store.locked(tmp_path / "scan"), pytest.raises(LockedError):
        maker.scan(tmp_path / "scan")


def test_imagery_of_another_level_is_refused_before_any_work(tmp_path, maker):
    source = maker.FormulaSource()
    source.level = "L1C"
    with pytest.raises(LevelError, match="takes L2A"):
        maker.scan(tmp_path / "scan", source)
    assert not (tmp_path / "scan").exists()


def test_tiles_are_read_while_others_are_scored(tmp_path, maker):
    # Two tiles wait for each other: were they done one after another, this would not end.
    meeting = threading.Barrier(2, timeout=20)
    first = threading.Semaphore(2)

    def meet(geobox):
        if first.acquire(blocking=False):
            meeting.wait()

    made = maker.scan(tmp_path / "scan", maker.FormulaSource(on_load=meet))
    assert made.failures == ()


def test_no_more_tiles_are_under_way_than_there_are_workers(tmp_path, maker):
    under_way, most, lock = [0], [0], threading.Lock()

    class Counting(maker.FormulaSource):
        def load(self, geobox, query):
            with lock:
                under_way[0] += 1
                most[0] = max(most[0], under_way[0])
            try:
                return super().load(geobox, query)
            finally:
                with lock:
                    under_way[0] -= 1

    settings = maker.SETTINGS.model_copy(update={"workers": 3})
    maker.scan(tmp_path / "scan", Counting(), settings=settings)
    assert most[0] <= 3


def test_progress_says_tiles_ground_pace_and_failures(tmp_path, maker):
    told = []
    made = maker.scan(
        tmp_path / "scan",
        maker.FormulaSource(broken=BROKEN),
        progress=lambda *one: told.append(one),
    )
    steps = [step for step, _, _ in told]
    assert told[0][1:] == (0, told[-1][2])
    assert told[-1][1] == told[-1][2]
    assert [done for _, done, _ in told] == list(range(told[-1][2] + 1))
    ground_km2 = float(re.search(r"([\d,]+) km²", steps[-1]).group(1))
    assert 1.0 <= ground_km2 <= 1.5 * made.region_ha / 100
    assert "windows/s" in steps[-1]
    assert "failed" in steps[-1]


def test_the_summary_is_json_and_plain_words(whole):
    values = json.loads(json.dumps(whole.to_dict()))
    assert values["windows"] == {"scored": whole.n_windows}
    assert "not the same as no mining" in whole.describe()


def test_a_table_that_is_no_scan_is_refused(tmp_path):
    file = tmp_path / "scores.parquet"
    pd.DataFrame({"a": [1]}).to_parquet(file)
    with pytest.raises(InputError, match="no table of scores"):
        read_scores(file)


def test_grounds_that_only_touch_leave_no_trace_in_the_map(tmp_path, maker):
    # Two squares on the grid of tiles, with a corner in common; half of each is under a cloud.
    squares = [
        shapely.box(600_000, 220_200, 600_600, 220_800),
        shapely.box(600_600, 220_800, 601_200, 221_400),
    ]
    region = gpd.GeoSeries(squares, crs=32620)
    cloud = gpd.GeoSeries([shapely.box(600_300, 220_000, 600_900, 222_000)], crs=32620)
    source = maker.FormulaSource(clouded=cloud.to_crs(4326).iloc[0])
    made = maker.scan(tmp_path / "scan", source, region=region)
    missed = gpd.read_parquet(made.not_seen)
    assert set(missed.geom_type) <= {"Polygon", "MultiPolygon"}
    assert missed.is_valid.all()
    assert 20 < made.not_seen_ha < 50
    assert made.not_seen_ha == pytest.approx(missed["area_ha"].sum(), abs=0.01)


def test_lines_and_points_are_no_ground():
    mixed = shapely.GeometryCollection(
        [shapely.Point(0, 0), shapely.LineString([(0, 0), (1, 1)]), shapely.box(0, 0, 1, 1)]
    )
    assert areas_of(mixed).equals(shapely.box(0, 0, 1, 1))
    assert areas_of(shapely.Point(0, 0)).is_empty


def test_a_scan_that_saw_nothing_asks_back(tmp_path, maker):
    everywhere = shapely.box(-61, 1, -59, 3)
    region = read_bbox("-60.01,2.00,-60.007,2.003")
    made = maker.scan(tmp_path / "scan", maker.FormulaSource(clouded=everywhere), region=region)
    assert made.windows == {"no data": made.n_windows}
    assert "those that you meant?" in made.describe()
    assert made.not_seen_ha == pytest.approx(made.region_ha, rel=1e-3)
