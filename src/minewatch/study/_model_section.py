"""The section [model] of study.toml."""

from pathlib import Path

from pydantic import Field

from minewatch.types import Settings


class ModelSection(Settings):
    """How a detector of trees is trained and evaluated; with context too, where there is any."""

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
    n_trees: int = Field(default=400, ge=1)
    """Number of trees."""
    random_state: int = 0
    """Seed of trees, folds and resamples."""
