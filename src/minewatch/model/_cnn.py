"""A convolutional network for patches and whole tiles: trained by torch, run without it."""

from types import ModuleType
from typing import Final, Literal, Self

import numpy as np
import pandas as pd
import xarray as xr

from minewatch import _store
from minewatch.errors import InputError, MissingExtraError, SettingsError
from minewatch.model._card import Card, MissingPixels, Preparation, Training
from minewatch.model._channels import dates_of, positions_of
from minewatch.model._cnn_folds import inner_folds
from minewatch.model._cnn_layers import (
    Network,
    NetworkName,
    Values,
    dense_network,
    learn_normalisation,
    reference_network,
)
from minewatch.model._cnn_onnx import write_network
from minewatch.model._detector import check_fit, check_pixels
from minewatch.model._estimator import DetectorBase
from minewatch.model._onnx import OnnxDetector, RunOptions
from minewatch.model._prepare import missing_share
from minewatch.model._training import CLASSES, NO_LICENCE, join_labels
from minewatch.types import AnyArray, FloatArray, IntArray

_LIMIT: Final = (
    "Scores come from training with weighted classes and doubted labels: they rank patches, and "
    "are no probabilities at any one prevalence before they are calibrated."
)


class CnnDetector(DetectorBase):
    """An ensemble of small convolutional networks, trained here and run by onnxruntime.

    The ``dense`` network pads nothing: blocks of 3 × 3 convolutions with batch normalisation, two
    poolings of 2, then the mean, the largest and the middle's mean of each feature. One cell of its
    feature map sees 32 px and the next cell lies 4 px on; a 48 px patch has 5 × 5 cells. A window
    of a larger tile whose upper left pixel lies a multiple of 4 px from the tile's has the same
    cells and so the same score: `scan` computes each cell once, and any stride that is a multiple
    of 4 px costs the same. ``reference`` is the layout of the published 48 px detectors [1]_, with
    padded convolutions and dense layers, to be compared with; its windows share nothing exactly.

    Each member has another seed and stops early by another inner fold of blocks, so that together
    they have learned from every training place. Normalisation is learned from training patches
    only. Missing pixels become the mean of their band; every tenth training patch has a
    made-up gap, so that this is nothing new to the network.

    Parameters
    ----------
    network
        ``dense`` or ``reference``.
    width
        Channels of the first convolutions; the dense network doubles them after each pooling.
    n_members
        Networks whose scores are averaged.
    epochs
        Most passes over the training patches.
    patience
        Passes without a lower loss on the inner fold before a member stops.
    batch_size
        Patches in a batch.
    learning_rate
        The highest of the one-cycle schedule of AdamW.
    weight_decay
        AdamW's decay of weights.
    label_smoothing
        Doubt put into every label: 0.1 trains towards 0.05 and 0.95.
    class_weight
        ``balanced``: both classes weigh the same; None: each patch does.
    augmentation
        Whether patches are varied: flips and quarter turns, shifts, light, cloud shadows, gaps. Of
        two dates each has its own light, shadows and gaps; channels of context have none.
    inner_splits
        Inner folds; a member stops early by one of them.
    inner_block_m
        Side of the blocks of the inner folds, metres; smaller ones are taken where the training
        sites lie in too few. Places are the coordinates `longitude` and `latitude` of the pixels;
        patches that share a value of a coordinate `group` are never parted; a patch with neither
        stands for itself.
    most_missing_share
        A patch with a larger share of missing pixels is not learned from and gets no score.
    device
        Where torch trains: ``auto`` for a GPU if there is one. Scores are always computed on the
        CPU.
    threads
        Threads of torch. With another number sums are rounded otherwise, and the same seed gives
        other weights.
    random_state
        Seed. The same seed, patches and threads give the same scores on one machine.

    Attributes
    ----------
    classes_
        0 no mining, 1 mining.
    held_out_
        DataFrame: one row for each member and patch of its inner fold: `member`, `site_id`,
        `label`, `score`. No member learned from the patches it stopped by.
    losses_
        DataFrame: `member`, `epoch`, `training`, `held_out`: mean loss of each pass.
    members_
        The weights of each member by name.
    normalisation_, network_
        What all members share.

    References
    ----------
    .. [1] Amazon Mining Watch, https://github.com/earthrise-media/mining-detector

    Examples
    --------
    >>> detector = CnnDetector(n_members=2, random_state=7)
    >>> detector.get_params()["width"]
    16
    """

    def __init__(  # noqa: PLR0913 - scikit-learn's way: every choice is an argument
        self,
        network: NetworkName = "dense",
        *,
        width: int = 16,
        n_members: int = 4,
        epochs: int = 40,
        patience: int = 12,
        batch_size: int = 32,
        learning_rate: float = 3e-3,
        weight_decay: float = 0.05,
        label_smoothing: float = 0.1,
        class_weight: Literal["balanced"] | None = "balanced",
        augmentation: bool = True,
        inner_splits: int = 4,
        inner_block_m: float = 50_000.0,
        most_missing_share: float = 0.5,
        device: str = "auto",
        threads: int = 2,
        random_state: int = 0,
    ) -> None:
        self.network = network
        self.width = width
        self.n_members = n_members
        self.epochs = epochs
        self.patience = patience
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight
        self.augmentation = augmentation
        self.inner_splits = inner_splits
        self.inner_block_m = inner_block_m
        self.most_missing_share = most_missing_share
        self.device = device
        self.threads = threads
        self.random_state = random_state

    def fit(
        self,
        pixels: xr.DataArray,
        labels: pd.Series,
        context: pd.DataFrame | None = None,  # noqa: ARG002 - the protocol's
    ) -> Self:
        """Learn from labelled patches; context is not looked at.

        Parameters
        ----------
        pixels
            Reflectance (site, band, y, x), square patches of float32, NaN where nothing is known;
            coordinates `site` and `band`, perhaps `longitude`, `latitude` (degrees) and `group`;
            attributes `level` and `resolution_m`. The order of the sites plays no part.
        labels
            Index site_id: 1 mining, 0 no mining.

        Raises
        ------
        MissingExtraError
            If torch is not installed.
        InputError, LevelError
            If the pixels are no patches, a label is missing, or there is only one class.
        """
        training = _import_training()
        self._check_settings()
        chosen, known = self._usable(pixels, labels)
        values = np.ascontiguousarray(chosen.to_numpy(), dtype=np.float32)
        self.network_ = self._layout(chosen)
        self.normalisation_ = learn_normalisation(
            values, positions_of(self._names(chosen), "presence", "distance")
        )
        folds = inner_folds(chosen, known, n_splits=self.inner_splits, block_m=self.inner_block_m)
        self._dates = dates_of(self._names(chosen))
        self._train(training, values, known.to_numpy(dtype=np.float64), folds, known.index)
        content = write_network(self.network_, self.normalisation_, self.members_)
        self.classes_: IntArray = CLASSES.copy()
        card = self._card(chosen, known, content)
        self.saved_ = OnnxDetector(card, content, RunOptions(threads=self.threads))
        return self

    def predict_proba(
        self, pixels: xr.DataArray, context: pd.DataFrame | None = None
    ) -> FloatArray:
        """Give P(no mining) and P(mining) for each site, by the very graph that is saved.

        Returns
        -------
        ndarray of float64
            Dims (site, 2), in the order of the pixels; NaN where a patch has too few known pixels.

        Raises
        ------
        InputError, LevelError, BandError
            If the detector has not been fitted, or the patches are of another kind than those it
            learned from.
        """
        return self._fitted().predict_proba(pixels, context)

    def attribute(self, pixels: xr.DataArray, fill: Values) -> FloatArray:
        """Say by integrated gradients what each pixel adds to P(mining): (site, y, x).

        Its sum is the score less that of a patch of `fill` (band,) alone; bands are in the order
        of `pixels`.
        """
        card = self._fitted().card
        check_pixels(pixels)
        check_fit(pixels, card, centre_crop=False)
        training, names = _import_training(), list(self._names(pixels))
        chosen = [names.index(band) for band in card.bands]
        values = np.ascontiguousarray(pixels.to_numpy()[:, chosen], dtype=np.float32)
        with training.computing(self.threads, self.random_state):
            added: FloatArray = training.integrate_gradients(
                self.network_, self.normalisation_, self.members_, values, fill[chosen]
            )
        return added

    def to_onnx(self) -> tuple[Card, bytes]:
        """Give the card, and the graph: normalisation, all members and the mean of their scores.

        The graph of a dense network takes tiles of any size too, see `write_network`; its metadata
        say under ``minewatch.dense`` how windows lie in a tile.
        """
        saved = self._fitted()
        return saved.card, saved.network

    def _fitted(self) -> OnnxDetector:
        if not hasattr(self, "saved_"):
            raise InputError("this CnnDetector has not been fitted; call fit with labelled patches")
        return self.saved_

    def _check_settings(self) -> None:
        """Name every setting that cannot be."""
        counts = ("width", "n_members", "epochs", "patience", "threads")
        faults = [
            f"{name} is {getattr(self, name)}; expected 1 or more"
            for name in counts
            if getattr(self, name) < 1
        ]
        for is_right, name, expected in (
            (self.network in ("dense", "reference"), "network", "dense or reference"),
            (self.batch_size >= 2, "batch_size", "2 or more"),
            (self.inner_splits >= 2, "inner_splits", "2 or more"),
            (self.learning_rate > 0, "learning_rate", "a number above 0"),
            (self.weight_decay >= 0, "weight_decay", "a number from 0 on"),
            (0 <= self.label_smoothing < 1, "label_smoothing", "a number from 0 to below 1"),
            (0 <= self.most_missing_share < 1, "most_missing_share", "a number from 0 to below 1"),
            (self.inner_block_m > 0, "inner_block_m", "a length above 0, in metres"),
            (self.class_weight in ("balanced", None), "class_weight", "balanced or None"),
        ):
            if not is_right:
                faults.append(f"{name} is {getattr(self, name)!r}; expected {expected}")
        if faults:
            raise SettingsError("CnnDetector: " + "; ".join(faults))

    def _layout(self, pixels: xr.DataArray) -> Network:
        height_px, width_px = pixels.shape[2:]
        if height_px != width_px:
            raise InputError(f"patches have {height_px} × {width_px} px; expected squares")
        lay_out = dense_network if self.network == "dense" else reference_network
        return lay_out(height_px, self.width)

    def _usable(self, pixels: xr.DataArray, labels: pd.Series) -> tuple[xr.DataArray, pd.Series]:
        """Give patches with enough known pixels and their labels, in the order of site_ids."""
        check_pixels(pixels)
        unsorted = pd.Index(pixels["site"].to_numpy(), name="site_id")
        order = np.argsort(unsorted.astype("str").to_numpy(), kind="stable")
        sites = unsorted[order]
        known = pd.Series(join_labels(sites, labels), sites)
        ordered = pixels.isel(site=order)
        enough = missing_share(ordered.to_numpy()) <= self.most_missing_share
        if known[enough].nunique() < 2:
            raise InputError(
                f"{enough.sum()} of {len(sites)} patches have enough known pixels, and they are of "
                "one class or none; expected some with mining and some without"
            )
        return ordered.isel(site=enough), known[enough]

    def _train(
        self,
        training: ModuleType,
        values: Values,
        labels: FloatArray,
        folds: list[tuple[IntArray, IntArray]],
        sites: pd.Index,
    ) -> None:
        self.members_: list[dict[str, AnyArray]] = []
        held_out, losses = [], []
        for member in range(self.n_members):
            learn, stop = folds[member % len(folds)]
            seed = self.random_state * 1_000 + member
            recipe = self._recipe(training, seed)
            with training.computing(self.threads, seed):
                trained = training.train(
                    self.network_,
                    self.normalisation_,
                    training.Sample(values[learn], labels[learn]),
                    training.Sample(values[stop], labels[stop]),
                    recipe,
                )
            self.members_.append(trained.weights)
            held_out.append(
                pd.DataFrame(
                    {
                        "member": member,
                        "site_id": sites[stop],
                        "label": labels[stop].astype(np.int64),
                        "score": trained.held_out,
                    }
                )
            )
            passes = pd.DataFrame(trained.losses, columns=["training", "held_out"])
            losses.append(passes.rename_axis("epoch").reset_index().assign(member=member))
        self.held_out_ = pd.concat(held_out, ignore_index=True)
        self.losses_ = pd.concat(losses, ignore_index=True)

    def _recipe(self, training: ModuleType, seed: int) -> object:
        return training.Recipe(
            epochs=self.epochs,
            patience=self.patience,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            label_smoothing=self.label_smoothing,
            balanced=self.class_weight == "balanced",
            augmented=self.augmentation,
            seed=seed,
            device=training.choose_device(self.device),
            dates=self._dates,
        )

    @staticmethod
    def _names(pixels: xr.DataArray) -> tuple[str, ...]:
        return tuple(str(name) for name in pixels["band"].to_numpy())

    def _card(self, pixels: xr.DataArray, labels: pd.Series, content: bytes) -> Card:
        counts = labels.value_counts()
        return Card(
            name=f"cnn-{self.network}",
            kind="cnn",
            description=f"{self.n_members} {self.network} networks, whose scores are averaged",
            bands=self._names(pixels),
            level=pixels.attrs["level"],
            size_px=self.network_.size_px,
            resolution_m=float(pixels.attrs["resolution_m"]),
            preparation=Preparation(
                missing=MissingPixels(method="keep", most_share=self.most_missing_share)
            ),
            training=Training(
                n_sites=len(labels),
                classes={"mining": int(counts[1]), "no mining": int(counts[0])},
                notes=f"each member stopped early by one of {self.inner_splits} inner folds",
            ),
            settings=self.get_params(),
            limits=(_LIMIT,),
            licence=NO_LICENCE,
            versions={"torch": _import_training().TORCH_VERSION},
            digest=_store.digest_bytes(content),
        )


def _import_training() -> ModuleType:
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError(
            "training a network needs torch, which is not installed: pip install "
            "'minewatch[cnn]'. Without a GPU, install torch from PyTorch's CPU index first (see "
            "'Start locally' on pytorch.org): it is a tenth as large"
        ) from error
    del torch
    from minewatch.model import _cnn_train

    return _cnn_train
