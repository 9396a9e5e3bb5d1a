"""`TreeDetector`: trees on statistics of patches, and on context if it is given."""

from importlib.metadata import version
from typing import Any, Final, Self

import numpy as np
import pandas as pd
import xarray as xr
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.utils.validation import check_is_fitted

from minewatch import _store
from minewatch.errors import InputError
from minewatch.model._card import Card, MissingPixels, Preparation, Training
from minewatch.model._channel_statistics import (
    Values,
    channel_statistic_names,
    channel_statistics,
)
from minewatch.model._context_table import ContextColumns
from minewatch.model._detector import check_fit, check_pixels
from minewatch.model._estimator import DetectorBase, is_usable, what_it_takes
from minewatch.model._forest_onnx import import_onnx, make_model, read_forest, trees_node
from minewatch.model._prepare import missing_share
from minewatch.model._training import CLASSES, NO_LICENCE, both, class_weights, join_labels
from minewatch.types import BoolArray, FloatArray, IntArray

_WHO: Final = "this detector"
_SITES_AT_ONCE: Final = 2048
_SHARE: Final = "missing share"
_MANY_SITES: Final = 200
_TREES_FOR_CHOICES: Final = 100
"""Enough to choose a threshold by: more trees give the same scores with a little less chance."""


class TreeDetector(DetectorBase):
    """Score patches by many trees on their statistics, and on context if it is given.

    The trees are extremely randomised ones [1]_: thresholds are drawn, not searched for, which
    serves well where labels are doubtful and patches few. Missing pixels are left out of the
    statistics; a patch with too many of them is neither learned from nor scored.

    Parameters
    ----------
    n_trees
        Number of trees.
    min_leaf_sites
        No leaf rests on fewer training patches.
    max_features
        Share of the columns that each question is chosen from.
    most_sites
        A tree learns from this many patches, drawn anew for each, if there are more: a forest on
        20,000 patches then takes an eighth of the time. None: each tree learns from all.
    balanced
        Whether both classes weigh the same in training, whatever their numbers. Scores then mean
        probabilities at equal shares, not at the training set's.
    allow_target
        Whether columns of the context table that name the target (``target_…``) may be learned
        from.
    most_missing
        A patch with a larger share of pixels missing (in any band) is left out, and gets no score.
    n_jobs
        Threads for training; scores do not depend on it. None: all processors, or one if there are
        few patches (under 200).
    random_state
        Seed.

    Attributes
    ----------
    classes_
        0 and 1.
    takes_
        Bands, level, resolution and size of the patches it was trained on, and takes.
    statistics_
        Names of the statistics it is given.
    columns_
        What the trees are asked about: statistics, then context.
    context_
        The columns of the context table among them.
    forest_
        The trees.
    n_sites_
        How many patches of each class it learned from.

    References
    ----------
    .. [1] Geurts, P., Ernst, D., Wehenkel, L. (2006). Extremely randomized trees. Machine Learning
       63, 3–42.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> values = rng.uniform(0.05, 0.15, (20, 3, 16, 16)).astype("float32")
    >>> values[10:, 0] += 0.2
    >>> sites = [f"s{i:02d}" for i in range(20)]
    >>> pixels = xr.DataArray(
    ...     values, dims=("site", "band", "y", "x"),
    ...     coords={"site": sites, "band": ["B04", "B03", "B02"]},
    ...     attrs={"level": "L2A", "resolution_m": 10.0},
    ... )
    >>> labels = pd.Series([0] * 10 + [1] * 10, index=sites)
    >>> detector = TreeDetector(n_trees=50, random_state=1).fit(pixels, labels)
    >>> detector.predict(pixels[8:12]).tolist()
    [0, 0, 1, 1]
    """

    def __init__(  # noqa: PLR0913 - scikit-learn's way: settings are arguments
        self,
        *,
        n_trees: int = 300,
        min_leaf_sites: int = 3,
        max_features: float = 0.2,
        most_sites: int | None = 4000,
        balanced: bool = True,
        allow_target: bool = False,
        most_missing: float = 0.5,
        n_jobs: int | None = None,
        random_state: int = 0,
    ) -> None:
        self.n_trees = n_trees
        self.min_leaf_sites = min_leaf_sites
        self.max_features = max_features
        self.most_sites = most_sites
        self.balanced = balanced
        self.allow_target = allow_target
        self.most_missing = most_missing
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(
        self, pixels: xr.DataArray, labels: pd.Series, context: pd.DataFrame | None = None
    ) -> Self:
        """Learn from labelled patches.

        Parameters
        ----------
        pixels
            Reflectance (site, band, y, x), as `read_pixels` gives it.
        labels
            1 mining, 0 no mining, index site_id.
        context
            The context table, index site_id; None to learn from pixels alone. A detector that
            learned from context needs it for every site it scores.

        Raises
        ------
        InputError
            If labels or context of a site are missing, a class is, or patches are not square.
        """
        return self.fit_summary(self.summarise(pixels), labels, context)

    def summarise(self, pixels: xr.DataArray) -> pd.DataFrame:
        """Measure patches, each by itself: what `fit` and `predict_proba` look at.

        Returns
        -------
        DataFrame
            Index site_id, in the order of the pixels; a column for each statistic (float32), and
            the share of missing pixels. Its `attrs` say bands, level, resolution and size.

        Raises
        ------
        InputError
            If patches are not square, or too small.
        """
        check_pixels(pixels)
        height, width = pixels.shape[2:]
        if height != width:
            raise InputError(f"patches have {height} × {width} px; expected squares")
        bands = tuple(str(name) for name in pixels["band"].to_numpy())
        columns = channel_statistic_names(bands)
        parts, shares = [np.empty((0, len(columns)), np.float32)], [np.empty(0)]
        for start in range(0, pixels.sizes["site"], _SITES_AT_ONCE):
            values = pixels[start : start + _SITES_AT_ONCE].to_numpy()
            parts.append(channel_statistics(values, bands)[0])
            shares.append(missing_share(values))
        sites = pd.Index(pixels["site"].to_numpy(), name="site_id")
        summary = pd.DataFrame(np.concatenate(parts), sites, list(columns))
        summary = summary.assign(**{_SHARE: np.concatenate(shares)})
        summary.attrs = dict(what_it_takes(pixels).items())
        return summary

    def fit_summary(
        self, summary: pd.DataFrame, labels: pd.Series, context: pd.DataFrame | None = None
    ) -> Self:
        """Learn as `fit` does, from what `summarise` gave."""
        is_mining = join_labels(summary.index, labels)
        order = np.argsort(summary.index.astype("str").to_numpy(), kind="stable")
        summary, is_mining = summary.iloc[order], is_mining[order]
        self.classes_ = CLASSES.copy()
        self.takes_: dict[str, Any] = {str(key): value for key, value in summary.attrs.items()}
        self.context_ = (
            ContextColumns()
            if context is None
            else ContextColumns.choose(context, summary.index, allow_target=self.allow_target)
        )
        self.statistics_ = tuple(name for name in summary.columns if name != _SHARE)
        values, usable = self._columns(summary, context), self._usable(summary)
        self._fit_forest(values[usable], is_mining[usable])
        return self

    def predict_proba(
        self, pixels: xr.DataArray, context: pd.DataFrame | None = None
    ) -> FloatArray:
        """Give P(no mining) and P(mining) for each site, in the order of the pixels.

        Returns
        -------
        ndarray of float64
            (site, 2); NaN where more pixels are missing than `most_missing` allows.

        Raises
        ------
        LevelError, BandError, InputError
            If the patches are not like those it learned from, or context is missing.
        """
        check_is_fitted(self, "forest_")
        check_pixels(pixels)
        check_fit(pixels, self._card(""), centre_crop=False)
        wanted = pixels.sel(band=list(self.takes_["bands"]))
        return self.predict_summary(self.summarise(wanted), context)

    def predict_summary(
        self, summary: pd.DataFrame, context: pd.DataFrame | None = None
    ) -> FloatArray:
        """Score as `predict_proba` does, from what `summarise` gave."""
        check_is_fitted(self, "forest_")
        values, usable = self._columns(summary, context), self._usable(summary)
        mining = np.full(len(values), np.nan)
        if usable.any():
            mining[usable] = self.forest_.predict_proba(values[usable])[:, 1]
        return both(mining)

    def for_choices(self) -> Self:
        """Give a detector of fewer trees, not trained, for folds that only choose thresholds."""
        fewer: Self = clone(self).set_params(n_trees=min(self.n_trees, _TREES_FOR_CHOICES))
        return fewer

    def to_onnx(self) -> tuple[Card, bytes]:
        """Give the card, and the bytes of ``model.onnx``, which takes statistics and context."""
        check_is_fitted(self, "forest_")
        onnx = import_onnx()
        n_context = self.context_.width
        inputs = [("statistics", len(self.columns_) - n_context)]
        nodes, source = [], "statistics"
        if n_context:
            inputs.append(("context", n_context))
            source = "columns"
            joined = onnx.helper.make_node("Concat", ["statistics", "context"], [source], axis=1)
            nodes.append(joined)
        nodes.append(trees_node(read_forest(self.forest_), source, "score"))
        network = make_model(nodes, inputs)
        return self._card(_store.digest_bytes(network)), network

    def _columns(self, summary: pd.DataFrame, context: pd.DataFrame | None) -> Values:
        """Put context beside statistics: (site, column)."""
        values = summary[list(self.statistics_)].to_numpy(dtype=np.float32)
        if not self.context_.names:
            return values
        if context is None:
            raise InputError(
                f"{_WHO} learned from context ({', '.join(self.context_.names)}) and none was given"
            )
        extra = self.context_.read(context, summary.index, _WHO)
        return np.concatenate([values, extra], axis=1)

    def _usable(self, summary: pd.DataFrame) -> BoolArray:
        share = summary[_SHARE].to_numpy()
        return is_usable(share, self.most_missing)

    def _fit_forest(self, values: Values, is_mining: IntArray) -> None:
        if len(np.unique(is_mining)) < 2:
            raise InputError(
                "too many pixels are missing: of one class no patch is left to learn from"
            )
        self.columns_ = (*self.statistics_, *self.context_.numbers)
        self.n_sites_ = {name: int((is_mining == name).sum()) for name in (0, 1)}
        is_large = self.most_sites is not None and len(values) > self.most_sites
        self.forest_ = ExtraTreesClassifier(
            self.n_trees,
            min_samples_leaf=self.min_leaf_sites,
            max_features=self.max_features,
            bootstrap=is_large,
            max_samples=self.most_sites if is_large else None,
            n_jobs=-1 if self.n_jobs is None and len(values) >= _MANY_SITES else self.n_jobs,
            random_state=self.random_state,
        )
        weights = class_weights(is_mining, balanced=self.balanced)
        self.forest_.fit(values, is_mining, sample_weight=weights)
        self.forest_.set_params(n_jobs=1)  # several threads add up votes in any order

    def _card(self, digest: str) -> Card:
        return Card(
            name="trees",
            kind="trees",
            description="Extremely randomised trees on statistics of patches.",
            **self.takes_,
            context_columns=self.context_.names,
            context_classes=dict(self.context_.classes),
            preparation=Preparation(
                missing=MissingPixels(method="keep", most_share=self.most_missing),
                statistics=self.statistics_,
                takes_pixels=False,
            ),
            training=Training(
                n_sites=sum(self.n_sites_.values()),
                classes={"mining": self.n_sites_[1], "no mining": self.n_sites_[0]},
            ),
            settings=self.get_params(),
            licence=NO_LICENCE,
            versions={"scikit-learn": version("scikit-learn")},
            digest=digest,
        )
