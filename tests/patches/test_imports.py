import pickle
import warnings
from datetime import date
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from affine import Affine

from minewatch.errors import (
    AlreadyThereError,
    BandError,
    InputError,
    NotThereError,
    PlacementError,
    RoundedWarning,
    UnplacedWarning,
    UnsafePickleError,
)
from minewatch.patches import (
    ImportSettings,
    PatchDataset,
    import_arrays,
    import_geotiffs,
    import_legacy,
    legacy_companions,
)

RGB = ImportSettings(bands="rgb", level="L2A")


@pytest.fixture
def chips(make_numbers) -> np.ndarray:
    """Five patches, dims (site, y, x, band), int16 as the imagery of others often comes."""
    return (make_numbers(5, 8, 8, 3) + 100).astype("int16")


def banded(dataset: PatchDataset, site_ids=None) -> np.ndarray:
    return np.moveaxis(dataset.digital_numbers(site_ids).to_numpy(), 1, -1)


# Arrays -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_array_files_are_imported_with_the_sites_that_are_said_to_follow(
    tmp_path, chips, make_sites, suffix
):
    file = tmp_path / f"chips{suffix}"
    np.save(file, chips) if suffix == ".npy" else np.savez(file, chips)
    made = import_arrays(file, tmp_path / "d", RGB, sites=make_sites(5), rows_follow_sites=True)
    assert np.array_equal(banded(made), chips)
    assert made.sites["label"].to_list() == [0, 1, 0, 1, 0]
    assert set(made.sites["origin"]) == {"point"}
    assert made.header.inputs[file.name].startswith("sha256:")


def test_bands_may_come_first(tmp_path, chips, make_sites):
    settings = RGB.model_copy(update={"band_axis": "first"})
    turned = np.moveaxis(chips, -1, 1)
    made = import_arrays(
        turned, tmp_path / "d", settings, sites=make_sites(5), rows_follow_sites=True
    )
    assert np.array_equal(banded(made), chips)
    with pytest.raises(BandError, match="bands come first"):
        import_arrays(turned, tmp_path / "e", RGB)


def test_a_column_of_rows_places_patches_whatever_the_order_of_the_table(
    tmp_path, chips, make_sites
):
    settings = RGB.model_copy(update={"row_column": "row"})
    sites = make_sites(5).assign(row=[3, 1, 4, 0, 2])
    made = import_arrays(chips, tmp_path / "d", settings, sites=sites)
    for site_id, row in sites["row"].items():
        assert np.array_equal(banded(made, [site_id])[0], chips[row])
    assert made.sites.loc[sites.index, "longitude"].to_list() == sites.geometry.x.to_list()


@pytest.mark.parametrize("rows", [[0, 1, 2, 3, 3], [1, 2, 3, 4, 5], [0, 1, 2, 3, None]])
def test_a_column_that_does_not_name_every_row_once_is_refused(tmp_path, chips, make_sites, rows):
    settings = RGB.model_copy(update={"row_column": "row"})
    with pytest.raises(PlacementError, match="each row from 0 to 4 once"):
        import_arrays(chips, tmp_path / "d", settings, sites=make_sites(5).assign(row=rows))


def test_a_table_is_never_joined_by_row_without_a_word(tmp_path, chips, make_sites):
    with pytest.raises(PlacementError, match="rows_follow_sites"):
        import_arrays(chips, tmp_path / "d", RGB, sites=make_sites(5))


def test_a_table_of_another_length_is_refused_with_both_numbers(tmp_path, chips, make_sites):
    with pytest.raises(PlacementError, match="5 patches and the table 6 sites"):
        import_arrays(chips, tmp_path / "d", RGB, sites=make_sites(6), rows_follow_sites=True)


def test_without_a_table_patches_are_unplaced_and_that_is_said(tmp_path, chips):
    np.save(tmp_path / "chips.npy", chips)
    with pytest.warns(UnplacedWarning, match="5 of 5"):
        made = import_arrays(tmp_path / "chips.npy", tmp_path / "d", RGB)
    assert made.sites.index[0] == "chips-0001"
    assert set(made.sites["origin"]) == {"unplaced"}
    assert made.sites["label"].isna().all()


