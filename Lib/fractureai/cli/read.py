"""`fractureai read`: what a bundle says about a study."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fractureai.cli import console
from fractureai.errors import FractureAIError

if TYPE_CHECKING:
    from fractureai.inference import Pipeline, Prediction
    from fractureai.inference.interval import Interval
    from fractureai.radiograph import StudyListing

NAME = "read"
EXAMPLE = "fractureai read demo wrist_pa.dcm wrist_lat.dcm --out out/reading"
INTERRUPTED = "Readings that were written are whole; run the same command again for the rest."
READING_FILE = "reading.json"

CoverageOption = Annotated[
    float | None,
    typer.Option(help="Share of studies to be answered, 0 to 1; the others are referred. Default: the bundle's."),
]


def run(
    bundle: Annotated[str, typer.Argument(help="Folder of a bundle, or the word demo.")],
    files: Annotated[
        list[Path], typer.Argument(help="Files of one study; or folders, whose studies are read one by one.")
    ],
    out: Annotated[Path | None, typer.Option(help="Folder for JSON, activation maps and overlays.")] = None,
    view: Annotated[
        list[str] | None, typer.Option(help="PA, AP, LAT: for all files, or repeated, one a file in their order.")
    ] = None,
    side: Annotated[str | None, typer.Option(help="L or R.")] = None,
    spacing_mm: Annotated[
        list[float] | None, typer.Option(help="Pixel spacing: for all files, or repeated, one a file.")
    ] = None,
    runtime: Annotated[str, typer.Option(help="onnx.")] = "onnx",
    coverage: CoverageOption = None,
    as_json: console.JsonOption = False,
) -> None:
    """Read a study: probability, decision or referral with reasons, landmarks, region, activation map.

    Files given together are one study of one wrist. With --json one object is printed for files, and for folders an
    object with the list of their studies.
    """
    given = GivenFiles(view or [], side, spacing_mm or [], files)
    if runtime != "onnx":
        raise typer.BadParameter(f"There is no runtime {runtime}; choose onnx.")
    folders = [path for path in files if _holds_studies(path)]
    if folders and len(folders) != len(files):
        raise typer.BadParameter("Give either files of one study or folders, not both.")
    pipeline = load_pipeline(bundle, coverage)
    if folders:
        _print_folders(pipeline, folders, out, given.for_all(), as_json)
        return
    prediction = given.read(pipeline)
    document = save_reading(prediction, out)
    if as_json:
        console.result_json(document)
    else:
        print_reading(prediction, document)


class GivenFiles:
    """What the user says about the files; checked."""

    def __init__(self, views: list[str], side: str | None, spacings: list[float], files: Sequence[Path]) -> None:
        from fractureai.radiograph import SIDES, VIEWS

        self.views = [view.upper() for view in views]
        self.side = side.upper() if side else None
        self.spacings, self.files = spacings, files
        for value, allowed in [*((view, VIEWS) for view in self.views), (self.side or SIDES[0], SIDES)]:
            if value not in allowed:
                raise typer.BadParameter(f"{value} is not one of {', '.join(allowed)}.")
        for count, option in ((len(views), "--view"), (len(spacings), "--spacing-mm")):
            if count > 1 and count != len(files):
                raise typer.BadParameter(f"{option} was given {count} times for {len(files)} files.")
        for spacing in spacings:
            if not 0 < spacing < 100:
                raise typer.BadParameter(f"--spacing-mm {spacing:g} is not a spacing in millimetres.")

    def read(self, pipeline: Pipeline) -> Prediction:
        """Read all files as one study."""
        from fractureai.radiograph import read_radiograph

        if len(self.views) < 2 and len(self.spacings) < 2:
            prediction = pipeline.read(list(self.files), **self.for_all())
        else:
            views, spacings = self._one_a_file(self.views), self._one_a_file(self.spacings)
            radiographs = [
                read_radiograph(file, view=view, side=self.side, spacing_mm=spacing and (spacing, spacing))
                for file, view, spacing in zip(self.files, views, spacings, strict=True)
            ]
            prediction = pipeline.read(radiographs)
        refuse_unreadable(prediction, len(self.files))
        return prediction

    def for_all(self) -> dict[str, Any]:
        """Return the keyword arguments of `Pipeline.read`."""
        if len(self.views) > 1 or len(self.spacings) > 1:
            raise typer.BadParameter("With folders, give --view and --spacing-mm at most once.")
        spacing = self.spacings[0] if self.spacings else None
        return {"view": self.views[0] if self.views else None, "side": self.side, "spacing_mm": spacing}

    def _one_a_file(self, values: Sequence[Any]) -> list[Any]:
        return list(values) if len(values) > 1 else [values[0] if values else None] * len(self.files)


def load_pipeline(bundle: str | Path, coverage: float | None = None) -> Pipeline:
    """Load a bundle, saying so."""
    with console.status(f"Loading bundle {bundle} ..."):
        from fractureai.inference import Pipeline

        return Pipeline.load(bundle, coverage=coverage)


def refuse_unreadable(prediction: Prediction, files: int) -> None:
    """Raise the first problem when not one file of a study could be read."""
    unreadable = [reason for reason in prediction.referrals if reason.code == "file-unreadable"]
    if not prediction.views and len(unreadable) == files:
        raise FractureAIError(prediction.problems[0])


def save_reading(prediction: Prediction, out: Path | None) -> dict[str, Any]:
    """Return a reading as JSON values; with a folder, write it there as reading.json with its pictures."""
    from fractureai.inference import prediction_to_json

    document = prediction_to_json(prediction, out)
    if out is not None:
        text = json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False)
        (out / READING_FILE).write_text(text + "\n", encoding="utf-8")
    return document


def print_reading(prediction: Prediction, document: dict[str, Any]) -> None:
    """Print a reading for people."""
    console.result(f"Study {prediction.study}: {reading_line(prediction)}")
    for view in prediction.views:
        about = f"(threshold {view.threshold:.3f}{interval_note(view.interval)})"
        console.result(f"  {view.view:4} {view.probability:.3f} {about}  {view.file}")
    if prediction.interval_text:
        console.result(f"  CI: {prediction.interval_text}.")
    for line in trust_lines(prediction):
        console.result(f"  {line}")
    for reason in prediction.referrals:
        console.result(f"  Refer: {reason.text}")
    for problem in prediction.problems:
        console.result(f"  Problem: {problem}")
    if document["overlay"]:
        console.result(f"  Picture: {document['overlay']}")
    console.result(f"  Model {prediction.model}: {prediction.notice or document['not_a_medical_device']}")


def reading_line(prediction: Prediction) -> str:
    """Return decision, probability and threshold in one line; a referred reading says so first."""
    from fractureai.inference.pipeline import NOT_SURE

    if prediction.probability is None:
        return prediction.decision_text
    about = f"(threshold {prediction.threshold:.3f}{interval_note(prediction.interval)})"
    reading = f"{prediction.decision_text}, {prediction.probability:.3f} {about}"
    return f"{NOT_SURE}. Its reading: {reading}" if prediction.refer else reading


def trust_lines(prediction: Prediction) -> list[str]:
    """Return what is known about how far a reading can be trusted, a sentence a line."""
    if prediction.uncertainty is None or prediction.uncertainty_limit is None or prediction.coverage is None:
        return []
    kept = f"the limit for answering {100 * prediction.coverage:.0f} of 100 studies"
    side = "above" if prediction.uncertainty > prediction.uncertainty_limit else "within"
    classes = " or ".join(prediction.conformal or ())
    possible = f"can not rule out: {classes}" if classes else "unusual: typical of neither answer"
    return [
        f"Calibrated probability {prediction.calibrated_probability:.3f}; {possible}.",
        f"Uncertainty {prediction.uncertainty:.3f}, {side} {kept} ({prediction.uncertainty_limit:.3f}).",
    ]


def interval_note(interval: Interval | None) -> str:
    """Return the interval as it stands behind a threshold; "" when there is none."""
    return "" if interval is None else f", 95 % CI {interval[0]:.3f}-{interval[1]:.3f}"


def _holds_studies(path: Path) -> bool:
    return path.is_dir() or path.name.upper() == "DICOMDIR"


@dataclass(frozen=True)
class FolderReadings:
    """The readings of the studies in a folder.

    Attributes:
        readings: each study's reading and its JSON document.
        problems: files that could not be read.
        left: studies beyond the limit.
    """

    readings: tuple[tuple[Prediction, dict[str, Any]], ...]
    problems: tuple[str, ...]
    left: int = 0


def find_studies(folder: Path) -> StudyListing:
    """List the studies in a folder, with all its subfolders, or of a DICOMDIR.

    Raises:
        FractureAIError: there is no radiograph that can be read.
    """
    from fractureai.radiograph import list_studies

    with console.ProgressBar(f"Looking for studies in {folder}") as bar:
        listing = list_studies(folder, progress=bar.advance)
    if not listing.studies:
        more = f" ({str(listing.problems[0]).rstrip('.')})" if listing.problems else ""
        raise FractureAIError(f"{folder}: there is no radiograph that can be read{more}; check the folder.")
    return listing


def read_folder(
    pipeline: Pipeline, listing: StudyListing, out: Path | None, *, limit: int | None = None, **given: Any
) -> FolderReadings:
    """Read every study of a listing, each into a folder of its own below ``out``.

    Args:
        pipeline: the models.
        listing: of `find_studies`.
        out: None to write nothing.
        limit: read no more studies than this.
        given: view, side, spacing_mm as of `Pipeline.read`.
    """
    chosen = listing.studies[:limit]
    readings = []
    with console.ProgressBar("Reading studies") as bar:
        for number, study in enumerate(chosen, start=1):
            prediction = pipeline.read(study, name=study.key, **given)
            target = None if out is None else out / _folder_name(number, study.key)
            readings.append((prediction, save_reading(prediction, target)))
            bar.advance(number, len(chosen))
    problems = tuple(str(problem) for problem in listing.problems)
    return FolderReadings(tuple(readings), problems, len(listing.studies) - len(chosen))


def _print_folders(
    pipeline: Pipeline, folders: Sequence[Path], out: Path | None, given: dict[str, Any], as_json: bool
) -> None:
    documents: list[dict[str, Any]] = []
    problems: list[str] = []
    for number, folder in enumerate(folders, start=1):
        several = out is not None and len(folders) > 1
        target = out / f"folder_{number}" if out is not None and several else out
        found = read_folder(pipeline, find_studies(folder), target, **given)
        documents += [document for _, document in found.readings]
        problems += found.problems
        if not as_json:
            for prediction, document in found.readings:
                print_reading(prediction, document)
    if as_json:
        console.result_json({"studies": documents, "problems": problems})
        return
    for problem in problems:
        console.result(f"Problem: {problem}")
    console.result(f"{len(documents)} studies were read.")


def _folder_name(number: int, key: str) -> str:
    return f"{number:04d}_{re.sub(r'[^A-Za-z0-9._-]+', '_', key)[-60:]}"
