"""Pictures: the right ground, the right colours, the right place of things in them."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.image import imread
from pyproj import Transformer

from minewatch.context import extract_features
from minewatch.errors import ImageryError, InputError
from minewatch.grid import PatchGrid
from minewatch.imagery import FolderSource, SceneQuery
from minewatch.imagery._preview import shade
from minewatch.maps.review import ArchivePictures, DatasetPictures, Item
from minewatch.maps.review._ground import Surroundings, lay_out, pixels_of
from minewatch.maps.review._pictures import COMBINATIONS, Album, draw_scene
from minewatch.patches import PatchDataset, build_patches
from minewatch.toy import write_osm

YEAR = SceneQuery(start="2023-01-01", end="2023-12-31")


def test_a_colour_means_the_same_reflectance_in_every_picture():
    dark, bright = np.full((3, 2, 2), 0.1), np.full((3, 2, 2), 0.2)
    bright[:, 0, 0] = 9.0  # one glaring pixel changes no other
    assert (shade(bright, 0.3)[1, 1] > shade(dark, 0.3)[1, 1])[:3].all()
    assert (shade(bright, 0.3)[1, 1] == shade(np.full((3, 1, 1), 0.2), 0.3)[0, 0]).all()


def test_what_is_not_known_is_clear_and_not_black():
    values = np.zeros((3, 1, 2), dtype=np.float32)
    values[0, 0, 1] = np.nan
    assert shade(values, 0.3)[0].tolist() == [[0, 0, 0, 255], [0, 0, 0, 0]]


def test_every_combination_shows_its_bands_as_red_green_and_blue(maker):
    scene = ArchivePictures(maker.Stripes(), {"2024": maker.QUERY}).load(maker.item_at(0), "2024")
    values = {"B02": 0.05, "B03": 0.1, "B04": 0.15, "B08": 0.35, "B11": 0.45}
    flat = np.stack([np.full((4, 4), values[band], dtype=np.float32) for band in scene.bands])
    drawn = draw_scene(replace(scene, reflectance=flat))
    assert tuple(drawn.pictures) == COMBINATIONS
    full = {"true_colour": 0.3, "swir": 0.5, "infrared": 0.5}
    bands = {"true_colour": "B04 B03 B02", "swir": "B11 B08 B04", "infrared": "B08 B04 B03"}
    for name, png in drawn.pictures.items():
        pixel = imread(io.BytesIO(png))[0, 0, :3]
        wanted = [(values[band] / full[name]) ** (1 / 1.5) for band in bands[name].split()]
        assert pixel == pytest.approx(wanted, abs=1 / 255)


@given(
    longitude=st.floats(-179.9, 179.9),
    latitude=st.floats(-70, 70),
    column=st.floats(0, 96),
    row=st.floats(0, 96),
)
def test_pixels_and_degrees_are_each_others_inverse(longitude, latitude, column, row):
    geobox = PatchGrid(size_px=96).geobox(longitude, latitude)
    layout = lay_out(geobox, Item("a", longitude, latitude), 480.0)
    (one, right, _, below), (width, height) = np.array(layout.corners), layout.size_px
    place = one + (right - one) * column / width + (below - one) * row / height
    # as the page does it, from three corners: within a tenth of a pixel, a metre
    if abs(place[0]) < 180:
        assert pixels_of(geobox)(place[None])[0] == pytest.approx((column, row), abs=0.1)


def test_the_square_is_the_patch_that_the_label_will_stand_for_and_the_outline_lies_true(maker):
    item = maker.item_at(3)
    geobox = PatchGrid(size_px=192).geobox(item.longitude, item.latitude)
    layout = lay_out(geobox, item, 480.0)
    left, top, right, bottom = layout.square
    patch, own = PatchGrid().geobox(item.longitude, item.latitude).boundingbox, geobox.boundingbox
    corner = ((patch.left - own.left) / 10, (own.top - patch.top) / 10)
    assert (left, top) == pytest.approx(corner, abs=0.1)
    assert (right - left, bottom - top) == pytest.approx((48, 48), abs=0.11)
    assert layout.point == pytest.approx(((left + right) / 2, (top + bottom) / 2), abs=3.1)
    ring = shapely.Polygon(layout.rings[0])
    assert ring.contains(shapely.Point(layout.point))
    ground_m2 = (0.01 * 110_574) * (0.01 * 111_320 * np.cos(np.radians(5.4)))
    assert ring.area * 100 == pytest.approx(ground_m2, rel=0.01)


def test_pictures_come_from_an_archive_as_a_scan_sees_it(toy_archive, toy_area):
    source = FolderSource(toy_archive)
    middle = (toy_area.boundingbox.left + 1_200, toy_area.boundingbox.bottom + 1_200)
    to_degrees = Transformer.from_crs(str(toy_area.crs), "EPSG:4326", always_xy=True)
    item = Item("here", *to_degrees.transform(*middle))
    scene = ArchivePictures(source, {"2023": YEAR}, side_px=48).load(item, "2023")
    again = source.load(scene.geobox, YEAR.model_copy(update={"bands": scene.bands}))
    assert np.array_equal(scene.reflectance, again["reflectance"].to_numpy(), equal_nan=True)
    assert scene.n_scenes == len(again.attrs["scenes"])
    assert "made up" in scene.credit
    far = ArchivePictures(source, {"2023": YEAR}, side_px=48).load(Item("far", 10.0, 5.0), "2023")
    assert far is None


def test_pictures_of_a_dataset_are_its_own_patches(toy_archive, toy_sites, tmp_path):
    built = build_patches(toy_sites, FolderSource(toy_archive), YEAR, tmp_path / "patches")
    assert built.n_failed == 0
    dataset = PatchDataset.open(tmp_path / "patches")
    pictures = DatasetPictures({"2023": dataset})
    name = str(dataset.sites.index[0])
    scene = pictures.load(Item(name, 0.0, 0.0), "2023")
    wanted = dataset.pixels([name], bands=list(scene.bands)).to_numpy()[0]
    assert np.array_equal(scene.reflectance, wanted, equal_nan=True)
    assert scene.geobox == dataset.geobox(name)
    assert "made up" in scene.credit
    point = toy_sites.geometry[name]
    layout = lay_out(scene.geobox, Item(name, point.x, point.y), 480.0)
    assert layout.square == pytest.approx((0, 0, 48, 48), abs=0.11)
    assert pictures.load(Item("nobody", 0.0, 0.0), "2023") is None


def test_the_same_picture_is_loaded_once_however_many_ask_at_once(maker):
    source = maker.Stripes()
    album = Album([ArchivePictures(source, {"2024": maker.QUERY})])
    gate = threading.Barrier(6)

    def ask():
        gate.wait()
        return album.get(maker.item_at(0), "2024")

    with ThreadPoolExecutor(6) as pool:
        found = [one.result() for one in [pool.submit(ask) for _ in range(6)]]
    assert len(source.loaded) == 1
    assert all(one is found[0] for one in found)


def test_what_failed_is_asked_again_and_what_is_missing_is_looked_for_elsewhere(maker):
    class Broken(maker.Stripes):
        broken = True

        def load(self, geobox, query):
            if self.broken:
                raise ImageryError("no answer")
            return super().load(geobox, query)

    source = Broken()
    album = Album([ArchivePictures(source, {"2024": maker.QUERY})])
    with pytest.raises(ImageryError):
        album.get(maker.item_at(0), "2024")
    source.broken = False
    assert album.get(maker.item_at(0), "2024") is not None
    assert album.get(maker.item_at(0), "2020") is None


def test_settings_that_show_nothing_are_refused(maker):
    with pytest.raises(InputError, match="period"):
        ArchivePictures(maker.Stripes(), {})
    with pytest.raises(InputError, match="side_px"):
        ArchivePictures(maker.Stripes(), {"2024": maker.QUERY}, side_px=4)
    with pytest.raises(InputError, match="dataset"):
        DatasetPictures({})


def test_what_is_mapped_lies_where_it_is_and_what_names_the_target_can_be_kept_back(
    toy_valley, tmp_path
):
    features = extract_features(write_osm(toy_valley, tmp_path / "valley.osm.pbf"))
    named = features.table["target"].notna()
    rivers = features.table[features.table["waterway"].notna() & ~named]
    place = rivers.geometry.iloc[0].interpolate(0.5, normalized=True)
    geobox = PatchGrid(size_px=96).geobox(place.x, place.y)
    found = Surroundings(features).within(geobox)
    lines = [line for one in found if one["layer"] == "waterway" for line in one["lines"]]
    column, row = pixels_of(geobox)(np.array([[place.x, place.y]]))[0]
    assert (
        min(shapely.LineString(line).distance(shapely.Point(column, row)) for line in lines) < 0.2
    )

    quarry = features.table[named].geometry.iloc[0].representative_point()
    around = PatchGrid(size_px=96).geobox(quarry.x, quarry.y)
    assert "target" in {one["layer"] for one in Surroundings(features).within(around)}
    free = Surroundings(features, targets=False).within(around)
    assert "target" not in {one["layer"] for one in free}
