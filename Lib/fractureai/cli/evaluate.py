"""`fractureai evaluate`: a bundle on patients it has not seen, beside people and other models; or predictions alone."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fractureai.cli import console
from fractureai.cli.read import CoverageOption, load_pipeline

if TYPE_CHECKING:
    from fractureai.dataset import Dataset
    from fractureai.evaluation import Evaluation, ReaderStudy, ReaderTable
    from fractureai.inference import Pipeline

NAME = "evaluate"
EXAMPLE = "fractureai evaluate out/quick/bundle data/phantom out/report --split test"
INTERRUPTED = "Run the same command again; it starts over."
ALL = "all"
PREDICTIONS_NOTICE = "predictions of another program, as its file gives them"
READER_COLUMNS = ("Readers", "n", "Sensitivity", "Specificity", "Balanced accuracy", "Kappa with reference")
FIGURE_COLUMNS = ("Studies", "n", "Fractures", "AUROC", "Sensitivity", "Specificity")


def run(
    bundle: Annotated[
        str, typer.Argument(help="Folder of a bundle, or the word demo; only OUT where --predictions stand alone.")
    ],
    dataset: Annotated[Path | None, typer.Argument(help="Folder of the dataset.", show_default=False)] = None,
    out: Annotated[Path | None, typer.Argument(help="Folder of the report.", show_default=False)] = None,
    split: Annotated[str, typer.Option(help="test, validation, train, or all.")] = "test",
    rater: Annotated[list[str] | None, typer.Option(help="Whose marks count as the truth; may be repeated.")] = None,
    readers: Annotated[
        list[Path] | None, typer.Option(help="CSV file with a column Fracture_<reader> for each; may be repeated.")
    ] = None,
    reader_rater: Annotated[
        list[str] | None, typer.Option(help="Rater of the dataset who counts as a reader; may be repeated.")
    ] = None,
    predictions: Annotated[
        list[Path] | None,
        typer.Option(help="CSV file of another model (ID, Fracture_Prediction); may be repeated. Alone: evaluated."),
    ] = None,
    threshold: Annotated[float, typer.Option(min=0, max=1, help="At which --predictions are a fracture.")] = 0.5,
    coverage: CoverageOption = None,
    foreign: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of images that are none of the site: are they told apart? May be repeated."),
    ] = None,
    occlusion: Annotated[
        int, typer.Option(min=0, help="Check the maps of so many fractures by hiding parts of the image; 0: none.")
    ] = 20,
    as_json: console.JsonOption = False,
) -> None:
    """Read the studies of a split and compare with the marks: an HTML report, figures, CSV and JSON."""
    from fractureai.dataset import Dataset
    from fractureai.evaluation import reader_table

    if split not in ("test", "validation", "train", ALL):
        raise typer.BadParameter(f"There is no split {split}; choose test, validation, train or all.")
    if predictions and dataset is None:
        if reader_rater or rater:
            raise typer.BadParameter("--rater and --reader-rater need a dataset; give BUNDLE DATASET OUT.")
        evaluation, report = _evaluate_predictions(predictions, Path(bundle), threshold, readers or ())
        model = {"model": predictions[0].stem, "notice": PREDICTIONS_NOTICE, "split": ALL}
        _show(evaluation, report, model, as_json)
        return
    if dataset is None or out is None:
        raise typer.BadParameter("Give BUNDLE DATASET OUT, or --predictions FILE.csv and OUT.")
    opened = Dataset.open(dataset)
    pipeline = load_pipeline(bundle, coverage)
    if foreign and pipeline.bundle.spec.reliability is None:
        raise typer.BadParameter("--foreign needs a calibrated bundle; run fractureai calibrate first.")
    table = None
    if readers or reader_rater or predictions:
        table = reader_table(opened, readers or (), reader_rater or (), predictions or (), threshold, rater or None)
    chosen = None if split == ALL else split
    evaluation, report = evaluate_split(
        pipeline, opened, chosen, out, rater or None, occlusions=occlusion, readers=table, foreign=foreign or ()
    )
    model = {"model": pipeline.bundle.id, "notice": pipeline.bundle.notice, "split": split}
    _show(evaluation, report, model, as_json)


def _evaluate_predictions(
    predictions: Sequence[Path], out: Path, threshold: float, readers: Sequence[Path]
) -> tuple[Evaluation, Path]:
    from fractureai.evaluation import write_prediction_report

    with console.status("Computing figures and writing the report ..."):
        today = datetime.date.today().isoformat()
        return write_prediction_report(predictions, out, threshold=threshold, readers=readers, created=today)


def _show(evaluation: Evaluation, report: Path, model: Mapping[str, str], as_json: bool) -> None:
    """Print the figures as tables or as JSON, and what of the readers' files could not be used."""
    from fractureai.evaluation import evaluation_to_json

    for note in evaluation.readers.notes if evaluation.readers else ():
        console.error_line(f"Warning: {note}")
    if as_json:
        numbers = evaluation_to_json(evaluation)
        del numbers["cases"]  # they are in numbers.json and cases.csv beside the report
        if "explanation" in numbers:
            explained = numbers["explanation"].items()
            numbers["explanation"] = {key: value for key, value in explained if key != "radiographs"}
        console.result_json({"report": str(report.absolute()), **model, **numbers})
        return
    console.result_table("", FIGURE_COLUMNS, figure_rows(evaluation))
    if evaluation.readers:
        console.result_table("", READER_COLUMNS, reader_rows(evaluation.readers))
    for line in further_figures(evaluation):
        console.result(line)
    console.result(f"Report: {report}")
    console.result(f"Model {model['model']}: {model['notice']}")


