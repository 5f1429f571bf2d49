"""Logistic regression on age, sex and score against statsmodels' formulas; separation and singular tables in words."""

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from fractureai.evaluation import CaseResult, evaluate, write_report
from fractureai.evaluation.confounders import confounders, is_separated


def made(n: int, seed: int, repeated: int = 1, stratum: str = "") -> tuple[CaseResult, ...]:
    generator = np.random.default_rng(seed)
    cases = []
    for i in range(n):
        age, male = float(generator.uniform(5, 90)), bool(generator.random() < 0.5)
        label = bool(generator.random() < 1 / (1 + np.exp(-(0.03 * (age - 50) + 0.4 * male))))
        score = float(1 / (1 + np.exp(-(generator.normal(0, 1) + 0.8 * label))))
        cases.append(
            CaseResult(f"s{i}", f"P{i // repeated}", label, score, 0.5, stratum=stratum, age_years=age, sex="FM"[male])
        )
    return tuple(cases)


def frame(cases: tuple[CaseResult, ...]) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "y": [int(case.label) for case in cases],
            "age": [case.age_years for case in cases],
            "male": [int(case.sex == "M") for case in cases],
            "score": [case.probability for case in cases],
            "patient": [int(case.patient[1:]) for case in cases],
        }
    )
    for name in ("age", "score"):
        table[name] = (table[name] - table[name].mean()) / table[name].std(ddof=0)
    return table


def test_equals_statsmodels() -> None:
    cases = made(300, 1)
    model = confounders(cases).models[0]
    theirs = smf.logit("y ~ age + male + score", frame(cases)).fit(disp=0)
    assert [row.term for row in model.rows] == ["intercept", "age", "sex", "score"]
    assert [row.odds_ratio.value for row in model.rows] == pytest.approx(list(np.exp(theirs.params)))
    assert [row.p for row in model.rows] == pytest.approx(list(theirs.pvalues))
    limits = np.exp(theirs.conf_int())
    assert [row.odds_ratio.low for row in model.rows] == pytest.approx(list(limits[0]))
    assert [row.odds_ratio.high for row in model.rows] == pytest.approx(list(limits[1]))
    smaller = smf.logit("y ~ age + male", frame(cases)).fit(disp=0)
    assert model.p_score == pytest.approx(chi2.sf(2 * (theirs.llf - smaller.llf), 1))
    assert model.notes == ()


def test_several_studies_of_a_patient_are_allowed_for() -> None:
    cases = made(300, 2, repeated=3)
    model = confounders(cases).models[0]
    table = frame(cases)
    theirs = smf.logit("y ~ age + male + score", table).fit(
        disp=0, cov_type="cluster", cov_kwds={"groups": table["patient"]}
    )
    assert [row.p for row in model.rows] == pytest.approx(list(theirs.pvalues))
    assert math.isnan(model.p_score)
    assert "several studies" in model.notes[0]


def test_general_and_hard_apart_as_in_the_paper() -> None:
    hard = tuple(
        replace(case, study=f"h{case.study}", patient=f"h{case.patient}") for case in made(80, 4, stratum="hard")
    )
    table = confounders((*made(200, 3, stratum="general"), *hard))
    assert [(model.name, model.n) for model in table.models] == [("all", 280), ("general", 200), ("hard", 80)]
    assert all(model.rows for model in table.models)


@settings(deadline=None, max_examples=60)
@given(st.integers(4, 40), st.integers(0, 10**6), st.booleans())
def test_separation_is_found_where_there_is_one(n: int, seed: int, apart: bool) -> None:
    generator = np.random.default_rng(seed)
    x = generator.normal(0, 1, (n, 2))
    direction = generator.normal(0, 1, 2)
    score = x @ direction
    if apart:
        labels = score > np.median(score)
    else:
        labels = generator.random(n) < 0.5
        # Each point once as a fracture and once as a normal: nothing can split them.
        x, labels = np.concatenate([x, x]), np.concatenate([labels, ~labels])
    assert is_separated(np.column_stack([np.ones(len(x)), x]), labels) is apart


def test_ties_on_the_border_are_separation_too() -> None:
    x = np.array([0.0, 0, 1, 1, 2, 2])
    labels = np.array([0, 0, 0, 1, 1, 1], dtype=bool)
    assert is_separated(np.column_stack([np.ones(6), x]), labels)


def test_a_perfect_model_gives_a_sentence_and_no_numbers() -> None:
    cases = tuple(replace(case, probability=0.9 if case.label else 0.1) for case in made(60, 5))
    model = confounders(cases).models[0]
    assert model.rows == ()
    assert "the model's score alone splits fractures from normals" in model.notes[0]
    assert "no finite estimate" in model.notes[0]


def test_what_does_not_vary_is_left_out_and_said() -> None:
    women = tuple(replace(case, sex="F") for case in made(200, 6))
    model = confounders(women).models[0]
    assert [row.term for row in model.rows] == ["intercept", "age", "score"]
    assert model.notes == ("All studies have sex F; it was left out.",)
    same = tuple(replace(case, probability=0.5) for case in made(60, 6))
    assert "the same score" in confounders(same).models[0].notes[0]
    twins = tuple(replace(case, probability=case.age_years / 100) for case in made(60, 7))
    assert "can not be told apart" in confounders(twins).models[0].notes[0]
    assert "do not rely on it" in confounders(made(40, 8)).models[0].notes[-1]


def test_missing_age_or_sex_is_left_out_and_counted() -> None:
    cases = made(120, 9)
    some = (replace(cases[0], age_years=None), replace(cases[1], sex="O"), replace(cases[2], sex=""), *cases[3:])
    model = confounders(some).models[0]
    assert (model.n, model.left_out) == (117, 3)
    assert confounders(tuple(replace(case, age_years=None) for case in cases)) is None
    few = confounders(tuple(replace(case, label=False) for case in cases)).models[0]
    assert few.rows == ()
    assert "fewer than two fractures" in few.notes[0]


def test_report_shows_odds_ratios_and_writes_them(tmp_path) -> None:
    cases = made(150, 10)
    table = confounders(cases)
    evaluation = replace(evaluate(cases, resamples=20), confounders=table)
    page = write_report(evaluation, tmp_path).read_text(encoding="utf-8")
    assert "adding the score to age and sex, p " in page
    lines = (tmp_path / "confounders.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "set,n,n_positive,left_out,term,odds_ratio,odds_ratio_low,odds_ratio_high,p,p_score_added"
    assert len(lines) == 5
    assert float(lines[4].split(",")[5]) == table.models[0].rows[3].odds_ratio.value
    document = json.loads((tmp_path / "numbers.json").read_text(encoding="utf-8"))["confounders"]
    assert document["models"][0]["rows"][3]["term"] == "score"
    assert (tmp_path / "figures" / "confounders.svg").is_file()
