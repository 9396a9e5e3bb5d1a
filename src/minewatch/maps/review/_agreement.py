"""Whether reviewers agree, where they do not, and what a place is taken for in the end.

References
----------
Cohen, J. (1960), A coefficient of agreement for nominal scales, Educational and Psychological
Measurement 20, 37–46, https://doi.org/10.1177/001316446002000104.
"""

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Final

import pandas as pd

from minewatch.errors import InputError
from minewatch.maps.review._said import fold_name
from minewatch.maps.review._words import LABELS

_COUNTED: Final = ("mine", "not_mine", "unsure")
"""Verdicts of somebody who looked."""
_ONE_VOICE: Final = ["item_id", "reviewer"]
_PAIR: Final = {
    **dict.fromkeys(("reviewer", "other"), "object"),
    **dict.fromkeys(("n_both", "n_same"), "int64"),
    "kappa": "float64",
    **dict.fromkeys(("n_both_last", "n_same_last", "n_conflicts"), "int64"),
}
"""Columns of a table of agreement."""


def current_verdicts(decisions: pd.DataFrame) -> pd.DataFrame:
    """Keep of every item the last verdict of each reviewer that is not undone.

    Names that differ in capitals alone ("Ana", "ana") are one reviewer, by the first spelling.

    Parameters
    ----------
    decisions
        As `ReviewStore.decisions` gives them; of several stores, one below the other, index made
        new.

    Returns
    -------
    DataFrame
        The same columns, in the order in which they were decided.
    """
    said = _in_order(decisions)
    return said[said["undone_at"].isna()].drop_duplicates(_ONE_VOICE, keep="last")


def independent_verdicts(decisions: pd.DataFrame) -> pd.DataFrame:
    """Keep of every item what each reviewer said of it without knowing what others say.

    That is the verdict that stood when she was first told what others say of that place
    (``told_after``), though she changed or undid it later; and if she never was, the one that
    stands now. A slip that was undone before does not count.

    Parameters
    ----------
    decisions
        As `ReviewStore.decisions` gives them; of several stores, one below the other, index made
        new. Of those nobody knows what their reviewers told each other elsewhere.

    Returns
    -------
    DataFrame
        The same columns, one row per item and reviewer.
    """
    said = _in_order(decisions)
    told = said[said["told_after"].notna()].drop_duplicates(_ONE_VOICE)
    never = current_verdicts(decisions)
    joined = pd.concat([one for one in (told, never) if len(one)]) if len(said) else said
    return joined.drop_duplicates(_ONE_VOICE)


def _in_order(decisions: pd.DataFrame) -> pd.DataFrame:
    """Order decisions as they were made, each reviewer by one spelling."""
    spelt = decisions.assign(reviewer=decisions["reviewer"].map(_spell(decisions["reviewer"])))
    return spelt.sort_values("decided_at", kind="stable")


def _spell(names: Iterable[str]) -> dict[str, str]:
    """Give to every name the first spelling of it."""
    first: dict[str, str] = {}
    return {name: first.setdefault(fold_name(name), name) for name in names}


