"""Settings that cannot be are refused in our own words, with name, value and what is expected."""

import pickle
from typing import Literal

import pytest
from pydantic import Field, ValidationError

from minewatch.errors import MinewatchError, SettingsError
from minewatch.types import Settings


class Inner(Settings):
    """What lies inside."""

    scale: float = Field(default=1.0, gt=0)


class Outer(Settings):
    """What lies around."""

    level: Literal["L1C", "L2A"]
    inner: Inner = Inner()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"level": "L2B"}, r"^Outer: level is 'L2B'; expected 'L1C' or 'L2A'$"),
        ({}, "level is missing"),
        ({"level": "L1C", "levle": 1}, r"levle is not a setting \(there are level, inner\)"),
        ({"level": "L1C", "inner": {"scale": -1}}, r"inner\.scale is -1; expected greater than 0"),
        ({"level": "L3", "inner": {"scal": 1}}, r"level is 'L3'.*inner\.scal is not a setting"),
        ({"level": "x" * 10_000}, "x…; expected"),
    ],
)
def test_every_fault_is_named_with_its_value_and_what_is_expected(values, says):
    with pytest.raises(SettingsError, match=says) as caught:
        Outer(**values)
    assert isinstance(caught.value, MinewatchError)
    assert isinstance(caught.value, ValueError)


def test_readers_of_files_are_told_the_whole_path_of_a_fault():
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate({"level": "L1C", "inner": {"scale": "wide"}})
    assert [fault["loc"] for fault in caught.value.errors()] == [("inner", "scale")]


def test_settings_survive_a_pickle():
    settings = Outer(level="L2A", inner=Inner(scale=2.0))
    assert pickle.loads(pickle.dumps(settings)) == settings
