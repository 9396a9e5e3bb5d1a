"""Scenes of which a file is gone, or damaged, for good: a failure, or left out and said so."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
import rasterio
import rasterio.shutil
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox

from minewatch._http import RetryPolicy
from minewatch.errors import ImageryError
from minewatch.imagery import FolderSource, SceneQuery, StacSource
from minewatch.imagery._cog_layout import read_layout
from minewatch.patches import PatchDataset, build_patches
from minewatch.types import Failure

COLLECTION = "sentinel-2-l2a"
QUERY = SceneQuery(start="2023-01-01", end="2023-12-31", bands=("B02", "B05"))
LEAVING_OUT = SceneQuery(**{**dict(QUERY), "broken_scenes": "leave_out"})
HASTY = RetryPolicy(first_wait_s=0.001, longest_wait_s=0.01, read_timeout_s=2.0)
WATCHED = ("reflectance", "clear_count")


@pytest.fixture
def archive(toy_archive: Path, tmp_path: Path) -> Path:
    """Give an archive of one's own to break."""
    copy = tmp_path / "toy"
    shutil.copytree(toy_archive, copy, copy_function=os.link)
    return copy


@pytest.fixture(scope="module")
def places(toy_area: GeoBox) -> dict[str, GeoBox]:
    box = toy_area.boundingbox
    corners = {"north-west": (0, 0), "south-east": (1860, -1860)}
    return {
        name: GeoBox((48, 48), Affine(10, 0, box.left + right, 0, -10, box.top + up), toy_area.crs)
        for name, (right, up) in corners.items()
    }


def clear_item(archive: Path) -> Path:
    """Give the item of the scene with the fewest clouds."""
    items = [path for path in archive.rglob("S2*.json") if "20NMN" in path.name]

    def cloud(path: Path) -> tuple[float, str]:
        item = json.loads(path.read_text())
        return item["properties"]["eo:cloud_cover"], path.name

    return min(items, key=cloud)


def replace(path: Path, body: bytes) -> None:
    path.unlink()  # a hard link, shared with others
    path.write_bytes(body)


def garble(path: Path) -> None:
    replace(path, b"<html>moved</html>" * 2000)


def assert_equal(found: xr.Dataset | Failure, expected: xr.Dataset | Failure) -> None:
    assert isinstance(found, xr.Dataset), found
    assert isinstance(expected, xr.Dataset), expected
    for name in WATCHED:
        assert found[name].values.tobytes() == expected[name].values.tobytes()


@pytest.mark.parametrize("served", [False, True], ids=["folder", "http"])
@pytest.mark.parametrize("file", ["SCL.tif", "B05.tif"])
@pytest.mark.parametrize("damage", [Path.unlink, garble], ids=["gone", "garbage"])
def test_broken_scene_is_left_out_as_if_it_were_not_listed(
    damage: Callable[[Path], None],
    file: str,
    served: bool,
    archive: Path,
    places: Mapping[str, GeoBox],
    serve_archive: Callable[..., Any],
) -> None:
    item = clear_item(archive)
    damage(item.with_name(file))
    source: Any = FolderSource(archive)
    if served:
        source = StacSource(serve_archive(archive).stac_url, COLLECTION, policy=HASTY)
    refused = dict(source.load_many(places, QUERY))
    found = dict(source.load_many(places, LEAVING_OUT))
    item.rename(item.with_suffix(".hidden"))
    expected = dict(FolderSource(archive).load_many(places, QUERY))
    for key in places:
        assert isinstance(refused[key], Failure)
        assert file in refused[key].reason
        assert_equal(found[key], expected[key])
        assert "left_out" not in expected[key].attrs
        (said,) = found[key].attrs["left_out"]
        assert said["id"] == item.stem
        assert file in said["reason"]
        assert str(archive.resolve()) not in said["reason"]


def test_only_places_that_need_the_damaged_part_leave_the_scene_out(
    archive: Path, places: Mapping[str, GeoBox]
) -> None:
    intact = dict(FolderSource(archive).load_many(places, QUERY))
    item = clear_item(archive)
    file = item.with_name("B02.tif")
    cut_into_blocks(file)
    body = bytearray(file.read_bytes())
    start, stop = read_layout(bytes(body), len(body)).span(0)
    body[start + 40 : stop - 40] = bytes(stop - start - 80)
    replace(file, bytes(body))
    failed = dict(FolderSource(archive).load_many(places, QUERY))
    assert isinstance(failed["north-west"], Failure)
    assert_equal(failed["south-east"], intact["south-east"])
    found = dict(FolderSource(archive).load_many(places, LEAVING_OUT))
    assert [one["id"] for one in found["north-west"].attrs["left_out"]] == [item.stem]
    assert "left_out" not in found["south-east"].attrs
    assert_equal(found["south-east"], intact["south-east"])
    alone = FolderSource(archive).load(places["north-west"], LEAVING_OUT)
    assert_equal(alone, found["north-west"])


def cut_into_blocks(path: Path) -> None:
    """Write a file again in blocks of 64 pixels."""
    aside = path.with_suffix(".aside.tif")
    with rasterio.open(path) as plain:
        rasterio.shutil.copy(
            plain, aside, driver="COG", compress="DEFLATE", predictor="YES", blocksize=128
        )
    path.unlink()
    aside.rename(path)


@pytest.mark.parametrize("fault", ["503", "reset", "truncated"])
def test_server_that_is_down_breaks_no_scene(
    fault: str, serve_archive: Callable[..., Any], places: Mapping[str, GeoBox]
) -> None:
    server = serve_archive(fault_rate=1.0, faults=(fault,), in_a_row=None)
    source = StacSource(server.stac_url, COLLECTION, policy=HASTY)
    outcomes = dict(source.load_many(places, LEAVING_OUT))
    assert all(isinstance(one, Failure) for one in outcomes.values())
    assert not any("are broken" in one.reason for one in outcomes.values())


def test_place_whose_scenes_are_all_broken_fails(
    archive: Path, places: Mapping[str, GeoBox]
) -> None:
    for path in archive.rglob("SCL.tif"):
        path.unlink()
    with pytest.raises(ImageryError, match=r"all \d+ scenes that show it are broken: .*SCL\.tif"):
        FolderSource(archive).load(places["north-west"], LEAVING_OUT)


def test_dataset_says_which_scenes_were_left_out(
    archive: Path, toy_sites: gpd.GeoDataFrame, tmp_path: Path
) -> None:
    item = clear_item(archive)
    item.with_name("B05.tif").unlink()
    out = tmp_path / "patches"
    build_patches(toy_sites, FolderSource(archive), LEAVING_OUT, out)
    dataset = PatchDataset.open(out)
    assert dataset.sites["left_out"].str.startswith(f"{item.stem} (").all()
    assert dataset.sites["left_out"].str.contains("B05.tif").all()
    assert dataset.header.imagery is not None
    assert dataset.header.imagery.query.broken_scenes == "leave_out"
