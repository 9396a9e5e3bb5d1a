"""Training one network: batches, augmentation, early stopping."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch.nn import functional

from minewatch.model._cnn_augment import augment
from minewatch.model._cnn_layers import Network, Normalisation, Values
from minewatch.model._cnn_network import PatchNetwork
from minewatch.types import AnyArray, FloatArray

_WARM_UP: Final = 0.2
_SMOOTHING_STEPS: Final = 30.0
_SCORE_BATCH: Final = 256
_PATH_STEPS: Final = 64
"""Points at which gradients are taken between the fill and a patch."""
TORCH_VERSION: Final = str(torch.__version__)


@dataclass(frozen=True)
class Recipe:
    """How one member is trained."""

    epochs: int
    """Most passes over the training patches."""
    patience: int
    """Passes without a lower loss on the held-out patches before training stops."""
    batch_size: int
    """Patches in a batch."""
    learning_rate: float
    """The highest of the one-cycle schedule."""
    weight_decay: float
    """AdamW's decay of weights."""
    label_smoothing: float
    """Share of doubt put into every label: 0.1 trains towards 0.05 and 0.95."""
    balanced: bool
    """Whether both classes weigh the same, however many patches they have."""
    augmented: bool
    """Whether patches are varied."""
    seed: int
    """Seed of weights, order and variation."""
    device: str
    """Where torch computes."""
    dates: tuple[tuple[int, ...], ...]
    """Positions of the bands of each date; what is in none, context, is not varied in its light."""


@dataclass(frozen=True)
class Sample:
    """Patches to learn from."""

    pixels: Values
    """Reflectance (site, band, y, x), NaN where nothing is known."""
    labels: FloatArray
    """(site,) 1 mining, 0 no mining."""


@dataclass(frozen=True)
class Trained:
    """One member as training left it."""

    weights: dict[str, AnyArray]
    """Weights by name, those of the pass with the lowest loss on held-out patches."""
    held_out: FloatArray
    """(site,) scores of the held-out patches."""
    losses: tuple[tuple[float, float], ...]
    """Loss on the training and on the held-out patches, for each pass."""


def normalise(normalisation: Normalisation, pixels: torch.Tensor) -> torch.Tensor:
    """Normalise patches, dims (site, band, y, x); missing pixels become 0, the mean."""
    low, high, mean, deviation = (
        torch.as_tensor(values, device=pixels.device)[:, None, None]
        for values in (
            normalisation.low,
            normalisation.high,
            normalisation.mean,
            normalisation.deviation,
        )
    )
    return torch.nan_to_num((torch.clamp(pixels, low, high) - mean) / deviation, nan=0.0)


