"""Score the 576 windows of one tile: the peer's way, window by window, and as a scan does.

The tile has 600 × 600 px (36 km²) and 12 bands; windows of 48 px begin every 24. For our detectors
it shows a toy valley; for the published ones, patches that come with them, side by side. The peer
cuts the windows out and lets TensorFlow predict them, as the published code does, on all cores; a
scan scores a tile on one core and other tiles on the others, so processor time is what compares.
The dense networks have random weights; trees and textures learn from places of another toy valley.
Each part runs in a process of its own, after one round to warm up, and the scores of all ways are
compared. Beside them stands what the arithmetic alone would take at the rate at which this machine
multiplies matrices.

    python benchmarks/scan.py DETECTORS      # the folder of the published .h5 files
    python benchmarks/scan.py DETECTORS --tensorflow /other/venv/bin/python   # with tf_keras in it
"""

import argparse
import math
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from _measure import Measured, machine, measure, report

TILE_PX = 600
SIZE_PX = 48
STRIDE_PX = 24
REPEATS = 2
PUBLISHED = ("48px_v3.7-a_2024-01-17", "48px_v3.2-3.7ensemble_2024-02-13")
MATRIX = 1024

Values = npt.NDArray[np.float32]


def starts(stride_px: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Give the upper left pixels of all windows."""
    first = np.arange(0, TILE_PX - SIZE_PX + 1, stride_px)
    rows, columns = np.meshgrid(first, first, indexing="ij")
    return rows.ravel(), columns.ravel()


def make(folder: Path, name: str, out: Path, stride_px: int, published: Path) -> None:
    """Write the tile, and every detector as it is saved."""
    del name, out, stride_px
    report(lambda: _make(folder, published))


def _make(folder: Path, published: Path) -> None:
    from minewatch.grid import PatchGrid
    from minewatch.model import convert_keras, save_detector
    from minewatch.toy import Valley

    valley = Valley(seed=3, width_m=12_000, height_m=9_000)
    place = valley.sites(1, 0)
    whole = valley.pixels(place, grid=PatchGrid(size_px=TILE_PX), bands="legacy-12")
    tile = np.maximum(whole.to_numpy()[0], 1).astype(np.float32) / np.float32(10_000)
    for stem in PUBLISHED:
        save_detector(convert_keras(published / f"{stem}.h5"), folder / stem)
        np.save(folder / f"{stem}.npy", _side_by_side(published / "expected_scores.npz", stem))
    for name, n_members in (("dense", 4), ("dense, one member", 1)):
        save_detector(_Saved(_random_dense(tile, n_members)), folder / name)
        np.save(folder / f"{name}.npy", tile)
    for name, detector in zip(("trees", "textures"), _trained(), strict=True):
        save_detector(detector, folder / name)
        np.save(folder / f"{name}.npy", tile)


def _side_by_side(file: Path, stem: str) -> Values:
    """Fill a tile with patches whose scores differ; those of a toy valley are all nought."""
    with np.load(file) as known:
        patches = np.moveaxis(known[f"{stem}__x"], -1, 1).astype(np.float32)
    n_side = -(-TILE_PX // SIZE_PX)
    chosen = patches[np.random.default_rng(0).integers(0, len(patches), (n_side, n_side))]
    whole = chosen.transpose(2, 0, 3, 1, 4).reshape(patches.shape[1], n_side * SIZE_PX, -1)
    return np.ascontiguousarray(whole[:, :TILE_PX, :TILE_PX])


class _Saved:
    """What `save_detector` takes: a card and a network."""

    def __init__(self, parts: tuple[Any, bytes]) -> None:
        self.parts = parts

    def to_onnx(self) -> tuple[Any, bytes]:
        return self.parts


def _random_dense(tile: Values, n_members: int) -> tuple[Any, bytes]:
    """Give a network as `CnnDetector` lays it out by default, with 16 channels."""
    from minewatch import _store
    from minewatch.bands import PRESETS
    from minewatch.model import Card
    from minewatch.model._card import MissingPixels, Preparation
    from minewatch.model._cnn_layers import Conv, dense_network, learn_normalisation
    from minewatch.model._cnn_onnx import write_network

    rng, network = np.random.default_rng(0), dense_network(SIZE_PX, 16)
    widths = [layer.width if isinstance(layer, Conv) else 0 for layer in network.layers]
    members = [_random_weights(widths, len(tile), rng) for _ in range(n_members)]
    content = write_network(network, learn_normalisation(tile[None]), members)
    card = Card(
        name="dense",
        kind="cnn",
        bands=PRESETS["legacy-12"],
        level="L1C",
        size_px=SIZE_PX,
        preparation=Preparation(missing=MissingPixels(method="keep")),
        licence="MIT",
        digest=_store.digest_bytes(content),
    )
    return card, content


def _random_weights(widths: list[int], n_in: int, rng: np.random.Generator) -> dict[str, Values]:
    """Give weights as torch names them; a width of 0 stands for a pooling."""
    weights: dict[str, Values] = {}
    position = 0
    for width in widths:
        if width:
            kernel = rng.normal(0, math.sqrt(2 / 9 / n_in), (width, n_in, 3, 3))
            weights[f"features.{position}.weight"] = kernel.astype(np.float32)
            norm, ones = f"features.{position + 1}", np.ones(width, dtype=np.float32)
            weights |= {f"{norm}.weight": ones, f"{norm}.running_var": ones}
            weights |= {f"{norm}.bias": 0 * ones, f"{norm}.running_mean": 0 * ones}
            n_in = width
        position += 3 if width else 1
    weights["head.1.weight"] = rng.normal(0, 0.1, (1, 3 * n_in)).astype(np.float32)
    weights["head.1.bias"] = np.zeros(1, dtype=np.float32)
    return weights


def _trained() -> tuple[Any, Any]:
    """Train trees, and textures, on 200 places of another valley."""
    from minewatch.model import TextureDetector, TreeDetector
    from minewatch.toy import Valley

    valley = Valley(seed=4, width_m=24_000, height_m=18_000)
    sites = valley.sites(60, 140)
    numbers = valley.pixels(sites, bands="legacy-12")
    pixels = (numbers / np.float32(10_000)).astype(np.float32).where(numbers > 0)
    pixels.attrs = {"level": "L1C", "resolution_m": 10.0}
    labels = sites["label"].astype(int)
    return TreeDetector().fit(pixels, labels), TextureDetector().fit(pixels, labels)


def _report(score: Callable[[], Values], out: Path) -> None:
    score()

    def work() -> None:
        for _ in range(REPEATS):
            scores = score()
        np.save(out, scores)

    report(work)


def by_tensorflow(folder: Path, name: str, out: Path, stride_px: int, published: Path) -> None:
    """Cut the windows out and let Keras predict them, 32 at a time, as it does by itself."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tf_keras

    del stride_px
    model = tf_keras.models.load_model(str(published / f"{name}.h5"), compile=False)
    tile = np.moveaxis(np.load(folder / f"{name}.npy"), 0, -1)
    rows, columns = starts(STRIDE_PX)

    def score() -> Values:
        cut = [tile[r : r + SIZE_PX, c : c + SIZE_PX] for r, c in zip(rows, columns, strict=True)]
        chips = np.clip(np.stack(cut), 0, 1)
        scores: Values = model.predict(chips, verbose=0).mean(axis=1)
        return scores

    _report(score, out)


def by_window(folder: Path, name: str, out: Path, stride_px: int, published: Path) -> None:
    """Cut the windows out and score them as patches, in onnxruntime."""
    import xarray as xr

    from minewatch.model import load_detector

    del published
    detector, tile = load_detector(folder / name), np.load(folder / f"{name}.npy")
    rows, columns = starts(stride_px)

    def score() -> Values:
        parts = []
        for start in range(0, len(rows), 64):
            some = zip(rows[start : start + 64], columns[start : start + 64], strict=True)
            cut = np.stack([tile[:, r : r + SIZE_PX, c : c + SIZE_PX] for r, c in some])
            patches = xr.DataArray(
                cut,
                dims=("site", "band", "y", "x"),
                coords={"site": np.arange(len(cut)), "band": list(detector.card.bands)},
                attrs={"level": "L1C", "resolution_m": 10.0},
            )
            parts.append(detector.score(patches)["score"].to_numpy())
        return np.concatenate(parts)

    _report(score, out)


def by_tile(folder: Path, name: str, out: Path, stride_px: int, published: Path) -> None:
    """Score the tile as a scan does: on one core, for others work on other tiles."""
    import xarray as xr

    from minewatch.model import RunOptions, load_detector
    from minewatch.scan._score import score_tile

    del published
    detector = load_detector(folder / name, options=RunOptions(threads=1))
    tile = xr.DataArray(
        np.load(folder / f"{name}.npy"),
        dims=("band", "y", "x"),
        coords={"band": list(detector.card.bands)},
    )
    rows, columns = starts(stride_px)

    def score() -> Values:
        table = score_tile(detector, tile, rows, columns, level="L1C", resolution_m=10.0)
        scores: Values = table["score"].to_numpy()
        return scores

    _report(score, out)


def by_arithmetic(folder: Path, name: str, out: Path, stride_px: int, published: Path) -> None:
    """Multiply matrices, as fast as the machine does."""
    del folder, name, stride_px, published
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((MATRIX, MATRIX), dtype=np.float32) for _ in range(2))

    def score() -> Values:
        with threadpool_limits(1):
            products = [a @ b for _ in range(20)]
        return products[0]

    _report(score, out)


