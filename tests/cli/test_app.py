import ast
import importlib
import inspect
import json
import pkgutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from typer.testing import CliRunner

import minewatch.cli
from minewatch import __version__, errors
from minewatch.cli import _app, _common

SOURCE = Path(minewatch.cli.__file__).parent
HEAVY = {"geopandas", "pandas", "numpy", "xarray", "zarr", "rasterio", "matplotlib", "sklearn"}


def _all_errors() -> list[type[BaseException]]:
    return [
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.MinewatchError)
    ]


@pytest.mark.parametrize("kind", _all_errors())
def test_every_error_has_an_exit_code_of_its_own_branch(kind: type[BaseException]) -> None:
    code = _common.exit_code(kind("message"))
    assert code not in {0, 2}
    assert kind is errors.MinewatchError or code != 1


def test_an_unsafe_path_is_unsafe_before_it_is_anything_else() -> None:
    assert _common.exit_code(errors.UnsafePathError("x")) == 5


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from minewatch.cli._app import run; run(['--help']); "
        f"print('HEAVY', sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage: " in done.stdout
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def _late_imports() -> list[tuple[str, str]]:
    found = []
    for module in pkgutil.iter_modules([str(SOURCE)]):
        tree = ast.parse((SOURCE / f"{module.name}.py").read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                found += [(node.module, alias.name) for alias in node.names]
    return sorted(set(found))


@pytest.mark.parametrize(("module", "name"), _late_imports())
def test_every_import_of_the_command_line_resolves(module: str, name: str) -> None:
    found = importlib.import_module(module)
    assert hasattr(found, name) or importlib.import_module(f"{module}.{name}")


def _commands() -> list[list[str]]:
    paths = [[str(command.name)] for command in _app.app.registered_commands]
    for group in _app.app.registered_groups:
        assert group.typer_instance is not None
        for command in group.typer_instance.registered_commands:
            name = command.name or command.callback.__name__.replace("_", "-")  # type: ignore[union-attr]
            paths.append([str(group.name), name])
    return paths


@pytest.mark.parametrize("path", _commands(), ids=" ".join)
def test_every_command_explains_itself_and_speaks_json(path: list[str]) -> None:
    answer = CliRunner().invoke(_app.app, [*path, "--help"], env={"COLUMNS": "200"})
    assert answer.exit_code == 0
    assert "--json" in answer.output


def test_the_version_is_printed() -> None:
    answer = CliRunner().invoke(_app.app, ["--version"])
    assert answer.output == f"minewatch {__version__}\n"


def test_an_error_is_one_clear_line_on_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = _app.run(["run", "--study", str(tmp_path)])
    output = capsys.readouterr()
    assert code == _common.exit_code(errors.NotThereError())
    assert output.out == ""
    assert output.err.startswith("error: ")
    assert "study.toml does not exist" in output.err
    assert "Traceback" not in output.err


def test_a_wrong_use_of_the_command_line_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert _app.run(["run", "--no-such-option"]) == 2
    assert "no-such-option" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    code = _app.run(["new", str(tmp_path / "file" / "study")])
    output = capsys.readouterr()
    assert code in {13, 14}
    assert output.err.startswith("error: ")
    assert "Traceback" not in output.err


def test_our_warnings_are_one_line_for_people_and_none_with_quiet(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        _common.set_up_output(quiet=False, verbose=False)
        warnings.warn("some rows were rounded", errors.RoundedWarning, stacklevel=1)
        warnings.warn("not ours", DeprecationWarning, stacklevel=1)
        assert capsys.readouterr().err == "warning: some rows were rounded\n"
        _common.set_up_output(quiet=True, verbose=False)
        warnings.warn("some rows were rounded", errors.RoundedWarning, stacklevel=1)
        assert capsys.readouterr().err == ""
    _common.set_up_output(quiet=False, verbose=False)


def test_json_is_the_only_thing_printed_on_standard_output(tmp_path: Path) -> None:
    answer = CliRunner().invoke(_app.app, ["new", str(tmp_path / "study"), "--json"])
    assert json.loads(answer.stdout)["settings"].endswith("study.toml")


def test_bars_are_silent_when_not_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with _common.progress_bars() as progress:
        progress("reading", 0, 10)
        progress("reading", 10, 10)
    assert capsys.readouterr() == ("", "")


def test_the_package_can_be_run_where_the_script_is_not_on_the_path():
    done = subprocess.run(
        [sys.executable, "-m", "minewatch", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("minewatch ")
