"""What is known of public files is found in them."""

from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from minewatch.errors import UnlabelledWarning
from minewatch.sites import check_sites, nearest_distance_m, read_sites, sample_background
from minewatch.sites import validate_sites as validate

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def seed_study(shared_data: Path) -> gpd.GeoDataFrame:
    """Give the points of the study that the project began with."""
    places = shared_data / "places"
    return read_sites(
        {
            "no mining": places / "v2.0_bolivar_negatives.geojson",
            "mining": places / "v2.1_bolivar_positives.geojson",
        }
    )


def test_200_of_the_502_points_of_the_seed_study_have_a_neighbour_within_480_m(
    seed_study: gpd.GeoDataFrame,
) -> None:
    check = check_sites(validate(seed_study))
    assert check.counts["n_sites"].to_dict() == {"mining": 170, "no mining": 332, "all": 502}
    assert check.overlaps.loc["all", ["n_sites", "n_within_side"]].tolist() == [502, 200]
    assert len(check.conflicts) == 0


def test_ids_that_are_all_null_are_made_from_source_and_order(seed_study: gpd.GeoDataFrame) -> None:
    assert seed_study.index[[0, 501]].tolist() == [
        "v2.0_bolivar_negatives-0001",
        "v2.1_bolivar_positives-0170",
    ]
    assert list(seed_study.columns) == ["label", "source", "geometry"]


@pytest.mark.filterwarnings("ignore::minewatch.errors.UnlabelledWarning")
@pytest.mark.parametrize(
    ("name", "n_sites", "first_id"),
    [
        ("Illegal-Airstrips-NYT-Intercept-Public.geojson", 1269, None),
        ("bolivar_2020_thresh_0.8_sumbsample_5_positives_cleaned.geojson", 209, "0"),
        ("osm_runway_points.geojson", 2409, "32845441"),
        ("riverbank_negatives.geojson", 105, "riverbank_negatives-0001"),
        ("v2.1.1_bolivar_negatives.geojson", 87, "v2.1.1_bolivar_negatives-0001"),
    ],
)
def test_every_file_of_places_is_read_without_fault(
    shared_data: Path, name: str, n_sites: int, first_id: str | None
) -> None:
    sites = validate(read_sites(shared_data / "places" / name))
    assert len(sites) == n_sites
    assert first_id is None or sites.index[0] == first_id


def test_two_places_of_pairs6_stand_twice(shared_data: Path) -> None:
    sites = read_sites(shared_data / "pairs6" / "sites.csv")
    check = check_sites(sites)
    assert check.counts["n_sites"].to_dict() == {"mining": 311, "no mining": 170, "all": 481}
    assert check.faults[["row", "site_id"]].to_numpy().tolist() == [
        [257, "natural_209"],
        [481, "natural_99"],
    ]
    assert set(check.faults["fault"]) == {"duplicate point"}


def test_the_point_files_of_pairs6_hold_the_same_sites_as_its_table(shared_data: Path) -> None:
    legacy = shared_data / "pairs6" / "legacy"
    (mining,), (no_mining,) = (
        list(legacy.glob(f"*_{name}_*.geojson")) for name in ("positives", "negatives")
    )
    points = read_sites({1: mining, 0: no_mining})
    table = read_sites(shared_data / "pairs6" / "sites.csv").loc[points.index]
    assert points["label"].equals(table["label"])
    apart = shapely.distance(points.geometry.to_numpy(), table.geometry.to_numpy())
    assert apart.max() < 1e-9


def test_chips_without_coordinates_are_counted_and_left_out(shared_data: Path) -> None:
    check = check_sites(read_sites(shared_data / "rgb" / "chips.csv"))
    assert check.counts.loc["all", ["n_sites", "n_placed"]].tolist() == [11911, 1823]
    assert (check.faults["fault"] == "no geometry").sum() == 10088


def test_background_in_bolivar_keeps_clear_of_the_mines(
    shared_data: Path, seed_study: gpd.GeoDataFrame
) -> None:
    region = shared_data / "places" / "boundaries" / "bolivar.geojson"
    sites = sample_background(
        region, 400, away_from=seed_study, min_distance_m=5000, apart_m=1000, random_state=1
    )
    assert sites.within(gpd.read_file(region).union_all()).all()
    assert nearest_distance_m(sites, others=seed_study).min() >= 5000
    assert nearest_distance_m(sites).min() >= 1000


def test_thousands_of_small_polygons_are_a_region(shared_data: Path) -> None:
    file = shared_data / "amw" / "outputs" / "mining_202400_simplified.geojson"
    sites = sample_background(file, 300, min_distance_m=0, random_state=1)
    mines = gpd.read_file(file)
    assert len(sites.sjoin(mines, predicate="within").index.unique()) == 300


def test_a_column_about_mining_is_pointed_out_when_no_label_is_named(shared_data: Path) -> None:
    airstrips = shared_data / "places" / "Illegal-Airstrips-NYT-Intercept-Public.geojson"
    with pytest.warns(UnlabelledWarning, match="--label 'Mining activity seen up to 20km"):
        read_sites(airstrips)
