"""The eight carpal bones.

Each starts as an ellipsoid (or two) that is somewhat too large; neighbours then carve each other at half the joint
space, so facing joint surfaces fit together. In children the ossified cores are smaller and do not meet.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fractureai.phantom.person import Person
from fractureai.phantom.solids import (
    Field,
    Grid,
    Matrix,
    Solid,
    ellipsoid,
    make_grid,
    normalise_distance,
    rotation,
    round_cone,
    smooth_min,
)

CAPITATE_HEAD = (3.2, 15.0, 0.5)
"""Centre of the capitate's head: the landmark ``wrist_centre``."""

CENTRES: Mapping[str, tuple[float, float, float]] = {
    "scaphoid": (14.4, 13.4, -1.0),
    "lunate": (0.6, 6.6, 0.2),
    "triquetrum": (-12.2, 10.8, 1.8),
    "pisiform": (-14.8, 13.5, -8.8),
    "trapezium": (21.2, 26.2, -5.0),
    "trapezoid": (12.8, 28.6, 1.0),
    "capitate": (3.2, 23.0, 0.5),
    "hamate": (-9.2, 24.2, 0.8),
}
"""Bone centres in the reference frame."""

_STEP = 0.6


def build_carpus(person: Person, rng: np.random.Generator) -> tuple[Solid, ...]:
    """Return the ossified carpal bones in the reference frame (not yet scaled)."""
    sizes = {name: person.carpal_size(name) for name in CENTRES}
    present = [name for name, size in sizes.items() if size > 0]
    jitter = {name: rng.normal(1.0, 0.03, 3) for name in CENTRES}
    joint_mm = rng.uniform(0.8, 1.5)
    solids = []
    for name in present:
        grid = _box(name)
        own = _shape(name, grid, sizes[name], jitter[name])
        near = [other for other in present if other != name and name != "pisiform" and other != "pisiform"]
        for other in near:
            if np.linalg.norm(np.subtract(CENTRES[name], CENTRES[other])) > 27:
                continue
            field = _shape(other, grid, sizes[other], jitter[other])
            own = np.maximum(own, (own - field) * np.float32(0.5) + np.float32(joint_mm / 2))
        thin = 0.55 * person.cortex
        solids.append(
            Solid(
                name=name,
                distance=normalise_distance(own, grid.step),
                origin=grid.origin,
                step=grid.step,
                cortex=((0.0, 1.0), (thin, thin)),
                spongy=((0.0, 1.0), (0.35 * person.spongy,) * 2),
                pose=np.eye(4),
            )
        )
    return tuple(solids)


def articular_field(grid: Grid, gap_mm: float) -> Field:
    """Return the distance to the proximal carpal row's cartilage outline, for carving the radius."""
    ones = np.ones(3)
    first = _shape("scaphoid", grid, 1.0, ones)
    second = _shape("lunate", grid, 1.0, ones)
    return np.asarray(np.minimum(first, second) - np.float32(gap_mm), dtype=np.float32)


def _box(name: str) -> Grid:
    reach = {"scaphoid": (12, 15, 10), "capitate": (11, 18, 12), "hamate": (12, 14, 19)}.get(name, (12, 12, 13))
    centre = CENTRES[name]
    return make_grid(
        [c - r for c, r in zip(centre, reach, strict=True)], [c + r for c, r in zip(centre, reach, strict=True)], _STEP
    )


def _turn(name: str) -> Matrix | None:
    return {
        "scaphoid": rotation("z", -40) @ rotation("x", -18),
        "trapezium": rotation("z", -28),
        "triquetrum": rotation("z", 28),
        "hamate": rotation("z", 12),
    }.get(name)


def _shape(name: str, grid: Grid, size: float, jitter: Matrix) -> Field:
    """Return the uncarved bone; ``size`` shrinks it about its own centre."""
    x, y, z = CENTRES[name]
    radii = {
        "scaphoid": (6.4, 13.2, 7.0),
        "lunate": (8.6, 7.3, 8.8),
        "triquetrum": (7.4, 6.6, 7.5),
        "pisiform": (4.9, 6.3, 4.6),
        "trapezium": (8.0, 7.2, 8.2),
        "trapezoid": (6.6, 7.0, 8.4),
        "capitate": (8.6, 10.0, 9.2),
        "hamate": (9.0, 10.2, 8.6),
    }[name]
    scaled = [r * size * j for r, j in zip(radii, jitter, strict=True)]
    square = {"hamate": 0.6, "trapezium": 0.65, "trapezoid": 0.7, "capitate": 0.3, "lunate": 0.45, "triquetrum": 0.35}
    field = ellipsoid(grid, (x, y, z), scaled, _turn(name), square.get(name, 0.0) * max(0.0, 1.6 * size - 0.6))
    if name == "capitate" and size > 0.5:
        head = ellipsoid(grid, _toward((x, y, z), CAPITATE_HEAD, size), [6.3 * size] * 3)
        body = ellipsoid(
            grid, _toward((x, y, z), (3.4, 28.5, 0.8), size), [8.8 * size, 8.4 * size, 9.0 * size], None, 0.8
        )
        waist = ellipsoid(grid, (x, y, z), [6.6 * size, 9.5 * size, 7.6 * size])
        field = smooth_min(smooth_min(head, body, 3.0), waist, 3.0)
    if name == "hamate" and size > 0.7:
        hook = round_cone(grid, (-8.5, 27.0, -4.0), (-7.2, 29.5, -11.5), 3.6, 2.0)
        field = smooth_min(field, hook, 2.5)
    if name == "scaphoid" and size > 0.7:
        waist = ellipsoid(grid, (x - 6.2, y + 4.6, z), (5.0, 7.5, 9.0), _turn(name))
        field = np.maximum(field, -waist)
    return field


def _toward(centre: tuple[float, float, float], point: tuple[float, float, float], size: float) -> Matrix:
    return np.asarray(np.asarray(centre) + size * (np.asarray(point) - np.asarray(centre)), dtype=float)
