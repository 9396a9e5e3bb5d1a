"""`EmbeddingDetector`: a linear probe or nearest neighbours on vectors that others computed."""

from pathlib import Path
from typing import Any, Final, Literal, Self, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import check_is_fitted

from minewatch import _store
from minewatch.errors import InputError, NotThereError
from minewatch.model._card import Card, MissingPixels, Preparation, Training
from minewatch.model._context_table import ContextColumns
from minewatch.model._detector import check_fit, check_pixels
from minewatch.model._estimator import DetectorBase, in_order_of_sites, what_it_takes
from minewatch.model._forest_onnx import finish_model, import_onnx
from minewatch.model._training import CLASSES, NO_LICENCE, both, class_weights, join_labels
from minewatch.types import FloatArray, IntArray, StrPath

Probe = Literal["linear", "neighbours"]
_WHO: Final = "this probe"
_TINY: Final = 1e-9
_MOST_MISSING: Final = 0.999


def read_vectors(path: StrPath) -> pd.DataFrame:
    """Read a table of vectors: a row for each site, a column for each dimension.

    Parameters
    ----------
    path
        Parquet or CSV with the column ``site_id`` and numbers in all others.

    Returns
    -------
    DataFrame
        Index site_id.

    Raises
    ------
    NotThereError
        If there is no such file.
    InputError
        If it is neither Parquet nor CSV, has no ``site_id``, one twice, or columns that are not
        numbers.
    """
    file = Path(path)
    if not file.is_file():
        raise NotThereError(f"{file} does not exist; expected a table of vectors by site_id")
    if file.suffix not in (".parquet", ".csv"):
        raise InputError(f"{file} ends in {file.suffix!r}; expected .parquet or .csv")
    if file.suffix == ".csv":
        table = pd.read_csv(file, dtype={"site_id": "str"})
    else:
        table = pd.read_parquet(file)
    if "site_id" in table.columns:
        table = table.set_index("site_id")
    if table.index.name != "site_id":
        raise InputError(f"{file} has no column site_id; vectors are joined to sites by it")
    _check_vectors(table, str(file))
    return table


def _check_vectors(table: pd.DataFrame, what: str) -> None:
    texts = [str(name) for name in table if not pd.api.types.is_numeric_dtype(table[name])]
    if texts:
        raise InputError(f"{what}: {', '.join(texts[:5])} hold no numbers; expected vectors alone")
    if not len(table.columns):
        raise InputError(f"{what} has no column of numbers beside site_id")
    if not table.index.is_unique:
        twice = table.index[table.index.duplicated()][0]
        raise InputError(f"{what}: site {twice!r} stands there twice")


