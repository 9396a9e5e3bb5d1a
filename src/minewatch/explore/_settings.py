"""What a reader of the exploration may choose, and the values that hold if nothing is said."""

from typing import Final

from pydantic import Field

from minewatch.types import Settings


class ExploreSettings(Settings):
    """Choices of an exploration; every one is written into the report's header.

    Examples
    --------
    >>> ExploreSettings(random_state=7).n_thumbnails
    12
    """

    title: str = ""
    """Heading of the report; the dataset's name if empty."""
    random_state: int = Field(default=0, ge=0)
    """Seed of everything drawn at random: folds, large models' training sites, the gallery's random
    sites."""
    n_workers: int = Field(default=2, ge=1)
    """Threads that read and summarise pixels; results do not depend on it."""

    # integrity
    plausible_min: float = 1e-4
    """Reflectance at or below which a value counts as implausible: the darkest that can be stored,
    where corrections that overshoot below zero end up."""
    plausible_max: float = Field(default=1.0, gt=0)
    """Reflectance above which a value counts as implausible: a surface that scatters evenly cannot
    return more light than it gets, so higher values are cloud, glint or slopes facing the sun."""
    near_duplicate_tolerance: float = Field(default=0.005, gt=0)
    """Largest root mean square difference of two patches' 8 × 8 block means, in reflectance, at
    which they may count as near-duplicates. (Real patches of different places in the Amazon were
    found to differ by 0.006 and more.)"""
    near_duplicate_correlation: float = Field(default=0.9, gt=0, le=1)
    """Least correlation of two near-duplicates' block means, after each patch's own mean of each
    band is taken off: the same pattern, not only the same colour, as two forests have it."""
    min_clear_views: int = Field(default=3, ge=1)
    """Clear views of every pixel below which a patch counts as seldom seen."""

    # distributions
    density_points: int = Field(default=512, ge=32)
    """Points of the grid on which densities are given."""
    density_bandwidth_adjust: float = Field(default=1.0, gt=0)
    """Factor on Scott's bandwidth."""
    robust_percent: float = Field(default=0.5, gt=0, lt=50)
    """Percentage of pixels left out at each end of a density's axis."""

    # separability, space, labels
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """Coverage of every interval."""
    place_distance_m: float = Field(default=1_000.0, gt=0)
    """Sites nearer than this, directly or through others, count as one independent place,
    metres."""
    redundancy_threshold: float = Field(default=0.95, gt=0, lt=1)
    """Absolute correlation from which two bands count as telling the same."""
    n_folds: int = Field(default=5, ge=2)
    """Folds of every cross-validation."""
    n_repeats: int = Field(default=3, ge=1)
    """Times that folds are drawn anew; scores are averaged over them."""
    block_sizes_m: tuple[float, ...] = (3_000.0, 10_000.0, 20_000.0, 50_000.0, 100_000.0)
    """Distances that the leakage audit puts between folds, metres: clusters of sites at least so
    far from each other and, beside them, square blocks with sides so long."""
    label_block_m: float = Field(default=10_000.0, gt=0)
    """Least distance between a site whose label is doubted and those the model learnt from,
    metres."""

    # pictures
    n_thumbnails: int = Field(default=12, ge=1)
    """Most thumbnails shown of one kind."""
    stretch_percent: float = Field(default=2.0, ge=0, lt=50)
    """Percentage of all pixels of a band that a thumbnail shows as black, and as full colour."""


DEFAULT_SETTINGS: Final = ExploreSettings()
"""What holds if the caller chooses nothing."""
