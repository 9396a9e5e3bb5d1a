import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS, Transformer

from minewatch.errors import InputError, SettingsError
from minewatch.grid import PatchGrid, utm_epsg

LONGITUDES = st.floats(-180, 180)
LATITUDES = st.floats(-79.9, 83.9)


@given(LONGITUDES, LATITUDES)
def test_a_place_lies_in_the_area_of_use_of_its_zone(longitude: float, latitude: float) -> None:
    area = CRS.from_epsg(utm_epsg(longitude, latitude)).area_of_use
    assert area is not None
    east = 180.0 if area.east < area.west else area.east
    assert area.west - 1e-9 <= longitude <= east + 1e-9 or abs(longitude) > 180 - 1e-9
    assert area.south - 1e-9 <= latitude <= area.north + 1e-9


@given(LONGITUDES, LATITUDES, st.sampled_from([1, 24, 47, 48, 256]))
def test_the_point_lies_within_half_a_snap_of_the_centre(
    longitude: float, latitude: float, size_px: int
) -> None:
    grid = PatchGrid(size_px=size_px)
    geobox = grid.geobox(longitude, latitude)
    to_utm = Transformer.from_crs("EPSG:4326", geobox.crs.epsg, always_xy=True)
    easting, northing = to_utm.transform(longitude, latitude)
    west, south, east, north = geobox.boundingbox
    assert abs((west + east) / 2 - easting) <= grid.snap_m / 2 + 1e-6
    assert abs((south + north) / 2 - northing) <= grid.snap_m / 2 + 1e-6


@pytest.mark.parametrize(
    ("tile_easting_m", "tile_northing_m", "epsg", "longitude", "latitude"),
    [
        (399_960, 4_500_000, 32613, -105.9, 40.3),  # a corner of tile 13TDE
        (600_000, 3_300_040, 32720, -61.5, -60.5),  # 20EPT, south
        (300_000, 9_500_020, 32724, -40.5, -4.8),  # 24MUV, south
        (300_000, 6_400_020, 32660, 174.2, 57.4),  # 60VUJ
    ],
)
def test_patches_lie_on_the_60_m_grid_of_the_tiles_of_their_zone(
    tile_easting_m: int, tile_northing_m: int, epsg: int, longitude: float, latitude: float
) -> None:
    geobox = PatchGrid().geobox(longitude, latitude)
    assert geobox.crs.epsg == epsg
    assert (geobox.boundingbox.left - tile_easting_m) % 60 == 0
    assert (geobox.boundingbox.top - tile_northing_m) % 60 == 0


def test_the_same_place_always_gives_the_same_value() -> None:
    assert PatchGrid().geobox(-62.6, 5.4) == PatchGrid().geobox(-62.6, 5.4)


@pytest.mark.parametrize(
    ("longitude", "latitude"),
    [(181.0, 0.0), (0.0, 85.0), (0.0, -81.0), (math.nan, 0.0), (0.0, math.inf)],
)
def test_a_place_outside_the_system_is_refused_with_its_value(
    longitude: float, latitude: float
) -> None:
    with pytest.raises(InputError, match=r"(longitude|latitude) is .*; expected degrees from"):
        utm_epsg(longitude, latitude)


def test_a_snap_that_splits_pixels_is_refused() -> None:
    with pytest.raises(SettingsError, match="not a whole number of 10 m pixels"):
        PatchGrid(snap_m=25)


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(SettingsError, match="size is not a setting"):
        PatchGrid(size=48)  # type: ignore[call-arg]
