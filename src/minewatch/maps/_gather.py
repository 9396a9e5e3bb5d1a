"""From files, or tables, to what a map is made from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd

from minewatch import __version__
from minewatch._store import digest_files
from minewatch.errors import InputError
from minewatch.maps._area import read_area
from minewatch.maps._contents import Composite, MapContents, Period
from minewatch.maps._earlier import tell_if_few
from minewatch.maps._gather_periods import (
    check_days,
    check_imagery,
    check_order,
    check_rule,
    list_periods,
    own_period,
    parse_earlier,
)
from minewatch.maps._known import Known, read_known, region_of, words_of_area
from minewatch.maps._page_columns import NUMBERS
from minewatch.maps._settlement import SETTLEMENT_M, with_settlements
from minewatch.scan import read_detections, read_windows, touched_names
from minewatch.scan._compare_ground import check_detections
from minewatch.scan._compare_unseen import NOT_SEEN, find_not_seen
from minewatch.scan._folder import SCORES
from minewatch.scan._merge_file import attribution_in
from minewatch.scan._merge_ids import DETECTION_ID
from minewatch.scan._merge_polygons import area_ha, points_within
from minewatch.scan._merge_windows import HEADER
from minewatch.sites import read_sites
from minewatch.sites._regions import read_polygons
from minewatch.types import FloatArray, StrPath

if TYPE_CHECKING:
    from minewatch.context import Features
    from minewatch.model import Card

_OUTLINED: Final = ("ground_ha", "bare_ha", "pond_ha")
_OF_CHANGES: Final = ("change", "before_ha")
_OWN: Final = ("longitude", "latitude", "area_ha")
"""Numbers that are always those of the polygons."""
_SAME_AREA: Final = 0.001
"""Hectares that differ by less are those of the polygon, written with fewer digits."""


@dataclass(frozen=True)
class Layers:
    """Files that lie beside detections; None, or empty, where there is none."""

    scores: StrPath | None = None
    """``scores.parquet`` of a scan, or its folder. None: those beside the detections of that very
    scan, if they lie there."""
    not_seen: StrPath | None = None
    """Polygons that were not seen. None: ``not_seen.parquet`` beside the scores, or beside the
    detections of that very scan."""
    changes: StrPath | None = None
    """Places that ``scan compare`` wrote: ``…_places.parquet``."""
    outlines: StrPath | None = None
    """What ``scan outline`` wrote."""
    reviewed: StrPath | None = None
    """A sample of these detections that ``scan area`` drew and people reviewed, with its strata
    beside it."""
    sites: StrPath | None = None
    """Labelled points."""
    features: StrPath | None = None
    """Map features that ``context fetch`` wrote."""
    overlays: Mapping[StrPath, str] = field(default_factory=dict)
    """Files of polygons, each with its column of names; they are called like the files."""
    earlier: Mapping[str, StrPath] = field(default_factory=dict)
    """Detections of earlier periods, by period (``2023``). Each begins and ends before the map's
    own does."""

    @property
    def files(self) -> list[Path]:
        """Every file that is read."""
        single = (
            self.not_seen,
            self.changes,
            self.outlines,
            self.reviewed,
            self.sites,
            self.features,
        )
        named = [one for one in single if one is not None]
        scores = [] if self.scores is None else [_scores_file(self.scores)]
        return [*scores, *map(Path, (*named, *self.overlays, *self.earlier.values()))]


def gather_contents(  # noqa: PLR0913 - keyword-only: they are what a map is asked
    detections: StrPath | gpd.GeoDataFrame,
    layers: Layers = Layers(),
    *,
    title: str = "",
    attribution: Sequence[str] = (),
    period: str | None = None,
    threshold: float | None = None,
    detector: StrPath | None = None,
    found_by: str = "",
    composites: Sequence[Composite] = (),
) -> MapContents:
    """Put together what a map is made from: detections, and what is known of them.

    What the detections say of themselves, when this package made them, need not be said again:
    their rule, detector, period, and whom to name. Of polygons that others made it has to be said.

    Parameters
    ----------
    detections
        A file of polygons, or a table as `minewatch.scan.merge_detections` gives it.
    layers
        Files that lie beside them.
    title
        What is shown. Empty: a title made of the period.
    attribution
        Whom to name besides those that the files name.
    period
        Of the imagery: ``2024``, ``2024-02``, ``2023-10-01/2024-03-31``. None: what the detections
        say.
    threshold
        Score from which on windows counted as detected. None: what the detections say.
    detector
        Folder of the detector that found them, for its card. Where the detections do not name
        theirs, that this one found them is the caller's word.
    found_by
        Who, or what, found them, in words, where there is no such folder. Empty: the detector's
        name.
    composites
        Imagery to show.

    Returns
    -------
    MapContents
        For `write_files` and `write_map`.

    Raises
    ------
    InputError
        If nothing says of which period the map is, or whom to name; if a file cannot be used; if
        an earlier period is not earlier; if a period, a threshold, or a detector, is not the one
        that the detections name; if a reviewed sample was drawn from others.
    NotThereError
        If a file is not there.

    Warns
    -----
    EarlierWarning
        If next to none of the detections meets one of an earlier period.

    Examples
    --------
    >>> import shapely
    >>> mines = gpd.GeoDataFrame(
    ...     index=pd.Index(["a"], name="detection_id"), crs="EPSG:4326",
    ...     geometry=[shapely.box(-62.60, 5.40, -62.59, 5.41)],
    ... )
    >>> contents = gather_contents(mines, period="2024", attribution=["drawn by hand"])
    >>> contents.title, contents.detections["area_ha"].round(1).tolist()
    ('Mining in 2024', [122.6])
    """
    table = _read(detections)
    header = table.attrs.get(HEADER)
    known = read_known(header, table)
    check_rule(known, threshold, found_by)
    card = None if detector is None else _read_card(detector, known, found_by)
    features = None if layers.features is None else _read_features(layers.features)
    before = parse_earlier(layers.earlier)
    earlier = {one: _read_earlier(path, one) for one, path in before.items()}
    names = _credits(known, attribution, features, earlier.values())
    own = _check_said(own_period(known, period), names)
    check_order(before, own)
    layers = _with_own_scan(detections, table, layers)
    not_seen_file = None if layers.not_seen is None else Path(layers.not_seen)
    outlines = None if layers.outlines is None else read_detections(layers.outlines)
    changes = None if layers.changes is None else _read_changes(layers.changes)
    area = None if layers.reviewed is None else read_area(layers.reviewed, _file(detections), own)
    overlays = {Path(path).stem: _read_overlay(path, of) for path, of in layers.overlays.items()}
    contents = MapContents(
        detections=_complete(table, outlines, changes, overlays, features),
        title=title or f"Mining in {own.name}",
        attribution=names,
        periods=list_periods([*earlier, own]),
        threshold=known.threshold if threshold is None else threshold,
        threshold_from=known.threshold_from if threshold is None else "as said",
        detector=found_by or (card.name if card else known.detector),
        card=card,
        area_means=words_of_area(known.window_m, outlined=outlines is not None),
        area=area,
        not_seen=None if not_seen_file is None else _read_not_seen(not_seen_file),
        seen_means=_words_of_seen(not_seen_file),
        region=None if not_seen_file is None else region_of(not_seen_file),
        earlier={one.name: _complete(of, None, None, {}, features) for one, of in earlier.items()},
        changes=changes,
        scores=None if layers.scores is None else read_windows(layers.scores),
        outlines=outlines,
        sites=None if layers.sites is None else read_sites(layers.sites),
        features=features,
        overlays=overlays,
        overlay_columns=tuple(overlays),
        made=_made(detections, layers, header),
    )
    return tell_if_few(add_composites(contents, composites))


def add_composites(contents: MapContents, composites: Sequence[Composite]) -> MapContents:
    """Add imagery to what a map is made from, with its periods and whom to name.

    Raises
    ------
    InputError
        If it is of days after those of the detections: nobody looked for mines in it.
    """
    words = [one.attribution for one in composites]
    shown = [Period.parse(one.period) for one in composites]
    if contents.periods:
        check_imagery(shown, contents.periods[-1])
    return replace(
        contents,
        attribution=_each_once([*contents.attribution, *words]),
        periods=list_periods([*shown, *contents.periods]),
        composites=tuple(sorted(composites, key=lambda one: Period.parse(one.period).start)),
    )


def _read(detections: StrPath | gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    if not isinstance(detections, gpd.GeoDataFrame):
        return read_detections(detections)
    table = check_detections(detections).copy(deep=False)
    table.index = pd.Index(table.index.astype("str"), name=DETECTION_ID, dtype="str")
    return table


def _file(detections: StrPath | gpd.GeoDataFrame) -> StrPath | None:
    return None if isinstance(detections, gpd.GeoDataFrame) else detections


def _read_card(folder: StrPath, known: Known, found_by: str) -> "Card":
    """Read a detector's card; refuse that of another than found the detections, if it is known."""
    from minewatch.model._card import read_card

    card = read_card(Path(folder))
    if found_by not in {"", card.name}:
        raise InputError(
            f"{found_by!r} is said to have found the detections, and {folder} holds {card.name!r}, "
            "whose figures would say nothing of them; give the detector that found them, or say "
            "who did, not both"
        )
    if known.digest not in {"", card.digest}:
        raise InputError(
            f"the detections were found by {known.detector or 'a detector'} "
            f"({known.digest[:19]}…), and {folder} holds {card.name} ({card.digest[:19]}…): its "
            "figures say nothing of them. Give the detector that found them, or none; in a study, "
            "`minewatch run` scans again with the new one"
        )
    return card


