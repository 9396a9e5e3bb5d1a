"""The section [model] of study.toml."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from minewatch.model._evaluation import Share
from minewatch.model._kinds import ClassWeight
from minewatch.model._training import Sampling
from minewatch.types import Settings


class ModelSection(Settings):
    """How a detector is trained and evaluated; with context too, where there is any."""

    detector: Literal["ensemble", "trees"] = "ensemble"
    """``ensemble``: trees on statistics and a rule on textures; ``trees``: those alone, faster."""

    n_splits: int = Field(default=5, ge=2)
    """Folds."""
    block_m: float = Field(default=50_000.0, gt=0)
    """Side of the blocks that are held out, metres; below 50 km figures flatter."""
    region: Path | None = None
    """A file of polygons to hold out in the place of blocks, relative to the study's folder."""
    group_column: str | None = None
    """Column of the sites; those that share a value in it are never parted."""
    confusers: str | None = None
    """Column of the sites that says what those without mining show."""
    thorough: bool = False
    """Whether the usual folds, a learning curve and the ablations are measured too: minutes."""
    class_weight: ClassWeight = "balanced"
    """Whether both classes weigh the same in training (``balanced``), or every patch (``none``)."""
    sampling: Sampling = "all"
    """What is learned from: ``all`` training patches, or an ``equal`` number of both classes."""
    prevalences: tuple[Share, ...] = (0.001, 0.01, 0.1)
    """Shares of mining among all places at which precision is given."""
    licence: str | None = None
    """SPDX identifier or words, for the cards; else they say that none is stated."""
    channels: bool = False
    """Whether it is trained on context drawn as channels beside the bands too."""
    n_trees: int = Field(default=400, ge=1)
    """Number of trees."""
    random_state: int = 0
    """Seed of the detector, folds and resamples."""
