"""Risk-coverage curves and referral figures against definitions and scikit-learn; calibration before and after."""

import json
import math

import numpy as np
import numpy.testing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from fractureai.errors import EvaluationError
from fractureai.evaluation import CaseResult
from fractureai.evaluation.blocks import Plots, Table, Text
from fractureai.evaluation.bootstrap import draw_cases
from fractureai.evaluation.calibrated import compare_calibration
from fractureai.evaluation.calibration import calibration
from fractureai.evaluation.figures import write_plot
from fractureai.evaluation.risk_coverage import Order, optimal_aurc, risk_coverage
from fractureai.evaluation.selective import selective_table
from fractureai.evaluation.selective_report import SelectiveReport, selective_report
from fractureai.reliability import CALIBRATION_TITLES, Calibrator

WRONG = st.lists(st.booleans(), min_size=1, max_size=60)


def plain_risk(wrong: np.ndarray, uncertainty: np.ndarray, generator: np.random.Generator, times: int) -> np.ndarray:
    """Break ties at random, many times, and average."""
    total = np.zeros(len(wrong))
    for _ in range(times):
        order = np.lexsort((generator.random(len(wrong)), uncertainty))
        total += np.cumsum(wrong[order]) / np.arange(1, len(wrong) + 1)
    return total / times


@settings(deadline=None, max_examples=60)
@given(WRONG, st.integers(0, 2**32 - 1))
def test_without_ties_the_curve_is_the_definition(wrong: list, seed: int) -> None:
    errors = np.array(wrong)
    uncertainty = np.random.default_rng(seed).permutation(len(errors)).astype(float)
    curve = risk_coverage(errors, uncertainty)
    npt.assert_allclose(curve.risk, plain_risk(errors, uncertainty, np.random.default_rng(0), 1), atol=1e-12)
    assert curve.aurc == pytest.approx(curve.risk.mean())
    assert curve.coverage[-1] == 1
    assert curve.risk[-1] == pytest.approx(errors.mean())
    assert curve.excess >= -1e-12
    order = Order(uncertainty)
    assert order.aurc(np.ones((len(errors), 1), dtype=np.int64), errors)[0] == pytest.approx(curve.aurc)


@settings(deadline=None, max_examples=60)
@given(WRONG)
def test_a_perfect_score_has_the_least_area_and_a_blind_one_a_flat_risk(wrong: list) -> None:
    errors = np.array(wrong)
    assert risk_coverage(errors, errors + np.arange(len(errors)) / 1e3).excess == pytest.approx(0, abs=1e-12)
    assert risk_coverage(errors, errors).excess == pytest.approx(0, abs=1e-12)  # ties among the right and the wrong
    blind = risk_coverage(errors, np.ones(len(errors)))
    npt.assert_allclose(blind.risk, errors.mean(), atol=1e-12)
    assert blind.aurc == pytest.approx(errors.mean())
    assert float(optimal_aurc(errors.sum(), len(errors))) <= blind.aurc + 1e-12


def test_ties_are_the_mean_over_random_orders() -> None:
    generator = np.random.default_rng(0)
    wrong, uncertainty = generator.random(40) < 0.3, generator.integers(0, 5, 40).astype(float)
    curve = risk_coverage(wrong, uncertainty)
    npt.assert_allclose(curve.risk, plain_risk(wrong, uncertainty, generator, 20_000), atol=0.01)


def test_a_resample_counts_as_a_list_with_repeats_would() -> None:
    generator = np.random.default_rng(1)
    wrong, uncertainty = generator.random(50) < 0.3, generator.integers(0, 12, 50).astype(float)
    counts = next(draw_cases(wrong, None, 20, 0))
    order = Order(uncertainty)
    ours, kept = order.aurc(counts, wrong), order.kept(counts, 0.2)
    for i in range(20):
        repeated = np.repeat(np.arange(50), counts[:, i])
        assert ours[i] == pytest.approx(risk_coverage(wrong[repeated], uncertainty[repeated]).aurc)
    npt.assert_allclose(kept.sum(axis=0), 40)
    assert ((kept >= 0) & (kept <= counts)).all()
    for i in range(20):  # nobody is kept while somebody more certain is referred
        inside, outside = uncertainty[kept[:, i] > 1e-9], uncertainty[kept[:, i] < counts[:, i] - 1e-9]
        assert inside.max() <= outside.min()


