"""The picture of a composite."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import xarray as xr
from odc.geo.geobox import GeoBox
from PIL import Image

from minewatch.errors import AlreadyThereError, InputError
from minewatch.grid import PatchGrid
from minewatch.imagery import SceneQuery
from minewatch.imagery._catalogues import read_maker
from minewatch.imagery._preview import (
    PREVIEW_BANDS,
    credit_of,
    draw_preview,
    shade,
    write_preview,
)


def make_composite(bands: tuple[str, ...] = PREVIEW_BANDS, *, empty: bool = False) -> xr.Dataset:
    numbers = np.random.default_rng(0).integers(100, 4000, (len(bands), 12, 12)).astype(np.float32)
    counts = np.full((12, 12), 7, dtype=np.uint16)
    numbers[:, :2] = np.nan
    counts[:2] = 0
    if empty:
        numbers[:] = np.nan
        counts[:] = 0
    days = [] if empty else ["2022-12-30", "2023-01-09"]
    scenes = [{"id": day, "date": day, "baseline": "05.09", "offset_dn": 0} for day in days]
    return xr.Dataset(
        {
            "reflectance": (("band", "y", "x"), numbers * np.float32(1e-4)),
            "clear_count": (("y", "x"), counts),
        },
        coords={"band": list(bands)},
        attrs={
            "level": "L2A",
            "source": "the toy archive",
            "scenes": scenes,
            "mask": "SCL",
            "method": "median",
            "versions": {"minewatch": "0"},
        },
    )


def words(composite: xr.Dataset) -> str:
    figure = draw_preview(composite, title="A river")
    axes = [part.get_title(loc="left") for part in figure.axes]
    return "\n".join([figure.get_suptitle(), figure.get_supxlabel(), *axes])


def test_it_says_where_when_on_what_and_whose() -> None:
    text = words(make_composite())
    assert "A river" in text
    assert "2 scenes of 2022-12-30 to 2023-01-09" in text
    assert "median 7 clear views" in text
    assert "Contains modified Copernicus Sentinel data 2022–2023" in text
    assert "Source: the toy archive" in text
    assert "L2A" in text


def test_both_pictures_and_the_counts_are_drawn() -> None:
    text = words(make_composite())
    for title in (
        "True colour: B04, B03, B02, 0 to 0.3",
        "False colour: B11, B08, B04",
        "Clear views",
    ):
        assert title in text


def test_a_picture_without_its_bands_is_left_out() -> None:
    text = words(make_composite(("B02", "B03", "B04")))
    assert "True colour" in text
    assert "False colour" not in text


def test_a_place_without_scenes_is_drawn_and_says_so() -> None:
    assert "no scene" in words(make_composite(empty=True))


def test_pixels_without_data_are_clear_and_never_a_colour() -> None:
    picture = shade(make_composite()["reflectance"].to_numpy()[:3], 0.3)
    assert (picture[:2, :, 3] == 0).all()
    assert (picture[2:, :, 3] == 255).all()


def test_a_reflectance_has_one_colour_in_every_picture() -> None:
    alone = shade(np.full((3, 1, 1), 0.06, dtype=np.float32), 0.3)
    bright = np.full((3, 1, 2), 0.06, dtype=np.float32)
    bright[..., 1] = 0.9
    beside = shade(bright, 0.3)
    assert beside[0, 0].tolist() == alone[0, 0].tolist()
    assert beside[0, 1].tolist() == [255, 255, 255, 255]


def test_a_brighter_pixel_is_never_shown_darker() -> None:
    ramp = np.broadcast_to(np.linspace(-0.01, 0.4, 50, dtype=np.float32), (3, 1, 50))
    shades = shade(ramp, 0.3)[0, :, 0].astype(int)
    assert (np.diff(shades) >= 0).all()
    assert (shades[0], shades[-1]) == (0, 255)


@dataclass(frozen=True)
class Fixed:
    """A source that gives the bands it is asked for, and remembers nothing."""

    level: Literal["L1C", "L2A"] = "L2A"

    def load(self, geobox: GeoBox, query: SceneQuery) -> xr.Dataset:
        return make_composite(query.bands)


def write(file: Path, *, overwrite: bool = False) -> Path:
    query = SceneQuery(start="2023-01-01", end="2023-12-31", bands="rgb")
    place = PatchGrid(size_px=12).geobox(-63.5, 4.9)
    composite = write_preview(Fixed(), place, query, file, title="A river", overwrite=overwrite)
    assert tuple(composite["band"].to_numpy()) == PREVIEW_BANDS
    return file


def test_the_file_is_whole_and_the_same_every_time(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a.png"), write(tmp_path / "b.png")
    assert first.read_bytes() == second.read_bytes()
    with Image.open(first) as image:
        assert "Copernicus Sentinel data 2022–2023" in image.info["Description"]
        assert '"2023-01-09"' in image.info["Source"]


def test_a_file_that_is_there_is_kept_unless_it_may_go(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_text("mine")
    with pytest.raises(AlreadyThereError):
        write(file)
    assert file.read_text() == "mine"
    assert write(file, overwrite=True).read_bytes().startswith(b"\x89PNG")


def test_what_is_no_composite_is_refused() -> None:
    with pytest.raises(InputError, match="not a composite"):
        draw_preview(make_composite().drop_attrs(), title="A river")


def provider(name: str, *roles: str) -> dict[str, object]:
    return {"name": name, "roles": list(roles)}


@pytest.mark.parametrize(
    ("providers", "maker"),
    [
        ([provider("A painter", "producer")], "A painter (CC0-1.0)"),
        ([provider("A painter", "licensor"), provider("A host", "host")], "A painter (CC0-1.0)"),
        ([provider("A host", "host", "processor")], ""),
        ([provider("ESA", "producer", "licensor"), provider("A lab", "producer")], ""),
        ([provider("European Union/ESA/Copernicus", "licensor")], ""),
        ([], ""),
        (None, ""),
        ("A painter", ""),
    ],
)
def test_an_item_names_its_maker_unless_that_is_copernicus(providers: object, maker: str) -> None:
    assert read_maker({"providers": providers, "license": "CC0-1.0"}) == maker


def test_a_composite_names_all_makers_of_its_scenes() -> None:
    composite = make_composite(PREVIEW_BANDS)
    composite.attrs["scenes"][0]["maker"] = "A painter"
    assert credit_of(composite) == (
        "Contains modified Copernicus Sentinel data 2022–2023; Imagery: A painter"
    )


def test_a_place_with_little_data_says_how_much_is_missing() -> None:
    composite = make_composite()
    composite["reflectance"][:, 3:] = np.nan
    composite["clear_count"][3:] = 0
    assert "median 7 clear views where there is data; 92% without data" in words(composite)
