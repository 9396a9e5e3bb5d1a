"""The area of applicability: how unlike what a detector learned from a place is."""

import io
import struct
import tokenize
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from minewatch import _store
from minewatch.errors import DetectorError, InputError, NotThereError
from minewatch.types import AnyArray, BoolArray, FloatArray, IntArray, StrPath

FILE_NAME: Final = "applicability.npz"
"""The file's name in a detector's folder."""
_MAX_PAIR_SITES: Final = 2_000
_CELLS_AT_ONCE: Final = 4_000_000
_ARRAYS: Final = (
    "names", "centre", "scale", "training", "mean_distance", "threshold", "site_ids", "held_out",
)  # fmt: skip
_DAMAGE: Final = (
    OSError, ValueError, KeyError, TypeError, EOFError, NotImplementedError, MemoryError,
    SyntaxError, RuntimeError, zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError,
)  # fmt: skip
"""What NumPy raises where a file is not whole: of the archive, or of an array's header."""


@dataclass(frozen=True, eq=False)
class Applicability:
    """What a detector's training sites look like, and how far from them its folds say anything.

    Made by `fit_applicability`, kept in the detector's folder by `save_applicability`.
    """

    names: tuple[str, ...]
    """The features, in order."""
    centre: FloatArray
    """``(feature,)``: what is taken away from each; it stands for a feature that is not known."""
    scale: FloatArray
    """``(feature,)``: what each is multiplied by afterwards: its weight over its deviation."""
    training: npt.NDArray[np.float32]
    """``(site, feature)``: the training sites, centred and scaled."""
    mean_distance: float
    """Mean distance between two training sites."""
    threshold: float
    """Largest dissimilarity of test sites to the training sites of their fold, no outlier."""
    site_ids: tuple[str, ...]
    """The training sites, in the order of `training`."""
    held_out: FloatArray
    """``(site,)``: dissimilarity of each to what trained its fold; NaN if it was never tested."""

    def dissimilarity(self, features: pd.DataFrame) -> "pd.Series[float]":
        """Measure how unlike the training sites places are.

        Parameters
        ----------
        features
            Index site_id, the columns `names` in any order; NaN where not known.

        Returns
        -------
        Series of float64
            Distance to the nearest training site over the mean distance between two of them: 0 for
            a training site, 1 for a place as far off as training sites are from each other. NaN
            where no feature is known.

        Raises
        ------
        InputError
            If a feature is missing.
        """
        missing = [name for name in self.names if name not in features.columns]
        if missing:
            raise InputError(f"the table lacks the features {', '.join(missing[:5])}")
        values = features[list(self.names)].to_numpy(dtype=np.float64, na_value=np.nan)
        nearest = _nearest(_standard(values, self.centre, self.scale), self.training)
        nearest[~np.isfinite(values).any(axis=1)] = np.nan
        return pd.Series(nearest / self.mean_distance, features.index, name="dissimilarity")

    def is_inside(self, features: pd.DataFrame) -> "pd.Series[bool]":
        """Say which places are like enough to the training sites for the evaluation to hold there.

        False where no feature is known.
        """
        return (self.dissimilarity(features) <= self.threshold).rename("is_applicable")


def fit_applicability(
    features: pd.DataFrame,
    folds: "pd.Series[int] | pd.DataFrame",
    *,
    weights: "pd.Series[float] | None" = None,
) -> Applicability:
    """Learn which places are like the training sites, after Meyer and Pebesma [1]_.

    Features are standardised and weighted by importance. The dissimilarity of a place is its
    distance to the nearest training site, over the mean distance between two training sites. The
    threshold is the largest dissimilarity of test sites to the training sites of their fold that is
    no outlier: at most the upper quartile and one and a half interquartile ranges. Beyond it the
    evaluation never looked, and its figures say nothing.

    It tells unlike places, not wrong scores: a place may be alike and yet be misread.

    Parameters
    ----------
    features
        Training sites, index site_id; numbers, NaN where not known (taken for the mean).
    folds
        As from `fold_table`: `site_id`, `fold` and `role`, so that sites in a dead zone are neither
        tested nor trained on; sites that are not in `features` are left out. Or index site_id: the
        fold that each site was held out in, while all sites of other folds trained.
    weights
        Importance of each feature by name, not negative (`model explain` gives such); None: equal.

    Returns
    -------
    Applicability

    Raises
    ------
    InputError
        If sites have no fold, there are fewer than two folds, no test site has training sites, or
        nothing differs between sites.

    References
    ----------
    .. [1] Meyer, H., Pebesma, E. (2021). Predicting into unknown space? Estimating the area of
       applicability of spatial prediction models. Methods in Ecology and Evolution 12, 1620–1633.

    Examples
    --------
    >>> features = pd.DataFrame({"brightness": [0.1, 0.2, 0.3, 0.4]}, index=list("abcd"))
    >>> area = fit_applicability(features, pd.Series([0, 1, 0, 1], index=list("abcd")))
    >>> area.is_inside(pd.DataFrame({"brightness": [0.25, 9.0]}, index=["near", "far"])).to_dict()
    {'near': True, 'far': False}
    """
    pairs = _pairs(features, folds)
    names = tuple(str(name) for name in features.columns)
    values = features.to_numpy(dtype=np.float64, na_value=np.nan)
    known = np.isfinite(values)
    count = np.maximum(known.sum(axis=0), 1)
    centre = np.where(known, values, 0.0).sum(axis=0) / count
    deviation = np.sqrt((np.where(known, values - centre, 0.0) ** 2).sum(axis=0) / count)
    scale = np.divide(
        _weights(names, weights), deviation, out=np.zeros(len(names)), where=deviation > 0
    )
    training = _standard(values, centre, scale)
    mean_distance = _mean_distance(training)
    if not mean_distance > 0:
        raise InputError("the training sites do not differ in any weighted feature")
    held_out = np.full(len(training), np.nan)
    for train, test in pairs:
        new = test[np.isnan(held_out[test])]
        held_out[new] = _nearest(training[new], training[train]) / mean_distance
    sites = tuple(str(site) for site in features.index)
    return Applicability(
        names, centre, scale, training, mean_distance, _upper_whisker(held_out), sites, held_out
    )


