"""The sheet that measures are written on, lot by lot, and the table that it becomes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from minewatch.context._around import NO_FEATURE, Around
from minewatch.context._columns import (
    ANYTHING,
    EDGE_M,
    IS_EDGE_LIMITED,
    amount_column,
    amounts_of,
    radius_name,
)
from minewatch.context._layers import TARGET, Layer
from minewatch.types import AnyArray, IntArray

_SQUARE_METRES_PER_HECTARE = 10_000.0


@dataclass(frozen=True)
class Sheet:
    """Columns of measures, one row per site; made empty, then written.

    Attributes
    ----------
    layers
        Layers that get columns; the target is the last.
    positions
        Where each stands among the layers of an `Around`, whose last two are the target and the
        edge of the extract.
    drawn
        Where the layers stand there that are drawn by hand.
    """

    index: pd.Index
    layers: tuple[Layer, ...]
    positions: tuple[int, ...]
    drawn: tuple[int, ...]
    radii: tuple[float, ...]
    knows_area: bool
    columns: dict[str, AnyArray]
    nearest: dict[str, IntArray]

    @classmethod
    def empty(
        cls,
        index: pd.Index,
        layers: Sequence[Layer],
        named: Sequence[str],
        drawn: Sequence[int],
        radii: tuple[float, ...],
        *,
        knows_area: bool,
    ) -> "Sheet":
        """Make room for the measures of sites."""
        measured = (*layers, Layer.model_construct(name=TARGET, key=TARGET))
        positions = (*(list(named).index(layer.name) for layer in layers), len(named))
        sheet = cls(index, measured, positions, tuple(drawn), radii, knows_area, {}, {})
        n_sites = len(index)
        for layer in measured:
            sheet._make_room(layer.name)
            sheet.nearest[layer.name] = np.full(n_sites, NO_FEATURE, dtype=np.int32)
            for radius in radii:
                for amount in amounts_of(layer):
                    kind = np.int32 if amount == "count" else np.float64
                    name = amount_column(layer.name, radius, amount)
                    sheet.columns[name] = np.zeros(n_sites, dtype=kind)
        sheet._make_room(ANYTHING)
        for radius in radii:
            for what in ("features", "layers"):
                name = f"{ANYTHING}_{what}_{radius_name(radius)}"
                sheet.columns[name] = np.zeros(n_sites, dtype=np.int32)
        sheet.columns[EDGE_M] = np.full(n_sites, np.nan)
        return sheet

    def _make_room(self, name: str) -> None:
        self.columns[f"{name}_nearest_m"] = np.full(len(self.index), np.nan)
        self.columns[f"{name}_in_patch"] = np.zeros(len(self.index), dtype=np.bool_)

    def write(self, rows: IntArray, around: Around) -> None:
        """Write what lies around some sites."""
        columns = self.columns
        for layer, position in zip(self.layers, self.positions, strict=True):
            columns[f"{layer.name}_nearest_m"][rows] = around.nearest_m[:, position]
            columns[f"{layer.name}_in_patch"][rows] = around.in_patch[:, position]
            self.nearest[layer.name][rows] = around.feature[:, position]
            values = {
                "count": around.count,
                "length_m": around.length_m,
                "area_ha": around.area_m2 / _SQUARE_METRES_PER_HECTARE,
            }
            for place, radius in enumerate(self.radii):
                for amount in amounts_of(layer):
                    name = amount_column(layer.name, radius, amount)
                    columns[name][rows] = values[amount][:, position, place]
        drawn = list(self.drawn)
        nearest = np.fmin.reduce(around.nearest_m[:, drawn], axis=1, initial=np.nan)
        columns[f"{ANYTHING}_nearest_m"][rows] = nearest
        columns[f"{ANYTHING}_in_patch"][rows] = around.in_patch[:, drawn].any(axis=1)
        for place, radius in enumerate(self.radii):
            name = radius_name(radius)
            columns[f"{ANYTHING}_features_{name}"][rows] = around.drawn_count[:, place]
            present = around.count[:, drawn, place] > 0
            columns[f"{ANYTHING}_layers_{name}"][rows] = present.sum(axis=1)
        columns[EDGE_M][rows] = around.nearest_m[:, -1]

    def mark_outside(self, rows: IntArray) -> None:
        """Say that sites lie outside the extract's area."""
        self.columns[EDGE_M][rows] = 0.0

    def table(self, values: "Mapping[str, pd.Series[str]]", placed: IntArray) -> pd.DataFrame:
        """Give the columns in their order, what is not known as missing.

        `values` are those of all features by layer, and of the target: what names it.
        """
        unplaced = np.ones(len(self.index), dtype=np.bool_)
        unplaced[placed] = False
        ordered: dict[str, object] = {}
        for layer in self.layers:
            ordered |= self._nearest_columns(layer.name, unplaced)
            ordered[f"{layer.name}_nearest_class"] = self._classes(layer.name, values[layer.name])
            for radius in self.radii:
                for amount in amounts_of(layer):
                    name = amount_column(layer.name, radius, amount)
                    ordered[name] = _masked(self.columns[name], unplaced)
        ordered |= self._nearest_columns(ANYTHING, unplaced)
        for radius in self.radii:
            for what in ("features", "layers"):
                name = f"{ANYTHING}_{what}_{radius_name(radius)}"
                ordered[name] = _masked(self.columns[name], unplaced)
        ordered[EDGE_M] = self.columns[EDGE_M]
        unknown = unplaced if self.knows_area else np.ones_like(unplaced)
        near_edge = np.isfinite(self.columns[EDGE_M])
        ordered[IS_EDGE_LIMITED] = pd.arrays.BooleanArray(near_edge, unknown)
        return pd.DataFrame(ordered, index=self.index.rename("site_id"), copy=False)

    def _nearest_columns(self, name: str, unplaced: AnyArray) -> dict[str, object]:
        nearest, edge = self.columns[f"{name}_nearest_m"], self.columns[EDGE_M]
        within = np.isfinite(nearest)
        bound = np.isfinite(edge) & ~(nearest <= edge)
        unknown = unplaced if self.knows_area else np.ones_like(unplaced)
        return {
            f"{name}_nearest_m": nearest,
            f"{name}_is_within": pd.arrays.BooleanArray(within, unplaced.copy()),
            f"{name}_is_bound": pd.arrays.BooleanArray(bound, unknown.copy()),
            f"{name}_in_patch": _masked(self.columns[f"{name}_in_patch"], unplaced),
        }

    def _classes(self, name: str, of_features: "pd.Series[str]") -> "pd.Series[str]":
        """Give the tag's value of the nearest feature; missing where there is none."""
        nearest = self.nearest[name]
        codes, values = pd.factorize(of_features)
        known = pd.Series([*values, None], dtype="str")
        of_feature = np.append(np.asarray(codes, dtype=np.int64), len(known) - 1)
        picked = np.where(nearest == NO_FEATURE, len(known) - 1, of_feature[nearest])
        return known.iloc[picked].set_axis(self.index.rename("site_id"))


def _masked(values: AnyArray, unplaced: AnyArray) -> object:
    if values.dtype == np.bool_:
        return pd.arrays.BooleanArray(values, unplaced.copy())
    if values.dtype == np.int32:
        return pd.arrays.IntegerArray(values, unplaced.copy())
    return np.where(unplaced, np.nan, values)
