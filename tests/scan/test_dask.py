"""A cluster gives the same bytes as the local pool, and workers may die."""

import os
import signal
import subprocess
import sys
import threading
from functools import partial

import pytest

from minewatch.errors import IncompleteError, InputError, MissingExtraError
from minewatch.imagery import SceneQuery, open_source
from minewatch.scan import ScanSettings, _pools, scan_region

pytestmark = pytest.mark.integration
QUERY = SceneQuery(start="2023-01-01", end="2023-12-31")
SETTINGS = ScanSettings(stride_px=24, tile_px=96)


@pytest.fixture(scope="module")
def client():
    distributed = pytest.importorskip("distributed")
    dask = pytest.importorskip("dask")
    with (  # a worker asks one that has died for so long
        dask.config.set({"distributed.comm.timeouts.connect": "2s"}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as connected,
    ):
        yield connected


@pytest.fixture(scope="module")
def scan_toy(toy_archive, toy_area, maker):
    import geopandas as gpd
    import shapely

    region = gpd.GeoSeries([shapely.box(*toy_area.boundingbox)], crs=toy_area.crs.epsg)

    def scan(out, **changes):
        detector = maker.make_detector(48)
        source = changes.pop("source", partial(open_source, str(toy_archive)))
        return scan_region(region, detector, source, QUERY, out, settings=SETTINGS, **changes)

    return scan


def test_a_cluster_of_which_a_worker_is_killed_gives_the_bytes_of_the_local_pool(
    tmp_path, scan_toy, client
):
    killed = []

    def kill_one(step, done, total):
        if done == 2 and not killed:
            pid = next(iter(client.run(os.getpid).values()))
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)

    local = scan_toy(tmp_path / "local")
    spread = scan_toy(tmp_path / "spread", client=client, progress=kill_one)
    assert killed
    assert spread.failures == ()
    assert spread.n_done == spread.n_tiles == local.n_tiles >= 9
    for name in ("scores.parquet", "not_seen.parquet"):
        assert (local.path / name).read_bytes() == (spread.path / name).read_bytes()


def test_a_scan_begun_here_is_finished_on_a_cluster_by_its_address(tmp_path, scan_toy, client):
    def stop(step, done, total):
        if done == 4:
            raise KeyboardInterrupt

    out = tmp_path / "scan"
    with pytest.raises(KeyboardInterrupt):
        scan_toy(out, progress=stop)
    ended = scan_toy(out, client=client.scheduler.address)
    assert ended.n_done <= ended.n_tiles - 4
    whole = scan_toy(tmp_path / "whole")
    assert ended.scores.read_bytes() == whole.scores.read_bytes()


def test_a_cluster_is_given_what_opens_the_imagery(tmp_path, scan_toy, client, toy_archive):
    with pytest.raises(InputError, match=r"functools\.partial\(open_source"):
        scan_toy(tmp_path / "scan", client=client, source=open_source(toy_archive))


def test_an_address_where_no_scheduler_answers_is_said_so(tmp_path, scan_toy, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(_pools, "CONNECT_S", 0.5)
    with pytest.raises(InputError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        scan_toy(tmp_path / "scan", client="tcp://127.0.0.1:9")


def test_without_dask_the_extra_is_named(tmp_path, scan_toy, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r"minewatch\[dask\]"):
        scan_toy(tmp_path / "scan", client="tcp://127.0.0.1:8786")


LOST = """
import sys
import distributed
cluster = distributed.LocalCluster(
    n_workers=1, threads_per_worker=1, processes=False, protocol="tcp://", dashboard_address=":0"
)
print(cluster.scheduler_address, flush=True)
sys.stdin.read()
"""


def test_a_scan_whose_scheduler_is_killed_ends_with_a_word_and_goes_on(tmp_path, scan_toy):
    pytest.importorskip("distributed")
    out, raised = tmp_path / "scan", []
    cluster = subprocess.Popen(
        [sys.executable, "-c", LOST], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def kill(step, done, total):
        if done == 2:
            cluster.kill()

    def scan():
        try:
            scan_toy(out, client=address, progress=kill)
        except IncompleteError as error:
            raised.append(str(error))

    with cluster:
        address = cluster.stdout.readline().strip()
        scanning = threading.Thread(target=scan, daemon=True)
        scanning.start()
        scanning.join(timeout=600)  # it ends long before, or never
        cluster.kill()
    assert not scanning.is_alive(), "it waits for a scheduler that is gone"
    assert "the Dask scheduler was lost" in raised[0]
    ended = scan_toy(out)
    assert ended.failures == ()
    assert ended.n_done <= ended.n_tiles - 2
