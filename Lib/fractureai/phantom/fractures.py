"""Fractures: bones are divided along rough surfaces and the part beyond is moved as a rigid body."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fractureai.phantom.solids import Field, Knots, Matrix, Solid, apply, rigid, rotation


@dataclass(frozen=True)
class Fracture:
    """One fracture, in the reference adult's millimetres.

    Attributes:
        kind: ``colles``, ``smith``, ``comminuted``, ``styloid``, ``metaphyseal``, ``shaft``, ``torus``, ``greenstick``,
            ``salter`` (physis) or ``scaphoid``.
        bone: ``radius``, ``ulna`` or ``scaphoid``.
        level: position of the fracture plane on the bone's axis (y).
        normal: unit normal of the fracture plane, pointing to the moving part.
        point: a point on the plane.
        roughness_mm: amplitude of the surface.
        angulation_deg: turn about x (positive: the moving part tips dorsally) and about z (positive: radially).
        shift_mm: (x, y, z) of the moving part; y < 0 is impaction, y > 0 a gap.
        bump_mm: height of a cortical buckle.
        severity: ``gross``, ``moderate``, ``subtle``, ``faint`` or ``occult``.
        fragments: number of extra comminution planes.
        seed: of the rough surface.
    """

    kind: str
    bone: str
    level: float
    normal: tuple[float, float, float]
    point: tuple[float, float, float]
    roughness_mm: float
    angulation_deg: tuple[float, float]
    shift_mm: tuple[float, float, float]
    bump_mm: float
    severity: str
    fragments: int
    seed: int

    @property
    def movement(self) -> Matrix:
        """The 4x4 rigid movement of the part beyond the fracture."""
        turn = rotation("x", self.angulation_deg[0]) @ rotation("z", -self.angulation_deg[1])
        return rigid(turn, self.point, self.shift_mm)

    @property
    def edge_movement_mm(self) -> Matrix:
        """How twelve points on the edge of the moving part are displaced: (12, 3)."""
        angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        ring = np.stack([10 * np.cos(angles), np.zeros(12), 9 * np.sin(angles)], axis=1) + self.point
        return np.asarray(apply(self.movement, ring) - ring, dtype=float)


def split(solid: Solid, fracture: Fracture) -> tuple[Solid, Solid]:
    """Divide a bone at a fracture: (the part that stays, the part that moves), both still in place."""
    surface = rough_plane(solid, fracture)
    first, second = surface, -surface
    return replace(solid, cut=_and(solid.cut, first)), replace(solid, cut=_and(solid.cut, second))


def _and(cut: Field | None, surface: Field) -> Field:
    return surface if cut is None else np.maximum(cut, surface)


def rough_plane(solid: Solid, fracture: Fracture) -> Field:
    """Return the signed distance to the fracture surface, positive on the moving side."""
    axes = [
        np.arange(n, dtype=np.float32) * solid.step + o for n, o in zip(solid.distance.shape, solid.origin, strict=True)
    ]
    x, y, z = np.ix_(*axes)
    n, p = fracture.normal, fracture.point
    plane = n[0] * (x - p[0]) + n[1] * (y - p[1]) + n[2] * (z - p[2])
    rng = np.random.default_rng(fracture.seed)
    rough = np.zeros_like(plane[:, :1, :])
    for _ in range(9):
        wave = 2 * np.pi / rng.uniform(2.2, 13.0)
        angle = rng.uniform(0, 2 * np.pi)
        phase = rng.uniform(0, 2 * np.pi)
        waves = np.sin(wave * (np.cos(angle) * x + np.sin(angle) * z) + phase)
        rough = rough + waves * np.float32(min(1.0, 4.0 * wave**-1 / 6))
    rough = rough * np.float32(fracture.roughness_mm / 2)
    return np.asarray((plane + rough) * np.float32(0.8), dtype=np.float32)


def buckle(solid: Solid, fracture: Fracture) -> Solid:
    """Raise the cortex in a ring around the fracture's level, most on the side it tips to; compact the inside."""
    axes = [
        np.arange(n, dtype=np.float32) * solid.step + o for n, o in zip(solid.distance.shape, solid.origin, strict=True)
    ]
    x, y, z = np.ix_(*axes)
    p = fracture.point
    side = np.hypot(*fracture.angulation_deg) + 1e-6
    lean_z, lean_x = fracture.angulation_deg[0] / side, fracture.angulation_deg[1] / side
    toward = ((z - p[2]) * lean_z + (x - p[0]) * lean_x) / 11
    ring = np.exp(-(((y - fracture.level) / 2.1) ** 2)) * np.clip(0.35 + toward, 0, 1.2)
    raised = np.asarray(solid.distance - np.float32(fracture.bump_mm) * ring, dtype=np.float32)
    return replace(solid, distance=raised, spongy=_compacted(solid.spongy, fracture))


def _compacted(spongy: Knots, fracture: Fracture) -> Knots:
    level, gain = fracture.level, min(0.08 * fracture.bump_mm, 0.3)
    places = np.unique([*spongy[0], level - 4.0, level, level + 4.0])
    density = np.interp(places, *spongy) + gain * (places == level)
    return tuple(float(p) for p in places), tuple(float(d) for d in density)


def outline_points(solid: Solid, fracture: Fracture, reach_mm: float = 1.2) -> Matrix:
    """Return points of a bone within reach of the fracture surface, before and after the movement.

    With comminution, the fragments count up to 9 mm beyond the surface.
    """
    surface = rough_plane(solid, fracture)
    beyond = 9.0 if fracture.fragments else reach_mm
    near = (surface > -reach_mm) & (surface < beyond) & (solid.distance < 0)
    points = apply(solid.pose, np.argwhere(near) * solid.step + np.asarray(solid.origin))
    return np.concatenate([points, apply(fracture.movement, points)])