PARTS = {
    "make": make,
    "peer": by_tensorflow,
    "window by window": by_window,
    "tile": by_tile,
    "matrices": by_arithmetic,
}


def count_flops(network: Path, size_px: int) -> float:
    """Count what convolutions and dense layers do to one patch: multiplications and additions."""
    import onnx

    model = onnx.load(str(network))
    source = model.graph.input[0].type.tensor_type.shape
    for dim, side in zip(source.dim, (1, None, size_px, size_px), strict=True):
        dim.dim_value = side or dim.dim_value
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    weights = {one.name: math.prod(one.dims) for one in graph.initializer}
    sides = {
        one.name: math.prod(dim.dim_value or 1 for dim in one.type.tensor_type.shape.dim[2:])
        for one in graph.value_info
    }
    total = 0.0
    for node in graph.node:
        if node.op_type == "Conv":
            total += 2 * weights[node.input[1]] * sides[node.output[0]]
        elif node.op_type == "Gemm":
            total += 2 * weights[node.input[1]]
    return total


class Comparison:
    """Runs the parts, prints what each took, and keeps the scores."""

    def __init__(self, folder: Path, published: Path, tensorflow: str | None) -> None:
        self.folder, self.published, self.tensorflow = folder, published, tensorflow

    def run(self, part: str, name: str = "-", stride_px: int = STRIDE_PX) -> Measured:
        """Run one part in a process of its own."""
        python = self.tensorflow if part == "peer" and self.tensorflow else sys.executable
        words = [self.folder, name, self.folder / "out.npy", stride_px, self.published]
        return measure(__file__, part, *map(str, words), python=python)

    def take(self, part: str, name: str, stride_px: int) -> tuple[Measured, Values]:
        """Run one part and say what it took."""
        took = self.run(part, name, stride_px)
        scores = np.load(self.folder / "out.npy")
        cpu_s = took.work_cpu_s / REPEATS
        print(
            f"{name[:22]:<22} {part:<17} {took.seconds / REPEATS:7.2f} s, processor {cpu_s:6.2f} s "
            f"({len(scores) / cpu_s:7,.0f} windows/s), peak {took.peak_mb:6.0f} MB",
            flush=True,
        )
        return took, scores

    def limit(self, name: str, rate: float) -> None:
        """Say what the arithmetic of a network takes at a rate of GFLOP per second."""
        flops = count_flops(self.folder / name / "model.onnx", SIZE_PX)
        n_windows = len(starts(STRIDE_PX)[0])
        print(
            f"{name[:22]:<22} limit, window by window: {flops / 1e6:,.0f} MFLOP each, "
            f"{flops * n_windows / rate / 1e9:.2f} s of processor",
            flush=True,
        )

    def compare(self, name: str, stride_px: int = STRIDE_PX) -> None:
        """Score with one detector in all ways."""
        others = ["window by window"]
        if name in PUBLISHED and self.tensorflow is not None:
            others.insert(0, "peer")
        found = {part: self.take(part, name, stride_px) for part in others}
        tile, scores = self.take("tile", name, stride_px)
        for part, (took, known) in found.items():
            print(
                f"{'':<22} {part} ÷ tile: time {took.seconds / tile.seconds:.2f}, processor "
                f"{took.work_cpu_s / tile.work_cpu_s:.2f}, memory "
                f"{took.peak_mb / tile.peak_mb:.2f}; scores differ by at most "
                f"{float(np.abs(known - scores).max()):.1e} (their spread is {scores.std():.2f})",
                flush=True,
            )