def test_sites_without_coordinates_are_unplaced_but_keep_their_labels(tmp_path, chips, make_sites):
    sites = make_sites(5, unplaced=(1, 3))
    with pytest.warns(UnplacedWarning, match="2 of 5"):
        made = import_arrays(chips, tmp_path / "d", RGB, sites=sites, rows_follow_sites=True)
    assert made.sites["label"].to_list() == [0, 1, 0, 1, 0]


def test_periods_of_the_sites_are_kept_under_whatever_name(tmp_path, chips, make_sites):
    settings = RGB.model_copy(update={"start_column": "t1_start", "end_column": "t1_end"})
    sites = make_sites(5).assign(
        t1_start=pd.to_datetime(["2021-01-01"] * 4 + [None]), t1_end="2021-12-31"
    )
    made = import_arrays(chips, tmp_path / "d", settings, sites=sites, rows_follow_sites=True)
    assert made.sites["start"].iloc[0] == "2021-01-01"
    assert pd.isna(made.sites["start"].iloc[4])
    assert made.summary()["last_day"] == "2021-12-31"


def test_what_had_to_be_changed_is_told_and_kept(tmp_path, make_sites):
    array = np.full((5, 8, 8, 3), 0.12344, dtype="float32")
    array[0, 0, 0, 0] = -0.2
    settings = ImportSettings(bands="rgb", level="L2A", scaling="reflectance")
    with pytest.warns(RoundedWarning, match=r"0\.4 digital numbers.*negative"):
        made = import_arrays(
            array, tmp_path / "d", settings, sites=make_sites(5), rows_follow_sites=True
        )
    assert made.header.conversion["below_one"] == 1
    assert made.header.source_values.dtype == "float32"


def test_numbers_that_are_none_are_counted_for_the_dataset_and_for_each_site(tmp_path, make_sites):
    array = np.full((1030, 2, 2, 3), 0.25, dtype="float32")
    array[3, 0, 0], array[1025, 0, 0, 0] = np.nan, np.inf
    array[7] = 0.0  # the no-data number, which is something else
    settings = ImportSettings(bands="rgb", level="L2A", scaling="reflectance")
    given = {"sites": make_sites(1030), "rows_follow_sites": True}
    made = import_arrays(array, tmp_path / "d", settings, **given)
    assert made.header.conversion == {"no_data": 12, "not_a_number": 4}
    counts = made.sites["n_nan_values"]
    assert counts.dtype == "Int64"
    assert counts[counts > 0].to_dict() == {"s3": 3, "s1025": 1}
    clean = import_arrays(
        np.full((1030, 2, 2, 3), 2000, "u2"),
        tmp_path / "e",
        RGB,
        sites=made.sites,
        rows_follow_sites=True,
    )
    assert "n_nan_values" not in clean.sites


def test_inputs_of_one_name_keep_digests_of_their_own(tmp_path, chips, make_sites):
    folders = [tmp_path / "mining", tmp_path / "forest"]
    for folder, rows in zip(folders, (slice(0, 2), slice(2, 5)), strict=True):
        folder.mkdir()
        write_pair(folder, "points", chips[rows], [1] * len(chips[rows]))
        points = make_sites(5).iloc[rows].drop(columns="label").reset_index(names="id")
        points.to_file(folder / "points.geojson")
    files = [folder / "points_patch_arrays.pkl" for folder in folders]
    made = import_legacy(files, tmp_path / "d", RGB, rows_follow_points=True)
    assert {"mining/points.geojson", "forest/points.geojson"} < set(made.header.inputs)
    assert len(set(made.header.inputs.values())) == 6


def test_days_of_a_settings_file_may_be_dates():
    settings = RGB.model_validate(
        {"bands": "rgb", "level": "L2A", "period": [date(2023, 1, 1), date(2023, 12, 31)]}
    )
    assert settings.period == ("2023-01-01", "2023-12-31")


