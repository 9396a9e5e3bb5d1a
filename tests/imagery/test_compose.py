"""The median of views: exact on digital numbers, whatever their order."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from minewatch.imagery import SceneQuery, check_composite
from minewatch.imagery._compose import composite_dataset, median_of_views
from minewatch.imagery._place import Place, View
from minewatch.imagery._read_places import GroupComposer
from minewatch.imagery._reader_rasterio import RasterioReader


def plain_median(views: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
    """Take each pixel by itself, as the definition says."""
    flat = views.reshape(len(views), -1)
    result = np.zeros(flat.shape[1], dtype=np.uint16)
    for pixel, column in enumerate(flat.T):
        known = sorted(int(number) for number in column if number)
        if known:
            below, above = known[(len(known) - 1) // 2], known[len(known) // 2]
            result[pixel] = (below + above + 1) // 2
    return result.reshape(views.shape[1:])


def made_views(n_views: int, *, seed: int = 0, known: float = 0.6) -> npt.NDArray[np.uint16]:
    rng = np.random.default_rng(seed)
    views = rng.integers(1, 65_536, size=(n_views, 7, 31)).astype(np.uint16)
    views[rng.random(views.shape) > known] = 0
    return views


@pytest.mark.parametrize("n_views", [*range(1, 34), 64, 65, 73, 146])
def test_median_is_that_of_the_definition(n_views: int) -> None:
    views = made_views(n_views, seed=n_views)
    median, count = median_of_views(views)
    np.testing.assert_array_equal(median, plain_median(views))
    np.testing.assert_array_equal(count, (views != 0).sum(axis=0))


def test_median_of_whole_stack_without_gaps_is_that_of_the_definition() -> None:
    for n_views in (2, 3, 20, 21):
        views = made_views(n_views, known=1.0)
        np.testing.assert_array_equal(median_of_views(views)[0], plain_median(views))


def test_median_of_two_is_rounded_half_up() -> None:
    views = np.array([[1, 10, 65_535, 65_534], [2, 13, 65_535, 65_535]], dtype=np.uint16)
    np.testing.assert_array_equal(median_of_views(views)[0], [2, 12, 65_535, 65_535])


def test_largest_number_is_not_taken_for_no_data() -> None:
    views = np.array([[65_535], [65_535], [0]], dtype=np.uint16)
    median, count = median_of_views(views)
    assert (median.item(), count.item()) == (65_535, 2)


def test_pixel_without_a_view_has_no_data() -> None:
    median, count = median_of_views(np.zeros((4, 2, 2), dtype=np.uint16))
    assert not median.any()
    assert not count.any()


def test_no_views_give_no_data() -> None:
    median, count = median_of_views(np.zeros((0, 3, 5), dtype=np.uint16))
    assert median.shape == count.shape == (3, 5)
    assert not median.any()


def test_order_of_views_changes_nothing() -> None:
    views = made_views(23)
    shuffled = np.random.default_rng(1).permutation(views)
    np.testing.assert_array_equal(median_of_views(views)[0], median_of_views(shuffled)[0])


def test_views_are_left_as_they_were() -> None:
    views = made_views(11)
    before = views.copy()
    median_of_views(views)
    np.testing.assert_array_equal(views, before)


def test_dataset_of_numbers_keeps_the_schema() -> None:
    geobox = GeoBox((12, 12), Affine(10, 0, 600_000, 0, -10, 600_000), "EPSG:32620")
    numbers = np.full((2, 12, 12), 1234, dtype=np.uint16)
    numbers[:, 0] = 0
    attrs = dict.fromkeys(("level", "source", "mask", "method", "versions"), "")
    counts = (numbers[0] != 0).astype(np.uint16)
    dataset = composite_dataset(
        geobox, ["B04", "B08"], numbers, counts, {**attrs, "level": "L2A", "scenes": []}
    )
    check_composite(dataset, bands=["B04", "B08"])
    assert dataset["reflectance"].sel(y=599_995.0).isnull().all()
    assert float(dataset["reflectance"][0, 1, 1]) == pytest.approx(0.1234, abs=1e-8)
    assert dataset.attrs["crs"] == "EPSG:32620"


@pytest.mark.parametrize(
    ("side_px", "n_files", "ahead"), [(1_000, 30, 1), (48, 30, 2), (1_000, 100, 1), (48, 7, 9)]
)
def test_bands_of_a_large_place_are_read_one_ahead(side_px: int, n_files: int, ahead: int) -> None:
    geobox = GeoBox((side_px, side_px), Affine(10, 0, 0, 0, -10, 0), "EPSG:32620")
    place = Place("a", geobox, [View([]) for _ in range(20)])
    with ThreadPoolExecutor(1) as pool:
        query = SceneQuery(start="2023-01-01", end="2023-12-31")
        composer = GroupComposer(query, RasterioReader(), pool, memory_bytes=512_000_000)
        assert composer._bands_ahead([place], n_files) == ahead
