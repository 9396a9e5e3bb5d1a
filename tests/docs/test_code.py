"""Python and settings that a page shows are of names, arguments and keys that there are."""

import ast
import importlib
import inspect
import tomllib
from types import ModuleType
from typing import Any

from minewatch.study import StudySettings
from minewatch.study._settings import BuildSection, BuildSettings, ImportSection

SECTIONS = {name: field.annotation for name, field in BuildSettings.model_fields.items()}


def _bound(statement: ast.stmt) -> tuple[dict[str, Any], list[str]]:
    """Import what a statement imports of minewatch: names by what they are called, and faults."""
    names: dict[str, Any] = {}
    faults: list[str] = []
    if isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith("minewatch"):
        module = importlib.import_module(str(statement.module))
        for alias in statement.names:
            found = getattr(module, alias.name, None)
            if found is None:
                faults.append(f"{statement.module} has no {alias.name}")
            names[alias.asname or alias.name] = found
    elif isinstance(statement, ast.Import):
        for alias in statement.names:
            if alias.name.startswith("minewatch"):
                names[alias.asname or alias.name] = importlib.import_module(alias.name)
    return names, faults


def _callee(call: ast.Call, names: dict[str, Any]) -> Any:
    """Find what a call calls, if it is ours."""
    if isinstance(call.func, ast.Name):
        return names.get(call.func.id)
    if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
        owner = names.get(call.func.value.id)
        return getattr(owner, call.func.attr, None) if owner is not None else None
    return None


def _faults(code: str, names: dict[str, Any]) -> list[str]:
    """Say what is wrong with code: names that are not there, arguments that are not taken."""
    faults = []
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found, missing = _bound(node)
            names.update(found)
            faults += missing
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = names.get(node.value.id)
            if isinstance(owner, ModuleType) and not hasattr(owner, node.attr):
                faults.append(f"{node.value.id} has no {node.attr}")
        if isinstance(node, ast.Call) and callable(called := _callee(node, names)):
            faults += _argument_faults(called, node)
    return faults


def _argument_faults(called: Any, call: ast.Call) -> list[str]:
    given = {word.arg for word in call.keywords if word.arg is not None}
    is_open = any(word.arg is None for word in call.keywords) or any(
        isinstance(part, ast.Starred | ast.Constant) and getattr(part, "value", 0) is ...
        for part in call.args
    )
    try:
        signature = inspect.signature(called)
        if is_open:
            signature.bind_partial(**dict.fromkeys(given))
        else:
            signature.bind(*call.args, **dict.fromkeys(given))
    except TypeError as error:
        return [f"{ast.unparse(call)}: {error}"]
    return []


def test_python_on_the_pages_uses_names_and_arguments_that_there_are(pages) -> None:
    faults, n_blocks = [], 0
    for page in pages:
        names: dict[str, Any] = {}
        for block in page.blocks:
            if block.language == "python":
                n_blocks += 1
                faults += [f"{block.where}: {fault}" for fault in _faults(block.body, names)]
    assert faults == []
    assert n_blocks > 30


def test_names_and_arguments_that_are_not_there_are_told() -> None:
    told = _faults("from minewatch import scan\nscan.scan_regions()\nscan.read_bbox(b=1)", {})
    assert "scan has no scan_regions" in told
    assert any(fault.startswith("scan.read_bbox(b=1)") for fault in told)


def _keys(section: str) -> set[str]:
    """Give the settings of a section of study.toml."""
    if section == "patches":
        return {*BuildSection.model_fields, *ImportSection.model_fields}
    annotation = SECTIONS[section]
    models = [annotation, *getattr(annotation, "__args__", ())]
    found = {key for model in models for key in getattr(model, "model_fields", ())}
    return found | ({"year"} if section == "imagery" else set())


def test_settings_on_the_pages_are_those_of_a_study(pages) -> None:
    assert set(StudySettings.model_fields) == set(SECTIONS)
    every = {key for section in SECTIONS for key in _keys(section)}
    unknown, n_keys = [], 0
    for page in pages:
        for block in page.blocks:
            shown = tomllib.loads(block.body) if block.language == "toml" else {}
            for name, value in shown.items():
                keys = value if isinstance(value, dict) else {name: value}
                known = _keys(name) if name in SECTIONS and isinstance(value, dict) else every
                n_keys += len(keys)
                unknown += [f"{block.where}: {name}.{key}" for key in keys if key not in known]
    assert unknown == []
    assert n_keys > 20


def test_every_example_is_a_whole_file_of_settings(root) -> None:
    files = sorted((root / "docs" / "examples").glob("*.toml"))
    assert files
    for file in files:
        settings = tomllib.loads(file.read_text(encoding="utf-8"))
        kind = StudySettings if "kind" in settings.get("patches", {}) else BuildSettings
        assert kind.model_validate(settings).sites is not None
