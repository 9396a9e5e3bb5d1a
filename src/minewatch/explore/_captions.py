"""Captions and alternative texts of figures, with their numbers taken from the tables drawn."""

import numpy as np
import pandas as pd
import xarray as xr

from minewatch._figures import (
    format_count,
    format_interval,
    format_length,
    format_number,
    format_percent,
)
from minewatch.explore._figures_correlation import letter_extremes
from minewatch.explore._words import number_of, verb_of
from minewatch.grid import format_latitude, format_longitude


def checks(table: pd.DataFrame) -> str:
    """Caption the bars of failed checks."""
    return (
        f"Patches that fail each of {len(table)} checks, by class; a patch may fail several. The "
        "thumbnails and tables below say which."
    )


def checks_alt(table: pd.DataFrame) -> str:
    """Describe the bars of failed checks."""
    failed = table[table["n_patches"] > 0]
    parts = [
        f"{name.replace('_', ' ')} {format_count(n)}"
        for name, n in zip(failed["check"], failed["n_patches"], strict=True)
    ]
    return f"Bars of patches by check: {'; '.join(parts) or 'none fails any'}."


def class_balance(classes: pd.DataFrame) -> str:
    """Caption the bars of the classes."""
    n_patches = int(classes["n_patches"].sum())
    return f"Patches by class, {format_count(n_patches)} in all."


def class_balance_alt(classes: pd.DataFrame) -> str:
    """Describe the bars of the classes."""
    parts = [
        f"{name} {format_count(n)}, {format_percent(share)}"
        for name, n, share in zip(
            classes["class"], classes["n_patches"], classes["share"], strict=True
        )
        if n
    ]
    return f"Bars of patches by class: {'; '.join(parts)}."


def densities(_curves: pd.DataFrame, axes: pd.DataFrame) -> str:
    """Caption the panels of densities."""
    pixels = axes.groupby("class", sort=False)["n_px"].max()
    counts = " and ".join(f"{format_count(n)} of {name}" for name, n in pixels.items())
    outside = format_percent(float(axes["outside_share"].max()))
    return (
        f"Gaussian kernel densities of all known pixels (up to {counts} in a band), not of a "
        "sample; the area under each curve is 1, so heights compare within a panel only. The "
        f"classes of a panel share robust limits, beyond which lie at most {outside} of a class’s "
        "pixels. Pixels of one patch are alike: read shapes, test nothing."
    )


def densities_alt(_curves: pd.DataFrame, axes: pd.DataFrame) -> str:
    """Describe the panels of densities."""
    n_bands, classes = axes["band"].nunique(), " and ".join(axes["class"].unique())
    return f"{n_bands} panels, one for each band, with a density curve for {classes}."


def signatures(table: pd.DataFrame) -> str:
    """Caption the signatures."""
    pixels = table.groupby("class", sort=False)["n_px"].max()
    counts = ", ".join(f"{name} {format_count(n)}" for name, n in pixels.items())
    return (
        "Reflectance of all known pixels over the central wavelengths of Sentinel-2A: median "
        "(line), 25th to 75th percentile (dark ribbon), 5th to 95th (light ribbon, dotted edge). "
        f"Pixels in the fullest band: {counts}."
    )


def signatures_alt(table: pd.DataFrame) -> str:
    """Describe the signatures by the bands in which they are highest."""
    parts = []
    for name, part in table.groupby("class", sort=False):
        top = part.sort_values("median").iloc[-1]
        parts.append(f"{name} is highest in {top['band']} ({format_number(top['median'])})")
    return f"Median reflectance over wavelength by class: {'; '.join(parts)}."


def ranking(table: pd.DataFrame) -> str:
    """Caption the ranking of features."""
    n_mining, n_other = int(table["n_mining"].max()), int(table["n_no_mining"].max())
    return (
        "Area under the ROC curve of each band’s mean and each index’s median per patch, turned so "
        "that it is at least 0.5; ▲ higher, ▼ lower in mining. Up to "
        f"{format_count(n_mining)} mining and {number_of(n_other, 'no-mining patch')} in "
        f"{number_of(int(table['n_places'].max()), 'independent place')}, which are what the "
        "whiskers count. Nothing was held out: each row is one number, not a model."
    )


def ranking_alt(table: pd.DataFrame) -> str:
    """Describe the ranking by its ends."""
    first, last = table.iloc[0], table.iloc[-1]
    return (
        f"Dots with intervals for {len(table)} features, from {first['feature']} "
        f"({format_number(first['auc'], decimals=2)}) down to {last['feature']} "
        f"({format_number(last['auc'], decimals=2)})."
    )


def correlation(table: pd.DataFrame, scores: pd.DataFrame) -> str:
    """Caption the heatmap of band means."""
    return (
        f"Pearson’s r of {len(table)} bands’ mean reflectance over "
        f"{number_of(len(scores), 'patch')} in which every band is known, classes together: "
        "differences between the classes are part of it."
    )