def _read_features(path: StrPath) -> "Features":
    from minewatch.context import read_features

    return read_features(path)


def _read_changes(path: StrPath) -> gpd.GeoDataFrame:
    table = read_detections(path) if Path(path).suffix != ".parquet" else gpd.read_parquet(path)
    missing = [name for name in ("change", "after_ids") if name not in table]
    if missing:
        raise InputError(
            f"{path} lacks {', '.join(missing)}; expected …_places.parquet, as scan compare "
            "writes it"
        )
    return table


def _read_not_seen(path: Path) -> gpd.GeoDataFrame:
    """Read polygons that were not seen; of those that others drew the reason may not be known."""
    table = read_polygons(path)
    if "reason" not in table:
        table = table.assign(reason=pd.array(["not seen"] * len(table), dtype="str"))
    return table.assign(area_ha=area_ha(table.geometry.to_numpy()))


def _read_overlay(path: StrPath, name_column: str) -> gpd.GeoDataFrame:
    layer = read_polygons(path)
    if name_column not in layer.columns:
        columns = ", ".join(str(name) for name in layer.columns if name != layer.geometry.name)
        raise InputError(f"{path} has no column {name_column!r}; it has {columns}")
    named = layer[name_column].astype("str").fillna("(no name)")
    return gpd.GeoDataFrame({"name": named}, geometry=layer.geometry, crs=layer.crs)


