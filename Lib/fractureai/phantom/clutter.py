"""Things that lie in the beam beside the limb: tape and thin splints, cables, safety pins, cloth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from fractureai.phantom.solids import Field
from fractureai.phantom.texture import stretch


class Sheet(NamedTuple):
    """A rectangle: its centre as shares of the image, size, turn, attenuation of its body and, in addition, its rim."""

    row: float
    col: float
    length_mm: float
    width_mm: float
    turn_deg: float
    body: float
    rim: float


@dataclass(frozen=True)
class Clutter:
    """What lies in the beam.

    Attributes:
        sheets: tape and thin splints.
        cable: control points (row, col as shares of the image) of a thin wire; empty for none.
        cloth: attenuation of a cloth's weave over the whole field; 0 for none.
    """

    sheets: tuple[Sheet, ...] = ()
    cable: tuple[tuple[float, float], ...] = ()
    cloth: float = 0.0


def draw_clutter(wrist: tuple[float, float], rng: np.random.Generator) -> Clutter:
    """Draw the clutter of an image; ``wrist`` is where the wrist lies, as shares of the image."""
    sheets = []
    if rng.random() < 0.11:
        for _ in range(int(rng.integers(1, 4))):
            row, col = wrist[0] + rng.normal(0, 0.1), wrist[1] + rng.normal(0, 0.04)
            length, width, turn = rng.uniform(22, 75), rng.uniform(12, 30), rng.normal(0, 7) + rng.choice([0, 90])
            body, rim = rng.uniform(0.03, 0.16), rng.uniform(0, 0.3)
            sheets.append(Sheet(*(float(v) for v in (row, col, length, width, turn, body, rim))))
    cable: tuple[tuple[float, float], ...] = ()
    if rng.random() < 0.05:
        start = rng.uniform(-0.1, 1.1, 2)
        cable = tuple((float(p[0]), float(p[1])) for p in start + np.cumsum(rng.normal(0, 0.12, (6, 2)), axis=0))
    return Clutter(tuple(sheets), cable, float(rng.uniform(0.004, 0.02)) if rng.random() < 0.08 else 0.0)


def clutter_attenuation(clutter: Clutter, shape: tuple[int, int], pitch_mm: float, rng: np.random.Generator) -> Field:
    """Return the attenuation of the clutter over the image."""
    total = np.zeros(shape, np.float32)
    for row, col, length, width, turn, body, rim in clutter.sheets:
        y = (np.arange(shape[0], dtype=np.float32)[:, None] - row * shape[0]) * pitch_mm
        x = (np.arange(shape[1], dtype=np.float32)[None, :] - col * shape[1]) * pitch_mm
        c, s = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
        inside = np.minimum(length / 2 - np.abs(c * x + s * y), width / 2 - np.abs(c * y - s * x))
        total += (body * np.clip(inside / 0.3, 0, 1) + rim * np.exp(-((inside / 0.5) ** 2))).astype(np.float32)
    if clutter.cable:
        t = np.linspace(0, 1, 1500)
        points = np.stack(
            [np.interp(t, np.linspace(0, 1, len(clutter.cable)), axis) for axis in zip(*clutter.cable, strict=True)]
        )
        points = ndimage.gaussian_filter1d(points, 90, axis=1, mode="nearest") * np.array(shape)[:, None]
        where = np.rint(points).astype(int)
        keep = ((where >= 0) & (where < np.array(shape)[:, None])).all(axis=0)
        line = np.zeros(shape, np.float32)
        line[tuple(where[:, keep])] = 1
        line = ndimage.gaussian_filter(line, max(0.35 / pitch_mm, 0.6), truncate=3)
        total += line * np.float32(0.5 / max(float(line.max()), 1e-6))
    if clutter.cloth:
        threads = rng.standard_normal((shape[0] // 6 + 2, 8), dtype=np.float32)
        total += np.float32(clutter.cloth) * stretch(threads, shape)
    return total