def evaluate_split(
    pipeline: Pipeline,
    dataset: Dataset,
    split: str | None,
    out: Path,
    raters: list[str] | None = None,
    *,
    occlusions: int = 0,
    readers: ReaderTable | None = None,
    foreign: Sequence[Path] = (),
) -> tuple[Evaluation, Path]:
    """Read a split with a progress bar, write the report, and return the figures and the report's path.

    ``occlusions``: how many radiographs with a marked fracture are also explained by hiding parts of them. ``readers``:
    set beside the model. ``foreign``: folders of images that are none of the site.
    """
    from fractureai.evaluation import read_split, write_split_report
    from fractureai.evaluation.foreign import read_foreign
    from fractureai.inference.occlusion import occlude_view

    with console.ProgressBar("Reading studies") as bar:
        reading = read_split(dataset, pipeline.read, split=split, raters=raters, progress=bar.advance)
    others = []
    if foreign:
        with console.ProgressBar("Reading foreign images") as bar:
            others = read_foreign(pipeline, foreign, bar.advance)
    with console.ProgressBar("Computing figures and writing the report") as bar:
        return write_split_report(
            dataset,
            pipeline.bundle,
            reading,
            split,
            out,
            raters,
            created=datetime.date.today().isoformat(),
            readers=readers,
            occlude=functools.partial(occlude_view, pipeline) if occlusions else None,
            occlusions=occlusions,
            progress=bar.advance,
            foreign=others,
        )


def figure_rows(evaluation: Evaluation) -> list[list[str]]:
    """Return a row a stratum that has studies, for `FIGURE_COLUMNS`."""
    rows = []
    for row in evaluation.strata:
        if row.n:
            shown = (row.estimates["auroc"], row.sensitivity_wilson, row.specificity_wilson)
            rows.append([row.title, str(row.n), str(row.n_positive), *map(str, shown)])
    return rows


def reader_rows(study: ReaderStudy) -> list[list[str]]:
    """Return a row a reader on all studies, for `READER_COLUMNS`."""
    shares = ("sensitivity", "specificity", "balanced_accuracy")
    return [
        [row.reader, str(row.n), *(str(row.estimates[name]) for name in shares), str(row.kappa.bootstrap)]
        for row in study.sets[0].rows
    ]


def further_figures(evaluation: Evaluation) -> list[str]:
    """Return sentences on landmarks, activation map and referrals."""
    lines = []
    if evaluation.landmarks:
        result = evaluation.landmarks[0].result
        lines.append(f"Landmarks within 5 mm: {result.recall[5.0]} of {result.n_points}.")
    if evaluation.localisation:
        row = evaluation.localisation[0]
        lines.append(f"Activation map's maximum at the fracture: {row.hits} of {row.n} fractures that were found.")
    referrals = evaluation.referrals
    lines.append(f"Referred to a person: {referrals.referred} of {referrals.studies} studies.")
    return lines
