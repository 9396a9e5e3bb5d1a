import json
import pickle
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from subprocess import PIPE

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from minewatch import sites as sites_word
from minewatch import study as study_module
from minewatch import toy
from minewatch.errors import (
    AlreadyThereError,
    IncompleteError,
    NotThereError,
    PlacementError,
    SettingsError,
    SitesError,
)
from minewatch.grid import PatchGrid
from minewatch.imagery import FolderSource, SceneQuery
from minewatch.patches import PatchDataset
from minewatch.patches._build_request import place_sites
from minewatch.study import (
    StageResult,
    _demo,
    build_dataset,
    new_study,
    read_build,
    read_study,
    run_study,
)
from minewatch.study._build import read_section_sites
from minewatch.study._maps_section import MapsSection
from minewatch.study._model_section import ModelSection
from minewatch.study._records import Record, decide
from minewatch.study._scan_section import ScanSection
from minewatch.study._settings import ContextSection, ImportSection, StudySettings

SETTINGS = """
[study]
name = "Río Caroní"

[sites]
files = ["places.geojson"]

[patches]
kind = "arrays"
files = ["patches.npz"]
bands = ["B04", "B03", "B02"]
level = "L2A"
row_column = "row"

[explore]
n_folds = 2
n_thumbnails = 2
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a small study of three bands, as a student would have it; nobody changes it."""
    folder = tmp_path_factory.mktemp("written") / "study"
    folder.mkdir()
    valley = toy.Valley(seed=1)
    table = valley.sites(n_mining=6, n_background=8)
    pixels = valley.pixels(table, bands="rgb").transpose("site", "y", "x", "band")
    order = np.random.default_rng(0).permutation(len(table))
    sites_word.write_sites(table.assign(row=np.argsort(order)), folder / "places.geojson")
    np.savez(folder / "patches.npz", patches=pixels.to_numpy()[order])
    (folder / "study.toml").write_text(SETTINGS)
    return folder


@pytest.fixture
def study(written: Path, tmp_path: Path) -> Path:
    """Give that study, not yet run, in a folder of one's own."""
    return shutil.copytree(written, tmp_path / "study")


@pytest.fixture(scope="module")
def whole(
    written: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[StageResult]]:
    """Run that study to its end, and say what each stage did; nobody changes it."""
    folder = shutil.copytree(written, tmp_path_factory.mktemp("whole") / "study")
    return folder, run_study(folder)


@pytest.fixture
def finished(whole: tuple[Path, list[StageResult]], tmp_path: Path) -> Path:
    """Give that study, run to its end, in a folder of one's own."""
    return shutil.copytree(whole[0], tmp_path / "study")


def actions(results: list[StageResult]) -> dict[str, str]:
    return {result.stage: result.action for result in results}


def reasons(results: list[StageResult]) -> dict[str, str]:
    return {result.stage: result.reason for result in results}


def edit(study: Path, old: str, new: str) -> None:
    path = study / "study.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.integration
def test_a_second_run_does_nothing_and_says_so(
    whole: tuple[Path, list[StageResult]], finished: Path
) -> None:
    assert set(actions(whole[1]).values()) == {"ran"}
    results = run_study(finished)
    assert set(actions(results).values()) == {"skipped"}
    assert set(reasons(results).values()) == {"it is up to date"}


@pytest.mark.integration
def test_only_what_depends_on_a_change_is_done_again(finished: Path) -> None:
    edit(finished, "n_thumbnails = 2", "n_thumbnails = 3")
    results = run_study(finished)
    assert actions(results) == {"sites": "skipped", "patches": "skipped", "explore": "ran"}
    assert reasons(results)["explore"] == "setting n_thumbnails changed from 2 to 3"


@pytest.mark.integration
def test_a_changed_input_runs_what_takes_it(finished: Path) -> None:
    with np.load(finished / "patches.npz") as arrays:
        np.savez(finished / "patches.npz", patches=arrays["patches"] + 1)
    results = run_study(finished)
    assert actions(results) == {"sites": "skipped", "patches": "ran", "explore": "ran"}
    assert reasons(results)["patches"] == "patches.npz changed"
    assert reasons(results)["explore"] == "patches/dataset.json changed"


