"""Models that cannot know what mining looks like: what they score, folds give away for free."""

from typing import Any, Final, Literal, Self, get_args

import numpy as np
import pandas as pd
import xarray as xr
from scipy.spatial import KDTree
from threadpoolctl import threadpool_limits

from minewatch.errors import InputError
from minewatch.model._channels import positions_of
from minewatch.model._detector import check_pixels
from minewatch.model._estimator import DetectorBase
from minewatch.sites._distance import earth_centred
from minewatch.types import BoolArray, FloatArray

NullKind = Literal["majority", "coordinates", "context", "mean colour"]
"""What a null model sees."""
NULL_KINDS: Final[tuple[NullKind, ...]] = get_args(NullKind)
N_NEIGHBOURS: Final = 5
"""Training sites that the model of coordinates asks."""
TARGET_PREFIX: Final = "target_"
"""Context columns that name what is looked for begin with it; no null model sees them."""
_FEW_SITES: Final = 5_000
"""With fewer sites, trees are grown on one thread."""


class NullDetector(DetectorBase):
    """Score sites without looking at what a detector should look at.

    A detector that is no better than these under the same folds has learned nothing that would
    help elsewhere [1]_. ``majority`` gives every site the share of mining in training;
    ``coordinates`` the share among the five nearest training sites (straight through the Earth);
    ``context`` boosts trees on the numeric columns of the context table alone, those that name the
    target (``target_…``) left out; ``mean colour`` fits a logistic regression to the mean
    reflectance of each band, as if a patch were one pixel.

    Parameters
    ----------
    kind
        What it sees.
    random_state
        Seed; the model of context alone uses it.

    Attributes
    ----------
    classes_
        0 and 1.
    share_
        Share of mining in training.

    References
    ----------
    .. [1] Ploton, P. et al. (2020). Spatial validation reveals poor predictive performance of
       large-scale ecological mapping models. Nature Communications 11, 4540.

    Examples
    --------
    >>> pixels = xr.DataArray(
    ...     np.linspace(0, 1, 16, dtype="float32").reshape(4, 1, 2, 2),
    ...     dims=("site", "band", "y", "x"),
    ...     coords={"site": list("abcd"), "band": ["B04"]},
    ...     attrs={"level": "L2A", "resolution_m": 10.0},
    ... )
    >>> labels = pd.Series([0, 0, 1, 1], index=list("abcd"))
    >>> NullDetector("majority").fit(pixels, labels).predict_proba(pixels)[0].tolist()
    [0.5, 0.5]
    >>> NullDetector("mean colour").fit(pixels, labels).predict(pixels).tolist()
    [0, 0, 1, 1]
    """

    def __init__(self, kind: NullKind = "majority", *, random_state: int = 0) -> None:
        self.kind = kind
        self.random_state = random_state

    def fit(
        self, pixels: xr.DataArray, labels: pd.Series, context: pd.DataFrame | None = None
    ) -> Self:
        """Learn from labelled patches.

        Parameters
        ----------
        pixels
            Reflectance (site, band, y, x), as `read_pixels` gives it; for ``coordinates`` with the
            coordinates `longitude` and `latitude` (degrees, EPSG:4326) along `site`.
        labels
            1 mining, 0 no mining, index site_id.
        context
            The context table, index site_id; ``context`` alone needs it.

        Raises
        ------
        InputError
            If the kind is unknown, a class is missing, or what it sees is not given.
        """
        check_pixels(pixels)
        return self.fit_summary(self.summarise(pixels), labels, context)

    def fit_summary(
        self, summary: pd.DataFrame, labels: pd.Series, context: pd.DataFrame | None = None
    ) -> Self:
        """Learn as `fit` does, from what `summarise` gives."""
        is_mining = _labels_of(summary.index, labels)
        self.classes_ = np.array([0, 1])
        self.share_ = float(is_mining.mean())
        features = self._features(summary, context)
        known = np.isfinite(features).all(axis=1)
        if self.kind == "coordinates":
            self.tree_ = KDTree(features[known]) if known.any() else None
            self.near_labels_ = is_mining[known]
        elif self.kind == "context":
            self.told_ = _varies(features)
            if self.told_.any():
                self.model_ = _boost(features[:, self.told_], is_mining, self.random_state)
        elif self.kind == "mean colour":
            if len(np.unique(is_mining[known])) < 2:
                raise InputError("no colour is known of one of the classes; nothing can be fitted")
            self.model_ = _regress(features[known], is_mining[known])
        return self

    def predict_proba(
        self, pixels: xr.DataArray, context: pd.DataFrame | None = None
    ) -> FloatArray:
        """Give P(no mining) and P(mining) for each site; NaN where nothing can be said."""
        return self.predict_summary(self.summarise(pixels), context)

    def predict_summary(
        self, summary: pd.DataFrame, context: pd.DataFrame | None = None
    ) -> FloatArray:
        """Score as `predict_proba` does, from what `summarise` gives."""
        features = self._features(summary, context)
        mining = np.full(len(features), np.nan)
        known = np.isfinite(features).all(axis=1)
        if self.kind == "majority" or (self.kind == "context" and not self.told_.any()):
            mining[:] = self.share_
        elif self.kind == "coordinates":
            mining = self._score_by_neighbours(features)
        elif self.kind == "context":
            mining = self.model_.predict_proba(features[:, self.told_])[:, 1].astype(np.float64)
        elif known.any():
            mining[known] = self.model_.predict_proba(features[known])[:, 1]
        return np.column_stack([1.0 - mining, mining])

    def summarise(self, pixels: xr.DataArray) -> pd.DataFrame:
        """Give what this model sees of each patch: index site_id; no column if it sees none."""
        if self.kind not in NULL_KINDS:
            raise InputError(
                f"there is no null model {self.kind!r}; expected one of {', '.join(NULL_KINDS)}"
            )
        index = pd.Index(pixels["site"].to_numpy(), name="site_id")
        if self.kind == "coordinates":
            return pd.DataFrame(_earth(pixels), index, columns=["x_m", "y_m", "z_m"])
        if self.kind == "mean colour":
            names = [str(name) for name in pixels["band"].to_numpy()]
            own = pixels.isel(band=positions_of(names, "band"))
            return pd.DataFrame(mean_colour(own), index, columns=own["band"].to_numpy())
        return pd.DataFrame(index=index)

    def _features(self, summary: pd.DataFrame, context: pd.DataFrame | None) -> FloatArray:
        if self.kind == "context":
            return _numbers(summary.index, context)
        return summary.to_numpy(dtype=np.float64)

    def _score_by_neighbours(self, earth: FloatArray) -> FloatArray:
        known = np.isfinite(earth).all(axis=1)
        share = np.full(len(earth), np.nan)
        if self.tree_ is not None and known.any():
            count = min(N_NEIGHBOURS, len(self.near_labels_))
            nearest = np.asarray(self.tree_.query(earth[known], k=range(1, count + 1))[1])
            share[known] = self.near_labels_[nearest].mean(axis=1)
        return share


