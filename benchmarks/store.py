"""Write and read 50,000 patches, in the project's store and in those that it could have been.

Patches are (12, 48, 48) uint16 from the toy valley, varied without end; 2.8 GB in all. Each part
runs in a process of its own: writing in blocks of 1,024, reading random batches of 256, and reading
everything in stored order. The files are in the page cache, as they are in training after the first
epoch, so that this measures the formats and not the disk. A NumPy memmap is the limit.

    python benchmarks/store.py              # 50,000 patches, some minutes, 9 GB of disk
    python benchmarks/store.py --n 4096     # a small run

One GeoTIFF per patch is measured on fewer patches (2,000): its cost for each does not depend on
how many there are. A compressed ``.npz`` can only be read whole, so a random batch costs all of it.
"""

import argparse
import importlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import numpy.typing as npt

from _measure import machine, measure, report

Numbers = npt.NDArray[np.uint16]

N_PATCHES = 50_000
N_TIFFS = 2_000
BATCH = 256
BLOCK = 1_024
BANDS = "l2a-12"
SHAPE = (12, 48, 48)


@dataclass(frozen=True)
class Task:
    """What one part is told."""

    folder: Path
    n: int

    def blocks(self) -> Iterator[tuple[int, Numbers]]:
        """Make the pixels: the base block, rolled so that no two blocks are the same."""
        base = np.load(self.folder / "base.npy")
        for turn, start in enumerate(range(0, self.n, BLOCK)):
            rolled = np.roll(base, turn, axis=(0, 3))
            yield start, np.ascontiguousarray(rolled[: min(BLOCK, self.n - start)])

    def batches(self, count: int) -> Iterator[npt.NDArray[np.int64]]:
        """Draw the rows of random batches, the same for every store."""
        chance = np.random.default_rng(7)
        for _ in range(count):
            yield chance.integers(0, self.n, BATCH)


@dataclass(frozen=True)
class Store:
    """One way to keep patches: how to write, read at random, read all; and how many to measure."""

    title: str
    files: str
    write: Callable[[Task], object]
    random: Callable[[Task, int], int]
    full: Callable[[Task], int]
    n_batches: int
    libraries: tuple[str, ...] = ()
    most: int | None = None


def make_base(task: Task) -> None:
    from minewatch import toy

    valley = toy.Valley(seed=1)
    sites = valley.sites(n_mining=64, n_background=192)
    pixels = valley.pixels(sites, bands=BANDS).to_numpy()
    turned = [pixels, pixels[..., ::-1], pixels[..., ::-1, :], pixels[..., ::-1, ::-1]]
    np.save(task.folder / "base.npy", np.concatenate(turned)[:BLOCK])


# the project's store ------------------------------------------------------------------------------


def some_sites(n: int) -> gpd.GeoDataFrame:
    points = gpd.points_from_xy(np.linspace(-62, -60, n), np.linspace(4, 6, n), crs="EPSG:4326")
    return gpd.GeoDataFrame({"label": np.arange(n) % 2}, geometry=points, index=np.arange(n))


def write_minewatch(task: Task) -> None:
    from minewatch.patches import write_patches

    blocks = task.blocks()
    write_patches(
        task.folder / "minewatch",
        some_sites(task.n),
        lambda _start, _stop: next(blocks)[1],
        bands=BANDS,
        level="L2A",
        size_px=SHAPE[-1],
    )


def random_minewatch(task: Task, count: int) -> int:
    from minewatch.patches import PatchDataset

    dataset = PatchDataset.open(task.folder / "minewatch")
    ids = dataset.sites.index.to_numpy()
    return sum(int(dataset.digital_numbers(ids[rows])[0, 0, 0, 0]) for rows in task.batches(count))


def full_minewatch(task: Task) -> int:
    from minewatch.patches import PatchDataset

    blocks = PatchDataset.open(task.folder / "minewatch").blocks()
    return sum(int(block.to_numpy().max()) for block in blocks)


