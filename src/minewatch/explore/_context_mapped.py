"""What is mapped: features by layer, those that name the target apart, maps, and the map's date."""

from datetime import date
from typing import Final

import numpy as np
import pandas as pd

from minewatch._figures import format_count, format_percent
from minewatch._report._section import Section
from minewatch.context._layers import TARGET
from minewatch.explore._context_cells import Frame, count_by_cell, frame_sites
from minewatch.explore._context_values import Surroundings
from minewatch.explore._words import number_of, verb_of

KEY, TITLE = "context", "Context"
_LATE_DAYS: Final = 365
"""Days between the last image and the map from which the map is called later."""


def describe_mapped(around: Surroundings) -> Section:
    """Describe what the map holds, where, and of when.

    Returns
    -------
    Section
        ``layers``: for each layer ``n_features``, ``n_values`` (different values of its tag),
        ``top_value``, ``n_top``, and ``n_points``, ``n_lines``, ``n_areas``, without the
        features that name the target, which ``n_naming_target`` counts. ``targets``: features that
        name the target, by the tag that does. ``dropped``: features that could not be taken as
        they are, by reason, and how many were repaired. ``dates``: days (ISO) of the map and of the
        first and last image. ``cells``: features by cell of ``frame``, by layer
        (`count_by_cell`). ``map_sites``: the sites on the maps;
        across 180° longitudes run on.
        ``frame``: west, south, east, north (degrees, EPSG:4326), cells, and the maps' credit.
    """
    layers, targets, dates = _layers(around), _targets(around), _dates(around)
    frame = frame_sites(around.sites)
    tables = {
        "layers": layers,
        "targets": targets,
        "dropped": _dropped(around),
        "dates": dates,
        "frame": _frame_table(frame, around),
        "cells": _cells(around, frame),
        "map_sites": pd.DataFrame(
            {
                "site_id": around.sites.index,
                "class": around.classes,
                "longitude": frame.turned(around.sites.geometry.x.to_numpy()),
                "latitude": around.sites.geometry.y.to_numpy(),
            }
        ),
    }
    return Section(
        key=KEY,
        title=TITLE,
        seen=_seen(around, layers, targets),
        advice=_advice(targets, around),
        tables=tables,
    )


def _layers(around: Surroundings) -> pd.DataFrame:
    features = around.features
    names_target = np.asarray(around.target_tags.notna(), dtype=np.bool_)
    rows = []
    for layer in around.mapped_layers:
        there = np.asarray(features[layer].notna(), dtype=np.bool_)
        kept = there & ~names_target
        counts = features.loc[kept, layer].value_counts().sort_index(kind="stable")
        counts = counts.sort_values(ascending=False, kind="stable")
        kinds = features.loc[kept, "kind"].value_counts()
        rows.append(
            {
                "layer": layer,
                "n_features": int(kept.sum()),
                "n_values": len(counts),
                "top_value": str(counts.index[0]) if len(counts) else None,
                "n_top": int(counts.iloc[0]) if len(counts) else 0,
                **{f"n_{kind}s": int(kinds.get(kind, 0)) for kind in ("point", "line", "area")},
                "n_naming_target": int((there & names_target).sum()),
            }
        )
    return pd.DataFrame(rows)


def _targets(around: Surroundings) -> pd.DataFrame:
    tags = around.target_tags.dropna()
    if tags.empty:
        return pd.DataFrame(columns=["tag", "n_features", "n_points", "n_lines", "n_areas"])
    kinds = pd.crosstab(tags, around.features["kind"].loc[tags.index])
    kinds = kinds.reindex(columns=["point", "line", "area"], fill_value=0)
    kinds.columns = pd.Index(["n_points", "n_lines", "n_areas"])
    kinds.insert(0, "n_features", kinds.sum(axis=1))
    ordered = kinds.sort_values("n_features", ascending=False, kind="stable")
    return ordered.rename_axis("tag").reset_index()


def _dropped(around: Surroundings) -> pd.DataFrame:
    """Count by reason what could not be taken as it is, and what of it was mended."""
    dropped = around.dropped
    if dropped.empty:
        return pd.DataFrame(columns=["reason", "n_features", "n_repaired"])
    by_reason = dropped.groupby(dropped["reason"].astype("str"))["repaired"]
    counts = by_reason.agg(["size", "sum"]).set_axis(["n_features", "n_repaired"], axis=1)
    return counts.astype("int64").rename_axis("reason").reset_index()


