"""`fractureai export`: radiographs and marks for other computers and other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fractureai.cli import console

if TYPE_CHECKING:
    from fractureai.dataset import Dataset

NAME = "export"
EXAMPLE = "fractureai export coco data/wrists out/coco"
ARCHIVE = "archive"
INTERRUPTED = "Run the same command again: files are written anew."


def run(
    format_name: Annotated[
        str,
        typer.Argument(
            metavar="FORMAT",
            help="archive (de-identified ZIP that trains elsewhere), or see: fractureai import formats.",
        ),
    ],
    dataset: Annotated[Path, typer.Argument(help="Folder of the dataset.")],
    target: Annotated[Path, typer.Argument(help="Folder or file to write.")],
    rater: Annotated[list[str] | None, typer.Option(help="Whose marks; may be repeated, the first who marked.")] = None,
    images: Annotated[bool, typer.Option("--images/--no-images", help="Write the images too.")] = True,
    as_json: console.JsonOption = False,
) -> None:
    """Write the radiographs and marks of a dataset as a de-identified archive, or in another program's format.

    An archive holds the dataset without names, dates and texts, under new identifiers; `fractureai train` takes it. In
    an archive, --rater chooses the raters whose marks go along (default: all); --no-images does not apply.
    """
    from fractureai.dataset import Dataset
    from fractureai.dataset.formats import FORMATS

    if format_name not in (ARCHIVE, *FORMATS):
        choices = ", ".join((ARCHIVE, *FORMATS))
        raise typer.BadParameter(f"There is no format {format_name}; choose one of {choices}.")
    opened = Dataset.open(dataset)
    if format_name == ARCHIVE:
        facts = _archive(opened, target, rater or None)
    else:
        facts = _foreign(opened, format_name, target, rater or None, images)
    if as_json:
        console.result_json({"dataset": str(opened.folder), "format": format_name, "target": str(target), **facts})
        return
    problems = facts["problems"]
    console.result(f"{target}: {facts['images']} images, {facts['annotations']} annotations, {len(problems)} problems.")
    for problem in problems:
        console.result(f"  {problem}")
    if format_name == ARCHIVE:
        console.result(f"Next, on any computer: fractureai train --dataset {target.name}")


def _archive(dataset: Dataset, target: Path, raters: list[str] | None) -> dict[str, Any]:
    from fractureai.dataset.portable import export_portable

    with console.ProgressBar("Writing the archive") as bar:
        report = export_portable(dataset, target, raters, progress=bar.advance)
    return {"images": report.radiographs, "annotations": report.annotations, "problems": list(report.problems)}


def _foreign(
    dataset: Dataset, format_name: str, target: Path, raters: list[str] | None, images: bool
) -> dict[str, Any]:
    from fractureai.dataset.formats import FORMATS, ExportOptions

    with console.ProgressBar(f"Exporting {FORMATS[format_name].title}") as bar:
        report = FORMATS[format_name].export(dataset, target, ExportOptions(raters, images, bar.advance))
    problems = [str(problem) for problem in report.problems]
    return {"images": report.images, "annotations": report.annotations, "problems": problems}
