"""Marks that could not be saved in their dataset are kept on this computer until they are, also after a crash."""

import contextlib
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import qt
from slicer.i18n import tr as _

from fractureai.dataset import Annotation, Dataset, annotation_from_json, annotation_to_json
from fractureai.dataset.files import write_atomically
from fractureai.errors import FractureAIError


class Rescue:
    """A folder of unsaved annotations in the user's application data."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or default_folder()

    def keep(self, dataset: Dataset, annotation: Annotation, revision: int) -> None:
        """Keep the newest state of an annotation.

        Args:
            dataset: where it belongs.
            annotation: what could not be saved.
            revision: of the file in the dataset that it was made of; 0 for none.
        """
        text = annotation_to_json(replace(annotation, revision=revision)).decode("utf-8")
        content = json.dumps({"dataset": str(dataset.folder), "rater": annotation.rater, "annotation": text})
        with contextlib.suppress(OSError, FractureAIError):  # a second line of defence must not make things worse
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self._path(dataset, annotation), content.encode("utf-8"), mode=0o600)

    def drop(self, dataset: Dataset, annotation: Annotation) -> None:
        """Forget an annotation: it is saved, or was given up."""
        with contextlib.suppress(OSError):
            self._path(dataset, annotation).unlink(missing_ok=True)

    def kept(self, dataset: Dataset, rater: str) -> list[Annotation]:
        """Return a rater's unsaved annotations of a dataset; ``revision`` is that of the file they were made of."""
        found = []
        paths = sorted(self._folder.glob("*.json")) if self._folder.is_dir() else []
        for path in paths:
            with contextlib.suppress(OSError, ValueError, KeyError, FractureAIError):
                content = json.loads(path.read_text(encoding="utf-8"))
                if (content["dataset"], content["rater"]) == (str(dataset.folder), rater):
                    found.append(annotation_from_json(content["annotation"].encode("utf-8"), path))
        return found

    def restore(self, dataset: Dataset, rater: str) -> tuple[int, int]:
        """Save what was kept, except where the radiograph was marked anew in the meantime.

        Returns:
            How many were saved, and how many stay kept.

        Raises:
            FractureAIError: the dataset can not be written.
        """
        saved = left = 0
        for annotation in self.kept(dataset, rater):
            current = dataset.annotation(annotation.radiograph, rater)
            if (current.revision if current is not None else 0) != annotation.revision:
                left += 1
                continue
            dataset.save(annotation, expected_revision=annotation.revision)
            self.drop(dataset, annotation)
            saved += 1
        return saved, left

    def _path(self, dataset: Dataset, annotation: Annotation) -> Path:
        key = f"{dataset.folder}\n{annotation.rater}\n{annotation.radiograph}"
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"


def restored_text(saved: int, left: int) -> str:
    """Return what `Rescue.restore` did, in words."""
    text = _("{n} saved.").format(n=saved)
    if left:
        text += " " + _("{n} were marked anew in the meantime and stay as they are.").format(n=left)
    return text


def default_folder() -> Path:
    """Return where unsaved marks are kept on this computer."""
    base = qt.QStandardPaths.writableLocation(qt.QStandardPaths.AppDataLocation)
    return Path(base or Path.home()) / "FractureAI" / "unsaved"
