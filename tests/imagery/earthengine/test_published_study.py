"""The published study, with the file that is shipped for it and its own points."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minewatch.cli._app import run
from minewatch.imagery import SceneQuery
from minewatch.imagery._earthengine import EarthEngineSource
from minewatch.imagery._earthengine_graph import pixel_grid
from minewatch.patches import PatchDataset

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "bolivar.toml"
POINTS = ("v2.0_bolivar_negatives.geojson", "v2.1_bolivar_positives.geojson")


@pytest.mark.real
@pytest.mark.integration
def test_one_command_remakes_the_published_study_from_earth_engine(
    earth_engine: Any,
    key_file: Path,
    shared_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    for file in (EXAMPLE, *(shared_data / "places" / name for name in POINTS)):
        shutil.copy(file, folder)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key_file))
    monkeypatch.setitem(EarthEngineSource.__init__.__kwdefaults__, "url", earth_engine.url)
    earth_engine.archive = earth_engine.archive[::7]
    out = tmp_path / "bolivar-2023"
    words = ["--like", str(folder / EXAMPLE.name), "--project", "a-project", "--out", str(out)]
    assert run(["patches", "build", *words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["patches"], told["failed"]) == (502, 0)

    dataset = PatchDataset.open(out)
    assert dataset.shape == (502, 12, 48, 48)
    assert dataset.sites["label"].value_counts().to_dict() == {0: 332, 1: 170}
    assert dataset.header.level == "L1C"
    assert set(dataset.sites["crs"]) == {"EPSG:32619", "EPSG:32620"}
    asked = [body["grid"] for body in earth_engine.bodies("computePixels")]
    placed = [pixel_grid(dataset.geobox(site_id)) for site_id in dataset.sites.index]
    assert sorted(asked, key=str) == sorted(placed, key=str), "once for the pixels of every place"

    query = SceneQuery(start="2023-01-01", end="2023-12-31", bands="legacy-12")
    assert dataset.bands == query.bands
    chosen = dataset.sites.index[[0, 331, 332, 501]]
    for site_id, numbers in zip(chosen, dataset.digital_numbers(chosen).values, strict=True):
        expected, _ = earth_engine.plain(query, geobox=dataset.geobox(site_id))
        np.testing.assert_array_equal(numbers, expected)


def test_the_page_shows_the_file_that_is_shipped() -> None:
    page = (EXAMPLE.parents[1] / "patches.md").read_text(encoding="utf-8")
    shown = page.partition("bolivar.toml`](examples/bolivar.toml)")[2].partition("```toml\n")[2]
    shipped = EXAMPLE.read_text(encoding="utf-8").partition("\n\n")[2]
    assert shown.partition("```")[0] == shipped