def random_zarr(task: Task, count: int) -> int:
    import zarr

    array = zarr.open_array(task.folder / "minewatch/patches.zarr/reflectance", mode="r")
    return sum(int(np.asarray(array.oindex[rows])[0, 0, 0, 0]) for rows in task.batches(count))


def full_zarr(task: Task) -> int:
    import zarr

    array = zarr.open_array(task.folder / "minewatch/patches.zarr/reflectance", mode="r")
    return sum(
        int(np.asarray(array[start : start + BLOCK]).max()) for start in range(0, task.n, BLOCK)
    )


# the others ---------------------------------------------------------------------------------------


def write_memmap(task: Task) -> None:
    array = np.lib.format.open_memmap(
        task.folder / "memmap.npy", mode="w+", dtype="u2", shape=(task.n, *SHAPE)
    )
    for start, block in task.blocks():
        array[start : start + len(block)] = block
    array.flush()


def random_memmap(task: Task, count: int) -> int:
    array = np.load(task.folder / "memmap.npy", mmap_mode="r")
    return sum(int(array[rows][0, 0, 0, 0]) for rows in task.batches(count))


def full_memmap(task: Task) -> int:
    array = np.load(task.folder / "memmap.npy", mmap_mode="r")
    return sum(int(array[start : start + BLOCK].max()) for start in range(0, task.n, BLOCK))


def write_hdf5(task: Task) -> None:
    import h5py

    with h5py.File(task.folder / "patches.h5", "w") as file:
        array = file.create_dataset(
            "pixels", (task.n, *SHAPE), "u2", chunks=(1, *SHAPE), compression="gzip", shuffle=True
        )
        for start, block in task.blocks():
            array[start : start + len(block)] = block


def random_hdf5(task: Task, count: int) -> int:
    import h5py

    with h5py.File(task.folder / "patches.h5") as file:
        array = file["pixels"]
        # One by one: h5py takes lists of rows only in order and without repeats, and more slowly.
        return sum(
            int(np.stack([array[row] for row in rows])[0, 0, 0, 0]) for rows in task.batches(count)
        )


def full_hdf5(task: Task) -> int:
    import h5py

    with h5py.File(task.folder / "patches.h5") as file:
        array = file["pixels"]
        return sum(int(array[start : start + BLOCK].max()) for start in range(0, task.n, BLOCK))


def write_npz(task: Task) -> None:
    np.savez_compressed(
        task.folder / "patches.npz", pixels=np.concatenate([block for _, block in task.blocks()])
    )


def random_npz(task: Task, count: int) -> int:
    total = 0
    for rows in task.batches(count):
        with np.load(task.folder / "patches.npz") as archive:
            total += int(archive["pixels"][rows][0, 0, 0, 0])
    return total


def full_npz(task: Task) -> int:
    with np.load(task.folder / "patches.npz") as archive:
        return int(archive["pixels"].max())


def write_tiffs(task: Task) -> None:
    import rasterio

    folder = task.folder / "tiffs"
    folder.mkdir()
    profile = {"driver": "GTiff", "dtype": "uint16", "count": 12, "height": 48, "width": 48}
    place = {"crs": "EPSG:32620", "transform": rasterio.Affine(10, 0, 6e5, 0, -10, 6e5)}
    for start, block in task.blocks():
        for row, pixels in enumerate(block, start=start):
            with rasterio.open(
                folder / f"{row}.tif", "w", **profile, **place, compress="deflate"
            ) as file:
                file.write(pixels)


def read_tiff(task: Task, row: int) -> Numbers:
    import rasterio

    with rasterio.open(task.folder / f"tiffs/{row}.tif") as file:
        pixels: Numbers = file.read()
    return pixels


def random_tiffs(task: Task, count: int) -> int:
    return sum(
        int(np.stack([read_tiff(task, row) for row in rows])[0, 0, 0, 0])
        for rows in task.batches(count)
    )


def full_tiffs(task: Task) -> int:
    return sum(int(read_tiff(task, row).max()) for row in range(task.n))


