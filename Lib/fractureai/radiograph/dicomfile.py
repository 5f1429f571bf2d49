"""Opening a DICOM file (PS3.10) safely: the header parsed by pydicom, the pixel data located but not yet read.

What is guarded against: no preamble or no file meta information, cut files, deflate bombs, deep nesting, and pydicom's
warnings, which quote values and so could leak a name.
"""

from __future__ import annotations

import io
import logging
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from fractureai.errors import RadiographError
from fractureai.radiograph.limits import MAX_HEADER_BYTES, MAX_PIXELS

_UNDEFINED = 0xFFFFFFFF
_PIXEL_DATA = 0x7FE00010
_FLOAT_PIXEL_DATA = (0x7FE00008, 0x7FE00009)
_PARSE_ERRORS = (
    BytesLengthException, InvalidDicomError, EOFError, ValueError, TypeError, KeyError, AttributeError, IndexError,
    OverflowError, NotImplementedError, struct.error, zlib.error,
)  # fmt: skip  # what pydicom raises on damaged bytes
_VALUE_ERRORS = (*_PARSE_ERRORS, RecursionError)
COPY_AGAIN = "copy or export the file again"


@dataclass(frozen=True)
class PixelElement:
    """Where the value of Pixel Data (7FE0,0010) lies.

    Attributes:
        offset: of its first byte.
        length: in bytes; None when encapsulated (undefined length).
        vr: ``OB`` or ``OW``.
    """

    offset: int
    length: int | None
    vr: str


@dataclass(frozen=True)
class DicomFile:
    """A parsed header and the still unread rest of the file.

    Attributes:
        path: the file.
        stream: open for reading; of a deflated file the inflated bytes.
        header: all elements before the pixel data.
        transfer_syntax: UID of the transfer syntax of ``stream``.
        pixel: the pixel data element, or None.
    """

    path: Path
    stream: BinaryIO
    header: Dataset
    transfer_syntax: UID
    pixel: PixelElement | None

    @property
    def big_endian(self) -> bool:
        """The byte order of ``stream``."""
        return bool(self.transfer_syntax == ExplicitVRBigEndian)


_reading: ContextVar[bool] = ContextVar("_reading", default=False)
logging.getLogger("pydicom").addFilter(lambda _record: not _reading.get())


@contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom's warnings, which quote header values, from being shown or logged."""
    token = _reading.set(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        _reading.reset(token)


def value(header: Dataset, keyword: str) -> Any:
    """Return the value of an element, or None where it is missing, empty or malformed."""
    try:
        found = header.get(keyword)
    except _VALUE_ERRORS:
        return None
    return None if found is None or (hasattr(found, "__len__") and len(found) == 0) else found


@contextmanager
def open_dicom(path: Path) -> Iterator[DicomFile]:
    """Parse a DICOM file up to its pixel data.

    Raises:
        RadiographError: it is not DICOM, or it is damaged.
        OSError: the operating system refuses to open or read it.
    """
    with path.open("rb") as stream, quiet():
        yield _parse(path, stream)


def looks_like_dicom(head: bytes) -> bool:
    """Whether the first 132 or more bytes can be those of a DICOM file, with or without preamble and file meta."""
    if head[128:132] == b"DICM":
        return True
    if len(head) < 8:
        return False
    group, element = struct.unpack_from("<HH", head)
    if group == 0 or (group, element) in ((0x0800, 0x0000), (0x0200, 0x0000)):  # command set; big endian group length
        return bool(group == 0x0800)
    return (group in (0x0002, 0x0008) and element <= 0x1200) or head[:2] == b"\x00\x08"


def _parse(path: Path, stream: BinaryIO) -> DicomFile:
    try:
        body = _inflated(path, stream)
        header = dcmread(body, stop_before_pixels=True, force=True)
    except RecursionError:
        raise RadiographError(path, "its sequences are nested too deeply", "the file is damaged or hostile") from None
    except _PARSE_ERRORS:  # pydicom's own words quote the header, so they are not passed on
        raise RadiographError(path, "its DICOM header is damaged or cut off", COPY_AGAIN) from None
    return DicomFile(path, body, header, _transfer_syntax(header), _find_pixel_data(path, body, header))


def _transfer_syntax(header: Dataset) -> UID:
    """Return the declared transfer syntax; of a file without file meta the one its encoding shows."""
    declared = value(header.file_meta, "TransferSyntaxUID")
    implicit, little = header.original_encoding
    if declared is not None and declared != DeflatedExplicitVRLittleEndian:
        return UID(str(declared))
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def _inflated(path: Path, stream: BinaryIO) -> BinaryIO:
    """Return the stream, rewound; a deflated data set (PS3.5 A.5) inflated, with a limit, behind its file meta."""
    start = 132 if stream.read(132)[128:] == b"DICM" else 0
    stream.seek(start)
    meta = read_dataset(stream, False, True, stop_when=lambda tag, _vr, _length: tag >> 16 != 2) if start else Dataset()
    if value(meta, "TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        stream.seek(0)
        return stream
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    limit = 4 * MAX_PIXELS + MAX_HEADER_BYTES
    plain = inflater.decompress(stream.read(), limit)
    if inflater.unconsumed_tail:
        raise RadiographError(path, f"it inflates to more than {limit} bytes", "the file is damaged or hostile")
    if not inflater.eof:
        raise RadiographError(path, "its deflated data are cut off", COPY_AGAIN)
    return io.BytesIO(plain)


def _find_pixel_data(path: Path, stream: BinaryIO, header: Dataset) -> PixelElement | None:
    """Parse tag, VR and length of the element at which pydicom stopped."""
    implicit, little = header.original_encoding
    order = "<" if little else ">"
    start = stream.tell()
    head = stream.read(12)
    if len(head) < 8:
        return None
    tag = int.from_bytes(struct.pack(">HH", *struct.unpack(order + "HH", head[:4])), "big")
    if tag in _FLOAT_PIXEL_DATA:
        raise RadiographError(path, "it holds floating-point pixels", "export the image with integer pixels")
    if tag != _PIXEL_DATA:
        return None
    if implicit:
        return _pixel_element(start + 8, struct.unpack(order + "I", head[4:8])[0], "OW")
    if len(head) < 12:
        return None
    return _pixel_element(start + 12, struct.unpack(order + "I", head[8:12])[0], head[4:6].decode("latin-1"))


def _pixel_element(offset: int, length: int, vr: str) -> PixelElement:
    return PixelElement(offset, None if length == _UNDEFINED else length, vr)
