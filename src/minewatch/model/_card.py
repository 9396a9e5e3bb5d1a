"""What a detector says about itself: ``card.json``."""

import json
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import ConfigDict, Field, ValidationError, field_validator, model_validator

from minewatch import __version__
from minewatch.errors import DetectorError
from minewatch.model._channels import channel_names
from minewatch.types import Level, Settings, describe_fault

CARD_NAME: Final = "card.json"
NETWORK_NAME: Final = "model.onnx"
FORMAT_VERSION: Final = 1
_MAX_CARD_BYTES: Final = 16 << 20

Kind = Literal["cnn", "trees", "fusion", "linear", "neighbours"]


class _Part(Settings):
    """A part of a card: every number in it is finite, so that JSON can hold it."""

    model_config = ConfigDict(allow_inf_nan=False)


class Clip(_Part):
    """Cut values off at two ends."""

    step: Literal["clip"] = "clip"
    low: float
    """Smaller values become this, in the unit that the step before left."""
    high: float
    """Larger values become this."""

    @model_validator(mode="after")
    def _has_room(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low is {self.low:g} and high {self.high:g}; expected low below high")
        return self


class Scale(_Part):
    """Multiply every band by one number, then add another."""

    step: Literal["scale"] = "scale"
    factor: float
    """What values are multiplied by."""
    offset: float = 0.0
    """What is added afterwards."""


class Standardise(_Part):
    """Take a band's mean away and divide by its standard deviation."""

    step: Literal["standardise"] = "standardise"
    mean: tuple[float, ...]
    """One number for each band, in the card's order; reflectance if it is the first step."""
    deviation: tuple[Annotated[float, Field(gt=0)], ...]
    """One number for each band, in the unit of `mean`."""


Step = Annotated[Clip | Scale | Standardise, Field(discriminator="step")]


class MissingPixels(_Part):
    """What is done where nothing is known about a pixel."""

    method: Literal["fill", "keep", "refuse"] = "refuse"
    """``fill``: a number stands in its place; ``keep``: the network takes NaN; ``refuse``: a patch
    with a missing pixel gets no score."""
    fill: float = 0.0
    """What stands in the place of a missing pixel, for ``fill``."""
    when: Literal["before", "after"] = "before"
    """Whether missing pixels are filled before the first step (`fill` is a reflectance) or after
    the last (`fill` is what the network sees)."""
    most_share: float = Field(default=0.5, ge=0, lt=1)
    """A patch with a larger share of missing pixels gets no score."""


class Preparation(_Part):
    """What happens to reflectance before the network sees it, in order; always float32."""

    missing: MissingPixels = MissingPixels()
    """What is done with missing pixels."""
    steps: tuple[Step, ...] = ()
    """Done one after another on reflectance (a fraction, mostly from 0 to 1)."""
    statistics: tuple[str, ...] = ()
    """Names of statistics of the patch, in order, that the network takes (`patch_statistics`)."""
    takes_pixels: bool = True
    """Whether the network takes the pixels themselves; if not, statistics or context alone."""


class Output(_Part):
    """What the numbers mean that the network gives for one patch."""

    kind: Literal["probability", "classes", "members"] = "probability"
    """``probability``: one, that of mining (a sigmoid); ``classes``: the probabilities of several
    classes, which add up to 1 (a softmax); ``members``: the probability of mining as each member of
    an ensemble sees it, of which the mean is taken."""
    index: int = Field(default=0, ge=0)
    """Where mining stands among the classes, counted from 0."""


class Threshold(_Part):
    """A score from which on a patch is taken for mining."""

    value: float = Field(ge=0, le=1)
    """The score."""
    chosen: str
    """By whom and how it was chosen, and on what."""


class Metric(_Part):
    """A figure of merit; it means nothing without what it was measured on."""

    name: str
    """What was measured: ``roc_auc``, ``average_precision``, ``precision``, …"""
    value: float
    """The estimate."""
    low: float | None = None
    """Lower end of the interval; None if none was given."""
    high: float | None = None
    """Upper end of the interval; None if none was given."""
    confidence: float | None = Field(default=None, gt=0, lt=1)
    """Share of such intervals that should hold the truth; None if not said, or without one."""
    on: str
    """The sample: which patches, of what level and period, at which threshold."""
    splitter: str
    """How the sample was kept apart from what was trained on."""
    n_sites: int | None = None
    """Patches in the sample; None if not said."""


class Training(_Part):
    """What a detector learned from."""

    dataset_digest: str | None = None
    """Digest of the training pixels; None if not known."""
    sites_digest: str | None = None
    """Digest of the training sites; None if not known."""
    n_sites: int | None = None
    """Training patches; None if not known."""
    n_places: int | None = None
    """Independent places among them; None if not known."""
    classes: dict[str, int] = Field(default_factory=dict)
    """Training patches by class."""
    period_start: str | None = None
    """First day of the training imagery, ISO date; None if not known."""
    period_end: str | None = None
    """Last day of the training imagery, ISO date; None if not known."""
    files: tuple[str, ...] = ()
    """Names of the training files, as the makers give them."""
    notes: str = ""
    """What else is known: folds, augmentation, epochs, seeds."""


class SourceFile(_Part):
    """A file that the detector was made from."""

    url: str
    """Where it was published; its name alone if that is not known."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of its bytes, in hexadecimal."""


class Card(_Part):
    """Everything about a detector that is not a weight.

    Examples
    --------
    >>> card = Card(
    ...     name="bright", kind="linear", bands=("B04",), level="L2A", size_px=4,
    ...     licence="MIT", digest="sha256:0",
    ... )
    >>> card.preparation.missing.method, card.output.kind
    ('refuse', 'probability')
    """

    format_version: Literal[1] = FORMAT_VERSION
    """Version of the layout on disk."""
    minewatch: str = __version__
    """The minewatch that wrote it."""
    name: str = Field(min_length=1, max_length=200)
    """The detector's name."""
    version: str = ""
    """Its version or date, if it has one."""
    kind: Kind
    """What it is: a convolutional network, trees, a fusion, a linear probe, nearest neighbours."""
    description: str = ""
    """What it does, in a sentence."""
    bands: tuple[str, ...]
    """What it takes, in the order in which it takes it: ESA's names of bands (``B04``), bands of an
    earlier date (``B04@before``), and channels of context: where a layer is mapped
    (``osm:highway``) and how far away it is (``osm:highway_distance``), as `StackedPatches.pixels`
    gives them."""
    level: Level
    """Processing level of the pixels it takes."""
    size_px: int = Field(ge=1, le=4096)
    """Pixels along a side of the patches it takes."""
    resolution_m: float = Field(default=10.0, gt=0)
    """Ground size of a pixel, metres."""
    context_columns: tuple[str, ...] = ()
    """Columns of the context table that it takes too, in order."""
    context_classes: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """For each of those columns that holds classes, the classes it learned from: the network takes
    a 1 for the one that is there and a 0 for the others, in the column's place."""
    preparation: Preparation = Preparation()
    """What happens to reflectance before the network sees it."""
    output: Output = Output()
    """What the network's numbers mean."""
    thresholds: dict[str, Threshold] = Field(default_factory=dict)
    """Scores to decide by, by name."""
    metrics: tuple[Metric, ...] = ()
    """How good it is."""
    null_models: dict[str, tuple[Metric, ...]] = Field(default_factory=dict)
    """How good models are, under the same folds, that cannot know: by name."""
    training: Training = Training()
    """What it learned from."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings it was trained with, as JSON values."""
    limits: tuple[str, ...] = ()
    """What it cannot do or was never tested on, a sentence each."""
    licence: str
    """SPDX identifier or words."""
    attribution: str = ""
    """Whom to name."""
    sources: tuple[SourceFile, ...] = ()
    """Files it was made from."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Versions of the libraries that made it."""
    digest: str
    """Digest of ``model.onnx``, which always lies beside the card."""
    area_digest: str | None = None
    """Digest of ``applicability.npz``, the area of applicability; None if the card was written
    without one."""

    @field_validator("bands")
    @classmethod
    def _bands_are_known(cls, bands: tuple[str, ...]) -> tuple[str, ...]:
        if channel_names(bands) != bands:
            raise ValueError(f"{', '.join(bands)} are not ESA's names; expected B04, not B4 or red")
        return bands

    @model_validator(mode="after")
    def _classes_are_of_columns(self) -> Self:
        lost = sorted(self.context_classes.keys() - set(self.context_columns))
        if lost:
            raise ValueError(f"context_classes name {', '.join(lost)}, not in context_columns")
        return self

    @model_validator(mode="after")
    def _every_band_is_standardised(self) -> Self:
        for step in self.preparation.steps:
            if not isinstance(step, Standardise):
                continue
            counts = {len(step.mean), len(step.deviation), len(self.bands)}
            if len(counts) > 1:
                raise ValueError(
                    f"standardise has {len(step.mean)} means and {len(step.deviation)} deviations "
                    f"for {len(self.bands)} bands; expected one of each for each band"
                )
        return self


def read_card(folder: Path) -> Card:
    """Read and check ``card.json``.

    Raises
    ------
    DetectorError
        If it is missing, not JSON, of another version or breaks its schema.
    """
    path = folder / CARD_NAME
    if not path.is_file():
        raise DetectorError(
            f"{folder} has no {CARD_NAME}, so it is not a saved detector; expected a folder with "
            f"{CARD_NAME} and {NETWORK_NAME}"
        )
    if path.stat().st_size > _MAX_CARD_BYTES:
        raise DetectorError(f"{path} has {path.stat().st_size:,} bytes; no card is so long")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DetectorError(f"{path} is not readable JSON ({error})") from error
    version = content.get("format_version") if isinstance(content, dict) else None
    if version != FORMAT_VERSION:
        raise DetectorError(
            f"{path} has format version {version!r}; this minewatch reads version "
            f"{FORMAT_VERSION}. Load it with the minewatch that wrote it, or make it again"
        )
    try:
        return Card.model_validate(content)
    except ValidationError as error:
        faults = "; ".join(describe_fault(fault) for fault in error.errors())
        raise DetectorError(f"{path} breaks its schema: {faults}") from error
