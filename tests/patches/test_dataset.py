import json
import pickle
import shutil
import tempfile
from datetime import date
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from minewatch.bands import reflectance_from_dn
from minewatch.errors import (
    AlreadyThereError,
    BandError,
    DatasetError,
    InputError,
    LevelError,
    NotThereError,
    PlacementError,
    SettingsError,
    SitesError,
)
from minewatch.grid import PatchGrid
from minewatch.patches import ImportSettings, PatchDataset, write_patches


def test_digital_numbers_come_back_as_they_were_written(dataset, numbers):
    assert np.array_equal(dataset.digital_numbers().to_numpy(), numbers)


def test_pixels_are_reflectance_and_nan_where_nothing_is_known(dataset, numbers):
    pixels = dataset.pixels()
    assert pixels.dtype == np.float32
    np.testing.assert_array_equal(pixels.to_numpy(), reflectance_from_dn(numbers))
    assert (pixels.attrs["level"], pixels.attrs["resolution_m"]) == ("L2A", 10.0)
    assert np.isnan(pixels.to_numpy()[numbers == 0]).all()


def test_sites_come_in_the_order_asked_and_as_often(dataset, numbers):
    asked = ["s5", "s0", "s5", "s2"]
    pixels = dataset.digital_numbers(asked)
    assert pixels["site"].to_numpy().tolist() == asked
    assert np.array_equal(pixels.to_numpy(), numbers[[5, 0, 5, 2]])


@pytest.mark.parametrize("spelling", [["B02", "B04"], ["blue", "red"], "B2,B4"])
def test_bands_come_in_the_order_asked_in_any_spelling(dataset, numbers, spelling):
    pixels = dataset.digital_numbers(["s3", "s1"], bands=spelling)
    assert pixels["band"].to_numpy().tolist() == ["B02", "B04"]
    assert np.array_equal(pixels.to_numpy(), numbers[[3, 1]][:, [2, 0]])


def test_asking_for_no_site_gives_no_patch(dataset):
    assert dataset.pixels([]).shape == (0, 3, 8, 8)


def test_unknown_sites_are_named(dataset):
    with pytest.raises(InputError, match="'s9', 'nowhere' not among the 7 sites"):
        dataset.pixels(["s1", "s9", "nowhere"])


def test_bands_that_are_not_there_are_named(dataset):
    with pytest.raises(BandError, match="B08"):
        dataset.pixels(bands=["B08"])


@pytest.mark.parametrize("n_sites", [1, 3, 7, 1024])
def test_blocks_hold_every_patch_once_in_stored_order(dataset, numbers, n_sites):
    blocks = list(dataset.blocks(n_sites))
    assert [site for block in blocks for site in block["site"].to_numpy()] == list(
        dataset.sites.index
    )
    assert np.array_equal(np.concatenate([block.to_numpy() for block in blocks]), numbers)


def test_clear_counts_are_kept_or_known_to_be_unknown(tmp_path, dataset, make_sites, make_numbers):
    counts = make_numbers(7, 8, 8, seed=1)
    counted = write_patches(
        tmp_path / "counted",
        make_sites(7),
        make_numbers(7, 3, 8, 8),
        bands="rgb",
        level="L2A",
        clear_count=counts,
    )
    assert np.array_equal(counted.clear_counts(["s4", "s1"]).to_numpy(), counts[[4, 1]])
    assert dataset.clear_counts() is None


def test_plain_xarray_opens_it_decoded_and_without_a_warning(dataset):
    with xr.open_zarr(dataset.path / "patches.zarr") as opened:
        pixels = opened["reflectance"].sel(site=["s4", "s1"], band="B03").to_numpy()
    mine = dataset.pixels(["s4", "s1"], bands=["B03"]).to_numpy()[:, 0]
    np.testing.assert_allclose(pixels, mine, rtol=1e-6)


def test_the_footprints_are_the_geometry_that_gis_programs_see(dataset):
    table = gpd.read_parquet(dataset.path / "sites.parquet")
    assert table.active_geometry_name == "footprint"
    assert table["footprint"].dropna().geom_type.eq("Polygon").all()
    assert table["footprint"].isna().to_list() == [row == 2 for row in range(7)]


def test_a_patch_lies_on_the_grid_of_its_point(dataset):
    site = dataset.sites.loc["s6"]
    grid = PatchGrid(size_px=8)
    assert dataset.geobox("s6") == grid.geobox(site["longitude"], site["latitude"])
    assert site["footprint"].covers(site["geometry"])
    assert {dataset.sites["crs"].iloc[0], dataset.sites["crs"].iloc[-1]} == {
        "EPSG:32619",
        "EPSG:32620",
    }


