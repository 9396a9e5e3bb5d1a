"""The stage `context` of a study: made when asked for, again when it must be, and not otherwise."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from minewatch import sites, toy
from minewatch.context import draw_channels, extract_features, open_context
from minewatch.errors import NotThereError, SettingsError
from minewatch.patches import PatchDataset
from minewatch.study import StageResult, read_build, read_study, run_study

# The valley ends within the radius of some sites.
pytestmark = pytest.mark.filterwarnings("ignore::minewatch.errors.CoverageWarning")

VALLEY = toy.Valley(seed=4, width_m=12_000, height_m=9_000)
SETTINGS = """
[sites]
files = ["places.geojson"]

[patches]
kind = "arrays"
files = ["patches.npz"]
bands = ["B04", "B03", "B02"]
level = "L2A"
row_column = "row"
cut = "grid"
"""
CONTEXT = """
[context]
source = "valley.osm.pbf"
layers = ["highway", "waterway", "building"]
radii_m = [500, 2000]
"""
SHOWN = ("stream", "river", "mine")
"""What a pixel of a stream shows: mines lie across some."""
STAGES = ["sites", "patches", "context"]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Write a small study with a map beside it."""
    table = VALLEY.sites(n_mining=3, n_background=4)
    pixels = VALLEY.pixels(table, bands="rgb").transpose("site", "y", "x", "band")
    sites.write_sites(table.assign(row=np.arange(len(table))), tmp_path / "places.geojson")
    np.savez(tmp_path / "patches.npz", patches=pixels.to_numpy())
    toy.write_osm(VALLEY, tmp_path / "valley.osm.pbf")
    (tmp_path / "study.toml").write_text(SETTINGS + CONTEXT)
    return tmp_path


def change(study: Path, old: str, new: str) -> None:
    text = (study / "study.toml").read_text()
    assert old in text
    (study / "study.toml").write_text(text.replace(old, new))


def last(results: list[StageResult]) -> tuple[str, str]:
    return results[-1].action, results[-1].reason


def test_features_measures_and_channels_of_every_site_are_made_from_a_file(study: Path) -> None:
    result = run_study(study, only=STAGES)[-1]
    made, dataset = open_context(study / "context"), PatchDataset.open(study / "patches")
    assert list(made.table.index) == list(dataset.sites.index)
    assert {"highway_nearest_m", "waterway_500m_length_m"} <= set(made.table.columns)
    assert made.channels is not None
    assert made.channels["presence"].shape == (7, 3, 48, 48)
    assert made.features.layer_names == ["highway", "waterway", "building"]
    assert made.info["osm_timestamp"].startswith("2024-06-01")
    n_target = int(made.features.table["target"].notna().sum())
    expected = (
        f"{len(made.features.table)} features in 3 layers, {n_target} of them name the target"
    )
    assert result.summary == f"{expected}, as of 2024-06-01, 3 channels drawn"


def test_distances_are_those_of_the_whole_map(study: Path) -> None:
    change(study, "[500, 2000]", "[500]")
    run_study(study, only=STAGES)
    made, dataset = open_context(study / "context"), PatchDataset.open(study / "patches")
    assert made.channels is not None
    geoboxes = {str(name): dataset.geobox(str(name)) for name in dataset.sites.index}
    layers = made.features.layers
    every = extract_features(study / "valley.osm.pbf", layers=layers)
    whole = draw_channels(geoboxes, every, layers=layers, max_distance_m=500.0)
    assert np.array_equal(made.channels["distance_m"], whole["distance_m"], equal_nan=True)
    assert 0.1 < np.isfinite(whole["distance_m"]).mean() < 0.9


def test_channels_lie_on_what_the_patches_show(study: Path) -> None:
    own = '{ name = "stream", key = "waterway", values = ["stream"], kinds = ["line"] }'
    change(study, '"building"', own)
    run_study(study, only=STAGES)
    made, dataset = open_context(study / "context"), PatchDataset.open(study / "patches")
    assert made.channels is not None
    drawn = near = 0
    for site_id in dataset.sites.index:
        channel = made.channels["presence"].sel(site=site_id, layer="stream").to_numpy() == 1
        cover = VALLEY.land_cover(dataset.geobox(str(site_id))).to_numpy()
        water = np.isin(cover, [code for code, name in toy.COVERS.items() if name in SHOWN])
        drawn += int(channel.sum())
        near += int((channel & binary_dilation(water, np.ones((3, 3)))).sum())
    assert drawn > 100
    assert near > 0.98 * drawn