def _credits(
    known: Known,
    said: Sequence[str],
    features: "Features | None",
    earlier: Iterable[gpd.GeoDataFrame],
) -> tuple[str, ...]:
    """List whom to name."""
    mapped = "" if features is None else str(features.info.get("attribution") or "")
    before = [attribution_in(table.attrs.get(HEADER)) for table in earlier]
    return _each_once([known.attribution, *before, *said, mapped])


def _each_once(words: Iterable[str]) -> tuple[str, ...]:
    single = [part.strip() for text in words for part in text.split(";")]
    return tuple(dict.fromkeys(text for text in single if text))


def _check_said(period: Period | None, names: Sequence[str]) -> Period:
    """Give the period; refuse a map that would not say when, or whose work it is."""
    missing = []
    if period is None:
        missing.append("of which period the imagery is (period=, --period 2024)")
    if not names:
        missing.append("whom to name (attribution=, --attribution)")
    if missing or period is None:
        raise InputError(
            f"the detections do not say {' nor '.join(missing)}; say it: a map without it would "
            "be no use to those who have to judge it"
        )
    return period


def _read_earlier(path: StrPath, period: Period) -> gpd.GeoDataFrame:
    table = _read(path)
    check_days(str(path), read_known(table.attrs.get(HEADER), table), period)
    return table


def _with_own_scan(
    detections: StrPath | gpd.GeoDataFrame, table: gpd.GeoDataFrame, layers: Layers
) -> Layers:
    """Add what was not seen, and the scores, where they lie beside and are of the same scan."""
    if layers.scores is not None:
        beside = _scores_file(layers.scores).with_name(NOT_SEEN)
        taken = layers.not_seen or (beside if beside.is_file() else None)
        return replace(layers, not_seen=taken)
    if isinstance(detections, gpd.GeoDataFrame):
        return layers
    own = find_not_seen({"": detections}, {"": table}).get("")
    if own is None:
        return layers
    scores = own.with_name(SCORES)
    return replace(
        layers,
        not_seen=layers.not_seen or own,
        scores=scores if scores.is_file() else None,
    )


