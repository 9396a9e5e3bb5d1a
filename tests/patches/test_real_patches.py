"""Imports of public data, which the project does not ship."""

import numpy as np
import pandas as pd
import pytest
import rasterio
from rasterio.windows import Window

from minewatch.errors import UnplacedWarning
from minewatch.patches import (
    ImportSettings,
    PatchDataset,
    export_patches,
    import_arrays,
    import_geotiffs,
    import_legacy,
)

pytestmark = pytest.mark.real

# The source of the pairs does not state its level; the processing of the time makes it L2A.
PAIRS = ImportSettings(bands="rgbn-swir", level="L2A")


@pytest.fixture(scope="module", params=["t0", "t1"])
def pairs(request, shared_data, tmp_path_factory) -> tuple[str, PatchDataset]:
    folder, time = shared_data / "pairs6", request.param
    settings = PAIRS.model_copy(
        update={"start_column": f"{time}_start", "end_column": f"{time}_end"}
    )
    made = import_arrays(
        folder / "chips.npz",
        tmp_path_factory.mktemp("pairs") / time,
        settings,
        sites=folder / "sites.csv",
        key=time,
        rows_follow_sites=True,
    )
    return time, made


def test_pairs_keep_their_pixels_places_and_periods(pairs, shared_data):
    time, made = pairs
    chips = np.load(shared_data / "pairs6/chips.npz")[time]
    table = pd.read_csv(shared_data / "pairs6/sites.csv", index_col="sample_id")
    assert np.array_equal(np.moveaxis(made.digital_numbers().to_numpy(), 1, -1), chips)
    assert made.sites.index.to_list() == table.index.to_list()
    np.testing.assert_allclose(made.sites["longitude"], table["longitude"])
    assert made.sites["end"].to_list() == table[f"{time}_end"].to_list()


def test_three_of_the_chips_before_are_all_zero_and_one_in_part(pairs):
    time, made = pairs
    unknown = (made.digital_numbers() == 0).all("band").mean(("y", "x")).to_numpy()
    assert int((unknown == 1).sum()) == {"t0": 3, "t1": 0}[time]
    assert int((unknown > 0).sum()) == {"t0": 4, "t1": 0}[time]


def test_pairs_are_exported_byte_for_byte(pairs, shared_data, tmp_path):
    time, made = pairs
    out = export_patches(made, tmp_path / "out", format="npz")
    chips = np.load(shared_data / "pairs6/chips.npz")[time]
    assert np.load(out / "patches.npz")["pixels"].tobytes() == chips.tobytes()


def test_legacy_pickles_that_follow_their_points_are_the_pairs_after(shared_data, tmp_path):
    folder = shared_data / "pairs6"
    made = import_legacy(folder / "legacy", tmp_path / "d", PAIRS, rows_follow_points=True)
    table = pd.read_csv(folder / "sites.csv", index_col="sample_id")
    pixels = made.digital_numbers(table.index).to_numpy()
    assert np.array_equal(np.moveaxis(pixels, 1, -1), np.load(folder / "chips.npz")["t1"])
    assert made.sites.loc[table.index, "label"].to_list() == table["label"].to_list()


def test_legacy_pickles_without_a_word_are_unplaced(shared_data, tmp_path):
    with pytest.warns(UnplacedWarning, match="481 of 481"):
        made = import_legacy(shared_data / "pairs6/legacy", tmp_path / "d", PAIRS)
    assert made.summary()["classes"] == {"mining": 311, "no mining": 170}


def test_true_colour_in_eight_bits_is_imported_as_digital_numbers(shared_data, tmp_path):
    folder = shared_data / "rgb"
    settings = ImportSettings(bands="rgb", level="L1C", scaling="true-color-8")
    with pytest.warns(UnplacedWarning, match="10088 of 11911"):
        made = import_arrays(
            folder / "chips.npz",
            tmp_path / "d",
            settings,
            sites=folder / "chips.csv",
            key="chips",
            rows_follow_sites=True,
        )
    assert made.header.saturation_dn == 3000
    assert max(int(block.max()) for block in made.blocks()) == 3000


def test_a_scene_cut_into_geotiffs_is_imported_on_its_own_grid(shared_data, tmp_path):
    with rasterio.open(shared_data / "scenes/trombetas/sen2_trombetas_12band_l2a.tif") as scene:
        _cut(scene, tmp_path / "tiffs", size_px=48)
    settings = ImportSettings(level="L2A", scaling="dn-offset-1000")
    made = import_geotiffs(tmp_path / "tiffs", tmp_path / "d", settings)
    assert len(made) == 20
    assert made.bands[7:9] == ("B08", "B8A")
    assert 9.9 < made.header.resolution_m < 10.0
    forest = made.pixels(bands=["red", "nir"]).median(("site", "y", "x")).to_numpy()
    assert forest[0] < 0.05 < 0.2 < forest[1]
    again = import_geotiffs(
        export_patches(made, tmp_path / "out", format="geotiff"),
        tmp_path / "again",
        ImportSettings(level="L2A"),
    )
    assert again.header.digest == made.header.digest


def _cut(scene, folder, *, size_px: int) -> None:
    folder.mkdir()
    step = scene.transform
    for row in range(scene.height // size_px):
        for column in range(scene.width // size_px):
            corner = rasterio.Affine(
                step.a, 0, step.c + column * size_px * step.a,
                0, step.e, step.f + row * size_px * step.e,
            )  # fmt: skip
            pixels = scene.read(window=Window(column * size_px, row * size_px, size_px, size_px))
            with rasterio.open(
                folder / f"r{row}c{column}.tif", "w", driver="GTiff", dtype="uint16",
                count=scene.count, width=size_px, height=size_px, crs=scene.crs, transform=corner,
            ) as file:  # fmt: skip
                file.write(pixels)
                file.descriptions = scene.descriptions