def test_a_second_run_does_nothing_and_a_new_map_is_taken(study: Path) -> None:
    run_study(study, only=STAGES)
    assert last(run_study(study, only=STAGES)) == ("skipped", "it is up to date")
    toy.write_osm(
        toy.Valley(seed=5, width_m=12_000, height_m=9_000), study / "valley.osm.pbf", overwrite=True
    )
    before = (study / "context" / "features.parquet").read_bytes()
    assert last(run_study(study, only=STAGES)) == ("ran", "valley.osm.pbf changed")
    assert (study / "context" / "features.parquet").read_bytes() != before


def test_another_edition_of_a_regions_extract_is_taken(study: Path) -> None:
    change(study, '"valley.osm.pbf"', '"liechtenstein"')
    edition = study / "context" / "europe-liechtenstein-latest.osm.pbf"
    edition.parent.mkdir()
    shutil.copy(study / "valley.osm.pbf", edition)
    run_study(study, only=STAGES)
    before = len(open_context(study / "context").features.table)
    assert last(run_study(study, only=STAGES)) == ("skipped", "it is up to date")
    newer = toy.Valley(seed=5, width_m=12_000, height_m=9_000)
    toy.write_osm(newer, edition, overwrite=True)
    reason = "context/europe-liechtenstein-latest.osm.pbf was changed since"
    assert last(run_study(study, only=STAGES)) == ("ran", reason)
    assert len(open_context(study / "context").features.table) != before


def test_a_border_beside_the_map_moves_where_it_ends(study: Path) -> None:
    run_study(study, only=STAGES)
    before = open_context(study / "context").table
    place = sites.read_sites(study / "sites.parquet").geometry.iloc[0]
    west, south, east, north = place.x - 1.0, place.y - 1.0, place.x + 0.001, place.y + 1.0
    corners = [(west, south), (east, south), (east, north), (west, north)]
    ring = "".join(f" {x} {y}\n" for x, y in corners)
    (study / "valley.poly").write_text(f"valley\n1\n{ring}END\nEND\n")
    assert last(run_study(study, only=STAGES)) == ("ran", "valley.poly is new")
    after = open_context(study / "context").table
    assert before["edge_m"].iloc[0] != pytest.approx(after["edge_m"].iloc[0], abs=1.0)
    assert 100.0 < after["edge_m"].iloc[0] < 115.0
    assert (after["edge_m"] == 0.0).any()


def test_a_smaller_radius_of_several_measures_anew_and_fetches_nothing(study: Path) -> None:
    run_study(study, only=STAGES)
    features = study / "context" / "features.parquet"
    written = features.stat().st_mtime_ns
    change(study, "[500, 2000]", "[1000, 2000]")
    action, reason = last(run_study(study, only=STAGES))
    assert (action, reason) == ("ran", "setting radii_m changed from [500, 2000] to [1000, 2000]")
    assert features.stat().st_mtime_ns == written
    assert "highway_1000m_count" in open_context(study / "context").table
    change(study, "[1000, 2000]", "[1000, 3000]")
    run_study(study, only=STAGES)
    assert features.stat().st_mtime_ns != written


def test_channels_can_be_left_out(study: Path) -> None:
    change(study, "[500, 2000]", "[500, 2000]\nchannels = false")
    result = run_study(study, only=STAGES)[-1]
    assert "drawn" not in result.summary
    assert open_context(study / "context").channels is None
    assert last(run_study(study, only=STAGES)) == ("skipped", "it is up to date")


def test_without_a_section_there_is_no_such_stage(study: Path) -> None:
    (study / "study.toml").write_text(SETTINGS)
    results = run_study(study, dry_run=True)
    assert [result.stage for result in results] == ["sites", "patches", "explore"]
    with pytest.raises(SettingsError, match=r"has no context; add a section \[context\]"):
        run_study(study, only=["context"])
    assert not (study / "context").exists()


def test_the_report_waits_for_the_context(study: Path) -> None:
    run_study(study, only=STAGES)
    change(study, "[500, 2000]", "[500]")
    results = {one.stage: one.action for one in run_study(study, dry_run=True)}
    assert results["context"] == "would run"
    left = run_study(study, only=["explore"], dry_run=True)
    assert [one.action for one in left] == ["left out of date", "would run"]