@pytest.mark.parametrize(
    ("array", "error", "says"),
    [
        (np.zeros((5, 8, 8)), InputError, "four dimensions"),
        (np.zeros((5, 8, 9, 3)), InputError, "squares"),
        (np.zeros((5, 8, 8, 4)), BandError, "4 bands, and 3 bands were named"),
        (np.zeros((0, 8, 8, 3)), InputError, "no patch"),
        (np.full((5, 8, 8, 3), 0.3), InputError, "'reflectance'"),
    ],
)
@pytest.mark.filterwarnings("ignore::minewatch.errors.UnplacedWarning")
def test_arrays_that_contradict_what_is_said_are_refused(tmp_path, array, error, says):
    with pytest.raises(error, match=says):
        import_arrays(array, tmp_path / "d", RGB)
    assert not (tmp_path / "d").exists()


def test_array_files_that_cannot_be_used_are_named(tmp_path, chips):
    np.savez(tmp_path / "two.npz", t0=chips, t1=chips)
    np.save(tmp_path / "objects.npy", np.array([{}, {}], dtype=object), allow_pickle=True)
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(InputError, match="t0, t1"):
        import_arrays(tmp_path / "two.npz", tmp_path / "d", RGB)
    with pytest.raises(InputError, match=r"objects\.npy"):
        import_arrays(tmp_path / "objects.npy", tmp_path / "d", RGB)
    with pytest.raises(InputError, match=r"broken\.npz"):
        import_arrays(tmp_path / "broken.npz", tmp_path / "d", RGB)
    with pytest.raises(NotThereError, match=r"none\.npz"):
        import_arrays(tmp_path / "none.npz", tmp_path / "d", RGB)


def test_another_array_of_the_same_file_is_another_import(tmp_path, chips, make_sites, monkeypatch):
    file = tmp_path / "two.npz"
    np.savez(file, t0=chips, t1=chips + 1)
    given = {"sites": make_sites(5), "rows_follow_sites": True}

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_arrays(file, tmp_path / "d", RGB, key="t0", progress=stop, **given)
    with pytest.raises(AlreadyThereError):
        import_arrays(file, tmp_path / "d", RGB, key="t1", **given)


def test_bands_levels_and_scalings_that_are_not_known_fail_by_name():
    for wrong, says in [
        ({"bands": "legacy-11"}, "legacy-11"),
        ({"level": "L3"}, "L1C"),
        ({"scaling": "percent"}, "percent"),
        ({"scalling": "dn"}, "scalling"),
    ]:
        with pytest.raises(ValueError, match=says):
            ImportSettings(**{"bands": "rgb", "level": "L2A"} | wrong)


# Legacy pickles -----------------------------------------------------------------------------------


def write_pair(folder: Path, stem: str, patches: object, labels: object) -> Path:
    file = folder / f"{stem}_patch_arrays.pkl"
    file.write_bytes(pickle.dumps(patches))
    (folder / f"{stem}_patch_array_labels.pkl").write_bytes(pickle.dumps(labels))
    return file


@pytest.fixture
def legacy(tmp_path, chips, make_sites) -> Path:
    """Two pairs with their point files: an array of two patches and a list of three."""
    folder = tmp_path / "legacy"
    folder.mkdir()
    sites = make_sites(5).drop(columns="label").reset_index(names="id")
    for stem, rows, patches in [
        ("forest", slice(0, 2), chips[:2]),
        ("mines", slice(2, 5), list(chips[2:])),
    ]:
        write_pair(folder, stem, patches, [int(stem == "mines")] * len(patches))
        sites.iloc[rows].to_file(folder / f"{stem}.geojson")
    return folder


def test_legacy_pickles_are_imported_unplaced_unless_told_otherwise(tmp_path, legacy, chips):
    with pytest.warns(UnplacedWarning, match="order of download"):
        made = import_legacy(legacy, tmp_path / "d", RGB)
    assert np.array_equal(banded(made), chips)
    assert list(made.sites.index) == [
        "forest-0001", "forest-0002", "mines-0001", "mines-0002", "mines-0003",
    ]  # fmt: skip
    assert made.sites["label"].to_list() == [0, 0, 1, 1, 1]
    assert made.sites.geometry.isna().all()


