"""`fractureai show`: a picture of a reading, or of a rater's marks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fractureai.cli import console
from fractureai.errors import FileError

if TYPE_CHECKING:
    from fractureai.dataset import Annotation, Dataset

NAME = "show"
EXAMPLE = "fractureai show out/reading/reading.json overlay.png"
INTERRUPTED = "Run the same command again."


def run(
    source: Annotated[Path, typer.Argument(help="A reading (reading.json or its folder), or the folder of a dataset.")],
    picture: Annotated[Path, typer.Argument(help="PNG to write.")],
    radiograph: Annotated[
        str, typer.Option(help="Of a dataset: which radiograph (id); by default the first with marks.")
    ] = "",
    rater: Annotated[
        str, typer.Option(help="Of a dataset: whose marks; by default those that count as the truth.")
    ] = "",
    as_json: console.JsonOption = False,
) -> None:
    """Draw a reading with landmarks, region and activation map, or the marks of a dataset, as a PNG."""
    if (source / "dataset.toml").is_file():
        facts = _show_annotation(source, picture, radiograph, rater)
    else:
        facts = _show_reading(source / "reading.json" if source.is_dir() else source, picture)
    if as_json:
        console.result_json({"picture": str(picture.absolute()), **facts})
    else:
        console.result(f"The picture is {picture}.")


def _show_reading(source: Path, picture: Path) -> dict[str, Any]:
    from fractureai.cli.stored_reading import load_reading
    from fractureai.inference.overlay import write_overlay_png

    if not source.is_file():
        raise FileError(source, "there is neither a reading nor a dataset", "give a reading.json or a dataset's folder")
    prediction, pairs = load_reading(source)
    if not pairs:
        raise FileError(source, "no radiograph of this study could be read, so there is nothing to draw")
    write_overlay_png(picture, pairs, prediction)
    return {"study": prediction.study, "radiographs": [view.sop_instance_uid for _, view in pairs]}


def _show_annotation(folder: Path, picture: Path, radiograph: str, rater: str) -> dict[str, Any]:
    from fractureai.cli.annotation_figure import write_annotation_png
    from fractureai.dataset import Dataset

    dataset = Dataset.open(folder)
    annotation = _annotation(dataset, radiograph, rater)
    row = dataset.row(annotation.radiograph)
    write_annotation_png(picture, dataset.read(row), annotation)
    return {"radiographs": [row.id], "rater": annotation.rater}


def _annotation(dataset: Dataset, radiograph: str, rater: str) -> Annotation:
    if radiograph and rater:
        found = dataset.annotation(dataset.row(radiograph).id, rater)
    elif rater:
        found = next(iter(dataset.annotations(rater)), None)
    elif radiograph:
        found = dataset.reference_annotations().get(dataset.row(radiograph).id)
    else:
        found = next(iter(dataset.reference_annotations().values()), None)
    if found is None:
        wanted = f"radiograph {radiograph or 'at all'}" + (f" by {rater}" if rater else "")
        raise FileError(dataset.folder, f"there are no marks of {wanted}", "mark it first, or name another")
    return found
