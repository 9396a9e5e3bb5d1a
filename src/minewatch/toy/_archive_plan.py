"""Which acquisitions an archive holds, and as which products a catalogue lists them."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal

from minewatch.errors import InputError
from minewatch.toy._noise import Chance
from minewatch.toy._shapes import Cells
from minewatch.toy._weather import Sky, Weather, draw_sky

MIN_ACQUISITIONS, MAX_ACQUISITIONS = 6, 73
REVISIT_DAYS: Final = 5
MAIN_TILE, SOUTH_TILE = "20NMN", "20NMM"
WHOLE_ORBIT, EDGE_ORBIT = 96, 139
"""The orbit that sees the whole area, and the one whose swath ends in it."""
EDGE_DAYS_EARLIER: Final = 2

OffsetKind = Literal["none yet", "still in", "taken out", "taken out, said to be in"]


@dataclass(frozen=True)
class Acquisition:
    """One pass of a satellite over the valley."""

    seed: int
    number: int
    start: datetime
    """Start of the datatake, UTC."""
    platform: str
    """S2A or S2B."""
    orbit: int
    sky: Sky

    @property
    def day(self) -> date:
        """The day, UTC."""
        return self.start.date()


@dataclass(frozen=True)
class Product:
    """One acquisition on one tile, as it was processed once: one item of the catalogue."""

    acquisition: Acquisition
    tile: str
    sequence: int
    """Number of the product among those of its tile and day, from 0."""
    baseline: str
    offset: OffsetKind
    """What became of the offset of its baseline, in its files and in its item."""
    part: Literal["whole", "north", "south"] = "whole"
    """Which half of a split acquisition it is."""
    generated_days_later: int = 0
    gain: float = 1.0
    """How another version of the processor differs: everything times this."""

    @property
    def id(self) -> str:
        """The item's id: ``S2A_20NMN_20230104_0_L2A``."""
        said = self.acquisition
        return f"{said.platform}_{self.tile}_{said.day:%Y%m%d}_{self.sequence}_L2A"

    @property
    def datastrip(self) -> datetime:
        """Start of the datastrip, UTC; the halves of a split acquisition differ in it."""
        seconds = 194 if self.part == "south" else 8
        return self.acquisition.start + timedelta(seconds=seconds)

    @property
    def sensed(self) -> datetime:
        """When the tile was seen, UTC."""
        seconds = 261.322 if self.tile == MAIN_TILE else 275.775
        return self.acquisition.start + timedelta(seconds=seconds)

    @property
    def generated(self) -> datetime:
        """When it was processed, UTC."""
        return self.acquisition.start + timedelta(
            days=self.generated_days_later, hours=4, minutes=11
        )

    @property
    def added_dn(self) -> int:
        """What its files hold on top of reflectance × 10,000: 0 or 1000."""
        return 1000 if self.offset == "still in" else 0


@dataclass(frozen=True)
class Tile:
    """One tile: what its files span, and where they hold pixels."""

    name: str
    """MGRS."""
    cells: Cells
    """What the files span."""
    parts: tuple[Cells, ...]
    """Where they hold pixels: rectangles that do not overlap. Nothing is stored between them."""