def _dates(around: Surroundings) -> pd.DataFrame:
    days = {
        "first image": around.first_day,
        "last image": around.last_day,
        "map": around.osm_date,
    }
    table = pd.DataFrame({"what": list(days), "date": pd.array(list(days.values()), dtype="str")})
    late = [_days_between(around.last_day, day) for day in days.values()]
    return table.assign(days_after_last_image=pd.array(late, dtype="Int64"))


def _days_between(first: str | None, second: str | None) -> int | None:
    """Count days from one ISO date to another; None if one is not known."""
    if first is None or second is None:
        return None
    return (date.fromisoformat(second) - date.fromisoformat(first)).days


def _frame_table(frame: Frame, around: Surroundings) -> pd.DataFrame:
    row = {name: getattr(frame, name) for name in frame.__dataclass_fields__}
    return pd.DataFrame([{**row, "credit": around.credit}])


def _cells(around: Surroundings, frame: Frame) -> pd.DataFrame:
    """Count features by layer and cell; those that name the target are a layer of their own."""
    features = around.features
    geometries = features.geometry.to_numpy()
    names_target = np.asarray(around.target_tags.notna(), dtype=np.bool_)
    chosen = {
        layer: np.asarray(features[layer].notna(), dtype=np.bool_) & ~names_target
        for layer in around.mapped_layers
    }
    parts = []
    for layer, members in {**chosen, TARGET: names_target}.items():
        counted = count_by_cell(geometries[members], frame)
        parts.append(counted.assign(layer=layer))
    return pd.concat(parts, ignore_index=True)[["layer", "row", "column", "n_features"]]


def _seen(around: Surroundings, layers: pd.DataFrame, targets: pd.DataFrame) -> str:
    n_features = len(around.features)
    top = layers.sort_values("n_features", ascending=False, kind="stable").head(3)
    most = ", ".join(
        f"{name} {format_count(n)}"
        for name, n in zip(top["layer"], top["n_features"], strict=True)
        if n
    )
    text = f"{number_of(n_features, 'mapped feature')}"
    text += f" in {number_of((layers['n_features'] > 0).sum(), 'layer')} (most: {most})" * bool(
        most
    )
    when = f", as the map stood on {around.osm_date}" if around.osm_date else ""
    n_named = int(targets["n_features"].sum())
    named = (
        f"{number_of(n_named, 'feature')} ({format_percent(n_named / n_features)}) "
        f"{verb_of(n_named, 'name')} the target itself"
        if n_named
        else "none names the target"
    )
    left_out = (
        f"; {number_of(around.n_unmeasured, 'patch')} left out: without coordinates or measures, "
        "or outside of the extract"
        if around.n_unmeasured
        else ""
    )
    return f"{text}{when}; {named}{left_out}."


def _advice(targets: pd.DataFrame, around: Surroundings) -> str:
    if targets.empty:
        named = "Nothing mapped here names mining, so no layer gives the label away by its name"
    else:
        tags = ", ".join(targets["tag"].head(3))
        named = (
            f"Features that say what is to be found ({tags}{', …' * (len(targets) > 3)}) are kept "
            "out of every model below and mapped apart: use them to check labels, never to predict "
            "them"
        )
    return f"{named}. {_date_advice(around)}"


def _date_advice(around: Surroundings) -> str:
    """Compare the map's day with the imagery's."""
    mapped, first, last = around.osm_date, around.first_day, around.last_day
    if mapped is None:
        return "The day of the map is not known: find it out, for a later map may know the answer."
    days = _days_between(last, mapped)
    if last is None or days is None:
        return (
            "The day of the imagery is not known: a map drawn after it may know what the image is "
            "asked."
        )
    if days > 0:
        late = "; take an extract of the time of the images" if days > _LATE_DAYS else ""
        return (
            f"The map is {_how_long(days)} younger than the last image ({last}): mappers may have "
            f"drawn what came after it, or what they saw in it{late}."
        )
    if first is not None and mapped < first:
        return (
            f"The map is older than the first image ({first}): it cannot know what came later, and "
            "lacks the roads of new mines."
        )
    return "The map is of the time of the images: some of it may follow what they show."


def _how_long(days: int) -> str:
    if days < 60:
        return number_of(days, "day")
    return number_of(round(days / 30.4), "month") if days < 730 else f"{days / 365.25:.1f} years"
