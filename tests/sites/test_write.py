"""What is written is read back as it was, and nothing is lost on the way."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from geopandas.testing import assert_geodataframe_equal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minewatch.errors import AlreadyThereError, InputError
from minewatch.sites import read_sites, write_sites

from .conftest import MakeSites

SUFFIXES = [".parquet", ".geojson", ".gpkg", ".csv"]


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    rows=st.lists(
        st.tuples(
            st.floats(-180, 180, width=64),
            st.floats(-80, 84, width=64),
            st.sampled_from([0, 1, None]),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_writing_then_reading_gives_the_same_sites(
    tmp_path: Path,
    make_sites: MakeSites,
    suffix: str,
    rows: list[tuple[float, float, int | None]],
) -> None:
    ids = [f"{number:02d}" for number in range(len(rows))]
    sites = make_sites([row[:2] for row in rows], [row[2] for row in rows], ids)
    sites["source"] = sites["source"].astype("str")
    again = read_sites(write_sites(sites, tmp_path / f"sites{suffix}", overwrite=True))
    if suffix == ".geojson":  # to a ten-thousandth of a millimetre
        np.testing.assert_allclose(again.geometry.x, sites.geometry.x, rtol=0, atol=1e-12)
        np.testing.assert_allclose(again.geometry.y, sites.geometry.y, rtol=0, atol=1e-12)
        again = again.set_geometry(sites.geometry)
    assert_geodataframe_equal(again, sites)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_further_columns_are_kept(tmp_path: Path, make_sites: MakeSites, suffix: str) -> None:
    sites = make_sites([(1, 2), (3, 4)], [1, None]).assign(year=[2020, 2021], river=["a", None])
    sites["rank"] = pd.array([1, None], dtype="Int64")
    again = read_sites(write_sites(sites, tmp_path / f"sites{suffix}"))
    assert again["year"].tolist() == [2020, 2021]
    assert again["river"].isna().tolist() == [False, True]
    assert again["rank"].to_numpy(float, na_value=np.nan).tolist()[:1] == [1.0]


def test_a_file_is_not_replaced_unasked(tmp_path: Path, make_sites: MakeSites) -> None:
    file = tmp_path / "sites.parquet"
    one, two = make_sites([(1, 2)]), make_sites([(3, 4)])
    write_sites(one, file)
    write_sites(one, file)  # the same again is no replacement
    with pytest.raises(AlreadyThereError, match=r"sites\.parquet exists already"):
        write_sites(two, file)
    assert read_sites(file).geometry.x.tolist() == [1.0]
    write_sites(two, file, overwrite=True)
    assert read_sites(file).geometry.x.tolist() == [3.0]
    assert [path.name for path in tmp_path.iterdir()] == ["sites.parquet"]


def test_an_unknown_suffix_is_refused(tmp_path: Path, make_sites: MakeSites) -> None:
    with pytest.raises(InputError, match=r"'\.shp'; expected one of \.parquet, \.geojson"):
        write_sites(make_sites([(1, 2)]), tmp_path / "sites.shp")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_nothing(tmp_path: Path, make_sites: MakeSites) -> None:
    sites = make_sites([(1, 2)])
    sites["odd"] = [object()]
    with pytest.raises(Exception, match=r"."):
        write_sites(sites, tmp_path / "sites.parquet")
    assert list(tmp_path.iterdir()) == []
