"""The tables of the page on imagery are those of the code; run as a script, this rewrites them."""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from pyproj import Transformer

from minewatch.imagery._catalogues import CATALOGUES
from minewatch.imagery._clouds import SCL_CLASSES, clear_pixels
from minewatch.imagery._items import Scene, read_scene
from minewatch.imagery._query import SceneQuery

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "imagery.md"
TILE_AREA_M2 = 109_800.0**2


def block(name: str, text: str) -> str:
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", text, re.DOTALL)
    assert found is not None
    return found[1]


def write_table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n".replace("|  |", "| |") for cells in lines)


def catalogues_table() -> str:
    rows = [
        [
            f"`{one.name}`",
            ", ".join(f"`{collection}`" for collection, _ in one.collections),
            ", ".join(sorted({level for _, level in one.collections})),
            "signed" if one.sign else "open",
            one.host,
        ]
        for one in CATALOGUES.values()
    ]
    return write_table(["name", "collections", "level", "links", "run by"], rows)


def classes_table() -> str:
    threshold = SceneQuery.model_fields["clear_threshold"].default
    values = np.array([[one.value for one in SCL_CLASSES]], dtype=np.uint8)
    clear = clear_pixels(values, clear_threshold=threshold)[0]
    rows = [
        [
            str(one.value),
            one.name,
            "–" if np.isnan(one.clear) else f"{one.clear:g}",
            "yes" if is_clear else "no",
        ]
        for one, is_clear in zip(SCL_CLASSES, clear, strict=True)
    ]
    return write_table(["class", "", "clear score", f"clear at {threshold:g}"], rows)


def says(item: dict[str, Any]) -> str:
    flag = item["properties"].get("earthsearch:boa_offset_applied")
    asset = item["assets"].get("red") or item["assets"]["B04"]
    listed = (asset.get("raster:bands") or [{}])[0].get("offset")
    words = [] if flag is None else ["applied" if flag else "not applied"]
    words += [] if listed is None else [f"lists {listed:g}".replace("-", "−")]
    return ", ".join(words) or "nothing"


def tile_share(scene: Scene) -> float:
    project = Transformer.from_crs("EPSG:4326", f"EPSG:{scene.epsg}", always_xy=True)
    return shapely.transform(scene.footprint, project.transform, interleaved=False).area / (
        TILE_AREA_M2
    )


def items_table(folder: Path) -> str:
    items = [json.loads(file.read_text()) for file in (folder / "stac" / "items").glob("*.json")]
    pairs = [(item, read_scene(item)) for item in items]
    pairs.sort(key=lambda pair: (pair[1].collection, pair[1].datetime, pair[1].id))
    rows = []
    for item, scene in pairs:
        west, south, east, north = scene.footprint.bounds
        ground = f"{west:.2f} to {east:.2f}, {south:.2f} to {north:.2f}".replace("-", "−")
        rows.append(
            [
                scene.id,
                scene.collection.removeprefix("sentinel-2-"),
                scene.baseline,
                says(item),
                str(scene.offset_dn).replace("-", "−"),
                str(len(scene.bands)),
                "–" if scene.mask is None else "SCL",
                f"{scene.tile}, {scene.epsg}",
                ground,
                f"{100 * tile_share(scene):.0f} %",
            ]
        )
    head = ["item", "collection", "baseline", "says", "added", "bands", "mask", "tile, EPSG"]
    return write_table([*head, "longitude, latitude", "tile"], rows)


def test_the_catalogues_are_those_known() -> None:
    assert block("catalogues", PAGE.read_text(encoding="utf-8")) == catalogues_table()


def test_the_clear_scores_are_those_used() -> None:
    assert block("classes", PAGE.read_text(encoding="utf-8")) == classes_table()


@pytest.mark.real
def test_the_real_items_are_understood_as_shown(shared_data: Path) -> None:
    shown = block("items", PAGE.read_text(encoding="utf-8"))
    assert shown == items_table(shared_data)
    assert shown.count("\n") == 18 + 2


def rewrite(folder: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    tables = {
        "catalogues": catalogues_table(),
        "classes": classes_table(),
        "items": items_table(folder),
    }
    for name, table in tables.items():
        start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, _, rest = text.partition(start)
        text = before + start + table + end + rest.partition(end)[2]
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(rewrite(Path(os.environ.get("MINEWATCH_DATA", ROOT.parent / "shared" / "data"))))
