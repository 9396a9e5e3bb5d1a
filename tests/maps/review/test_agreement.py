"""Agreement: κ as it is defined, conflicts, and what a place is taken for."""

import numpy as np
import pandas as pd
import pytest

from minewatch.errors import InputError
from minewatch.maps.review import agree_on, find_conflicts, measure_agreement
from minewatch.maps.review._agreement import independent_verdicts


def fifty():
    """Give 50 places that both judged: 20 mine and 15 not by both, 5 and 10 by one alone."""
    both = [("mine", "mine")] * 20 + [("mine", "not_mine")] * 5
    both += [("not_mine", "mine")] * 10 + [("not_mine", "not_mine")] * 15
    return [(f"i{at}", who, said) for at, pair in enumerate(both)
            for who, said in zip(("Ana", "Ben"), pair, strict=True)]  # fmt: skip


def test_kappa_is_that_of_the_worked_example_of_cohen_by_hand(maker):
    rows = fifty()
    found = measure_agreement(maker.table(rows)).iloc[0]
    # observed 35 / 50; by chance (25 × 30 + 25 × 20) / 50²
    assert found["kappa"] == pytest.approx((0.7 - 0.5) / (1 - 0.5))
    assert (found["n_both"], found["n_same"], found["n_conflicts"]) == (50, 35, 15)


def test_kappa_of_three_classes_is_that_of_a_table_worked_by_hand(maker):
    counts = {("mine", "mine"): 5, ("mine", "unsure"): 1, ("not_mine", "not_mine"): 2,
              ("unsure", "mine"): 1, ("unsure", "unsure"): 1}  # fmt: skip
    pairs = [pair for pair, count in counts.items() for _ in range(count)]
    rows = [(f"i{at}", who, said) for at, pair in enumerate(pairs)
            for who, said in zip(("Ana", "Ben"), pair, strict=True)]  # fmt: skip
    # alike 8 of 10; both call 6 mine, 2 not and 2 unsure: by chance 0.36 + 0.04 + 0.04
    expected = (0.8 - 0.44) / (1 - 0.44)
    assert measure_agreement(maker.table(rows))["kappa"].tolist() == [pytest.approx(expected)]


def test_what_is_changed_after_seeing_the_other_raises_no_kappa(maker):
    said = maker.table(fifty())
    of_ben = said["reviewer"] == "Ben"
    said.loc[of_ben, "told_after"] = range(51, 101)  # told of each place, one after the other
    ana = said[~of_ben].set_index("item_id")["verdict"]
    changed = said[of_ben].assign(told_after=pd.NA)
    changed["verdict"] = changed["item_id"].map(ana)
    changed["decided_at"] = "2026-01-02T00:00:00.000Z"
    later = pd.concat([said, changed.astype(said.dtypes)], ignore_index=True)
    found = measure_agreement(later).iloc[0]
    assert found["kappa"] == pytest.approx(0.4)
    assert (found["n_same"], found["n_same_last"], found["n_conflicts"]) == (35, 50, 0)
    undone = later.copy()  # to undo what one said before being told does not help either
    undone.loc[:99, "undone_at"] = undone.loc[:99, "undone_at"].where(
        ~of_ben.to_numpy(), "2026-01-03T00:00:00.000Z"
    )
    assert measure_agreement(undone).iloc[0]["kappa"] == pytest.approx(0.4)


def test_a_slip_that_was_undone_before_anybody_was_told_does_not_count(maker):
    rows = [("a", "Ana", "mine"), ("b", "Ana", "not_mine"), ("a", "Ben", "not_mine"),
            ("a", "Ben", "mine"), ("b", "Ben", "not_mine")]  # fmt: skip
    said = maker.table(rows)
    said.loc[2, "undone_at"] = "2026-01-01T00:00:02.500Z"
    assert independent_verdicts(said)["verdict"].tolist() == ["mine", "not_mine"] * 2
    assert measure_agreement(said).iloc[0]["kappa"] == 1.0
    said.loc[2, "told_after"] = 3  # but it does if Ben was told of Ana's first
    found = measure_agreement(said).iloc[0]
    assert (found["n_same"], found["n_both"], found["n_same_last"]) == (1, 2, 2)
    # alike 1 of 2; Ana: one of each, Ben: both not: by chance 0.5
    assert found["kappa"] == 0.0


