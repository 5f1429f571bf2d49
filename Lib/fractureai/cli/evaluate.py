"""`fractureai evaluate`: a bundle on patients it has not seen."""

from __future__ import annotations

import datetime
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fractureai.cli import console
from fractureai.cli.read import CoverageOption, load_pipeline

if TYPE_CHECKING:
    from fractureai.dataset import Dataset
    from fractureai.evaluation import Evaluation
    from fractureai.inference import Pipeline

NAME = "evaluate"
EXAMPLE = "fractureai evaluate out/quick/bundle data/phantom out/report --split test"
INTERRUPTED = "Run the same command again; it starts over."
ALL = "all"
FIGURE_COLUMNS = ("Studies", "n", "Fractures", "AUROC", "Sensitivity", "Specificity")


def run(
    bundle: Annotated[str, typer.Argument(help="Folder of a bundle, or the word demo.")],
    dataset: Annotated[Path, typer.Argument(help="Folder of the dataset.")],
    out: Annotated[Path, typer.Argument(help="Folder of the report.")],
    split: Annotated[str, typer.Option(help="test, validation, train, or all.")] = "test",
    rater: Annotated[list[str] | None, typer.Option(help="Whose marks count as the truth; may be repeated.")] = None,
    coverage: CoverageOption = None,
    occlusion: Annotated[
        int, typer.Option(min=0, help="Check the maps of so many fractures by hiding parts of the image; 0: none.")
    ] = 20,
    as_json: console.JsonOption = False,
) -> None:
    """Read the studies of a split and compare with the marks: an HTML report, figures, CSV and JSON."""
    from fractureai.dataset import Dataset
    from fractureai.evaluation import evaluation_to_json

    if split not in ("test", "validation", "train", ALL):
        raise typer.BadParameter(f"There is no split {split}; choose test, validation, train or all.")
    opened = Dataset.open(dataset)
    pipeline = load_pipeline(bundle, coverage)
    chosen = None if split == ALL else split
    evaluation, report = evaluate_split(pipeline, opened, chosen, out, rater or None, occlusions=occlusion)
    if as_json:
        numbers = evaluation_to_json(evaluation)
        del numbers["cases"]  # they are in numbers.json and cases.csv beside the report
        numbers["explanation"] = {key: value for key, value in numbers["explanation"].items() if key != "radiographs"}
        model = {"model": pipeline.bundle.id, "notice": pipeline.bundle.notice, "split": split}
        console.result_json({"report": str(report.absolute()), **model, **numbers})
        return
    console.result_table("", FIGURE_COLUMNS, figure_rows(evaluation))
    for line in further_figures(evaluation):
        console.result(line)
    console.result(f"Report: {report}")
    console.result(f"Model {pipeline.bundle.id}: {pipeline.bundle.notice}")


def evaluate_split(
    pipeline: Pipeline,
    dataset: Dataset,
    split: str | None,
    out: Path,
    raters: list[str] | None = None,
    *,
    occlusions: int = 0,
) -> tuple[Evaluation, Path]:
    """Read a split with a progress bar, write the report, and return the figures and the report's path.

    ``occlusions``: how many radiographs with a marked fracture are also explained by hiding parts of them.
    """
    from fractureai.evaluation import read_split, write_split_report
    from fractureai.inference.occlusion import occlude_view

    with console.ProgressBar("Reading studies") as bar:
        reading = read_split(dataset, pipeline.read, split=split, raters=raters, progress=bar.advance)
    with console.ProgressBar("Computing figures and writing the report") as bar:
        return write_split_report(
            dataset,
            pipeline.bundle,
            reading,
            split,
            out,
            raters,
            created=datetime.date.today().isoformat(),
            occlude=functools.partial(occlude_view, pipeline) if occlusions else None,
            occlusions=occlusions,
            progress=bar.advance,
        )


def figure_rows(evaluation: Evaluation) -> list[list[str]]:
    """Return a row a stratum that has studies, for `FIGURE_COLUMNS`."""
    rows = []
    for row in evaluation.strata:
        if row.n:
            shown = (row.estimates["auroc"], row.sensitivity_wilson, row.specificity_wilson)
            rows.append([row.title, str(row.n), str(row.n_positive), *map(str, shown)])
    return rows


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
