"""What Earth Engine is asked, and that the answer is the composite that was meant."""

from datetime import date
from typing import Any

import numpy as np
import pytest

from minewatch.errors import BandError, InputError, LevelError
from minewatch.imagery import SceneQuery, check_composite
from minewatch.imagery._earthengine import EarthEngineSource

YEAR = SceneQuery(start="2023-01-01", end="2023-12-31", bands="legacy-12")
RED_GREEN = SceneQuery(start="2023-01-01", end="2023-12-31", bands="B04,B03")


def functions(body: dict[str, Any]) -> list[dict[str, Any]]:
    """List every call of a serialised expression, wherever it hangs."""
    found = []

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if "functionName" in node:
                found.append(node)
            for child in node.values():
                walk(child)
        elif isinstance(node, list):
            for child in node:
                walk(child)

    walk(body["expression"]["values"])
    return found


def constants(body: dict[str, Any], function: str, argument: str) -> list[Any]:
    """List what a function is given for an argument, constants only."""
    values = body["expression"]["values"]

    def plain(node: dict[str, Any]) -> Any:
        if "valueReference" in node:
            return plain(values[node["valueReference"]])
        if "arrayValue" in node:
            return [plain(item) for item in node["arrayValue"]["values"]]
        return node.get("constantValue")

    given = [call["arguments"] for call in functions(body) if call["functionName"] == function]
    return [plain(arguments[argument]) for arguments in given if argument in arguments]


def numbers(dataset: Any) -> np.ndarray:
    reflectance = dataset["reflectance"].to_numpy().astype(np.float64)
    return np.nan_to_num(np.round(reflectance * 1e4)).astype(np.uint16)


def test_the_composite_is_that_of_plain_numpy(earth_engine: Any, open_source: Any) -> None:
    earth_engine.archive = (
        *earth_engine.archive,
        earth_engine.made(date(2023, 6, 1), east=earth_engine.edge),
        earth_engine.made(date(2023, 6, 2), scored=False),
    )
    dataset = check_composite(open_source().load(earth_engine.place, YEAR), bands=YEAR.bands)
    expected, counts = earth_engine.plain(YEAR)
    np.testing.assert_array_equal(numbers(dataset), expected)
    np.testing.assert_array_equal(dataset["clear_count"], counts)
    assert len(np.unique(counts)) > 5


def test_the_grid_asked_for_is_the_place_and_nothing_around_it(
    earth_engine: Any, open_source: Any
) -> None:
    dataset = open_source().load(earth_engine.place, YEAR)
    (body,) = earth_engine.bodies("computePixels")
    transform = earth_engine.place.transform
    assert body["grid"] == {
        "crsCode": "EPSG:32620",
        "dimensions": {"width": 24, "height": 24},
        "affineTransform": {
            "scaleX": 10.0, "shearX": 0.0, "translateX": transform.c,
            "shearY": 0.0, "scaleY": -10.0, "translateY": transform.f,
        },
    }  # fmt: skip
    assert dataset["x"].to_numpy()[0] == transform.c + 5
    assert dataset["y"].to_numpy()[-1] == transform.f - 235


@pytest.mark.parametrize(
    ("level", "collection"),
    [("L1C", "COPERNICUS/S2_HARMONIZED"), ("L2A", "COPERNICUS/S2_SR_HARMONIZED")],
)
def test_each_level_has_its_harmonised_collection_and_cloud_score_plus(
    earth_engine: Any, open_source: Any, level: str, collection: str
) -> None:
    dataset = open_source(level=level).load(earth_engine.place, YEAR)
    assert dataset.attrs["level"] == level
    for body in earth_engine.bodies("computePixels") + earth_engine.bodies("compute"):
        loaded = set(constants(body, "ImageCollection.load", "id"))
        assert loaded == {collection, "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED"}
        assert constants(body, "Image.linkCollection", "linkedBands") == [["cs_cdf"]]


def test_the_last_day_belongs_to_the_period(earth_engine: Any, open_source: Any) -> None:
    earth_engine.archive = tuple(
        earth_engine.made(day) for day in (date(2022, 12, 31), date(2023, 1, 1),
                                           date(2023, 12, 31), date(2024, 1, 1))
    )  # fmt: skip
    dataset = open_source().load(earth_engine.place, RED_GREEN)
    days = [scene["date"][:10] for scene in dataset.attrs["scenes"]]
    assert days == ["2023-01-01", "2023-12-31"]
    (body,) = earth_engine.bodies("computePixels")
    assert constants(body, "DateRange", "start") == ["2023-01-01"]
    assert constants(body, "DateRange", "end") == ["2024-01-01"]


def test_bands_are_asked_for_by_name_and_come_in_the_order_of_the_query(
    earth_engine: Any, open_source: Any
) -> None:
    dataset = open_source().load(earth_engine.place, YEAR)
    (body,) = earth_engine.bodies("computePixels")
    asked = ["B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8A", "B8", "B9", "B11", "B12"]
    assert sorted(constants(body, "Image.select", "bandSelectors")) == [asked, ["cs_cdf"]]
    assert tuple(dataset["band"].to_numpy()) == YEAR.bands
    assert [name for name in YEAR.bands if name in ("B08", "B8A")] == ["B8A", "B08"]


