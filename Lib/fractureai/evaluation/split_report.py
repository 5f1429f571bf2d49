"""From the readings of a split to the report, in one call."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from fractureai.bundle import Bundle
from fractureai.dataset import Dataset
from fractureai.evaluation.cases import CaseResult
from fractureai.evaluation.confounders import confounders
from fractureai.evaluation.evaluate import Evaluation, evaluate
from fractureai.evaluation.explanation import OCCLUSIONS, Occlude, explain_radiographs
from fractureai.evaluation.explanation_figure import make_examples
from fractureai.evaluation.explanation_report import explanation_report
from fractureai.evaluation.readers import ReaderTable, reader_study
from fractureai.evaluation.report import Subject, write_report
from fractureai.evaluation.run import SplitReading, cases_from_predictions, error_gallery
from fractureai.evaluation.trust_report import fitted_here, trust_parts
from fractureai.inference.prediction import Prediction


def write_split_report(
    dataset: Dataset,
    bundle: Bundle,
    reading: SplitReading,
    split: str | None,
    out: Path,
    raters: Sequence[str] | None = None,
    *,
    created: str = "",
    readers: ReaderTable | None = None,
    occlude: Occlude | None = None,
    occlusions: int = OCCLUSIONS,
    progress: Callable[[int, int], None] | None = None,
    foreign: Sequence[Prediction] = (),
) -> tuple[Evaluation, Path]:
    """Set readings beside the reference annotations and write the report with a gallery of the worst errors.

    Args:
        dataset: whose marks count as the truth.
        bundle: the model that read.
        reading: of `read_split`.
        split: its name, None for all; named in the report.
        out: folder of the report.
        raters: see `Dataset.reference_annotations`.
        created: date as text.
        readers: people and other models to set beside the model, of `reader_table`.
        occlude, occlusions, progress: as of `fractureai.evaluation.explanation.explain_radiographs`.
        foreign: readings of images that are none of the site (other body parts, photographs, noise); how well each
            score tells them apart is reported for a bundle that was calibrated.

    Returns:
        The figures, and the path of the HTML page.

    Raises:
        DatasetError: no study has both a reading and a reference.
        EvaluationError: a reader read none of the studies.
    """
    from fractureai.inference.overlay import render_overlay

    table = cases_from_predictions(dataset, reading.predictions, raters=raters)
    evaluation = evaluate(table.cases, left_out=(*reading.left_out, *table.left_out))
    radiographs = explain_radiographs(
        dataset,
        table.cases,
        reading.predictions,
        raters=raters,
        occlude=occlude,
        occlusions=occlusions,
        progress=progress,
    )
    examples = make_examples(dataset, table.cases, reading.predictions, raters)
    calibrated, selective = trust_parts(bundle, dataset.name, split, table.cases, foreign)
    explanation = explanation_report(radiographs, examples)
    evaluation = replace(evaluation, explanation=explanation, calibrated=calibrated, selective=selective)
    compared = reader_study(table.cases, readers) if readers else None
    evaluation = replace(evaluation, readers=compared, confounders=confounders(table.cases))
    report = write_report(
        evaluation,
        out,
        gallery=error_gallery(dataset, table.cases, reading.predictions, render_overlay),
        notice=bundle.notice,
        title=f"{bundle.spec.title}: validation on {dataset.name}",
        created=created,
        subject=_subject(dataset, bundle, table.cases, split, raters),
    )
    return evaluation, report


def _subject(
    dataset: Dataset, bundle: Bundle, cases: Sequence[CaseResult], split: str | None, raters: Sequence[str] | None
) -> Subject:
    references = dataset.reference_annotations(raters)
    read = sorted(view.radiograph for case in cases for view in case.views if view.radiograph in references)
    digest = hashlib.sha256()
    for id_ in read:
        mark = references[id_]
        regions = [(region.kind, region.shape, region.points) for region in mark.regions]
        content = [id_, dataset.row(id_).sha256, mark.label, sorted(mark.landmarks.items()), regions]
        digest.update(json.dumps(content, default=str).encode())
    names = tuple(sorted({references[id_].rater for id_ in read}))
    return Subject(
        bundle.spec, dataset.name, split or "all", names, digest.hexdigest(), fitted_here(bundle, dataset.name, split)
    )