def why_no_coordinates(labels: pd.Series, places: FloatArray) -> str:
    """Say why sites cannot be judged by where they lie; empty if some of both classes have a place.

    Parameters
    ----------
    labels
        ``(site,)``: 1 mining, 0 no mining.
    places
        ``(site, 2)``: longitude and latitude, degrees; NaN if unplaced.

    Examples
    --------
    >>> why_no_coordinates(pd.Series([0, 1]), np.array([[1.0, 2.0], [np.nan, np.nan]]))
    'the only site with a place shows no mining'
    """
    placed = labels.iloc[np.flatnonzero(np.isfinite(places).all(axis=1))]
    if placed.empty:
        return "no site has a place"
    if placed.nunique() == 2:
        return ""
    shown = "mining" if placed.iloc[0] == 1 else "no mining"
    if len(placed) == 1:
        return f"the only site with a place shows {shown}"
    return f"all {len(placed)} sites with a place show {shown}"


def mean_colour(pixels: xr.DataArray) -> FloatArray:
    """Average each band over the known pixels of each patch: (site, band), NaN if none is known."""
    values = pixels.to_numpy()
    flat = values.reshape(*values.shape[:2], -1)
    known = np.isfinite(flat)
    total = np.where(known, flat, 0.0).sum(axis=2, dtype=np.float64)
    count = known.sum(axis=2)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def with_places(pixels: xr.DataArray, sites: pd.DataFrame) -> xr.DataArray:
    """Give pixels the longitude and latitude of their sites, joined by site_id.

    Parameters
    ----------
    pixels
        Patches with a coordinate `site`.
    sites
        Index site_id; columns `longitude` and `latitude`, degrees, NaN if unplaced.
    """
    rows = sites.loc[list(pixels["site"].to_numpy()), ["longitude", "latitude"]]
    places = rows.to_numpy(dtype=np.float64, na_value=np.nan)
    return pixels.assign_coords(longitude=("site", places[:, 0]), latitude=("site", places[:, 1]))


