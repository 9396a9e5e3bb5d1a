"""Null models see what they should see, and nothing else."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from minewatch.errors import InputError
from minewatch.model import Detector
from minewatch.model._nulls import NULL_KINDS, NullDetector, mean_colour, with_places

BANDS = ("B04", "B08")


@pytest.fixture
def patches(pixels):
    """Make 40 patches, bright ones mining; two heaps of places, by number of the site."""
    random = np.random.default_rng(0)
    values = random.uniform(0.1, 0.2, (40, 2, 4, 4))
    labels = pd.Series(np.arange(40) % 2, index=[f"s{i}" for i in range(40)])
    values[labels.to_numpy() == 1, 0] += 0.2
    made = pixels(values, BANDS)
    east = np.where(labels.to_numpy() == 1, -62.0, -63.0) + random.normal(0, 0.01, 40)
    sites = pd.DataFrame({"longitude": east, "latitude": 6.0}, index=labels.index)
    context = pd.DataFrame(
        {"road_m": 1000.0 * labels + random.normal(0, 9, 40), "target_mine": 1 - labels,
         "name": "x"},
        index=labels.index,
    )  # fmt: skip
    return with_places(made, sites), labels, context


def test_null_models_are_detectors_and_keep_scikit_learns_promises(patches):
    pixels, labels, context = patches
    for kind in NULL_KINDS:
        null = NullDetector(kind, random_state=3)
        assert isinstance(null, Detector)
        assert null.get_params() == {"kind": kind, "random_state": 3}
        fitted = clone(null).fit(pixels, labels, context)
        scores = fitted.predict_proba(pixels, context)
        assert scores.shape == (40, 2)
        np.testing.assert_allclose(scores.sum(axis=1), 1.0)
        again = clone(null).fit(pixels, labels, context).predict_proba(pixels, context)
        np.testing.assert_array_equal(scores, again)


def test_the_majority_model_gives_the_share_of_training(patches):
    pixels, labels, _ = patches
    fitted = NullDetector("majority").fit(
        pixels[:30], labels[:30].where(labels[:30].index != "s1", 0)
    )
    assert fitted.predict_proba(pixels[30:])[:, 1] == pytest.approx(14 / 30)


def test_labels_are_joined_by_site_id_and_not_by_row(patches):
    pixels, labels, context = patches
    for kind in NULL_KINDS:
        one = NullDetector(kind).fit(pixels, labels, context).predict_proba(pixels, context)
        other = (
            NullDetector(kind)
            .fit(pixels, labels.sample(frac=1, random_state=1), context.iloc[::-1])
            .predict_proba(pixels, context.iloc[::-1])
        )
        np.testing.assert_array_equal(one, other)


def test_the_model_of_coordinates_sees_places_alone(patches):
    pixels, labels, _ = patches
    fitted = NullDetector("coordinates").fit(pixels, labels)
    scores = fitted.predict_proba(pixels)[:, 1]
    np.testing.assert_array_equal(scores, labels)
    np.testing.assert_array_equal(fitted.predict_proba(pixels * 0 + 0.5)[:, 1], scores)


def test_a_site_without_a_place_gets_no_score_from_coordinates(patches):
    pixels, labels, _ = patches
    lost = pixels.copy()
    lost["longitude"][3] = np.nan
    scores = NullDetector("coordinates").fit(lost, labels).predict_proba(lost)
    assert np.isnan(scores[3]).all()
    assert np.isfinite(np.delete(scores, 3, axis=0)).all()


def test_the_model_of_coordinates_knows_that_the_earth_is_round(patches):
    pixels, labels, _ = patches
    sites = pd.DataFrame({"longitude": 0.0, "latitude": 0.0}, index=labels.index)
    sites.loc[labels == 1, "longitude"] = 179.9
    fitted = NullDetector("coordinates").fit(with_places(pixels, sites), labels)
    asked = with_places(
        pixels[:1], pd.DataFrame({"longitude": [-179.9], "latitude": [0.0]}, ["s0"])
    )
    assert fitted.predict_proba(asked)[0, 1] == 1.0


def test_the_model_of_context_does_not_see_what_names_the_target(patches):
    pixels, labels, context = patches
    fitted = NullDetector("context").fit(pixels, labels, context)
    one = fitted.predict_proba(pixels, context)
    turned = context.assign(target_mine=1 - context["target_mine"])
    np.testing.assert_array_equal(fitted.predict_proba(pixels, turned), one)
    assert ((one[:, 1] > 0.5) == (labels == 1)).all()
    with pytest.raises(InputError, match="no numeric column"):
        NullDetector("context").fit(pixels, labels, context[["target_mine", "name"]])
    with pytest.raises(InputError, match="needs the context table"):
        NullDetector("context").fit(pixels, labels)


def test_context_of_one_value_or_none_tells_nothing(patches):
    pixels, labels, context = patches
    dull = context.assign(bare_m=np.nan, one_m=7.0)
    fitted = NullDetector("context").fit(pixels, labels, dull)
    plain = NullDetector("context").fit(pixels, labels, context)
    np.testing.assert_array_equal(
        fitted.predict_proba(pixels, dull), plain.predict_proba(pixels, context)
    )
    nothing = NullDetector("context").fit(pixels, labels, dull[["bare_m", "one_m"]])
    assert nothing.predict_proba(pixels, dull)[:, 1].tolist() == [0.5] * 40


def test_mean_colour_leaves_missing_pixels_out(pixels):
    values = np.full((2, 1, 2, 2), 0.4)
    values[0, 0, 0] = np.nan
    values[1] = np.nan
    np.testing.assert_allclose(mean_colour(pixels(values, ["B04"])), [[0.4], [np.nan]])


def test_the_model_of_mean_colour_does_not_see_patterns(patches):
    pixels, labels, _ = patches
    fitted = NullDetector("mean colour").fit(pixels, labels)
    turned = pixels.copy(data=pixels.to_numpy()[:, :, ::-1, ::-1])
    np.testing.assert_allclose(
        fitted.predict_proba(turned), fitted.predict_proba(pixels), atol=1e-6
    )
    assert (fitted.predict(pixels) == labels).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda labels: labels * 0, r"expected both 0 and 1"),
        (lambda labels: labels[:9], r"31 patches have no label"),
    ],
)
def test_labels_that_teach_nothing_are_refused(patches, change, words):
    pixels, labels, _ = patches
    with pytest.raises(InputError, match=words):
        NullDetector("majority").fit(pixels, change(labels))


def test_an_unknown_kind_is_refused(patches):
    pixels, labels, _ = patches
    with pytest.raises(InputError, match="no null model 'colour'"):
        NullDetector("colour").fit(pixels, labels)
    with pytest.raises(InputError, match="longitude and no latitude"):
        NullDetector("coordinates").fit(pixels.drop_vars(["longitude", "latitude"]), labels)
