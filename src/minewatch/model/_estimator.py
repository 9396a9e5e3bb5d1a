"""What every detector that learns shares: its decision, and how it looks at pixels."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from sklearn.base import BaseEstimator, ClassifierMixin

from minewatch.bands import check_level
from minewatch.types import BoolArray, FloatArray, IntArray


class DetectorBase(ClassifierMixin, BaseEstimator, ABC):  # type: ignore[misc]  # sklearn has no types
    """A classifier of patches: scikit-learn's promises, and a decision that follows the scores."""

    @abstractmethod
    def predict_proba(
        self, pixels: xr.DataArray, context: pd.DataFrame | None = None
    ) -> FloatArray:
        """Give P(no mining) and P(mining) for each site, in the order of the pixels."""

    def predict(self, pixels: xr.DataArray, context: pd.DataFrame | None = None) -> IntArray:
        """Give 1 where mining is the likelier class, else 0; 0 where there is no score."""
        return np.asarray(self.predict_proba(pixels, context)[:, 1] > 0.5, dtype=np.int64)


def in_order_of_sites(pixels: xr.DataArray) -> IntArray:
    """Give the rows of patches in the order of their site_ids, so that theirs plays no part."""
    return np.argsort(pixels["site"].astype("str").to_numpy(), kind="stable").astype(np.int64)


def what_it_takes(pixels: xr.DataArray) -> dict[str, Any]:
    """Say what patches are, in a card's words: bands, level, resolution and size."""
    return {
        "bands": tuple(str(name) for name in pixels["band"].to_numpy()),
        "level": check_level(pixels.attrs["level"]),
        "resolution_m": float(pixels.attrs["resolution_m"]),
        "size_px": int(pixels.sizes["y"]),
    }


def is_usable(missing_share: FloatArray, most_missing: float) -> BoolArray:
    """Say which patches have enough known pixels to be learned from, or scored: one at least."""
    return np.asarray((missing_share <= most_missing) & (missing_share < 1.0), dtype=np.bool_)
