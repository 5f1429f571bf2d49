"""Readers beside the model: known decisions give known tables."""

import csv
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics as sk

from fractureai.errors import EvaluationError
from fractureai.evaluation import CaseResult, bootstrap_metrics, evaluate, write_report
from fractureai.evaluation.agreement import reader_kappa
from fractureai.evaluation.comparison import compare_auroc
from fractureai.evaluation.published import PUBLISHED_ROWS
from fractureai.evaluation.readers import MODEL, REFERENCE, SHARES, OtherModel, ReaderTable, reader_study


def flipped(cases: tuple[CaseResult, ...], share: float, seed: int) -> dict[str, bool]:
    generator = np.random.default_rng(seed)
    return {case.study: case.label != (generator.random() < share) for case in cases}


@pytest.fixture
def cases(cases_of) -> tuple[CaseResult, ...]:
    return cases_of(150)


@pytest.fixture
def table(cases) -> ReaderTable:
    generator = np.random.default_rng(7)
    other = {case.study: float(np.clip(case.probability + generator.normal(0, 0.2), 0, 1)) for case in cases}
    calls = {"R1": flipped(cases, 0.05, 1), "R2": flipped(cases, 0.1, 2), "PCP1": flipped(cases, 0.25, 3)}
    return ReaderTable(calls, {"other": OtherModel(other, 0.5)}, ("R2 was late.",))


def test_rows_equal_scikit_learn(cases, table) -> None:
    found = reader_study(cases, table, resamples=200).sets[0]
    labels = np.array([case.label for case in cases])
    calls = {name: np.array([said[case.study] for case in cases]) for name, said in table.calls.items()}
    calls[MODEL] = np.array([case.called for case in cases])
    calls["other"] = np.array([table.models["other"].probabilities[case.study] >= 0.5 for case in cases])
    assert [row.reader for row in found.rows] == ["R1", "R2", "PCP1", MODEL, "other"]
    assert [row.reader for row in found.people] == ["R1", "R2", "PCP1"]
    for row in found.rows:
        called = calls[row.reader]
        tn, fp, fn, tp = sk.confusion_matrix(labels, called).ravel()
        counts = (row.true_negative, row.false_positive, row.false_negative, row.true_positive)
        assert counts == (tn, fp, fn, tp)
        scores = (
            sk.recall_score(labels, called),
            sk.recall_score(~labels, ~called),
            sk.precision_score(labels, called),
            sk.f1_score(labels, called),
            sk.balanced_accuracy_score(labels, called),
        )
        assert tuple(row.estimates[name].value for name in SHARES) == pytest.approx(scores)
        assert row.kappa.value == pytest.approx(sk.cohen_kappa_score(labels, called, weights="quadratic"))
    for pair in found.pairs:
        both = [labels if name == REFERENCE else calls[name] for name in (pair.first, pair.second)]
        assert pair.kappa.value == pytest.approx(sk.cohen_kappa_score(*both, weights="quadratic"))
    assert found.kappa("PCP1", "R1") == found.kappa("R1", "PCP1")
    assert len(found.pairs) == 15


def test_intervals_are_those_of_the_bootstrap_of_patients(cases, table) -> None:
    found = reader_study(cases, table, resamples=4000, seed=3).sets[0]
    labels, patients = [case.label for case in cases], [case.patient for case in cases]
    calls = [float(table.calls["PCP1"][case.study]) for case in cases]
    row = next(row for row in found.rows if row.reader == "PCP1")
    alone = bootstrap_metrics(labels, calls, resamples=4000, seed=3, patients=patients)
    for name in SHARES:
        assert (row.estimates[name].low, row.estimates[name].high) == pytest.approx((alone[name].low, alone[name].high))
    kappa = reader_kappa(
        np.array(labels, int), np.array(calls, int), labels=labels, patients=patients, resamples=4000, seed=3
    )
    assert row.kappa == kappa


def test_against_the_model_by_hand() -> None:
    def case(i: int, label: bool, probability: float | None) -> CaseResult:
        return CaseResult(f"s{i}", f"P{i}", label, probability, 0.5)

    cases = (
        case(0, True, 0.9), case(1, True, 0.2), case(2, True, 0.3), case(3, False, 0.8), case(4, False, 0.1),
        case(5, False, None),
    )  # fmt: skip
    calls = {"s0": False, "s1": True, "s2": True, "s3": True, "s5": True}
    found = reader_study(cases, ReaderTable({"R": calls}), resamples=20).sets[0]
    reader, model = found.rows
    assert (reader.n, reader.n_positive, model.n, found.n) == (5, 3, 5, 6)
    test = reader.against_model
    assert (test.n, test.only_first, test.only_second, test.both_right, test.both_wrong) == (4, 2, 1, 0, 1)
    assert test.p_exact == 1
    assert (reader.against_model_fractures.n, reader.against_model_normals.n) == (3, 1)
    assert (reader.auroc, model.against_model) == (None, None)
    assert found.kappa("R", MODEL).n == 4


