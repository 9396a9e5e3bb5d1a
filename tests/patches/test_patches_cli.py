import json
import warnings

import numpy as np
import pytest

from minewatch.cli._app import run
from minewatch.cli._patches_import import _describe_changes
from minewatch.patches import PatchDataset
from minewatch.sites import write_sites


@pytest.fixture
def files(tmp_path, make_numbers, make_sites):
    np.savez(tmp_path / "chips.npz", t0=make_numbers(5, 8, 8, 3) + 100)
    write_sites(make_sites(5), tmp_path / "sites.parquet")
    return tmp_path


def imported(files, *more: str) -> int:
    return run(
        ["patches", "import", "arrays", str(files / "chips.npz"), "--bands", "rgb", "--level",
         "L2A", "--sites", str(files / "sites.parquet"), "--rows-follow-sites", "--study",
         str(files), *more]
    )  # fmt: skip


def test_arrays_are_imported_and_the_result_is_one_json_object(files, capsys):
    assert imported(files, "--json", "--period", "2021-01-01", "2021-12-31") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["classes"] == {"no mining": 3, "mining": 2}
    assert told["first_day"] == "2021-01-01"
    assert told["digest"] == PatchDataset.open(files / "patches").header.digest


def test_info_says_the_same_to_people(files, capsys):
    imported(files)
    capsys.readouterr()
    assert run(["patches", "info", str(files / "patches")]) == 0
    out = capsys.readouterr().out
    assert "no mining 3, mining 2" in out
    assert "B04, B03, B02" in out


def test_an_export_is_imported_again(files, capsys, make_sites):
    imported(files)
    out = files / "legacy"
    study = ["--study", str(files)]
    assert run(["patches", "export", str(out), "--format", "legacy", *study, "--json"]) == 0
    capsys.readouterr()
    assert run(
        ["patches", "import", "legacy", str(out), "--bands", "rgb", "--level", "L2A",
         "--rows-follow-points", "--out", str(files / "again"), "--json"]
    ) == 0  # fmt: skip
    again = PatchDataset.open(files / "again")
    first = PatchDataset.open(files / "patches")
    assert again.digital_numbers(first.sites.index).equals(first.digital_numbers())
    tiffs = files / "tiffs"
    assert run(["patches", "export", str(tiffs), "--format", "geotiff", *study]) == 0
    assert run(
        ["patches", "import", "geotiff", str(tiffs), "--level", "L2A", "--class", "tiffs=1",
         "--out", str(files / "third")]
    ) == 0  # fmt: skip
    assert set(PatchDataset.open(files / "third").sites["label"]) == {1}


@pytest.mark.parametrize(
    ("more", "code", "says"),
    [
        (["--scale", "percent"], 3, "'percent' is not a scaling"),
        (["--scale", "1e-9"], 3, "largest reflectance"),
        (["--scale", "dn", "--offset", "0.1"], 3, "--offset"),
        (["--bands", "B4,B3,B99"], 3, "B99"),
        (["--key", "t9"], 3, "t9"),
        (["--row-column", "row"], 3, "row_column"),
        (["--level", "L3"], 2, "L3"),
    ],
)
def test_what_is_wrong_is_named_and_decides_the_exit_code(files, capsys, more, code, says):
    assert imported(files, *more) == code
    assert says in capsys.readouterr().err


def test_scales_may_be_numbers(files):
    assert imported(files, "--scale", "2e-4", "--offset", "-0.01", "--no-data", "-1") == 0
    values = PatchDataset.open(files / "patches").header.source_values
    assert (values.scale, values.offset, values.no_data) == (2e-4, -0.01, -1)


def test_an_existing_dataset_is_another_exit_code(files, capsys):
    imported(files)
    assert imported(files) == 6
    assert imported(files, "--overwrite") == 0


def test_what_was_changed_on_import_is_told(files, capsys):
    np.savez(files / "chips.npz", t0=np.full((5, 8, 8, 3), 0.12344, "f4"))
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # as outside the tests
        assert imported(files, "--scale", "reflectance") == 0
    assert "warning: chips.npz: of 960 values, 960 were rounded" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["mines", "mines=2", "=1"])
def test_a_class_that_is_not_folder_and_label_is_named(tmp_path, capsys, text):
    code = run(["patches", "import", "geotiff", str(tmp_path), "--level", "L1C", "--class", text])
    assert code == 3
    assert "--class" in capsys.readouterr().err


def test_what_an_import_changed_is_told_in_words():
    told = _describe_changes({"rounded": 76_580_913.0, "max_rounding_dn": 0.468, "below_one": 2.0})
    assert "values that were rounded: 76,580,913 (at most 0.47 DN)" in told
    assert "values that were too low, stored as 0.0001: 2" in told
    assert _describe_changes({}) == ["values changed   none"]
