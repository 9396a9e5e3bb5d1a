import json
import tempfile
import zipfile
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from minewatch.errors import AlreadyThereError, InputError, UnplacedWarning
from minewatch.patches import (
    ImportSettings,
    PatchDataset,
    export_patches,
    import_arrays,
    import_geotiffs,
    import_legacy,
)
from minewatch.patches._pickles import load_pickle

LAWFUL = settings(max_examples=8, deadline=None)


def imported(folder: Path, array: np.ndarray, sites: gpd.GeoDataFrame, **more) -> PatchDataset:
    chosen = ImportSettings(**{"bands": "rgb", "level": "L2A"} | more)
    return import_arrays(array, folder, chosen, sites=sites, rows_follow_sites=True)


# Values that any scaling finds plausible, so that only the law is at stake.
BYTES = npst.arrays("uint8", (4, 3, 3, 3), elements=st.integers(1, 255)).filter(
    lambda array: array.max() > 10
)
SHORTS = npst.arrays("int16", (4, 3, 3, 3), elements=st.integers(0, 9999)).filter(
    lambda array: np.median(array) > 200
)


@LAWFUL
@given(BYTES)
@pytest.mark.parametrize("kind", ["npz", "legacy", "geotiff"])
def test_what_was_imported_is_exported_byte_for_byte(make_sites, kind, array):
    _check_round_trip(array, make_sites(4), kind, "true-color-8")


@LAWFUL
@given(SHORTS)
def test_signed_numbers_are_exported_byte_for_byte_too(make_sites, array):
    _check_round_trip(array, make_sites(4), "npz", "dn")


def _check_round_trip(array, sites, kind, scaling):
    with tempfile.TemporaryDirectory() as folder:
        made = imported(Path(folder, "d"), array, sites, scaling=scaling)
        out = export_patches(made, Path(folder, "out"), format=kind)
        back = {"npz": _from_npz, "legacy": _from_legacy, "geotiff": _from_tiffs}[kind](out)
    for site_id, patch in zip(sites.index, array, strict=True):
        assert back[site_id].dtype == array.dtype
        assert back[site_id].tobytes() == patch.tobytes()


def _from_npz(out: Path) -> dict[str, np.ndarray]:
    with np.load(out / "patches.npz") as archive:
        return dict(zip(archive["site_id"].tolist(), archive["pixels"], strict=True))


def _from_legacy(out: Path) -> dict[str, np.ndarray]:
    patches = {}
    for file in out.glob("*_patch_arrays.pkl"):
        ids = Path(str(file).replace("_patch_arrays.pkl", "_ids.txt")).read_text().split()
        patches |= dict(zip(ids, load_pickle(file), strict=True))
    return patches


def _from_tiffs(out: Path) -> dict[str, np.ndarray]:
    patches = {}
    for file in out.glob("*.tif"):
        with rasterio.open(file) as image:
            patches[file.stem] = np.ascontiguousarray(np.moveaxis(image.read(), 0, -1))
    return patches


@pytest.fixture
def chips(make_numbers) -> np.ndarray:
    return (make_numbers(7, 8, 8, 3) + 100).astype("int16")


def test_legacy_pickles_that_were_exported_are_imported_again_with_their_places(
    tmp_path, chips, make_sites
):
    made = imported(tmp_path / "d", chips, make_sites(7))
    out = export_patches(made, tmp_path / "out", format="legacy")
    again = import_legacy(
        out, tmp_path / "again", ImportSettings(bands="rgb", level="L2A"), rows_follow_points=True
    )
    ids = list(made.sites.index)
    assert again.digital_numbers(ids).equals(made.digital_numbers())
    for column in ("label", "longitude", "transform"):
        assert again.sites.loc[ids, column].equals(made.sites[column])
    assert (out / "positives_ids.txt").read_text().split() == ["s1", "s3", "s5"]


def test_geotiffs_that_were_exported_are_imported_again_on_the_same_grids(
    tmp_path, chips, make_sites
):
    sites = make_sites(7).rename(index={"s3": "mina/../3 é"})
    made = imported(tmp_path / "d", chips, sites)
    out = export_patches(made, tmp_path / "out", format="geotiff")
    again = import_geotiffs(out, tmp_path / "again", ImportSettings(level="L2A"))
    ids = list(made.sites.index)
    assert again.digital_numbers(ids).equals(made.digital_numbers())
    assert [again.geobox(key) for key in ids] == [made.geobox(key) for key in ids]
    assert again.header.source_values == made.header.source_values
    assert {file.parent for file in tmp_path.rglob("*.tif")} == {out}


