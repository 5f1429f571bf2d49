"""The stored values of the one image in a DICOM file: read directly when uncompressed, else decoded.

Compressed pixels are decoded by pydicom's plugins where they are installed, else by SimpleITK's GDCM, which 3D Slicer
ships. GDCM is given a bare MONOCHROME2 image, because with the real header it would invert and rescale on its own.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID, JPEGExtended12Bit, RLELossless, SecondaryCaptureImageStorage, generate_uid

from fractureai.errors import NotAnImageError, RadiographError
from fractureai.radiograph import codestream
from fractureai.radiograph.dicomfile import COPY_AGAIN, DicomFile, PixelElement, value
from fractureai.radiograph.intensity import Intensity
from fractureai.radiograph.itk import simpleitk
from fractureai.radiograph.limits import check_size

_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT")
_CHUNK_PX = 65_536
_RLE_BEST_RATIO = 64  # two bytes stand for at most 128
_JPEG2000_UIDS = ("1.2.840.10008.1.2.4.9", "1.2.840.10008.1.2.4.20")  # JPEG 2000 and HTJ2K start with these
_JPEG_UIDS = ("1.2.840.10008.1.2.4.5", "1.2.840.10008.1.2.4.7", "1.2.840.10008.1.2.4.8")
_DECODE_ERRORS = (RuntimeError, ValueError, TypeError, NotImplementedError, AttributeError, KeyError, EOFError)


@dataclass(frozen=True)
class PixelModule:
    """The Image Pixel module (PS3.3 C.7.6.3), checked."""

    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    photometric: str

    @property
    def byte_count(self) -> int:
        """Bytes of the uncompressed image."""
        return self.rows * self.columns * self.samples * self.bits_allocated // 8


def read_pixel_module(file: DicomFile, conflicts: list[str]) -> PixelModule:
    """Read and check the attributes that say how the pixels are stored.

    Raises:
        RadiographError: they are missing, contradictory, too large, of several frames or of an unsupported kind.
    """
    path, header = file.path, file.header
    rows, columns = value(header, "Rows"), value(header, "Columns")
    if rows is None and columns is None:
        raise _no_image(path, header)
    check_size(path, _integer(rows), _integer(columns))
    frames = _integer(value(header, "NumberOfFrames"), 1)
    if frames > 1:
        raise RadiographError(path, f"it holds {frames} frames, not one image", "export the frame to read as a file")
    samples = _integer(value(header, "SamplesPerPixel"), 1)
    photometric = str(value(header, "PhotometricInterpretation") or "")
    if not photometric:
        photometric = "MONOCHROME2" if samples == 1 else "RGB"
        conflicts.append(f"PhotometricInterpretation is missing; {photometric} is assumed.")
    if (samples, photometric in _GREY, photometric in _COLOUR) not in ((1, True, False), (3, False, True)):
        reason = f"its pixels ({samples} samples, {photometric[:16]}) are not those of a grey radiograph"
        raise RadiographError(path, reason, "export the original grey image")
    allocated = _integer(value(header, "BitsAllocated"), 16)
    stored = _integer(value(header, "BitsStored"), allocated)
    if allocated not in (8, 16, 32) or not 1 <= stored <= allocated:
        reason = f"its pixels of {stored} bits in {allocated} are not supported"
        raise RadiographError(path, reason, "export the image with 8 or 16 bits a pixel")
    high = _integer(value(header, "HighBit"), stored - 1)
    if not stored - 1 <= high < allocated:
        conflicts.append(f"HighBit {high} does not fit BitsStored {stored}; {stored - 1} is used.")
        high = stored - 1
    signed = bool(value(header, "PixelRepresentation"))
    return PixelModule(_integer(rows), _integer(columns), samples, allocated, stored, high, signed, photometric)


def read_modality_values(
    file: DicomFile, module: PixelModule, intensity: Intensity, conflicts: list[str]
) -> npt.NDArray[np.float32]:
    """Return the pixels as modality values, bone bright, (rows, columns) float32.

    Raises:
        RadiographError: the pixel data are missing, cut off, can not be decoded, or are coloured.
    """
    element = file.pixel
    if element is None or element.length is None or module.samples != 1 or file.big_endian:
        return intensity.modality_values(_read_stored_values(file, module, conflicts))
    # Uncompressed: converted while it is read, part by part, which is twice as fast as one after the other.
    pixels = np.empty((module.rows, module.columns), dtype=np.float32)
    flat = pixels.reshape(-1)
    cells = np.empty(min(_CHUNK_PX, flat.size), dtype=np.dtype(f"<u{module.bits_allocated // 8}"))
    available = min(element.length, module.byte_count)
    file.stream.seek(element.offset)
    beyond = False
    for start in range(0, flat.size, _CHUNK_PX):
        part = cells[: flat.size - start]
        got = _read_into(file, part.view(np.uint8))
        end = start * part.itemsize + got
        if got < part.nbytes or end > available:
            raise _cut_off(file.path, min(end, available), module)
        values, more = _value_bits(part, module)
        beyond |= more
        flat[start : start + part.size] = intensity.modality_values(values)
    _note_bits_beyond(file, module, beyond, conflicts)
    return pixels


def _read_stored_values(file: DicomFile, module: PixelModule, conflicts: list[str]) -> npt.NDArray[Any]:
    """Return the stored integers, (rows, columns); of a colour image whose channels agree one channel.

    Raises:
        RadiographError: the pixel data are missing, cut off, can not be decoded, or are coloured.
    """
    if file.pixel is None:
        raise RadiographError(file.path, "it holds no pixel data", "export the radiograph with its image")
    if file.pixel.length is None:
        image = _decode(file, module, file.pixel)
    else:
        image = _read_native(file, module, file.pixel, file.pixel.length, conflicts)
    if image.shape[:2] != (module.rows, module.columns):
        reason = f"its pixel data decode to {image.shape[0]} x {image.shape[1]} pixels, not to its header's size"
        raise RadiographError(file.path, reason, COPY_AGAIN)
    return _grey(file.path, image)


def _grey(path: Path, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the one channel of a colour image whose channels agree.

    Raises:
        RadiographError: they do not.
    """
    if image.ndim == 2:
        return image
    first = image[..., 0]
    if not all(np.array_equal(first, image[..., channel]) for channel in (1, 2)):
        raise RadiographError(path, "it is a colour image", "give the original grey radiograph")
    return np.ascontiguousarray(first)


