"""The reference lists every public name, once, and nothing else."""

import importlib
import importlib.util
import inspect
import re

import griffe
import pytest

WORDS = (
    "sites",
    "imagery",
    "patches",
    "context",
    "explore",
    "model",
    "scan",
    "maps",
    "study",
    "toy",
)
DIRECTIVE = re.compile(r"^::: (minewatch\.([\w.]+)\.(\w+))$", re.MULTILINE)


def _public(word: str) -> set[str]:
    """Give the names of a word: those that it lists, and those that it lists for few."""
    module = importlib.import_module(f"minewatch.{word}")
    return {
        name for name in {*module.__all__, *dir(module)} if not _is_module_or_private(module, name)
    }


def _is_module_or_private(module, name: str) -> bool:
    return (
        name.startswith("_")
        or inspect.ismodule(getattr(module, name))
        or (name not in module.__all__ and "__getattr__" not in vars(module))
    )


@pytest.mark.parametrize("word", WORDS)
def test_the_reference_of_a_word_lists_every_public_name_once(word: str, root) -> None:
    text = (root / "docs" / "reference" / f"{word}.md").read_text(encoding="utf-8")
    listed = [found[2] for found in DIRECTIVE.findall(text)]
    assert {found[1] for found in DIRECTIVE.findall(text)} == {word}
    assert sorted(listed) == sorted(_public(word))


def test_every_name_of_the_reference_is_there_and_explains_itself(pages) -> None:
    names = [found for page in pages for found in DIRECTIVE.findall(page.prose)]
    silent = []
    for name, module, last in names:
        value = getattr(importlib.import_module(f"minewatch.{module}"), last)
        if callable(value) and not inspect.getdoc(value):
            silent.append(name)
    assert silent == []
    assert len(names) > 150


def test_every_error_and_warning_is_in_the_reference(root) -> None:
    errors = importlib.import_module("minewatch.errors")
    text = (root / "docs" / "reference" / "values.md").read_text(encoding="utf-8")
    listed = {found[2] for found in DIRECTIVE.findall(text) if found[1] == "errors"}
    own = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and value.__module__ == errors.__name__
    }
    assert listed == own


def test_citations_of_docstrings_become_markdown(root) -> None:
    file = root / "docs" / "reference" / "citations.py"
    spec = importlib.util.spec_from_file_location("citations", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = "Let trees vote [1]_.\n\nReferences\n----------\n.. [1] Geurts, P. (2006). Trees."
    function = griffe.Function("vote", docstring=griffe.Docstring(text))
    module.Citations().on_object(obj=function)
    assert function.docstring is not None
    assert "vote<sup>1</sup>." in function.docstring.value
    assert "\n1. Geurts, P." in function.docstring.value
