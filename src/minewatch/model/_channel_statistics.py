"""Statistics of patches that have more than bands: of two dates, and of channels of context."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from minewatch.bands import available_indices, spectral_indices
from minewatch.errors import InputError
from minewatch.model._channels import bands_of, channel_names, is_plain, parse_channel, positions_of
from minewatch.model._features import (
    INDEX_BOUND,
    MIN_SIZE_PX,
    patch_statistics,
    statistic_names,
    statistics_by_name,
)

OF_BEFORE: Final = "before: "
"""What names of statistics of the earlier date begin with."""
OF_CHANGE: Final = "change: "
"""What names begin with of a statistic of the later date less that of the earlier one."""
OF_DIFFERENCE: Final = "difference: "
"""What names begin with of a statistic of the differences pixel by pixel."""
_PERCENTS: Final = (2, 10, 90, 98)
_SITES_AT_ONCE: Final = 128

Values = npt.NDArray[np.float32]
_Part = tuple[Values, tuple[str, ...]]


def channel_statistics(
    channels: npt.NDArray[np.floating], names: Sequence[str]
) -> tuple[Values, tuple[str, ...]]:
    """Measure patches by `patch_statistics`; of two dates also the change, of context its share.

    Parameters
    ----------
    channels
        (site, channel, y, x): reflectance, NaN where nothing is known; presence from 0 to 1, or
        distance from 0 to 1, as `StackedPatches.pixels` gives them.
    names
        The channels' names, in order.

    Returns
    -------
    values : ndarray of float32
        (site, statistic); NaN where a statistic cannot be had.
    names : tuple of str
        Those of `patch_statistics` first. Then, of an earlier date, ``"before: B04 p90"``; of bands
        that both dates have ``"change: B04 p90"`` (later less earlier) and of the differences pixel
        by pixel of bands and indices ``"difference: NDVI p2"``. Then of context
        ``"osm:highway share"`` (of the patch), ``"osm:highway centre"`` (of its inner half),
        ``"osm:highway_distance least"``, ``"osm:highway_distance middle"``, where distances are on
        the channel's own scale.

    Examples
    --------
    >>> planes = np.full((1, 3, 16, 16), 0.1, dtype="float32")
    >>> planes[:, 1], planes[:, 2] = 0.08, 1.0
    >>> values, names = channel_statistics(planes, ("B04", "B04@before", "osm:highway"))
    >>> [round(float(values[0, names.index(name)]), 4) for name in (
    ...     "B04 mean", "before: B04 mean", "change: B04 mean", "osm:highway share")]
    [0.1, 0.08, 0.02, 1.0]
    """
    if is_plain(names):
        return patch_statistics(channels, names)
    parts = list(_parts(channels, channel_names(names)))
    return np.concatenate([part for part, _ in parts], axis=1), _joined(parts)


def channel_statistic_names(names: Sequence[str]) -> tuple[str, ...]:
    """Name the columns that `channel_statistics` gives for these channels.

    Examples
    --------
    >>> channel_statistic_names(["B04", "osm:highway"])[-2:]
    ('osm:highway share', 'osm:highway centre')
    """
    if is_plain(names):
        return statistic_names(names)
    empty = np.zeros((1, len(names), MIN_SIZE_PX, MIN_SIZE_PX), dtype=np.float32)
    return _joined(list(_parts(empty, channel_names(names))))


def channel_statistics_by_name(
    channels: npt.NDArray[np.floating], names: Sequence[str], wanted: Sequence[str]
) -> Values:
    """Give some statistics of patches, in the order wanted: (site, statistic).

    Raises
    ------
    InputError
        If one of them cannot be had from these channels.
    """
    if is_plain(names):
        return statistics_by_name(channels, names, wanted)
    values, found = channel_statistics(channels, names)
    place = {name: i for i, name in enumerate(found)}
    missing = [name for name in wanted if name not in place]
    if missing:
        raise InputError(f"no statistic {', '.join(missing[:5])} of {', '.join(names)}")
    return values[:, [place[name] for name in wanted]]


def _joined(parts: Sequence[_Part]) -> tuple[str, ...]:
    return tuple(name for _, names in parts for name in names)


def _parts(channels: npt.NDArray[np.floating], names: Sequence[str]) -> Iterator[_Part]:
    now, own = channels[:, positions_of(names, "band")], bands_of(names)
    values, columns = patch_statistics(now, own)
    yield values, columns
    earlier = bands_of(names, "before")
    if earlier:
        then = channels[:, positions_of(names, "before")]
        old, old_columns = patch_statistics(then, earlier)
        yield old, tuple(f"{OF_BEFORE}{name}" for name in old_columns)
        yield _change((values, columns), (old, old_columns))
        both = [band for band in own if band in earlier]
        if both:
            chosen = [[bands.index(band) for band in both] for bands in (own, earlier)]
            yield _differences(now[:, chosen[0]], then[:, chosen[1]], both)
    for place, name in enumerate(names):
        if not parse_channel(name).is_imagery:
            yield _of_context(channels[:, place], name)


def _change(now: _Part, then: _Part) -> _Part:
    """Take the earlier statistics from the later ones, where both have them."""
    place = {name: i for i, name in enumerate(then[1])}
    both = [(i, place[name]) for i, name in enumerate(now[1]) if name in place]
    mine, theirs = ([pair[side] for pair in both] for side in (0, 1))
    return now[0][:, mine] - then[0][:, theirs], tuple(f"{OF_CHANGE}{now[1][i]}" for i in mine)


def _differences(now: Values, then: Values, bands: Sequence[str]) -> _Part:
    """Measure the differences of bands and indices, pixel by pixel."""
    layers = (*bands, *available_indices(bands))
    columns = [f"p{percent}" for percent in _PERCENTS] + ["std", "centre p90", "centre p10"]
    parts = [np.empty((0, len(layers) * len(columns)), dtype=np.float32)]
    for start in range(0, len(now), _SITES_AT_ONCE):
        some = slice(start, start + _SITES_AT_ONCE)
        changed = _with_indices(now[some], bands) - _with_indices(then[some], bands)
        parts.append(_spread(changed).reshape(len(changed), -1))
    names = tuple(f"{OF_DIFFERENCE}{layer} {column}" for column in columns for layer in layers)
    return np.concatenate(parts), names


def _with_indices(reflectance: npt.NDArray[np.floating], bands: Sequence[str]) -> Values:
    values = np.asarray(reflectance, dtype=np.float32)
    indices = spectral_indices(values, bands, band_axis=1)
    cut = [np.clip(index, -INDEX_BOUND, INDEX_BOUND)[:, None] for index in indices.values()]
    return np.concatenate([values, *cut], axis=1).astype(np.float32, copy=False)


def _spread(changed: Values) -> Values:
    """Give quantiles and the deviation of layers (site, layer, y, x): (site, column, layer)."""
    height, width = changed.shape[2:]
    middle = changed[:, :, height // 4 : height - height // 4, width // 4 : width - width // 4]
    whole, inner = (part.reshape(*part.shape[:2], -1) for part in (changed, middle))
    known = np.isfinite(whole)
    count = np.maximum(known.sum(axis=2), 1)
    mean = np.where(known, whole, 0).sum(axis=2) / count
    squares = np.where(known, whole - mean[..., None], 0) ** 2
    deviation = np.where(known.any(axis=2), np.sqrt(squares.sum(axis=2) / count), np.nan)
    found = [*_quantiles(whole, _PERCENTS), deviation, *_quantiles(inner, (90, 10))]
    return np.stack(found, axis=1).astype(np.float32)


def _quantiles(flat: Values, percents: Sequence[int]) -> list[Values]:
    """Give quantiles along the last axis of what is known, linear between pixels."""
    ordered = np.sort(flat, axis=-1)  # NaN comes last
    last = np.maximum(np.isfinite(flat).sum(axis=-1) - 1, 0)
    found = []
    for percent in percents:
        place = last * (percent / 100)
        low = np.floor(place).astype(np.int64)
        ends = [
            np.take_along_axis(ordered, at[..., None], axis=-1)[..., 0]
            for at in (low, np.minimum(low + 1, last))
        ]
        found.append((ends[0] + (ends[1] - ends[0]) * (place - low)).astype(np.float32))
    return found


def _of_context(plane: npt.NDArray[np.floating], name: str) -> _Part:
    height, width = plane.shape[1:]
    inner = plane[:, height // 4 : height - height // 4, width // 4 : width - width // 4]
    if parse_channel(name).kind == "presence":
        columns = {"share": plane.mean(axis=(1, 2)), "centre": inner.mean(axis=(1, 2))}
    else:
        middle = plane[:, (height - 1) // 2 : height // 2 + 1, (width - 1) // 2 : width // 2 + 1]
        columns = {"least": plane.min(axis=(1, 2)), "middle": middle.mean(axis=(1, 2))}
    values = np.column_stack(list(columns.values())).astype(np.float32)
    return values, tuple(f"{name} {column}" for column in columns)
