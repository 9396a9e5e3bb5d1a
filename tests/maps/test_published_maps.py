"""Published polygons of the Amazon in every format of vectors."""

import gpxpy
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely

from minewatch.maps import gather_contents, write_files
from minewatch.scan._merge_polygons import area_ha

pytestmark = pytest.mark.real
FORMATS = ["parquet", "geojson", "gpkg", "kml", "gpx", "csv", "pmtiles"]


@pytest.fixture(scope="module")
def contents(shared_data):
    """Gather the polygons of 2024."""
    return gather_contents(
        shared_data / "amw" / "outputs" / "mining_202400_simplified.geojson",
        period="2024",
        attribution=["Amazon Mining Watch, CC BY 4.0"],
    )


@pytest.fixture(scope="module")
def folder(contents, tmp_path_factory):
    """Write them."""
    out = tmp_path_factory.mktemp("published") / "maps"
    write_files(contents, out, formats=FORMATS)
    return out


def hectares(path, layer=None):
    table = pyogrio.read_dataframe(path, layer=layer).to_crs("EPSG:4326")
    table = table[table.geom_type != "Point"]
    own = area_ha(shapely.make_valid(table.geometry.to_numpy()))
    return pd.Series(own, index=table["detection_id"]).groupby(level=0).sum()


def test_areas_of_published_polygons_agree_between_all_formats(contents, folder):
    truth = contents.detections["area_ha"]
    gpx = gpxpy.parse((folder / "detections.gpx").read_text(encoding="utf-8"))
    found = {
        "geojson": hectares(folder / "detections.geojson"),
        "gpkg": hectares(folder / "detections.gpkg", "detections"),
        "kml": hectares(folder / "detections.kml", "Detections"),
        "pmtiles": hectares(folder / "detections.pmtiles"),
        "csv": pd.read_csv(folder / "detections.csv", index_col="detection_id")["area_ha"],
        "gpx": pd.Series({one.name: float(one.extensions[0].text) for one in gpx.waypoints}),
    }
    for name, own in found.items():
        assert len(own) == len(truth) == 5_232, name
        assert own.sum() == pytest.approx(truth.sum(), rel=1e-3), name
        most = 0.01 if name == "pmtiles" else 1e-3  # corners of tiles are to a metre
        np.testing.assert_allclose(own.loc[truth.index], truth, rtol=most, err_msg=name)


def test_the_makers_own_hectares_stay_beside_those_of_the_polygons(contents, folder):
    table = pyogrio.read_dataframe(folder / "detections.gpkg", layer="detections")
    assert table["Mined area (ha)"].sum() == pytest.approx(
        contents.detections["Mined area (ha)"].sum()
    )
    assert table["Mined area (ha)"].sum() < table["area_ha"].sum() / 2
