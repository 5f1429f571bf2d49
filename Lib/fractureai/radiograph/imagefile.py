"""A radiograph out of a file without DICOM header: PNG, JPEG, TIFF; MetaImage, NRRD and NIfTI with their spacing."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path
from typing import Any

import numpy as np

from fractureai.errors import RadiographError
from fractureai.radiograph import codestream
from fractureai.radiograph.itk import simpleitk
from fractureai.radiograph.limits import check_size
from fractureai.radiograph.model import UNKNOWN, Radiograph, RadiographHeader

_MAGIC = {
    b"\x89PNG\r\n\x1a\n": "PNGImageIO",
    b"\xff\xd8\xff": "JPEGImageIO",
    b"II*\0": "TIFFImageIO",
    b"MM\0*": "TIFFImageIO",
}
_WITH_SPACING = {
    ".mha": "MetaImageIO",
    ".mhd": "MetaImageIO",
    ".nrrd": "NrrdImageIO",
    ".nhdr": "NrrdImageIO",
    ".nii": "NiftiImageIO",
    ".nii.gz": "NiftiImageIO",
}
_PNG_COLOUR_TYPE, _PNG_GREY_ALPHA = 25, 4  # its place in the file (ISO 15948, IHDR), and the value
_TIFF_PHOTOMETRIC, _TIFF_WHITE_IS_ZERO = 262, 0
_DAMAGED = "copy or export the file again"


def is_image_file(path: Path, head: bytes) -> bool:
    """Whether the first bytes, or for files with spacing the name, are those of an image file read here."""
    return _reader_name(path, head) is not None


def read_header(path: Path) -> RadiographHeader:
    """Read size and spacing of an image file.

    Raises:
        RadiographError: it is not a readable image.
    """
    return _header(path, _open(path))


def read_radiograph(path: Path) -> Radiograph:
    """Read an image file; stored values are taken as they are, and bright is bone.

    Raises:
        RadiographError: it is not a readable grey image.
    """
    reader = _open(path)
    header = _header(path, reader)
    try:
        image = simpleitk().GetArrayFromImage(reader.Execute())
    except RuntimeError as error:
        raise RadiographError(path, "its pixels can not be decoded", _DAMAGED) from error
    pixels = _grey(path, image.reshape(header.rows, header.columns, -1))
    if reader.GetImageIO() == "TIFFImageIO" and _white_is_zero(path):
        pixels = np.float32(np.iinfo(image.dtype).max) - pixels
    return header.with_pixels(pixels)


def _open(path: Path) -> Any:
    """Return a reader that has read the header."""
    with path.open("rb") as stream:
        head = stream.read(256)
    name = _reader_name(path, head)
    _check_end(path, name)
    reader = simpleitk().ImageFileReader()
    reader.SetImageIO(name)
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise RadiographError(path, "its image header is damaged", _DAMAGED) from error
    return reader


def _reader_name(path: Path, head: bytes) -> str | None:
    for magic, name in _MAGIC.items():
        if head.startswith(magic):
            return name
    lower = path.name.lower()
    return next((name for suffix, name in _WITH_SPACING.items() if lower.endswith(suffix)), None)


def _check_end(path: Path, name: str | None) -> None:
    """Find out about cut files, which the decoders fill up with grey."""
    if name == "JPEGImageIO":
        info = codestream.jpeg_info(path.read_bytes())
        if info is None:
            raise RadiographError(path, "its JPEG header is damaged", _DAMAGED)
        check_size(path, info.rows, info.columns)
        if not info.complete:
            raise RadiographError(path, "its JPEG data are cut off", _DAMAGED)
    elif name == "PNGImageIO":
        data = path.read_bytes()
        if b"IEND" not in data[-4096:]:
            raise RadiographError(path, "its PNG data are cut off", _DAMAGED)
        if data[_PNG_COLOUR_TYPE] == _PNG_GREY_ALPHA:  # ITK does not read these
            raise RadiographError(path, "it is grey with transparency", "save it without transparency")


def _white_is_zero(path: Path) -> bool:
    """Whether a TIFF says (tag 262 of its first directory) that zero is white, which ITK passes over."""
    with path.open("rb") as stream:
        head = stream.read(8)
        order = "<" if head[:2] == b"II" else ">"
        stream.seek(struct.unpack(order + "I", head[4:])[0])
        (count,) = struct.unpack(order + "H", stream.read(2))
        entries = stream.read(12 * count)
    for tag, kind, _, found in struct.iter_unpack(order + "HHIH2x", entries):
        if tag == _TIFF_PHOTOMETRIC and kind == 3:
            return bool(found == _TIFF_WHITE_IS_ZERO)
    return False


def _header(path: Path, reader: Any) -> RadiographHeader:
    size = reader.GetSize()
    rows, columns = size[1], size[0]
    check_size(path, rows, columns)
    if any(extent != 1 for extent in size[2:]):
        raise RadiographError(path, f"it holds {size[2]} images, not one", "save the radiograph alone")
    spacing_mm, source = None, "none"
    conflicts: tuple[str, ...] = ()
    if reader.GetImageIO() in _WITH_SPACING.values():
        column_mm, row_mm = reader.GetSpacing()[:2]
        spacing_mm, source = (row_mm, column_mm), "image file"
    return RadiographHeader(
        path=path,
        rows=rows,
        columns=columns,
        spacing_mm=spacing_mm,
        spacing_source=source,
        view=UNKNOWN,
        view_source="none",
        side=UNKNOWN,
        side_source="none",
        body_part=UNKNOWN,
        body_part_source="none",
        sop_instance_uid=f"2.25.{int.from_bytes(hashlib.sha256(path.read_bytes()).digest()[:16], 'big')}",
        conflicts=conflicts,
    )


def _grey(path: Path, image: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return the grey channel: of grey with alpha the first, of three equal colours (with alpha) one."""
    channels = image.shape[-1]
    first = image[..., 0]
    if channels >= 3 and not all(np.array_equal(first, image[..., other]) for other in (1, 2)):
        raise RadiographError(path, "it is a colour image", "give the original grey radiograph")
    return np.ascontiguousarray(first, dtype=np.float32)
