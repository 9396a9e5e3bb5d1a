"""Which scenes a place is made from, in which order, and why others are not.

A *view* is what one pass of a satellite saw of a place. It may come in several scenes: overlapping
tiles, tiles of two UTM zones, the two halves of an acquisition that was split. Counting it once
keeps the median and the count of clear views honest.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np
import shapely
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from minewatch.errors import BandError, LevelError
from minewatch.imagery._footprints import place_polygon
from minewatch.imagery._items import Scene
from minewatch.imagery._query import SceneQuery

SAME_PASS: Final = dt.timedelta(minutes=45)
"""Scenes of one satellite that follow within this time belong to one pass: half an orbit. (The
halves of a long acquisition bear start times up to some 20 minutes apart.)"""
COVER_MARGIN_M: Final = 300.0
"""A footprint covers a place wholly if it reaches this far beyond it: footprints are simplified."""


@dataclass(frozen=True)
class Dropped:
    """A scene that is not used for a place, and why."""

    scene: Scene
    reason: str
    """One line."""


@dataclass(frozen=True)
class Choice:
    """The scenes of a place, chosen and not."""

    views: tuple[tuple[Scene, ...], ...]
    """Views in order of time; in each the scenes to read, each filled by the next."""
    dropped: tuple[Dropped, ...]
    """Scenes that are not used, in order of time."""


def choose_scenes(scenes: Iterable[Scene], geobox: GeoBox, query: SceneQuery) -> list[list[Scene]]:
    """Choose the scenes that a place is made from: views in order of time, each of scenes.

    The rules are those of `judge_scenes`, which also says why the others are not used.
    """
    return [list(view) for view in judge_scenes(scenes, geobox, query).views]


def judge_scenes(scenes: Iterable[Scene], geobox: GeoBox, query: SceneQuery) -> Choice:
    """Choose the scenes that a place is made from, and say why others are not.

    The rules, in this order:

    1. Dropped: scenes outside the period, that do not touch the place, that are cloudier than
       `max_cloud_percent`, or that lack a band of the query.
    2. Of several versions of one datastrip on one tile the newest baseline stays, and of one
       baseline the one processed last. The halves of a split acquisition are different datastrips,
       so both stay. Scenes that name no datastrip are told apart by their acquisition; of those,
       all of the newest baseline stay, as they may be halves.
    3. Scenes of one satellite within 45 minutes are one view. In it those in the place's own UTM
       zone come first, then newer baselines, then those that cover more of the place.
    4. Behind a scene that covers the place wholly, with 300 m to spare, nothing else is read.

    Parameters
    ----------
    scenes
        Scenes of one level, in any order.
    geobox
        The place.
    query
        Period, bands and the limit of cloud.

    Returns
    -------
    Choice
        The same whatever the order of the scenes.

    Raises
    ------
    BandError
        If every scene of the place lacks the same band.
    LevelError
        If scenes of both levels are given.
    """
    in_order = sorted(_once(scenes), key=lambda scene: (scene.datetime, scene.id))
    if len({scene.level for scene in in_order}) > 1:
        raise LevelError("scenes of L1C and L2A were given together; they are never mixed")
    ground = _Ground(geobox)
    fitting, dropped = _drop_unfit(in_order, ground.polygon, query)
    newest, older = _newest_versions(fitting)
    dropped += older
    views = []
    for together in _passes(newest):
        view, hidden = _order_view(together, ground)
        views.append(tuple(view))
        dropped += hidden
    views.sort(key=lambda view: (min(scene.datetime for scene in view), view[0].id))
    dropped.sort(key=lambda one: (one.scene.datetime, one.scene.id))
    return Choice(tuple(views), tuple(dropped))


def _once(scenes: Iterable[Scene]) -> list[Scene]:
    """Give each scene once, however often a catalogue lists it."""
    return list({(scene.collection, scene.id): scene for scene in scenes}.values())


def _drop_unfit(
    scenes: Sequence[Scene], place: BaseGeometry, query: SceneQuery
) -> tuple[list[Scene], list[Dropped]]:
    touching = shapely.intersects(np.array([scene.footprint for scene in scenes]), place)
    reasons = [
        _unfit(scene, query) if touches else "does not cover the place"
        for scene, touches in zip(scenes, touching, strict=True)
    ]
    fitting = [scene for scene, why in zip(scenes, reasons, strict=True) if why is None]
    dropped = [Dropped(scene, why) for scene, why in zip(scenes, reasons, strict=True) if why]
    lacking = [set(query.bands) - set(scene.bands) for scene in scenes]
    if scenes and (nowhere := set.intersection(*lacking)):
        raise BandError(
            f"none of the {len(scenes)} {scenes[0].level} scenes has {', '.join(sorted(nowhere))}; "
            f"they have {', '.join(scenes[0].bands)}"
        )
    return fitting, dropped


def _unfit(scene: Scene, query: SceneQuery) -> str | None:
    if not query.start <= scene.date <= query.end:
        return f"outside the period {query.start} to {query.end}"
    if scene.cloud_percent is not None and scene.cloud_percent > query.max_cloud_percent:
        return f"cloud {scene.cloud_percent:.0f} % exceeds {query.max_cloud_percent:g} %"
    missing = [name for name in query.bands if name not in scene.bands]
    if missing:
        return f"has no {', '.join(missing)}"
    files = [scene.bands[name] for name in query.bands]
    if any(asset.href.lower().endswith(".jp2") for asset in files):
        return "its files are JPEG 2000, which cannot be read by block"
    return None


def _newest_versions(scenes: Sequence[Scene]) -> tuple[list[Scene], list[Dropped]]:
    """Keep of each datastrip on each tile the version with the newest baseline."""
    newest: dict[tuple[str, ...], Scene] = {}
    for scene in sorted(scenes, key=_version):
        newest[_strip(scene)] = scene
    older = [_is_older(scene, newest[_strip(scene)]) for scene in scenes]
    dropped = [
        Dropped(scene, f"an older version of {newest[_strip(scene)].id}")
        for scene, is_older in zip(scenes, older, strict=True)
        if is_older
    ]
    return [scene for scene, out in zip(scenes, older, strict=True) if not out], dropped


def _is_older(scene: Scene, newest: Scene) -> bool:
    if scene.datastrip is None:  # of one baseline, it may be the other half of the acquisition
        return scene.baseline < newest.baseline
    return scene is not newest


def _strip(scene: Scene) -> tuple[str, ...]:
    strip = scene.datastrip or scene.datatake or scene.datetime.isoformat(timespec="seconds")
    return scene.platform, scene.tile, strip


def _version(scene: Scene) -> tuple[str, str, str, str]:
    generated = scene.generated.isoformat() if scene.generated else ""
    return scene.baseline, generated, scene.collection, scene.id


def _passes(scenes: Sequence[Scene]) -> list[list[Scene]]:
    passes: list[list[Scene]] = []
    by_platform = sorted(scenes, key=lambda scene: (scene.platform, scene.datetime, scene.id))
    for _, own in groupby(by_platform, key=lambda scene: scene.platform):
        last = None
        for scene in own:
            if last is None or scene.datetime - last > SAME_PASS:
                passes.append([])
            passes[-1].append(scene)
            last = scene.datetime
    return passes


class _Ground:
    """A place, and how scenes lie to it."""

    def __init__(self, geobox: GeoBox) -> None:
        self.epsg = geobox.crs.epsg if geobox.crs is not None else None
        self.polygon = place_polygon(geobox)
        self.with_margin = place_polygon(geobox, margin_m=COVER_MARGIN_M)

    def covered_by(self, scene: Scene) -> bool:
        return bool(scene.footprint.covers(self.with_margin))

    def share(self, scene: Scene) -> float:
        if scene.footprint.covers(self.polygon):
            return 1.0
        return round(scene.footprint.intersection(self.polygon).area / self.polygon.area, 3)


def _order_view(together: Sequence[Scene], ground: _Ground) -> tuple[list[Scene], list[Dropped]]:
    shares = {id(scene): ground.share(scene) for scene in together}
    ordered = sorted(
        together,
        key=lambda scene: (
            scene.epsg != ground.epsg,
            -float(scene.baseline),
            -shares[id(scene)],
            scene.tile,
            scene.id,
        ),
    )
    full = next((i for i, scene in enumerate(ordered) if ground.covered_by(scene)), None)
    if full is None:
        return ordered, []
    view = ordered[: full + 1]
    hidden = [
        Dropped(scene, f"the same view as {ordered[full].id}, which covers the place")
        for scene in ordered[full + 1 :]
    ]
    return view, hidden
