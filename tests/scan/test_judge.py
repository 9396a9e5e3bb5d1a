"""Why a window is not seen: clouds, or no imagery there."""

import json

import geopandas as gpd
import numpy as np
import pytest
import shapely
from shapely.geometry import shape

from minewatch.imagery import FolderSource, SceneQuery
from minewatch.scan import ScanSettings, read_scores, scan_region


@pytest.fixture(scope="module")
def beyond(maker, toy_archive, toy_area, tmp_path_factory):
    """Scan ground of which the archive shows the middle; give scores and shares beyond it."""
    items = [json.loads(file.read_text()) for file in toy_archive.rglob("*.json")]
    shown = shapely.union_all([shape(one["geometry"]) for one in items if one.get("geometry")])
    ground = shapely.box(*toy_area.boundingbox).buffer(600, join_style="mitre")
    region = gpd.GeoSeries([ground], crs=toy_area.crs.epsg)
    made = scan_region(
        region,
        maker.make_detector(48),
        FolderSource(toy_archive),
        SceneQuery(start="2023-01-01", end="2023-12-31"),
        tmp_path_factory.mktemp("beyond") / "scan",
        settings=ScanSettings(stride_px=12),
    )
    scores = read_scores(made.path)
    boxes = shapely.box(
        scores["left_m"], scores["top_m"] - scores["size_m"],
        scores["left_m"] + scores["size_m"], scores["top_m"],
    )  # fmt: skip
    drawn = gpd.GeoSeries(boxes, crs=toy_area.crs.epsg).to_crs(4326).to_numpy()
    return scores, 1.0 - shapely.area(shapely.intersection(drawn, shown)) / shapely.area(drawn)


def test_a_window_that_reaches_beyond_all_scenes_has_no_data_and_not_few_clear_views(beyond):
    scores, outside = beyond
    partly = scores[(outside > 0.11) & (outside < 0.99)]
    assert len(partly) > 20
    assert set(partly["status"]) == {"no data"}
    assert partly["reason"].str.contains("of it lies beyond all scenes").all()
    said = partly["reason"].str.extract(r"^(\d+) %")[0].astype(float) / 100
    assert np.allclose(said, outside[partly.index], atol=0.02)


def test_a_window_that_no_scene_covers_says_so_beside_windows_that_scenes_cover(beyond):
    scores, outside = beyond
    gone = scores[outside > 1 - 1e-9]
    assert set(gone["reason"]) == {"no scene of the period covers it"}


def test_a_window_within_the_scenes_is_never_called_uncovered(beyond):
    scores, outside = beyond
    within = scores[outside < 1e-9]
    assert (within["status"] == "scored").any()
    assert not within["reason"].str.contains("beyond|covers").any()


def test_pixels_that_are_clear_and_have_no_number_are_no_lack_of_clear_views(maker, tmp_path):
    class Gappy(maker.FormulaSource):
        def pixels(self, geobox, n_bands):
            values, counts = super().pixels(geobox, n_bands)
            values[1] = np.nan
            return values, counts

    made = maker.scan(tmp_path / "scan", Gappy())
    assert made.windows == {"no data": made.n_windows}
    (reason,) = set(read_scores(made.path)["reason"])
    assert reason.startswith("100 % of it is clear and has no number in some band")


def test_clouds_are_few_clear_views(maker, tmp_path):
    cloud = shapely.box(-60.0001, 2.0049, -59.9999, 2.0051)  # smaller than a window
    made = maker.scan(
        tmp_path / "scan",
        maker.FormulaSource(clouded=cloud),
        settings=maker.SETTINGS.model_copy(update={"max_missing_share": 0.0}),
    )
    scores = read_scores(made.path)
    assert set(scores["status"]) == {"scored", "few clear views"}
    few = scores[scores["status"] == "few clear views"]
    assert few["reason"].str.contains("not clear in any view").all()