@pytest.mark.integration
def test_the_report_shows_the_context_and_goes_back_to_none(study: Path) -> None:
    with (study / "study.toml").open("a") as file:
        file.write("[explore]\nn_folds = 2\nn_thumbnails = 2\n")
    run_study(study)
    findings = json.loads((study / "explore" / "findings.json").read_text())
    assert "context" in json.dumps(findings)
    text = (study / "study.toml").read_text()
    (study / "study.toml").write_text(text.replace(CONTEXT, ""))
    again = run_study(study, dry_run=True)[-1]
    assert (again.action, again.reason) == (
        "would run",
        "context/context.json is no longer taken",
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"building"', '"bilding"', r"context.layers names bilding; there are highway, "),
        ("[500, 2000]", "[]", r"context.radii_m is \[\]: tuple should have at least 1"),
        (
            "[500, 2000]",
            "[500, 500]",
            r"context.radii_m is \[500, 500\]; expected each",
        ),
        (
            '"building"',
            '{ name = "fence", key = "barrier", vlues = ["fence"] }',
            r":\n  context.layers.2.vlues is not a setting; did you mean context.layers.2.val",
        ),
        (
            '"building"',
            '{ name = "fence", key = "barrier", qqqq = 1 }',
            r"2.qqqq is not a setting; \[context.layers.2\] takes name, key, values, kinds, why",
        ),
        ('"building"', '{ key = "barrier" }', r":\n  context.layers.2.name is missing$"),
        ('"building"', "7", r":\n  context.layers.2 is 7: [^{}]*$"),
        ('"building"', '"highway"', r"several layers are called highway"),
        ("radii_m", "radius_m", r"context.radius_m is not a setting; did you mean context.radii_m"),
        ("[500, 2000]", '[500]\ndate = "2023-12-31T00:00:00Z"', r"only a server can be asked"),
    ],
)
def test_a_wrong_setting_is_named(study: Path, old: str, new: str, message: str) -> None:
    change(study, old, new)
    with pytest.raises(SettingsError, match=message):
        read_study(study)


def test_a_map_that_is_not_there_is_named_with_its_setting(study: Path) -> None:
    (study / "valley.osm.pbf").unlink()
    with pytest.raises(NotThereError, match=r"valley.osm.pbf does not exist; context.source in"):
        run_study(study, only=["context"])


def test_the_layers_that_changed_are_named(study: Path) -> None:
    run_study(study, only=STAGES)
    own = '{ name = "fence", key = "barrier", values = ["fence"], kinds = ["line"] }'
    change(study, '"building"', own)
    reason = "setting layers changed: new fence; no longer building"
    assert last(run_study(study, only=STAGES)) == ("ran", reason)
    change(study, 'kinds = ["line"]', 'kinds = ["area"]')
    changed = run_study(study, only=STAGES, dry_run=True)
    assert last(changed) == ("would run", "setting layers changed: defined otherwise fence")
    change(
        study,
        f'"highway", "waterway", {own.replace("line", "area")}',
        f'"waterway", "highway", {own}',
    )
    changed = run_study(study, only=STAGES, dry_run=True)
    assert last(changed) == ("would run", "setting layers changed: another order")


def test_settings_of_imagery_that_nothing_looks_at_are_said(study: Path) -> None:
    assert "imagery" not in run_study(study, only=["sites", "patches"])[-1].summary
    with (study / "study.toml").open("a") as file:
        file.write('[imagery]\nstart = "2023-01-01"\nend = "2023-12-31"\n')
    made = run_study(study, only=["sites", "patches"], force=True)[-1]
    assert "[imagery] is not looked at, for patches of kind 'arrays'" in made.summary
    assert "start_column and end_column" in made.summary


def test_settings_that_cannot_be_used_replace_nothing(study: Path) -> None:
    run_study(study, only=STAGES)
    features = study / "context" / "features.parquet"
    before = features.read_bytes(), features.stat().st_mtime_ns
    change(study, "[500, 2000]", "[5000, 5000]")
    with pytest.raises(SettingsError, match=r"radii_m is \[5000, 5000\]; expected each"):
        run_study(study, only=["context"])
    assert (features.read_bytes(), features.stat().st_mtime_ns) == before
    assert "highway_2000m_count" in open_context(study / "context").table


def test_layers_of_ones_own_stand_beside_those_that_are_known(study: Path) -> None:
    own = '{ name = "fence", key = "barrier", values = ["fence"], kinds = ["line", "area"] }'
    change(study, '"building"', own)
    run_study(study, only=STAGES)
    table = open_context(study / "context").table
    assert {"fence_nearest_m", "highway_nearest_m"} <= set(table.columns)


def test_a_study_with_context_still_says_how_its_patches_are_built(study: Path) -> None:
    built = "[imagery]\nyear = 2023\n" + CONTEXT
    (study / "like.toml").write_text(built)
    assert read_build(study / "like.toml").context is not None
