"""Draw docs/images/toy-archive.png: five days of the toy archive, and what its mask makes of them.

Run from the repository's root: ``python docs/images/draw_toy_archive.py``.
"""

import io
import tempfile
from pathlib import Path

import matplotlib as mpl
import numpy as np
import rasterio
from matplotlib import pyplot as plt
from matplotlib.colors import ListedColormap
from PIL import Image

from minewatch import toy
from minewatch.bands import add_offset
from minewatch.types import AnyArray

PICTURE = Path(__file__).with_name("toy-archive.png")
DAYS = {
    "S2A_20NMN_20230315_0_L2A": ("15 March", 0),
    "S2A_20NMN_20230417_0_L2A": ("17 April, the swath's end", -1000),
    "S2B_20NMN_20230529_0_L2A": ("29 May, cirrus", -1000),
    "S2B_20NMN_20230807_1_L2A": ("7 August, southern half", 0),
    "S2A_20NMN_20231021_0_L2A": ("21 October", 0),
}
SCL_COLOURS = (
    "#000000", "#ff0000", "#2f2f2f", "#643200", "#00a000", "#ffe65a", "#0000ff", "#808080",
    "#c0c0c0", "#ffffff", "#64c8ff", "#ff96ff",
)  # fmt: skip
"""ESA's colours of the scene classification."""


def read(path: Path) -> AnyArray:
    """Read every second pixel of a file's first band, or every pixel of a 20 m file."""
    with rasterio.open(path) as file:
        step = 1 if file.res[0] == 20.0 else 2
        numbers: AnyArray = file.read(1)[::step, ::step]
    return numbers


def main() -> None:
    """Write the archive aside, draw five of its days and write the picture."""
    mpl.rcdefaults()
    figure, axes = plt.subplots(2, len(DAYS), figsize=(10.0, 4.2), layout="constrained")
    with tempfile.TemporaryDirectory() as folder:
        archive = toy.write_archive(toy.Valley(seed=1), Path(folder) / "archive")
        for column, (name, (title, offset_dn)) in enumerate(DAYS.items()):
            place = next(archive.rglob(f"{name}.json")).parent
            colours = [add_offset(read(place / f"{band}.tif"), offset_dn) for band in
                       ("B04", "B03", "B02")]  # fmt: skip
            shown = np.clip(np.stack(colours, axis=-1) / 2_600.0, 0.0, 1.0) ** 0.7
            axes[0, column].imshow(shown)
            axes[0, column].set_title(title, fontsize=8, loc="left")
            axes[1, column].imshow(
                read(place / "SCL.tif"), cmap=ListedColormap(SCL_COLOURS), vmin=-0.5, vmax=11.5
            )
    for one in axes.flat:
        one.set_axis_off()
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=110)
    plt.close(figure)
    picture = Image.open(buffer).convert("RGB").quantize(128)
    picture.save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
