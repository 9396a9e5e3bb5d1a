"""On the points of a real study, coordinates alone look clever where test sites are near."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from minewatch import patches
from minewatch.model._blocks import RegionHoldout
from minewatch.model._compare import compare_splitters, usual_splitters
from minewatch.model._evaluation import EvaluationSettings
from minewatch.model._nulls import NullDetector

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def points(shared_data, tmp_path_factory) -> patches.PatchDataset:
    """Put the points under patches of nothing: only their places and labels count here."""
    folder = shared_data / "places"
    parts = []
    for label, name in ((0, "v2.0_bolivar_negatives"), (1, "v2.1_bolivar_positives")):
        (file,) = folder.rglob(f"*{name}*.geojson")
        part = gpd.read_file(file).to_crs(4326)[["geometry"]]
        parts.append(part.assign(label=label, name=[f"{label}-{i:04d}" for i in range(len(part))]))
    sites = pd.concat(parts).set_index("name").rename_axis("site_id")
    sites["label"] = sites["label"].astype("Int8")
    sites["geometry"] = (
        sites.geometry.centroid if sites.geom_type.ne("Point").any() else sites.geometry
    )
    pixels = np.full((len(sites), 1, 2, 2), 1000, dtype=np.uint16)
    out = tmp_path_factory.mktemp("points") / "patches"
    return patches.write_patches(out, sites, pixels, bands=("B04",), level="L1C")


def test_coordinates_alone_look_clever_until_test_sites_are_far(points, shared_data):
    (region,) = shared_data.rglob("geo_holdout_caroni.geojson")
    splitters = usual_splitters() | {"region": RegionHoldout(region)}
    table = compare_splitters(
        NullDetector("coordinates"), points, splitters=splitters,
        settings=EvaluationSettings(n_resamples=100),
    )  # fmt: skip
    auc = table[table["model"] == "null: coordinates"].set_index("folds")["roc_auc"]
    assert auc["random"] > 0.95
    assert auc["blocks 100 km"] < 0.8
    assert auc["region"] < 0.6
    nearest = table.groupby("folds")["median_to_train_m"].first()
    assert nearest["random"] < nearest["clusters 3 km"] < nearest["blocks 50 km"]
    assert nearest["blocks 50 km"] < nearest["blocks 100 km"] < nearest["region"]
    assert table.set_index("folds")["headline"].groupby("folds").any().to_dict() == {
        "random": False, "clusters 3 km": False, "blocks 50 km": True, "blocks 100 km": True,
        "region": True,
    }  # fmt: skip