def test_an_undefined_value_counts_as_the_median() -> None:
    filled = np.array([1.0, 2.0, 3.0, 2.0])
    missing = np.array([1.0, 2.0, 3.0, math.nan])
    wrong = [False, True, True, False]
    assert risk_coverage(wrong, missing).aurc == risk_coverage(wrong, filled).aurc
    with pytest.raises(EvaluationError, match="ranks none"):
        risk_coverage(wrong, np.full(4, np.nan))
    with pytest.raises(EvaluationError, match="one uncertainty for each"):
        risk_coverage(wrong[:3], filled)


def cases(n: int = 240, seed: int = 0) -> list[CaseResult]:
    """Studies of which the hard fractures are missed; ``combined`` knows, ``variance`` does not."""
    generator = np.random.default_rng(seed)
    made = []
    for i in range(n):
        label, hard = bool(generator.random() < 0.5), i % 3 == 0
        sign = (0.4 if hard else 2.5) if label else -1.5
        log_odds = generator.normal(sign, 1.2)
        probability = float(1 / (1 + np.exp(-log_odds)))
        wrong = (probability >= 0.5) != label
        scores = {"variance": float(generator.random()), "entropy": -abs(log_odds)}
        if i % 5:
            scores["views"] = float(generator.random())
        made.append(
            CaseResult(
                f"s{i}",
                f"p{i // 2}",
                label,
                probability,
                0.5,
                stratum="hard" if hard else "general",
                scores=scores,
                uncertainty=float(np.clip(generator.normal(0.7 if wrong else 0.3, 0.1), 0, 1)),
            )
        )
    return made


FOREIGN = [{"variance": 0.1, "entropy": -0.5, "combined": 0.95 + i / 1000} for i in range(30)]


@pytest.fixture(scope="module")
def report() -> SelectiveReport:
    found = selective_report(cases(), FOREIGN, 4, note="The combined score was learned.", resamples=300)
    assert found is not None
    return found


def test_figures_of_the_kept_are_those_of_scikit_learn(report: SelectiveReport) -> None:
    table = selective_table(cases())
    assert table is not None
    for name in ("all", "general", "hard"):
        stratum = report.stratum(name)
        assert stratum is not None
        part = table if name == "all" else table.part(table.strata == name)
        assert (stratum.n, stratum.n_positive) == (len(part.labels), part.labels.sum())
        for key in ("combined", "entropy"):  # no ties
            for share in (0.1, 0.2):
                number = len(part.labels) - round(share * len(part.labels))
                kept = np.argsort(part.scores[key])[:number]
                truth, given = part.labels[kept], part.probabilities[kept]
                row = stratum.row(key)
                assert row is not None
                ours = row.at(share)
                assert ours.sensitivity.value == pytest.approx(sk.recall_score(truth, given >= 0.5))
                assert ours.specificity.value == pytest.approx(sk.recall_score(~truth, given < 0.5))
                assert ours.auroc.value == pytest.approx(sk.roc_auc_score(truth, given))
                before = sk.recall_score(part.labels, part.probabilities >= 0.5)
                assert ours.gain.value == pytest.approx(ours.sensitivity.value - before)
                assert ours.gain.low <= ours.gain.value <= ours.gain.high


def test_differences_are_paired_and_absent_for_the_baseline(report: SelectiveReport) -> None:
    assert report.baseline == "variance"
    everything = report.strata[0]
    combined, published = everything.row("combined"), everything.row("variance")
    assert combined is not None
    assert published is not None
    assert combined.aurc_over_baseline.value == pytest.approx(combined.aurc.value - published.aurc.value)
    assert combined.aurc_over_baseline.high < 0  # it knows the errors
    assert combined.at(0.2).gain_over_baseline.low > 0
    assert math.isnan(published.aurc_over_baseline.value)
    assert math.isnan(published.at(0.2).gain_over_baseline.value)


def test_separations_are_those_of_scikit_learn(report: SelectiveReport) -> None:
    table = selective_table(cases(), FOREIGN)
    assert table is not None
    by_score = {item.score: item for item in report.separations}
    hard = table.strata == "hard"
    for key in ("combined", "variance", "entropy"):
        assert by_score[key].hard.value == pytest.approx(sk.roc_auc_score(hard, table.scores[key]))
        both = np.concatenate([table.scores[key], [row[key] for row in FOREIGN]])
        assert by_score[key].foreign.value == pytest.approx(sk.roc_auc_score(np.arange(len(both)) >= 240, both))
    gap = by_score["combined"].hard.value - by_score["variance"].hard.value
    assert by_score["combined"].hard_over_baseline.value == pytest.approx(gap)
    assert by_score["combined"].foreign.value > 0.98
    views = by_score["views"]
    assert views.foreign.value == pytest.approx(0.5, abs=0.12)  # not defined for them: neither strange nor familiar


