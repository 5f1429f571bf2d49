"""`fractureai export`: radiographs and marks for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fractureai.cli import console

NAME = "export"
EXAMPLE = "fractureai export coco data/wrists out/coco"
INTERRUPTED = "Run the same command again: files are written anew."


def run(
    format_name: Annotated[str, typer.Argument(metavar="FORMAT", help="See: fractureai import formats.")],
    dataset: Annotated[Path, typer.Argument(help="Folder of the dataset.")],
    target: Annotated[Path, typer.Argument(help="Folder or file to write.")],
    rater: Annotated[list[str] | None, typer.Option(help="Whose marks; may be repeated, the first who marked.")] = None,
    images: Annotated[bool, typer.Option("--images/--no-images", help="Write the images too.")] = True,
    as_json: console.JsonOption = False,
) -> None:
    """Write the radiographs and marks of a dataset in another program's format."""
    from fractureai.dataset import Dataset
    from fractureai.dataset.formats import FORMATS, ExportOptions

    if format_name not in FORMATS:
        raise typer.BadParameter(f"There is no format {format_name}; choose one of {', '.join(FORMATS)}.")
    opened = Dataset.open(dataset)
    with console.ProgressBar(f"Exporting {FORMATS[format_name].title}") as bar:
        options = ExportOptions(rater or None, images, bar.advance)
        report = FORMATS[format_name].export(opened, target, options)
    problems = [str(problem) for problem in report.problems]
    facts = {"images": report.images, "annotations": report.annotations, "problems": problems}
    if as_json:
        console.result_json({"dataset": str(opened.folder), "format": format_name, "target": str(target), **facts})
    else:
        console.result(f"{target}: {report.images} images, {report.annotations} annotations, {len(problems)} problems.")
        for problem in problems:
            console.result(f"  {problem}")
