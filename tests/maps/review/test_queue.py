"""Queues: what is reviewed, in which order, and what is kept from the reviewer."""

import json

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from minewatch.errors import InputError, NotThereError
from minewatch.maps.review import read_queue
from minewatch.sites import read_sites, write_sites

PLACES = [(-62.60, 5.40), (-62.58, 5.40), (-62.56, 5.40)]


def sites(labels, **columns):
    return gpd.GeoDataFrame(
        {"label": pd.array(labels, dtype="Int8"), "source": "demo", **columns},
        index=pd.Index([f"s{at}" for at in range(len(labels))], name="site_id"),
        geometry=gpd.points_from_xy(*zip(*PLACES[: len(labels)], strict=True)),
        crs="EPSG:4326",
    )


def sample(folder, unit_m=240):
    table = sites([None, None], stratum=["detected", "clear"], area_ha=23.0, score=[0.9, 0.1])
    path = write_sites(table, folder / "sample.geojson")
    strata = {"settings": {"unit_m": unit_m}, "strata": []}
    (folder / "sample.strata.json").write_text(json.dumps(strata))
    return path


def test_detections_come_by_falling_score_with_their_outline(maker, tmp_path):
    path = maker.write_detections(tmp_path / "found.geojson", 4)
    queue = read_queue(path)
    assert queue.kind == "detections"
    assert [one.facts["score_max"] for one in queue.items] == [0.9, 0.89, 0.88, 0.87]
    assert all(isinstance(one.outline, shapely.Polygon) for one in queue.items)
    assert not queue.is_blind
    assert all(abs(one.facts["area_ha"] - 122.6) < 0.5 for one in queue.items)  # 0.01° squared


@pytest.mark.real
def test_published_detections_of_the_amazon_are_a_queue(shared_data):
    file = shared_data / "amw" / "outputs" / "mining_202400_simplified.geojson"
    queue = read_queue(file)
    published = gpd.read_file(file)
    assert len(queue.items) == len(published)
    assert all(one.outline.intersects(shapely.Point(one.longitude, one.latitude).buffer(1e-9))
               for one in queue.items)  # fmt: skip


def test_a_sample_keeps_stratum_and_score_to_itself_and_says_its_unit(tmp_path):
    queue = read_queue(sample(tmp_path))
    assert (queue.kind, queue.is_blind, queue.square_m) == ("sample", True, 240)
    for item in queue.items:
        assert not {"stratum", "score", "label", "given_label"} & set(item.facts)


@pytest.mark.parametrize("suffix", [".geojson", ".csv", ".parquet"])
def test_a_sample_is_known_without_its_strata_and_never_taken_for_sites(tmp_path, suffix):
    own = read_sites(sample(tmp_path))
    alone = write_sites(own, tmp_path / f"mailed{suffix}")
    for kind in (None, "sample"):
        with pytest.raises(InputError, match=r"mailed\.strata\.json is not beside"):
            read_queue(alone, kind=kind)
    for path in (alone, tmp_path / "sample.geojson"):
        with pytest.raises(InputError, match="not to be trained on"):
            read_queue(path, kind="sites")
    (tmp_path / "mailed.strata.json").write_text((tmp_path / "sample.strata.json").read_text())
    assert read_queue(alone).kind == "sample"


def test_a_blind_review_shows_area_and_dates_and_no_column_that_may_hint(maker, tmp_path):
    path = maker.write_detections(tmp_path / "found.geojson", 2)
    assert all(set(one.facts) == {"area_ha"} for one in read_queue(path, blind=True).items)
    hints = {"proba_trees": 0.9, "prediction": "mining", "cluster": 3, "start": "2024-01-01"}
    table = write_sites(sites([1, 0], **hints), tmp_path / "sites.parquet")
    assert hints.keys() < read_queue(table).items[0].facts.keys()
    for item in read_queue(table, blind=True).items:
        assert dict(item.facts) == {"start": "2024-01-01"}


def test_a_blind_order_tells_nothing_of_scores_and_is_the_same_each_time(maker, tmp_path):
    path = maker.write_detections(tmp_path / "found.geojson", 40)
    open_, blind = ([one.item_id for one in read_queue(path, blind=hide).items]
                    for hide in (False, True))  # fmt: skip
    assert sorted(blind) == sorted(open_)
    assert [one.item_id for one in read_queue(path, blind=True).items] == blind
    ranks = [open_.index(one) for one in blind]
    assert abs(np.corrcoef(ranks, np.arange(40))[0, 1]) < 0.4
    gpd.read_file(path)[::-1].to_file(tmp_path / "turned.geojson")
    turned = read_queue(tmp_path / "turned.geojson", blind=True).items
    assert [one.item_id for one in turned] == blind


def test_doubts_of_a_report_come_by_rank_flagged_ones_alone(tmp_path):
    folder = tmp_path / "report"
    (folder / "tables").mkdir(parents=True)
    table = pd.DataFrame(
        {
            "site_id": ["a", "b", "c", "d"],
            "label": ["mining", "no mining", "mining", "mining"],
            "probability": [0.1, 0.9, 0.8, 0.2],
            "is_flagged": [True, True, False, True],
            "doubt_rank": [2, 1, 4, 3],
            "longitude": [-62.6, -62.58, -62.56, np.nan],
            "latitude": [5.4, 5.4, 5.4, np.nan],
        }
    )
    table.to_parquet(folder / "tables" / "labels-doubts.parquet")
    queue = read_queue(folder)
    assert queue.kind == "doubts"
    assert [one.item_id for one in queue.items] == ["b", "a"]
    assert queue.n_unplaced == 1
    assert queue.items[0].facts["given_label"] == "no mining"


def test_labelled_sites_show_the_label_that_is_checked(tmp_path):
    queue = read_queue(write_sites(sites([1, 0]), tmp_path / "sites.parquet"))
    assert queue.kind == "sites"
    assert [one.facts["given_label"] for one in queue.items] == ["mining", "no mining"]


@pytest.mark.parametrize("suffix", [".geojson", ".gpkg", ".csv", ".parquet"])
def test_points_are_sites_in_every_format(tmp_path, suffix):
    path = write_sites(sites([1, 0, None]), tmp_path / f"sites{suffix}")
    places = [(one.longitude, one.latitude) for one in read_queue(path).items]
    assert np.allclose(places, PLACES, rtol=0, atol=1e-12)


def test_what_is_no_queue_is_refused_with_its_name(maker, tmp_path):
    with pytest.raises(NotThereError, match="nothing to review"):
        read_queue(tmp_path / "none.geojson")
    path = maker.write_detections(tmp_path / "found.geojson", 2)
    with pytest.raises(InputError, match="kind"):
        read_queue(path, kind="mines")
    with pytest.raises(InputError, match="square_m"):
        read_queue(path, square_m=1)
    with pytest.raises(InputError, match=r"lacks"):
        read_queue(write_sites(sites([1]), tmp_path / "sites.csv"), kind="doubts")
