"""Images that are none of the site: what a reader should hand back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from fractureai.errors import EvaluationError, RadiographError
from fractureai.inference import Pipeline, Prediction
from fractureai.radiograph import Radiograph, read_radiograph


def read_foreign(
    pipeline: Pipeline, folders: Sequence[Path], progress: Callable[[int, int], None] | None = None
) -> list[Prediction]:
    """Read every file of some folders as if somebody had filed it as a study of the site.

    An image stands for each view of the model, so that it has the scores of a whole study. A file that is no image
    is refused, as in any reading.

    Args:
        pipeline: of a calibrated bundle.
        folders: with other body parts, photographs, noise, ...; subfolders count.
        progress: receives (files done, all files).

    Raises:
        EvaluationError: a folder holds no file.
    """
    files = []
    for folder in folders:
        found = sorted(path for path in folder.rglob("*") if path.is_file())
        if not found:
            raise EvaluationError(
                f"{folder}: there is no file in it; give a folder of images that are none of the site."
            )
        files += found
    predictions = []
    for done, path in enumerate(files, start=1):
        predictions.append(_read(pipeline, path))
        if progress is not None:
            progress(done, len(files))
    return predictions


def as_every_view(image: Radiograph, views: Iterable[str]) -> list[Radiograph]:
    """Return an image once as each view: a study that it is not."""
    return [
        replace(image, view=view, view_source="user", sop_instance_uid=f"{image.sop_instance_uid}.{number}")
        for number, view in enumerate(views, start=1)
    ]


def _read(pipeline: Pipeline, path: Path) -> Prediction:
    try:
        image = read_radiograph(path)
    except RadiographError:
        return pipeline.read(path)  # which says why it refuses
    return pipeline.read(as_every_view(image, pipeline.readers))
