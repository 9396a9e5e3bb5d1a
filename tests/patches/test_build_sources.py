"""Building from real sources: a folder, and servers that fail or die."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from odc.geo.geobox import GeoBox

from minewatch._http import HttpSession, RetryPolicy
from minewatch.cli._app import run
from minewatch.errors import AlreadyThereError, IncompleteError
from minewatch.grid import PatchGrid
from minewatch.imagery import FolderSource, SceneQuery, StacSource
from minewatch.imagery._signing import PlanetaryComputerSigner
from minewatch.patches import BuildSummary, PatchDataset, build_patches
from minewatch.sites import read_sites, write_sites

COLLECTION = "sentinel-2-l2a"
GRID = PatchGrid(size_px=18)
QUERY = SceneQuery(start="2023-01-01", end="2023-12-31", bands=("B04", "B8A"))
HASTY = RetryPolicy(first_wait_s=0.001, longest_wait_s=0.01, read_timeout_s=0.15)

Bytes = Callable[[Path], Mapping[str, bytes]]


@pytest.fixture(scope="module")
def sites(toy_area: GeoBox) -> gpd.GeoDataFrame:
    """Scatter 200 sites over the archive's main tile."""
    generator = np.random.default_rng(3)
    box = toy_area.boundingbox
    easting = generator.uniform(box.left + 130, box.right - 130, 200)
    northing = generator.uniform(box.bottom + 130, box.top - 130, 200)
    points = gpd.GeoSeries(gpd.points_from_xy(easting, northing), crs=toy_area.crs).to_crs(4326)
    return gpd.GeoDataFrame(
        {"label": 0, "source": "made up"},
        geometry=points.to_numpy(),
        index=pd.Index([f"s{row:03d}" for row in range(200)], name="site_id"),
        crs="EPSG:4326",
    )


def stac(server: Any) -> StacSource:
    return StacSource(server.stac_url, COLLECTION, policy=HASTY)


def build(sites: gpd.GeoDataFrame, source: Any, out: Path, **options: Any) -> BuildSummary:
    return build_patches(sites, source, QUERY, out, grid=GRID, **options)


@pytest.fixture(scope="module")
def whole(sites: gpd.GeoDataFrame, toy_archive: Path, tmp_path_factory: pytest.TempPathFactory):
    """Build from the folder, where nothing goes wrong."""
    out = tmp_path_factory.mktemp("whole") / "patches"
    build(sites, FolderSource(toy_archive), out)
    return out


def same_but_for_the_source(found: Mapping[str, bytes], expected: Mapping[str, bytes]) -> None:
    """Compare every file; the header names its source, and only the digest in it must agree."""
    assert set(found) == set(expected)
    assert [name for name in found if found[name] != expected[name]] == ["dataset.json"]


def test_every_third_request_failing_changes_no_byte(
    servers: ModuleType,
    serve_archive: Callable[..., Any],
    sites: gpd.GeoDataFrame,
    whole: Path,
    tmp_path: Path,
    bytes_below: Bytes,
) -> None:
    settings = {"signed": True, "token_uses": 20, "faults": servers.FAULTS}
    server = serve_archive(fault_rate=0.3, api_faults=True, seed=4, stall_s=0.3, **settings)
    with closing(HttpSession(HASTY)) as asking:
        signer = PlanetaryComputerSigner(
            asking, token_url=f"{server.url}/token", storage=urlsplit(server.url).netloc
        )
        source = StacSource(server.stac_url, COLLECTION, policy=HASTY, sign=signer)
        summary = build(sites, source, tmp_path / "patches")
    assert summary.n_failed == 0
    assert sum(server.counts.faults.values()) > 0.2 * server.counts.requests
    assert set(server.counts.faults) == set(servers.FAULTS), "everything that can go wrong did"
    assert server.counts.tokens > 1, "signatures were renewed"
    same_but_for_the_source(bytes_below(tmp_path / "patches"), bytes_below(whole))
    assert summary.digest == PatchDataset.open(whole).header.digest