def measure_agreement(decisions: pd.DataFrame) -> pd.DataFrame:
    """Measure how far every two reviewers agree beyond what chance would do: Cohen's κ.

    Counted are verdicts that are independent (`independent_verdicts`): what somebody says after she
    was told what the other says raises no κ. Classes are mine, not mine and unsure; a skip is no
    verdict. The value says nothing of who is right, and less the fewer places both have seen: see
    ``n_both``. How far the last verdicts are alike stands beside; chance is not taken off there.

    Parameters
    ----------
    decisions
        As `ReviewStore.decisions` gives them.

    Returns
    -------
    DataFrame
        One row per two reviewers who share a place: ``reviewer``, ``other`` (in order of the
        alphabet); of independent verdicts ``n_both``, places that both judged, ``n_same``, with one
        verdict, and ``kappa``, float64, at most 1, 0 = as by chance, NaN where both gave one and
        the same verdict to all, or share no place; of last verdicts ``n_both_last``,
        ``n_same_last``, and ``n_conflicts``, where one says mine and the other not.

    References
    ----------
    Cohen, J. (1960), A coefficient of agreement for nominal scales, Educational and Psychological
    Measurement 20, 37–46, https://doi.org/10.1177/001316446002000104.

    Examples
    --------
    >>> said = pd.DataFrame(
    ...     {"item_id": list("abcd") * 2, "reviewer": ["Ana"] * 4 + ["Ben"] * 4,
    ...      "verdict": ["mine", "mine", "not_mine", "unsure"]
    ...      + ["mine", "not_mine", "not_mine", "unsure"],
    ...      "decided_at": "2026-01-01T00:00:00.000Z", "undone_at": None, "told_after": None}
    ... )
    >>> measure_agreement(said).round(2).to_dict("records")
    [{'reviewer': 'Ana', 'other': 'Ben', 'n_both': 4, 'n_same': 3, 'kappa': 0.64,
      'n_both_last': 4, 'n_same_last': 3, 'n_conflicts': 1}]
    """
    first, last = (_by_reviewer(one(decisions)) for one in (independent_verdicts, current_verdicts))
    rows = []
    for one, other in combinations(sorted({*first.columns, *last.columns}), 2):
        alone, now = (_shared(table, one, other) for table in (first, last))
        if alone.empty and now.empty:
            continue
        votes = now[now.isin(list(LABELS)).all(axis=1)]
        rows.append(
            {
                "reviewer": one,
                "other": other,
                "n_both": len(alone),
                "n_same": int((alone[one] == alone[other]).sum()),
                "kappa": _kappa(alone[one], alone[other]),
                "n_both_last": len(now),
                "n_same_last": int((now[one] == now[other]).sum()),
                "n_conflicts": int((votes[one] != votes[other]).sum()),
            }
        )
    return pd.DataFrame(rows, columns=list(_PAIR)).astype(_PAIR)


def _by_reviewer(said: pd.DataFrame) -> pd.DataFrame:
    """Lay verdicts out by item and reviewer."""
    seen = said[said["verdict"].isin(_COUNTED)]
    return seen.set_index(_ONE_VOICE)["verdict"].unstack()  # noqa: PD010 - no numbers


def _shared(table: pd.DataFrame, one: str, other: str) -> pd.DataFrame:
    return table.reindex(columns=[one, other]).dropna()


def _kappa(one: "pd.Series[str]", other: "pd.Series[str]") -> float:
    if len(set(one) | set(other)) <= 1:
        return float("nan")  # chance alone would do as well: 0 / 0
    from sklearn.metrics import cohen_kappa_score

    return float(cohen_kappa_score(one, other, labels=list(_COUNTED)))


def find_conflicts(decisions: pd.DataFrame) -> pd.DataFrame:
    """List the places that one reviewer calls a mine and another does not.

    Returns
    -------
    DataFrame
        Index ``item_id``; ``mine`` and ``not_mine`` (str), who says so.
    """
    current = current_verdicts(decisions)
    votes = current[current["verdict"].isin(list(LABELS))]
    both = votes.groupby("item_id")["verdict"].nunique()
    own = votes[votes["item_id"].isin(both.index[both > 1])]
    names = {
        verdict: own[own["verdict"] == verdict].groupby("item_id")["reviewer"].agg(", ".join)
        for verdict in LABELS
    }
    table = pd.DataFrame(names, dtype="str").sort_index()
    table.index.name = "item_id"
    return table


