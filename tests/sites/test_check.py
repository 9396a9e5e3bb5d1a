"""A check counts what is there and measures what can be measured."""

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from minewatch.errors import AlreadyThereError, SitesError
from minewatch.grid import PatchGrid
from minewatch.sites import check_sites

from .conftest import MakeSites

METRE = 1.0 / 110_574.0  # degrees of latitude at the equator


@pytest.fixture
def line(make_sites: MakeSites) -> gpd.GeoDataFrame:
    """Give five sites northwards along 62.6° W, 0, 200, 900, 5,000 and 30,000 m from the first."""
    metres = [0, 200, 900, 5_000, 30_000]
    return make_sites(
        [(-62.6, 0.1 + METRE * step) for step in metres], [1, 0, 0, 1, None], list("abcde")
    )


def test_counts_are_by_class_and_by_source(line: gpd.GeoDataFrame) -> None:
    line["source"] = ["x", "x", "y", "y", "y"]
    check = check_sites(line)
    assert check.counts["n_sites"].to_dict() == {
        "mining": 2,
        "no mining": 2,
        "unlabelled": 1,
        "all": 5,
    }
    assert check.counts.loc["mining", "share"] == 0.4
    assert check.sources.loc["y"].to_dict() == {
        "mining": 1,
        "no mining": 1,
        "unlabelled": 1,
        "all": 3,
    }


def test_distances_are_to_the_nearest_by_class(line: gpd.GeoDataFrame) -> None:
    check = check_sites(line)
    per_site = check.per_site.round(-1)
    assert per_site["nearest_m"].tolist() == [200, 200, 700, 4100, 25_000]
    assert per_site["nearest_other_class_m"].fillna(-1).tolist() == [200, 200, 900, 4100, -1]
    rows = check.distances.set_index(["of", "to"])
    assert rows.loc[("mining", "no mining"), "min_m"] == pytest.approx(200, abs=1)
    assert rows.loc[("mining", "mining"), "median_m"] == pytest.approx(5000, abs=10)
    assert rows.loc[("all", "all"), "max_m"] == pytest.approx(25_000, abs=50)
    assert rows.loc[("unlabelled", "unlabelled"), "n_sites"] == 0


def test_overlaps_and_conflicts_are_counted(line: gpd.GeoDataFrame) -> None:
    check = check_sites(line)
    assert check.overlaps.loc["all"].tolist() == [5, 2, 2, 2]
    assert check.overlaps.loc["mining"].tolist() == [2, 1, 1, 1]
    assert check.conflicts[["mining", "no_mining"]].to_numpy().tolist() == [["a", "b"]]
    assert check.conflicts["distance_m"].iloc[0] == pytest.approx(200, abs=1)
    large = check_sites(line, grid=PatchGrid(size_px=120))
    assert large.overlaps.loc["all", "n_within_side"] == 3
    assert large.conflicts[["mining", "no_mining"]].to_numpy().tolist() == [["a", "b"]]


def test_clusters_are_counted_at_every_distance(line: gpd.GeoDataFrame) -> None:
    clusters = check_sites(line).clusters
    assert clusters.index.tolist() == [1000, 3000, 10_000, 20_000]
    assert clusters["n_clusters"].tolist() == [3, 3, 2, 2]
    assert clusters["n_single"].tolist() == [2, 2, 1, 1]
    assert clusters["largest"].tolist() == [3, 3, 4, 4]
    assert clusters["n_mixed"].tolist() == [1, 1, 1, 1]


def test_faults_do_not_stop_a_check(line: gpd.GeoDataFrame) -> None:
    bad = line.copy()
    bad.geometry = [*line.geometry.iloc[:3], None, shapely.Point(500, 0)]
    check = check_sites(bad)
    assert check.counts.loc["all", ["n_sites", "n_placed"]].tolist() == [5, 3]
    assert check.faults["fault"].tolist() == [
        "conflicting labels",
        "conflicting labels",
        "no geometry",
        "out of range",
    ]
    assert check.per_site["nearest_m"].isna().tolist() == [False] * 3 + [True] * 2
    assert check.extent.loc["all", "east"] == pytest.approx(-62.6)
    with pytest.raises(SitesError, match="4 faults in 5 sites"):
        check.raise_faults()
    check.raise_faults(allow=["conflicting labels", "no geometry", "out of range"])


def test_sites_without_any_place_are_still_counted(make_sites: MakeSites) -> None:
    sites = make_sites([(1, 2), (3, 4)], [1, 0])
    sites.geometry = [None, None]
    check = check_sites(sites)
    assert check.counts.loc["all", "n_placed"] == 0
    assert check.clusters["n_clusters"].eq(0).all()
    assert "2 have no usable place" in str(check)