def test_places_loaded_one_by_one_give_the_same_bytes(
    toy_archive: Path,
    sites: gpd.GeoDataFrame,
    whole: Path,
    tmp_path: Path,
    bytes_below: Bytes,
) -> None:
    class OneByOne:
        def __init__(self) -> None:
            source = FolderSource(toy_archive)
            self.level, self.name, self.load = source.level, source.name, source.load

    few = sites.iloc[:20]
    build(few, OneByOne(), tmp_path / "one")
    build(few, FolderSource(toy_archive), tmp_path / "many")
    assert bytes_below(tmp_path / "one") == bytes_below(tmp_path / "many")
    pixels = PatchDataset.open(whole).digital_numbers(few.index)
    np.testing.assert_array_equal(PatchDataset.open(tmp_path / "one").digital_numbers(), pixels)


def test_a_stopped_build_goes_on_with_the_same_items_alone(
    toy_archive: Path, sites: gpd.GeoDataFrame, tmp_path: Path
) -> None:
    few, out = sites.iloc[:3], tmp_path / "patches"
    same, other = tmp_path / "same" / "archive", tmp_path / "other" / "archive"
    for copy in (same, other):
        shutil.copytree(toy_archive, copy, copy_function=os.link)
    item = next(path for path in sorted(other.rglob("S2*.json")))
    content = item.read_text().replace(
        '"s2:processing_baseline": "0', '"s2:processing_baseline": "1'
    )
    item.unlink()
    item.write_text(content)

    def stop(_step: str, done: int, _total: int) -> None:
        if done:
            raise KeyboardInterrupt

    def source(folder: Path, collection: str | None = None) -> FolderSource:
        return FolderSource(folder, collection=collection, workers=1)

    folder = shutil.move(same, tmp_path / "first" / "archive")
    with pytest.raises(KeyboardInterrupt):
        build(few, source(folder), out, progress=stop)
    for another in (source(other), source(folder, COLLECTION)):
        with pytest.raises(
            AlreadyThereError, match=r"source folder archive.*, asked folder archive"
        ):
            build(few, another, out)
    moved = shutil.move(folder, same)
    assert build(few, source(moved), out).n_loaded < 3


def test_a_server_that_stays_down_leaves_a_list_and_nothing_else(
    serve_archive: Callable[..., Any], sites: gpd.GeoDataFrame, tmp_path: Path
) -> None:
    server = serve_archive(fault_rate=1.0, faults=("503", "reset"), in_a_row=None)
    with pytest.raises(IncompleteError, match="not one of 200 places could be loaded"):
        build(sites, stac(server), tmp_path / "patches")
    left = [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")]
    assert left == ["patches.failures.csv"]
    listed = pd.read_csv(tmp_path / "patches.failures.csv")
    assert list(listed["site_id"]) == list(sites.index)
    assert listed["reason"].str.len().gt(10).all()


KILLED = """
import os, random, signal, sys
import geopandas as gpd
from minewatch.grid import PatchGrid
from minewatch.imagery import SceneQuery, StacSource
from minewatch.patches import build_patches

out, sites, url = sys.argv[1:]
sites = gpd.read_parquet(sites)
query = SceneQuery(start="2023-01-01", end="2023-12-31", bands=("B04", "B8A"))

def build(progress=lambda *_: None):
    source = StacSource(url, "sentinel-2-l2a")
    grid = PatchGrid(size_px=18)
    return build_patches(sites, source, query, out, grid=grid, progress=progress)

chance = random.Random(7)
for at in sorted(chance.sample(range(1, 200), 3)):
    def progress(step, done, total):
        if done >= at:
            os.kill(os.getpid(), signal.SIGKILL)
    child = os.fork()
    if child == 0:
        build(progress)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert not os.path.exists(out)
print(200 - at, build().n_loaded)
"""


@pytest.mark.integration
def test_a_build_over_http_killed_three_times_at_random_gives_the_same_bytes(
    archive_server: Any,
    sites: gpd.GeoDataFrame,
    whole: Path,
    tmp_path: Path,
    bytes_below: Bytes,
) -> None:
    sites.to_parquet(tmp_path / "sites.parquet")
    words = [str(tmp_path / "patches"), str(tmp_path / "sites.parquet"), archive_server.stac_url]
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLED, *words],
        check=False,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    left, loaded = ended.stdout.split()
    assert left == loaded  # all that was loaded before the last kill was kept
    same_but_for_the_source(bytes_below(tmp_path / "patches"), bytes_below(whole))


