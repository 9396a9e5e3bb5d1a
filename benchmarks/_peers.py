"""What others train on such chips, written plainly, to be measured under the same folds.

`PeerTrees` are gradient-boosted trees with scikit-learn's defaults on the mean, spread and three
quantiles of each band and of the normalised differences. `PeerNetwork` is the small network of
joelibaceta/sat-mining-detector (three convolutions of 32, 48 and 64 channels with batch
normalisation, attention over channels and dropout, then 32 dense units; Adam, batches of 16,
flips), here for two classes and 40 rounds.
"""

import warnings
from itertools import combinations
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingClassifier

ROUNDS = 40
BATCH = 16
Values = npt.NDArray[np.float32]


class PeerTrees(BaseEstimator):  # type: ignore[misc]
    """Boosted trees on plain statistics."""

    def __init__(self, random_state: int = 0) -> None:
        self.random_state = random_state

    def summarise(self, pixels: xr.DataArray) -> pd.DataFrame:
        """Take mean, spread and quantiles of bands and normalised differences."""
        bands = np.moveaxis(pixels.to_numpy(), 1, 0)
        layers = [*bands]
        with np.errstate(divide="ignore", invalid="ignore"):
            layers += [(one - other) / (one + other) for one, other in combinations(bands, 2)]
        flat = np.stack([layer.reshape(len(layer), -1) for layer in layers], axis=1)
        flat = np.where(np.isfinite(flat), flat, np.nan)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # where nothing is known, so is this
            quantiles = np.nanquantile(flat, [0.1, 0.5, 0.9], axis=2)
            found = [np.nanmean(flat, axis=2), np.nanstd(flat, axis=2), *quantiles]
        return pd.DataFrame(np.concatenate(found, axis=1))

    def fit_summary(self, summary: pd.DataFrame, labels: pd.Series) -> Self:
        self.model_ = HistGradientBoostingClassifier(
            class_weight="balanced", random_state=self.random_state
        )
        self.model_.fit(summary.to_numpy(), labels.to_numpy())
        return self

    def predict_summary(self, summary: pd.DataFrame) -> npt.NDArray[np.float64]:
        return np.asarray(self.model_.predict_proba(summary.to_numpy()))


class PeerNetwork(BaseEstimator):  # type: ignore[misc]
    """A small network on standardised bands."""

    def __init__(self, random_state: int = 0) -> None:
        self.random_state = random_state

    def fit(self, pixels: xr.DataArray, labels: pd.Series) -> Self:
        import torch

        torch.manual_seed(self.random_state)
        rng = np.random.default_rng(self.random_state)
        values = pixels.to_numpy()
        self.mean_ = np.nanmean(values, axis=(0, 2, 3))[:, None, None]
        self.spread_ = np.nanstd(values, axis=(0, 2, 3))[:, None, None]
        inputs = self._prepare(values)
        wanted = torch.from_numpy(labels.to_numpy().astype(np.float32))
        share = float(wanted.mean())
        self.network_ = make_network(values.shape[1])
        optimiser = torch.optim.Adam(self.network_.parameters(), weight_decay=1e-4)
        loss = torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor((1 - share) / share))
        self.network_.train()
        for _ in range(ROUNDS):
            order = rng.permutation(len(inputs))
            for start in range(0, len(order) - 1, BATCH):
                rows = order[start : start + BATCH]
                axes = [axis for axis in (2, 3) if rng.random() < 0.5]
                optimiser.zero_grad()
                found = self.network_(inputs[rows].flip(axes))[:, 0]
                loss(found, wanted[rows]).backward()
                optimiser.step()
        return self

    def predict_proba(self, pixels: xr.DataArray) -> npt.NDArray[np.float64]:
        import torch

        self.network_.eval()
        with torch.no_grad():
            found = torch.sigmoid(self.network_(self._prepare(pixels.to_numpy())))[:, 0].numpy()
        return np.column_stack([1 - found, found]).astype(np.float64)

    def _prepare(self, values: Values) -> Any:
        import torch

        standard = np.nan_to_num((values - self.mean_) / self.spread_)
        return torch.from_numpy(standard.astype(np.float32))


def make_network(n_bands: int) -> Any:
    """Make the network: a logit for each chip."""
    from torch import nn

    class Attention(nn.Module):  # type: ignore[misc]  # torch has no types here
        def __init__(self, width: int, ratio: int) -> None:
            super().__init__()
            self.weigh = nn.Sequential(
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
                nn.Linear(width, width // ratio),
                nn.ReLU(),
                nn.Linear(width // ratio, width),
                nn.Sigmoid(),
            )

        def forward(self, values: Any) -> Any:
            return values * self.weigh(values)[:, :, None, None]

    def block(before: int, width: int) -> list[Any]:
        return [nn.Conv2d(before, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]

    return nn.Sequential(
        *block(n_bands, 32), nn.MaxPool2d(2), Attention(32, 4), nn.Dropout(0.3),
        *block(32, 48), nn.MaxPool2d(2), nn.Dropout(0.4),
        *block(48, 64), Attention(64, 8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5),
        nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.4), nn.Linear(32, 1),
    )  # fmt: skip