def test_a_patch_cut_at_its_point_is_centred_on_it(tmp_path, make_sites, numbers):
    made = write_patches(
        tmp_path / "d", make_sites(7), numbers, bands="rgb", level="L2A", cut="point"
    )
    for site in made.sites.itertuples():
        assert shapely.distance(site.footprint.centroid, site.geometry) < 1e-6
    assert set(made.sites["origin"]) == {"point"}


def test_unplaced_sites_have_no_grid(dataset):
    site = dataset.sites.loc["s2"]
    assert site["origin"] == "unplaced"
    assert np.isnan(site["longitude"])
    with pytest.raises(PlacementError, match="s2"):
        dataset.geobox("s2")


def test_further_columns_and_dates_of_the_sites_are_kept(tmp_path, make_sites, numbers):
    sites = make_sites(7).assign(start="2021-01-05", cover=list("abcdefg"))
    made = write_patches(tmp_path / "d", sites, numbers, bands="rgb", level="L2A")
    assert made.sites["cover"].to_list() == list("abcdefg")
    assert set(made.sites["start"]) == {"2021-01-05"}
    assert made.sites["label"].dtype == "Int8"


def test_an_opened_dataset_can_be_sent_to_another_process(dataset, numbers):
    sent = pickle.loads(pickle.dumps(dataset))
    assert np.array_equal(sent.digital_numbers(["s6"]).to_numpy()[0], numbers[6])


@settings(max_examples=8, deadline=None)
@given(st.permutations(range(5)), st.permutations(range(4)))
def test_the_order_of_sites_and_bands_changes_no_pixel(make_sites, make_numbers, sites, bands):
    names = np.array(["B02", "B03", "B04", "B08"])
    numbers, table = make_numbers(5, 4, 2, 2), make_sites(5)
    with tempfile.TemporaryDirectory() as folder:
        made = write_patches(
            Path(folder, "d"),
            table.iloc[list(sites)],
            numbers[list(sites)][:, list(bands)],
            bands=list(names[list(bands)]),
            level="L2A",
        )
        read = made.digital_numbers(table.index, bands=list(names)).to_numpy()
    assert np.array_equal(read, numbers)


# What cannot be written ---------------------------------------------------------------------------


def test_another_dataset_is_not_overwritten_unless_asked(tmp_path, make_sites, numbers, dataset):
    with pytest.raises(AlreadyThereError):
        write_patches(dataset.path, make_sites(7), numbers, bands="rgb", level="L2A")
    again = write_patches(
        dataset.path, make_sites(7), numbers + 1, bands="rgb", level="L2A", overwrite=True
    )
    assert np.array_equal(again.digital_numbers().to_numpy(), numbers + 1)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"bands": ["B02", "B03"]}, InputError, r"\(7, 3, 8, 8\); expected \(7, 2, 8, 8\)"),
        ({"level": "L3"}, LevelError, "L3"),
        ({"bands": "B02,B02,B03"}, BandError, "more than once"),
        ({"read_rows": np.zeros((6, 3, 8, 8), "u2")}, InputError, "6 patches and 7 sites"),
        ({"read_rows": np.zeros((7, 3, 8, 8))}, InputError, "float64"),
        ({"read_rows": np.full((7, 3, 8, 8), -1)}, InputError, "-1 to -1"),
    ],
)
def test_what_contradicts_itself_is_not_written(tmp_path, make_sites, numbers, change, error, says):
    given = {"read_rows": numbers, "bands": "rgb", "level": "L2A"} | change
    with pytest.raises(error, match=says):
        write_patches(tmp_path / "d", make_sites(7), **given)
    assert not (tmp_path / "d").exists()


def test_pixels_whose_sites_are_in_another_order_are_refused(tmp_path, make_sites, numbers):
    sites = make_sites(7)
    pixels = xr.DataArray(
        numbers, dims=("site", "band", "y", "x"), coords={"site": list(sites.index[::-1])}
    )
    with pytest.raises(InputError, match="one order"):
        write_patches(tmp_path / "d", sites, pixels, bands="rgb", level="L2A")


def _written(folder: Path, sites: gpd.GeoDataFrame, numbers, **changes) -> PatchDataset:
    given = {"bands": "rgb", "level": "L2A"} | changes
    return write_patches(folder, sites, numbers[: len(sites)], **given)


