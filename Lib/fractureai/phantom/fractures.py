"""Fractures: bones are divided along rough surfaces and the part beyond is moved as a rigid body."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fractureai.phantom.person import Person
from fractureai.phantom.solids import Field, Matrix, Solid, apply, rigid, rotation

KINDS = (
    "colles",
    "smith",
    "metaphyseal",
    "comminuted",
    "styloid",
    "torus",
    "greenstick",
    "salter",
    "shaft",
    "scaphoid",
)


@dataclass(frozen=True)
class Fracture:
    """One fracture, in the reference adult's millimetres.

    Attributes:
        kind: one of `KINDS`.
        bone: ``radius``, ``ulna`` or ``scaphoid``.
        level: position of the fracture plane on the bone's axis (y).
        normal: unit normal of the fracture plane, pointing to the moving part.
        point: a point on the plane.
        roughness_mm: amplitude of the surface.
        angulation_deg: turn about x (positive: the moving part tips dorsally) and about z (positive: radially).
        shift_mm: (x, y, z) of the moving part; y < 0 is impaction, y > 0 a gap.
        bump_mm: height of a cortical buckle.
        severity: ``gross``, ``moderate``, ``subtle`` or ``occult``.
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
    """Raise the cortex in a ring around the fracture's level, most on the side it tips to."""
    axes = [
        np.arange(n, dtype=np.float32) * solid.step + o for n, o in zip(solid.distance.shape, solid.origin, strict=True)
    ]
    x, y, z = np.ix_(*axes)
    p = fracture.point
    side = np.hypot(*fracture.angulation_deg) + 1e-6
    lean_z, lean_x = fracture.angulation_deg[0] / side, fracture.angulation_deg[1] / side
    toward = ((z - p[2]) * lean_z + (x - p[0]) * lean_x) / 11
    ring = np.exp(-(((y - fracture.level) / 2.1) ** 2)) * np.clip(0.35 + toward, 0, 1.2)
    return replace(solid, distance=np.asarray(solid.distance - np.float32(fracture.bump_mm) * ring, dtype=np.float32))


def draw_fractures(
    person: Person, physis_y: tuple[float, float], severity: str, rng: np.random.Generator
) -> tuple[Fracture, ...]:
    """Draw the fractures of a wrist; the first is the main one."""
    if person.child:
        kinds, odds = ("torus", "greenstick", "salter", "metaphyseal", "shaft"), (0.28, 0.2, 0.2, 0.17, 0.15)
    else:
        kinds, odds = ("colles", "smith", "comminuted", "styloid", "metaphyseal", "shaft", "scaphoid"), (
            0.4, 0.09, 0.2, 0.08, 0.13, 0.05, 0.05,
        )  # fmt: skip
    if severity == "occult":
        kinds, odds = ("metaphyseal", "scaphoid", "styloid") if not person.child else ("metaphyseal", "salter"), ()
    kind = str(rng.choice(kinds, p=odds if len(odds) else None))
    if kind == "scaphoid" and person.carpal_size("scaphoid") < 0.8:
        kind = "metaphyseal"
    main = _draw(kind, person, physis_y, severity, rng)
    found = [main]
    if severity != "occult" and main.bone == "radius":
        if (kind == "shaft" and rng.random() < 0.65) or (kind in ("metaphyseal", "greenstick", "torus") and rng.random() < 0.35 and person.child):
            found.append(_ulna_shaft(main, severity, rng))
        elif not person.child and rng.random() < 0.42:
            found.append(_ulna_styloid(severity, rng))
    return tuple(found)


_SIZE = {"gross": (0.75, 1.25), "moderate": (0.42, 0.75), "subtle": (0.24, 0.42), "occult": (0.0, 0.0)}