# the command ------------------------------------------------------------------------------------


@pytest.fixture
def command(tmp_path: Path, toy_sites: gpd.GeoDataFrame, toy_archive: Path) -> Callable[..., int]:
    """Run `patches build` on some places and the archive; give the exit code."""
    write_sites(toy_sites, tmp_path / "places.geojson")

    def build_by_command(*more: str, source: str = str(toy_archive)) -> int:
        places = [] if "--like" in more else [str(tmp_path / "places.geojson")]
        said = [] if "--like" in more else ["--source", source, "--year", "2023", "--bands", "rgb"]
        return run(["patches", "build", *places, *said, "--study", str(tmp_path), *more])

    return build_by_command


def test_the_command_builds_and_does_nothing_the_second_time(
    command: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--json", "--size-px", "24") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["patches"], told["loaded_now"], told["failed"]) == (14, 14, 0)
    dataset = PatchDataset.open(tmp_path / "patches")
    assert dataset.shape == (14, 3, 24, 24)
    assert told["digest"] == dataset.header.digest
    assert command("--size-px", "24") == 0
    assert "14 patches, 0 loaded now" in capsys.readouterr().out
    assert command() == 6
    assert "size_px 24, asked 48" in capsys.readouterr().err


def test_the_command_says_by_its_exit_code_that_places_failed(
    command: Any,
    toy_archive: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    bytes_below: Bytes,
) -> None:
    source = shutil.copytree(toy_archive, tmp_path / "toy")
    missing = partly_used(source, tmp_path / "places.geojson") / "B04.tif"
    aside = missing.rename(missing.with_suffix(".aside"))
    assert command(source=str(source)) == 9
    told = capsys.readouterr()
    assert "B04.tif" in told.out
    assert "places failed" in told.err
    assert "--retry-failed" in told.err
    listed = pd.read_csv(tmp_path / "patches.failures.csv")
    assert 0 < len(listed) < 14
    aside.rename(missing)
    assert command("--retry-failed", "--json", source=str(source)) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["loaded_now"] == len(listed)
    assert command("--out", str(tmp_path / "faultless"), source=str(source)) == 0
    assert bytes_below(tmp_path / "patches") == bytes_below(tmp_path / "faultless")


def test_one_file_and_one_command_remake_a_study(
    command: Any, tmp_path: Path, toy_archive: Path, toy_sites: gpd.GeoDataFrame
) -> None:
    folder = tmp_path / "published"
    folder.mkdir()
    for label, name in ((1, "positives"), (0, "negatives")):
        of_class = toy_sites[toy_sites["label"] == label]
        write_sites(of_class.drop(columns="label"), folder / f"{name}.geojson")
    (folder / "like.toml").write_text(
        '[sites]\nmining = ["positives.geojson"]\nno_mining = ["negatives.geojson"]\n'
        '[imagery]\nsource = "earth-engine"\nlevel = "L1C"\nyear = 2023\nbands = "legacy-12"\n'
        "clear_threshold = 0.75\n[patches]\nsize_px = 48\n"
    )
    words = ["--like", str(folder / "like.toml"), "--source", str(toy_archive), "--level", "L2A"]
    assert command(*words) == 0
    dataset = PatchDataset.open(tmp_path / "patches")
    assert dataset.bands[7:9] == ("B8A", "B08")
    assert dataset.sites["label"].value_counts().to_dict() == {0: 9, 1: 5}
    header = dataset.header
    assert (header.level, header.period_start, header.size_px) == ("L2A", "2023-01-01", 48)


def partly_used(source: Path, places: Path) -> Path:
    """Find the folder of a scene that some places are made from, and some are not."""
    points, grid = read_sites(places).geometry, PatchGrid()
    geoboxes = {str(key): grid.geobox(point.x, point.y) for key, point in points.items()}
    found = dict(FolderSource(source).load_many(geoboxes, QUERY)).values()
    ids = [{scene["id"] for scene in one.attrs["scenes"]} for one in found]
    partly = sorted(set.union(*ids) - set.intersection(*ids))
    return next(source.rglob(f"{partly[0]}.json")).parent