def test_rows_follow_points_where_that_is_stated(tmp_path, legacy, chips, make_sites):
    made = import_legacy(legacy, tmp_path / "d", RGB, rows_follow_points=True)
    assert list(made.sites.index) == list(make_sites(5).index)
    assert np.array_equal(banded(made, ["s3"])[0], chips[3])
    assert made.sites["longitude"].to_list() == pytest.approx(make_sites(5).geometry.x.to_list())
    assert set(made.header.inputs) == {path.name for path in legacy.iterdir()}


def test_a_list_of_ids_says_what_rows_are(tmp_path, legacy, chips):
    file = legacy / "mines_patch_arrays.pkl"
    (tmp_path / "order.txt").write_text("s4\ns2\ns3\n")
    made = import_legacy(file, tmp_path / "d", RGB, order=tmp_path / "order.txt")
    assert np.array_equal(banded(made, ["s2", "s3", "s4"]), chips[[3, 4, 2]])
    points = gpd.read_file(legacy / "mines.geojson").set_index("id")
    assert made.sites.loc["s4", "longitude"] == points.loc["s4"].geometry.x


def test_a_file_of_tiles_in_row_order_says_where_rows_lie(tmp_path, legacy, chips, make_sites):
    tiles = make_sites(5).iloc[[4, 2, 3]].drop(columns="label").reset_index(names="site_id")
    tiles["geometry"] = tiles.geometry.to_crs(3857).buffer(240, cap_style="square").to_crs(4326)
    tiles.to_file(tmp_path / "tiles.geojson")
    file = legacy / "mines_patch_arrays.pkl"
    made = import_legacy(file, tmp_path / "d", RGB, order=tmp_path / "tiles.geojson")
    assert np.array_equal(banded(made, ["s4"])[0], chips[2])
    assert made.sites.loc["s4", "longitude"] == pytest.approx(make_sites(5).geometry.x["s4"])


@pytest.mark.parametrize(
    ("ids", "says"),
    [("s4\ns2\n", "3 patches and order.txt 2"), ("s4\ns2\ns9\n", "s9"), ("s4\ns4\ns2\n", "once")],
)
def test_an_order_that_cannot_be_is_refused(tmp_path, legacy, ids, says):
    (tmp_path / "order.txt").write_text(ids)
    file = legacy / "mines_patch_arrays.pkl"
    with pytest.raises(PlacementError, match=says):
        import_legacy(file, tmp_path / "d", RGB, order=tmp_path / "order.txt")


def test_numbers_of_rows_and_points_that_differ_are_both_named(tmp_path, legacy):
    points = legacy / "mines.geojson"
    gpd.read_file(points).iloc[:2].to_file(points)
    with pytest.raises(PlacementError, match=r"3 patches and mines\.geojson 2 sites"):
        import_legacy(legacy, tmp_path / "d", RGB, rows_follow_points=True)


def test_labels_that_contradict_the_points_betray_another_order(tmp_path, legacy):
    points = legacy / "mines.geojson"
    gpd.read_file(points).assign(label=[1, 0, 1]).to_file(points)
    with pytest.raises(PlacementError, match="1 of 3 labels contradict"):
        import_legacy(legacy, tmp_path / "d", RGB, rows_follow_points=True)


def test_rows_cannot_follow_points_that_are_not_there(tmp_path, legacy):
    (legacy / "mines.geojson").unlink()
    with pytest.raises(PlacementError, match=r"mines\.geojson"):
        import_legacy(legacy, tmp_path / "d", RGB, rows_follow_points=True)


def test_two_statements_about_rows_are_one_too_many(tmp_path, legacy):
    with pytest.raises(PlacementError, match="give one"):
        import_legacy(
            legacy, tmp_path / "d", RGB, order=legacy / "mines.geojson", rows_follow_points=True
        )


def test_ids_that_come_in_two_files_get_the_names_of_their_files(tmp_path, legacy):
    for stem in ("forest", "mines"):
        points = gpd.read_file(legacy / f"{stem}.geojson")
        points.assign(id=[str(row) for row in range(len(points))]).to_file(
            legacy / f"{stem}.geojson"
        )
    made = import_legacy(legacy, tmp_path / "d", RGB, rows_follow_points=True)
    assert list(made.sites.index) == ["forest-0", "forest-1", "mines-0", "mines-1", "mines-2"]


