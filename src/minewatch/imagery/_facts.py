"""What a STAC item of Sentinel-2 says about itself, in the spellings of several catalogues."""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import shapely
from shapely.geometry.base import BaseGeometry

from minewatch.imagery._catalogues import read_maker
from minewatch.imagery._footprints import read_footprint
from minewatch.imagery._values import mapping, number
from minewatch.types import Level

_PRODUCT: Final = re.compile(
    r"(?P<platform>S2[A-D])_MSI(?P<level>L1C|L2A)_(?P<datatake>\d{8}T\d{6})"
    r"(?:_N(?P<baseline>\d{4}))?_R(?P<orbit>\d{3})_T(?P<tile>\d{2}[A-Z]{3})"
)
"""ESA's product name, with or without the baseline (the Planetary Computer's ids leave it out)."""
_TILE: Final = re.compile(r"^(?:MGRS-)?T?(\d{1,2})([C-X])([A-Z]{2})$")
_DATASTRIP: Final = re.compile(r"_S(\d{8}T\d{6})_N(\d{2})\.(\d{2})")
_DATATAKE: Final = re.compile(r"^G(S2[A-D])_(\d{8}T\d{6})_")


_BASELINE: Final = re.compile(r"^N?(\d{2})\.?(\d{2})$")
_NEVER: Final = dt.datetime.min.replace(tzinfo=dt.UTC)


@dataclass
class Facts:
    """What an item says about its scene; `faults` names what is missing."""

    id: str
    properties: Mapping[str, Any]
    collection: str = ""
    datetime: dt.datetime = _NEVER
    platform: str = ""
    level: Level = "L2A"
    baseline: str = ""
    tile: str = ""
    orbit: int | None = None
    datatake: str | None = None
    datastrip: str | None = None
    generated: dt.datetime | None = None
    epsg: int = 0
    cloud_percent: float | None = None
    maker: str = ""
    footprint: BaseGeometry = field(default_factory=shapely.Polygon)
    faults: list[str] = field(default_factory=list)


def read_facts(item: Mapping[str, Any], *, collection: str | None) -> Facts:
    """Read what an item says about when, where and how its scene was made."""
    properties = mapping(item.get("properties"))
    facts = Facts(id=str(item.get("id") or "an item without id"), properties=properties)
    facts.collection = str(item.get("collection") or collection or "")
    product = _product(item, properties)
    _read_identity(facts, product)
    _read_times(facts, product)
    _read_ground(facts, item)
    cloud = properties.get("eo:cloud_cover")
    facts.cloud_percent = number(cloud, "eo:cloud_cover", facts.faults)
    facts.maker = read_maker(properties)
    return facts


def _product(item: Mapping[str, Any], properties: Mapping[str, Any]) -> dict[str, str]:
    for name in (
        properties.get("s2:product_uri"),
        properties.get("sentinel:product_id"),
        item.get("id"),
    ):
        if match := _PRODUCT.search(str(name or "")):
            return {key: value for key, value in match.groupdict().items() if value}
    return {}


def _read_identity(facts: Facts, product: Mapping[str, str]) -> None:
    said = facts.properties
    platform = str(said.get("platform") or product.get("platform") or facts.id[:3])
    facts.platform = "S2" + platform[-1].upper()
    if facts.platform not in ("S2A", "S2B", "S2C", "S2D"):
        facts.faults.append(f"platform {platform!r} is not a Sentinel-2")
    level = _level(facts, product)
    if level is None:
        facts.faults.append("neither L1C nor L2A is said")
    else:
        facts.level = level
    baseline = _baseline(said, product)
    if baseline is None:
        facts.faults.append("no processing baseline, which decides on the offset of its numbers")
    else:
        facts.baseline = baseline
    orbit = re.fullmatch(r"R?(\d{1,3})", str(said.get("sat:relative_orbit") or ""))
    named = orbit[1] if orbit else product.get("orbit")
    facts.orbit = None if named is None else int(named)


def _level(facts: Facts, product: Mapping[str, str]) -> Level | None:
    said = facts.properties
    names = (
        said.get("s2:product_type"),
        product.get("level"),
        said.get("processing:level"),
        facts.collection,
        facts.id,
    )
    for name in names:
        text = str(name or "").upper()
        if text.endswith("2A") or "L2A" in text or text == "L2":
            return "L2A"
        if text.endswith("1C") or "L1C" in text or text == "L1":
            return "L1C"
    return None


def _baseline(said: Mapping[str, Any], product: Mapping[str, str]) -> str | None:
    names = ("s2:processing_baseline", "sentinel:processing_baseline", "processing:version")
    stated = next((str(said[name]) for name in names if said.get(name)), None)
    match = _DATASTRIP.search(str(said.get("s2:datastrip_id") or ""))
    found = stated or product.get("baseline") or (f"{match[2]}.{match[3]}" if match else "")
    digits = _BASELINE.match(found)
    return f"{digits[1]}.{digits[2]}" if digits else None


def _read_times(facts: Facts, product: Mapping[str, str]) -> None:
    said = facts.properties
    sensed = _time(said.get("datetime") or said.get("start_datetime"))
    if sensed is None:
        facts.faults.append("no datetime")
    else:
        facts.datetime = sensed
    facts.generated = _time(said.get("s2:generation_time") or said.get("processing:datetime"))
    match = _DATATAKE.search(str(said.get("s2:datatake_id") or ""))
    facts.datatake = match[2] if match else product.get("datatake")
    match = _DATASTRIP.search(str(said.get("s2:datastrip_id") or ""))
    facts.datastrip = match[1] if match else None


def _time(value: object) -> dt.datetime | None:
    if not isinstance(value, str):
        return None
    try:
        found = dt.datetime.fromisoformat(value)
    except ValueError:
        return None
    return found.replace(tzinfo=dt.UTC) if found.tzinfo is None else found.astimezone(dt.UTC)


def _read_ground(facts: Facts, item: Mapping[str, Any]) -> None:
    tile = _tile(facts.properties, facts.id)
    if tile is None:
        facts.faults.append("no MGRS tile")
    else:
        facts.tile = tile
    epsg = _epsg(item)
    if epsg is None:
        facts.faults.append("no proj:epsg or proj:code of a UTM zone")
    else:
        facts.epsg = epsg
    try:
        facts.footprint = read_footprint(item.get("geometry"))
    except ValueError as error:
        facts.faults.append(f"no footprint ({error})")


def _tile(said: Mapping[str, Any], item_id: str) -> str | None:
    mgrs = [said.get(f"mgrs:{name}") for name in ("utm_zone", "latitude_band", "grid_square")]
    names = [said.get("s2:mgrs_tile"), said.get("grid:code"), "".join(str(part) for part in mgrs)]
    names += [part for part in item_id.split("_") if 4 <= len(part) <= 6]
    for name in names:
        if match := _TILE.match(str(name or "")):
            return f"{int(match[1]):02d}{match[2]}{match[3]}"
    return None


def _epsg(item: Mapping[str, Any]) -> int | None:
    holders = [item.get("properties"), *mapping(item.get("assets")).values()]
    for holder in map(mapping, holders):
        code = holder.get("proj:epsg") or str(holder.get("proj:code") or "").rpartition("EPSG:")[2]
        if str(code).isdecimal() and int(code) // 100 in (326, 327):
            return int(code)
    return None
