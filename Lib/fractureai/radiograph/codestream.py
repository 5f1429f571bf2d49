"""Just enough of JPEG (ISO 10918-1), JPEG-LS (ISO 14495-1) and JPEG 2000 (ISO 15444-1) to see what a decoder would do.

Decoders allocate what a code stream claims and fill up with grey what a cut code stream lacks. So size and end are
looked at before anything is decoded.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

_MARKER_IN_DATA = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")  # neither stuffed byte, restart marker nor fill byte
_FRAME_HEADERS = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
_SCAN, _END = 0xDA, 0xD9
_J2K_START = b"\xff\x4f\xff\x51"
_J2K_TILE_PART, _J2K_END = 0xFF90, 0xFFD9


@dataclass(frozen=True)
class CodestreamInfo:
    """What a code stream says about itself.

    Attributes:
        rows, columns: size in pixels.
        samples: components a pixel.
        bits: precision of a sample.
        complete: it is not cut off: it has its end marker (JPEG), or all of each tile-part it begins (JPEG 2000).
    """

    rows: int
    columns: int
    samples: int
    bits: int
    complete: bool


def jpeg_info(data: bytes) -> CodestreamInfo | None:
    """Walk the marker segments of a JPEG or JPEG-LS stream up to its end; None when it has no frame header."""
    position = data.find(b"\xff\xd8") + 2
    size: tuple[int, int, int, int] | None = None
    while 2 <= position <= len(data) - 2:
        if data[position] != 0xFF or data[position + 1] == 0xFF:  # a fill byte, or padding between segments
            position += 1
            continue
        marker = data[position + 1]
        if marker == _END:
            return CodestreamInfo(*size, complete=True) if size else None
        if position + 4 > len(data):
            break
        if marker in _FRAME_HEADERS and position + 10 <= len(data):
            bits, *lengths = struct.unpack_from(">BHHB", data, position + 4)
            size = (*lengths, bits)
        position += 2 + struct.unpack_from(">H", data, position + 2)[0]
        if marker == _SCAN:
            found = _MARKER_IN_DATA.search(data, position)
            if found is None:
                break
            position = found.start()
    return CodestreamInfo(*size, complete=False) if size else None


def jpeg2000_info(data: bytes) -> CodestreamInfo | None:
    """Read the SIZ segment of a JPEG 2000 code stream, bare or in JP2 boxes; None when there is none."""
    start = data.find(_J2K_START)
    if start < 0 or start + 43 > len(data):
        return None
    width, height, left, top = struct.unpack_from(">4I", data, start + 8)
    samples = struct.unpack_from(">H", data, start + 40)[0]
    bits = (data[start + 42] & 0x7F) + 1
    return CodestreamInfo(height - top, width - left, samples, bits, complete=_has_all_tile_parts(data, start + 2))


def _has_all_tile_parts(data: bytes, position: int) -> bool:
    """Whether each tile-part, by its own length, ends within the data; the end marker itself is often left out."""
    tile_parts = 0
    while position + 12 <= len(data):
        marker, length = struct.unpack_from(">HH", data, position)
        if marker == _J2K_END:
            break
        if marker == _J2K_TILE_PART:
            tile_parts += 1
            length = struct.unpack_from(">I", data, position + 6)[0]
            if length == 0:  # reaches to the end marker
                return data.rstrip(b"\0").endswith(b"\xff\xd9")
            position += length
        elif tile_parts:
            break
        else:
            position += 2 + length
    return tile_parts > 0 and position <= len(data)
