"""Names that are imported on first use are completed all the same."""

import importlib

import pytest


@pytest.mark.parametrize("word", ["context", "explore"])
def test_completion_lists_every_public_name_and_each_can_be_had(word):
    module = importlib.import_module(f"minewatch.{word}")
    listed = dir(module)
    assert set(module.__all__) <= set(listed)
    assert "importlib" not in listed
    assert all(getattr(module, name) is not None for name in listed)
