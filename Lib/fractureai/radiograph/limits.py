"""How large a radiograph may claim to be. Checked before memory is allocated: a kilobyte can claim gigabytes."""

from __future__ import annotations

from pathlib import Path

from fractureai.errors import RadiographError

MAX_SIDE_PX = 20_000
"""Longest side; the longest stitched radiographs have about 10,000 rows."""
MAX_PIXELS = 100_000_000
"""Most pixels; the largest mammograms have about 30 million."""
MAX_HEADER_BYTES = 64 * 1024 * 1024
"""Most bytes a deflated file may inflate to beyond its pixels."""


def check_size(path: Path, rows: int, columns: int) -> None:
    """Refuse an empty or absurdly large image.

    Raises:
        RadiographError: a side is zero or above `MAX_SIDE_PX`, or the image has more than `MAX_PIXELS` pixels.
    """
    if rows <= 0 or columns <= 0:
        raise RadiographError(path, f"its size of {rows} x {columns} pixels is empty", "export the image again")
    if max(rows, columns) > MAX_SIDE_PX or rows * columns > MAX_PIXELS:
        raise RadiographError(
            path,
            f"its size of {rows} x {columns} pixels is above the limit of {MAX_SIDE_PX} a side and {MAX_PIXELS} in all",
            "check whether its header is damaged",
        )