def correlation_alt(table: pd.DataFrame, _scores: pd.DataFrame) -> str:
    """Describe the heatmap by its extremes."""
    return f"Heatmap of correlations between {len(table)} bands; {_extreme_pairs(table)}."


def inner_correlation(_partial: pd.DataFrame, within: pd.DataFrame | None) -> str:
    """Caption the heatmaps of what is left."""
    partial = (
        "between two bands after what all other bands explain linearly: strong cells mark bands "
        "that tell something of each other and of no third"
    )
    if within is None:
        return f"Correlation {partial}."
    return (
        "Left: correlation after each class’s mean is taken off, so that the difference between "
        f"the classes is gone. Right: correlation {partial}."
    )


def inner_correlation_alt(partial: pd.DataFrame, within: pd.DataFrame | None) -> str:
    """Describe the heatmaps of what is left by their extremes."""
    parts = [f"partial: {_extreme_pairs(partial)}"]
    if within is not None:
        parts.insert(0, f"within classes: {_extreme_pairs(within)}")
    return f"Heatmaps of correlations between bands; {'; '.join(parts)}."


def components(explained: pd.DataFrame, loadings: pd.DataFrame) -> str:
    """Caption the principal components."""
    return (
        f"Principal components of {len(loadings)} standardised band means: what each of "
        f"{len(explained)} explains, and of which bands the first are made. A component’s sign is "
        "free; here its largest loading is positive."
    )


def components_alt(explained: pd.DataFrame, _loadings: pd.DataFrame) -> str:
    """Describe the principal components by their shares."""
    parts = [
        f"{name} {format_percent(share, decimals=0)}"
        for name, share in zip(
            explained["component"].head(3), explained["variance_share"].head(3), strict=True
        )
    ]
    return f"Bars of explained variance ({', '.join(parts)}) and lines of loadings over bands."


def scores(
    table: pd.DataFrame,
    _explained: pd.DataFrame,
    extremes: pd.DataFrame,
    pictures: xr.DataArray | None,
) -> str:
    """Caption the plane of components."""
    text = f"{number_of(len(table), 'patch')} by the first two principal components."
    if pictures is None:
        return text
    names = [f"{letter} {site_id}" for site_id, letter in letter_extremes(extremes).items()]
    return (
        f"{text} Framed by the outermost: PC1 low on the left, high on the right, PC2 high above, "
        f"low below ({', '.join(names)}). Frames: solid for mining, dashed for no mining; "
        f"reflectance shown as black to full colour: {pictures.attrs.get('stretch', 'not stated')}."
    )


def scores_alt(
    table: pd.DataFrame,
    _explained: pd.DataFrame,
    _extremes: pd.DataFrame,
    _pictures: xr.DataArray | None,
) -> str:
    """Describe the plane of components by the classes’ middles."""
    parts = [
        f"{name} around {format_number(part['PC1'].median(), decimals=1)}, "
        f"{format_number(part['PC2'].median(), decimals=1)}"
        for name, part in table.groupby("class", sort=True)
    ]
    return f"Scatter of patches over PC1 and PC2; medians: {'; '.join(parts)}."


def leakage(table: pd.DataFrame) -> str:
    """Caption the leakage audit, with how it is to be read."""
    first = table.iloc[0]
    return (
        f"AUC of out-of-fold scores for {number_of(first['n_sites'], 'site')} "
        f"({format_count(first['n_mining'])} mining) in {first['n_folds']} folds, averaged over "
        f"{number_of(first['n_repeats'], 'drawing')}. The model of coordinates only (five nearest "
        "training sites) has seen no pixel: what it scores above 0.5 (grey) is what these folds "
        "give away for free, and another model that scores no higher under the same folds may have "
        "learnt places, not mining. Held out are sites at random, whole clusters with no training "
        "site nearer than the distance, or square blocks, across whose edges neighbours face each "
        "other. Whiskers "
        "take whole groups as the sample, and are widened because the folds’ models share training "
        f"sites (Nadeau and Bengio 2003).{_left_out(table)}"
    )


def _left_out(table: pd.DataFrame) -> str:
    """Name the folds that could not be made."""
    missing = table[table["auc"].isna()].drop_duplicates(["folds", "distance_m"])
    parts = [
        f"{name} of {', '.join(format_length(value) for value in part['distance_m'])}"
        for name, part in missing.groupby("folds", sort=False)
    ]
    return f" Not to be had, for want of groups: {'; '.join(parts)}." if parts else ""


def leakage_alt(table: pd.DataFrame) -> str:
    """Describe the leakage audit in numbers."""
    parts = []
    for row in table[table["auc"].notna()].to_dict("records"):
        how = row["folds"]
        if np.isfinite(row["distance_m"]):
            how = f"{how} of {format_length(row['distance_m'])}"
        auc = format_interval(row["auc"], row["auc_low"], row["auc_high"])
        parts.append(f"{row['model']}, {how}: {auc}")
    return f"Lines of AUC by kind of folds, with a line at 0.5. {'; '.join(parts)}."


