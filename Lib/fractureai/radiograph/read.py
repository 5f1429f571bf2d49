"""Reading one radiograph: DICOM, PNG, JPEG, TIFF, or an image file with spacing (MetaImage, NRRD, NIfTI)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

from fractureai.errors import RadiographError
from fractureai.radiograph.model import SIDES, VIEWS, Radiograph, RadiographHeader

USER = "user"


def read_radiograph(
    path: str | PathLike[str],
    *,
    view: str | None = None,
    side: str | None = None,
    spacing_mm: tuple[float, float] | float | None = None,
    body_part: str | None = None,
) -> Radiograph:
    """Read a radiograph: bone bright, in modality units, with what its header says and where each statement came from.

    A spacing in the file that is zero, negative or not a number is treated as missing: ``spacing_mm`` is None and
    ``conflicts`` says so, because the pixels can be used and landmarks need no spacing. Who needs millimetres raises
    the error, or asks the user and gives ``spacing_mm``.

    Args:
        path: the file; its kind is told by its content, its name does not matter (except for MetaImage, NRRD, NIfTI).
        view: one of `VIEWS`; overrides the file (source "user").
        side: one of `SIDES`; overrides the file.
        spacing_mm: (row, column) in millimetres, or one number for both; overrides the file.
        body_part: overrides the file.

    Raises:
        RadiographError: the file is missing, damaged, too large, multi-frame, coloured or no image at all; or view,
            side or spacing as given are none.
    """
    path = Path(path)
    given = _given(path, view, side, spacing_mm, body_part)
    with _system_errors(path):
        return replace(_reader(path).read_radiograph(path), **given)


def read_header(
    path: str | PathLike[str],
    *,
    view: str | None = None,
    side: str | None = None,
    spacing_mm: tuple[float, float] | float | None = None,
    body_part: str | None = None,
) -> RadiographHeader:
    """Read what `read_radiograph` reads except the pixels, many times faster; arguments and errors are the same.

    Damage to the pixel data is only found by `read_radiograph`.
    """
    path = Path(path)
    given = _given(path, view, side, spacing_mm, body_part)
    with _system_errors(path):
        return replace(_reader(path).read_header(path), **given)


class _Reader(Protocol):
    def read_header(self, path: Path) -> RadiographHeader: ...

    def read_radiograph(self, path: Path) -> Radiograph: ...


def _reader(path: Path) -> _Reader:
    """Tell the kind of a file by its first bytes."""
    # Imported here: pydicom takes 0.2 s to import, and `import fractureai.radiograph` must be quick.
    from fractureai.radiograph import dicomimage, imagefile
    from fractureai.radiograph.dicomfile import looks_like_dicom

    head = _head(path)
    if looks_like_dicom(head):
        return dicomimage
    if imagefile.is_image_file(path, head):
        return imagefile
    raise RadiographError(path, "it is neither DICOM nor PNG, JPEG or TIFF", "export the radiograph as DICOM")


@contextmanager
def _system_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = f"it can not be read ({error.strerror or 'the system refuses'})"
        raise RadiographError(path, reason, "check its name and your rights") from error


def _head(path: Path) -> bytes:
    if path.is_dir():
        raise RadiographError(path, "it is a folder, not a file", "name one file, or list the folder's studies")
    with path.open("rb") as stream:
        head = stream.read(256)
    if not head:
        raise RadiographError(path, "it is empty", "copy or export the file again")
    return head


def _given(
    path: Path,
    view: str | None,
    side: str | None,
    spacing_mm: tuple[float, float] | float | None,
    body_part: str | None,
) -> dict[str, Any]:
    """Check what the user says and put it into the fields of a header."""
    given: dict[str, Any] = {}
    if view is not None:
        _check_choice(path, "view", view, VIEWS)
        given |= {"view": view, "view_source": USER}
    if side is not None:
        _check_choice(path, "side", side, SIDES)
        given |= {"side": side, "side_source": USER}
    if spacing_mm is not None:
        pair = (spacing_mm, spacing_mm) if isinstance(spacing_mm, (int, float)) else tuple(spacing_mm)
        if len(pair) != 2 or not all(math.isfinite(item) and item > 0 for item in pair):
            raise RadiographError(path, f"the given spacing {spacing_mm} is not usable", "give millimetres above zero")
        given |= {"spacing_mm": (float(pair[0]), float(pair[1])), "spacing_source": USER}
    if body_part is not None:
        given |= {"body_part": body_part, "body_part_source": USER}
    return given


def _check_choice(path: Path, name: str, given: str, allowed: tuple[str, ...]) -> None:
    if given not in allowed:
        raise RadiographError(path, f"the given {name} {given!r} is not known", f"give one of {', '.join(allowed)}")
