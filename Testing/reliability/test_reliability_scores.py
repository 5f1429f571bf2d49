"""Scores and feature banks against scikit-learn, scipy and worked examples."""

import math

import numpy as np
import numpy.testing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import mahalanobis
from scipy.special import logit
from scipy.stats import entropy
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import NearestNeighbors

from fractureai.errors import EvaluationError
from fractureai.reliability import SCORES, MemberBank, ViewBank, ViewEvidence, study_probability, study_scores

THRESHOLDS = {"PA": 0.4, "LAT": 0.6, "ensemble": 0.5}


def evidence(
    view: str, probabilities: list[list[float]], features: np.ndarray | None = None, **changes: object
) -> ViewEvidence:
    values = np.array(probabilities, dtype=float)
    log_odds = logit(np.clip(values.mean(axis=1), 0.01, 0.99))
    given: dict = {
        "logits": np.stack([-log_odds / 2, log_odds / 2], axis=1),
        "features": np.zeros((len(values), 3), np.float32) if features is None else features,
        "activation_map": np.eye(4, dtype=np.float32),
    }
    return ViewEvidence(view, values, **{**given, **changes})


def test_scores_of_a_worked_example() -> None:
    pa, lat = evidence("PA", [[0.8, 0.6], [0.4, 0.2]]), evidence("LAT", [[0.5, 0.5], [0.1, 0.1]])
    scores = study_scores([lat, pa], {}, THRESHOLDS)
    assert list(scores) == list(SCORES)
    mean = (0.5 + 0.3) / 2
    assert study_probability([pa, lat]) == pytest.approx(mean)
    assert scores["variance"] == pytest.approx(np.var([(0.7 + 0.5) / 2, (0.3 + 0.1) / 2]))
    assert scores["entropy"] == pytest.approx(entropy([mean, 1 - mean]))
    assert scores["margin"] == pytest.approx(mean / 0.5)
    assert scores["views"] == pytest.approx(0.2)
    assert scores["crops"] == pytest.approx((0.1 + 0.0) / 2)
    divergence = [
        np.mean([entropy([p, 1 - p], [m, 1 - m]) for p in members])
        for members, m in (((0.7, 0.3), 0.5), ((0.5, 0.1), 0.3))
    ]
    assert scores["members"] == pytest.approx(np.mean(divergence))
    assert scores["map_dispersion"] == pytest.approx(math.log(4) / math.log(16))
    energies = [-np.logaddexp(*item.logits.T).mean() for item in (pa, lat)]
    assert scores["energy"] == pytest.approx(max(energies))
    assert math.isnan(scores["knn"])
    assert math.isnan(scores["mahalanobis"])


def test_what_can_not_be_computed_is_nan() -> None:
    lonely = evidence("PA", [[0.3]], logits=np.full((1, 2), np.nan), activation_map=np.zeros((4, 4), np.float32))
    scores = study_scores([lonely], {}, THRESHOLDS)
    assert {key for key, value in scores.items() if not math.isnan(value)} == {"entropy", "margin"}
    assert scores["margin"] == pytest.approx(0.3 / 0.4)  # the view's own threshold
    others = [evidence("PA", [[0.3], [0.5]], members=(0, 1)), evidence("LAT", [[0.3], [0.5]], members=(1, 2))]
    assert math.isnan(study_scores(others, {}, THRESHOLDS)["variance"])  # networks of different folds make no member
    with pytest.raises(EvaluationError, match="without a radiograph"):
        study_scores([], {}, THRESHOLDS)
    with pytest.raises(EvaluationError, match="threshold of PA is missing"):
        study_scores([lonely], {}, {})
    with pytest.raises(EvaluationError, match="between 0 and 1"):
        evidence("PA", [[1.5]], logits=np.zeros((1, 2)))
    with pytest.raises(EvaluationError, match="one row for each of 1 networks"):
        evidence("PA", [[0.5]], logits=np.zeros((2, 2)))


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(0, 2**32 - 1),
    st.floats(0.01, 0.99),
)
def test_scores_have_their_ranges_and_ignore_the_order_of_views(m: int, t: int, seed: int, threshold: float) -> None:
    generator = np.random.default_rng(seed)
    views = [
        evidence(view, generator.uniform(0.001, 0.999, (m, t)), activation_map=generator.random((5, 5), np.float32))
        for view in ("PA", "LAT", "PA")
    ]
    thresholds = dict.fromkeys(("PA", "LAT", "ensemble"), threshold)
    scores = study_scores(views, {}, thresholds)
    again = study_scores(views[::-1], {}, thresholds)
    for key, highest in (("variance", 0.25), ("entropy", math.log(2)), ("margin", 1), ("members", math.log(2))):
        assert math.isnan(scores[key]) or -1e-12 <= scores[key] <= highest + 1e-12
    for key, highest in (("views", 1), ("crops", 0.5), ("map_dispersion", 1)):
        assert math.isnan(scores[key]) or -1e-12 <= scores[key] <= highest + 1e-12
    npt.assert_allclose(list(scores.values()), list(again.values()), atol=1e-12)


