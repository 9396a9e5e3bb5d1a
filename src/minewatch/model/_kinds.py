"""Detectors by name: what a command line or a study asks for."""

from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

from minewatch.errors import InputError
from minewatch.types import StrPath

if TYPE_CHECKING:
    from minewatch.model._detector import Detector

DetectorKind: TypeAlias = Literal["trees", "textures", "ensemble", "cnn", "fusion", "embeddings"]
"""``trees`` on statistics of patches, ``textures``, the ``ensemble`` of both, ``cnn`` (a network),
``fusion`` of trees with context, and a linear probe of ``embeddings``."""
DETECTOR_KINDS: Final[tuple[DetectorKind, ...]] = get_args(DetectorKind)
ClassWeight: TypeAlias = Literal["balanced", "none"]
"""``balanced``: both classes weigh the same in training; ``none``: every patch does."""


def make_detector(
    name: str,
    *,
    class_weight: ClassWeight = "balanced",
    vectors: StrPath | None = None,
    has_context: bool = False,
    centre_crop: bool = False,
    n_trees: int = 300,
    epochs: int = 40,
    random_state: int = 0,
) -> "Detector":
    """Make a detector of a kind, not trained yet, or load a saved one.

    Parameters
    ----------
    name
        One of `DETECTOR_KINDS`, or the folder of a saved detector, which is taken as it is.
    class_weight
        What classes weigh in training.
    vectors
        The table of vectors that ``embeddings`` needs (`read_vectors`).
    has_context
        Whether a context table is there to learn from; ``fusion`` needs one.
    centre_crop
        Whether a saved detector looks at the middle of larger patches than it takes.
    n_trees
        Number of trees of ``trees``, ``ensemble`` and ``fusion`` (for pixels, and for context).
    epochs
        Most passes of ``cnn`` over the training patches.
    random_state
        Seed.

    Raises
    ------
    InputError
        If there is no such detector, or it needs what is not given.

    Examples
    --------
    >>> type(make_detector("fusion", has_context=True, random_state=1)).__name__
    'FusionDetector'
    """
    if name not in DETECTOR_KINDS:
        return _load(name, centre_crop=centre_crop)
    if name == "fusion" and not has_context:
        raise InputError(
            "the detector fusion weighs pixels against context, and no context table was given; "
            "give one (--context PATH), or take trees"
        )
    if name == "embeddings" and vectors is None:
        raise InputError(
            "the detector embeddings learns from vectors, and no table of them was given; give a "
            "Parquet or CSV file with a row for each site_id (--vectors FILE)"
        )
    balanced = class_weight == "balanced"
    if name == "cnn":
        from minewatch.model._cnn import CnnDetector

        weight: Literal["balanced"] | None = "balanced" if balanced else None
        return CnnDetector(epochs=epochs, class_weight=weight, random_state=random_state)
    if name == "embeddings":
        from minewatch.model._embeddings import EmbeddingDetector

        return EmbeddingDetector(vectors=vectors, balanced=balanced)
    return _make_of_trees_and_textures(name, n_trees, random_state, balanced=balanced)


def _make_of_trees_and_textures(
    name: str, n_trees: int, seed: int, *, balanced: bool
) -> "Detector":
    from minewatch.model._textures import TextureDetector
    from minewatch.model._trees import TreeDetector

    trees = TreeDetector(n_trees=n_trees, balanced=balanced, random_state=seed)
    if name == "trees":
        return trees
    if name == "fusion":
        from minewatch.model._fusion import FusionDetector

        return FusionDetector(trees, n_trees=n_trees, balanced=balanced, random_state=seed)
    textures = TextureDetector(balanced=balanced, random_state=seed)
    if name == "textures":
        return textures
    from minewatch.model._ensemble import EnsembleDetector

    return EnsembleDetector([trees, textures])


def _load(name: str, *, centre_crop: bool) -> "Detector":
    from minewatch.model._onnx import RunOptions, load_detector

    if not Path(name).is_dir():
        raise InputError(
            f"there is no detector {name!r}; expected {', '.join(DETECTOR_KINDS)}, or the folder "
            "of a saved one"
        )
    return load_detector(name, options=RunOptions(centre_crop=centre_crop))
