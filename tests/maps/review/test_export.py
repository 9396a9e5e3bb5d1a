"""What comes of a review: sites for the next training, and the sample of an area."""

import json
import shutil

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from minewatch.errors import AlreadyThereError, InputError, NotThereError, UnlabelledWarning
from minewatch.maps.review import (
    Decision,
    Item,
    Point,
    Queue,
    ReviewStore,
    export_review,
    read_queue,
    update_sites,
)
from minewatch.scan._area_run import estimate_files
from minewatch.sites import read_sites, validate_sites, write_sites


def review(path, queue, said, points=()):
    """Decide: (item, verdict) by one reviewer each, in order."""
    with ReviewStore(path) as store:
        store.take_up(queue)
        for at, (item, who, verdict, reason) in enumerate(said):
            store.decide(Decision(f"{who}-{at}", item, verdict, who, reason))
        for at, (item, longitude, latitude) in enumerate(points):
            store.draw(Point(f"point-{at}", item, longitude, latitude, "Ana"))
    return path


@pytest.fixture
def reviewed(maker, tmp_path):
    said = [
        ("place-00", "Ana", "mine", None),
        ("place-01", "Ana", "not_mine", "river"),
        ("place-02", "Ana", "unsure", None),
        ("place-03", "Ana", "skip", None),
    ]
    return review(tmp_path / "review.gpkg", maker.make_queue(5), said)


def test_sites_of_a_review_are_a_table_that_the_next_stage_takes(reviewed, tmp_path):
    exported = export_review([reviewed], tmp_path / "sites.geojson")
    sites = validate_sites(read_sites(tmp_path / "sites.geojson"))
    assert sites["label"].to_dict() == {"place-00": 1, "place-01": 0}
    assert sites["reason"].dropna().to_dict() == {"place-01": "river"}
    assert set(sites["source"]) == {"review"}
    assert exported.counts()["mining"] == 1
    made = json.loads((tmp_path / "sites.review.json").read_text())
    assert made["counts"]["no_mining"] == 1
    assert list(made["inputs"]) == ["review.gpkg"]


@pytest.mark.parametrize("suffix", [".geojson", ".gpkg", ".csv", ".parquet"])
def test_every_format_gives_the_same_sites(reviewed, tmp_path, suffix):
    export_review([reviewed], tmp_path / f"sites{suffix}")
    sites = read_sites(tmp_path / f"sites{suffix}")
    assert sites["label"].to_dict() == {"place-00": 1, "place-01": 0}
    assert np.allclose(sites.geometry.x, [-62.60, -62.58], rtol=0, atol=1e-9)


def test_a_drawn_mine_is_a_site_and_stands_for_the_mine_it_was_drawn_in(maker, tmp_path):
    said = [("place-00", "Ana", "mine", None), ("place-01", "Ana", "not_mine", "road")]
    points = [("place-00", -62.6030, 5.4010), ("place-01", -62.5850, 5.4300)]
    path = review(tmp_path / "review.gpkg", maker.make_queue(2), said, points)
    sites = export_review([path], tmp_path / "sites.geojson").sites
    assert sites["label"].to_dict() == {"place-01": 0, "drawn-point-0": 1, "drawn-point-1": 1}
    assert sites.loc["drawn-point-0"].geometry.equals(shapely.Point(-62.6030, 5.4010))


def test_two_drawings_of_one_mine_are_one_site_and_what_is_undone_is_none(maker, tmp_path):
    points = [("place-00", -62.6000, 5.4300), ("place-00", -62.6005, 5.4302)]
    said = [("place-01", "Ana", "mine", None)]
    path = review(tmp_path / "review.gpkg", maker.make_queue(2), said, points)
    sites = export_review([path], tmp_path / "one.geojson").sites
    assert [name for name in sites.index if name.startswith("drawn")] == ["drawn-point-0"]
    with ReviewStore(path) as store:
        for number in store.points().index:
            store.undo("Ana", int(number))
    sites = export_review([path], tmp_path / "none.geojson").sites
    assert sites.index.tolist() == ["place-01"]


