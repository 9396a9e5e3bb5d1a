"""Windows have the context, and the likeness to training patches, that sites have."""

from dataclasses import replace

import geopandas as gpd
import numpy as np
import onnx.parser
import pandas as pd
import pytest
import shapely

from minewatch import _store
from minewatch.context import extract_features, measure_context
from minewatch.context._layers import DEFAULT_LAYERS
from minewatch.errors import InputError
from minewatch.grid import PatchGrid
from minewatch.imagery import FolderSource, SceneQuery
from minewatch.model import Card, OnnxDetector, fit_applicability
from minewatch.model._features import patch_statistics
from minewatch.scan import ScanSettings, read_scores, scan_region
from minewatch.scan._context import WindowContext
from minewatch.toy import write_osm

pytestmark = pytest.mark.filterwarnings("ignore::minewatch.errors.CoverageWarning")
COLUMNS = ("highway_nearest_m", "waterway_500m_length_m", "osm_features_2000m")
QUERY = SceneQuery(start="2023-01-01", end="2023-12-31")
SETTINGS = ScanSettings(stride_px=48, tile_px=96)


@pytest.fixture(scope="module")
def features(toy_valley, tmp_path_factory):
    file = write_osm(toy_valley, tmp_path_factory.mktemp("osm") / "valley.osm.pbf")
    return extract_features(file)


@pytest.fixture(scope="module")
def taking_context():
    """Make a detector that says what it sees in its context: the length of waterways, per 10 km."""
    text = """<ir_version: 8, opset_import: ["" : 17]>
    flows (float[site,3] context) => (float[site,1] score)
    <float[3,1] weights = {0.0, 0.0001, 0.0}> {
      known = Where(missing, zero, context)
      score = MatMul(known, weights)
    }"""
    text = text.replace(
        "known = Where(missing, zero, context)",
        "missing = IsNaN(context)\n"
        "      zero = Constant<value = float {0.0}>()\n"
        "      known = Where(missing, zero, context)",
    )
    network = onnx.parser.parse_model(text).SerializeToString()
    card = Card(
        name="flows",
        kind="linear",
        bands=("B04",),
        level="L2A",
        size_px=48,
        licence="MIT",
        context_columns=COLUMNS,
        preparation={"takes_pixels": False},
        digest=_store.digest_bytes(network),
    )
    return OnnxDetector(card, network)


@pytest.fixture(scope="module")
def region(toy_area):
    import shapely

    return gpd.GeoSeries([shapely.box(*toy_area.boundingbox)], crs=toy_area.crs.epsg)


def test_the_context_of_a_window_is_that_of_a_site_at_its_centre(
    tmp_path, toy_archive, region, features, taking_context
):
    made = scan_region(
        region,
        taking_context,
        FolderSource(toy_archive),
        QUERY,
        tmp_path / "scan",
        settings=SETTINGS,
        context=features,
    )
    scores = read_scores(made.scores)
    seen = scores[scores["status"] == "scored"]
    sites = gpd.GeoDataFrame(
        index=pd.Index(seen["window_id"].to_numpy(), name="site_id"),
        geometry=gpd.points_from_xy(seen["longitude"], seen["latitude"]),
        crs="EPSG:4326",
    )
    measured = measure_context(sites, features, radii_m=(500, 2000), grid=PatchGrid())
    expected = measured["waterway_500m_length_m"].to_numpy() * 1e-4
    assert expected.max() > expected.min()
    np.testing.assert_allclose(seen["score"], expected, atol=1e-6)
    assert scores.attrs["minewatch"]["context"]["radii_m"] == [500, 2000]


def test_a_detector_that_takes_context_is_not_scanned_without(
    tmp_path, toy_archive, region, taking_context
):
    with pytest.raises(InputError, match="give the features"):
        scan_region(region, taking_context, FolderSource(toy_archive), QUERY, tmp_path / "scan")


def test_features_without_a_layer_that_was_learned_from_are_refused(
    tmp_path, toy_valley, toy_archive, region, taking_context
):
    file = write_osm(toy_valley, tmp_path / "valley.osm.pbf")
    few = extract_features(file, layers=[one for one in DEFAULT_LAYERS if one.name == "highway"])
    with pytest.raises(InputError, match="waterway_500m_length_m"):
        scan_region(
            region,
            taking_context,
            FolderSource(toy_archive),
            QUERY,
            tmp_path / "scan",
            context=few,
        )


def test_dissimilarity_is_that_of_the_patch_at_the_windows_centre(
    tmp_path, toy_archive, region, maker
):
    generator = np.random.default_rng(0)
    training = pd.DataFrame(
        {"B04 mean": generator.uniform(0, 0.2, 20), "B08 std": generator.uniform(0, 0.1, 20)},
        index=[f"s{n}" for n in range(20)],
    )
    area = fit_applicability(training, pd.Series(range(20), index=training.index) % 3)
    source = FolderSource(toy_archive)
    made = scan_region(
        region,
        maker.make_detector(48),
        source,
        QUERY,
        tmp_path / "scan",
        settings=SETTINGS,
        applicability=area,
    )
    scores = read_scores(made.scores)
    assert scores.loc[scores["status"] != "scored", "dissimilarity"].isna().all()
    assert scores.loc[scores["status"] != "scored", "is_applicable"].isna().all()
    some = scores[scores["status"] == "scored"].iloc[::5]
    asked = QUERY.model_copy(update={"bands": ("B04", "B08")})
    pixels = [
        source.load(PatchGrid().geobox(*place), asked)["reflectance"].to_numpy()
        for place in zip(some["longitude"], some["latitude"], strict=True)
    ]
    values, names = patch_statistics(np.stack(pixels), ("B04", "B08"))
    expected = area.dissimilarity(pd.DataFrame(values, columns=list(names)))
    np.testing.assert_allclose(some["dissimilarity"], expected, rtol=1e-5)
    assert some["is_applicable"].to_list() == list(expected <= area.threshold)


def test_features_that_differ_in_shape_or_kind_alone_are_another_request(features):
    plain = WindowContext(features, (500,), COLUMNS).describe()
    table = features.table
    lines = table.index[table.geometry.geom_type == "LineString"]
    moved, renamed = table.copy(), table.copy()
    bent = shapely.get_coordinates(table.geometry[lines[0]])
    bent[1:-1] = bent[1:-1].mean(axis=0)  # within the bounds of old
    bent = bent if len(bent) > 2 else bent[::-1]
    moved.loc[lines[0], "geometry"] = shapely.LineString(bent)
    named = table.index[table["highway"].notna()][0]
    renamed.loc[named, "highway"] = "footway of old"
    again = replace(features, table=table.copy())
    assert WindowContext(again, (500,), COLUMNS).describe() == plain
    for other in (moved, renamed):
        assert list(other.index) == list(table.index)
        assert np.array_equal(other.total_bounds, table.total_bounds)
        changed = WindowContext(replace(features, table=other), (500,), COLUMNS)
        assert changed.describe() != plain
