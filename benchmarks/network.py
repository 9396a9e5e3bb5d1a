"""What a trained network costs: training it, and scoring a tile whole or window by window.

Training: 500 made-up patches of 12 bands and 48 px, with the defaults of `CnnDetector`. Scoring: a
tile of 600 × 600 px (36 km²), its 576 windows at a stride of 24 px; both sides run the same graph
in the same runtime and end with the same scores, which are compared. The weights are random: the
time does not depend on them. Each part runs in a process of its own.

    pip install "minewatch[cnn]"
    python benchmarks/network.py
    python benchmarks/network.py --without-training
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from _measure import Measured, machine, measure, report

SIZE_PX = 48
TILE_PX = 600
STRIDE_PX = 24
N_BANDS = 12
N_PATCHES = 500
N_MEMBERS = 4
WIDTH = 16
REPEATS = 5

Values = npt.NDArray[np.float32]


def make_patches() -> tuple[Values, npt.NDArray[np.int64]]:
    """Make reflectance (site, band, y, x), half of the patches with a bright square inside."""
    rng = np.random.default_rng(5)
    levels = rng.uniform(0.02, 0.3, (N_PATCHES, N_BANDS, 1, 1))
    patches = levels * rng.normal(1.0, 0.1, (N_PATCHES, N_BANDS, SIZE_PX, SIZE_PX))
    labels = np.arange(N_PATCHES) % 2
    patches[labels == 1, :, 16:32, 16:32] *= 1.2
    return patches.astype(np.float32), labels


def training(_: Path, __: Path) -> None:
    """Train with the defaults."""
    import pandas as pd
    import xarray as xr

    from minewatch.bands import band_names
    from minewatch.model._cnn import CnnDetector

    patches, labels = make_patches()
    sites = [f"s{number:03d}" for number in range(N_PATCHES)]
    pixels = xr.DataArray(
        patches,
        dims=("site", "band", "y", "x"),
        coords={"site": sites, "band": list(band_names("l2a-12"))},
        attrs={"level": "L2A", "resolution_m": 10.0},
    )
    report(lambda: CnnDetector().fit(pixels, pd.Series(labels, sites)))


def write_random(folder: Path) -> None:
    """Write a network with random weights, and a tile."""
    import torch

    from minewatch.model._cnn_layers import dense_network, learn_normalisation
    from minewatch.model._cnn_network import PatchNetwork
    from minewatch.model._cnn_onnx import write_network

    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    tile = rng.uniform(0.0, 0.4, (1, N_BANDS, TILE_PX, TILE_PX)).astype(np.float32)
    network = dense_network(SIZE_PX, WIDTH)
    members = [PatchNetwork(network, N_BANDS).arrays() for _ in range(N_MEMBERS)]
    content = write_network(network, learn_normalisation(tile), members)
    (folder / "model.onnx").write_bytes(content)
    np.save(folder / "tile.npy", tile)


def _session(folder: Path) -> tuple[Any, Values]:
    import onnxruntime

    session = onnxruntime.InferenceSession(
        folder / "model.onnx", providers=["CPUExecutionProvider"]
    )
    return session, np.load(folder / "tile.npy")


def whole(folder: Path, out: Path) -> None:
    """Score the tile at once, and take the windows that are wanted."""
    session, tile = _session(folder)

    def work() -> None:
        for _ in range(REPEATS):
            score_map = session.run(["score_map"], {"pixels": tile})[0]
        np.save(out, score_map[0, :: STRIDE_PX // 4, :: STRIDE_PX // 4].ravel())

    report(work)


def by_window(folder: Path, out: Path) -> None:
    """Cut the windows out of the tile, as peers do, and score them in batches."""
    session, tile = _session(folder)

    def work() -> None:
        for _ in range(REPEATS):
            starts = range(0, TILE_PX - SIZE_PX + 1, STRIDE_PX)
            windows = np.concatenate(
                [tile[..., y : y + SIZE_PX, x : x + SIZE_PX] for y in starts for x in starts]
            )
            parts = np.array_split(windows, 9)
            scores = [session.run(["score"], {"pixels": part})[0][:, 0] for part in parts]
        np.save(out, np.concatenate(scores))

    report(work)


PARTS = {"training": training, "whole": whole, "by_window": by_window}


def _compare(*, with_training: bool) -> None:
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_random(folder)

        def take(part: str) -> Measured:
            measured = measure(__file__, part, str(folder), str(folder / f"{part}.npy"))
            print(measured.line(), flush=True)
            return measured

        if with_training:
            take("training")
        apart, together = take("by_window"), take("whole")
        scores = [np.load(folder / f"{part}.npy") for part in ("by_window", "whole")]
        windows = REPEATS * scores[0].size
        print(
            f"windows a second: {windows / apart.seconds:,.0f} apart, "
            f"{windows / together.seconds:,.0f} together: {apart.seconds / together.seconds:.1f} "
            f"times (processor time {apart.work_cpu_s / together.work_cpu_s:.1f} times); "
            f"scores differ by at most {np.abs(scores[0] - scores[1]).max():.1g}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path())
    parser.add_argument("out", nargs="?", type=Path, default=Path())
    parser.add_argument("--part", choices=sorted(PARTS))
    parser.add_argument("--without-training", action="store_true")
    options = parser.parse_args()
    if options.part:
        PARTS[options.part](options.folder, options.out)
    else:
        _compare(with_training=not options.without_training)


if __name__ == "__main__":
    main()