def test_a_reject_whose_patch_holds_a_drawn_mine_is_left_out_and_said(maker, tmp_path):
    said = [("place-00", "Ana", "not_mine", "river"), ("place-01", "Ana", "mine", None)]
    path = review(
        tmp_path / "review.gpkg", maker.make_queue(2), said, [("place-00", -62.6010, 5.4005)]
    )
    exported = export_review([path], tmp_path / "sites.geojson")
    assert exported.left_out.index.tolist() == ["place-00"]
    assert sorted(exported.sites.index) == ["drawn-point-0", "place-01"]
    validate_sites(exported.sites)


def test_reviewers_who_do_not_agree_give_no_label_until_one_is_trusted(maker, tmp_path):
    queue = maker.make_queue(3)
    ana = review(tmp_path / "ana.gpkg", queue, [
        ("place-00", "Ana", "mine", None), ("place-01", "Ana", "mine", None)])  # fmt: skip
    ben = review(tmp_path / "ben.gpkg", queue, [
        ("place-00", "Ben", "mine", None), ("place-01", "Ben", "not_mine", "road")])  # fmt: skip
    both = export_review([ana, ben], tmp_path / "both.geojson")
    assert both.sites["label"].to_dict() == {"place-00": 1}
    assert both.conflicts.index.tolist() == ["place-01"]
    assert both.counts()["conflicts"] == 1
    trusted = export_review([ana, ben], tmp_path / "ben.geojson", trust=["Ben"])
    assert trusted.sites["label"].to_dict() == {"place-00": 1, "place-01": 0}


def test_a_store_and_its_copy_count_once(reviewed, maker, tmp_path):
    copy = tmp_path / "copy.gpkg"
    copy.write_bytes(reviewed.read_bytes())
    exported = export_review([reviewed, copy], tmp_path / "sites.geojson")
    assert exported.agreed["n_mine"].sum() == 1


def test_what_was_undone_in_one_copy_of_a_store_is_undone_in_any_order(maker, tmp_path):
    said = [("place-00", "Ana", "mine", None), ("place-01", "Ana", "mine", None)]
    points = [("place-02", -62.56, 5.4301)]
    path = review(tmp_path / "review.gpkg", maker.make_queue(3), said, points)
    copy = tmp_path / "copy.gpkg"
    copy.write_bytes(path.read_bytes())
    with ReviewStore(copy) as store:
        for number in (1, 3):
            store.undo("Ana", number)
    for at, stores in enumerate(([path, copy], [copy, path])):
        exported = export_review(stores, tmp_path / f"{at}.geojson")
        assert exported.sites["label"].to_dict() == {"place-01": 1}


def test_reviews_of_other_ground_are_not_mixed(reviewed, tmp_path):
    other = Queue("detections", "demo", (Item("place-00", -61.0, 5.4),))
    path = review(tmp_path / "other.gpkg", other, [("place-00", "Ben", "mine", None)])
    with pytest.raises(InputError, match=r"lies 17\d,\d{3} m away"):
        export_review([reviewed, path], tmp_path / "sites.geojson")


def test_labels_go_into_the_sites_that_were_there_and_nothing_is_lost(tmp_path):
    existing = gpd.GeoDataFrame(
        {"label": pd.array([1, 1, 0, None], dtype="Int8"), "source": "old", "region": list("abcd")},
        index=pd.Index(["s0", "s1", "s2", "s3"], name="site_id"),
        geometry=gpd.points_from_xy([-62.60, -62.58, -62.56, -62.54], [5.40] * 4),
        crs="EPSG:4326",
    )
    sites = write_sites(existing, tmp_path / "sites.parquet")
    queue = read_queue(sites)
    path = review(tmp_path / "review.gpkg", queue, [
        ("s0", "Ana", "mine", None), ("s1", "Ana", "not_mine", "pasture"),
        ("s2", "Ana", "unsure", None)], [("s3", -62.54, 5.43)])  # fmt: skip
    joined = export_review([path], tmp_path / "new.parquet", into=sites).sites
    again = read_sites(tmp_path / "new.parquet")
    label = {name: None if pd.isna(one) else int(one) for name, one in again["label"].items()}
    assert label == {"s0": 1, "s1": 0, "s2": 0, "s3": None, "drawn-point-0": 1}
    assert again["label_before"].dropna().to_dict() == {"s1": 1}
    assert again.loc[existing.index, "region"].tolist() == list("abcd")
    assert joined.loc[existing.index, "source"].tolist() == ["old"] * 4


