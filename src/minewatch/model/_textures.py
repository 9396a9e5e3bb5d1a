"""`TextureDetector`: a dictionary of small textures learned from patches, and a linear rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from sklearn.utils.validation import check_is_fitted

from minewatch import _store
from minewatch.errors import InputError
from minewatch.model._card import Card, MissingPixels, Preparation, Training
from minewatch.model._channels import parse_channel
from minewatch.model._detector import check_fit, check_pixels
from minewatch.model._estimator import DetectorBase, in_order_of_sites, is_usable, what_it_takes
from minewatch.model._prepare import missing_share
from minewatch.model._textures_rule import apply_rule, fit_rule
from minewatch.model._training import CLASSES, NO_LICENCE, both, join_labels
from minewatch.types import BoolArray, FloatArray

if TYPE_CHECKING:
    from minewatch.model._textures_view import TextureView

STRIDE_PX: Final = 2
WEAKEST: Final = 0.25
"""Responses nearer to nought than this count as none."""
SMALLEST_CONTRAST: Final = 0.004
"""Added to a window's standard deviation (reflectance, all bands together), in quadrature."""
_WINDOWS: Final = 20_000
_ROUNDS: Final = 6
_RIDGE: Final = 0.01
_CONTEXT_DIVISOR: Final = 20.0
"""Channels of context go from 0 to 1, ground differs by some hundredths of reflectance: without
this a road would be all that a window shows."""
_SMALLEST_SCALE: Final = 1e-6
_SITES_AT_ONCE: Final = 32

Values = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Dictionary:
    """Textures, and how a window is compared with them."""

    filters: Values
    """(texture, band, y, x): each adds up to nought."""
    offset: Values
    """(texture,): what is taken from a response."""

    @property
    def window_px(self) -> int:
        """Side of a window."""
        return int(self.filters.shape[2])