def site_map(table: pd.DataFrame) -> str:
    """Caption the map."""
    text = (
        f"{number_of(len(table), 'site')}, longitude and latitude (WGS 84), drawn to one scale "
        "at the middle latitude, where the bar holds."
    )
    if "place" in table:
        they = "It lies" if len(table) == 1 else "They lie"
        text += f" {they} in {number_of(table['place'].nunique(), 'independent place')}."
    return text


def site_map_alt(table: pd.DataFrame) -> str:
    """Describe the map by its extent."""
    ends = [
        f"{write(table[name].min())} to {write(table[name].max())}"
        for name, write in (("longitude", format_longitude), ("latitude", format_latitude))
    ]
    return f"Map of {number_of(len(table), 'site')} by class: {', '.join(ends)}."


def nearest(_table: pd.DataFrame, overlaps: pd.DataFrame) -> str:
    """Caption the distances to the nearest other site."""
    near = overlaps.iloc[0]
    return (
        "Geodesic distance from sites of one class (before the arrow) to the nearest other site of "
        "any, the same or the other class: median (marker), 25th to 75th percentile (bar), 5th to "
        f"95th (line). {number_of(near['n_sites'], 'site')} ({format_percent(near['share'])}) "
        f"{verb_of(near['n_sites'], 'have')} another within the side of a patch, "
        f"{format_length(near['distance_m'])}."
    )


def nearest_alt(table: pd.DataFrame, _overlaps: pd.DataFrame) -> str:
    """Describe the distances by their medians."""
    parts = [
        f"{name} to {to} {format_length(median)}"
        for name, to, median in zip(
            table["class"], table["nearest"], table["median_m"], strict=True
        )
    ]
    return f"Median distances to the nearest other site: {'; '.join(parts)}."


def variogram(table: pd.DataFrame, model: pd.DataFrame) -> str:
    """Caption the variogram."""
    n_pairs = format_count(int(table["n_pairs"].sum()))
    range_m = float(model["range_m"].iloc[0])
    fitted = (
        f"The fitted model reaches 95 % of its rise at {format_length(range_m)}: nearer patches "
        "are not independent."
        if np.isfinite(range_m)
        else "No range could be determined."
    )
    return (
        "Half the mean squared difference of PC1 of band means between two sites, over "
        f"{n_pairs} pairs; 1 is what unrelated sites show. {fitted}"
    )


def variogram_alt(table: pd.DataFrame, _model: pd.DataFrame) -> str:
    """Describe the variogram by its ends."""
    first, last = table.iloc[0], table.iloc[-1]
    return (
        f"Semivariance from {format_number(first['semivariance'], decimals=2)} at "
        f"{format_length(first['distance_m'])} to "
        f"{format_number(last['semivariance'], decimals=2)} at {format_length(last['distance_m'])}."
    )


def doubts(table: pd.DataFrame, _noise: pd.DataFrame, model: pd.DataFrame) -> str:
    """Caption the probabilities by label."""
    how = model.iloc[0]
    folds = "random folds"
    if np.isfinite(how["distance_m"]):
        folds = f"folds of clusters {format_length(how['distance_m'])} or more apart"
    return (
        f"Out-of-fold probability of mining by given label, {number_of(len(table), 'site')}, by a "
        f"logistic regression on spectra under {folds} (AUC "
        f"{format_interval(how['auc'], how['auc_low'], how['auc_high'])}). Hatched: "
        f"{number_of(int(table['is_flagged'].sum()), 'label')} that confident learning doubts, "
        "because the other class’s mean probability (dashed line) is reached and its own is not, "
        "or less so."
    )


def doubts_alt(table: pd.DataFrame, _noise: pd.DataFrame, _model: pd.DataFrame) -> str:
    """Describe the probabilities by label."""
    parts = [
        f"{name}: median {format_number(part['probability'].median(), decimals=2)}, "
        f"{format_count(int(part['is_flagged'].sum()))} of {format_count(len(part))} doubted"
        for name, part in table.groupby("label", sort=True)
    ]
    return f"Histograms of the probability of mining by label; {'; '.join(parts)}."


def _extreme_pairs(table: pd.DataFrame) -> str:
    """Name the strongest positive and negative pair of a matrix."""
    bands = list(table["band"])
    values = table[bands].to_numpy(dtype=np.float64)
    rows, columns = np.tril_indices(len(bands), k=-1)
    lower = values[rows, columns]
    if not np.isfinite(lower).any():
        return "no pair is known"
    parts = []
    for word, place in (("highest", np.nanargmax(lower)), ("lowest", np.nanargmin(lower))):
        pair = f"{bands[columns[place]]} and {bands[rows[place]]}"
        parts.append(f"{word} {pair}, {format_number(lower[place], decimals=2)}")
    return "; ".join(parts)
