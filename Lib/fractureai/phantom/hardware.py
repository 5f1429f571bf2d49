"""Metal, casts and splints."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fractureai.phantom.projection import Camera, path_length
from fractureai.phantom.solids import Field, Matrix, Solid, apply, make_grid, rigid, rotation

METAL_PER_MM = 0.45
CAST_PER_MM = 0.045
_NOTHING = ((0.0, 1.0), (0.0, 0.0))


@dataclass(frozen=True, eq=False)
class Hardware:
    """Metal in the limb: pins as (start, end, radius) in reference millimetres, and solids (plates)."""

    pins: tuple[tuple[Matrix, Matrix, float], ...] = ()
    plates: tuple[Solid, ...] = ()


def draw_hardware(kind: str, rng: np.random.Generator) -> Hardware:
    """Return Kirschner wires (``wires``) or a volar plate with screws (``plate``)."""
    if kind == "wires":
        pins = []
        for k in range(int(rng.integers(2, 4))):
            start = np.array([23.0 - 3 * k, 7.0 - 4 * k, rng.normal(0, 4)])
            end = np.array([rng.normal(1, 4), rng.uniform(-48, -32), rng.normal(0, 4)])
            outwards = start + (start - end) / np.linalg.norm(start - end) * rng.uniform(4, 16)
            pins.append((outwards, end, 0.8))
        return Hardware(pins=tuple(pins))
    length = float(rng.uniform(44, 62))
    screws = []
    for x in np.linspace(-2.5, 18, int(rng.integers(4, 6))):
        y = -6 + 0.25 * x
        screws.append((np.array([x, y, -11.5]), np.array([x + rng.normal(0, 0.8), y + 1.5, rng.uniform(4, 8)]), 1.2))
    for y in np.arange(-20.0, -12 - length + 12, -9.5):
        screws.append((np.array([7.5, y, -9.5]), np.array([7.5, y + rng.normal(0, 0.4), rng.uniform(5, 7.5)]), 1.5))
    return Hardware(pins=tuple(screws), plates=(_plate(length),))


def metal(hardware: Hardware, camera: Camera) -> Field:
    """Return the attenuation of metal."""
    total = np.zeros(camera.shape, np.float32)
    scale = float(np.cbrt(abs(np.linalg.det(camera.matrix[:3, :3]))))
    for start, end, radius in hardware.pins:
        _add_pin(total, apply(camera.matrix, start), apply(camera.matrix, end), radius * scale, camera.pitch_mm)
    for plate in hardware.plates:
        length = path_length(plate, camera)
        if length is not None:
            total[length[0]] += length[1] * np.float32(METAL_PER_MM)
    return total


def draw_shell(soft: Solid, kind: str, rng: np.random.Generator) -> tuple[Solid, Solid] | None:
    """Return (outer, inner) solids between which a cast or splint lies; None for no shell.

    Args:
        soft: the envelope it goes around.
        kind: ``cast`` (all around) or ``splint`` (one side).
        rng: random numbers.
    """
    shape = soft.distance.shape
    x, y, z = np.ix_(*[np.arange(n, dtype=np.float32) * soft.step + o for n, o in zip(shape, soft.origin, strict=True)])
    thick = float(rng.uniform(2.5, 6.0))
    lining = float(rng.uniform(1.5, 4.0))
    end = float(rng.uniform(35, 62))
    wavy = np.sin(y * 0.16 + 2.0 * np.sin(x * 0.1)) + np.sin(z * 0.3 + y * 0.07)
    cut = np.maximum(y - end - wavy, np.float32(0) * z)
    if kind == "splint":
        side = float(rng.choice([-1, 1]))
        cut = np.maximum(cut, side * z - np.float32(2.0) + np.float32(0) * x)
    cut = np.asarray(np.broadcast_to(np.where(cut == 0, -1.0, cut), shape), dtype=np.float32)
    outside = np.asarray(soft.distance - np.float32(lining + thick) - np.float32(0.5) * wavy, dtype=np.float32)
    outer = replace(soft, distance=outside, cut=cut)
    inner = replace(soft, distance=soft.distance - np.float32(lining), cut=cut)
    return outer, inner


def shell(solids: tuple[Solid, Solid], camera: Camera) -> Field:
    """Return the attenuation of a cast or splint."""
    total = np.zeros(camera.shape, np.float32)
    for solid, sign in zip(solids, (1, -1), strict=True):
        length = path_length(solid, camera)
        if length is not None:
            total[length[0]] += np.float32(sign * CAST_PER_MM) * length[1]
    return np.maximum(total, 0)


def _plate(length: float) -> Solid:
    grid = make_grid((-6, -16 - length, -16), (23, 4, -4), 0.6)
    head = np.maximum(np.abs(grid.x - 8) - 11.5, np.abs(grid.y + 6 - 0.2 * (grid.x - 8)) - 5.0)
    stem = np.maximum(np.abs(grid.x - 7.5) - 4.5, np.abs(grid.y + 10 + length / 2) - length / 2)
    outline = np.minimum(head, stem)
    bend = np.clip((grid.y + 22) / 14, 0, 1) * -2.6
    thickness = np.abs(grid.z + 8.6 - bend) - np.float32(1.1)
    field = np.maximum(outline, thickness)
    for y in np.arange(-20.0, -12 - length + 6, -9.5):
        hole = np.hypot(grid.x - 7.5, grid.y - y) - 1.7
        field = np.maximum(field, -hole)
    return Solid(
        "plate",
        field.astype(np.float32),
        grid.origin,
        grid.step,
        _NOTHING,
        _NOTHING,
        rigid(rotation("y", 0), (0, 0, 0)),
    )


def _add_pin(total: Field, start: Matrix, end: Matrix, radius: float, pitch: float) -> None:
    """Add a cylinder's exact chords (it is thin: its ends are left round)."""
    a, b = start[:2], end[:2]
    low = np.maximum(np.floor((np.minimum(a, b) - radius) / pitch).astype(int) - 1, 0)
    high = np.minimum(np.ceil((np.maximum(a, b) + radius) / pitch).astype(int) + 2, total.shape[::-1])
    if (high <= low).any():
        return
    x = (np.arange(low[0], high[0]) * pitch)[None, :]
    y = (np.arange(low[1], high[1]) * pitch)[:, None]
    axis = b - a
    flat = float(np.hypot(*axis))
    t = np.clip(((x - a[0]) * axis[0] + (y - a[1]) * axis[1]) / max(flat * flat, 1e-6), 0, 1)
    away = (x - a[0] - t * axis[0]) ** 2 + (y - a[1] - t * axis[1]) ** 2
    steep = min(float(np.linalg.norm(end - start)) / max(flat, 1e-3), 8.0)
    chord = 2 * np.sqrt(np.maximum(radius * radius - away, 0)) * steep
    total[low[1] : high[1], low[0] : high[0]] += (chord * METAL_PER_MM).astype(np.float32)
