"""Which bands tell the same: correlations, principal components, groups of redundant bands."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from minewatch._figures import format_count, format_number, format_percent
from minewatch._report._section import Section
from minewatch.explore._pictures import picture_sites
from minewatch.explore._places import as_codes, class_words, in_order, labels_as_float
from minewatch.explore._rows import by_wavelength
from minewatch.explore._settings import DEFAULT_SETTINGS, ExploreSettings
from minewatch.explore._statistics import PatchStatistics
from minewatch.types import FloatArray

if TYPE_CHECKING:
    from minewatch.patches import PatchDataset

KEY, TITLE = "correlation", "Correlation"
_N_EXTREMES: Final = 3
_N_SCORES: Final = 5


@dataclass(frozen=True, eq=False)
class Components:
    """Principal components of standardised band means."""

    explained: FloatArray
    """``(component,)``: share of the variance, largest first, 0 to 1."""
    loadings: pd.DataFrame
    """Index band in order of wavelength, columns PC1 …: unit vectors."""
    scores: pd.DataFrame
    """Index site_id in order, columns PC1 …: of patches whose every band is known."""


def find_components(mean: pd.DataFrame) -> Components | None:
    """Find the principal components of band means, each band centred and divided by its spread.

    It decomposes the correlation matrix, so that bright bands do not count for more than dark ones.
    A component's sign is free; here its largest loading is positive, and of several as large the
    one at the shortest wavelength. Neither the order of bands nor that of sites matters.

    Parameters
    ----------
    mean
        Index site_id, columns bands: mean reflectance. Patches with an unknown band are left out,
        and so are bands that do not vary.

    Returns
    -------
    Components or None
        None if fewer than three patches or no varying band remain.
    """
    known = mean[by_wavelength(list(mean.columns))].sort_index().dropna()
    spread = known.std(ddof=0)
    known = known.loc[:, spread > 1e-12]
    if len(known) < 3 or known.shape[1] == 0:
        return None
    standard = ((known - known.mean()) / known.std(ddof=0)).to_numpy()
    variances, vectors = np.linalg.eigh(standard.T @ standard / len(standard))
    variances, vectors = np.maximum(variances[::-1], 0.0), vectors[:, ::-1]
    size = np.abs(vectors)
    leading = (size > size.max(axis=0) - 1e-6).argmax(axis=0)
    vectors = vectors * np.sign(vectors[leading, np.arange(len(leading))])
    names = [f"PC{i + 1}" for i in range(len(variances))]
    return Components(
        explained=variances / variances.sum(),
        loadings=pd.DataFrame(vectors, pd.Index(known.columns, name="band"), names),
        scores=pd.DataFrame(standard @ vectors, known.index, names),
    )


def measure_correlation(
    statistics: PatchStatistics,
    settings: ExploreSettings = DEFAULT_SETTINGS,
    dataset: "PatchDataset | None" = None,
) -> Section:
    """Measure how far bands repeat one another, from one mean per patch and band.

    Parameters
    ----------
    statistics
        Mean reflectance by patch and band; patches with an unknown band are left out.
    dataset
        Where to read thumbnails of the extreme patches; None for no thumbnails.

    Returns
    -------
    Section
        ``correlation``: Pearson's r of band means over all patches. ``within_class``: the same
        after each class's mean is taken off, so that what is left is not the difference between
        the classes (labelled patches of two classes only). ``partial``: r of two bands after what
        all others explain linearly, from the inverse of the correlation matrix; NaN where bands
        repeat each other exactly or patches are too few. ``redundancy``: groups in which every two
        bands have an absolute r of ``settings.redundancy_threshold`` or more (complete
        linkage).
        ``explained``, ``loadings``, ``scores``: principal components of standardised band means
        (`find_components`). ``extremes``: patches at both ends of PC1 and PC2; image ``extremes``
        holds each of them once.
    """
    means = statistics.mean[by_wavelength(statistics.bands)]
    components = find_components(means)
    if components is None or len(components.loadings) < 2:
        return Section.left_out(
            KEY,
            TITLE,
            why="Correlation needs two bands that vary over at least three patches.",
            advice="Look at the section on integrity for patches and bands without data.",
        )
    bands = list(components.loadings.index)
    known = means.loc[components.scores.index, bands]
    labels = labels_as_float(in_order(statistics.sites).loc[known.index, "label"])
    correlation = _pearson(known)
    redundancy = group_redundant(correlation, settings.redundancy_threshold)
    within = _within_class(known, labels)
    extremes = _extremes(components.scores)
    tables = {
        "correlation": correlation,
        **({} if within is None else {"within_class": within}),
        "partial": _partial(correlation, len(known)),
        "redundancy": redundancy,
        "explained": _explained(components.explained),
        "loadings": components.loadings.reset_index(),
        "scores": _scores_table(components.scores, labels),
        "extremes": extremes,
    }
    images = picture_sites(dataset, list(dict.fromkeys(extremes["site_id"])), statistics, settings)
    n_left_out = len(statistics.mean) - len(known)
    return Section(
        key=KEY,
        title=TITLE,
        seen=_seen(components, correlation, within, n_left_out),
        advice=_advice(redundancy, settings.redundancy_threshold),
        tables={
            name: table.reset_index() if table.index.name == "band" else table
            for name, table in tables.items()
        },
        images={} if images is None else {"extremes": images},
    )


def _pearson(values: pd.DataFrame) -> pd.DataFrame:
    standard = (values - values.mean()) / values.std(ddof=0)
    r = np.clip(standard.to_numpy().T @ standard.to_numpy() / len(values), -1.0, 1.0)
    np.fill_diagonal(r, 1.0)
    return pd.DataFrame((r + r.T) / 2.0, pd.Index(values.columns, name="band"), values.columns)


def _within_class(values: pd.DataFrame, labels: FloatArray) -> pd.DataFrame | None:
    labelled = ~np.isnan(labels)
    classes, counts = np.unique(labels[labelled], return_counts=True)
    if len(classes) < 2 or counts.min() < 2 or counts.sum() < 5:
        return None
    kept = values[labelled]
    residual = kept - kept.groupby(labels[labelled]).transform("mean")
    if not (residual.std(ddof=0) > 1e-12).all():
        return None
    return _pearson(residual)


def _partial(correlation: pd.DataFrame, n_patches: int) -> pd.DataFrame:
    r = correlation.to_numpy()
    partial = np.full(r.shape, np.nan)
    if n_patches > len(r) + 2 and np.linalg.cond(r) < 1e10:
        precision = np.linalg.inv(r)
        scale = np.sqrt(np.diag(precision))
        partial = -precision / np.outer(scale, scale)
        np.fill_diagonal(partial, 1.0)
    return pd.DataFrame(partial, correlation.index, correlation.columns)


def group_redundant(correlation: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Group bands so that every two of a group have an absolute correlation of `threshold` or more.

    Returns
    -------
    DataFrame
        ``band``, ``group`` (from 1, in order of wavelength), ``bands_in_group`` (count),
        ``least_r`` (the smallest absolute correlation in the group; NaN for a band alone).
    """
    size = np.abs(correlation.to_numpy())
    distance = squareform(np.maximum(1.0 - size, 0.0), checks=False)
    groups = fcluster(linkage(distance, "complete"), 1.0 - threshold + 1e-12, "distance")
    numbers = as_codes(groups) + 1
    rows = []
    for i, band in enumerate(correlation.index):
        members = np.flatnonzero(numbers == numbers[i])
        least = size[np.ix_(members, members)].min() if len(members) > 1 else np.nan
        rows.append((band, int(numbers[i]), len(members), float(least)))
    return pd.DataFrame(rows, columns=["band", "group", "bands_in_group", "least_r"])


