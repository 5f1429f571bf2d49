"""How the limb lies in the image: camera, collimation, padding and markers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from fractureai.phantom.glyphs import draw_text
from fractureai.phantom.projection import Camera
from fractureai.phantom.solids import Field, Matrix, apply, rotation

VIEW_ANGLE_DEG: Mapping[str, float] = {"PA": 0.0, "OBLIQUE": 45.0, "LAT": 90.0}
"""Rotation of the limb about its long axis."""


@dataclass(frozen=True)
class Placement:
    """How the limb lies in the image.

    Attributes:
        turn_deg: in-plane rotation, clockwise for a right hand.
        axial_deg: error of rotation about the long axis; ``tilt_deg``: of the long axis out of the detector plane.
        centre_mm: point (x, y, z) of the limb, reference millimetres, at the image's centre.
        shift_mm: of that point from the image's centre (right, down).
        width_mm, height_mm: field of view.
    """

    turn_deg: float
    axial_deg: float
    tilt_deg: float
    centre_mm: tuple[float, float, float]
    shift_mm: tuple[float, float]
    width_mm: float
    height_mm: float


@dataclass(frozen=True)
class Framing:
    """Collimation and markers.

    Attributes:
        frame_deg: rotation of the collimator's frame.
        margins: share of the image cut off at left, top, right, bottom.
        leak: share of the beam beyond the collimator.
        shutter: grey level 0..1 that the unit paints outside the frame, or None.
        marker: text of the marker, "" for none; ``lead``: a lead marker in the beam rather than burned-in text.
        marker_mm: height of its letters; ``marker_deg``: its turn; ``plate``: it lies on a plate or a grey box.
        second: a second, smaller text (radiographer's number), or "".
    """

    frame_deg: float
    margins: tuple[float, float, float, float]
    leak: float
    shutter: float | None
    marker: str
    lead: bool
    marker_mm: float
    marker_deg: float
    plate: bool
    second: str


def mirrored(framing: Framing) -> Framing:
    """Return the framing of the mirror image; the marker stays readable."""
    left, top, right, bottom = framing.margins
    return replace(framing, frame_deg=-framing.frame_deg, margins=(right, top, left, bottom))


def draw_placement(view: str, scale: float, framing: Framing, rng: np.random.Generator) -> Placement:
    """Draw how a limb of this size is placed in the collimated field."""
    kind = str(rng.choice(["wrist", "standard", "hand", "forearm"], p=(0.3, 0.45, 0.17, 0.08)))
    length, aspect, y = {
        "wrist": (rng.uniform(120, 165), rng.uniform(0.58, 1.0), rng.normal(8, 8)),
        "standard": (rng.uniform(165, 245), rng.uniform(0.45, 0.95), rng.normal(14, 18)),
        "hand": (rng.uniform(235, 300), rng.uniform(0.58, 0.9), rng.normal(82, 13)),
        "forearm": (rng.uniform(210, 290), rng.uniform(0.36, 0.66), rng.normal(-38, 14)),
    }[kind]
    length *= 0.4 + 0.6 * scale
    width, height = aspect * length, length
    choice = rng.random()
    turn = float(np.clip(rng.normal(0, 10), -25, 25))
    if choice > 0.975:
        turn += float(rng.choice([90, 180, 270]))
    elif choice > 0.87:
        turn = float(rng.uniform(-60, 60))
    if abs(np.sin(np.deg2rad(turn))) > 0.55 and kind != "hand":
        width, height = (height, width) if abs(np.sin(np.deg2rad(turn))) > 0.8 else (length * 0.85, length * 0.9)
    left, top, right, bottom = framing.margins
    axial = rng.normal(0, {"PA": 6.0, "LAT": 7.5, "OBLIQUE": 9.0}[view])
    return Placement(
        turn_deg=turn,
        axial_deg=float(np.clip(axial, -18, 18)),
        tilt_deg=float(np.clip(rng.normal(0, 3), -8, 8)),
        centre_mm=(float(rng.normal(1, 5)), float(y), 0.0),
        shift_mm=(
            float((rng.normal(0, 0.07) + (left - right) / 2) * width),
            float((rng.normal(0, 0.04) + (top - bottom) / 2) * height),
        ),
        width_mm=float(width),
        height_mm=float(height),
    )


def make_camera(
    view: str, side: str, placement: Placement, framing: Framing, scale: float, pixels: int, points: Matrix
) -> Camera:
    """Return the projection from reference millimetres; all points lie at least 7 % of the image inside its frame.

    A left limb's camera is exactly the mirror image of a right limb's.
    """
    pitch = max(placement.width_mm, placement.height_mm) / pixels
    shape = (round(placement.height_mm / pitch), round(placement.width_mm / pitch))
    phi = np.deg2rad(VIEW_ANGLE_DEG[view] + placement.axial_deg)
    c, s = np.cos(phi), np.sin(phi)
    base = np.array([[-c, 0, s], [0, -1, 0], [s, 0, c]])
    turn = rotation("z", placement.turn_deg) @ rotation("x", placement.tilt_deg) @ base * scale
    matrix = np.eye(4)
    matrix[:3, :3] = turn
    middle = np.array([(shape[1] - 1) * pitch / 2, (shape[0] - 1) * pitch / 2, 0.0])
    matrix[:3, 3] = middle + np.array([*placement.shift_mm, 0.0]) - turn @ np.asarray(placement.centre_mm)
    seen = apply(matrix, points)[:, :2]
    size = 2 * middle[:2]
    first = size * (np.array(framing.margins[:2]) + 0.07)
    last = size * (1 - np.array(framing.margins[2:]) - 0.07)
    low, high = seen.min(axis=0), seen.max(axis=0)
    matrix[:2, 3] += np.maximum(first - low, 0) + np.minimum(last - high, 0)
    if side == "L":
        matrix[0] *= -1  # the rows' sense, so that the image is mirrored about its middle column
        matrix[0, 3] += (shape[1] - 1) * pitch
    return Camera(matrix, float(pitch), (int(shape[0]), int(shape[1])))


def draw_framing(side: str, config_marker: float, rng: np.random.Generator) -> Framing:
    """Draw collimation and markers."""
    collimated = rng.random() < 0.6
    margins = [float(m) if rng.random() < 0.7 else 0.0 for m in rng.uniform(0.0, 0.12, 4)] if collimated else [0.0] * 4
    if rng.random() < 0.14:
        margins[int(rng.choice([0, 2]))] = float(rng.uniform(0.12, 0.36))
    letter = side if rng.random() < 0.93 else ""
    text = letter
    number = str(rng.choice(["A", "B", "", "", "M"])) + str(int(rng.integers(1, 99))).zfill(2)
    if rng.random() < 0.45:
        text = letter + number
        number = ""
    elif rng.random() < 0.5:
        number = ""
    if rng.random() > config_marker:
        text, number = "", ""
    return Framing(
        frame_deg=float(rng.normal(0, 7)) if rng.random() < 0.35 else 0.0,
        margins=(margins[0], margins[1], margins[2], margins[3]),
        leak=float(10 ** rng.uniform(-2.5, -1.0)),
        shutter=None if rng.random() < (0.2 if max(margins) < 0.05 else 0.03) else _grey(rng),
        marker=text,
        lead=bool(rng.random() < 0.55),
        marker_mm=float(rng.uniform(5, 12)),
        marker_deg=float(rng.normal(0, 6) if rng.random() < 0.6 else rng.choice([-90, 90, 0]) + rng.normal(0, 10)),
        plate=bool(rng.random() < 0.5),
        second=number,
    )


def _grey(rng: np.random.Generator) -> float:
    """Draw the level a unit paints outside the frame: mostly black, some grey, rarely white."""
    choice = rng.random()
    return 0.0 if choice < 0.87 else float(rng.uniform(0.05, 0.35)) if choice < 0.985 else 1.0


def open_beam(shape: tuple[int, int], framing: Framing, pitch_mm: float) -> tuple[Field, Field]:
    """Return the share of the beam each pixel gets, and how far inside the frame it lies (millimetres)."""
    rows, cols = shape
    y, x = np.ogrid[0:rows, 0:cols]
    angle = np.deg2rad(framing.frame_deg)
    dx, dy = (x - cols / 2).astype(np.float32), (y - rows / 2).astype(np.float32)
    u = np.cos(angle) * dx + np.sin(angle) * dy
    v = -np.sin(angle) * dx + np.cos(angle) * dy
    # an edge that is not collimated lies well outside of the image, unless the frame is turned
    left, top, right, bottom = (m if m or framing.frame_deg else -0.1 for m in framing.margins)
    if not any(framing.margins) and not framing.frame_deg:
        return np.ones(shape, np.float32), np.full(shape, 10.0, np.float32)
    inside = np.minimum.reduce(
        [u + cols * (0.5 - left), cols * (0.5 - right) - u, v + rows * (0.5 - top), rows * (0.5 - bottom) - v]
    )
    inside = (inside * pitch_mm).astype(np.float32)
    share = np.clip(inside / 0.8 + 0.5, 0, 1)
    return np.asarray(framing.leak + (1 - framing.leak) * share, dtype=np.float32), inside


def place_marker(
    framing: Framing, tissue: Field, inside: Field, pitch_mm: float, rng: np.random.Generator
) -> tuple[Field, Field] | None:
    """Put the marker where little anatomy lies.

    Args:
        framing: says which marker.
        tissue: thickness of soft tissue (millimetres).
        inside: how far inside the collimator's frame each pixel lies.
        pitch_mm: pixel spacing.
        rng: random numbers.

    Returns:
        Coverage 0..1 of the letters and of their plate over the image; None without a marker.
    """
    if not framing.marker and not framing.second:
        return None
    shape = tissue.shape
    cost = tissue[::6, ::6] + 60 * (inside[::6, ::6] < 0)
    for height_mm in (framing.marker_mm, 0.55 * framing.marker_mm):
        letters = _letters(framing, height_mm / pitch_mm, rng)
        place = _free_place(cost, shape, letters.shape, rng)
        if place is not None:
            text, plate = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
            text[place] = letters
            plate[place] = float(framing.plate)
            return text, plate
    return None


def _free_place(
    cost: Field, shape: tuple[int, ...], size: tuple[int, ...], rng: np.random.Generator
) -> tuple[slice, slice] | None:
    """Return the best of some random places for a marker, or None where all lie on anatomy (mostly)."""
    free = [whole - part for whole, part in zip(shape, size, strict=True)]
    if min(free) <= 0:
        return None
    rows, cols = max(size[0] // 6, 1), max(size[1] // 6, 1)
    corners = [(int(r), int(c)) for r, c in rng.integers(0, free, (40, 2))]
    costs = [float(cost[r // 6 : r // 6 + rows, c // 6 : c // 6 + cols].mean()) for r, c in corners]
    best = int(np.argmin(costs))
    if costs[best] > 8 and rng.random() < 0.9:
        return None
    row, col = corners[best]
    return slice(row, row + size[0]), slice(col, col + size[1])


def _letters(framing: Framing, height: float, rng: np.random.Generator) -> Field:
    letters = draw_text(framing.marker or framing.second, height, float(rng.uniform(0.1, 0.2)), framing.marker_deg)
    if framing.second and framing.marker:
        small = draw_text(framing.second, 0.5 * height, 0.13, framing.marker_deg)
        rows, cols = letters.shape[0] + small.shape[0] + 4, max(letters.shape[1], small.shape[1])
        both = np.zeros((rows, cols), np.float32)
        both[: letters.shape[0], : letters.shape[1]] = letters
        both[-small.shape[0] :, : small.shape[1]] = small
        letters = both
    return np.pad(letters, int(height * rng.uniform(0.15, 0.5)))