def _no_image(path: Path, header: Dataset) -> RadiographError:
    name = UID(str(value(header, "SOPClassUID") or value(header.file_meta, "MediaStorageSOPClassUID") or "")).name
    if not name or "Image" in name:
        return RadiographError(path, "its DICOM header has no image size", "it may be cut off; " + COPY_AGAIN)
    return NotAnImageError(path, f"it is a DICOM object without image ({name[:64]})", "give the radiograph itself")


def _read_native(
    file: DicomFile, module: PixelModule, element: PixelElement, length: int, conflicts: list[str]
) -> npt.NDArray[Any]:
    """Read uncompressed pixels (PS3.5 8.1, Annex D) as integers with the sign and without the bits around the value."""
    order = ">" if file.big_endian else "<"
    dtype = np.dtype(f"{order}u{module.bits_allocated // 8}")
    file.stream.seek(element.offset)
    raw = np.empty(module.byte_count + module.byte_count % 2, dtype=np.uint8)
    got = min(_read_into(file, raw), length)
    if got < module.byte_count:
        raise _cut_off(file.path, got, module)
    if file.big_endian and element.vr == "OW" and module.bits_allocated == 8:
        raw = raw.reshape(-1, 2)[:, ::-1].reshape(-1)
    image = raw[: module.byte_count].view(dtype)
    if module.samples == 1:
        values, beyond = _value_bits(image.reshape(module.rows, module.columns), module)
        _note_bits_beyond(file, module, beyond, conflicts)
        return values
    if module.photometric not in ("RGB", "YBR_FULL"):
        raise RadiographError(file.path, f"its pixels ({module.photometric}) are coloured", "give the grey radiograph")
    planar = bool(value(file.header, "PlanarConfiguration"))
    if planar:
        image = np.moveaxis(image.reshape(3, module.rows, module.columns), 0, -1)
    else:
        image = image.reshape(module.rows, module.columns, 3)
    if module.photometric == "YBR_FULL" and (image[..., 1:] == 1 << (module.bits_stored - 1)).all():
        return image[..., 0]  # no colour difference: luminance only
    return image


def _read_into(file: DicomFile, raw: npt.NDArray[np.uint8]) -> int:
    view, got = raw.data, 0
    while got < len(view):
        count = file.stream.readinto(view[got:])  # type: ignore[attr-defined]
        if not count:
            break
        got += count
    return got


def _value_bits(image: npt.NDArray[Any], module: PixelModule) -> tuple[npt.NDArray[Any], bool]:
    """Cut the values out of their cells; and say whether unsigned cells held bits above them.

    Bits above the value may hold an overlay, bits below it anything (PS3.5 8.1.1).
    """
    shift = module.high_bit + 1 - module.bits_stored
    unused = module.bits_allocated - module.bits_stored
    if image.dtype.byteorder == ">":
        image = image.astype(image.dtype.newbyteorder("="))
    if module.signed:
        signed = image.view(np.dtype(f"i{image.dtype.itemsize}"))
        return (signed if unused == 0 else np.right_shift(np.left_shift(signed, unused - shift), unused)), False
    if shift:
        image = image >> shift
    top = (1 << module.bits_stored) - 1
    if unused and int(image.max()) > top:
        return image & image.dtype.type(top), True
    return image, False


def _note_bits_beyond(file: DicomFile, module: PixelModule, beyond: bool, conflicts: list[str]) -> None:
    has_overlay = any(0x6000 <= tag.group <= 0x601E for tag in file.header.keys())  # noqa: SIM118 (tags, not elements)
    if beyond and not has_overlay:
        conflicts.append(f"Some pixels have bits beyond BitsStored {module.bits_stored}; these bits are ignored.")


