"""Score 10,000 patches with a published Keras detector: converted, and by TensorFlow itself.

Both sides begin with reflectance in memory, each in the layout that suits it, prepare it as the
detector wants it, and end with scores; each runs in a process of its own, on all cores. The patches
are made up: the time does not depend on what they show. The scores of both sides are compared.

    pip install tensorflow-cpu tf_keras      # the other side; without it only ours is measured
    python benchmarks/detectors.py 48px_v3.7-a_2024-01-17.h5
    python benchmarks/detectors.py --n 1000 48px_v3.2-3.7ensemble_2024-02-13.h5
"""

import argparse
import importlib.util
import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from _measure import Measured, machine, measure, report

N_PATCHES = 10_000
BATCH = 256

Values = npt.NDArray[np.float32]


def make_patches(n_patches: int, n_bands: int, size_px: int) -> Values:
    """Make reflectance (site, band, y, x): a level for each patch and band, and some grain."""
    rng = np.random.default_rng(11)
    levels = rng.uniform(0.02, 0.4, (n_patches, n_bands, 1, 1)).astype(np.float32)
    grain = rng.normal(1.0, 0.1, (n_bands, size_px, size_px)).astype(np.float32)
    return levels * grain


def converted(file: Path, n_patches: int, out: Path) -> None:
    """Score with the detector as it is converted and loaded here."""
    import xarray as xr

    from minewatch.model import convert_keras

    detector = convert_keras(file)
    card = detector.card
    patches = xr.DataArray(
        make_patches(n_patches, len(card.bands), card.size_px),
        dims=("site", "band", "y", "x"),
        coords={"site": [str(i) for i in range(n_patches)], "band": list(card.bands)},
        attrs={"level": card.level, "resolution_m": card.resolution_m},
    )
    detector.score(patches[:BATCH])  # the first call plans the work

    def work() -> None:
        np.save(out, detector.score(patches)["score"].to_numpy())

    report(work)


def by_tensorflow(file: Path, n_patches: int, out: Path) -> None:
    """Score with Keras and TensorFlow, as the makers do."""
    import tf_keras

    model = tf_keras.models.load_model(str(file), compile=False)
    _, size_px, _, n_bands = model.input_shape
    patches = np.moveaxis(make_patches(n_patches, n_bands, size_px), 1, -1)
    patches = np.ascontiguousarray(patches)
    model.predict(patches[:BATCH], verbose=0)

    def work() -> None:
        prepared = np.clip(patches, 0, 1).astype(np.float32)
        np.save(out, model.predict(prepared, batch_size=BATCH, verbose=0).mean(axis=1))

    report(work)


PARTS = {"converted": converted, "tensorflow": by_tensorflow}


def _compare(file: Path, n_patches: int) -> None:
    print(f"{machine()}; {file.name}, {n_patches:,} patches")
    sides: dict[str, Measured] = {}
    scores: dict[str, npt.NDArray[np.float32]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for part in PARTS:
            if part == "tensorflow" and importlib.util.find_spec("tf_keras") is None:
                print("tensorflow and tf_keras are not installed: the other side is not measured")
                return
            out = Path(folder) / f"{part}.npy"
            words = ("--n", str(n_patches), "--out", str(out), str(file))
            sides[part] = measure(__file__, part, *words)
            scores[part] = np.load(out)
            print(f"{sides[part].line()}   {n_patches / sides[part].seconds:8,.0f} patches/s")
    ratio = sides["tensorflow"].seconds / sides["converted"].seconds
    work = sides["tensorflow"].work_cpu_s / sides["converted"].work_cpu_s
    difference = float(np.abs(scores["converted"] - scores["tensorflow"]).max())
    print(f"converted takes 1/{ratio:.2f} of the time and 1/{work:.2f} of the processor time")
    print(f"largest difference of scores {difference:.1e}")


def main() -> None:
    """Measure both sides, or do one part."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path, help="a detector of the 48 px generations, .h5")
    parser.add_argument("--n", type=int, default=N_PATCHES, help="patches")
    parser.add_argument("--part", choices=list(PARTS))
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if arguments.part is None:
        _compare(arguments.file, arguments.n)
        sys.exit()
    PARTS[arguments.part](arguments.file, arguments.n, arguments.out)


if __name__ == "__main__":
    main()