@pytest.mark.integration
def test_a_missing_or_altered_result_is_made_again(finished: Path) -> None:
    report = finished / "explore" / "report.html"
    findings = finished / "explore" / "findings.json"
    table = finished / "explore" / "tables" / "overview-classes.csv"
    before = [path.read_bytes() for path in (report, findings, table)]

    def foreseen() -> tuple[str, str]:
        results = run_study(finished, dry_run=True)
        return actions(results)["explore"], reasons(results)["explore"]

    table.unlink()
    assert foreseen() == ("would run", "explore was changed since")
    findings.write_text("{}")
    assert foreseen() == ("would run", "explore/findings.json was changed since")
    report.unlink()
    results = run_study(finished)
    assert actions(results)["explore"] == "ran"
    assert reasons(results)["explore"] == "explore/report.html is missing"
    assert [path.read_bytes() for path in (report, findings, table)] == before


@pytest.mark.integration
def test_pixels_and_places_meet_by_the_named_row(study: Path) -> None:
    run_study(study, only=["sites", "patches"])
    dataset = PatchDataset.open(study / "patches")
    valley = toy.Valley(seed=1)
    table = valley.sites(n_mining=6, n_background=8)
    expected = valley.pixels(table, bands="rgb")
    found = dataset.digital_numbers(list(table.index))
    np.testing.assert_array_equal(found.to_numpy(), expected.to_numpy())


@pytest.mark.integration
def test_a_change_of_labels_reaches_the_report(finished: Path) -> None:
    places = json.loads((finished / "places.geojson").read_text())
    for feature in places["features"]:
        feature["properties"]["second_look"] = 0
    places["features"][0]["properties"]["second_look"] = 1
    (finished / "places.geojson").write_text(json.dumps(places))
    edit(finished, "[patches]", 'label_column = "second_look"\n[patches]')
    results = run_study(finished)
    assert actions(results) == {"sites": "ran", "patches": "ran", "explore": "ran"}
    classes = pd.read_csv(
        finished / "explore" / "tables" / "overview-classes.csv", index_col="class"
    )
    assert classes.loc["mining", "n_patches"] == 1


def test_a_shapefile_is_judged_by_all_its_files(study: Path) -> None:
    places = gpd.read_file(study / "places.geojson")
    places.to_file(study / "places.shp", driver="ESRI Shapefile")
    edit(study, "places.geojson", "places.shp")
    run_study(study, only=["sites"])
    before = (study / "places.shp").read_bytes()
    places.assign(label=1 - places["label"].astype(int)).to_file(study / "places.shp")
    assert (study / "places.shp").read_bytes() == before
    assert reasons(run_study(study, only=["sites"]))["sites"] == "places.shp changed"


@pytest.mark.integration
def test_a_lost_shard_is_noticed(study: Path) -> None:
    run_study(study, only=["sites", "patches"])
    shards = [path for path in (study / "patches" / "patches.zarr").rglob("c/*") if path.is_file()]
    shards[0].unlink()
    result = run_study(study, only=["patches"])
    assert reasons(result)["patches"] == "patches/patches.zarr was changed since"


def test_a_stage_asked_for_alone_names_what_it_builds_on_and_is_stale(study: Path) -> None:
    run_study(study, only=["sites"])
    (study / "places.geojson").write_text((study / "places.geojson").read_text() + " ")
    results = run_study(study, only=["patches"])
    assert actions(results) == {"sites": "left out of date", "patches": "ran"}
    assert reasons(results)["sites"] == "places.geojson changed"


def test_overlaps_are_judged_on_the_squares_that_patches_will_have(study: Path) -> None:
    def n_overlapping() -> object:
        run_study(study, only=["sites"])
        return json.loads((study / "sites" / "check.json").read_text())["grid"]["snap_m"]

    assert n_overlapping() == 10.0
    edit(study, "row_column", 'cut = "grid"\nrow_column')
    assert n_overlapping() == 60.0


@pytest.mark.integration
def test_the_report_bears_the_studys_name(finished: Path) -> None:
    assert "<h1>Río Caroní" in (finished / "explore" / "report.html").read_text()


