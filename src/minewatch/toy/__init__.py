"""A made-up valley with gold mines, the same for the same seed on every machine.

It stands in for the world wherever an example, a test or a benchmark needs sites and imagery whose
truth is known: see `Valley`, `write_archive` for a year of its satellite images, and `write_osm`
for what people have mapped of it.
"""

from minewatch.toy._archive import write_archive
from minewatch.toy._archive_areas import archive_area, archive_areas
from minewatch.toy._osm import write_osm
from minewatch.toy._render import COVERS
from minewatch.toy._valley import Valley

__all__ = ["COVERS", "Valley", "archive_area", "archive_areas", "write_archive", "write_osm"]
