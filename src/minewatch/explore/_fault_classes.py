"""Whether a fault goes with a class, so that a detector may learn the fault."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
from scipy.stats import fisher_exact

from minewatch._figures import format_count, format_percent

_LEAST_FAILING: Final = 5
_LEAST_DIFFERENCE: Final = 0.1
"""Least difference of the shares of mining, so that large sets do not tell trifles."""
_ALPHA: Final = 0.05
_TOLD: Final = {
    "no_data": "patches without data in some pixel",
    "not_numbers": "patches with values that were not numbers",
    "zero_bands": "patches with a band of zeros",
    "constant_bands": "patches with a constant band",
    "exact_duplicates": "patches equal to another",
    "near_duplicates": "patches nearly equal to another",
    "seldom_seen": "patches with few clear views",
}
"""Faults of the making of a dataset; brightness and saturation may well belong to the ground."""


def class_p_values(checks: pd.DataFrame, classes: Mapping[str, int]) -> "pd.Series[float]":
    """Test for each check whether its patches divide between the classes as the others do.

    Fisher's exact test, two-sided, of the labelled patches, with Holm's correction [1]_ for the
    number of checks tested.

    Parameters
    ----------
    checks
        With ``n_mining`` and ``n_no_mining``, the patches that fail.
    classes
        Number of all patches by class.

    Returns
    -------
    Series of float64
        NaN where fewer than five labelled patches fail, or a class is missing.

    References
    ----------
    .. [1] Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian
       Journal of Statistics 6, 65–70.

    Examples
    --------
    >>> checks = pd.DataFrame({"n_mining": [0, 5, 1], "n_no_mining": [44, 6, 1]})
    >>> class_p_values(checks, {"mining": 100, "no mining": 100}).round(3).tolist()
    [0.0, 1.0, nan]
    """
    n_mining, n_other = classes["mining"], classes["no mining"]
    p_values = pd.Series(np.nan, index=checks.index, dtype="float64")
    if not (n_mining and n_other):
        return p_values
    for row, some, others in zip(
        checks.index, checks["n_mining"], checks["n_no_mining"], strict=True
    ):
        if some + others >= _LEAST_FAILING:
            table = np.array([[some, others], [n_mining - some, n_other - others]])
            p_values[row] = float(fisher_exact(table).pvalue)
    tested = p_values.dropna().sort_values(kind="stable")
    factors = np.arange(len(tested), 0, -1)
    corrected = np.minimum(np.maximum.accumulate(tested.to_numpy() * factors), 1.0)
    p_values[tested.index] = corrected if len(tested) else np.nan
    return p_values


def tell_fault_classes(checks: pd.DataFrame, classes: Mapping[str, int]) -> str:
    """Say which faults go with a class; empty if none does.

    Examples
    --------
    >>> checks = pd.DataFrame(
    ...     {"check": ["constant_bands"], "n_mining": [0], "n_no_mining": [44], "p_value": [1e-9]}
    ... )
    >>> told = tell_fault_classes(checks, {"mining": 100, "no mining": 100})
    >>> told.startswith("44 of 44 patches with a constant band are no mining")
    True
    """
    told = []
    n_all = classes["mining"] + classes["no mining"]
    for _, row in checks[checks["p_value"] < _ALPHA].iterrows():
        failing = {"mining": int(row["n_mining"]), "no mining": int(row["n_no_mining"])}
        n_failing = sum(failing.values())
        excess = {name: n / n_failing - classes[name] / n_all for name, n in failing.items()}
        name = max(excess, key=lambda key: excess[key])
        if row["check"] in _TOLD and excess[name] >= _LEAST_DIFFERENCE:
            told.append(
                f"{format_count(failing[name])} of {format_count(n_failing)} "
                f"{_TOLD[row['check']]} are {name}"
            )
    if not told:
        return ""
    faults = "fault" if len(told) == 1 else "faults"
    return (
        f"{', '.join(told)}, while {format_percent(classes['mining'] / n_all)} of all labelled "
        f"patches are mining: a detector may learn the {faults} instead of the ground"
    )