def agree_on(decisions: pd.DataFrame, *, trust: Sequence[str] = ()) -> pd.DataFrame:
    """Say what every place is taken for: what most of its reviewers say.

    Only mine and not mine are votes. Where as many say the one as the other there is no label,
    unless somebody who is trusted has a vote: then theirs decides, the first that has one.

    Parameters
    ----------
    decisions
        As `ReviewStore.decisions` gives them.
    trust
        Reviewers whose vote decides, the most trusted first.

    Returns
    -------
    DataFrame
        One row per place that anybody gave a verdict, index ``item_id`` in the order in which they
        were first judged: ``label`` (Int8: 1 mining, 0 none, <NA> nobody can say, or they do not
        agree); ``n_mine``, ``n_not_mine``, ``n_unsure`` (int64); ``is_conflict`` (bool): some say
        mine and some not; ``reason`` (str; the commonest; missing where none is given, or the
        label is not 0), ``note``, ``reviewers`` (str), ``reviewed_at`` (the last, UTC, ISO 8601).

    Raises
    ------
    InputError
        If somebody who is trusted has decided nothing.

    Examples
    --------
    >>> said = pd.DataFrame(
    ...     {"item_id": ["a", "a", "b"], "reviewer": ["Ana", "Ben", "Ana"],
    ...      "verdict": ["mine", "not_mine", "mine"], "reason": [None, "river", None],
    ...      "note": "", "decided_at": "2026-01-01T00:00:00.000Z", "undone_at": None}
    ... )
    >>> agree_on(said)["label"].to_dict()
    {'a': None, 'b': 1}
    >>> agree_on(said, trust=["Ben"])["label"].to_dict()
    {'a': 0, 'b': 1}
    """
    spelt = {fold_name(name): said for name, said in _spell(decisions["reviewer"]).items()}
    unknown = sorted(name for name in set(trust) if fold_name(name) not in spelt)
    if unknown:
        there = ", ".join(sorted(set(spelt.values()))) or "nobody"
        raise InputError(f"{', '.join(unknown)} decided nothing; reviewers are {there}")
    current = current_verdicts(decisions)
    seen = current[current["verdict"].isin(_COUNTED)]
    order = list(dict.fromkeys(seen["item_id"]))
    counts = pd.crosstab(seen["item_id"], seen["verdict"])
    counts = counts.reindex(index=order, columns=list(_COUNTED), fill_value=0).astype("int64")
    lead = counts["mine"] - counts["not_mine"]
    label = (lead > 0).astype("Int8").where(lead != 0)
    for name in reversed(trust):
        votes = seen[
            (seen["reviewer"] == spelt[fold_name(name)]) & seen["verdict"].isin(list(LABELS))
        ]
        label.loc[votes["item_id"]] = votes["verdict"].map(LABELS).to_numpy()
    groups = seen.groupby("item_id")
    return pd.DataFrame(
        {
            "label": label,
            "n_mine": counts["mine"],
            "n_not_mine": counts["not_mine"],
            "n_unsure": counts["unsure"],
            "is_conflict": (counts["mine"] > 0) & (counts["not_mine"] > 0),
            "reason": _reasons(seen, label),
            "note": groups["note"].agg(_join),
            "reviewers": groups["reviewer"].agg(_join),
            "reviewed_at": groups["decided_at"].max(),
        },
        index=pd.Index(order, name="item_id", dtype="str"),
    ).astype({"note": "str", "reviewers": "str", "reviewed_at": "str", "reason": "str"})


def _reasons(seen: pd.DataFrame, label: pd.Series) -> pd.Series:
    """Give the commonest reason of every place that is no mine; of equal ones the first said."""
    told = seen[seen["reason"].notna() & (seen["verdict"] == "not_mine")]
    rejected = told[told["item_id"].isin(label.index[(label == 0).fillna(value=False)])]
    if rejected.empty:
        return pd.Series(index=label.index, dtype="str")
    return rejected.groupby("item_id")["reason"].agg(lambda own: own.value_counts().index[0])


def _join(texts: pd.Series) -> str:
    return "; ".join(dict.fromkeys(str(text) for text in texts if text))