def legacy_study(folder: Path, *, mining: str, no_mining: str) -> Path:
    """Write a study of two pickle pairs with their points, two patches each."""
    folder.mkdir()
    for name, longitude, label in (("mines", -62.6, 1), ("forest", -63.6, 0)):
        points = gpd.points_from_xy([longitude, longitude - 0.1], [5.4, 5.5], crs="EPSG:4326")
        gpd.GeoDataFrame(geometry=points).to_file(folder / f"{name}.geojson")
        arrays = np.full((2, 8, 8, 3), 900 + label, dtype=np.int16)
        (folder / f"{name}_patch_arrays.pkl").write_bytes(pickle.dumps(arrays))
        (folder / f"{name}_patch_array_labels.pkl").write_bytes(pickle.dumps([label, label]))
    (folder / "study.toml").write_text(
        f"""
        [sites]
        mining = ["{mining}.geojson"]
        no_mining = ["{no_mining}.geojson"]
        [patches]
        kind = "legacy"
        files = ["mines_patch_arrays.pkl", "forest_patch_arrays.pkl"]
        bands = "rgb"
        level = "L1C"
        rows_follow_sites = true
        """
    )
    return folder


def test_pickles_agree_with_the_sites_they_are_called(tmp_path: Path) -> None:
    good = legacy_study(tmp_path / "good", mining="mines", no_mining="forest")
    assert actions(run_study(good, only=["sites", "patches"]))["patches"] == "ran"


def test_pickles_that_contradict_the_sites_stop_the_study(tmp_path: Path) -> None:
    turned = legacy_study(tmp_path / "turned", mining="forest", no_mining="mines")
    with pytest.raises(PlacementError, match="4 of 4 placed patches have another label"):
        run_study(turned)
    assert not (turned / "patches").exists()


def test_a_dry_run_foresees_and_does_nothing(study: Path) -> None:
    before = sorted(study.iterdir())
    results = run_study(study, dry_run=True)
    assert actions(results) == {
        "sites": "would run",
        "patches": "would run",
        "explore": "would run",
    }
    assert [path for path in sorted(study.iterdir()) if path.name != ".minewatch"] == before


@pytest.mark.integration
def test_a_run_that_was_killed_goes_on_to_the_same_results(
    whole: tuple[Path, list[StageResult]], study: Path
) -> None:
    code = (
        "import os, signal, sys; from minewatch.study import run_study\n"
        "def die(step, done, total):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "run_study(sys.argv[1], progress=die)"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(study)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert not (study / "explore").exists()
    results = run_study(study)
    assert actions(results)["explore"] == "ran"
    findings = Path("explore", "findings.json")
    assert (study / findings).read_bytes() == (whole[0] / findings).read_bytes()


def test_stages_before_a_failure_stay_done(study: Path) -> None:
    edit(study, 'row_column = "row"', "")
    with pytest.raises(Exception, match="row"):
        run_study(study)
    edit(study, 'level = "L2A"', 'level = "L2A"\nrow_column = "row"')
    assert actions(run_study(study, only=["sites", "patches"])) == {
        "sites": "skipped",
        "patches": "ran",
    }


def test_faulty_sites_stop_the_study_by_name(study: Path) -> None:
    path = study / "places.geojson"
    places = json.loads(path.read_text())
    places["features"][1]["geometry"] = places["features"][0]["geometry"]
    path.write_text(json.dumps(places))
    with pytest.raises(SitesError, match=r'allow = \["duplicate point"\]'):
        run_study(study)
    edit(study, "[patches]", 'allow = ["duplicate point", "conflicting labels"]\n[patches]')
    assert actions(run_study(study, only=["sites"])) == {"sites": "ran"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("n_thumbnail = 2", r"explore.n_thumbnail is not a setting; did you mean explore.n_thumb"),
        ("n_folds = 1", r"explore.n_folds is 1: input should be greater than or equal"),
        ("[explor]", r"explor is not a setting; did you mean explore\?"),
    ],
)
def test_a_wrong_setting_fails_by_name_with_the_nearest_right_one(
    study: Path, wrong: str, message: str
) -> None:
    old = "[explore]" if wrong.startswith("[") else wrong.split(" = ")[0].rstrip("s") + "s = 2"
    edit(study, old, wrong)
    with pytest.raises(SettingsError, match=message):
        run_study(study)


def test_every_wrong_setting_is_named_at_once(study: Path) -> None:
    edit(study, "n_thumbnails", "n_thumbs")
    edit(study, "level", "leval")
    with pytest.raises(SettingsError) as caught:
        read_study(study)
    for part in ("patches.level is missing", "patches.leval is not", "explore.n_thumbs is not"):
        assert part in str(caught.value)