def _cut_off(path: Path, got: int, module: PixelModule) -> RadiographError:
    return RadiographError(path, f"its pixel data are cut off after {got} of {module.byte_count} bytes", COPY_AGAIN)


def _decode(file: DicomFile, module: PixelModule, element: PixelElement) -> npt.NDArray[Any]:
    file.stream.seek(element.offset)
    syntax = file.transfer_syntax
    frame = _frame(file, file.stream.read())
    info = _check_frame(file, module, frame)
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        reason = f"its transfer syntax {str(syntax)[:64]} is not known"
        raise RadiographError(file.path, reason, "export the image uncompressed") from error
    if decoder.is_available and not (syntax == JPEGExtended12Bit and module.bits_stored > 8):
        try:
            return np.asarray(decoder.as_array(_bare_dataset(module, syntax, frame, module.bits_stored), index=0)[0])
        except _DECODE_ERRORS as error:
            raise _undecodable(file) from error
    # GDCM believes BitsStored where it should believe the code stream, and then wraps values around or complains.
    image = _decode_with_gdcm(file, _bare_dataset(module, syntax, frame, info.bits if info else module.bits_stored))
    top = (1 << module.bits_stored) - 1
    return image if module.signed else np.minimum(image, image.dtype.type(min(top, np.iinfo(image.dtype).max)))


def _frame(file: DicomFile, data: bytes) -> bytes:
    """Join the fragments of the one frame (PS3.5 A.4)."""
    try:
        return next(generate_frames(data, number_of_frames=1))
    except (StopIteration, *_DECODE_ERRORS) as error:
        raise RadiographError(file.path, "its compressed pixel data are cut off", COPY_AGAIN) from error


def _check_frame(file: DicomFile, module: PixelModule, frame: bytes) -> codestream.CodestreamInfo | None:
    """Look into a compressed frame before it is decoded; None for the kinds that say nothing of themselves."""
    syntax = str(file.transfer_syntax)
    if syntax == RLELossless:
        if len(frame) * _RLE_BEST_RATIO < module.byte_count:
            raise RadiographError(file.path, "its RLE pixel data are too short for its size", COPY_AGAIN)
        return None
    if syntax.startswith(_JPEG2000_UIDS):
        info = codestream.jpeg2000_info(frame)
    elif syntax.startswith(_JPEG_UIDS):
        info = codestream.jpeg_info(frame)
    else:
        return None
    if info is None:
        raise _undecodable(file)
    check_size(file.path, info.rows, info.columns)
    if (info.rows, info.columns, info.samples) != (module.rows, module.columns, module.samples):
        reason = (
            f"its compressed image has {info.rows} x {info.columns} pixels of {info.samples} samples, "
            f"its header says {module.rows} x {module.columns} of {module.samples}"
        )
        raise RadiographError(file.path, reason, COPY_AGAIN)
    if not info.complete:
        raise RadiographError(file.path, "its compressed pixel data are cut off", COPY_AGAIN)
    return info


def _undecodable(file: DicomFile) -> RadiographError:
    return RadiographError(file.path, f"its pixel data ({file.transfer_syntax.name}) can not be decoded", COPY_AGAIN)


def _bare_dataset(module: PixelModule, syntax: UID, frame: bytes, bits: int) -> Dataset:
    """Make an image of nothing but the pixels."""
    bare = Dataset()
    bare.file_meta = FileMetaDataset()
    bare.file_meta.TransferSyntaxUID = syntax
    bare.file_meta.MediaStorageSOPClassUID = bare.SOPClassUID = SecondaryCaptureImageStorage
    bare.file_meta.MediaStorageSOPInstanceUID = bare.SOPInstanceUID = generate_uid()
    bare.Rows, bare.Columns = module.rows, module.columns
    bare.SamplesPerPixel = module.samples
    bare.PhotometricInterpretation = "MONOCHROME2" if module.samples == 1 else module.photometric
    if module.samples > 1:
        bare.PlanarConfiguration = 0
    bare.BitsAllocated, bare.BitsStored, bare.HighBit = module.bits_allocated, bits, bits - 1
    bare.PixelRepresentation = int(module.signed)
    bare.PixelData = encapsulate([frame])
    bare["PixelData"].is_undefined_length = True
    return bare


def _decode_with_gdcm(file: DicomFile, source: Dataset) -> npt.NDArray[Any]:
    sitk = simpleitk()
    with tempfile.TemporaryDirectory(prefix="fractureai-") as folder:
        bare = Path(folder) / "image.dcm"
        source.save_as(bare, enforce_file_format=True)
        reader = sitk.ImageFileReader()
        reader.SetImageIO("GDCMImageIO")
        reader.SetFileName(str(bare))
        try:
            image = sitk.GetArrayFromImage(reader.Execute())
        except RuntimeError as error:
            raise _undecodable(file) from error
    return np.asarray(image).reshape(image.shape[-2:] if source.SamplesPerPixel == 1 else image.shape[-3:])


def _integer(found: Any, default: int = 0) -> int:
    try:
        return default if found is None else int(found)
    except (TypeError, ValueError):
        return default
