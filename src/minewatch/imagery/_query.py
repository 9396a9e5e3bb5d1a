"""What is asked of a source of imagery, whatever the source."""

from datetime import date
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from minewatch.bands import PRESETS, band_names
from minewatch.types import Settings


class SceneQuery(Settings):
    """A period, the bands, and what counts as a clear view.

    Examples
    --------
    >>> query = SceneQuery(start="2023-01-01", end="2023-12-31", bands="rgb")
    >>> query.bands, query.interval
    (('B04', 'B03', 'B02'), '2023-01-01T00:00:00Z/2023-12-31T23:59:59.999Z')
    """

    start: date
    """First day, UTC."""
    end: date
    """Last day, UTC; it belongs to the period."""
    bands: tuple[str, ...] = PRESETS["l2a-12"]
    """Bands in the order of the result: any spelling or preset in, ESA's names kept."""
    clear_threshold: float = Field(default=0.75, ge=0, le=1)
    """A pixel is clear where its clear score is at least this; each mask has its own score."""
    max_cloud_percent: float = Field(default=100.0, ge=0, le=100)
    """Scenes cloudier than this by their own metadata are not read; unknown cloud is not cloudy."""
    method: Literal["median", "least_cloudy"] = "median"
    """Per band the median of the clear views, or the one view that is clearest over the place."""
    resampling: Literal["nearest", "bilinear"] = "nearest"
    """How 20 m and 60 m bands come to the place's grid; masks are always taken nearest."""
    clear_dilation_px: int = Field(default=0, ge=0, le=100)
    """Pixels of the mask (20 m) by which everything that is not clear grows."""
    broken_scenes: Literal["fail", "leave_out"] = "fail"
    """What becomes of places that need a file which is gone, or damaged, for good: they fail, or
    they are composed as if its scene were not listed, and say so."""

    @field_validator("bands", mode="before")
    @classmethod
    def _esa_names(cls, value: object) -> tuple[str, ...]:
        if isinstance(value, str):
            return band_names(value)
        if isinstance(value, list | tuple) and all(isinstance(name, str) for name in value):
            return band_names(value)
        raise ValueError("expected a preset's name or a list of band names")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end < self.start:
            raise ValueError(f"the period ends ({self.end}) before it starts ({self.start})")
        return self

    @property
    def interval(self) -> str:
        """The period as STAC APIs take it: both ends UTC, both included."""
        return f"{self.start}T00:00:00Z/{self.end}T23:59:59.999Z"