def test_the_threshold_and_the_median_stand_in_the_expression(
    earth_engine: Any, open_source: Any
) -> None:
    query = YEAR.model_copy(update={"clear_threshold": 0.6})
    open_source().load(earth_engine.place, query)
    (body,) = earth_engine.bodies("computePixels")
    names = [call["functionName"] for call in functions(body)]
    assert names.count("reduce.median") == names.count("reduce.count") == 1
    assert names.index("Image.gte") > 0
    assert 0.6 in constants(body, "Image.constant", "value")
    assert "Image.resample" not in names
    assert "Image.focalMin" not in names


def test_a_higher_threshold_leaves_fewer_clear_views(earth_engine: Any, open_source: Any) -> None:
    strict = YEAR.model_copy(update={"clear_threshold": 0.9})
    source = open_source()
    more = source.load(earth_engine.place, YEAR)["clear_count"].to_numpy()
    less = source.load(earth_engine.place, strict)["clear_count"].to_numpy()
    assert (less <= more).all()
    assert less.sum() < 0.6 * more.sum()
    np.testing.assert_array_equal(less, earth_engine.plain(strict)[1])


def test_cloudy_scenes_are_left_out_and_unknown_cloud_is_not_cloudy(
    earth_engine: Any, open_source: Any
) -> None:
    made = earth_engine.made
    earth_engine.archive = (
        made(date(2023, 1, 1), cloud=80.0),
        made(date(2023, 2, 1), cloud=60.0),
        made(date(2023, 3, 1), cloud=None),
    )
    query = RED_GREEN.model_copy(update={"max_cloud_percent": 60.0})
    dataset = open_source().load(earth_engine.place, query)
    assert [scene["date"][5:7] for scene in dataset.attrs["scenes"]] == ["02", "03"]
    expected, counts = earth_engine.plain(query, earth_engine.archive[1:])
    np.testing.assert_array_equal(numbers(dataset), expected)
    np.testing.assert_array_equal(dataset["clear_count"], counts)


def test_dark_pixels_are_1_and_unknown_pixels_are_nan(earth_engine: Any, open_source: Any) -> None:
    made = earth_engine.made
    earth_engine.archive = (made(date(2023, 1, 1), east=earth_engine.edge),)
    query = RED_GREEN.model_copy(update={"clear_threshold": 0.0})
    dataset = open_source().load(earth_engine.place, query)
    reflectance = dataset["reflectance"].to_numpy()
    x = dataset["x"].to_numpy()
    assert np.isnan(reflectance[:, :, x > earth_engine.edge]).all()
    assert np.isfinite(reflectance[:, :, x < earth_engine.edge]).all()
    assert np.nanmin(reflectance) == np.float32(1e-4)
    assert (dataset["clear_count"].to_numpy() == (x < earth_engine.edge)[None, :]).all()


def test_a_place_without_scenes_is_empty_and_asks_for_no_pixels(
    earth_engine: Any, open_source: Any
) -> None:
    earth_engine.archive = ()
    dataset = check_composite(open_source().load(earth_engine.place, YEAR), bands=YEAR.bands)
    assert np.isnan(dataset["reflectance"]).all()
    assert not dataset["clear_count"].any()
    assert dataset.attrs["scenes"] == []
    assert earth_engine.bodies("computePixels") == []


def test_scenes_are_named_with_baseline_and_no_offset_to_add(
    earth_engine: Any, open_source: Any
) -> None:
    earth_engine.archive = (earth_engine.made(date(2021, 5, 3), baseline="03.00", cloud=None),)
    query = RED_GREEN.model_copy(update={"start": date(2021, 1, 1), "end": date(2021, 12, 31)})
    dataset = open_source().load(earth_engine.place, query)
    assert dataset.attrs["scenes"] == [{
        "id": "20210503T144731_20210503T144731_T20NNL", "date": "2021-05-03T14:47:31Z",
        "baseline": "03.00", "offset_dn": 0, "tile": "20NNL", "platform": "Sentinel-2A",
        "cloud_percent": None,
    }]  # fmt: skip
    assert dataset.attrs["crs"] == "EPSG:32620"
    assert "cs_cdf >= 0.75" in dataset.attrs["mask"]


def test_only_20_and_60_m_bands_are_resampled_and_only_if_asked(
    earth_engine: Any, open_source: Any
) -> None:
    from minewatch.imagery import _earthengine_graph as graph

    open_source().load(earth_engine.place, YEAR)
    import ee

    query = YEAR.model_copy(update={"resampling": "bilinear"})
    images = graph.find_images("L1C", earth_engine.place, query)
    body = {"expression": ee.serializer.encode(graph.compose(images, YEAR.bands, query))}
    assert len([c for c in functions(body) if c["functionName"] == "Image.resample"]) == 1
    coarse = ["B1", "B5", "B6", "B7", "B8A", "B9", "B11", "B12"]
    assert coarse in constants(body, "Image.select", "bandSelectors")