def _explained(explained: FloatArray) -> pd.DataFrame:
    names = [f"PC{i + 1}" for i in range(len(explained))]
    return pd.DataFrame(
        {
            "component": names,
            "variance_share": explained,
            "cumulative_share": np.minimum(np.cumsum(explained), 1.0),
        }
    )


def _scores_table(scores: pd.DataFrame, labels: FloatArray) -> pd.DataFrame:
    table = scores.iloc[:, :_N_SCORES].copy()
    table.insert(0, "class", class_words(labels))
    return table.reset_index(names="site_id")


def _extremes(scores: pd.DataFrame) -> pd.DataFrame:
    """List the patches at both ends of the first two components, outermost first."""
    rows = []
    for component in scores.columns[:2]:
        ordered = scores[component].sort_values(kind="stable")
        n = min(_N_EXTREMES, len(ordered) // 2)
        ends = {"low": ordered.iloc[:n], "high": ordered.iloc[::-1].iloc[:n]}
        for end, chosen in ends.items():
            rows += [(component, end, site_id, score) for site_id, score in chosen.items()]
    return pd.DataFrame(rows, columns=["component", "end", "site_id", "score"])


def _seen(
    components: Components,
    correlation: pd.DataFrame,
    within: pd.DataFrame | None,
    n_left_out: int,
) -> str:
    r = correlation.to_numpy()
    i, j = np.triu_indices(len(r), k=1)
    top = int(np.abs(r[i, j]).argmax())
    names = correlation.index
    shares = components.explained
    first = " and ".join(
        f"{format_percent(shares[k], decimals=0)} in PC{k + 1}" for k in range(min(2, len(shares)))
    )
    middle = f"median |r| between bands is {format_number(_median_r(r), decimals=2)}"
    if within is not None:
        value = format_number(_median_r(within.to_numpy()), decimals=2)
        middle += f" over all patches and {value} within classes"
    left_out = f" ({format_count(n_left_out)} with an unknown band left out)" if n_left_out else ""
    return (
        f"Over {format_count(len(components.scores))} patches{left_out}, the variance of "
        f"{len(r)} standardised band means lies to {first}; {middle}, and the closest pair is "
        f"{names[i[top]]} and {names[j[top]]} (r = {format_number(r[i[top], j[top]], decimals=2)})."
    )


def _median_r(r: FloatArray) -> float:
    return float(np.median(np.abs(r[np.triu_indices(len(r), k=1)])))


def _advice(redundancy: pd.DataFrame, threshold: float) -> str:
    groups = redundancy.groupby("group", sort=True)["band"].agg(list)
    shared = [f"{', '.join(bands[:-1])} and {bands[-1]}" for bands in groups if len(bands) > 1]
    if not shared:
        return (
            f"No two bands reach |r| = {threshold:g} in their patch means: none is redundant, so "
            "keep all that the imagery has."
        )
    return (
        f"Read the importances of {'; of '.join(shared)} together, for patch means of one group "
        f"correlate at |r| ≥ {threshold:g} and a model may use either; the {len(redundancy)} bands "
        f"form {len(groups)} such groups."
    )