def test_updating_with_nothing_new_changes_no_label():
    table = gpd.GeoDataFrame(
        {"label": pd.array([1, None], dtype="Int8"), "source": "old"},
        index=pd.Index(["a", "b"], name="site_id"),
        geometry=gpd.points_from_xy([-62.6, -62.5], [5.4, 5.4]),
        crs="EPSG:4326",
    )
    updated = update_sites(table, table.iloc[:0])
    assert updated["label"].equals(table["label"])


def make_sample(folder):
    strata = [("detected", "mining", 1_000.0), ("clear", "no mining", 9_000.0)]
    rows = [
        (f"w{at:02d}", "detected" if at < 5 else "clear", -62.6 + 0.02 * at) for at in range(12)
    ]
    table = gpd.GeoDataFrame(
        {
            "label": pd.array([None] * 12, dtype="Int8"),
            "source": "scan",
            "stratum": [row[1] for row in rows],
            "area_ha": 23.0,
            "score": 0.5,
        },
        index=pd.Index([row[0] for row in rows], name="site_id"),
        geometry=gpd.points_from_xy([row[2] for row in rows], [5.4] * 12),
        crs="EPSG:4326",
    )
    said = [{"stratum": name, "class": of, "area_ha": area} for name, of, area in strata]
    text = json.dumps({"settings": {"unit_m": 480}, "strata": said})
    (folder / "sample.strata.json").write_text(text)
    return write_sites(table, folder / "sample.geojson")


def test_a_reviewed_sample_is_what_scan_area_estimates_from(tmp_path):
    sample = make_sample(tmp_path)
    queue = read_queue(sample)
    said = [(f"w{at:02d}", "Ana", "mine" if at < 4 else "not_mine", None) for at in range(11)]
    said.append(("w11", "Ana", "unsure", None))
    path = review(tmp_path / "review.gpkg", queue, said, [("w00", -62.6, 5.4)])
    exported = export_review([path], tmp_path / "reviewed.geojson", sample=sample)
    assert exported.counts()["without_label"] == 1
    estimate = estimate_files([tmp_path / "reviewed.geojson"])
    # 4 of 5 detected windows and none of 6 clear ones are mining
    assert estimate.areas.loc["mining", "area_ha"] == pytest.approx(800.0)
    assert estimate.strata["reviewed"].to_dict() == {"detected": 5, "clear": 6}


def test_a_sample_is_never_mixed_with_sites(tmp_path):
    sample = make_sample(tmp_path)
    said = [("w00", "Ana", "mine", None)]
    path = review(tmp_path / "review.gpkg", read_queue(sample), said)
    with pytest.raises(InputError, match="random sample"):
        export_review([path], tmp_path / "a.geojson", sample=sample, into=sample)
    with pytest.raises(InputError, match="name its file"):
        export_review([path], tmp_path / "a.geojson")
    assert not (tmp_path / "a.geojson").exists()


def test_windows_of_a_sample_become_no_training_sites_by_any_way(maker, tmp_path):
    sample, out = make_sample(tmp_path), tmp_path / "out.geojson"
    of_sample = review(tmp_path / "sample.gpkg", read_queue(sample), [("w01", "Ana", "mine", None)])
    found = maker.make_queue(3)
    of_found = review(tmp_path / "found.gpkg", found, [("place-00", "Ana", "mine", None)])
    with ReviewStore(of_sample) as store, pytest.raises(AlreadyThereError, match="of sample"):
        store.take_up(found)
    with pytest.raises(InputError, match="one by one"):
        export_review([of_found, of_sample], out)
    with pytest.raises(InputError, match="not to be trained on"):
        export_review([of_found], out, into=sample)
    with pytest.raises(InputError, match="no sample was reviewed"):
        export_review([of_found], out, sample=sample)
    with pytest.raises(InputError, match="stratum"):
        update_sites(read_sites(sample), read_sites(sample))
    assert not out.exists()


def test_a_store_in_which_kinds_are_mixed_already_is_not_exported(maker, tmp_path):
    path = review(tmp_path / "mixed.gpkg", maker.make_queue(2), [("place-00", "Ana", "mine", None)])
    with ReviewStore(path) as store:
        store._database.read("UPDATE items SET kind = 'sample' WHERE item_id = 'place-01'")
    with pytest.raises(InputError, match="detections, sample"):
        export_review([path], tmp_path / "out.geojson")