def test_the_report_has_texts_tables_and_json(report: SelectiveReport) -> None:
    section = report.section()
    texts = [block.text for block in section.blocks if isinstance(block, Text)]
    assert texts[0].startswith("Hard (occult fractures), 80 studies: referring 20 % of them by the combined score")
    assert "30; 4 more were not read at all" in " ".join(texts)
    assert "The combined score was learned." in texts
    tables = [block for block in section.blocks if isinstance(block, Table)]
    assert [table.name for table in tables] == [
        *("selective_all", "selective_general", "selective_hard"),
        "selective_scores",
    ]
    for table in tables:
        assert len(table.columns) <= 10
        assert {len(row) for group in table.groups for row in group.rows} == {len(table.columns)}
    assert tables[0].groups[0].rows[0][0] == "Combined"
    values = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert values["strata"][0]["rows"][0]["kept"][1]["referred"] == 0.2


def test_figures_are_drawn(report: SelectiveReport, tmp_path) -> None:
    plots = next(block for block in report.section().blocks if isinstance(block, Plots)).items
    assert [plot.name for plot in plots] == ["risk_coverage_all", "risk_coverage_hard", "selective_auroc"]
    for plot in plots:
        files = write_plot(plot, tmp_path)
        assert files.svg.stat().st_size > 5000
        assert files.png.stat().st_size > 10_000


def test_little_data_and_readings_without_scores() -> None:
    assert selective_report([CaseResult("s", "p", True, 0.7, 0.5)]) is None
    right = [case for case in cases() if case.correct]
    found = selective_report(right, resamples=20)
    assert found is not None
    assert found.strata == ()
    assert found.section().blocks
    one = [
        CaseResult(c.study, c.patient, c.label, c.probability, 0.5, scores={"entropy": 0.1 * i})
        for i, c in enumerate(cases(30))
    ]
    alone = selective_report(one, resamples=20)
    assert alone is not None
    assert alone.baseline == "entropy"
    assert alone.section().blocks
    json.dumps(alone.to_json(), allow_nan=False)


def overconfident(n: int, factor: float = 2.5) -> list[CaseResult]:
    generator = np.random.default_rng(0)
    log_odds = generator.normal(0, 2, n)
    labels = generator.random(n) < 1 / (1 + np.exp(-log_odds))
    given = 1 / (1 + np.exp(-factor * log_odds))
    return [CaseResult(f"s{i}", f"p{i}", bool(labels[i]), float(given[i]), 0.5) for i in range(n)]


def test_calibration_is_better_after_than_before_and_equals_its_parts(tmp_path) -> None:
    found = compare_calibration(overconfident(400), resamples=300)
    assert found is not None
    assert found.cross_fitted
    assert [row.method for row in found.rows] == ["raw", "temperature", "isotonic"]
    for row in found.rows:
        assert row.expected_error.value == pytest.approx(row.calibration.expected_error)
        assert row.brier.value == pytest.approx(row.calibration.brier)
    raw, mended = found.row("raw"), found.row("temperature")
    assert mended.brier_change.high < 0
    assert mended.brier_change.value == pytest.approx(mended.brier.value - raw.brier.value)
    assert math.isnan(raw.brier_change.value)
    section = found.section()
    plots = next(block for block in section.blocks if isinstance(block, Plots)).items
    assert write_plot(plots[0], tmp_path).png.stat().st_size > 10_000
    json.dumps(found.to_json(), allow_nan=False)


def test_a_models_own_maps_are_applied_as_they_are() -> None:
    read = overconfident(60)
    own = {method: Calibrator("isotonic", knots=((0.0, 0.1), (1.0, 0.9))) for method in CALIBRATION_TITLES}
    found = compare_calibration(read, own, "temperature", resamples=50)
    assert found is not None
    assert not found.cross_fitted
    mapped = [0.1 + 0.8 * case.probability for case in read if case.probability is not None]
    assert found.row("temperature").calibration == calibration([case.label for case in read], mapped)
    assert found.row("temperature").in_use
    assert compare_calibration(read[:20]) is None  # too few to fit and judge
    with pytest.raises(EvaluationError, match="no cases"):
        compare_calibration([])
