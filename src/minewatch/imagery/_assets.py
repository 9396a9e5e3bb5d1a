"""The files that a STAC item lists: which is which band, on which grid, with which numbers."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from minewatch.bands import NO_DATA, SCALE_FACTOR, Band, band
from minewatch.errors import BandError
from minewatch.imagery._links import resolve
from minewatch.imagery._values import mapping, mappings, number, numbers, texts

MASK_KEY: Final = "scl"
MASK_RESOLUTION_M: Final = 20.0


@dataclass(frozen=True)
class FoundAsset:
    """One file that an item lists."""

    key: str
    href: str
    resolution_m: float
    transform: tuple[float, ...] | None
    shape: tuple[int, int] | None
    scale: float
    """Reflectance of one digital number; 1e-4 if the item is silent."""
    offset: float | None
    """The offset that the item lists, in reflectance; None if it lists none."""
    nodata: float
    faults: tuple[str, ...] = ()
    """What it says that cannot be understood."""


@dataclass
class FoundAssets:
    """The files of an item that minewatch knows, and what is wrong with them."""

    bands: dict[str, FoundAsset] = field(default_factory=dict)
    mask: FoundAsset | None = None
    faults: list[str] = field(default_factory=list)

    @property
    def offsets(self) -> tuple[float, ...]:
        """The offsets that are listed for reflectance bands."""
        return tuple(one.offset for one in self.bands.values() if one.offset is not None)


def find_assets(item: Mapping[str, Any], *, base_href: str | None) -> FoundAssets:
    """Find the reflectance bands and the scene classification among an item's assets.

    A file is a band if its key is one of the band's names, with or without a resolution
    (``red``, ``B04``, ``B04_10m``), or else if it says so in ``eo:bands`` or ``bands``. Of several
    files of one band the one at the band's own resolution is taken, and a GeoTIFF rather than
    JPEG 2000. Pictures, thumbnails and the ``…-jp2`` copies of Earth Search are not bands.
    """
    base = base_href or _self_href(item)
    result = FoundAssets()
    candidates: dict[str, list[FoundAsset]] = {}
    for key, asset in mapping(item.get("assets")).items():
        if not isinstance(asset, Mapping) or not isinstance(asset.get("href"), str):
            continue
        if key.lower().split("_")[0] == MASK_KEY:
            candidates.setdefault(MASK_KEY, []).append(
                _read_asset(key, asset, base, MASK_RESOLUTION_M)
            )
        elif known := _band_of(key, asset):
            candidates.setdefault(known.name, []).append(
                _read_asset(key, asset, base, known.resolution_m)
            )
    for name, found in candidates.items():
        wanted_m = MASK_RESOLUTION_M if name == MASK_KEY else band(name).resolution_m
        chosen = min(found, key=lambda one: _rank(one, wanted_m))
        if name == MASK_KEY:
            result.mask = chosen
        else:
            result.bands[name] = chosen
    result.bands = dict(sorted(result.bands.items(), key=lambda pair: band(pair[0]).wavelength_nm))
    result.faults = list(_faults(result))
    return result


def _faults(found: FoundAssets) -> Iterator[str]:
    if not found.bands:
        yield "no asset is a Sentinel-2 band"
    odd = sorted(
        name for name, one in found.bands.items() if abs(one.scale / SCALE_FACTOR - 1) > 1e-6
    )
    if odd:
        yield f"scale of {', '.join(odd)} is {found.bands[odd[0]].scale:g}, expected {SCALE_FACTOR}"
    other = sorted(name for name, one in found.bands.items() if one.nodata != NO_DATA)
    if other:
        said = f"{found.bands[other[0]].nodata:g}"
        yield f"no data of {', '.join(other)} is {said}, expected {NO_DATA}"
    for name, one in [*found.bands.items(), *([(MASK_KEY, found.mask)] if found.mask else [])]:
        yield from (f"{name}: {fault}" for fault in one.faults)


def _band_of(key: str, asset: Mapping[str, Any]) -> Band | None:
    roles = texts(asset.get("roles"))
    if key.endswith("-jp2") or "overview" in roles:
        return None
    names = [key, key.split("_")[0]]
    described = mappings(asset.get("eo:bands")) or mappings(asset.get("bands"))
    if len(described) == 1 and "data" in (roles or ("data",)):
        names += [str(described[0].get(one, "")) for one in ("name", "common_name")]
    for name in names:
        try:
            return band(name)
        except BandError:
            continue
    return None


def _read_asset(
    key: str, asset: Mapping[str, Any], base: str | None, native_m: float
) -> FoundAsset:
    raster, faults = _raster(asset), list[str]()
    transform = numbers(asset.get("proj:transform"), 6, "proj:transform", faults)
    shape = numbers(asset.get("proj:shape"), 2, "proj:shape", faults)
    said_m = asset.get("gsd") or raster.get("spatial_resolution")
    size_m = abs(transform[0]) if transform else number(said_m, "gsd", faults)
    return FoundAsset(
        key=key,
        href=resolve(asset["href"], base),
        resolution_m=size_m or native_m,
        transform=transform,
        shape=None if shape is None else (int(shape[0]), int(shape[1])),
        scale=number(raster.get("scale"), "scale", faults) or SCALE_FACTOR,
        offset=number(raster.get("offset"), "offset", faults),
        nodata=_nodata(raster.get("nodata"), faults),
        faults=tuple(faults),
    )


def _nodata(value: object, faults: list[str]) -> float:
    """Read the number for no data; the raster extension allows ``"nan"`` for it."""
    if value in ("nan", "inf", "-inf") or (isinstance(value, float) and not math.isfinite(value)):
        return float(value)
    return number(value, "nodata", faults) or NO_DATA


def _raster(asset: Mapping[str, Any]) -> dict[str, Any]:
    """Collect what the raster extension says, in its first and its second version."""
    for listed in (asset.get("raster:bands"), asset.get("bands"), [asset]):
        if described := mappings(listed):
            found = {
                name: described[0].get(name, described[0].get(f"raster:{name}"))
                for name in ("scale", "offset", "spatial_resolution", "nodata")
            }
            if any(value is not None for value in found.values()):
                return found
    return {}


def _rank(found: FoundAsset, wanted_m: float) -> tuple[bool, bool, str]:
    return found.href.lower().endswith(".jp2"), found.resolution_m != wanted_m, found.key


def _self_href(item: Mapping[str, Any]) -> str | None:
    found = (link.get("href") for link in mappings(item.get("links")) if link.get("rel") == "self")
    return next((href for href in found if isinstance(href, str)), None)