@pytest.mark.parametrize(
    ("patches", "labels", "error", "says"),
    [
        ([np.zeros((8, 8, 3)), np.zeros((8, 7, 3))], [0, 0], InputError, r"patch 1 \(8, 7, 3\)"),
        ("patches", [0], InputError, "holds a str"),
        (np.ones((2, 8, 8, 3), "i2"), [0], InputError, "2 patches and .* 1 labels"),
        (np.ones((2, 8, 8, 3), "i2"), [0, 7], InputError, "label 7"),
        ({"patches": 1}, [0], UnsafePickleError, "EMPTY_DICT"),
    ],
)
@pytest.mark.filterwarnings("ignore::minewatch.errors.UnplacedWarning")
def test_pickles_that_hold_something_else_are_refused(tmp_path, patches, labels, error, says):
    file = write_pair(tmp_path, "odd", patches, labels)
    with pytest.raises(error, match=says):
        import_legacy(file, tmp_path / "d", RGB)


def test_lists_of_lists_of_numbers_and_missing_labels_are_read(tmp_path, chips):
    file = write_pair(tmp_path, "lists", chips[:2].tolist(), np.array([1.0, np.nan]))
    with pytest.warns(UnplacedWarning):
        made = import_legacy(file, tmp_path / "d", RGB)
    assert np.array_equal(banded(made), chips[:2])
    assert made.sites["label"].isna().to_list() == [False, True]


def test_companions_are_the_files_that_an_import_reads_beside_the_pickles(legacy):
    assert {path.name for path in legacy_companions(legacy)} == {
        "forest.geojson", "forest_patch_array_labels.pkl",
        "mines.geojson", "mines_patch_array_labels.pkl",
    }  # fmt: skip


# GeoTIFFs -----------------------------------------------------------------------------------------


