"""`FusionDetector`: a detector's score and the context of a place, weighed against each other."""

from collections.abc import Callable
from typing import Any, Final, Self

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import expit, logit
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import check_is_fitted

from minewatch import _store
from minewatch.errors import InputError
from minewatch.model._card import Card
from minewatch.model._cnn_folds import inner_folds
from minewatch.model._context_table import ContextColumns
from minewatch.model._detector import check_pixels
from minewatch.model._estimator import DetectorBase, in_order_of_sites
from minewatch.model._fusion_onnx import fuse_networks
from minewatch.model._runner import Summarising
from minewatch.model._training import CLASSES, both, class_weights, join_labels
from minewatch.types import FloatArray, IntArray

LEAST_SCORE: Final = 0.01
"""Scores are cut to this and 1 - this before they are weighed: no witness is ever certain."""
_WHO: Final = "this detector"
_Scorer = Callable[[IntArray, IntArray], FloatArray]


class FusionDetector(DetectorBase):
    """Weigh the score of a detector that sees pixels against that of trees that see context.

    Late fusion: both give evidence (the logit of their scores), and a logistic regression weighs
    it. The weights are learned from scores of sites that neither was trained on, by folds of
    blocks inside the training sites: a base that has learned its own sites by heart would
    otherwise seem to need no context [1]_. A witness that misleads under those folds gets no
    weight. Its counterpart, early fusion, is to give `TreeDetector` the context table, or a network
    the context as channels (`with_channels`).

    Parameters
    ----------
    base
        The detector that sees pixels, not fitted; copies of it are.
    n_trees, min_leaf_sites
        The trees that see context.
    n_splits
        Inner folds.
    block_m
        Side of their blocks, metres; smaller where sites lie in fewer blocks.
    balanced
        Whether both classes weigh the same when trees and weights are learned.
    allow_target
        Whether columns that name the target (``target_…``) may be learned from.
    random_state
        Seed of the trees; the base has its own.

    Attributes
    ----------
    base_, context_model_
        The two witnesses, fitted to all training sites.
    weights_
        (2,): the weight of the base's evidence and of the context's.
    bias_
        What is added.

    References
    ----------
    .. [1] Wolpert, D. H. (1992). Stacked generalization. Neural Networks 5, 241–259.

    Examples
    --------
    >>> from minewatch.model._trees import TreeDetector
    >>> rng = np.random.default_rng(0)
    >>> values = rng.uniform(0.05, 0.15, (40, 3, 16, 16)).astype("float32")
    >>> values[20:, 0] += 0.2
    >>> sites = [f"s{i:02d}" for i in range(40)]
    >>> pixels = xr.DataArray(
    ...     values, dims=("site", "band", "y", "x"),
    ...     coords={"site": sites, "band": ["B04", "B03", "B02"]},
    ...     attrs={"level": "L2A", "resolution_m": 10.0},
    ... )
    >>> labels = pd.Series([0] * 20 + [1] * 20, index=sites)
    >>> context = pd.DataFrame({"road_m": rng.uniform(0, 9_000, 40)}, index=sites)
    >>> fusion = FusionDetector(TreeDetector(n_trees=20), n_trees=20).fit(pixels, labels, context)
    >>> fusion.predict(pixels[18:22], context).tolist()
    [0, 0, 1, 1]
    """

    def __init__(
        self,
        base: Any,
        *,
        n_trees: int = 200,
        min_leaf_sites: int = 5,
        n_splits: int = 5,
        block_m: float = 50_000.0,
        balanced: bool = True,
        allow_target: bool = False,
        random_state: int = 0,
    ) -> None:
        self.base = base
        self.n_trees = n_trees
        self.min_leaf_sites = min_leaf_sites
        self.n_splits = n_splits
        self.block_m = block_m
        self.balanced = balanced
        self.allow_target = allow_target
        self.random_state = random_state

    def fit(
        self, pixels: xr.DataArray, labels: pd.Series, context: pd.DataFrame | None = None
    ) -> Self:
        """Learn from labelled patches and their context.

        Parameters
        ----------
        pixels
            Reflectance (site, band, y, x), as `read_pixels` gives it. Coordinates `longitude` and
            `latitude` (degrees) or `group` along `site` keep inner folds apart; sites with neither
            stand each for itself.
        labels
            1 mining, 0 no mining, index site_id.
        context
            The context table, index site_id; needed.

        Raises
        ------
        InputError
            If context or labels are missing, or inner folds cannot be made.
        """
        check_pixels(pixels)
        context = _needed(context)
        order = in_order_of_sites(pixels)
        pixels = pixels.isel(site=order)
        sites = pd.Index(pixels["site"].to_numpy(), name="site_id")
        is_mining = pd.Series(join_labels(sites, labels), index=sites)
        self.classes_ = CLASSES.copy()
        self.context_ = ContextColumns.choose(context, sites, allow_target=self.allow_target)
        numbers = self.context_.read(context, sites, _WHO)
        folds = inner_folds(pixels, is_mining, n_splits=self.n_splits, block_m=self.block_m)
        self.base_, base_runner = self._prepare_base(pixels, is_mining)
        evidence = np.full((len(sites), 2), np.nan)
        for train, test in folds:
            evidence[test, 0] = base_runner(train, test)
            evidence[test, 1] = self._run_context(numbers, is_mining.to_numpy(), train, test)
        self._weigh(evidence, is_mining.to_numpy())
        self.context_model_ = self._fit_context(numbers, is_mining.to_numpy())
        return self

    def predict_proba(
        self, pixels: xr.DataArray, context: pd.DataFrame | None = None
    ) -> FloatArray:
        """Give P(no mining) and P(mining) for each site, in the order of the pixels.

        Returns
        -------
        ndarray of float64
            (site, 2); NaN where the base gives no score.
        """
        check_is_fitted(self, "weights_")
        sites = pd.Index(pixels["site"].to_numpy())
        numbers = self.context_.read(_needed(context), sites, _WHO)
        by_pixels = self.base_.predict_proba(pixels)[:, 1]
        by_context = self.context_model_.predict_proba(numbers)[:, 1]
        evidence = _evidence(np.column_stack([by_pixels, by_context]))
        return both(expit(evidence @ self.weights_ + self.bias_))

    def to_onnx(self) -> tuple[Card, bytes]:
        """Give the card, and one network that holds base, trees and weights.

        Raises
        ------
        InputError
            If the base takes context itself.
        """
        check_is_fitted(self, "weights_")
        base_card, base_network = self.base_.to_onnx()
        if base_card.context_columns:
            raise InputError("the base takes context itself; give it none, the fusion sees it")
        network = fuse_networks(
            base_network,
            base_card,
            self.context_model_,
            n_context=self.context_.width,
            weights=(*map(float, self.weights_), self.bias_),
            least_score=LEAST_SCORE,
        )
        settings = dict(self.get_params(deep=False))
        settings["base"] = {"kind": base_card.kind, **base_card.settings}
        card = {
            **base_card.model_dump(),
            "name": f"{base_card.name} and context",
            "kind": "fusion",
            "description": "A detector's score and its place's context, weighed.",
            "context_columns": self.context_.names,
            "context_classes": dict(self.context_.classes),
            "output": {"kind": "probability"},
            "settings": settings,
            "digest": _store.digest_bytes(network),
        }
        return Card.model_validate(card), network

    def _prepare_base(self, pixels: xr.DataArray, labels: pd.Series) -> tuple[Any, _Scorer]:
        """Fit the base to all sites, and give what trains a copy on some and scores others."""
        base = self.base
        if isinstance(base, Summarising):
            summary = base.summarise(pixels)

            def run_summary(train: IntArray, test: IntArray) -> FloatArray:
                fitted = clone(base).fit_summary(summary.iloc[train], labels.iloc[train])
                scores: FloatArray = fitted.predict_summary(summary.iloc[test])[:, 1]
                return scores

            return clone(base).fit_summary(summary, labels), run_summary

        def run(train: IntArray, test: IntArray) -> FloatArray:
            fitted = clone(base).fit(pixels.isel(site=train), labels.iloc[train])
            scores: FloatArray = fitted.predict_proba(pixels.isel(site=test))[:, 1]
            return scores

        return clone(base).fit(pixels, labels), run

    def _fit_context(self, numbers: Any, is_mining: IntArray) -> ExtraTreesClassifier:
        model = ExtraTreesClassifier(
            self.n_trees, min_samples_leaf=self.min_leaf_sites, random_state=self.random_state
        )
        weights = class_weights(is_mining, balanced=self.balanced)
        return model.fit(numbers, is_mining, sample_weight=weights)

    def _run_context(
        self, numbers: Any, is_mining: IntArray, train: IntArray, test: IntArray
    ) -> FloatArray:
        model = self._fit_context(numbers[train], is_mining[train])
        scores: FloatArray = model.predict_proba(numbers[test])[:, 1]
        return scores

    def _weigh(self, scores: FloatArray, is_mining: IntArray) -> None:
        """Learn how much each witness is worth; one that misleads is worth nothing."""
        known = np.isfinite(scores).all(axis=1)
        if len(np.unique(is_mining[known])) < 2:
            raise InputError("in the inner folds no patch of one class has a score; bring more")
        evidence, labels = _evidence(scores[known]), is_mining[known]
        sample_weight = class_weights(labels, balanced=self.balanced)
        trusted = np.ones(2, dtype=np.bool_)
        self.weights_, self.bias_ = np.zeros(2), 0.0
        while trusted.any():
            model = LogisticRegression(C=1.0)
            model.fit(evidence[:, trusted], labels, sample_weight=sample_weight)
            if (model.coef_[0] > 0).all():
                self.weights_[trusted], self.bias_ = model.coef_[0], float(model.intercept_[0])
                return
            trusted[np.flatnonzero(trusted)[model.coef_[0] <= 0]] = False


def _needed(context: pd.DataFrame | None) -> pd.DataFrame:
    if context is None:
        raise InputError("a fusion takes the context table and none was given; give context=")
    return context


def _evidence(scores: FloatArray) -> FloatArray:
    evidence: FloatArray = logit(np.clip(scores, LEAST_SCORE, 1.0 - LEAST_SCORE))
    return evidence
