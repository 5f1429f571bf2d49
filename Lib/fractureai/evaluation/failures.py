"""Where a model fails in the data at hand: kinds of studies that are read worse than the whole, beyond chance."""

from __future__ import annotations

from dataclasses import dataclass

from fractureai.evaluation.blocks import Bullets, Column, RowGroup, Section, Table, Text
from fractureai.evaluation.bootstrap import Estimate
from fractureai.evaluation.evaluate import Evaluation
from fractureai.evaluation.metrics import METRIC_TITLES
from fractureai.evaluation.strata import MetricsRow

TITLE = "Known failure modes"


@dataclass(frozen=True)
class FailureMode:
    """A metric of a kind of study whose whole interval lies below the value of all studies.

    Attributes:
        stratum, title: name of the kind of study, and its title.
        metric: ``auroc``, ``sensitivity`` or ``specificity``.
        n, n_positive: studies of the kind, and fractures among them.
        estimate: of the kind.
        whole: value of all studies.
    """

    stratum: str
    title: str
    metric: str
    n: int
    n_positive: int
    estimate: Estimate
    whole: float


def failure_modes(evaluation: Evaluation) -> tuple[FailureMode, ...]:
    """Return the kinds of studies that are read worse than the whole, the farthest below it first.

    Sensitivity and specificity have Wilson's interval, which keeps its width for few studies. The area under the curve
    of few fractures or normals is left out, because its interval can not be relied on.
    """
    whole = evaluation.stratum("all")
    references = _figures(whole)
    found = [
        FailureMode(row.name, row.title, metric, row.n, row.n_positive, estimate, references[metric].value)
        for row in evaluation.strata
        if row.n and row.name != whole.name
        for metric, estimate in _figures(row).items()
        if metric in references and estimate.high < references[metric].value
    ]
    return tuple(sorted(found, key=lambda mode: mode.estimate.value - mode.whole))


def failure_section(modes: tuple[FailureMode, ...], known: tuple[str, ...]) -> Section:
    """Return what people read of it.

    Args:
        modes: found in these data.
        known: sentences that are known of the model whatever the data.
    """
    columns = (
        Column("title", "Kind", text=True),
        Column("metric", "Metric", text=True),
        Column("n", "Studies"),
        Column("n_positive", "Fractures"),
        Column("value", "Here"),
        Column("whole", "All studies"),
    )
    rows = tuple(
        (mode.title, METRIC_TITLES[mode.metric], mode.n, mode.n_positive, mode.estimate, mode.whole) for mode in modes
    )
    caption = (
        "Kinds of studies of which the whole interval lies below the value of all studies. Several kinds and metrics "
        "are looked at, so that a single narrow one may be chance."
    )
    none = Text(
        "In these data no kind of study has an interval that lies wholly below the value of all studies. With few "
        "studies of a kind, that does not show that none is read worse."
    )
    found = Table(columns, (RowGroup(rows),), caption, "failure_modes") if rows else none
    if not known:
        return Section("failures", TITLE, (found,))
    return Section("failures", TITLE, (found, Text("Known of the model, whatever the data", "heading"), Bullets(known)))


def _figures(row: MetricsRow) -> dict[str, Estimate]:
    figures = {"sensitivity": row.sensitivity_wilson, "specificity": row.specificity_wilson}
    return figures if row.few else {"auroc": row.estimates["auroc"], **figures}