def _draw(
    kind: str, person: Person, physis_y: tuple[float, float], severity: str, rng: np.random.Generator
) -> Fracture:
    size = float(rng.uniform(*_SIZE[severity]))
    sign = float(rng.choice([-1, 1]))
    seed = int(rng.integers(2**31))
    level = float(rng.uniform(-24, -13))
    tip = -1.0 if kind == "smith" else 1.0

    def make(
        normal: Sequence[float], angulation: tuple[float, float], shift: tuple[float, float, float], rough: float = 1.2,
        bump: float = 0.0, fragments: int = 0, bone: str = "radius", at: tuple[float, float, float] | None = None,
    ) -> Fracture:  # fmt: skip
        unit = np.asarray(normal, dtype=float) / np.linalg.norm(normal)
        point = at or (8.0, level, 0.0)
        return Fracture(
            kind, bone, point[1], (float(unit[0]), float(unit[1]), float(unit[2])), point, rough,
            (angulation[0] * size, angulation[1] * size), (shift[0] * size, shift[1] * size, shift[2] * size),
            bump * size, severity, fragments, seed,
        )  # fmt: skip

    tilt = (float(rng.normal(0, 0.12)), 1.0, float(rng.normal(0.25 * tip, 0.15)))
    if kind in ("colles", "smith", "comminuted"):
        pieces = int(rng.integers(2, 4)) if kind == "comminuted" else 0
        return make(
            tilt,
            (tip * rng.uniform(20, 36), rng.uniform(4, 16)),
            (rng.uniform(-1, 3.5), rng.uniform(-5, -2), tip * rng.uniform(2, 6)),
            rng.uniform(1.2, 2.4),
            fragments=pieces,
        )
    if kind == "styloid":
        return make(
            (0.75, 0.65, 0),
            (0, 3 * sign),
            (rng.uniform(1.5, 3.0), rng.uniform(1.0, 2.6), 0.5),
            0.9,
            at=(12.0, 1.0, 0.0),
        )
    if kind == "torus":
        return make(
            tilt,
            (rng.uniform(10, 20), 5 * sign),
            (0, -1.2, 0),
            0.6,
            bump=rng.uniform(2.6, 3.6),
            at=(8.0, float(rng.uniform(-32, -20)), 0.0),
        )
    if kind == "greenstick":
        return make(
            tilt,
            (rng.uniform(20, 34), 9 * sign),
            (0, 0.8, 0),
            1.6,
            bump=1.4,
            at=(8.0, float(rng.uniform(-50, -26)), -6.0),
        )
    if kind == "salter":
        return make(
            (0, 1, 0.02),
            (rng.uniform(10, 22), 4 * sign),
            (rng.uniform(-1, 2), rng.uniform(0, 0.8), rng.uniform(4, 8)),
            0.5,
            at=(8.0, physis_y[0], 0.0),
        )
    if kind == "shaft":
        return make(
            (sign * 0.25, 1.0, rng.normal(0, 0.3)),
            (rng.uniform(-8, 20), 12 * sign),
            (rng.uniform(-6, 9), rng.uniform(-8, 1.5), rng.uniform(-2, 9)),
            1.8,
            at=(9.5, float(rng.uniform(-75, -42)), 1.8),
        )
    if kind == "scaphoid":
        return make((0.62, 0.75, 0), (8, 5), (1.0, 2.2, 0.8), 0.6, bone="scaphoid", at=(14.0, 13.0, -1.0))
    return make(
        tilt,
        (rng.uniform(6, 16), 6 * sign),
        (rng.uniform(-2.5, 3.5), rng.uniform(-2.5, 2.2), rng.uniform(1, 4)),
        rng.uniform(1.0, 2.0),
    )


def _ulna_styloid(severity: str, rng: np.random.Generator) -> Fracture:
    size = 0.5 + float(rng.uniform(*_SIZE[severity]))
    return Fracture(
        "styloid", "ulna", 0.0, (-0.35, 0.93, 0.0), (-23.0, float(rng.uniform(0.2, 1.6)), 3.2), 0.4, (0.0, -12 * size),
        (float(rng.uniform(-0.4, 1.2)) * size, float(rng.uniform(0.8, 2.4)) * size, 0.0), 0.0, severity, 0, int(rng.integers(2**31)),
    )  # fmt: skip


def _ulna_shaft(main: Fracture, severity: str, rng: np.random.Generator) -> Fracture:
    level = float(np.clip(main.level + rng.normal(0, 5), -80, -16))
    return replace(
        main,
        bone="ulna",
        level=level,
        point=(-16.0, level, 2.3),
        shift_mm=(main.shift_mm[0] * 0.5 - 1.0, main.shift_mm[1] * 0.5, main.shift_mm[2] * 0.6),
        angulation_deg=(main.angulation_deg[0] * 0.8, main.angulation_deg[1] * 0.8),
        seed=int(rng.integers(2**31)),
    )


def outline_points(solid: Solid, fracture: Fracture, reach_mm: float = 1.2) -> Matrix:
    """Return points (in the reference frame) of the bone that lie within reach of the fracture surface."""
    surface = rough_plane(solid, fracture)
    near = (np.abs(surface) < reach_mm) & (solid.distance < 0)
    points = np.argwhere(near) * solid.step + np.asarray(solid.origin)
    return apply(solid.pose, points) if len(points) else np.zeros((0, 3))
