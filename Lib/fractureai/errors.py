"""Errors that a user can act on: one sentence that names the thing, says what is wrong and what to do."""

from __future__ import annotations

from pathlib import Path


class FractureAIError(Exception):
    """Base of every error that is shown to the user as one sentence (command line: stderr, exit code 2)."""


class FileError(FractureAIError):
    """A file that can not be used.

    Args:
        path: the file.
        reason: what is wrong, as a clause without a full stop ("it is cut off after 1,024 of 8,192 bytes").
        advice: what to do, as a clause; may be empty.
    """

    def __init__(self, path: Path | str, reason: str, advice: str = "") -> None:
        self.path = Path(path)
        self.reason = reason
        self.advice = advice
        super().__init__(f"{self.path}: {reason}" + (f"; {advice}" if advice else "") + ".")

    def __reduce__(self) -> tuple[type[FileError], tuple[Path, str, str]]:
        """Pickle with the three arguments, so that the error crosses process borders whole."""
        return type(self), (self.path, self.reason, self.advice)


class RadiographError(FileError):
    """A file that can not be read as a radiograph."""


class NotAnImageError(RadiographError):
    """A sound DICOM file that holds something else than an image (a report, a presentation state, a directory)."""


class SiteError(FractureAIError):
    """A site profile that is missing or malformed."""


class GeometryError(FractureAIError):
    """Landmarks, spacing or a region from which no geometry can be computed."""


class DatasetError(FileError):
    """A dataset folder, or a file in it, that can not be used."""


class StaleAnnotationError(DatasetError):
    """An annotation that somebody else saved in the meantime: read it again, then save."""


class RecipeError(FractureAIError):
    """A training recipe that is missing or malformed."""


class TrainingError(FractureAIError):
    """Training that can not start or go on (too few images, out of memory, a checkpoint of other data)."""


class BundleError(FileError):
    """A bundle that is damaged, of another format version or of another site."""


class EvaluationError(FractureAIError):
    """Labels, probabilities or readings that can not be evaluated."""


class ServerError(FractureAIError):
    """A server that does not answer, refuses, or is none of ours."""


class WindowError(FractureAIError):
    """The window can not be opened: no screen, or nothing to draw with."""
