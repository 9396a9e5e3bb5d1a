"""The study of the demo: a made-up valley, written as anyone's files would be."""

from pathlib import Path

import geopandas as gpd
import numpy as np

from minewatch import _store, sites, toy
from minewatch._progress import Progress, silent
from minewatch.errors import AlreadyThereError
from minewatch.study._read import FILE_NAME
from minewatch.types import AnyArray, StrPath

N_MINING, N_BACKGROUND = 170, 332
"""As many as in the study that minewatch began with."""
SITES_AT_A_TIME = 50
_OWN = {
    *(
        FILE_NAME,
        "places.geojson",
        "patches.npz",
        "sites.parquet",
        "sites",
        "patches",
        "explore",
        "models",
    ),
    *("models", ".minewatch", ".patches.lock"),
}
"""What a demo's folder holds; with anything else in it, it is not replaced."""


def make_demo(
    folder: StrPath, *, seed: int = 1, overwrite: bool = False, progress: Progress = silent
) -> Path:
    """Write a study of the toy valley: points, patches and the `study.toml` that ties them.

    Parameters
    ----------
    folder
        The study's folder.
    seed
        Which of the made-up valleys.
    overwrite
        Replace a folder that an earlier demo made.
    progress
        Told how many patches are rendered.

    Returns
    -------
    Path
        The `study.toml` written.

    Raises
    ------
    AlreadyThereError
        If the folder holds anything and `overwrite` is false, or if it is not a demo's.
    """
    final = Path(folder)
    template = (Path(__file__).parent / "demo.toml").read_text(encoding="utf-8")
    _refuse_other_folders(final, overwrite=overwrite)
    valley = toy.Valley(seed=seed)
    table = valley.sites(n_mining=N_MINING, n_background=N_BACKGROUND)
    pixels = _render(valley, table, progress)
    with _store.writing_folder(final, overwrite=overwrite) as aside:
        sites.write_sites(table.assign(row=np.arange(len(table))), aside / "places.geojson")
        np.savez(aside / "patches.npz", patches=pixels)
        (aside / FILE_NAME).write_text(template, encoding="utf-8")
    return final / FILE_NAME


def _render(valley: toy.Valley, table: gpd.GeoDataFrame, progress: Progress) -> AnyArray:
    """Render the patches of all sites, uint16 (site, y, x, band), a few at a time."""
    parts = []
    for first in range(0, len(table), SITES_AT_A_TIME):
        progress("rendering the valley", first, len(table))
        pixels = valley.pixels(table.iloc[first : first + SITES_AT_A_TIME], bands="l2a-12")
        parts.append(pixels.transpose("site", "y", "x", "band").to_numpy())
    progress("rendering the valley", len(table), len(table))
    return np.concatenate(parts)


def _refuse_other_folders(folder: Path, *, overwrite: bool) -> None:
    """Keep ``--overwrite`` from removing a folder that no demo made."""
    _store.refuse_existing(folder, overwrite=overwrite)
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    try:
        own = (folder / FILE_NAME).read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        own = ""
    foreign = sorted(item.name for item in folder.iterdir() if item.name not in _OWN)
    if not own.startswith("# The study that `minewatch demo` makes"):
        raise AlreadyThereError(
            f"{folder} was not made by the demo, so it is not replaced; choose another folder"
        )
    if foreign:
        raise AlreadyThereError(
            f"{folder} holds what no demo made ({', '.join(foreign)}), so it is not replaced; move "
            "that elsewhere, or choose another folder"
        )