def write_tiff(file: Path, pixels: np.ndarray, transform: Affine | None = None, **more) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptions = more.pop("descriptions", ("B4", "B3", "B2"))
    place = {"crs": "EPSG:32620", "transform": transform} if transform else {}
    profile = {"count": pixels.shape[-1], "height": pixels.shape[0], "width": pixels.shape[1]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rasterio.open(
            file, "w", driver="GTiff", dtype=pixels.dtype.name, **profile, **place, **more
        ) as image:
            image.write(np.moveaxis(pixels, -1, 0))
            image.descriptions = descriptions


def place(row: int) -> Affine:
    return Affine(10.0, 0.0, 600_003.5 + 1000 * row, 0.0, -10.0, 600_000.0)


@pytest.fixture
def tiffs(tmp_path, chips) -> Path:
    folder = tmp_path / "tiffs"
    for row, pixels in enumerate(chips):
        write_tiff(folder / ("mines" if row % 2 else "forest") / f"s{row}.tif", pixels, place(row))
    return folder


def test_geotiffs_keep_their_own_grids_and_bands(tmp_path, tiffs, chips):
    made = import_geotiffs(tiffs, tmp_path / "d", ImportSettings(level="L1C"))
    assert made.bands == ("B04", "B03", "B02")
    assert made.header.resolution_m == 10.0
    assert np.array_equal(banded(made, [f"s{row}" for row in range(5)]), chips)
    assert made.geobox("s3").affine == place(3)
    assert made.sites["footprint"].covers(made.sites.geometry).all()


def test_folders_may_say_the_class(tmp_path, tiffs):
    classes = {"mines": 1, "forest": 0}
    made = import_geotiffs(tiffs, tmp_path / "d", ImportSettings(level="L1C"), classes=classes)
    assert made.sites.loc[["s0", "s1", "s2"], "label"].to_list() == [0, 1, 0]
    with pytest.raises(InputError, match="forest"):
        import_geotiffs(tiffs, tmp_path / "e", ImportSettings(level="L1C"), classes={"mines": 1})


def test_a_table_joins_by_the_names_of_the_files(tmp_path, tiffs):
    points = gpd.points_from_xy(
        [600_243 + 1000 * row for row in range(6)], [599_990] * 6, crs="EPSG:32620"
    )
    sites = gpd.GeoDataFrame(
        {"label": pd.array([1, 0, 1, 0, 1, 0], "Int8"), "cover": list("abcdef")},
        geometry=points.to_crs(4326),
        index=[f"s{row}" for row in range(6)],
    ).iloc[::-1]
    small = ImportSettings(level="L1C")
    with pytest.raises(PlacementError, match="5 sites lie outside their files"):
        import_geotiffs(tiffs, tmp_path / "d", small, sites=sites)
    sites = sites.set_geometry(sites.geometry.translate(-0.0018))
    made = import_geotiffs(tiffs, tmp_path / "d", small, sites=sites)
    assert made.sites.loc["s3", ["label", "cover"]].to_list() == [0, "d"]
    assert made.sites.loc["s3", "longitude"] == sites.geometry.x["s3"]
    with pytest.raises(PlacementError, match="1 of 5 files have no site"):
        import_geotiffs(tiffs, tmp_path / "e", small, sites=sites.drop("s2"))


@pytest.mark.parametrize("crs", ["EPSG:3857", "EPSG:32620", "EPSG:6933", "EPSG:4326", "EPSG:31980"])
def test_pixels_are_measured_on_the_ground_whatever_their_crs(tmp_path, chips, crs):
    """At 60° north Web Mercator doubles lengths, so its 20 m are 10 m of ground."""
    at = gpd.GeoSeries(gpd.points_from_xy([-63.0], [60.0]), crs="EPSG:4326").to_crs(crs)[0]
    side = {"EPSG:3857": 20.0, "EPSG:4326": 1.7966e-4}.get(crs, 10.0)
    tall = {"EPSG:4326": 8.977e-5}.get(crs, side)
    file = tmp_path / "tiffs/a.tif"
    write_tiff(file, chips[0], Affine(side, 0, at.x, 0, -tall, at.y))
    with rasterio.open(file, "r+") as image:
        image.crs = crs
    made = import_geotiffs(file.parent, tmp_path / "d", ImportSettings(level="L1C"))
    assert made.header.resolution_m == pytest.approx(10.0, rel=0.005)
    if crs in ("EPSG:32620", "EPSG:31980"):
        assert made.header.resolution_m == 10.0


def test_a_geotiff_that_is_an_order_to_read_another_file_is_not_followed(tmp_path, chips):
    secret = tmp_path / "secret.tif"
    write_tiff(secret, chips[0], place(0))
    folder = tmp_path / "tiffs"
    folder.mkdir()
    (folder / "a.tif").write_text(
        f"""<VRTDataset rasterXSize="8" rasterYSize="8"><VRTRasterBand dataType="Int16" band="1">
        <SimpleSource><SourceFilename>{secret}</SourceFilename><SourceBand>1</SourceBand>
        </SimpleSource></VRTRasterBand></VRTDataset>"""
    )
    with pytest.raises(InputError, match=r"a\.tif cannot be read as a GeoTIFF"):
        import_geotiffs(folder, tmp_path / "d", ImportSettings(bands=["red"], level="L1C"))


def test_what_the_files_say_about_their_numbers_goes_first(tmp_path, chips):
    file = tmp_path / "tiffs/a.tif"
    write_tiff(file, chips[0], place(0), nodata=-1)
    with rasterio.open(file, "r+") as image:
        image.scales, image.offsets = (2e-4,) * 3, (-0.01,) * 3
    made = import_geotiffs(file.parent, tmp_path / "d", ImportSettings(level="L1C"))
    assert made.header.source_values.model_dump() == {
        "dtype": "int16", "scale": 2e-4, "offset": -0.01, "no_data": -1.0,
    }  # fmt: skip
    with pytest.raises(InputError, match="you say"):
        import_geotiffs(
            file.parent, tmp_path / "e", ImportSettings(level="L1C", scaling="reflectance")
        )


def test_geotiffs_without_a_place_are_unplaced_and_that_is_said(tmp_path, chips):
    write_tiff(tmp_path / "tiffs/a.tif", chips[0])
    write_tiff(tmp_path / "tiffs/b.tif", chips[1], place(1))
    with pytest.warns(UnplacedWarning, match="1 of 2"):
        made = import_geotiffs(tmp_path / "tiffs", tmp_path / "d", ImportSettings(level="L1C"))
    assert made.sites["origin"].to_list() == ["unplaced", "transform"]


def test_geotiffs_that_differ_are_named(tmp_path, chips):
    level = ImportSettings(level="L1C")
    folder = tmp_path / "tiffs"
    write_tiff(folder / "a.tif", chips[0], place(0))
    write_tiff(folder / "b.tif", chips[1, :6, :6], place(1))
    with pytest.raises(InputError, match=r"a\.tif has shape .* and b\.tif"):
        import_geotiffs(folder, tmp_path / "d", level)
    write_tiff(folder / "b.tif", chips[1], place(1), descriptions=("B2", "B3", "B4"))
    with pytest.raises(BandError, match=r"b\.tif"):
        import_geotiffs(folder, tmp_path / "d", level)
    write_tiff(folder / "b.tif", chips[1], place(1))
    write_tiff(folder / "more/b.tif", chips[1], place(1))
    with pytest.raises(InputError, match="several files for b"):
        import_geotiffs(folder, tmp_path / "d", level)


def test_geotiffs_without_descriptions_need_the_names_of_their_bands(tmp_path, chips):
    write_tiff(tmp_path / "tiffs/a.tif", chips[0], place(0), descriptions=(None,) * 3)
    with pytest.raises(BandError, match="does not describe"):
        import_geotiffs(tmp_path / "tiffs", tmp_path / "d", ImportSettings(level="L1C"))
    assert import_geotiffs(tmp_path / "tiffs", tmp_path / "d", RGB).bands == ("B04", "B03", "B02")


def test_a_folder_without_geotiffs_and_a_file_that_is_none_are_named(tmp_path):
    with pytest.raises(NotThereError, match="no folder"):
        import_geotiffs(tmp_path / "none", tmp_path / "d", RGB)
    with pytest.raises(NotThereError, match="holds no file"):
        import_geotiffs(tmp_path, tmp_path / "d", RGB)
    (tmp_path / "a.tif").write_text("no image")
    with pytest.raises(InputError, match=r"a\.tif"):
        import_geotiffs(tmp_path, tmp_path / "d", RGB)


@pytest.mark.parametrize(
    ("scaling", "dtype", "bad", "says"),
    [
        ("reflectance", "f4", -0.5, "% of the values would be clipped at 0.0001"),
        ("true-color-8", "i2", 300, "values up to 300, but 8-bit true colour has none above 255"),
    ],
)
def test_what_the_sample_missed_is_refused_before_there_is_a_dataset(
    tmp_path, scaling, dtype, bad, says
):
    array = np.full((1000, 4, 4, 3), 0.2 if dtype == "f4" else 90, dtype=dtype)
    array[1:15] = bad
    array[17:31] = bad
    settings = ImportSettings(bands="rgb", level="L2A", scaling=scaling)
    with pytest.raises(InputError, match=says):
        import_arrays(array, tmp_path / "out", settings)
    assert not any(path.is_dir() for path in tmp_path.iterdir())


def test_a_point_file_need_not_say_the_labels_that_the_pickle_has(tmp_path):
    with (tmp_path / "a_patch_arrays.pkl").open("wb") as file:
        pickle.dump(np.full((2, 8, 8, 3), 900), file)
    with (tmp_path / "a_patch_array_labels.pkl").open("wb") as file:
        pickle.dump([1, 0], file)
    (tmp_path / "a.csv").write_text("lon,lat,mined\n-62.6,5.4,1\n-62.5,5.4,0\n")
    made = import_legacy(
        tmp_path, tmp_path / "d", RGB, points=[tmp_path / "a.csv"], rows_follow_points=True
    )
    assert made.sites["label"].tolist() == [1, 0]
