"""From predictions files alone to the report: other programs' models, compared without a bundle or a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fractureai.evaluation.confounders import confounders
from fractureai.evaluation.evaluate import Evaluation, evaluate
from fractureai.evaluation.matching import StudyIndex
from fractureai.evaluation.prediction_files import cases_of_predictions, other_model, read_prediction_file
from fractureai.evaluation.reader_files import read_reader_file
from fractureai.evaluation.readers import ReaderTable, reader_study
from fractureai.evaluation.report import write_report


def write_prediction_report(
    predictions: Sequence[Path],
    out: Path,
    *,
    threshold: float = 0.5,
    readers: Sequence[Path] = (),
    created: str = "",
) -> tuple[Evaluation, Path]:
    """Evaluate a predictions file that carries the reference, and compare others and readers with it.

    Args:
        predictions: as DeepWrist wrote them (`fractureai.evaluation.prediction_files`); the first is the model, the
            others are compared with it on the studies that both have.
        out: folder of the report.
        threshold: of all models; a study is called a fracture when its probability is at least this.
        readers: readers' CSV files.
        created: date as text.

    Returns:
        The figures, and the path of the HTML page.

    Raises:
        DatasetError: a file can not be used.
        EvaluationError: two readers have one name.
    """
    file = read_prediction_file(predictions[0])
    cases, left_out = cases_of_predictions(file, threshold)
    index = StudyIndex.of_cases(cases)
    table = ReaderTable(notes=file.notes)
    labels = {case.study: case.label for case in cases}
    for path in readers:
        table = table.merged(read_reader_file(path, index, labels))
    for path in predictions[1:]:
        table = table.merged(other_model(read_prediction_file(path), index, threshold))
    compared = reader_study(cases, table) if table.names else None
    evaluation = replace(evaluate(cases, left_out=left_out), readers=compared, confounders=confounders(cases))
    report = write_report(
        evaluation,
        out,
        notice="predictions of another program, as its file gives them",
        title=f"Predictions of {file.path.stem}",
        facts={"Predictions": ", ".join(path.name for path in predictions)},
        created=created,
    )
    return evaluation, report
