"""Whether age or sex explain what the model seems to see: logistic regression of the outcome on them and its score.

As DeepWrist (Metrics and statistical analyses; Analysis of pitfalls): the outcome on age, sex and the model's score,
with an intercept, on the general and the hard set apart. Age and score are z-scored, so that an odds ratio is for one
standard deviation; sex is 1 for M. A score that adds nothing to age and sex has an odds ratio of about 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fractureai.bundle.spec import plain
from fractureai.evaluation.blocks import Block, Cell, Column, Plot, Plots, RowGroup, Section, Table, Text
from fractureai.evaluation.bootstrap import CONFIDENCE, Estimate
from fractureai.evaluation.cases import CaseResult
from fractureai.evaluation.comparison import p_cell, p_text
from fractureai.evaluation.metrics import BoolArray, FloatArray
from fractureai.evaluation.strata import STRATA

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SETS = ("all", "general", "hard")
EVENTS_EACH = 10
"""Fewer fractures, or normals, for each term than this: the odds ratios are not to be relied on (Peduzzi 1996)."""

_TITLES = {"intercept": "Intercept", "age": "Age (1 SD)", "sex": "Sex (M, against F)", "score": "Model's score (1 SD)"}


@dataclass(frozen=True)
class ConfounderRow:
    """One term of a regression.

    Attributes:
        term: ``intercept``, ``age``, ``sex`` or ``score``.
        title: on screen.
        odds_ratio: with Wald's interval.
        p: two-sided, of an odds ratio of 1 (Wald).
    """

    term: str
    title: str
    odds_ratio: Estimate
    p: float


@dataclass(frozen=True)
class ConfounderModel:
    """The regression on one set of studies.

    Attributes:
        name, title: of the set.
        n: studies with a score, an age and a sex of F or M.
        n_positive: how many of them are fractures.
        left_out: studies of the set with one of these missing.
        rows: one a term; empty when it could not be fitted.
        p_score: of the score added to age and sex (likelihood ratio); nan when not fitted, or with several studies of a
            patient, which are not independent.
        notes: what to know; why it could not be fitted.
    """

    name: str
    title: str
    n: int
    n_positive: int
    left_out: int
    rows: tuple[ConfounderRow, ...] = ()
    p_score: float = math.nan
    notes: tuple[str, ...] = ()

    @property
    def heading(self) -> str:
        """The set, and what the score adds."""
        if math.isnan(self.p_score):
            return self.title
        return f"{self.title}: adding the score to age and sex, p {p_text(self.p_score)} (likelihood ratio)"

    @property
    def all_notes(self) -> tuple[str, ...]:
        """The notes, and how many studies are left out."""
        if not self.left_out:
            return self.notes
        return (*self.notes, f"{self.left_out} of {self.n + self.left_out} studies have no age or no sex of F or M.")


@dataclass(frozen=True)
class ConfounderTable:
    """The regressions on all, general and hard studies, as far as there are any."""

    models: tuple[ConfounderModel, ...]
    confidence: float = CONFIDENCE

    def section(self) -> Section:
        """Return what people read."""
        columns = (
            Column("term", "Term", text=True),
            Column("n", "Studies"),
            Column("n_positive", "Fractures"),
            Column("odds_ratio", "Odds ratio"),
            Column("p", "p"),
        )
        fitted = [model for model in self.models if model.rows]
        table = Table(
            columns,
            tuple(RowGroup(tuple(_cells(model, row) for row in model.rows), model.heading) for model in fitted),
            f"Logistic regression of the outcome. Below each odds ratio its {100 * self.confidence:g} % interval "
            "(Wald); age and score for one standard deviation. A score that adds nothing has an odds ratio of 1.",
        )
        plot = Plot(
            "confounders",
            "Odds ratios",
            f"Bars: {100 * self.confidence:g} % interval. On the line at 1, a term says nothing about the outcome.",
            partial(_draw_odds, fitted),
            (9.6, 0.9 + 0.36 * sum(len(model.rows) - 1 for model in fitted)),
        )
        lead = Text("Whether age or sex explain what the model's score seems to see, as DeepWrist asked of its own.")
        notes = tuple(Text(f"{model.title}: {note}", "muted") for model in self.models for note in model.all_notes)
        shown: tuple[Block, ...] = (table, Plots((plot,)), self._csv()) if fitted else ()
        return Section("confounders", "Age, sex and the model's score", (lead, *shown, *notes))

    def _csv(self) -> Table:
        names = ("set", "n", "n_positive", "left_out", "term", "odds_ratio", "p", "p_score_added")
        rows: list[tuple[Cell, ...]] = [
            (m.name, m.n, m.n_positive, m.left_out, row.term, row.odds_ratio, row.p, m.p_score)
            for m in self.models
            for row in m.rows
        ]
        columns = tuple(Column(name, name) for name in names)
        return Table(columns, (RowGroup(tuple(rows)),), name="confounders", shown=False)

    def to_json(self) -> Mapping[str, Any]:
        """Return what programs read."""
        values: Mapping[str, Any] = plain(self)
        return values


def confounders(cases: Sequence[CaseResult], confidence: float = CONFIDENCE) -> ConfounderTable | None:
    """Regress the outcome on age, sex and the model's score.

    Returns:
        A model for all studies, and one for the general and the hard stratum where there are both; None where no study
        has an age and a sex.
    """
    read = [case for case in cases if case.probability is not None]
    if not any(_complete(case) for case in read):
        return None
    found = {
        stratum.name: _model(stratum.name, stratum.title, [case for case in read if stratum.member(case)], confidence)
        for stratum in STRATA
        if stratum.name in SETS and any(stratum.member(case) for case in read)
    }
    if not {"general", "hard"} <= found.keys():
        return ConfounderTable((found["all"],), confidence)
    return ConfounderTable(tuple(found[name] for name in SETS), confidence)


def is_separated(design: npt.ArrayLike, labels: npt.ArrayLike) -> bool:
    """Tell whether a weighted sum of the columns splits fractures and normals, in whole or but for ties.

    Then the likelihood has no maximum, and coefficients, intervals and p-values are nonsense (Albert and Anderson
    1984). It is decided by a linear programme (Konis 2007): is there a direction in which no case lies on the wrong
    side and one lies on the right?

    Args:
        design: (n, terms) with the intercept's column.
        labels: (n,) outcome.
    """
    from scipy.optimize import linprog

    signed = np.where(np.asarray(labels, dtype=bool), 1.0, -1.0)[:, None] * np.asarray(design, dtype=np.float64)
    # No row below 0; the sum as large as it gets inside a box.
    found = linprog(-signed.sum(axis=0), A_ub=-signed, b_ub=np.zeros(len(signed)), bounds=(-1, 1), method="highs")
    return found.status == 0 and found.fun is not None and found.fun < -1e-7


def _complete(case: CaseResult) -> bool:
    return case.age_years is not None and case.sex in ("F", "M")


def _model(name: str, title: str, cases: Sequence[CaseResult], confidence: float) -> ConfounderModel:
    chosen = [case for case in cases if _complete(case)]
    truth = np.array([case.label for case in chosen], dtype=bool)
    base = ConfounderModel(name, title, len(chosen), int(truth.sum()), len(cases) - len(chosen))
    if min(base.n_positive, base.n - base.n_positive) < 2:
        return _unfitted(base, "There are fewer than two fractures or two normal studies with age and sex.")
    columns = {
        "age": np.array([case.age_years for case in chosen], dtype=np.float64),
        "sex": np.array([case.sex == "M" for case in chosen], dtype=np.float64),
        "score": np.array([case.probability for case in chosen], dtype=np.float64),
    }
    constant = [key for key, values in columns.items() if np.ptp(values) == 0]
    notes = tuple(_constant_note(key, columns[key]) for key in constant)
    terms = {key: values for key, values in columns.items() if key not in constant}
    if "score" not in terms:
        return _unfitted(base, *notes)
    design = _design(terms)
    if np.linalg.matrix_rank(design) < design.shape[1]:
        reason = "One of age, sex and score follows from the others in these studies, so they can not be told apart."
        return _unfitted(base, *notes, reason)
    if is_separated(design, truth):
        return _unfitted(base, *notes, _separation_note(terms, truth))
    return _fitted(base, terms, truth, [case.patient for case in chosen], notes, confidence)


def _fitted(
    base: ConfounderModel,
    terms: Mapping[str, FloatArray],
    truth: BoolArray,
    patients: Sequence[str],
    notes: tuple[str, ...],
    confidence: float,
) -> ConfounderModel:
    from statsmodels.api import Logit

    repeated = len(set(patients)) < len(patients)
    groups = np.unique(list(patients), return_inverse=True)[1]
    options = {"cov_type": "cluster", "cov_kwds": {"groups": groups}} if repeated else {}
    result = Logit(truth.astype(float), _design(terms)).fit(disp=0, method="newton", maxiter=200, **options)
    if not result.mle_retvals["converged"] or not np.isfinite(result.bse).all():
        return replace(base, notes=(*notes, "The regression did not converge on these studies."))
    limits = np.exp(np.clip(result.conf_int(alpha=1 - confidence), -700, 700))
    ratios = np.exp(np.clip(result.params, -700, 700))
    rows = tuple(
        ConfounderRow(key, _TITLES[key], Estimate(float(ratio), float(low), float(high)), float(p))
        for key, ratio, (low, high), p in zip(("intercept", *terms), ratios, limits, result.pvalues, strict=True)
    )
    if repeated:
        notes = (*notes, "Some patients have several studies; intervals and p-values allow for that.")
    if min(base.n_positive, base.n - base.n_positive) < EVENTS_EACH * len(terms):
        notes = (*notes, f"Fewer than {EVENTS_EACH} fractures or normals for each term: do not rely on it.")
    p_score = math.nan if repeated else _added_value(terms, truth, float(result.llf))
    return replace(base, rows=rows, p_score=p_score, notes=notes)


def _added_value(terms: Mapping[str, FloatArray], truth: BoolArray, log_likelihood: float) -> float:
    """Return the p-value of the score by the likelihood ratio against the regression without it."""
    from scipy.stats import chi2
    from statsmodels.api import Logit

    without = {key: values for key, values in terms.items() if key != "score"}
    smaller = Logit(truth.astype(float), _design(without, len(truth))).fit(disp=0, method="newton", maxiter=200)
    return float(chi2.sf(max(2 * (log_likelihood - float(smaller.llf)), 0.0), 1))


def _design(terms: Mapping[str, FloatArray], n: int = 0) -> FloatArray:
    """Return (n, 1 + terms): ones, then the terms, age and score z-scored."""
    length = n or len(next(iter(terms.values())))
    columns = [values if key == "sex" else (values - values.mean()) / values.std() for key, values in terms.items()]
    return np.column_stack([np.ones(length), *columns])


def _separation_note(terms: Mapping[str, FloatArray], truth: BoolArray) -> str:
    for key in ("score", "age", "sex"):
        if key in terms and is_separated(_design({key: terms[key]}), truth):
            what = {"score": "the model's score", "age": "age", "sex": "sex"}[key]
            return (
                f"In these studies {what} alone splits fractures from normals, whole or but for ties (separation): "
                "odds ratios have no finite estimate."
            )
    return (
        "In these studies age, sex and the model's score together split fractures from normals, whole or but for ties "
        "(separation): odds ratios have no finite estimate."
    )


def _constant_note(key: str, values: FloatArray) -> str:
    if key == "score":
        return "The model gave every study the same score, so there is nothing to regress on."
    what = f"age {values[0]:g}" if key == "age" else f"sex {'M' if values[0] else 'F'}"
    return f"All studies have {what}; it was left out."


def _unfitted(base: ConfounderModel, *notes: str) -> ConfounderModel:
    return replace(base, notes=notes)


def _cells(model: ConfounderModel, row: ConfounderRow) -> tuple[Cell, ...]:
    return row.title, model.n, model.n_positive, row.odds_ratio, p_cell(row.p)


def _draw_odds(models: Sequence[ConfounderModel], figure: Figure) -> None:
    from matplotlib.ticker import LogFormatter

    from fractureai.evaluation.figures import BLUE, GREEN, MUTED, PAPER, VERMILION

    axes = figure.add_subplot()
    looks = {"all": (GREEN, "s"), "general": (BLUE, "o"), "hard": (VERMILION, "D")}
    ticks: list[str] = []
    for model in models:
        colour, marker = looks[model.name]
        for row in model.rows[1:]:
            y, ratio = len(ticks), row.odds_ratio
            axes.plot([ratio.low, ratio.high], [y, y], color=colour, linewidth=1.6)
            axes.plot(ratio.value, y, marker, color=colour, markeredgecolor=PAPER, markersize=8, zorder=4)
            ticks.append(f"{model.title.split(' (')[0]}: {row.title[0].lower()}{row.title[1:]}")
    axes.axvline(1, linestyle=":", color=MUTED, linewidth=1)
    axes.set(xscale="log", xlabel="Odds ratio (logarithmic)", ylim=(len(ticks) - 0.5, -0.5))
    axes.set_yticks(range(len(ticks)), ticks)
    axes.xaxis.set_major_formatter(LogFormatter(labelOnlyBase=False, minor_thresholds=(2, 0.5)))
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