def lay_tiles(stretches: tuple[Cells, ...]) -> tuple[Tile, Tile]:
    """Lay two overlapping tiles over stretches: one over all, one across their southern edge.

    The southern tile also shows what lies beyond the edge of the stretches that reach it.
    """
    block = 6
    whole = span(stretches)
    end = whole.first_row + whole.n_rows
    southern = [one for one in stretches if one.first_row + one.n_rows == end]
    inside = max(1, whole.n_rows // (5 * block)) * block
    beyond = max(1, southern[0].n_rows // (8 * block)) * block
    start = end - inside
    parts = []
    for one in stretches:
        top = max(one.first_row, start)
        bottom = one.first_row + one.n_rows + (beyond if one in southern else 0)
        if top < bottom:
            parts.append(Cells(one.first_column, top, one.n_columns, bottom - top))
    south = Cells(whole.first_column, start, whole.n_columns, inside + beyond)
    return Tile(MAIN_TILE, whole, stretches), Tile(SOUTH_TILE, south, tuple(parts))


def span(stretches: tuple[Cells, ...]) -> Cells:
    """Give the smallest rectangle that holds all stretches."""
    left = min(one.first_column for one in stretches)
    top = min(one.first_row for one in stretches)
    right = max(one.first_column + one.n_columns for one in stretches)
    bottom = max(one.first_row + one.n_rows for one in stretches)
    return Cells(left, top, right - left, bottom - top)


def plan_products(seed: int, year: int, n_acquisitions: int) -> list[Product]:
    """Plan a year: its acquisitions in order of time, each with its products.

    Raises
    ------
    InputError
        If so many acquisitions cannot be made of a year, or too few to hold one of each kind.
    """
    if not MIN_ACQUISITIONS <= n_acquisitions <= MAX_ACQUISITIONS:
        raise InputError(
            f"n_acquisitions is {n_acquisitions}; expected {MIN_ACQUISITIONS} to {MAX_ACQUISITIONS}"
        )
    products = []
    for number in range(n_acquisitions):
        kind = _kind(number, n_acquisitions)
        products += _products(_acquire(seed, year, number, n_acquisitions), kind)
    return products


@dataclass(frozen=True)
class _Kind:
    """What befalls an acquisition after it was made."""

    baseline: str
    offset: OffsetKind
    reprocessed: bool
    split: bool
    on_both_tiles: bool


def _kind(number: int, n: int) -> _Kind:
    early, late = -(-n // 4), -(-n * 11 // 20)
    split = next(i for i in range(-(-n * 3 // 5), n) if not _sees_edge(i))
    wrong = next(i for i in range(late - 1, 0, -1) if not _sees_edge(i))
    baseline, offset = "05.09", "taken out"
    if number < early:
        baseline, offset = "03.01", "none yet"
    elif number < late:
        baseline = "04.00"
        offset = "taken out, said to be in" if number == wrong else "still in"
    return _Kind(
        baseline=baseline,
        offset=offset,  # type: ignore[arg-type]  # one of the words of OffsetKind
        reprocessed=number == 1,
        split=number == split,
        on_both_tiles=number % 3 == 0,
    )


def _sees_edge(number: int) -> bool:
    return number % 4 == 2


def _acquire(seed: int, year: int, number: int, n: int) -> Acquisition:
    edge = _sees_edge(number)
    later = number * MAX_ACQUISITIONS // n * REVISIT_DAYS - (EDGE_DAYS_EARLIER if edge else 0)
    clock = (14, 37, 41) if edge else (14, 47, 29)
    start = datetime(year, 1, 4, *clock, tzinfo=UTC) + timedelta(days=later)
    first = Chance(seed, "luck", year).uniform()
    luck = (first + number * 0.618034) % 1.0  # even over the year, unlike dice
    sky = draw_sky(seed, start.date(), luck, _forced_weather(number, n))
    platform = "S2A" if (later // REVISIT_DAYS) % 2 == 0 else "S2B"
    return Acquisition(seed, number, start, platform, EDGE_ORBIT if edge else WHOLE_ORBIT, sky)


def _forced_weather(number: int, n: int) -> Weather | None:
    """Keep thick clouds from hiding what an acquisition is there to show."""
    kind = _kind(number, n)
    if kind.offset == "taken out, said to be in":
        return "clear"
    return "cumulus" if kind.split or kind.reprocessed else None


def _products(acquisition: Acquisition, kind: _Kind) -> list[Product]:
    tiles = (MAIN_TILE, SOUTH_TILE) if kind.on_both_tiles else (MAIN_TILE,)
    products = []
    for tile in tiles:
        if not kind.split:
            products.append(Product(acquisition, tile, 0, kind.baseline, kind.offset))
        elif tile == SOUTH_TILE:
            products.append(Product(acquisition, tile, 0, kind.baseline, kind.offset, "south"))
        else:
            products.append(Product(acquisition, tile, 0, kind.baseline, kind.offset, "north"))
            products.append(Product(acquisition, tile, 1, kind.baseline, kind.offset, "south"))
        if kind.reprocessed:
            products.append(
                Product(
                    acquisition,
                    tile,
                    1,
                    "05.00",
                    "taken out",
                    generated_days_later=211,
                    gain=0.985,
                )
            )
    return products