STORES = {
    "memmap": Store(
        title="NumPy memmap (the limit)",
        files="memmap.npy",
        write=write_memmap,
        random=random_memmap,
        full=full_memmap,
        n_batches=100,
    ),
    "minewatch": Store(
        title="minewatch",
        files="minewatch",
        write=write_minewatch,
        random=random_minewatch,
        full=full_minewatch,
        n_batches=100,
        libraries=("minewatch.patches",),
    ),
    "zarr": Store(
        title="the same, read by zarr alone",
        files="minewatch",
        write=lambda _task: None,
        random=random_zarr,
        full=full_zarr,
        n_batches=4,
        libraries=("zarr",),
    ),
    "hdf5": Store(
        title="HDF5 (gzip, shuffle)",
        files="patches.h5",
        write=write_hdf5,
        random=random_hdf5,
        full=full_hdf5,
        n_batches=20,
        libraries=("h5py",),
    ),
    "npz": Store(
        title="npz (compressed)",
        files="patches.npz",
        write=write_npz,
        random=random_npz,
        full=full_npz,
        n_batches=1,
    ),
    "tiffs": Store(
        title="one GeoTIFF per patch",
        files="tiffs",
        write=write_tiffs,
        random=random_tiffs,
        full=full_tiffs,
        n_batches=8,
        libraries=("rasterio",),
        most=N_TIFFS,
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=N_PATCHES, help="patches to write and read")
    parser.add_argument("--folder", type=Path, help="where to write; else a temporary folder")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        do_part(arguments.part, Task(arguments.folder, arguments.n))
        return
    folder = Path(tempfile.mkdtemp(prefix="minewatch-store-", dir=arguments.folder))
    try:
        compare(folder, arguments.n)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def do_part(part: str, task: Task) -> None:
    if part == "base":
        report(lambda: make_base(task))
        return
    work, _, name = part.partition(":")
    store = STORES[name]
    for library in store.libraries:
        importlib.import_module(library)  # not part of what is measured
    if work == "write":
        report(lambda: store.write(task))
    elif work == "random":
        report(lambda: store.random(task, store.n_batches))
    else:
        report(lambda: store.full(task))


def compare(folder: Path, n: int) -> None:
    print(f"On {machine()}; {n:,} patches of (12, 48, 48) uint16, {n * 55_296 / 1e9:.2f} GB")
    measure(__file__, "base", "--folder", str(folder))
    lines = []
    for name, store in STORES.items():
        lines.append(measure_store(folder, name, store, min(n, store.most or n)))
        print(f"  measured {store.title}", file=sys.stderr)
    limit = lines[0]
    print(
        f"\n{'patches per second (share of the memmap)':42}{'written':>16}{'at random':>17}"
        f"{'in full':>17}{'bytes/patch':>13}{'peak MB':>9}"
    )
    for (title, *speeds, size, peak), store in zip(lines, STORES.values(), strict=True):
        cells = [
            f"{speed:9,.0f} ({speed / best:5.0%})" if speed else f"{'–':>17}"
            for speed, best in zip(speeds, limit[1:4], strict=True)
        ]
        few = f" [{store.most:,} only]" if store.most and store.most < n else ""
        print(f"{title + few:42}{''.join(cells)}{size:13,.0f}{peak:9,.0f}")


def measure_store(
    folder: Path, name: str, store: Store, n: int
) -> tuple[str, float, float, float, float, float]:
    """Give title, patches a second (written, at random, in full), bytes each, peak of reading."""
    taken = {
        work: measure(__file__, f"{work}:{name}", "--folder", str(folder), "--n", str(n))
        for work in ("write", "random", "full")
    }
    path = folder / store.files
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files) / n
    is_written = name != "zarr"
    peak = max(taken["random"].peak_mb, taken["full"].peak_mb)
    return (
        store.title,
        n / taken["write"].seconds if is_written else 0.0,
        store.n_batches * BATCH / taken["random"].seconds,
        n / taken["full"].seconds,
        size,
        peak,
    )


if __name__ == "__main__":
    main()