def test_a_folder_without_settings_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(NotThereError, match="minewatch new"):
        run_study(tmp_path)


def test_an_input_that_is_not_there_is_named_with_its_setting(study: Path) -> None:
    (study / "patches.npz").unlink()
    with pytest.raises(NotThereError, match=r"patches.npz does not exist; patches.files"):
        run_study(study)


def test_the_template_can_be_run_as_it_is_and_names_every_setting(tmp_path: Path) -> None:
    text = new_study(tmp_path / "guri").read_text()
    settings = StudySettings.model_validate(tomllib.loads(text))
    assert settings.study.name == "guri"
    sections = {name: type(getattr(settings, name)) for name in StudySettings.model_fields}
    sections["context"] = ContextSection
    sections["model"] = ModelSection
    sections["scan"] = ScanSection
    sections["maps"] = MapsSection
    for section, model in [*sections.items(), ("patches", ImportSection)]:
        for name in model.model_fields:
            assert f"{name} = " in text, f"[{section}] {name}"


def test_the_templates_other_kind_of_patches_can_be_uncommented(tmp_path: Path) -> None:
    text = new_study(tmp_path).read_text()
    begin, end = text.index('# kind = "arrays"'), text.index("# For pickles")
    lines = [line.removeprefix("# ") for line in text[begin:end].splitlines() if " = " in line]
    ImportSection.model_validate(tomllib.loads("\n".join(lines)))


def test_the_templates_commented_lines_are_defaults_that_can_be_uncommented(tmp_path: Path) -> None:
    text = new_study(tmp_path).read_text()
    section = text[text.index("[explore]") :]
    lines = [line.removeprefix("# ") for line in section.splitlines() if " = " in line]
    values = tomllib.loads("\n".join(lines))
    shown = type(StudySettings.model_fields["explore"].default).model_validate(values)
    assert shown == StudySettings.model_fields["explore"].default


def test_a_study_is_never_overwritten_by_new(study: Path) -> None:
    with pytest.raises(AlreadyThereError, match="edit it"):
        new_study(study)


def test_two_runs_of_one_study_do_not_meet(study: Path) -> None:
    code = (
        "import sys; from minewatch.study import run_study; from minewatch import errors\n"
        "for _ in sys.stdin:\n"
        "    try:\n        run_study(sys.argv[1], dry_run=True); print('it ran', flush=True)\n"
        "    except errors.LockedError as error:\n        print(error, flush=True)"
    )
    command = [sys.executable, "-c", code, str(study)]
    told: list[str] = []
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True, bufsize=1) as other:
        assert other.stdin is not None
        assert other.stdout is not None

        def ask() -> str:
            print(file=other.stdin)
            return other.stdout.readline()

        run_study(study, only=["sites"], tell=lambda _told: told.append(ask()))
        assert told
        assert all("another process is writing" in answer for answer in told)
        assert ask() == "it ran\n"
        other.stdin.close()
    assert other.returncode == 0