def test_the_sample_that_was_drawn_is_not_written_over_even_if_told_to(tmp_path):
    sample = make_sample(tmp_path)
    before = sample.read_bytes()
    path = review(tmp_path / "review.gpkg", read_queue(sample), [("w00", "Ana", "mine", None)])
    with pytest.raises(InputError, match="write over"):
        export_review([path], sample, sample=sample, overwrite=True)
    assert sample.read_bytes() == before


def test_a_known_label_that_nobody_could_confirm_stays_is_marked_and_drives_out_none(tmp_path):
    known = gpd.GeoDataFrame(
        {"label": pd.array([1, 1, 0], "Int8"), "source": "field"},
        index=pd.Index(["old", "near", "far"], name="site_id"),
        geometry=gpd.points_from_xy([-62.6, -62.5999, -62.5], [5.4, 5.4, 5.4]),
        crs="EPSG:4326",
    )
    file = write_sites(known, tmp_path / "known.geojson")
    said = [("old", "Ana", "unsure", None), ("near", "Ana", "not_mine", "river")]
    path = review(tmp_path / "review.gpkg", read_queue(file), said)
    exported = export_review([path], tmp_path / "sites.geojson", into=file)
    sites = read_sites(tmp_path / "sites.geojson")
    assert sites["label"].to_dict() == {"old": 1, "near": 0, "far": 0}
    assert sites["is_doubtful"].astype(bool).to_dict() == {"old": True, "near": False, "far": False}
    assert sites["reviewers"].dropna().to_dict() == {"old": "Ana", "near": "Ana"}
    assert exported.left_out.empty
    assert exported.counts()["undecided"] == 1


def test_a_store_that_brings_nothing_is_named(reviewed, maker, tmp_path):
    empty = review(tmp_path / "empty.gpkg", maker.make_queue(5), [])
    with pytest.warns(UnlabelledWarning, match=r"empty\.gpkg"):
        exported = export_review([reviewed, empty], tmp_path / "sites.geojson")
    assert exported.brought["decisions"].to_dict() == {"review.gpkg": 4, "empty.gpkg": 0}
    assert exported.counts()["unseen"] == 3  # three verdicts and a skip, none with a picture
    assert exported.counts()["skipped"] == 1


def test_a_copy_that_knows_less_makes_no_verdict_independent_again(maker, tmp_path):
    said = [("place-00", "Ana", "mine", None), ("place-00", "Ben", "not_mine", None)]
    path = review(tmp_path / "review.gpkg", maker.make_queue(2), said)
    shutil.copy(path, tmp_path / "early.gpkg")
    with ReviewStore(path) as store:
        store.mark_told("Ben")
        store.decide(Decision("Ben-changed", "place-00", "mine", "Ben"))
    files = [tmp_path / "early.gpkg", path]
    for at, stores in enumerate((files, files[::-1])):
        found = export_review(stores, tmp_path / f"sites-{at}.geojson").agreement.iloc[0]
        assert (found["n_same"], found["n_same_last"], found["n_both"]) == (0, 1, 1)


def test_nothing_is_written_over_and_nothing_comes_of_nothing(reviewed, maker, tmp_path):
    (tmp_path / "there.geojson").write_text("mine")
    with pytest.raises(AlreadyThereError):
        export_review([reviewed], tmp_path / "there.geojson")
    assert (tmp_path / "there.geojson").read_text() == "mine"
    empty = review(tmp_path / "empty.gpkg", maker.make_queue(2), [])
    with pytest.raises(InputError, match="nothing is decided"):
        export_review([empty], tmp_path / "sites.geojson")
    with pytest.raises(NotThereError):
        export_review([tmp_path / "none.gpkg"], tmp_path / "sites.geojson")


def test_exporting_reads_a_store_that_a_desk_has_open(reviewed, maker, tmp_path):
    with ReviewStore(reviewed) as open_store:
        open_store.take_up(maker.make_queue(5))
        open_store.decide(Decision("late-1", "place-04", "mine", "Ana"))
        sites = export_review([reviewed], tmp_path / "sites.geojson").sites
    assert sites["label"]["place-04"] == 1
