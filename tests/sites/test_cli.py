"""What a person types, and what they get."""

import json
from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from minewatch.cli._app import run
from minewatch.sites import read_sites, write_sites

from .conftest import MakeSites

ROWS = "lon,lat,mined\n-62.60,5.40,yes\n-62.59,5.40,no\n-62.50,5.50,no\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_check_prints_and_saves(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("valley.csv").write_text(ROWS)
    assert run(["sites", "check", "valley.csv", "--label", "mined"]) == 0
    out = capsys.readouterr().out
    assert "3 sites from 1 source" in out
    assert "Faults: none" in out
    assert read_sites("sites.parquet").index.tolist()[0] == "valley-0001"
    assert Path("sites/per_site.csv").exists()
    # A second time, and again from what was saved, is no error.
    assert run(["sites", "check", "valley.csv", "--label", "mined"]) == 0
    assert run(["sites", "check"]) == 0
    inputs = json.loads(Path("sites/check.json").read_text())["inputs"]
    assert list(inputs) == ["sites.parquet"]


def test_check_takes_one_file_per_class(
    here: Path, make_sites: MakeSites, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sites(make_sites([(-62.6, 5.4)]).drop(columns="label"), here / "p.geojson")
    write_sites(make_sites([(-62.5, 5.4)], ids=["x"]).drop(columns="label"), here / "n.geojson")
    command = ["sites", "check", "--mining", "p.geojson", "--no-mining", "n.geojson", "--json"]
    assert run(command) == 0
    result = json.loads(capsys.readouterr().out)
    assert [row["n_sites"] for row in result["counts"]] == [1, 1, 2]
    assert run([*command, "p.geojson"]) == 2


def test_check_names_faults_and_ends_with_their_exit_code(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("valley.csv").write_text(ROWS + "-62.60,5.40,yes\n,,no\n")
    command = ["sites", "check", "valley.csv", "--label", "mined", "--study", "study"]
    assert run(command) == 3
    printed = capsys.readouterr()
    assert "duplicate point: 1" in printed.out
    assert "error: 2 faults in 5 sites:" in printed.err
    assert "row 5 (valley-0005): no geometry" in printed.err
    assert Path("study/sites/faults.csv").exists()
    assert not Path("study/sites.parquet").exists()
    assert run([*command, "--allow", "duplicate point", "--allow", "no geometry"]) == 0
    assert len(read_sites("study/sites.parquet")) == 5
    assert run([*command, "--allow", "nonsense"]) == 3


def test_check_does_not_replace_other_sites_unasked(here: Path) -> None:
    for name, rows in {"a": ROWS, "b": ROWS.replace("5.50", "5.51")}.items():
        Path(f"{name}.csv").write_text(rows)
    assert run(["sites", "check", "a.csv", "--label", "mined"]) == 0
    assert run(["sites", "check", "b.csv", "--label", "mined"]) == 6
    assert read_sites("sites.parquet")["source"].iloc[0] == "a"
    assert run(["sites", "check", "b.csv", "--label", "mined", "--overwrite"]) == 0
    assert read_sites("sites.parquet")["source"].iloc[0] == "b"


def test_check_without_any_sites_says_what_is_missing(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["sites", "check"]) == 4
    assert "there is no file sites.parquet" in capsys.readouterr().err


def test_sample_draws_writes_and_says_how(
    here: Path, make_sites: MakeSites, capsys: pytest.CaptureFixture[str]
) -> None:
    west, east = shapely.box(-62.8, 5.2, -62.6, 5.6), shapely.box(-62.6, 5.2, -62.4, 5.6)
    layer = gpd.GeoDataFrame({"side": ["west", "east"]}, geometry=[west, east], crs=4326)
    layer.to_file("region.geojson")
    write_sites(make_sites([(-62.6, 5.4)]), here / "known.csv")
    command = ["sites", "sample", "region.geojson", "--n", "12", "--min-distance-m", "1500"]
    command += ["--away-from", "known.csv", "--seed", "4", "--strata", "region.geojson"]
    command += ["--by", "side", "--allocation", "equal", "--out", "negatives.geojson"]
    assert run(command) == 0
    out = capsys.readouterr().out
    assert "12 background sites drawn, seed 4" in out
    assert "west: 6" in out
    sites = read_sites("negatives.geojson")
    assert len(sites) == 12
    assert sites["label"].eq(0).all()
    how = json.loads(Path("negatives.sample.json").read_text())
    assert how["seed"] == 4
    assert set(how["inputs"]) == {"region.geojson", "known.csv"}
    before = Path("negatives.geojson").read_bytes()
    assert run([*command[:-1], "again.geojson"]) == 0
    same = read_sites("again.geojson").geometry
    assert same.equals(sites.geometry)
    changed = [word if word != "4" else "5" for word in command]
    assert run(changed) == 6
    assert Path("negatives.geojson").read_bytes() == before


def test_sample_that_does_not_fit_writes_nothing(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gpd.GeoDataFrame(geometry=[shapely.box(0, 0, 0.1, 0.1)], crs=4326).to_file("r.geojson")
    command = ["sites", "sample", "r.geojson", "--n", "900", "--min-distance-m", "2000"]
    assert run([*command, "--out", "n.csv"]) == 3
    assert "900 sites do not fit" in capsys.readouterr().err
    assert sorted(path.name for path in here.iterdir()) == ["r.geojson"]
    assert run([*command, "--out", "n.csv", "--by", "x"]) == 2


def test_check_learns_words_for_labels(here: Path) -> None:
    Path("valley.csv").write_text(ROWS.replace("yes", "mina").replace("no", "Bosque seco"))
    command = ["sites", "check", "valley.csv", "--label", "mined", "--mining-label", "mina"]
    assert run(command) == 3
    assert run([*command, "--no-mining-label", "bosque seco"]) == 0
    assert set(read_sites("sites.parquet")["label"].dropna()) == {0, 1}
    assert run([*command, "--no-mining-label", "mina"]) == 2


def test_a_check_with_faults_says_that_earlier_sites_were_not_changed(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("good.csv").write_text(ROWS)
    Path("bad.csv").write_text(ROWS + ",,no\n")
    says = "sites.parquet is from an earlier check and was not changed"
    assert run(["sites", "check", "good.csv", "--label", "mined"]) == 0
    assert says not in capsys.readouterr().out
    before = Path("sites.parquet").read_bytes()
    assert run(["sites", "check", "bad.csv", "--label", "mined"]) == 3
    assert says in capsys.readouterr().out
    assert Path("sites.parquet").read_bytes() == before