def test_a_skip_is_no_verdict_and_the_last_verdict_counts(maker):
    rows = [
        ("a", "Ana", "mine"),
        ("a", "Ben", "skip"),
        ("b", "Ana", "mine"),
        ("b", "Ben", "not_mine"),
        ("b", "Ben", "mine"),
    ]
    found = measure_agreement(maker.table(rows)).iloc[0]
    assert (found["n_both"], found["n_same"]) == (1, 1)
    assert np.isnan(found["kappa"])


def test_reviewers_who_share_no_place_are_not_compared(maker):
    assert measure_agreement(maker.table([("a", "Ana", "mine"), ("b", "Ben", "mine")])).empty
    assert measure_agreement(maker.table([])).empty


def test_what_is_undone_counts_nowhere(maker):
    said = maker.table([("a", "Ana", "mine"), ("a", "Ben", "not_mine")])
    assert find_conflicts(said).index.tolist() == ["a"]
    said.loc[1, "undone_at"] = "2026-01-02T00:00:00.000Z"
    assert find_conflicts(said).empty
    assert agree_on(said)["label"].to_dict() == {"a": 1}


def test_most_votes_decide_a_tie_does_not_and_unsure_is_no_vote(maker):
    rows = [
        ("two-one", "Ana", "mine"),
        ("two-one", "Ben", "mine"),
        ("two-one", "Eva", "not_mine"),
        ("tie", "Ana", "mine"),
        ("tie", "Ben", "not_mine"),
        ("one", "Ana", "not_mine"),
        ("one", "Ben", "unsure"),
        ("none", "Ana", "unsure"),
        ("skipped", "Ana", "skip"),
    ]
    agreed = agree_on(maker.table(rows))
    label = {name: None if pd.isna(one) else int(one) for name, one in agreed["label"].items()}
    assert label == {"two-one": 1, "tie": None, "one": 0, "none": None}
    assert agreed.index[agreed["is_conflict"]].tolist() == ["two-one", "tie"]
    assert find_conflicts(maker.table(rows)).to_dict("index")["two-one"] == {
        "mine": "Ana, Ben",
        "not_mine": "Eva",
    }


def test_who_is_trusted_decides_and_an_unknown_name_is_an_error(maker):
    said = maker.table([("a", "Ana", "mine"), ("a", "Ben", "not_mine"), ("a", "Eva", "mine")])
    assert agree_on(said, trust=["Ben"])["label"].to_dict() == {"a": 0}
    assert agree_on(said, trust=["Ana", "Ben"])["label"].to_dict() == {"a": 1}
    with pytest.raises(InputError, match="Ana, Ben, Eva"):
        agree_on(said, trust=["Bob"])


def test_names_that_differ_in_capitals_alone_are_one_reviewer_with_one_vote(maker):
    rows = [("a", "Ana", "mine"), ("a", "Ben", "not_mine"), ("a", "ana", "mine"),
            ("b", "ANA", "not_mine"), ("b", "Ben", "mine")]  # fmt: skip
    said = maker.table(rows)
    assert agree_on(said)["label"].isna().all()
    assert agree_on(said, trust=["aNa"])["label"].to_dict() == {"a": 1, "b": 0}
    found = measure_agreement(said)
    assert found[["reviewer", "other", "n_both"]].to_numpy().tolist() == [["Ana", "Ben", 2]]


def test_the_commonest_reason_is_given_of_rejects_alone(maker):
    said = maker.table(
        [("a", "Ana", "not_mine"), ("a", "Ben", "not_mine"), ("a", "Eva", "not_mine"),
         ("b", "Ana", "not_mine"), ("b", "Ben", "mine"), ("b", "Eva", "mine")]
    )  # fmt: skip
    said["reason"] = pd.array(["road", "river", "river", "road", None, None], dtype="str")
    reasons = agree_on(said)["reason"]
    assert reasons["a"] == "river"
    assert pd.isna(reasons["b"])