class TextureDetector(DetectorBase):
    """Score patches by how often small textures occur in them.

    Windows of a few pixels and all bands are cut from the training patches, rid of their mean,
    contrast and common correlation (whitened), and grouped by angle: the groups' directions are the
    textures [1]_. A patch is described by how strongly each occurs, with either sign, over all of
    it and in its middle; a logistic regression weighs that. It is one layer of convolutions without
    gradient descent: seconds to train, and all of it is in ``model.onnx``. Windows with a missing
    pixel are left out.

    Parameters
    ----------
    n_textures
        Number of textures.
    window_px
        Side of the windows, pixels.
    strength
        Inverse of the regression's regularisation: smaller is stronger.
    balanced
        Whether both classes weigh the same in training.
    most_missing
        A patch with a larger share of pixels missing (in any band) is left out, and gets no score.
    random_state
        Seed of the windows and of the textures that the grouping starts from.

    Attributes
    ----------
    dictionary_
        The textures.
    weights_, bias_
        The linear rule.
    classes_
        0 and 1.

    References
    ----------
    .. [1] Coates, A., Ng, A. Y. (2012). Learning feature representations with k-means. Neural
       Networks: Tricks of the Trade, LNCS 7700, 561–580.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> values = rng.uniform(0.05, 0.15, (20, 1, 24, 24)).astype("float32")
    >>> values[10:] = np.repeat(np.repeat(values[10:, :, ::3, ::3], 3, axis=2), 3, axis=3)
    >>> sites = [f"s{i:02d}" for i in range(20)]
    >>> pixels = xr.DataArray(
    ...     values, dims=("site", "band", "y", "x"), coords={"site": sites, "band": ["B04"]},
    ...     attrs={"level": "L2A", "resolution_m": 10.0},
    ... )
    >>> labels = pd.Series([0] * 10 + [1] * 10, index=sites)
    >>> TextureDetector(n_textures=10).fit(pixels, labels).predict(pixels[8:12]).tolist()
    [0, 0, 1, 1]
    """

    def __init__(
        self,
        *,
        n_textures: int = 300,
        window_px: int = 6,
        strength: float = 0.02,
        balanced: bool = True,
        most_missing: float = 0.5,
        random_state: int = 0,
    ) -> None:
        self.n_textures = n_textures
        self.window_px = window_px
        self.strength = strength
        self.balanced = balanced
        self.most_missing = most_missing
        self.random_state = random_state

    def fit(
        self,
        pixels: xr.DataArray,
        labels: pd.Series,
        context: pd.DataFrame | None = None,  # noqa: ARG002 - the protocol's
    ) -> Self:
        """Learn from labelled patches; context is not looked at.

        Parameters
        ----------
        pixels
            Reflectance (site, band, y, x), as `read_pixels` gives it.
        labels
            1 mining, 0 no mining, index site_id.
        context
            Not looked at.

        Raises
        ------
        InputError
            If labels are missing, a class is, or patches are not square or smaller than 4 windows.
        """
        pixels = self._in_order(pixels)
        is_mining = join_labels(pd.Index(pixels["site"].to_numpy()), labels)
        values, usable = see(pixels, self.most_missing)
        values, is_mining = values[usable], is_mining[usable]
        if len(np.unique(is_mining)) < 2:
            raise InputError("too many pixels are missing: of one class no patch is left")
        self.classes_ = CLASSES.copy()
        self._takes = what_it_takes(pixels)
        self.n_sites_ = {name: int((is_mining == name).sum()) for name in (0, 1)}
        self.dictionary_ = self._learn_dictionary(values)
        self.weights_, self.bias_ = fit_rule(
            describe(values, self.dictionary_),
            is_mining,
            strength=self.strength,
            balanced=self.balanced,
        )
        return self

    def learn_view(self, pixels: xr.DataArray) -> "TextureView":
        """Learn textures alone, of which rules can then be learned from other labels.

        Parameters
        ----------
        pixels
            Reflectance (site, band, y, x), as `read_pixels` gives it.

        Raises
        ------
        InputError
            If patches are not square, smaller than 2 windows, or too many pixels are missing.
        """
        from minewatch.model._textures_view import TextureView

        values, usable = see(self._in_order(pixels), self.most_missing)
        return TextureView(
            self._learn_dictionary(values[usable]),
            self.most_missing,
            self.strength,
            self.balanced,
        )

    def predict_proba(
        self,
        pixels: xr.DataArray,
        context: pd.DataFrame | None = None,  # noqa: ARG002 - the protocol's
    ) -> FloatArray:
        """Give P(no mining) and P(mining) for each site, in the order of the pixels.

        Returns
        -------
        ndarray of float64
            (site, 2); NaN where too many pixels are missing, or no window is whole.
        """
        check_is_fitted(self, "dictionary_")
        check_pixels(pixels)
        check_fit(pixels, self._card(""), centre_crop=False)
        wanted = pixels.sel(band=list(self._takes["bands"]))
        values, usable = see(wanted, self.most_missing)
        mining = np.full(len(values), np.nan)
        if usable.any():
            texts = describe(values[usable], self.dictionary_)
            mining[usable] = apply_rule(texts, self.weights_, self.bias_)
        return both(mining)

    def to_onnx(self) -> tuple[Card, bytes]:
        """Give the card, and a network that takes pixels, NaN where nothing is known."""
        from minewatch.model._textures_onnx import write_textures

        check_is_fitted(self, "dictionary_")
        network = write_textures(
            self.dictionary_,
            self._takes["size_px"],
            self.weights_,
            self.bias_,
            channel_scale(self._takes["bands"]),
        )
        return self._card(_store.digest_bytes(network)), network

    def _in_order(self, pixels: xr.DataArray) -> xr.DataArray:
        """Give patches that can be learned from, in the order of their site_ids."""
        check_pixels(pixels)
        height, width = pixels.shape[2:]
        if height != width or height < 2 * self.window_px:
            raise InputError(
                f"patches have {height} × {width} px; expected squares of {2 * self.window_px} or "
                "more a side"
            )
        return pixels.isel(site=in_order_of_sites(pixels))

    def _learn_dictionary(self, values: Values) -> Dictionary:
        rng = np.random.default_rng(self.random_state)
        return learn_dictionary(values, self.n_textures, self.window_px, rng)

    def _card(self, digest: str) -> Card:
        return Card(
            name="textures",
            kind="linear",
            description="A linear rule on how often learned textures occur.",
            **self._takes,
            preparation=Preparation(
                missing=MissingPixels(method="keep", most_share=self.most_missing)
            ),
            training=Training(
                n_sites=sum(self.n_sites_.values()),
                classes={"mining": self.n_sites_[1], "no mining": self.n_sites_[0]},
            ),
            settings=self.get_params(),
            licence=NO_LICENCE,
            versions={"scikit-learn": version("scikit-learn")},
            digest=digest,
        )


def channel_scale(names: Sequence[str]) -> Values:
    """Give what brings channels of context near to what reflectance differs by: (band, 1, 1)."""
    shares = [1.0 if parse_channel(name).is_imagery else 1.0 / _CONTEXT_DIVISOR for name in names]
    return np.array(shares, dtype=np.float32)[:, None, None]


def see(pixels: xr.DataArray, most_missing: float) -> tuple[Values, BoolArray]:
    """Give patches on the scale that textures are learned on, and which of them are usable."""
    values = pixels.to_numpy().astype(np.float32, copy=False)
    usable = is_usable(missing_share(values), most_missing)
    scale = channel_scale([str(name) for name in pixels["band"].to_numpy()])
    return (values * scale if (scale != 1).any() else values), usable


