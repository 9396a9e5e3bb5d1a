"""Sources are opened by name, address or folder, and asked for nothing before they are used."""

from pathlib import Path

import pytest

from minewatch.errors import InputError, LevelError, NotThereError
from minewatch.imagery import EarthEngineSource, FolderSource, StacSource, open_source
from minewatch.imagery._catalogues import CATALOGUES


@pytest.mark.parametrize("name", CATALOGUES)
def test_every_known_catalogue_opens_with_its_first_collection(name: str) -> None:
    source = open_source(name)
    assert isinstance(source, StacSource)
    assert source.level == CATALOGUES[name].collections[0][1]


def test_only_the_planetary_computer_signs_its_links() -> None:
    assert {one.name for one in CATALOGUES.values() if one.sign} == {"planetary-computer"}


def test_every_collection_of_a_known_catalogue_opens() -> None:
    for catalogue in CATALOGUES.values():
        for collection, level in catalogue.collections:
            assert open_source(catalogue.name, collection=collection).level == level


def test_the_level_of_a_known_collection_cannot_be_called_another() -> None:
    with pytest.raises(LevelError, match="is L2A, not L1C"):
        open_source("earth-search", level="L1C")


def test_another_api_needs_its_collection_named() -> None:
    with pytest.raises(InputError, match="collection"):
        open_source("https://stac.test/v1")
    assert open_source("https://stac.test/v1", collection="s2-l2a").level == "L2A"


def test_a_level_that_cannot_be_seen_is_asked_for() -> None:
    with pytest.raises(LevelError, match="level is None"):
        open_source("https://stac.test/v1", collection="sentinel-2")
    assert open_source("https://stac.test/v1", collection="sentinel-2", level="L1C").level == "L1C"


def test_a_folder_opens_as_one(tmp_path: Path) -> None:
    assert isinstance(open_source(tmp_path), FolderSource)


def test_earth_engine_gives_l1c_unless_told_otherwise() -> None:
    source = open_source("earth-engine", project="a-project")
    assert isinstance(source, EarthEngineSource)
    assert source.level == "L1C"
    assert open_source("earth-engine", level="L2A").level == "L2A"


def test_what_is_nothing_is_named_with_what_is_known() -> None:
    with pytest.raises(NotThereError, match="earth-search, planetary-computer, earth-engine"):
        open_source("earthsearch")