@contextmanager
def computing(threads: int, seed: int) -> Iterator[None]:
    """Compute with so many threads and this seed, and leave torch as it was found."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(before)


def choose_device(device: str) -> str:
    """Give ``cuda`` for ``auto`` where there is a GPU, else what was asked for."""
    if device != "auto":
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"


def train(
    network: Network, normalisation: Normalisation, sample: Sample, held_out: Sample, recipe: Recipe
) -> Trained:
    """Train one member and keep the weights that did best on the held-out patches.

    What is kept is a running mean of the weights over some 30 steps, which is steadier than the
    weights of any one step.
    """
    made = PatchNetwork(network, sample.pixels.shape[1]).to(recipe.device)
    smooth = PatchNetwork(network, sample.pixels.shape[1]).to(recipe.device)
    smooth.load_state_dict(made.state_dict())
    smooth.eval()
    best, since = (np.inf, made.arrays()), 0
    losses: list[tuple[float, float]] = []
    for loss in _passes(made, smooth, normalisation, sample, recipe):
        logits = _logits(smooth, normalisation, held_out.pixels, recipe.device)
        target = torch.as_tensor(held_out.labels, dtype=torch.float32)
        losses.append((loss, float(_loss(logits, target, sample.labels, recipe))))
        since += 1
        if losses[-1][1] < best[0]:
            best, since = (losses[-1][1], smooth.arrays()), 0
        if since >= recipe.patience:
            break
    smooth.load_state_dict({name: torch.as_tensor(w) for name, w in best[1].items()})
    logits = _logits(smooth, normalisation, held_out.pixels, recipe.device)
    scores = torch.sigmoid(logits).double().numpy()
    return Trained(best[1], scores, tuple(losses))


def _passes(
    made: PatchNetwork,
    smooth: PatchNetwork,
    normalisation: Normalisation,
    sample: Sample,
    recipe: Recipe,
) -> Iterator[float]:
    """Train, and give the mean loss after each pass."""
    pixels, labels = torch.as_tensor(sample.pixels), torch.as_tensor(sample.labels).float()
    generator = torch.Generator().manual_seed(recipe.seed)
    steps = max(1, len(labels) // recipe.batch_size)
    optimiser = torch.optim.AdamW(
        made.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.learning_rate, total_steps=steps * recipe.epochs, pct_start=_WARM_UP
    )
    n_steps = 0
    for _ in range(recipe.epochs):
        made.train()
        total = 0.0
        for rows in torch.randperm(len(labels), generator=generator).tensor_split(steps):
            batch = pixels[rows]
            batch = augment(batch, generator, recipe.dates) if recipe.augmented else batch
            logits = made(normalise(normalisation, batch.to(recipe.device)))
            loss = _loss(logits, labels[rows].to(recipe.device), sample.labels, recipe)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(made.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            n_steps += 1
            _follow(smooth, made, min(1.0 - 1.0 / _SMOOTHING_STEPS, n_steps / (n_steps + 9.0)))
            total += float(loss.detach())
        yield total / steps


def _follow(smooth: PatchNetwork, made: PatchNetwork, keep: float) -> None:
    """Move the running mean a little towards the weights of now."""
    current = made.state_dict()
    with torch.no_grad():
        for name, values in smooth.state_dict().items():
            if values.is_floating_point():
                values.lerp_(current[name], 1.0 - keep)
            else:
                values.copy_(current[name])


def _loss(
    logits: torch.Tensor, target: torch.Tensor, training_labels: FloatArray, recipe: Recipe
) -> torch.Tensor:
    """Give the mean log loss towards doubted labels, each class weighed as the recipe says."""
    share = float(training_labels.mean())
    doubted = target * (1.0 - recipe.label_smoothing) + 0.5 * recipe.label_smoothing
    weight = torch.ones_like(target)
    if recipe.balanced and 0.0 < share < 1.0:
        weight = torch.where(target > 0.5, 0.5 / share, 0.5 / (1.0 - share))
    return functional.binary_cross_entropy_with_logits(logits, doubted, weight=weight)


def _logits(
    network: PatchNetwork, normalisation: Normalisation, pixels: Values, device: str
) -> torch.Tensor:
    network.eval()
    with torch.no_grad():
        parts = [
            network(normalise(normalisation, part.to(device))).cpu()
            for part in torch.as_tensor(pixels).split(_SCORE_BATCH)
        ]
    return torch.cat(parts)


def member_scores(
    network: Network,
    normalisation: Normalisation,
    weights: dict[str, AnyArray],
    pixels: Values,
) -> FloatArray:
    """Score patches with one member in torch itself, dims (site,)."""
    made = PatchNetwork(network, pixels.shape[1])
    made.load_state_dict({name: torch.as_tensor(values) for name, values in weights.items()})
    logits = _logits(made, normalisation, pixels, "cpu")
    scores: FloatArray = torch.sigmoid(logits).double().numpy()
    return scores


def integrate_gradients(
    network: Network,
    normalisation: Normalisation,
    members: Sequence[dict[str, AnyArray]],
    pixels: Values,
    fill: Values,
) -> FloatArray:
    """Say what each pixel adds to the mean score of all members, beside a patch of the fill alone.

    The gradient of the score is taken at steps of the straight way from the fill to the patch, in
    normalised numbers, and multiplied with the way. A missing pixel adds nothing.

    Parameters
    ----------
    members
        Their weights by name.
    pixels
        (site, band, y, x), NaN where nothing is known.
    fill
        (band,): what stands in every pixel of the patch at the other end.

    Returns
    -------
    ndarray of float64
        (site, y, x): the sum over bands. Its sum is the score less that of the fill, but for what
        the number of steps leaves out.
    """
    made = [PatchNetwork(network, pixels.shape[1]) for _ in members]
    for one, weights in zip(made, members, strict=True):
        one.load_state_dict({name: torch.as_tensor(values) for name, values in weights.items()})
        one.eval()
    shares = (torch.arange(_PATH_STEPS) + 0.5) / _PATH_STEPS
    found = []
    for patch in torch.as_tensor(pixels):
        end = normalise(normalisation, patch[None])
        empty = torch.as_tensor(fill)[:, None, None].expand_as(patch)[None]
        start = torch.where(patch.isnan()[None], 0.0, normalise(normalisation, empty))
        path = (start + shares[:, None, None, None] * (end - start)).requires_grad_()
        score = torch.stack([torch.sigmoid(one(path)) for one in made]).mean(0).sum()
        (slope,) = torch.autograd.grad(score, path)
        found.append(((end - start)[0] * slope.mean(0)).sum(0).double())
    added: FloatArray = torch.stack(found).numpy()
    return added
