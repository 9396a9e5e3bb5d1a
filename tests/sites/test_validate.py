"""Every fault is found, named with its row, and all of them at once."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from pyproj import Transformer

from minewatch.errors import InputError, SitesError
from minewatch.grid import PatchGrid
from minewatch.sites import validate_sites
from minewatch.sites._validate import find_faults

from .conftest import MakeSites

BOWTIE = shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])


def named(sites: gpd.GeoDataFrame) -> list[tuple[int, str]]:
    faults = find_faults(sites)
    return list(zip(faults["row"], faults["fault"], strict=True))


def test_sound_sites_pass_unchanged(make_sites: MakeSites) -> None:
    sites = make_sites([(-62.6, 5.4), (-62.5, 5.5), (-62.4, 5.6)], [1, 0, None])
    checked = validate_sites(sites)
    pd.testing.assert_frame_equal(pd.DataFrame(checked), pd.DataFrame(sites))
    assert checked is not sites


def test_all_faults_are_named_at_once(make_sites: MakeSites) -> None:
    sites = make_sites(
        [(-62.6, 5.4)] * 9,
        [1, 7, 1, 1, 1, 1, 1, 1, 0],
        ["a", "b", "c", "c", "", "f", "g", "h", "i"],
    )
    sites.geometry = [
        shapely.Point(-62.60, 5.40),
        shapely.Point(-62.60, 5.60),
        None,
        shapely.Point(),
        BOWTIE,
        shapely.Point(np.nan, 5.4),
        shapely.Point(-200, 5.4),
        shapely.Point(5.4, -62.6),
        shapely.Point(-62.60, 5.40),
    ]
    with pytest.raises(SitesError) as caught:
        validate_sites(sites)
    starts = [fault.split(": ")[:2] for fault in caught.value.faults]
    assert starts == [
        ["row 1 (a)", "conflicting labels"],
        ["row 2 (b)", "unknown label"],
        ["row 3 (c)", "no geometry"],
        ["row 4 (c)", "duplicate id"],
        ["row 4 (c)", "no geometry"],
        ["row 5 ()", "missing id"],
        ["row 5 ()", "not a point"],
        ["row 6 (f)", "invalid geometry"],
        ["row 7 (g)", "out of range"],
        ["row 8 (h)", "swapped"],
        ["row 9 (i)", "duplicate point"],
        ["row 9 (i)", "conflicting labels"],
    ]
    assert str(caught.value).startswith("12 faults in 9 sites:")
    assert "Self-intersection" in str(caught.value)


def test_a_coordinate_that_is_not_finite_is_invalid(make_sites: MakeSites) -> None:
    assert named(make_sites([(np.inf, 5.4), (-62.6, 5.4)])) == [(1, "invalid geometry")]


def test_a_long_list_is_cut_in_the_message_and_whole_in_the_error(make_sites: MakeSites) -> None:
    with pytest.raises(SitesError, match="and 30 more") as caught:
        validate_sites(make_sites([(200.0 + row, 5.0) for row in range(50)]))
    assert len(caught.value.faults) == 50


def test_missing_columns_are_named(make_sites: MakeSites) -> None:
    sites = make_sites([(1, 2)]).drop(columns=["label", "source"]).rename_axis("fid")
    with pytest.raises(SitesError) as caught:
        validate_sites(sites)
    assert len(caught.value.faults) == 3
    for name in ("'site_id'", "'label'", "'source'"):
        assert name in str(caught.value)
    with pytest.raises(SitesError, match="no column of geometry"):
        validate_sites(pd.DataFrame(make_sites([(1, 2)]).drop(columns="geometry")))


@pytest.mark.parametrize("crs", ["EPSG:3857", None])
def test_another_crs_is_named_and_its_coordinates_left_alone(
    make_sites: MakeSites, crs: str | None
) -> None:
    sites = make_sites([(-62.6, 5.4)])
    sites = sites.set_crs(None, allow_override=True) if crs is None else sites.to_crs(crs)
    assert find_faults(sites)["fault"].tolist() == ["wrong CRS"]


@pytest.mark.parametrize(
    "places",
    [
        [(5.45, -62.63), (5.61, -64.96)],  # a whole file, swapped: in the Southern Ocean
        [(10.0, 105.0), (12.0, 107.0)],  # a latitude that does not exist
        [(-3.4, -44.3)],  # far from the others, and near them when exchanged
    ],
)
def test_swapped_coordinates_are_told(
    make_sites: MakeSites, places: list[tuple[float, float]]
) -> None:
    home = [(-44.1 - 0.1 * row, -3.0 - 0.1 * row) for row in range(8)]
    sites = make_sites([*places, *home])
    swapped = [row for row, fault in named(sites) if fault == "swapped"]
    assert swapped == list(range(1, len(places) + 1))


def test_far_but_honest_places_are_not_called_swapped(make_sites: MakeSites) -> None:
    # Mining districts on five continents, the far south and the far north.
    places = [
        (-62.6, 5.4),
        (-69.9, -13.0),
        (-1.9, 6.0),
        (113.9, -1.8),
        (28.5, -2.6),
        (133.0, -25.0),
    ]
    assert named(make_sites([*places, (-68.3, -54.8), (27.0, 68.6), (-156.0, 66.0)])) == []


def test_the_limits_of_the_utm_zones_are_the_limits(make_sites: MakeSites) -> None:
    sites = make_sites([(0, 84.0), (0, 84.1), (180.0, 0), (-180.1, 0), (170, -56)])
    assert named(sites) == [(2, "out of range"), (4, "out of range")]


def test_labels_conflict_exactly_where_one_patch_holds_the_other_site(
    make_sites: MakeSites,
) -> None:
    grid = PatchGrid()
    patch = grid.geobox(-62.6, 5.4)
    to_degrees = Transformer.from_crs(patch.crs.to_wkt(), "EPSG:4326", always_xy=True).transform
    east, middle = to_degrees(patch.boundingbox.right, sum(patch.boundingbox[1::2]) / 2)
    inside = make_sites([(-62.6, 5.4), (east - 2e-5, middle)], [1, 0])
    assert named(inside) == [(1, "conflicting labels"), (2, "conflicting labels")]
    outside = make_sites([(-62.6, 5.4), (east + 7e-4, middle)], [1, 0])
    assert named(outside) == []
    same = make_sites([(-62.6, 5.4), (east - 2e-5, middle)], [1, 1])
    assert named(same) == []
    unknown = make_sites([(-62.6, 5.4), (east - 2e-5, middle)], [1, None])
    assert named(unknown) == []


def test_conflicts_are_found_across_the_border_of_two_zones(make_sites: MakeSites) -> None:
    sites = make_sites([(-60.0001, 5.4), (-59.9999, 5.4), (-60.0001, -0.0001), (-59.9999, 0.0001)])
    sites["label"] = pd.array([1, 0, 1, 0], dtype="Int8")
    assert named(sites) == [(row, "conflicting labels") for row in (1, 2, 3, 4)]


def test_the_nearest_of_several_conflicts_is_named(make_sites: MakeSites) -> None:
    sites = make_sites([(-62.6, 5.4), (-62.6, 5.4015), (-62.6, 5.4005)], [1, 0, 0])
    detail = find_faults(sites)["detail"].iloc[0]
    assert detail == (
        "it is mining, but in one patch with it, 55 m away, s002 (row 3) is no mining (and 1 more)"
    )


def test_a_smaller_patch_has_fewer_conflicts(make_sites: MakeSites) -> None:
    sites = make_sites([(-62.6, 5.4), (-62.6, 5.4018)], [1, 0])
    assert len(find_faults(sites)) == 2
    assert len(find_faults(sites, grid=PatchGrid(size_px=12))) == 0


def test_faults_can_be_allowed_by_name(make_sites: MakeSites) -> None:
    sites = make_sites([(-62.6, 5.4), (-62.6, 5.4)], [1, 0])
    with pytest.raises(SitesError) as caught:
        validate_sites(sites, allow=["duplicate point"])
    assert all("conflicting labels" in fault for fault in caught.value.faults)
    assert len(validate_sites(sites, allow=["duplicate point", "conflicting labels"])) == 2
    with pytest.raises(InputError, match="no such fault: typo; there are missing column"):
        validate_sites(sites, allow=["typo"])


def test_multipoints_of_one_point_become_points(make_sites: MakeSites) -> None:
    sites = make_sites([(-62.6, 5.4), (-62.5, 5.5)])
    sites.geometry = [shapely.MultiPoint([(-62.6, 5.4)]), shapely.MultiPoint([(1, 2), (3, 4)])]
    assert named(sites) == [(2, "not a point")]
    assert validate_sites(sites.head(1)).geom_type.tolist() == ["Point"]


def test_ids_that_are_not_text_are_named(make_sites: MakeSites) -> None:
    sites = make_sites([(-62.6, 5.4), (-62.5, 5.5)])
    assert named(sites.set_axis(pd.Index([3, 4], name="site_id"))) == [
        (1, "missing id"),
        (2, "missing id"),
    ]


def test_an_empty_table_has_no_faults(make_sites: MakeSites) -> None:
    assert named(make_sites([])) == []


def test_what_is_read_from_a_csv_is_validated_by_its_rows(tmp_path: Path) -> None:
    from minewatch.sites import read_sites

    file = tmp_path / "a.csv"
    file.write_text("lon,lat\n-62.6,5.4\n,\n")
    with pytest.raises(SitesError, match=r"row 2 \(a-0002\): no geometry: it is none"):
        validate_sites(read_sites(file))


def test_faults_of_several_files_name_the_file_and_its_own_row(make_sites: MakeSites) -> None:
    sites = make_sites([(-62.6, 5.4), (-62.5, 5.5), (-62.6, 5.4), (5.4, -62.5)])
    sites["source"] = ["points", "points", "more", "more"]
    sites["label"] = 1
    with pytest.raises(SitesError) as caught:
        validate_sites(sites)
    ids = list(sites.index)
    assert list(caught.value.faults) == [
        f"row 1 of more ({ids[2]}): duplicate point: the place of row 1 of points ({ids[0]})",
        f"row 2 of more ({ids[3]}): swapped: longitude 5.4, latitude -62.5 look exchanged",
    ]