@pytest.mark.parametrize("labels", [[1], [0], [None]])
def test_one_site_of_one_class_is_enough(make_sites: MakeSites, labels: list[int | None]) -> None:
    check = check_sites(make_sites([(-62.6, 5.4)], labels))
    assert check.clusters["n_clusters"].eq(1).all()
    assert "1 site from 1 source" in str(check)


def test_what_cannot_be_described_is_refused(make_sites: MakeSites) -> None:
    with pytest.raises(SitesError, match="no rows"):
        check_sites(make_sites([]))
    with pytest.raises(SitesError, match="wrong CRS: it is EPSG:3857"):
        check_sites(make_sites([(1, 2)]).to_crs(3857))


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.floats(-60.01, -59.99), st.floats(-0.01, 0.01), st.sampled_from([0, 1, None])),
        min_size=2,
        max_size=12,
        unique_by=lambda row: row[:2],
    ),
    seed=st.integers(0, 99),
)
def test_the_order_of_the_rows_changes_nothing(
    make_sites: MakeSites, rows: list[tuple[float, float, int | None]], seed: int
) -> None:
    sites = make_sites([row[:2] for row in rows], [row[2] for row in rows])
    one, two = check_sites(sites), check_sites(sites.sample(frac=1, random_state=seed))
    for name, table in one.tables.items():
        other = two.tables[name]
        if name == "faults":
            table, other = (
                found.drop(columns=["row", "source_row", "detail"]).sort_values(
                    ["site_id", "fault"]
                )
                for found in (table, other)
            )
            table, other = table.reset_index(drop=True), other.reset_index(drop=True)
        if name == "per_site":
            other = other.loc[table.index]
        pd.testing.assert_frame_equal(table, other)


def test_the_summary_holds_the_numbers(line: gpd.GeoDataFrame) -> None:
    text = str(check_sites(line))
    for part in (
        "5 sites from 1 source",
        "2 of 5 sites (40.0 %) have another site within a patch's side, 480 m",
        "1 pair of sites with different labels in one patch",
        "62.6000° W",
        "Faults: 2",
        "row 1 (a): it is mining, but in one patch with it, 200 m away, b (row 2) is no mining",
    ):
        assert part in text


def test_everything_is_saved_and_nothing_else_is_touched(
    tmp_path: Path, line: gpd.GeoDataFrame
) -> None:
    source = tmp_path / "points.csv"
    source.write_text("x")
    check = check_sites(line)
    folder = check.save(tmp_path / "sites", inputs=[source])
    saved = json.loads((folder / "check.json").read_text())
    assert saved["inputs"]["points.csv"].startswith("sha256:2d71164")
    assert saved["grid"]["size_px"] == 48
    assert saved["clusters"][0] == {
        "distance_m": 1000.0,
        "n_clusters": 3,
        "n_single": 2,
        "largest": 3,
        "n_mixed": 1,
    }
    again = pd.read_csv(folder / "per_site.csv", index_col="site_id")
    np.testing.assert_allclose(again["nearest_m"], check.per_site["nearest_m"])
    with pytest.raises(AlreadyThereError):
        check.save(folder)
    check.save(folder, overwrite=True)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(AlreadyThereError):
        check.save(folder, overwrite=True)
    assert (folder / "notes.txt").read_text() == "mine"


def test_inputs_of_one_name_and_all_files_of_a_shapefile_are_digested(
    tmp_path: Path, line: gpd.GeoDataFrame
) -> None:
    files = [tmp_path / "mining/points.geojson", tmp_path / "forest/points.geojson"]
    for file in files:
        file.parent.mkdir()
        line.to_file(file)
    line.to_file(tmp_path / "more.shp")
    folder = check_sites(line).save(tmp_path / "sites", inputs=[*files, tmp_path / "more.shp"])
    inputs = json.loads((folder / "check.json").read_text())["inputs"]
    assert {"mining/points.geojson", "forest/points.geojson", "more.shp", "more.dbf"} < set(inputs)


def test_a_folder_of_tables_that_is_no_check_is_kept(
    tmp_path: Path, line: gpd.GeoDataFrame
) -> None:
    mine = tmp_path / "thesis/counts.csv"
    mine.parent.mkdir()
    mine.write_text("1")
    with pytest.raises(AlreadyThereError, match=r"counts\.csv"):
        check_sites(line).save(mine.parent, overwrite=True)
    assert mine.read_text() == "1"
