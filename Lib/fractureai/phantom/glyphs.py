"""A stroke font for markers: letters and digits as polylines on a cell 4 wide and 6 high (x right, y down)."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from fractureai.phantom.solids import Field, Matrix

STROKES: dict[str, tuple[tuple[tuple[float, float], ...], ...]] = {
    "0": (((1, 0), (3, 0), (4, 1.5), (4, 4.5), (3, 6), (1, 6), (0, 4.5), (0, 1.5), (1, 0)),),
    "1": (((0.8, 1.3), (2.2, 0), (2.2, 6)),),
    "2": (((0, 1.3), (1, 0), (3, 0), (4, 1.2), (3.7, 2.7), (0, 6), (4, 6)),),
    "3": (((0, 0.7), (1.2, 0), (3, 0), (4, 1.4), (3, 2.9), (1.6, 2.9)), ((3, 2.9), (4, 4.4), (3, 6), (1, 6), (0, 5.2))),
    "4": (((3, 6), (3, 0), (0, 4.2), (4, 4.2)),),
    "5": (((3.8, 0), (0.4, 0), (0.2, 2.6), (2.4, 2.4), (4, 3.6), (3.6, 5.4), (2, 6), (0, 5.4)),),
    "6": (((3.6, 0.4), (2, 0), (0.4, 1.8), (0, 4.2), (1, 6), (3, 6), (4, 4.6), (3.2, 3), (1.2, 2.9), (0, 4)),),
    "7": (((0, 0), (4, 0), (1.4, 6)),),
    "8": (
        (
            (1, 2.9),
            (0.2, 1.5),
            (1.2, 0),
            (2.8, 0),
            (3.8, 1.5),
            (3, 2.9),
            (1, 2.9),
            (0, 4.4),
            (1, 6),
            (3, 6),
            (4, 4.4),
            (3, 2.9),
        ),
    ),
    "9": (((3.9, 2.4), (2.8, 3.2), (1, 3), (0, 1.5), (1, 0), (3, 0), (4, 1.6), (3.6, 4.4), (2, 6), (0.5, 5.7)),),
    "A": (((0, 6), (2, 0), (4, 6)), ((0.8, 3.8), (3.2, 3.8))),
    "B": (((0, 0), (0, 6), (3, 6), (4, 4.6), (3, 2.9), (0, 2.9)), ((3, 2.9), (3.7, 1.4), (2.8, 0), (0, 0))),
    "C": (((4, 1), (3, 0), (1, 0), (0, 1.6), (0, 4.4), (1, 6), (3, 6), (4, 5)),),
    "D": (((0, 0), (0, 6), (2.4, 6), (4, 4.3), (4, 1.7), (2.4, 0), (0, 0)),),
    "E": (((4, 0), (0, 0), (0, 6), (4, 6)), ((0, 2.9), (3, 2.9))),
    "L": (((0, 0), (0, 6), (3.6, 6)),),
    "M": (((0, 6), (0, 0), (2, 3.4), (4, 0), (4, 6)),),
    "P": (((0, 6), (0, 0), (3, 0), (4, 1.5), (3, 3.1), (0, 3.1)),),
    "R": (((0, 6), (0, 0), (3, 0), (4, 1.5), (3, 3.1), (0, 3.1)), ((1.8, 3.1), (4, 6))),
    "X": (((0, 0), (4, 6)), ((4, 0), (0, 6))),
}


def draw_text(text: str, height_px: float, weight: float = 0.13, angle_deg: float = 0.0) -> Field:
    """Return coverage 0..1 of a text.

    Args:
        text: characters of `STROKES`; others are left blank.
        height_px: height of a letter.
        weight: stroke width as a share of the height.
        angle_deg: turn, clockwise.
    """
    unit = height_px / 6
    segments: list[tuple[Matrix, Matrix]] = []
    for position, letter in enumerate(text):
        for line in STROKES.get(letter, ()):
            segments.extend(pairwise((np.asarray(line, dtype=float) + np.array([position * 5.4, 0.0])) * unit))
    size = np.array([len(text) * 5.4 - 1.4, 6]) * unit
    angle = np.deg2rad(angle_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    half = np.abs(turn) @ (size / 2) + height_px * weight + 1.5
    rows, cols = (int(np.ceil(2 * h)) for h in half[::-1])
    y, x = np.mgrid[0:rows, 0:cols].astype(np.float32)
    distance = np.full((rows, cols), 1e3, np.float32)
    centre = np.array([cols - 1, rows - 1]) / 2
    for start, end in segments:
        a, b = turn @ (start - size / 2) + centre, turn @ (end - size / 2) + centre
        dx, dy = b - a
        t = np.clip(((x - a[0]) * dx + (y - a[1]) * dy) / max(dx * dx + dy * dy, 1e-9), 0, 1)
        distance = np.minimum(distance, np.hypot(x - a[0] - t * dx, y - a[1] - t * dy))
    return np.asarray(np.clip(height_px * weight / 2 + 0.5 - distance, 0, 1), dtype=np.float32)
