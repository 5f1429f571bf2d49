"""The metrics against scikit-learn and against the published tables."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from fractureai.errors import EvaluationError
from fractureai.evaluation import BinaryMetrics, binary_metrics

# Few distinct probabilities, so that ties within and between the classes are common.
CASES = st.lists(st.tuples(st.booleans(), st.integers(0, 12).map(lambda i: i / 12)), min_size=1, max_size=60)


def same(ours: float, theirs: float) -> bool:
    return (math.isnan(ours) and math.isnan(theirs)) or math.isclose(ours, theirs, abs_tol=1e-12)


@settings(deadline=None)
@given(CASES, st.integers(0, 12).map(lambda i: i / 12))
def test_equals_scikit_learn(cases: list[tuple[bool, float]], threshold: float) -> None:
    labels, probabilities = map(np.array, zip(*cases, strict=True))
    called, nan = probabilities >= threshold, math.nan
    ours = binary_metrics(labels, probabilities, threshold)
    tn, fp, fn, tp = sk.confusion_matrix(labels, called, labels=[False, True]).ravel()
    assert (ours.true_negative, ours.false_positive, ours.false_negative, ours.true_positive) == (tn, fp, fn, tp)
    assert same(ours.sensitivity, sk.recall_score(labels, called, zero_division=nan))
    assert same(ours.specificity, sk.recall_score(~labels, ~called, zero_division=nan))
    assert same(ours.precision, sk.precision_score(labels, called, zero_division=nan))
    assert same(ours.f1, sk.f1_score(labels, called, zero_division=nan))
    assert (ours.n, ours.n_positive) == (len(cases), labels.sum())
    if labels.all() or not labels.any():
        assert all(map(math.isnan, (ours.auroc, ours.aupr, ours.balanced_accuracy)))
    else:
        assert same(ours.balanced_accuracy, sk.balanced_accuracy_score(labels, called))
        assert same(ours.auroc, sk.roc_auc_score(labels, probabilities))
        assert same(ours.aupr, sk.average_precision_score(labels, probabilities))


def from_confusion(fractures: int, normals: int, sensitivity: float, specificity: float) -> BinaryMetrics:
    hits, alarms = round(fractures * sensitivity), normals - round(normals * specificity)
    probabilities = [0.9] * hits + [0.1] * (fractures - hits) + [0.9] * alarms + [0.1] * (normals - alarms)
    return binary_metrics([1] * fractures + [0] * normals, probabilities, 0.5)


@pytest.mark.parametrize(
    ("sensitivity", "specificity", "precision", "f1", "balanced_accuracy"),
    [
        (0.97, 0.87, 0.92, 0.95, 0.92),  # DeepWrist, Table 2 and 3, test set #1: ensemble
        (0.98, 0.93, 0.96, 0.97, 0.96),  # Table 3: radiology resident
        (0.92, 0.97, 0.98, 0.95, 0.94),  # Table 3: primary care physician 2
        (1.00, 0.97, 0.98, 0.99, 0.98),  # Table 3: radiologist 1
    ],
)
def test_equals_the_published_table(
    sensitivity: float, specificity: float, precision: float, f1: float, balanced_accuracy: float
) -> None:
    ours = from_confusion(129, 78, sensitivity, specificity)
    # The table's two decimals are means over resamples, so the last digit may differ by one.
    assert ours.precision == pytest.approx(precision, abs=0.0101)
    assert ours.f1 == pytest.approx(f1, abs=0.0101)
    assert ours.balanced_accuracy == pytest.approx(balanced_accuracy, abs=0.0101)
    assert ours.prevalence == 129 / 207


def test_a_case_at_the_threshold_is_called() -> None:
    assert binary_metrics([1, 0], [0.5, 0.49], 0.5).sensitivity == 1


def test_one_class_leaves_undefined_values_nan() -> None:
    only_normals = binary_metrics([0, 0], [0.2, 0.1], 0.5)
    assert only_normals.specificity == 1
    for name in ("sensitivity", "precision", "f1", "balanced_accuracy", "auroc", "aupr"):
        assert math.isnan(getattr(only_normals, name)), name
    assert binary_metrics([1, 0], [0.2, 0.1], 0.5).f1 == 0


def test_a_threshold_for_each_case() -> None:
    ours = binary_metrics([1, 1, 0, 0], [0.45, 0.45, 0.45, 0.1], [0.4, 0.5, 0.4, 0.4])
    assert (ours.true_positive, ours.false_negative, ours.false_positive) == (1, 1, 1)
    assert math.isnan(ours.threshold)


@pytest.mark.parametrize(
    ("labels", "probabilities", "threshold", "message"),
    [
        ([], [], 0.5, "no cases"),
        ([1, 0], [0.5], 0.5, "one length"),
        ([[1, 0]], [[0.5, 0.1]], 0.5, "one length"),
        ([1, 2], [0.5, 0.5], 0.5, "Labels"),
        ([1, 0], [0.5, 1.01], 0.5, "between 0 and 1"),
        ([1, 0], [0.5, math.nan], 0.5, "between 0 and 1"),
        ([1, 0], [0.5, 0.5], math.nan, "threshold"),
        ([1, 0], [0.5, 0.5], [0.5, 0.5, 0.5], "threshold"),
    ],
)
def test_bad_input_is_refused(labels: list, probabilities: list, threshold: object, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        binary_metrics(labels, probabilities, threshold)