def test_the_demo_never_replaces_a_folder_it_did_not_make(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(AlreadyThereError, match="not made by the demo"):
        study_module.make_demo(tmp_path, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_the_demo_keeps_what_a_person_put_into_its_folder(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text("# The study that `minewatch demo` makes: …")
    (tmp_path / "notes.txt").write_text("seen on the 12th")
    with pytest.raises(AlreadyThereError, match=r"holds what no demo made \(notes.txt\)"):
        study_module.make_demo(tmp_path, overwrite=True)
    assert (tmp_path / "notes.txt").read_text() == "seen on the 12th"


@pytest.mark.integration
@pytest.mark.filterwarnings("ignore::minewatch.errors.CoverageWarning")
def test_the_demo_is_built_from_images_of_several_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {"N_MINING": 30, "N_BACKGROUND": 50, "N_AREAS": 10, "N_ACQUISITIONS": 6}
    for name, number in sizes.items():
        monkeypatch.setattr(_demo, name, number)
    told: list[str] = []
    study_module.make_demo(tmp_path / "demo", tell=told.append)
    results = run_study(tmp_path / "demo", only=["sites", "patches"])
    assert actions(results) == {"sites": "ran", "patches": "ran"}
    assert "80 labelled places" in told[0]
    dataset = PatchDataset.open(tmp_path / "demo" / "patches")
    assert dataset.header.source == "folder archive"
    assert dataset.header.attribution.startswith("Imagery: made up, the toy valley")
    assert "Copernicus" not in dataset.header.attribution
    assert set(dataset.sites["status"]) <= {"ok", "few clear views"}
    places = sites_word.cluster_sites(dataset.sites, distance_m=3_000)
    mining = dataset.sites["label"] == 1
    assert places[mining].nunique() >= 4
    assert places[~mining].nunique() >= 6
    run_study(tmp_path / "demo", only=["context"])
    for name, number in {"N_MINING": 1, "N_BACKGROUND": 1, "N_AREAS": 2}.items():
        monkeypatch.setattr(_demo, name, number)
    study_module.make_demo(tmp_path / "demo", overwrite=True)  # nothing in it is foreign
    assert not (tmp_path / "demo" / "patches").exists()


def test_a_change_of_version_is_a_reason() -> None:
    before = Record({}, {}, {}, "0.1.0")
    assert decide(Record({}, {}, {}, "0.2.0"), before) == (
        "it was made by minewatch 0.1.0, and this is 0.2.0"
    )


# imagery ----------------------------------------------------------------------------------------

BUILT = """
[sites]
files = ["places.geojson"]
allow = ["conflicting labels", "duplicate point"]

[imagery]
source = "archive"
year = 2023
bands = ["B04", "B03", "B02"]

[patches]
kind = "build"
size_px = 24

[explore]
n_folds = 2
n_thumbnails = 2
"""


@pytest.fixture
def built(toy_archive: Path, toy_sites: gpd.GeoDataFrame, tmp_path: Path) -> Path:
    """Write a study that builds its patches from an archive."""
    folder = tmp_path / "built"
    shutil.copytree(toy_archive, folder / "archive")
    sites_word.write_sites(toy_sites, folder / "places.geojson")
    (folder / "study.toml").write_text(BUILT)
    return folder


def used_item(folder: Path) -> Path:
    """Find the item of a scene that some places are made from, and some are not."""
    places = sites_word.read_sites(folder / "places.geojson").geometry
    grid = PatchGrid(size_px=24)
    geoboxes = {str(key): grid.geobox(point.x, point.y) for key, point in places.items()}
    query = SceneQuery(start="2023-01-01", end="2023-12-31", bands="rgb")
    found = dict(FolderSource(folder / "archive").load_many(geoboxes, query)).values()
    ids = [{scene["id"] for scene in one.attrs["scenes"]} for one in found]
    partly = sorted(set.union(*ids) - set.intersection(*ids))
    return next((folder / "archive").rglob(f"{partly[0]}.json"))


STAGES = ["sites", "patches"]


@pytest.mark.integration
def test_a_study_builds_its_patches_and_only_when_something_changed(built: Path) -> None:
    first = run_study(built, only=STAGES)
    assert set(actions(first).values()) == {"ran"}
    assert first[1].summary.startswith("14 patches of 24 × 24 pixels, 3 bands, L2A")
    assert set(actions(run_study(built, only=STAGES)).values()) == {"skipped"}

    edit(built, "size_px = 24", "size_px = 24\nmin_clear_views = 99")
    results = run_study(built, only=["patches"])
    assert reasons(results)["patches"] == "setting min_clear_views changed from unset to 99"
    assert "14 with few clear views" in results[0].summary
    edit(built, "year = 2023", 'year = 2023\nmethod = "least_cloudy"')
    reason = reasons(run_study(built, only=["patches"]))["patches"]
    assert reason == 'setting imagery.method changed from "median" to "least_cloudy"'


@pytest.mark.integration
def test_changed_items_build_the_patches_anew(built: Path) -> None:
    run_study(built, only=STAGES)
    before = PatchDataset.open(built / "patches").header
    item = used_item(built)
    item.unlink()
    results = run_study(built, only=["patches"])
    assert f"{item.name} is no longer taken" in reasons(results)["patches"]
    after = PatchDataset.open(built / "patches").header
    assert after.imagery.asked != before.imagery.asked
    assert after.digest != before.digest


@pytest.mark.integration
def test_failed_places_stop_a_study_until_they_are_there_or_allowed(built: Path) -> None:
    file = used_item(built).parent / "B04.tif"
    aside = file.rename(file.with_suffix(".aside"))
    with pytest.raises(IncompleteError, match="allow_failed = true"):
        run_study(built)
    assert not (built / "explore").exists()
    edit(built, "size_px = 24", "size_px = 24\nallow_failed = true")
    results = run_study(built, only=STAGES)
    assert "failed" in results[1].summary
    assert (built / "patches.failures.csv").exists()
    edit(built, "allow_failed = true", "")
    aside.rename(file)
    results = run_study(built, only=["patches"])
    assert "failed" not in results[0].summary
    assert not (built / "patches.failures.csv").exists()


def test_patches_to_build_need_imagery(study: Path) -> None:
    path = study / "study.toml"
    path.write_text('[sites]\nfiles = ["places.geojson"]\n[patches]\nkind = "build"\n')
    with pytest.raises(SettingsError, match=r"there is no \[imagery\] to build from"):
        read_study(study)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("sise_px = 24", r"patches.sise_px is not a setting; did you mean patches.size_px\?"),
        ("size_px = 0", r"patches.size_px is 0: input should be greater"),
        ('kind = "bild"', r"patches.kind is 'bild': expected 'arrays', .* 'build'"),
        ("", r"patches.kind is missing"),
    ],
)
def test_a_wrong_setting_of_patches_is_named_as_it_stands_in_the_file(
    tmp_path: Path, wrong: str, message: str
) -> None:
    old = 'kind = "build"' if "kind" in wrong or not wrong else "size_px = 24"
    (tmp_path / "study.toml").write_text(BUILT.replace(old, wrong))
    with pytest.raises(SettingsError, match=message):
        read_study(tmp_path)


LIKE = """
[sites]
mining = ["positives.geojson"]
no_mining = ["negatives.geojson"]

[imagery]
source = "earth-engine"
level = "L1C"
year = 2023
bands = "legacy-12"
clear_threshold = 0.75

[patches]
size_px = 48
"""


def test_a_file_says_what_to_build_and_options_go_before_it(tmp_path: Path) -> None:
    file = tmp_path / "like.toml"
    file.write_text(LIKE)
    settings = read_build(file)
    assert settings.imagery.query.bands[7] == "B8A"
    assert (settings.imagery.level, settings.patches.size_px) == ("L1C", 48)
    assert str(settings.imagery.start) == "2023-01-01"
    changed = read_build(file, {"imagery": {"year": 2021, "source": "archive"}})
    assert (changed.imagery.source, str(changed.imagery.end)) == ("archive", "2021-12-31")
    late = read_build(file, {"imagery": {"start": "2023-06-01"}, "patches": {"size_px": 24}})
    assert (str(late.imagery.start), str(late.imagery.end)) == ("2023-06-01", "2023-12-31")
    assert late.patches.size_px == 24
    with pytest.raises(SettingsError, match=r"imagery.bonds is not a setting; did you mean"):
        read_build(file, {"imagery": {"bonds": "rgb"}})
    with pytest.raises(NotThereError, match="says what to build"):
        read_build(tmp_path / "other.toml")


@pytest.mark.parametrize("file", ["study.toml", "like.toml"])
def test_a_study_and_a_file_like_one_build_the_same_dataset(
    built: Path, tmp_path: Path, file: str
) -> None:
    (built / "like.toml").write_text(BUILT.partition("[explore]")[0].replace('kind = "build"', ""))
    run_study(built, only=["sites", "patches"])
    summary = build_dataset(read_build(built / file), tmp_path / "alone", folder=built)
    assert (tmp_path / "alone" / "dataset.json").read_bytes() == (
        built / "patches" / "dataset.json"
    ).read_bytes()
    assert summary.n_loaded == 14


@pytest.mark.real
def test_the_published_study_s_points_can_be_built_from_with_one_file(
    tmp_path: Path, shared_data: Path
) -> None:
    file = shared_data / "places"
    text = LIKE.replace("positives", "v2.1_bolivar_positives")
    settings = read_build(None, tomllib.loads(text.replace("negatives", "v2.0_bolivar_negatives")))
    assert settings.sites is not None
    table = read_section_sites(file, settings.sites)
    assert table["label"].value_counts().to_dict() == {0: 332, 1: 170}
    _, geoboxes = place_sites(table, settings.patches.grid)
    assert len(geoboxes) == 502
    assert {geobox.shape.yx for geobox in geoboxes.values()} == {(48, 48)}
