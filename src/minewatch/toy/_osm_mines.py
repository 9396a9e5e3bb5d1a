"""Map what people know of the mines, in tags that name them, and their ponds, which do not."""

from datetime import date
from typing import Final

import shapely

from minewatch.toy._osm_sheet import Sheet
from minewatch.toy._osm_survey import Survey, ring_area
from minewatch.toy._osm_water import points_of
from minewatch.toy._shapes import middle

OUTLINE, TAILINGS, NAMED = 0.45, 0.3, 0.4
"""Chances that a known mine has its outline, its largest pond and a name on the map."""
GRAVEL: Final = (0.75, 2)
"""Pastures barer than this may be drawn as gravel pits, and how many are: no gold in them."""
MINE_NAMES: Final = (
    "El Tucán", "La Paciencia", "Cuatro Vientos", "El Cachicamo", "La Esperanza Vieja", "Payara",
    "El Bagre", "Monte Solo", "La Culebra", "Siete Ceibas",
)  # fmt: skip


def map_mines(sheet: Sheet, survey: Survey) -> None:
    """Draw what is mapped of the mines, and gravel pits that bear the same tag."""
    taken: set[int] = set()
    for mine, opened in survey.known_mines.items():
        taken |= _map_known(sheet, survey, mine, opened)
    _map_ponds(sheet, survey, taken)
    _map_gravel(sheet, survey)


def _map_known(sheet: Sheet, survey: Survey, mine: int, opened: date) -> set[int]:
    """Draw one known mine; give the ponds that were drawn as holding its tailings."""
    ring, luck = points_of(survey.land.mines.rings[mine]), survey.luck("mine", mine)
    quarry, tailings, named = (luck.happens(chance) for chance in (OUTLINE, TAILINGS, NAMED))
    word = luck.choice(("Mina", "Mina", "Garimpo"))
    name = {"name": f"{word} {luck.choice(MINE_NAMES)}"} if named else {}
    if quarry:
        resource = {"resource": "gold"} if luck.happens(0.5) else {}
        sheet.draw_ring(ring, {"landuse": "quarry", **resource, **name}, since=opened)
    elif named:
        sheet.draw_node(middle(ring), {"place": "locality", **name}, since=opened)
    owners = survey.land.mine_pond_mine
    ponds = [i for i, owner in enumerate(owners) if owner == mine and _shows(survey, i)]
    if not (tailings and ponds):
        return set()
    largest = max(ponds, key=lambda pond: ring_area(survey.land.mine_ponds.rings[pond]))
    outline = points_of(survey.land.mine_ponds.rings[largest])
    tags = {"man_made": "tailings_pond", "natural": "water"}
    sheet.draw_ring(outline, tags, since=opened)
    return {largest}


def _map_ponds(sheet: Sheet, survey: Survey, taken: set[int]) -> None:
    """Draw ponds of mines as plain water, known mine or not, if the mine was there in time."""
    land = survey.land
    for pond, owner in enumerate(land.mine_pond_mine):
        opened = survey.opened(int(owner))
        ring = points_of(land.mine_ponds.rings[pond])
        if pond in taken or opened is None or not survey.maps("mine pond", pond, middle(ring)):
            continue
        if _shows(survey, pond):
            sheet.draw_ring(ring, {"natural": "water"}, since=opened)


def _shows(survey: Survey, pond: int) -> bool:
    """Say whether a pond lies wholly in its mine; outside, no water would be seen."""
    land = survey.land
    mine = shapely.Polygon(land.mines.rings[int(land.mine_pond_mine[pond])])
    return bool(mine.contains(shapely.Polygon(land.mine_ponds.rings[pond])))


def _map_gravel(sheet: Sheet, survey: Survey) -> None:
    land = survey.land
    bare = [number for number, share in enumerate(land.bareness) if share > GRAVEL[0]]
    rings = [points_of(land.pastures.rings[number]) for number in bare]
    inside = [ring for ring in rings if all(land.extent.holds(point) for point in ring)]
    for ring in inside[: GRAVEL[1]]:
        sheet.draw_ring(ring, {"landuse": "quarry", "resource": "gravel"})