def _pairs(
    features: pd.DataFrame, folds: "pd.Series[int] | pd.DataFrame"
) -> list[tuple[IntArray, IntArray]]:
    """Give rows of the features that trained, and rows that were tested, of each fold."""
    if isinstance(folds, pd.Series):
        codes = _fold_codes(features, folds)
        return [
            (np.flatnonzero(codes != fold), np.flatnonzero(codes == fold))
            for fold in np.unique(codes)
        ]
    row = features.index.get_indexer(pd.Index(folds["site_id"]))
    known = folds.assign(row=row)[row >= 0]
    pairs = []
    for _, fold in known.groupby("fold"):
        train, test = (
            fold.loc[fold["role"] == role, "row"].to_numpy(dtype=np.int64)
            for role in ("train", "test")
        )
        if len(train) and len(test):
            pairs.append((train, test))
    if not pairs:
        raise InputError(
            f"in none of the folds is one of the {len(features)} sites tested while others train"
        )
    return pairs


def _fold_codes(features: pd.DataFrame, folds: "pd.Series[int]") -> IntArray:
    missing = features.index.difference(folds.index)
    if len(missing):
        raise InputError(f"{len(missing)} training sites have no fold, of them {missing[0]!r}")
    codes: IntArray = np.asarray(folds.loc[features.index], dtype=np.int64)
    if len(np.unique(codes)) < 2:
        raise InputError("the training sites lie in one fold; a threshold needs at least two")
    return codes


def _weights(names: tuple[str, ...], weights: "pd.Series[float] | None") -> FloatArray:
    if weights is None:
        return np.ones(len(names))
    missing = [name for name in names if name not in weights.index]
    if missing:
        raise InputError(f"the weights lack {', '.join(missing[:5])}")
    values: FloatArray = np.asarray(weights.loc[list(names)], dtype=np.float64)
    if not (np.isfinite(values) & (values >= 0)).all():
        raise InputError("weights are negative or not numbers; expected importances from 0 on")
    return values


def _standard(values: FloatArray, centre: FloatArray, scale: FloatArray) -> npt.NDArray[np.float32]:
    standard = (values - centre) * scale
    return np.where(np.isfinite(standard), standard, 0.0).astype(np.float32)