def _exchange(sites: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    return sites.set_geometry(gpd.points_from_xy(sites.geometry.y, sites.geometry.x, crs=4326))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda s: s.assign(label=5), "unknown label"),
        (lambda s: s.assign(label="perhaps"), "unknown label"),
        (lambda s: s.set_crs(None, allow_override=True), "wrong CRS: it is none"),
        (lambda s: s.to_crs(32620), "wrong CRS: it is EPSG:32620"),
        (_exchange, "swapped"),
        (lambda s: s.set_geometry(s.geometry.translate(0, 80)), "out of range"),
        (lambda s: s.set_geometry(s.geometry.buffer(0.1)), "not a point"),
        (lambda s: s.set_axis([*"aabcdef"], axis=0), "duplicate id"),
        (lambda s: s.set_axis([*"abcdef", " "], axis=0), "missing id"),
        (lambda s: s.set_axis([*"abcdef", None], axis=0), "ids are empty"),
        (lambda s: s.iloc[:0], "at least one"),
    ],
)
@pytest.mark.filterwarnings("ignore:Geometry is in a geographic CRS")
def test_a_table_that_breaks_its_schema_is_refused(tmp_path, make_sites, numbers, spoil, says):
    with pytest.raises(SitesError, match=says):
        _written(tmp_path / "d", spoil(make_sites(7)), numbers)


def test_faults_of_the_sites_are_named_together(tmp_path, make_sites, numbers):
    sites = make_sites(7).set_axis([*"aabcde", " "], axis=0)
    with pytest.raises(SitesError) as caught:
        _written(tmp_path / "d", sites, numbers)
    assert len(caught.value.faults) == 2


def test_places_and_labels_that_a_table_may_lack_are_not_asked_for(tmp_path, make_sites, numbers):
    bare = gpd.GeoDataFrame(index=[f"s{row}" for row in range(7)])
    assert set(_written(tmp_path / "a", bare, numbers).sites["origin"]) == {"unplaced"}
    sites = make_sites(7, unplaced=(1,)).drop(columns=["label", "source"])
    twice = sites.set_geometry(sites.geometry.where(sites.index != "s3", sites.geometry["s2"]))
    made = _written(tmp_path / "b", twice.assign(label=[1, 1, 0, 1, pd.NA, 0, 0]), numbers)
    assert made.sites["longitude"].notna().sum() == 6
    assert made.sites["label"].isna().to_list() == [False] * 4 + [True] + [False] * 2


@pytest.mark.parametrize(
    "change",
    [
        {"sites": lambda s: s.assign(label=1)},
        {"sites": lambda s: s.assign(cover="river")},
        {"sites": lambda s: s.assign(start="2023-01-01")},
        {"sites": lambda s: s.set_geometry(s.geometry.translate(1e-9))},
        {"cut": "point"},
    ],
)
def test_what_the_table_says_changes_its_digest_and_not_that_of_the_pixels(
    tmp_path, make_sites, numbers, change
):
    first = _written(tmp_path / "a", make_sites(7), numbers).header
    sites = change.pop("sites", lambda same: same)(make_sites(7))
    second = _written(tmp_path / "b", sites, numbers, **change).header
    assert first.digest == second.digest
    assert first.sites_digest != second.sites_digest
    assert first.request != second.request


def test_the_digest_of_the_table_does_not_hang_on_the_order_of_rows(tmp_path, make_sites, numbers):
    first = _written(tmp_path / "a", make_sites(7), numbers)
    second = _written(tmp_path / "b", make_sites(7).iloc[::-1], numbers)
    assert first.header.sites_digest == second.header.sites_digest
    assert first.header.digest != second.header.digest
    assert first.summary()["sites_digest"] == first.header.sites_digest