def test_what_is_unclear_grows_by_pixels_of_20_m(earth_engine: Any, open_source: Any) -> None:
    earth_engine.archive = earth_engine.archive[:1]
    source = open_source()
    query = RED_GREEN.model_copy(update={"clear_threshold": 0.05})
    before = source.load(earth_engine.place, query)["clear_count"].to_numpy()
    grown = query.model_copy(update={"clear_dilation_px": 1})
    after = source.load(earth_engine.place, grown)["clear_count"].to_numpy()
    (row, column) = next(
        spot for spot in np.argwhere(before == 0) if (spot >= 2).all() and (spot < 22).all()
    )
    assert not after[row - 2 : row + 3, column - 2 : column + 3].any()
    assert after.any()
    assert (after <= before).all()


def test_a_composite_says_whether_its_scenes_were_considered_or_known_to_show_the_place(
    earth_engine: Any, open_source: Any
) -> None:
    made = earth_engine.made
    elsewhere = made(date(2023, 1, 1), east=0.0)  # its footprint touches, it knows no pixel
    shown = made(date(2023, 2, 1))
    earth_engine.archive = (elsewhere, shown)
    all_images = open_source().load(earth_engine.place, RED_GREEN).attrs
    passes = open_source(views="passes").load(earth_engine.place, RED_GREEN).attrs
    clearest = RED_GREEN.model_copy(update={"method": "least_cloudy"})
    least = open_source().load(earth_engine.place, clearest).attrs
    found = {
        (one["views_rule"], one["scenes_rule"]): [scene["id"] for scene in one["scenes"]]
        for one in (all_images, passes, least)
    }
    assert found == {
        ("images", "considered"): [elsewhere.id, shown.id],
        ("passes", "known"): [shown.id],
        ("images", "known"): [shown.id],
    }


def test_the_least_cloudy_image_is_the_clearest_over_the_place(
    earth_engine: Any, open_source: Any
) -> None:
    made = earth_engine.made
    half = made(date(2023, 1, 1), cloud=0.0, east=earth_engine.edge)
    whole = made(date(2023, 2, 1), cloud=90.0)
    earth_engine.archive = (half, whole, made(date(2023, 3, 1), cloud=0.0, scored=False))
    query = YEAR.model_copy(update={"method": "least_cloudy"})
    dataset = open_source().load(earth_engine.place, query)
    assert [scene["id"] for scene in dataset.attrs["scenes"]] == [whole.id]
    np.testing.assert_array_equal(numbers(dataset), earth_engine.plain(query, (whole,))[0])


def test_of_each_pass_one_tile_counts_if_passes_are_asked_for(
    earth_engine: Any, open_source: Any
) -> None:
    made = earth_engine.made
    first, second = date(2023, 1, 1), date(2023, 2, 1)
    kept = (
        made(first, tile="20NPL"),
        made(second, tile="20NNL", west=earth_engine.edge),
        made(second, tile="20NNL", east=earth_engine.edge, datastrip="DS2"),
    )
    others = (
        made(first, tile="20NNL", east=earth_engine.edge),
        made(first, tile="21NTF"),
        made(second, tile="20NPL", baseline="02.09", east=earth_engine.edge),
    )
    earth_engine.archive = (*others, *kept)
    dataset = open_source(views="passes").load(earth_engine.place, RED_GREEN)
    assert {scene["id"] for scene in dataset.attrs["scenes"]} == {image.id for image in kept}
    np.testing.assert_array_equal(numbers(dataset), earth_engine.plain(RED_GREEN, kept)[0])
    assert dataset["clear_count"].to_numpy().max() == 2
    every = open_source().load(earth_engine.place, RED_GREEN)
    assert every["clear_count"].to_numpy().max() > 2


def test_of_a_scene_processed_twice_the_newest_baseline_counts(
    earth_engine: Any, open_source: Any
) -> None:
    old = earth_engine.made(date(2021, 1, 1), baseline="03.00", datastrip="OLD")
    new = earth_engine.made(date(2021, 1, 1), baseline="05.00")
    earth_engine.archive = (old, new)
    query = RED_GREEN.model_copy(update={"start": date(2021, 1, 1), "end": date(2021, 12, 31)})
    dataset = open_source(views="passes").load(earth_engine.place, query)
    assert [scene["baseline"] for scene in dataset.attrs["scenes"]] == ["05.00"]


def test_cirrus_is_refused_for_l2a_before_anything_is_asked(
    earth_engine: Any, open_source: Any
) -> None:
    query = YEAR.model_copy(update={"bands": ("B10",)})
    with pytest.raises(BandError, match="B10"):
        open_source(level="L2A").load(earth_engine.place, query)
    assert earth_engine.asked == []


def test_the_ends_of_each_setting_are_checked() -> None:
    with pytest.raises(InputError, match="1 to 40"):
        EarthEngineSource("p", max_concurrency=41)
    with pytest.raises(LevelError):
        EarthEngineSource("p", level="L3")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="images or passes"):
        EarthEngineSource("p", views="all")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="expected one"):
        EarthEngineSource("p", credentials=object(), service_account="key.json")
