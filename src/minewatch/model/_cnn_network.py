"""The networks in torch: made from their layout, run on prepared pixels."""

from typing import Final

import torch
from torch import nn

from minewatch.model._cnn_layers import Network, Pool
from minewatch.types import AnyArray

_DROPOUT: Final = 0.3


class PatchNetwork(nn.Module):  # type: ignore[misc]  # torch may be absent where types are checked
    """One member of an ensemble: prepared pixels (site, band, y, x) to one logit per site.

    Our own network ends in the mean and the largest of each feature over the window, and its mean
    over the window's middle: each is a pooling without padding, so that over a larger tile it gives
    every window's score. The reference flattens its feature map.
    """

    def __init__(self, network: Network, n_bands: int) -> None:
        super().__init__()
        self.network = network
        self.features = _features(network, n_bands)
        width = [layer for layer in network.layers if not isinstance(layer, Pool)][-1].width
        n_inputs = 3 * width if network.is_dense else width * network.cells**2
        self.head = _head(n_inputs, network.hidden)
        if not network.is_dense:
            self.apply(_start_as_keras_does)
        self.to(memory_format=torch.channels_last)

    def forward(self, prepared: torch.Tensor) -> torch.Tensor:
        """Give the logit of each patch, dims (site,)."""
        # On a CPU this order of numbers in memory trains half as fast again.
        found = self.features(prepared.contiguous(memory_format=torch.channels_last))
        return self.head(self.pooled(found))[:, 0]

    def pooled(self, found: torch.Tensor) -> torch.Tensor:
        """Give what the head sees of a patch's feature map, dims (site, number)."""
        if not self.network.is_dense:
            return found.flatten(1)
        margin = self.network.margin_cells
        end = self.network.cells - margin
        middle = found[:, :, margin:end, margin:end]
        return torch.cat([found.mean((2, 3)), found.amax((2, 3)), middle.mean((2, 3))], dim=1)

    def arrays(self) -> dict[str, AnyArray]:
        """Give a copy of its weights by name."""
        return {name: w.detach().cpu().numpy().copy() for name, w in self.state_dict().items()}


def _start_as_keras_does(layer: nn.Module) -> None:
    """Without batch normalisation a deep network learns from weights of the right spread only."""
    if isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)


def _features(network: Network, n_bands: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for layer in network.layers:
        if isinstance(layer, Pool):
            layers.append(nn.MaxPool2d(layer.size))
            continue
        padding = 1 if layer.padding == "same" else 0
        layers.append(
            nn.Conv2d(n_bands, layer.width, 3, padding=padding, bias=not network.is_dense)
        )
        layers += [nn.BatchNorm2d(layer.width)] if network.is_dense else []
        layers.append(nn.ReLU())
        n_bands = layer.width
    return nn.Sequential(*layers)


def _head(n_inputs: int, hidden: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(n_inputs, width), nn.ReLU(), nn.Dropout(_DROPOUT)]
        n_inputs = width
    layers += [] if hidden else [nn.Dropout(_DROPOUT)]
    return nn.Sequential(*layers, nn.Linear(n_inputs, 1))
