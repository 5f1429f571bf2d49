"""`fractureai import`: radiographs and marks from elsewhere into a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fractureai.cli import console
from fractureai.errors import FractureAIError

if TYPE_CHECKING:
    from fractureai.dataset import Dataset

NAME = "import"
EXAMPLE = "fractureai import dicom /data/wrists data/wrists"
INTERRUPTED = "Run the same command again: what is in the dataset already is skipped."
DICOM = "dicom"


def run(
    format_name: Annotated[
        str, typer.Argument(metavar="FORMAT", help="dicom, or a format of marks; the word 'formats' lists all.")
    ],
    source: Annotated[Path | None, typer.Argument(help="File or folder to import.")] = None,
    dataset: Annotated[Path | None, typer.Argument(help="Folder of the dataset; made when it does not exist.")] = None,
    copy: Annotated[
        bool, typer.Option("--copy/--reference", help="Copy the images into the dataset, or refer to them.")
    ] = True,
    rater: Annotated[str, typer.Option(help="Under whose name marks are saved.")] = "",
    images: Annotated[Path | None, typer.Option(help="Folder of the images, when not beside SOURCE.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite marks that this rater already has.")] = False,
    view: Annotated[str | None, typer.Option(help="View of files whose header does not say it (dicom only).")] = None,
    side: Annotated[str | None, typer.Option(help="Side of files whose header does not say it (dicom only).")] = None,
    spacing_mm: Annotated[float | None, typer.Option(help="Pixel spacing of images that carry none.")] = None,
    name: Annotated[str, typer.Option(help="Title of a new dataset; by default its folder's name.")] = "",
    site: Annotated[str, typer.Option(help="Site of a new dataset.")] = "wrist",
    as_json: console.JsonOption = False,
) -> None:
    """Add radiographs, and marks if the format has them, to a dataset.

    FORMAT dicom takes a folder of DICOM, PNG, JPEG or TIFF files without marks. Patient identifiers become pseudonyms
    in the dataset's table; the files themselves are not de-identified.
    """
    from fractureai.dataset.formats import FORMATS

    if format_name == "formats":
        _list_formats(
            {DICOM: "Radiograph files without marks", **{key: f.title for key, f in FORMATS.items()}}, as_json
        )
        return
    if format_name != DICOM and format_name not in FORMATS:
        raise typer.BadParameter(f"There is no format {format_name}; choose one of {', '.join((DICOM, *FORMATS))}.")
    if source is None or dataset is None:
        raise typer.BadParameter("SOURCE and DATASET are missing.")
    if not source.exists():
        raise FractureAIError(f"{source}: there is no such file or folder; check the name.")
    spacing = None if spacing_mm is None else (spacing_mm, spacing_mm)
    opened = open_or_create(dataset, name, site)
    if format_name == DICOM:
        report = _add(opened, source, copy, view, side, spacing)
    else:
        report = _import(format_name, opened, source, rater, images, copy, replace, spacing)
    document = {"dataset": str(opened.folder), "format": format_name, **report}
    if as_json:
        console.result_json(document)
    else:
        console.result(
            f"{opened.folder}: {report['added']} radiographs added, {report['skipped']} skipped, "
            f"{report['annotations']} annotations saved, {len(report['problems'])} problems."
        )
        for problem in report["problems"]:
            console.result(f"  {problem}")


def open_or_create(folder: Path, name: str, site: str) -> Dataset:
    """Open a dataset, or create it where the folder has none."""
    from fractureai.dataset import Dataset

    if (folder / "dataset.toml").exists():
        return Dataset.open(folder)
    return Dataset.create(folder, name=name or folder.absolute().name, site=site)


def _add(
    dataset: Dataset, source: Path, copy: bool, view: str | None, side: str | None, spacing: tuple[float, float] | None
) -> dict[str, Any]:
    with console.ProgressBar("Adding radiographs") as bar:
        found = dataset.add([source], copy=copy, view=view, side=side, spacing_mm=spacing, progress=bar.advance)
    problems = _texts(found.problems)
    return {"added": len(found.added), "skipped": len(found.skipped), "annotations": 0, "problems": problems}


def _import(
    format_name: str,
    dataset: Dataset,
    source: Path,
    rater: str,
    images: Path | None,
    copy: bool,
    replace: bool,
    spacing: tuple[float, float] | None,
) -> dict[str, Any]:
    from fractureai.dataset.formats import FORMATS, ImportOptions

    with console.ProgressBar(f"Importing {FORMATS[format_name].title}") as bar:
        options = ImportOptions(rater, images, copy, replace, spacing, bar.advance)
        found = FORMATS[format_name].import_(source, dataset, options)
    problems = _texts(found.problems)
    return {"added": found.added, "skipped": found.skipped, "annotations": found.annotations, "problems": problems}


def _texts(problems: Sequence[FractureAIError]) -> list[str]:
    return [str(problem) for problem in problems]


def _list_formats(titles: dict[str, str], as_json: bool) -> None:
    if as_json:
        console.result_json({"formats": titles})
        return
    for key, title in titles.items():
        console.result(f"{key:12}  {title}")
