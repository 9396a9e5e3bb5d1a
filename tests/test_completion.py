"""Names that are imported on first use are completed all the same."""

import importlib

import pytest


@pytest.mark.parametrize("word", ["context", "explore", "model"])
def test_completion_lists_every_public_name_and_each_can_be_had(word):
    module = importlib.import_module(f"minewatch.{word}")
    listed = dir(module)
    assert set(module.__all__) <= set(listed)
    assert "importlib" not in listed
    assert all(getattr(module, name) is not None for name in listed)


@pytest.mark.parametrize("package", ["minewatch", "minewatch.model"])
def test_a_name_that_a_package_does_not_have_is_refused_with_those_it_has(package):
    module = importlib.import_module(package)
    with pytest.raises(AttributeError, match=r"has no 'gold'; it has .*[a-z]"):
        module.gold  # noqa: B018 - asking for it is the test