def _labels_of(sites: pd.Index, labels: pd.Series) -> BoolArray:
    missing = sites.difference(labels.index)
    if len(missing):
        raise InputError(f"{len(missing)} patches have no label, of them {missing[0]!r}")
    values = labels.loc[list(sites)].to_numpy(dtype=np.float64, na_value=np.nan)
    kinds = set(np.unique(values).tolist())
    if kinds != {0.0, 1.0}:
        raise InputError(f"labels are {sorted(kinds)}; expected both 0 and 1, and nothing else")
    return np.asarray(values == 1.0, dtype=np.bool_)


def _earth(pixels: xr.DataArray) -> FloatArray:
    missing = [name for name in ("longitude", "latitude") if name not in pixels.coords]
    if missing:
        raise InputError(
            f"pixels have no coordinate {' and no '.join(missing)}; the null model of coordinates "
            "needs them along site (with_places adds them)"
        )
    places = np.column_stack([pixels["longitude"].to_numpy(), pixels["latitude"].to_numpy()])
    return earth_centred(places.astype(np.float64))


def _numbers(sites: pd.Index, context: pd.DataFrame | None) -> FloatArray:
    if context is None:
        raise InputError("the null model of context needs the context table; give context=")
    names = [
        name
        for name in sorted(map(str, context.columns))
        if not name.startswith(TARGET_PREFIX)
        and (pd.api.types.is_numeric_dtype(context[name]) or context[name].dtype == bool)
    ]
    if not names:
        raise InputError("the context table has no numeric column apart from those of the target")
    table = context.reindex(sites)[names]
    values = table.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isfinite(values), values, np.nan)


def _regress(features: FloatArray, is_mining: BoolArray) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    with threadpool_limits(limits=1, user_api="blas"):  # with so few columns, more threads wait
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        return model.fit(features, is_mining)


def _varies(features: FloatArray) -> BoolArray:
    """Say which columns hold at least two values: the others tell nothing."""
    low = np.where(np.isnan(features), np.inf, features).min(axis=0)
    high = np.where(np.isnan(features), -np.inf, features).max(axis=0)
    varying: BoolArray = low < high
    return varying


def _boost(features: FloatArray, is_mining: BoolArray, random_state: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        max_iter=100,
        learning_rate=0.1,
        max_leaf_nodes=15,
        min_samples_leaf=5,
        early_stopping=False,
        random_state=random_state,
    )
    # Trees on a few sites are too small to share among threads, which would only wait.
    limits = {"openmp": 1} if len(features) < _FEW_SITES else {}
    with threadpool_limits(limits=limits):
        return model.fit(features, is_mining)
