"""What can be asked, and what a composite has to look like."""

import numpy as np
import pytest
import xarray as xr
from pydantic import ValidationError

from minewatch.errors import InputError, SettingsError
from minewatch.imagery import SceneQuery, check_composite

YEAR = {"start": "2023-01-01", "end": "2023-12-31"}


def test_any_spelling_of_a_band_becomes_esas_name() -> None:
    assert SceneQuery(**YEAR, bands=["red", "B8", "b8a"]).bands == ("B04", "B08", "B8A")
    assert SceneQuery(**YEAR, bands="legacy-12").bands[7:9] == ("B8A", "B08")


def test_the_default_is_every_band_of_l2a() -> None:
    bands = SceneQuery(**YEAR).bands
    assert len(bands) == 12
    assert "B10" not in bands


@pytest.mark.parametrize(
    "wrong",
    [
        {"end": "2022-12-31"},
        {"bands": ["red", "B04"]},
        {"bands": []},
        {"bands": 4},
        {"clear_threshold": 1.2},
        {"max_cloud_percent": -1},
        {"method": "mean"},
        {"resampling": "cubic"},
        {"clear_dilation_px": -1},
        {"cloud": 3},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        SceneQuery(**{**YEAR, **wrong})


def test_a_query_cannot_be_changed_and_survives_json() -> None:
    query = SceneQuery(**YEAR, bands="rgb")
    with pytest.raises(ValidationError, match="frozen"):
        query.bands = ("B02",)
    assert SceneQuery.model_validate_json(query.model_dump_json()) == query


def test_the_interval_holds_the_whole_last_day() -> None:
    assert SceneQuery(start="2023-06-01", end="2023-06-01").interval == (
        "2023-06-01T00:00:00Z/2023-06-01T23:59:59.999Z"
    )


def composite() -> xr.Dataset:
    numbers = np.array([[[1, 2500], [65_535, 0]]], dtype=np.float32)
    reflectance = np.where(numbers == 0, np.nan, numbers * np.float32(1e-4))
    return xr.Dataset(
        {
            "reflectance": (("band", "y", "x"), reflectance.astype(np.float32)),
            "clear_count": (("y", "x"), np.array([[1, 3], [2, 0]], dtype=np.uint16)),
        },
        coords={"band": ["B04"]},
        attrs={
            "level": "L2A",
            "source": "made up",
            "scenes": [{"id": "a", "date": "2023-01-01", "baseline": "05.09", "offset_dn": 0}],
            "mask": "SCL",
            "method": "median",
            "versions": {},
        },
    )


def test_a_composite_that_keeps_the_schema_comes_back() -> None:
    dataset = composite()
    assert check_composite(dataset, bands=["B04"]) is dataset


def test_a_place_without_any_scene_is_a_composite() -> None:
    dataset = composite()
    dataset["reflectance"][:] = np.nan
    dataset["clear_count"][:] = 0
    assert check_composite(dataset) is dataset


def break_dtype(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.assign(clear_count=dataset["clear_count"].astype("int64"))


def break_dims(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.assign(reflectance=dataset["reflectance"].transpose("y", "x", "band"))


def break_rounding(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.assign(reflectance=dataset["reflectance"] + np.float32(0.00004))


def break_zero(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.assign(reflectance=dataset["reflectance"].fillna(np.float32(0)))


def break_count(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.assign(clear_count=dataset["clear_count"] * np.uint16(0))


def break_level(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.assign_attrs(level="L3")


def break_scenes(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.assign_attrs(scenes=["S2A_20NMJ"])


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (break_dtype, "clear_count is int64"),
        (break_dims, "reflectance is float32"),
        (break_rounding, "whole digital numbers"),
        (break_zero, "does not fit digital numbers"),
        (break_count, "known where clear_count is 0"),
        (break_level, "level is 'L3'"),
        (break_scenes, "attribute scenes"),
        (lambda dataset: dataset.drop_attrs(), "attributes level, source"),
        (lambda dataset: dataset.drop_vars("clear_count"), "no variable clear_count"),
    ],
)
def test_a_broken_composite_is_named(broken: object, words: str) -> None:
    assert callable(broken)
    with pytest.raises(InputError, match=words):
        check_composite(broken(composite()))


def test_bands_in_another_order_are_not_what_was_asked() -> None:
    with pytest.raises(InputError, match="bands are B04, expected B03"):
        check_composite(composite(), bands=["B03"])