def clouds(n: int, channels: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.random(n) < 0.5
    mixing = generator.normal(size=(channels, channels))
    return generator.normal(size=(n, channels)) @ mixing + 3 * labels[:, None] + 5, labels


def test_neighbours_are_those_of_scikit_learn() -> None:
    features, labels = clouds(80, 6)
    bank = MemberBank.fit(features, labels, neighbours=7)
    asked, _ = clouds(30, 6, seed=1)
    stored = bank.images.astype(float)
    theirs = NearestNeighbors(n_neighbors=7).fit(stored)
    unit = asked / np.linalg.norm(asked, axis=1, keepdims=True)
    npt.assert_allclose(bank.knn(asked) * bank.neighbour_scale, theirs.kneighbors(unit)[0][:, -1], atol=1e-7)
    own = NearestNeighbors(n_neighbors=8).fit(stored).kneighbors(stored)[0][:, -1]  # the first is the image itself
    assert bank.neighbour_scale == pytest.approx(np.median(own))


@pytest.mark.parametrize(("n", "channels"), [(200, 5), (20, 40)])
def test_mahalanobis_is_that_of_the_ledoit_wolf_covariance(n: int, channels: int) -> None:
    features, labels = clouds(n, channels)
    bank = MemberBank.fit(features, labels)
    means = np.stack([features[labels == value].mean(axis=0) for value in (False, True)])
    precision = np.linalg.inv(LedoitWolf(assume_centered=True).fit(features - means[labels.astype(int)]).covariance_)
    asked, _ = clouds(10, channels, seed=2)
    theirs = [min(mahalanobis(row, mean, precision) for mean in means) for row in asked]
    npt.assert_allclose(bank.mahalanobis(asked) * bank.mahalanobis_scale, theirs, rtol=1e-4)


def test_few_directions_keep_the_order_of_foreign_images() -> None:
    features, labels = clouds(300, 40)
    whole, cut = MemberBank.fit(features, labels), MemberBank.fit(features, labels, directions=8)
    assert cut.basis.shape == (40, 8)
    asked = np.concatenate([clouds(20, 40, seed=3)[0], 50 * np.random.default_rng(0).normal(size=(20, 40))])
    for bank in (whole, cut):
        distance = bank.mahalanobis(asked)
        assert distance[:20].max() < distance[20:].min()


def test_training_images_are_about_one_away_and_banks_follow_their_networks() -> None:
    features, labels = clouds(200, 6)
    other = 10 * features + 100
    bank = ViewBank.fit([features, other], [labels, labels])
    assert np.median([bank.mahalanobis(row[None], (0,)) for row in features]) == pytest.approx(1)
    assert 0.7 < np.median([bank.knn(row[None], (1,)) for row in other]) < 1.1
    pair = np.stack([features[0], other[0]])
    both = bank.mahalanobis(pair, (0, 1))
    assert both == pytest.approx((bank.mahalanobis(pair[:1], (0,)) + bank.mahalanobis(pair[1:], (1,))) / 2)
    item = evidence("PA", [[0.5]], features[:1].astype(np.float32), members=(1,))
    alone = study_scores([item], {"PA": bank}, THRESHOLDS)["mahalanobis"]
    assert alone == pytest.approx(bank.mahalanobis(features[:1].astype(np.float32), (1,)))
    assert alone > 2 * both  # judged by the other network's bank it is far off


def test_the_strangest_view_speaks_for_the_study() -> None:
    features, labels = clouds(100, 6)
    bank = ViewBank.fit([features], [labels])
    near = evidence("PA", [[0.5]], features[:1].astype(np.float32))
    far = evidence("LAT", [[0.5]], -features[:1].astype(np.float32))
    scores = study_scores([near, far], {"PA": bank, "LAT": bank}, THRESHOLDS)
    for key in ("knn", "mahalanobis"):
        assert scores[key] == study_scores([far], {"LAT": bank}, THRESHOLDS)[key]


def test_damaged_or_degenerate_banks() -> None:
    features, labels = clouds(20, 4)
    alike = MemberBank.fit(np.ones((5, 4)), [0, 0, 1, 1, 1])
    assert np.isfinite([alike.knn(np.ones((1, 4))), alike.mahalanobis(np.zeros((1, 4)))]).all()
    for table, classes, sentence in (
        (features[:2], labels[:2], "at least three"),
        (features * np.nan, labels, "not finite"),
        (features, labels[:3], "do not fit"),
    ):
        with pytest.raises(EvaluationError, match=sentence):
            MemberBank.fit(table, classes)
    bank = ViewBank.fit([features], [labels])
    with pytest.raises(EvaluationError, match="do not fit 1 banks"):
        bank.knn(features[:1], (3,))
    with pytest.raises(EvaluationError, match="9 features"):
        bank.knn(np.ones((1, 9)), (0,))
    arrays = bank.to_arrays()
    del arrays["0/basis"]
    with pytest.raises(EvaluationError, match="damaged"):
        ViewBank.from_arrays(arrays)