def _compare(published: Path, tensorflow: str | None) -> None:
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory() as name:
        comparison = Comparison(Path(name), published, tensorflow)
        comparison.run("make")
        took = comparison.run("matrices")
        rate = 20 * REPEATS * 2 * MATRIX**3 / took.work_cpu_s / 1e9
        print(
            f"matrices of {MATRIX} × {MATRIX}: {rate:.0f} GFLOP a second of processor", flush=True
        )
        for detector in (*PUBLISHED, "dense", "dense, one member"):
            comparison.limit(detector, rate)
            comparison.compare(detector)
        for detector in ("trees", "textures"):
            comparison.compare(detector)
        print("at a stride of 4 px:")
        comparison.take("tile", "dense", 4)


def main() -> None:
    """Measure all parts, or do one."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--part", choices=list(PARTS))
    parser.add_argument("--tensorflow", help="a Python that has tf_keras")
    parser.add_argument("words", nargs="+", help="the folder of the published .h5 files")
    arguments = parser.parse_args()
    if arguments.part is None:
        _compare(Path(arguments.words[0]), arguments.tensorflow)
        return
    folder, name, out, stride_px, published = arguments.words
    PARTS[arguments.part](Path(folder), name, Path(out), int(stride_px), Path(published))


if __name__ == "__main__":
    main()
