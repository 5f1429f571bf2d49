"""Sentences of the report that are made from figures."""

from __future__ import annotations

from collections.abc import Sequence

from fractureai.evaluation.bootstrap import wilson
from fractureai.evaluation.cases import CaseResult
from fractureai.evaluation.evaluate import Evaluation

HOW_COMPUTED = (
    "A study is a fracture when at least one of its radiographs is labelled so. It is called a fracture when its "
    "probability is at least its threshold.",
    "Sensitivity: share of the fractures that were called. Specificity: share of the normals that were not. Precision: "
    "share of the called that are fractures. F1: harmonic mean of precision and sensitivity. Balanced accuracy: mean "
    "of sensitivity and specificity. AUPR: average precision. A dash: the studies do not define the value.",
    "Intervals of the metrics: {percent} percentile intervals of {resamples:,} stratified bootstrap resamples of "
    "patients with all their studies (seed {seed}); of studies where each patient has one, as in DeepWrist. They leave "
    "out the chance in training, and the differences between hospitals.",
    "Intervals of landmarks: Wilson's, with the number of landmarks reduced to its effective size because those on one "
    "radiograph are not independent. All other shares: Wilson's.",
    "Referred studies count in all rows but “Not referred”. Studies that could not be read have no probability and "
    "count only among the referrals.",
    "Calibration: ten bins of equal width. Brier score: mean squared difference of probability and label.",
)


def summary_sentences(evaluation: Evaluation) -> tuple[str, ...]:
    """Return the result in one to four plain sentences."""
    row = evaluation.stratum("all")
    metrics = row.metrics
    assert metrics is not None  # an evaluation has at least one study that was read
    sentences = [
        f"In {studies(metrics.n)}, {metrics.n_positive} of them with a fracture, the model found "
        f"{metrics.true_positive} of {metrics.n_positive} fractures and called {metrics.false_positive} of "
        f"{metrics.n - metrics.n_positive} normal studies a fracture; AUROC {row.estimates['auroc']}."
    ]
    hard = evaluation.stratum("hard")
    if hard.metrics and hard.metrics.n_positive:
        sentences.append(
            f"On the hard stratum, fractures that can hardly or not be seen on a radiograph, it found "
            f"{hard.metrics.true_positive} of {hard.metrics.n_positive}; AUROC {hard.estimates['auroc']}. "
            "A negative reading does not rule out such a fracture."
        )
    if evaluation.landmarks:
        result = evaluation.landmarks[0].result
        placed = round(result.recall[5.0].value * result.n_points)
        sentences.append(
            f"It placed {placed} of {result.n_points} landmarks within 5 mm of the reference, {result.recall[5.0]}."
        )
    referred = evaluation.referrals.referred
    sentences.append(f"It referred {referred} of {studies(evaluation.referrals.studies)} to a person.")
    return tuple(sentences)


def own_facts(evaluation: Evaluation) -> dict[str, str]:
    """Return name -> value of what the cases are."""
    cases = evaluation.cases
    ages = [case.age_years for case in cases if case.age_years is not None]
    views: dict[str, int] = {}
    for case in cases:
        for view in case.views:
            views[view.view] = views.get(view.view, 0) + 1
    facts = {
        "Studies": f"{len(cases)} of {len({case.patient for case in cases})} patients",
        "Fractures": f"{sum(case.label for case in cases)} of {len(cases)}",
        "Radiographs read": ", ".join(f"{count} {view}" for view, count in sorted(views.items())) or "none",
        "Thresholds": _thresholds(cases),
    }
    if ages:
        facts["Age"] = f"{min(ages):.0f} to {max(ages):.0f} years (known for {len(ages)})"
    sexes = {sex: sum(case.sex == sex for case in cases) for sex in ("F", "M", "O")}
    if any(sexes.values()):
        facts["Sex"] = ", ".join(f"{count} {sex}" for sex, count in sexes.items() if count)
    if evaluation.left_out:
        facts["Left out"] = f"{len(evaluation.left_out)} (listed at the end)"
    return facts


def landmark_notes(evaluation: Evaluation) -> tuple[str, ...]:
    """Return what to know about the landmark figures."""
    notes = [
        "A reading needs the landmarks only to place the region it looks at, so a few millimetres matter little; they "
        "are not meant for measuring."
    ]
    missed = evaluation.landmarks[0].result.missed if evaluation.landmarks else 0
    if missed:
        notes.append(f"{missed} landmarks were not placed and count as misses.")
    if evaluation.wrong_views:
        notes.append(f"{evaluation.wrong_views} radiographs were read as another view than the reference says.")
    return tuple(notes)


def referral_sentence(evaluation: Evaluation) -> str:
    """Return how many studies were referred, and how many of the errors are among them."""
    counts = evaluation.referrals
    kept = counts.studies - counts.referred
    share = wilson(counts.referred, counts.studies, evaluation.confidence)
    return (
        f"{counts.referred} of {studies(counts.studies)}, {share}, were referred; {counts.not_read} of them could "
        f"not be read at all. Wrongly called: {counts.wrong_referred} of the {counts.referred} referred and "
        f"{counts.wrong_kept} of the {kept} others."
    )


def how_computed(evaluation: Evaluation) -> tuple[str, ...]:
    """Return how the figures were computed."""
    return tuple(
        line.format(percent=f"{100 * evaluation.confidence:g} %", resamples=evaluation.resamples, seed=evaluation.seed)
        for line in HOW_COMPUTED
    )


def studies(count: int) -> str:
    """Return for example ``3 studies``."""
    return "1 study" if count == 1 else f"{count} studies"


def _thresholds(cases: Sequence[CaseResult]) -> str:
    several = [case.threshold for case in cases if len({view.view for view in case.views}) > 1]
    used = {f"views together {threshold:.2f}" for threshold in several}
    used |= {f"{view.view} {view.threshold:.2f}" for case in cases for view in case.views}
    return ", ".join(sorted(used, key=lambda text: (not text.startswith("views"), text)))