def test_another_model_is_compared_by_delong(cases, table) -> None:
    found = reader_study(cases, table, resamples=20).sets[0]
    row = next(row for row in found.rows if row.reader == "other")
    assert row.is_model
    assert row.auroc == compare_auroc(
        [case.label for case in cases],
        [table.models["other"].probabilities[case.study] for case in cases],
        [case.probability for case in cases],
        [case.patient for case in cases],
    )


def test_general_and_hard_stand_beside_all(cases, table) -> None:
    study = reader_study(cases, table, resamples=20)
    assert [found.name for found in study.sets] == ["all", "general", "hard"]
    assert sum(found.n for found in study.sets[1:]) == study.sets[0].n
    one = tuple(replace(case, stratum="") for case in cases)
    assert [found.name for found in reader_study(one, table, resamples=20).sets] == ["all"]


def test_readers_as_published_give_the_published_table() -> None:
    """Readers with the paper's confusion matrices on its 129 fractures and 78 normals: Table 3, cut as it is there."""
    rows = [row for row in PUBLISHED_ROWS if row.set == "general" and (row.is_person or row.reader == "ensemble")]
    labels = np.arange(207) < 129
    calls = {}
    for row in rows:
        called = np.zeros(207, dtype=bool)
        called[: row.true_positive] = called[129 : 129 + row.false_positive] = True
        calls[row.reader] = called
    cases = tuple(
        CaseResult(str(i), str(i), bool(labels[i]), float(calls["ensemble"][i]), 0.5, stratum="general")
        for i in range(207)
    )
    said = {name: {str(i): bool(call) for i, call in enumerate(calls[name])} for name in calls if name != "ensemble"}
    found = reader_study(cases, ReaderTable(said), resamples=2000).sets[0]
    for row, printed in zip(found.rows, [*(r for r in rows if r.is_person), rows[0]], strict=True):
        for name in SHARES:
            assert math.floor(100 * row.estimates[name].value + 1e-9) == round(100 * printed.estimates[name].value)
            assert row.estimates[name].low == pytest.approx(printed.estimates[name].low, abs=0.02)
            assert row.estimates[name].high == pytest.approx(printed.estimates[name].high, abs=0.02)
        if printed.is_person:
            assert f"{row.kappa.value:.2f}" == f"{printed.kappa:.2f}"
    # The published conclusion: both radiologists beat the model on normals by more than chance.
    assert all(row.against_model_normals.p_exact < 0.05 for row in found.people if row.reader in ("R1", "R2"))


@pytest.mark.slow
def test_report_shows_readers_and_writes_all_numbers(cases, table, tmp_path) -> None:
    study = reader_study(cases, table, resamples=100)
    path = write_report(replace(evaluate(cases, resamples=50), readers=study), tmp_path)
    page = path.read_text(encoding="utf-8")
    for text in ("PCP1", "R2 was late.", "Published figures, for orientation only", "Kappa with reference"):
        assert text in page, text
    with (tmp_path / "readers.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["set"], row["reader"]) for row in rows[:6]] == [
        ("all", "R1"), ("all", "R2"), ("all", "PCP1"), ("all", "Model"), ("all", "other"), ("general", "R1"),
    ]  # fmt: skip
    first = study.sets[0].rows[0]
    assert float(rows[0]["sensitivity"]) == first.estimates["sensitivity"].value
    assert float(rows[0]["mcnemar_p_mid"]) == first.against_model.p_mid
    assert float(rows[4]["p_delong"]) == study.sets[0].rows[4].auroc.p
    with (tmp_path / "kappa.csv").open(encoding="utf-8") as file:
        kappas = list(csv.DictReader(file))
    assert len(kappas) == 3 * 15
    assert float(kappas[0]["kappa_low"]) == study.sets[0].pairs[0].kappa.bootstrap.low
    names = {file.stem for file in (tmp_path / "figures").glob("readers_*.svg")}
    assert names == {
        f"readers_{kind}_{name}" for kind in ("roc", "precision_recall", "kappa") for name in ("general", "hard")
    }
    document = json.loads((tmp_path / "numbers.json").read_text(encoding="utf-8"))["readers"]
    assert document["sets"][0]["rows"][0]["reader"] == "R1"
    assert "patients" not in document["sets"][0]


def test_names_and_silence_are_refused(cases) -> None:
    with pytest.raises(EvaluationError, match="can not be called Model"):
        reader_study(cases, ReaderTable({"Model": flipped(cases, 0, 0)}))
    with pytest.raises(EvaluationError, match="R9 read none of the 150 studies"):
        reader_study(cases, ReaderTable({"R9": {"elsewhere": True}}))
    with pytest.raises(EvaluationError, match="Two readers are called R1"):
        ReaderTable({"R1": {}}).merged(ReaderTable(models={"R1": OtherModel({})}))
