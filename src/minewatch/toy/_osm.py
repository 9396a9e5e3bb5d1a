"""Write the map that people have drawn of the valley, as an OpenStreetMap extract."""

from pathlib import Path
from typing import TYPE_CHECKING

from minewatch import _store
from minewatch.errors import InputError
from minewatch.toy._camera import EPSG
from minewatch.toy._osm_mines import map_mines
from minewatch.toy._osm_people import map_people
from minewatch.toy._osm_roads import map_roads
from minewatch.toy._osm_sheet import Sheet, write_sheet
from minewatch.toy._osm_survey import Survey
from minewatch.toy._osm_water import map_water
from minewatch.types import StrPath

if TYPE_CHECKING:
    from minewatch.toy._valley import Valley


def write_osm(valley: "Valley", path: StrPath, *, overwrite: bool = False) -> Path:
    """Write an OpenStreetMap extract of the valley, as incomplete as real maps are.

    What is mapped is where it is in the valley (to 7 decimals of a degree), but not all that is
    there is mapped. How much is differs from quarter to quarter; more is mapped beside villages and
    roads, and somewhat more beside mines that mappers know. Some of these are drawn in tags that
    name them (``landuse=quarry``, ``man_made=tailings_pond``, names with "Mina"), and two gravel
    pits bear the same tag. Equal valleys give equal bytes with equal versions of osmium and zlib.

    Parameters
    ----------
    valley
        The valley.
    path
        The file to write; its name ends in ``.osm.pbf``.
    overwrite
        Replace a file of that name.

    Returns
    -------
    Path
        The file: nodes, ways and relations sorted by id, with versions and timestamps; its header
        says that it is made up, and holds its bounding box and date.

    Raises
    ------
    InputError
        If the name does not end in ``.osm.pbf``.
    AlreadyThereError
        If the file exists and `overwrite` is false.

    Examples
    --------
    >>> import tempfile
    >>> import osmium
    >>> from minewatch import toy
    >>> valley = toy.Valley(seed=1, width_m=12_000, height_m=9_000)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = toy.write_osm(valley, Path(folder, "valley.osm.pbf"))
    ...     roads = [way.id for way in osmium.FileProcessor(file) if "highway" in way.tags]
    >>> len(roads) > 5
    True
    """
    final = Path(path)
    if not final.name.endswith(".osm.pbf"):
        raise InputError(
            f"{final} is to hold an OpenStreetMap extract; expected a name in .osm.pbf"
        )
    _store.refuse_existing(final, overwrite=overwrite)
    sheet = draw_sheet(valley)
    with _store.writing_file(final) as aside:
        aside.unlink(missing_ok=True)
        write_sheet(sheet, aside, f"EPSG:{EPSG}")
    return final


def draw_sheet(valley: "Valley") -> Sheet:
    """Draw all that is mapped of a valley."""
    survey = Survey(valley._land)  # noqa: SLF001  # of one room
    sheet = Sheet(valley.seed)
    for draw in (map_roads, map_water, map_people, map_mines):
        draw(sheet, survey)
    return sheet