def test_geotiffs_say_what_they_hold(tmp_path, chips, make_sites):
    made = imported(tmp_path / "d", chips, make_sites(7))
    out = export_patches(made, tmp_path / "out", format="geotiff", values="reflectance")
    with rasterio.open(out / "s4.tif") as image:
        assert image.descriptions == ("B04", "B03", "B02")
        assert image.crs.to_string() == made.sites.loc["s4", "crs"]
        assert image.tags()["level"] == "L2A"
        np.testing.assert_allclose(image.read(), made.pixels(["s4"])[0], rtol=1e-6)


@pytest.mark.parametrize(
    ("values", "dtype", "factor"),
    [("source", "int16", 1), ("dn", "uint16", 1), ("reflectance", "float32", 1e-4)],
)
def test_values_are_written_as_asked(tmp_path, chips, make_sites, values, dtype, factor):
    made = imported(tmp_path / "d", chips, make_sites(7))
    out = export_patches(made, tmp_path / "out", format="npz", values=values)
    pixels = np.load(out / "patches.npz")["pixels"]
    assert pixels.dtype == dtype
    np.testing.assert_allclose(pixels, chips * factor, rtol=1e-6)
    assert json.loads((out / "export.json").read_text())["scale"] == (1e-4 if factor == 1 else 1.0)


def test_npz_carries_ids_labels_and_bands_and_a_table_beside_it(tmp_path, chips, make_sites):
    sites = make_sites(7).assign(label=pd.array([1, 0, None, 1, 0, 1, 0], "Int8"))
    made = imported(tmp_path / "d", chips, sites)
    out = export_patches(made, tmp_path / "out", format="npz")
    with np.load(out / "patches.npz", allow_pickle=False) as archive:
        assert archive["label"].tolist() == [1, 0, -1, 1, 0, 1, 0]
        assert archive["bands"].tolist() == ["B04", "B03", "B02"]
        assert archive["site_id"].tolist() == list(sites.index)
    table = pd.read_csv(out / "sites.csv", index_col="site_id")
    assert table["longitude"].to_list() == made.sites["longitude"].to_list()


def test_the_same_dataset_is_exported_to_the_same_bytes(tmp_path, dataset, bytes_below):
    with pytest.warns(UnplacedWarning):
        first = export_patches(dataset, tmp_path / "a", format="legacy")
    with pytest.warns(UnplacedWarning):
        second = export_patches(dataset, tmp_path / "b", format="legacy")
    assert bytes_below(first) == bytes_below(second)
    one = export_patches(dataset, tmp_path / "c", format="npz") / "patches.npz"
    assert {info.date_time[0] for info in zipfile.ZipFile(one).infolist()} == {1980}


def test_unplaced_patches_are_exported_without_a_place_and_that_is_said(tmp_path, dataset):
    with pytest.warns(UnplacedWarning, match="no georeference"):
        out = export_patches(dataset, tmp_path / "a", format="geotiff")
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        rasterio.open(out / "s2.tif").close()
    with pytest.warns(UnplacedWarning, match=r"no negatives\.geojson"):
        out = export_patches(dataset, tmp_path / "b", format="legacy")
    assert (out / "positives.geojson").exists()
    assert not (out / "negatives.geojson").exists()


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_that_no_export_wrote_is_kept(tmp_path, dataset, overwrite):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.txt").write_text("years of work")
    with pytest.raises(AlreadyThereError):
        export_patches(dataset, tmp_path / "out", format="npz", overwrite=overwrite)
    assert (tmp_path / "out/thesis.txt").exists()


def test_an_export_is_replaced_only_when_that_is_asked_for(tmp_path, make_sites, make_numbers):
    made = imported(tmp_path / "d", make_numbers(4, 3, 3, 3) + 100, make_sites(4))
    export_patches(made, tmp_path / "out", format="npz")
    with pytest.raises(AlreadyThereError, match="--overwrite"):
        export_patches(made, tmp_path / "out", format="npz")


def test_a_format_that_is_not_known_is_named(tmp_path, dataset):
    with pytest.raises(InputError, match="'hdf5'; expected legacy, npz, geotiff"):
        export_patches(dataset, tmp_path / "out", format="hdf5")


@pytest.mark.parametrize("kind", ["npz", "legacy", "geotiff"])
def test_only_what_an_export_wrote_is_replaced(tmp_path, make_sites, make_numbers, kind):
    made = imported(tmp_path / "d", make_numbers(4, 3, 3, 3) + 100, make_sites(4))
    out = export_patches(made, tmp_path / "out", format=kind)
    export_patches(made, out, format="npz", overwrite=True)
    (out / "chapter.docx").write_text("work of weeks")
    with pytest.raises(AlreadyThereError, match=r"chapter\.docx; move that away"):
        export_patches(made, out, format=kind, overwrite=True)
    assert (out / "chapter.docx").read_text() == "work of weeks"
    assert (out / "patches.npz").is_file()