class EmbeddingDetector(DetectorBase):
    """Score sites by vectors that another model made of them, such as AlphaEarth or TESSERA.

    The vectors are the context table: a row for each site_id, a column for each dimension. Pixels
    are not looked at. No such model is shipped, and none is run.

    Parameters
    ----------
    probe
        ``linear``: a logistic regression on standardised vectors; ``neighbours``: the share of
        mining among the training vectors of the smallest angle, by weight of class.
    vectors
        The table, or the Parquet or CSV file of it (`read_vectors`), which is then taken whatever
        context is given; None to take the context table.
    strength
        Inverse of the linear probe's regularisation: smaller is stronger.
    n_neighbours
        Neighbours that are asked.
    balanced
        Whether both classes weigh the same in training.

    Attributes
    ----------
    columns_
        The dimensions, by name.
    classes_
        0 and 1.

    Examples
    --------
    >>> sites = ["a", "b", "c", "d"]
    >>> pixels = xr.DataArray(
    ...     np.zeros((4, 1, 16, 16), "float32"), dims=("site", "band", "y", "x"),
    ...     coords={"site": sites, "band": ["B04"]}, attrs={"level": "L2A", "resolution_m": 10.0},
    ... )
    >>> vectors = pd.DataFrame({"v0": [0.9, 0.8, 0.1, 0.2], "v1": [0.1, 0.3, 0.9, 0.7]}, sites)
    >>> labels = pd.Series([1, 1, 0, 0], sites)
    >>> EmbeddingDetector().fit(pixels, labels, vectors).predict(pixels, vectors).tolist()
    [1, 1, 0, 0]
    """

    def __init__(
        self,
        probe: Probe = "linear",
        *,
        vectors: pd.DataFrame | StrPath | None = None,
        strength: float = 0.1,
        n_neighbours: int = 15,
        balanced: bool = True,
    ) -> None:
        self.probe = probe
        self.vectors = vectors
        self.strength = strength
        self.n_neighbours = n_neighbours
        self.balanced = balanced

    def fit(
        self, pixels: xr.DataArray, labels: pd.Series, context: pd.DataFrame | None = None
    ) -> Self:
        """Learn from labelled vectors.

        Parameters
        ----------
        pixels
            The patches whose sites are learned from; their values are not looked at.
        labels
            1 mining, 0 no mining, index site_id.
        context
            The vectors, index site_id; not looked at if they were given before. A site with a NaN
            in its vector is left out.

        Raises
        ------
        InputError
            If vectors or labels are missing, or the probe is unknown.
        """
        if self.probe not in get_args(Probe):
            expected = " or ".join(get_args(Probe))
            raise InputError(f"there is no probe {self.probe!r}; expected {expected}")
        check_pixels(pixels)
        order = in_order_of_sites(pixels)
        sites = pd.Index(pixels["site"].to_numpy()[order])
        is_mining = join_labels(sites, labels)
        table = self._table(context)
        _check_vectors(table, "the table of vectors")
        self.classes_ = CLASSES.copy()
        self.columns_ = ContextColumns(tuple(str(name) for name in table.columns))
        values = self.columns_.read(table, sites, _WHO).astype(np.float64)
        known = np.isfinite(values).all(axis=1)
        if len(np.unique(is_mining[known])) < 2:
            raise InputError("of one class no site has a whole vector; both are needed")
        self._takes = what_it_takes(pixels)
        self.n_sites_ = int(known.sum())
        self._fit_probe(values[known], is_mining[known])
        return self

    def predict_proba(
        self, pixels: xr.DataArray, context: pd.DataFrame | None = None
    ) -> FloatArray:
        """Give P(no mining) and P(mining) for each site; NaN where its vector has a NaN."""
        check_is_fitted(self, "columns_")
        check_pixels(pixels)
        check_fit(pixels, self._card(""), centre_crop=False)
        sites = pd.Index(pixels["site"].to_numpy())
        values = self.columns_.read(self._table(context), sites, _WHO).astype(np.float64)
        known = np.isfinite(values).all(axis=1)
        mining = np.full(len(values), np.nan)
        mining[known] = self._score(values[known])
        return both(mining)

    def to_onnx(self) -> tuple[Card, bytes]:
        """Give the card, and a network that takes vectors as context."""
        check_is_fitted(self, "columns_")
        onnx = import_onnx()
        nodes, constants = self._linear_nodes() if self.probe == "linear" else self._near_nodes()
        tensors = [onnx.numpy_helper.from_array(values, name) for name, values in constants.items()]
        vectors = onnx.helper.make_tensor_value_info(
            "context", onnx.TensorProto.FLOAT, ["site", self.columns_.width]
        )
        network = finish_model(nodes, [vectors], tensors)
        return self._card(_store.digest_bytes(network)), network

    def _table(self, context: pd.DataFrame | None) -> pd.DataFrame:
        if isinstance(self.vectors, pd.DataFrame):
            return self.vectors
        if self.vectors is not None:
            return read_vectors(self.vectors)
        if context is None:
            raise InputError(
                "a probe takes a table of vectors and none was given; give it as context= or say "
                "where it lies (vectors=)"
            )
        return context

    def _fit_probe(self, values: FloatArray, is_mining: IntArray) -> None:
        weights = class_weights(is_mining, balanced=self.balanced)
        if self.probe == "neighbours":
            self.directions_ = _directions(values)
            self.is_mining_, self.sample_weights_ = is_mining, weights
            return
        mean, deviation = values.mean(axis=0), np.maximum(values.std(axis=0), _TINY)
        model = LogisticRegression(C=self.strength, max_iter=5_000)
        model.fit((values - mean) / deviation, is_mining, sample_weight=weights)
        self.weights_ = model.coef_[0] / deviation
        self.bias_ = float(model.intercept_[0] - mean @ self.weights_)

    def _score(self, values: FloatArray) -> FloatArray:
        if self.probe == "linear":
            scores: FloatArray = expit(values @ self.weights_ + self.bias_)
            return scores
        closeness = _directions(values) @ self.directions_.T
        nearest = np.argsort(-closeness, axis=1, kind="stable")[:, : self._n_asked()]
        weights = self.sample_weights_[nearest]
        share: FloatArray = (weights * self.is_mining_[nearest]).sum(axis=1) / weights.sum(axis=1)
        return share

    def _n_asked(self) -> int:
        return min(self.n_neighbours, len(self.directions_))

    def _linear_nodes(self) -> tuple[list[Any], dict[str, npt.NDArray[Any]]]:
        make = import_onnx().helper.make_node
        nodes = [
            make("Gemm", ["context", "weights", "bias"], ["sum"]),
            make("Sigmoid", ["sum"], ["score"]),
        ]
        weights = self.weights_[:, None].astype(np.float32)
        return nodes, {"weights": weights, "bias": np.array([self.bias_], dtype=np.float32)}

    def _near_nodes(self) -> tuple[list[Any], dict[str, npt.NDArray[Any]]]:
        make = import_onnx().helper.make_node
        nodes = [
            make("ReduceL2", ["context"], ["length"], axes=[1], keepdims=1),
            make("Add", ["length", "tiny"], ["divisor"]),
            make("Div", ["context", "divisor"], ["direction"]),
            make("MatMul", ["direction", "directions"], ["closeness"]),
            make("TopK", ["closeness", "n_asked"], ["closest", "nearest"], axis=1),
            make("Gather", ["for_mining", "nearest"], ["votes"]),
            make("Gather", ["weights", "nearest"], ["weighed"]),
            make("ReduceMean", ["votes"], ["mean_votes"], axes=[1], keepdims=1),
            make("ReduceMean", ["weighed"], ["mean_weight"], axes=[1], keepdims=1),
            make("Div", ["mean_votes", "mean_weight"], ["share"]),
            make("Mul", ["length", "nought"], ["unknown"]),  # NaN where the vector has one
            make("Add", ["share", "unknown"], ["score"]),
        ]
        numbers = {
            "tiny": np.array(_TINY),
            "nought": np.array(0.0),
            "directions": self.directions_.T,
            "for_mining": self.sample_weights_ * self.is_mining_,
            "weights": self.sample_weights_,
        }
        constants = {name: np.asarray(v, dtype=np.float32) for name, v in numbers.items()}
        return nodes, {**constants, "n_asked": np.array([self._n_asked()], dtype=np.int64)}

    def _card(self, digest: str) -> Card:
        settings = {name: value for name, value in self.get_params().items() if name != "vectors"}
        return Card(
            name=f"{self.probe} probe",
            kind="linear" if self.probe == "linear" else "neighbours",
            description="A probe on vectors that another model made of each site.",
            **self._takes,
            context_columns=self.columns_.names,
            preparation=Preparation(
                missing=MissingPixels(method="keep", most_share=_MOST_MISSING), takes_pixels=False
            ),
            training=Training(n_sites=self.n_sites_),
            settings=settings,
            limits=("It scores vectors; what made them is not part of it.",),
            licence=NO_LICENCE,
            digest=digest,
        )


def _directions(values: FloatArray) -> FloatArray:
    lengths = np.sqrt(np.square(values).sum(axis=1, keepdims=True))
    directions: FloatArray = values / (lengths + _TINY)
    return directions