def _scores_file(scores: StrPath) -> Path:
    path = Path(scores)
    return path / SCORES if path.is_dir() else path


def _words_of_seen(file: Path | None) -> str:
    if file is None:
        return (
            "nothing says which ground was not seen: where nothing is shown, there may be mines "
            "all the same"
        )
    return (
        "of the ground in not_seen no clear imagery could be scored; that nothing is shown there, "
        "or outside of the region, does not say that there is no mining"
    )


def _complete(
    table: gpd.GeoDataFrame,
    outlines: gpd.GeoDataFrame | None,
    changes: gpd.GeoDataFrame | None,
    overlays: Mapping[str, gpd.GeoDataFrame],
    features: "Features | None",
) -> gpd.GeoDataFrame:
    """Give detections the columns that all have, and those of what lies beside them."""
    shapes = table.geometry.to_numpy()
    points = points_within(shapes)
    columns: dict[str, Any] = {
        "area_ha": area_ha(shapes),
        "longitude": points[:, 0],
        "latitude": points[:, 1],
    }
    for name in ("start", "end"):
        dates = table[name] if name in table else pd.Series(None, index=table.index, dtype="str")
        columns[name] = _days(dates)
    columns |= _given(table, columns["area_ha"])
    if outlines is not None:
        columns |= {name: outlines[name].reindex(table.index) for name in _OUTLINED}
    if changes is not None:
        columns |= _of_places(table, changes)
    for name, layer in overlays.items():
        columns[name] = touched_names(table, layer, name_column="name")
    own = table.rename(columns={DETECTION_ID: f"{DETECTION_ID}_given"})
    whole = own.assign(**columns)
    if whole.geometry.name != "geometry":
        whole = whole.rename_geometry("geometry")
    whole = whole[[*(name for name in whole.columns if name != "geometry"), "geometry"]]
    whole.attrs = {}
    if features is not None and SETTLEMENT_M in whole:
        whole = with_settlements(whole, features)
    return whole.sort_index()


def _days(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Keep ISO dates, without the hour; what others wrote there instead is missing."""
    text = values.astype("str").str[:10]
    days = pd.to_datetime(text, format="%Y-%m-%d", errors="coerce")
    return days.dt.strftime("%Y-%m-%d").astype("str")


def _given(table: gpd.GeoDataFrame, hectares: FloatArray) -> dict[str, "pd.Series[Any]"]:
    """Keep hectares of the makers' own that are not those of the polygons; make numbers of text."""
    numbers = {
        name: pd.to_numeric(table[name], errors="coerce") for name in NUMBERS if name in table
    }
    for name in _OWN:
        numbers.pop(name, None)
    if "isolated" in table:
        numbers["isolated"] = table["isolated"].map(_truth).astype("boolean")
    if "area_ha" in table:
        theirs = pd.to_numeric(table["area_ha"], errors="coerce").astype("float64")
        if not np.allclose(theirs.fillna(0.0), hectares, rtol=_SAME_AREA):
            numbers["area_ha_given"] = theirs
    return numbers


def _truth(value: object) -> bool | None:
    return {"true": True, "false": False}.get(str(value).lower())


def _of_places(table: gpd.GeoDataFrame, changes: gpd.GeoDataFrame) -> dict[str, pd.Series]:
    """Say of every detection what became of the place that it belongs to."""
    places = changes[["after_ids", *_OF_CHANGES]].dropna(subset="after_ids")
    single = places.assign(one=places["after_ids"].str.split("; ")).explode("one")
    by_id = single.drop_duplicates("one").set_index("one")
    return {name: by_id[name].reindex(table.index) for name in _OF_CHANGES}


def _made(
    detections: StrPath | gpd.GeoDataFrame, layers: Layers, header: Mapping[str, Any] | None
) -> dict[str, Any]:
    files = [] if isinstance(detections, gpd.GeoDataFrame) else [Path(detections)]
    return {
        "step": "maps",
        "minewatch": __version__,
        "inputs": digest_files([*files, *layers.files]),
        "detections": dict(header or {}),
    }
