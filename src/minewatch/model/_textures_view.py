"""Patches as a dictionary of textures shows them: learned once, weighed often."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from minewatch.model._textures import Dictionary, describe, see
from minewatch.model._textures_rule import apply_rule, fit_rule
from minewatch.model._training import join_labels
from minewatch.types import FloatArray


@dataclass(frozen=True, eq=False)
class TextureView:
    """How strongly each texture of a dictionary occurs in patches, and rules on that."""

    dictionary: Dictionary
    """Textures, learned without labels."""
    most_missing: float
    """A patch with a larger share of pixels missing is seen by no rule."""
    strength: float
    """Inverse of the rules' regularisation."""
    balanced: bool
    """Whether both classes weigh the same."""

    def summarise(self, pixels: xr.DataArray) -> pd.DataFrame:
        """Describe patches: index site_id; NaN where too many pixels are missing."""
        values, usable = see(pixels, self.most_missing)
        seen = describe(values[usable], self.dictionary)
        texts = np.full((len(values), seen.shape[1]), np.nan, dtype=np.float32)
        texts[usable] = seen
        return pd.DataFrame(texts, pd.Index(pixels["site"].to_numpy(), name="site_id"))

    def score(self, summary: pd.DataFrame, labels: pd.Series, asked: pd.DataFrame) -> FloatArray:
        """Learn a rule from labelled patches, and give P(mining) of others; NaN where none."""
        is_mining = join_labels(summary.index, labels)
        rule = fit_rule(
            summary.to_numpy(), is_mining, strength=self.strength, balanced=self.balanced
        )
        return apply_rule(asked.to_numpy(), *rule)