def _nearest(some: npt.NDArray[np.float32], others: npt.NDArray[np.float32]) -> FloatArray:
    """Measure from each row to the nearest of the others; some at a time, for memory's sake."""
    from sklearn.metrics import pairwise_distances_argmin_min

    rows = max(1, _CELLS_AT_ONCE // max(len(others), 1))
    distance = np.full(len(some), np.nan)
    for start in range(0, len(some), rows):
        part = some[start : start + rows]
        nearest, _ = pairwise_distances_argmin_min(part, others)
        # Measured again, for what is fast to search cancels digits where two rows are alike.
        gap = part.astype(np.float64) - others[nearest].astype(np.float64)
        distance[start : start + rows] = np.sqrt((gap**2).sum(axis=1))
    return distance


def _mean_distance(training: npt.NDArray[np.float32]) -> float:
    from scipy.spatial.distance import pdist

    if len(training) > _MAX_PAIR_SITES:
        chosen = np.random.default_rng(0).choice(len(training), _MAX_PAIR_SITES, replace=False)
        training = training[np.sort(chosen)]
    return float(pdist(training.astype(np.float64)).mean()) if len(training) > 1 else 0.0


def _upper_whisker(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    lower, upper = np.quantile(known, [0.25, 0.75])
    inside: BoolArray = known <= upper + 1.5 * (upper - lower)
    return float(known[inside].max())


def save_applicability(area: Applicability, path: StrPath) -> str:
    """Write an area of applicability as plain arrays (``.npz``); a file of that name is replaced.

    Returns
    -------
    str
        The file's digest, for the card.

    Examples
    --------
    >>> import tempfile
    >>> features = pd.DataFrame({"brightness": [0.1, 0.2, 0.3, 0.4]}, index=list("abcd"))
    >>> area = fit_applicability(features, pd.Series([0, 1, 0, 1], index=list("abcd")))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     digest = save_applicability(area, f"{folder}/{FILE_NAME}")
    ...     again = load_applicability(f"{folder}/{FILE_NAME}", digest=digest)
    >>> again.threshold == area.threshold
    True
    """
    content = io.BytesIO()
    np.savez_compressed(
        content,
        names=np.array(area.names, dtype=np.str_),
        centre=area.centre,
        scale=area.scale,
        training=area.training,
        mean_distance=np.array(area.mean_distance),
        threshold=np.array(area.threshold),
        site_ids=np.array(area.site_ids, dtype=np.str_),
        held_out=area.held_out,
    )
    with _store.writing_file(path) as aside:
        aside.write_bytes(content.getvalue())
    return _store.digest_bytes(content.getvalue())


def _read_arrays(content: bytes, path: StrPath) -> dict[str, AnyArray]:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in _ARRAYS}
    except _DAMAGE as error:
        raise DetectorError(
            f"{path} cannot be read as an area of applicability: {error}"
        ) from error
    n_features, n_sites = arrays["names"].size, arrays["site_ids"].size
    shapes = {
        "names": (n_features,),
        "centre": (n_features,),
        "scale": (n_features,),
        "training": (n_sites, n_features),
        "mean_distance": (),
        "threshold": (),
        "site_ids": (n_sites,),
        "held_out": (n_sites,),
    }
    wrong = [name for name, shape in shapes.items() if arrays[name].shape != shape]
    wrong = wrong or [name for name in _ARRAYS if not _is_sound(name, arrays[name])]
    if wrong:
        raise DetectorError(f"{path} is damaged ({', '.join(wrong)}); make it again")
    return arrays


def _is_sound(name: str, values: AnyArray) -> bool:
    """Say whether an array holds what it may: texts, or numbers that are finite."""
    if name in ("names", "site_ids"):
        return values.dtype.kind == "U" and len(np.unique(values)) == len(values)
    if values.dtype.kind != "f":
        return False
    if name == "held_out":  # NaN for a site that was never tested
        return not np.isinf(values).any() and not (values < 0).any()
    if not np.isfinite(values).all():
        return False
    low = {"scale": 0.0, "threshold": 0.0, "mean_distance": np.finfo(np.float64).tiny}
    return name not in low or bool((values >= low[name]).all())


def load_applicability(path: StrPath, *, digest: str | None = None) -> Applicability:
    """Read an area of applicability; nothing in the file is run.

    Parameters
    ----------
    path
        The file.
    digest
        What its digest must be, as the detector's card says. None: it is not looked at.

    Raises
    ------
    NotThereError
        If there is no such file.
    DetectorError
        If it is damaged, holds other arrays or numbers that cannot be, or has another digest.
    """
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise NotThereError(f"there is no file {path}") from error
    except OSError as error:
        raise DetectorError(f"{path} cannot be read: {error}") from error
    if digest is not None and _store.digest_bytes(content) != digest:
        raise DetectorError(
            f"{path} is not the area of applicability that the card was written with; make or "
            "fetch the detector again"
        )
    arrays = _read_arrays(content, path)
    return Applicability(
        names=tuple(str(name) for name in arrays["names"]),
        centre=arrays["centre"].astype(np.float64),
        scale=arrays["scale"].astype(np.float64),
        training=arrays["training"].astype(np.float32),
        mean_distance=float(arrays["mean_distance"]),
        threshold=float(arrays["threshold"]),
        site_ids=tuple(str(site) for site in arrays["site_ids"]),
        held_out=arrays["held_out"].astype(np.float64),
    )


def read_beside(folder: Path, digest: str | None) -> Applicability | None:
    """Read the area of applicability in a detector's folder; None if it has none.

    Parameters
    ----------
    folder
        The folder.
    digest
        What the card says of it.

    Raises
    ------
    DetectorError
        If it is damaged, or not what the card says.
    """
    file = folder / FILE_NAME
    if file.is_file():
        return load_applicability(file, digest=digest)
    if digest is not None:
        raise DetectorError(
            f"{folder} has no {FILE_NAME}, of which its card speaks; make or fetch the detector "
            "again"
        )
    return None