@pytest.mark.parametrize(
    ("period", "says"),
    [
        (("2023-13-01", "2023-12-31"), "'2023-13-01' is not a day that there is"),
        (("banana", "2023-12-31"), "'banana' is not a day; expected an ISO date"),
        (("2023-1-1", "2023-12-31"), "'2023-1-1'"),
        (("2023-12-31", "2023-01-01"), "before it"),
    ],
)
def test_a_period_that_cannot_be_is_refused(tmp_path, make_sites, numbers, period, says):
    with pytest.raises(SettingsError, match=says):
        _written(tmp_path / "d", make_sites(7), numbers, period=period)
    with pytest.raises(SettingsError, match=says):
        ImportSettings(bands="rgb", level="L2A", period=period)


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"start": "2023-13-01"}, r"'start' holds what is no ISO date .*'2023-13-01' \(s0\)"),
        ({"end": ["2023-12-31"] * 6 + ["soon"]}, r"'end' .*: 'soon' \(s6\)$"),
        ({"start": 2023}, "'2023'"),
        ({"start": "2023-02-01", "end": "2023-01-31"}, r"s0 \(2023-02-01 to 2023-01-31\).*2 more"),
    ],
)
def test_days_of_sites_that_cannot_be_are_refused(tmp_path, make_sites, numbers, columns, says):
    with pytest.raises(SitesError, match=says):
        _written(tmp_path / "d", make_sites(7).assign(**columns), numbers)


@pytest.mark.parametrize(
    "day",
    ["2023-01-02", "2023-01-02T10:20:30Z", "2023-01-02 10:20", date(2023, 1, 2),
     pd.Timestamp("2023-01-02 23:59"), pd.Timestamp("2023-01-02", tz="UTC")],
)  # fmt: skip
def test_days_are_kept_however_they_are_written(tmp_path, make_sites, numbers, day):
    made = _written(tmp_path / "d", make_sites(7).assign(start=[day] * 6 + [None]), numbers)
    assert made.sites["start"].iloc[0] == "2023-01-02"
    assert made.sites["start"].isna().to_list() == [False] * 6 + [True]


# What cannot be opened ----------------------------------------------------------------------------


def test_a_folder_that_is_not_there_is_told_from_one_that_is_no_dataset(tmp_path):
    with pytest.raises(NotThereError):
        PatchDataset.open(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match=r"dataset\.json"):
        PatchDataset.open(tmp_path)


def _edit_header(folder: Path, **changes: object) -> None:
    path = folder / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda d: _edit_header(d, format_version=2), "version 2"),
        (lambda d: _edit_header(d, size_px=9), "header says"),
        (lambda d: _edit_header(d, levle="L1C"), "levle"),
        (lambda d: _edit_header(d, period_start="banana"), "banana"),
        (lambda d: (d / "dataset.json").write_text("{"), "JSON"),
        (lambda d: (d / "sites.parquet").unlink(), "sites.parquet is missing"),
        (lambda d: (d / "sites.parquet").write_bytes(b"PAR1"), "GeoParquet"),
        (lambda d: (d / "patches.zarr/reflectance/c/0/0/0/0").unlink(), "lacks shards 0"),
        (lambda d: shutil.rmtree(d / "patches.zarr/reflectance"), "reflectance"),
        (lambda d: shutil.rmtree(d / "patches.zarr/site"), "site"),
    ],
)
def test_what_is_damaged_is_named_when_it_is_opened(dataset, damage, says):
    damage(dataset.path)
    with pytest.raises(DatasetError, match=says):
        PatchDataset.open(dataset.path)


def test_a_table_of_other_sites_is_not_joined_to_the_pixels(dataset):
    path = dataset.path / "sites.parquet"
    table = gpd.read_parquet(path)
    table.iloc[::-1].to_parquet(path)
    with pytest.raises(DatasetError, match="different sites"):
        PatchDataset.open(dataset.path)


def test_damaged_pixels_are_an_error_when_they_are_read(dataset):
    shard = dataset.path / "patches.zarr/reflectance/c/0/0/0/0"
    shard.write_bytes(shard.read_bytes()[:-30])
    with pytest.raises(DatasetError, match="damaged"):
        PatchDataset.open(dataset.path).pixels()


def test_a_damaged_patch_is_an_error_in_one_line_and_the_others_are_read(dataset, numbers):
    shard = dataset.path / "patches.zarr/reflectance/c/0/0/0/0"
    damaged = bytearray(shard.read_bytes())
    damaged[200:212] = bytes(byte ^ 0xFF for byte in damaged[200:212])
    shard.write_bytes(damaged)
    opened = PatchDataset.open(dataset.path)
    for read in (
        lambda: opened.pixels(["s0"]),
        lambda: opened.pixels(["s0"], bands="B04"),
        lambda: list(opened.blocks()),
    ):
        with pytest.raises(DatasetError) as caught:
            read()
        assert str(caught.value) == (
            f"{dataset.path} is damaged: pixels on disk are not what was written; import it again"
        )
    assert np.array_equal(opened.digital_numbers(["s6"])[0], numbers[6])