def learn_dictionary(
    values: Values, n_textures: int, window_px: int, rng: np.random.Generator
) -> Dictionary:
    """Learn textures from patches (site, band, y, x), NaN where nothing is known.

    Returns
    -------
    Dictionary
        Filters that whiten and compare at once.
    """
    windows = _sample_windows(values, window_px, rng)
    windows -= windows.mean(axis=1, keepdims=True)
    windows /= np.sqrt(windows.var(axis=1, keepdims=True) + SMALLEST_CONTRAST**2)
    centre = windows.mean(axis=0)
    scale, axes = np.linalg.eigh(np.cov((windows - centre).T))
    whitening = (axes / np.sqrt(np.maximum(scale, 0.0) + _RIDGE)) @ axes.T
    textures = _group_by_angle((windows - centre) @ whitening, n_textures, rng)
    projection = whitening @ textures.T
    offset = centre @ projection
    projection -= projection.mean(axis=0)  # so that a window's own mean need not be taken away
    shape = (len(textures), values.shape[1], window_px, window_px)
    return Dictionary(
        filters=projection.T.reshape(shape).astype(np.float32),
        offset=offset.astype(np.float32),
    )


def _sample_windows(values: Values, window_px: int, rng: np.random.Generator) -> FloatArray:
    """Cut windows without missing pixels at random: (window, band × y × x)."""
    n_sites, _, height, width = values.shape
    site = rng.integers(0, n_sites, _WINDOWS)
    top = rng.integers(0, height - window_px + 1, _WINDOWS)
    left = rng.integers(0, width - window_px + 1, _WINDOWS)
    views = np.lib.stride_tricks.sliding_window_view(values, (window_px, window_px), axis=(2, 3))
    flat = views[site, :, top, left].astype(np.float64).reshape(_WINDOWS, -1)
    whole: FloatArray = flat[np.isfinite(flat).all(axis=1)]
    if len(whole) < 2:
        raise InputError("no window without missing pixels is left to learn textures from")
    return whole


def _group_by_angle(white: FloatArray, n_groups: int, rng: np.random.Generator) -> FloatArray:
    """Group windows by the angle between them, either sign: directions of length 1 (group, …)."""
    chosen = rng.choice(len(white), n_groups, replace=n_groups > len(white))
    directions = white[chosen]
    for _ in range(_ROUNDS):
        directions = _unit(directions)
        closeness = white @ directions.T
        nearest = np.abs(closeness).argmax(axis=1)
        signed = closeness[np.arange(len(white)), nearest]
        order = np.argsort(nearest, kind="stable")
        bounds = np.searchsorted(nearest[order], np.arange(n_groups + 1))
        weighed = white[order] * signed[order, None]
        for group in range(n_groups):
            members = weighed[bounds[group] : bounds[group + 1]]
            if len(members):
                directions[group] = members.sum(axis=0)
            else:
                directions[group] = white[rng.integers(len(white))]
    return _unit(directions)


def _unit(vectors: FloatArray) -> FloatArray:
    lengths = np.sqrt(np.square(vectors).sum(axis=1, keepdims=True))
    unit: FloatArray = vectors / np.maximum(lengths, _SMALLEST_SCALE)
    return unit


def describe(values: Values, dictionary: Dictionary) -> Values:
    """Describe patches by how strongly textures occur: (site, 4 × texture).

    For each texture: dark on bright and bright on dark, over the patch and in its middle; the root
    of the mean response over windows without missing pixels, NaN where there is none.
    """
    size = dictionary.window_px
    filters = dictionary.filters.reshape(len(dictionary.filters), -1).T
    parts = [np.empty((0, 4 * filters.shape[1]), dtype=np.float32)]
    for start in range(0, len(values), _SITES_AT_ONCE):
        part = values[start : start + _SITES_AT_ONCE]
        views = np.lib.stride_tricks.sliding_window_view(part, (size, size), axis=(2, 3))
        views = views[:, :, ::STRIDE_PX, ::STRIDE_PX]
        n_sites, _, rows, columns = views.shape[:4]
        flat = views.transpose(0, 2, 3, 1, 4, 5).reshape(n_sites * rows * columns, -1)
        parts.append(_pool(_respond(flat, filters, dictionary.offset), n_sites, rows, columns))
    return np.concatenate(parts)


def _respond(flat: Values, filters: Values, offset: Values) -> Values:
    """Compare windows with textures: (window, texture), NaN where a pixel is missing."""
    centred = flat - flat.mean(axis=1, keepdims=True)  # exact, where a window is almost flat
    variance = np.square(centred).mean(axis=1, keepdims=True)
    contrast = np.sqrt(variance + np.float32(SMALLEST_CONTRAST**2))
    response: Values = (centred @ filters) / contrast - offset
    return response


def _pool(response: Values, n_sites: int, rows: int, columns: int) -> Values:
    grid = response.reshape(n_sites, rows, columns, -1)
    known = np.isfinite(grid[..., :1]).astype(np.float32)
    grid = np.nan_to_num(grid, nan=0.0)
    top, left = rows // 4, columns // 4
    middle = (slice(None), slice(top, rows - top), slice(left, columns - left))
    parts: list[Any] = []
    for sign in (1, -1):
        strong = np.maximum(sign * grid - np.float32(WEAKEST), 0) * known
        for where in ((slice(None),), middle):
            with np.errstate(divide="ignore", invalid="ignore"):
                mean = strong[where].sum(axis=(1, 2)) / known[where].sum(axis=(1, 2))
            parts.append(np.sqrt(mean))
    return np.concatenate(parts, axis=1)
