"""The soft tissue envelope: a coarse distance field of forearm, palm and fingers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fractureai.phantom.hand import Ray
from fractureai.phantom.person import Person
from fractureai.phantom.solids import (
    Field,
    Grid,
    Matrix,
    Solid,
    ellipsoid,
    make_grid,
    round_cone,
    smooth_curve,
    smooth_max,
    smooth_min,
    tube,
)

_STEP = 2.5
_FOREARM_Y = (-215.0, -150.0, -100.0, -60.0, -30.0, -10.0, 10.0, 30.0)
_FOREARM_X = (45.0, 41.0, 36.0, 31.5, 29.0, 28.5, 26.0, 21.0)
_FOREARM_Z = (40.0, 36.0, 30.0, 25.0, 21.5, 19.0, 16.5, 12.0)
_FINGER_RADII = (
    (11.5, 11.0, 10.5, 8.5),
    (11.5, 10.6, 9.4, 8.8, 6.8),
    (11.5, 10.8, 9.6, 9.0, 7.0),
    (11.0, 10.0, 9.0, 8.4, 6.6),
    (10.5, 9.2, 8.0, 7.6, 6.0),
)


def build_soft_tissue(
    person: Person, rays: Sequence[Ray], carpus: Matrix, swelling: Sequence[tuple[Matrix, float]]
) -> Solid:
    """Return the envelope in the limb's frame (not yet scaled).

    Args:
        person: whose soft tissue thickness counts.
        rays: the five posed fingers.
        carpus: 4x4 matrix that placed the carpus.
        swelling: (centre, radius) of swollen places.
    """
    joints = np.concatenate([ray.joints for ray in rays])
    low = np.minimum(joints.min(axis=0) - 14, (-52, -205, -48))
    high = np.maximum(joints.max(axis=0) + 14, (52, 110, 46))
    grid = make_grid(low, high, _STEP)
    field = np.full(grid.shape, 30.0, dtype=np.float32)
    _join(field, *_forearm(grid, person.fat))
    _join(field, *_palm(grid, person.fat, carpus))
    for finger, ray in enumerate(rays):
        radii = [r * person.fat**0.7 * (0.9 if person.child else 1.0) for r in _FINGER_RADII[finger]]
        for k in range(len(ray.joints) - 1):
            start, end = ray.joints[k], ray.joints[k + 1]
            if k == len(ray.joints) - 2:
                end = end + (end - start) / np.linalg.norm(end - start) * 0.5
            first = radii[k] if k or finger == 0 else radii[k] * 0.9
            box = _box(grid, np.minimum(start, end) - first - 8, np.maximum(start, end) + first + 8)
            part = _part(grid, box)
            field[box] = smooth_min(
                field[box], round_cone(part, start, end, first, radii[k + 1]), 4.0 if k < 2 else 2.0
            )
    for centre, radius in swelling:
        box = _box(grid, centre - 1.9 * radius - 8, centre + 1.9 * radius + 8)
        bulge = ellipsoid(_part(grid, box), centre, (radius, radius * 1.9, radius))
        field[box] = smooth_min(field[box], bulge, 9.0)
    nothing = ((0.0, 1.0), (0.0, 0.0))
    return Solid("soft tissue", field, grid.origin, grid.step, nothing, nothing, np.eye(4))


def _forearm(grid: Grid, fat: float) -> tuple[tuple[slice, slice, slice], Field]:
    box = _box(grid, np.array([-60, -215, -60]), np.array([60, 40, 60]))
    part = _part(grid, box)
    half_x = smooth_curve((_FOREARM_Y, _FOREARM_X), part.y) * np.float32(fat)
    half_z = smooth_curve((_FOREARM_Y, _FOREARM_Z), part.y) * np.float32(fat)
    field = tube(part, np.zeros_like(part.y), np.full_like(part.y, -1.5), half_x, half_z, 0.3)
    return box, smooth_max(field, np.asarray(part.y - 24 + 0 * field, dtype=np.float32), 14.0)


def _palm(grid: Grid, fat: float, carpus: Matrix) -> tuple[tuple[slice, slice, slice], Field]:
    """Return palm, thenar and hypothenar, which move with the carpus."""
    box = _box(grid, np.array([-60, -62, -60]), np.array([65, 130, 60]))
    part = _part(grid, box)
    back = np.linalg.inv(carpus).astype(np.float32)
    moved = [back[k, 0] * part.x + back[k, 1] * part.y + back[k, 2] * part.z + back[k, 3] for k in range(3)]
    local = Grid(grid.origin, grid.step, moved[0], moved[1], moved[2])
    slab = ellipsoid(local, (-0.5, 58, -4), (41 * fat**0.5, 56, 15.5 * fat))
    wrist = ellipsoid(local, (0.5, 16, -2.0), (31.5 * fat, 34, 18.5 * fat))
    thenar = ellipsoid(local, (19, 44, -17), (17, 31, 18 * fat))
    hypothenar = ellipsoid(local, (-22, 43, -13), (13, 32, 15 * fat))
    field = smooth_min(smooth_min(slab, wrist, 14), smooth_min(thenar, hypothenar, 6), 12)
    return box, field


def _join(field: Field, box: tuple[slice, slice, slice], other: Field) -> None:
    field[box] = smooth_min(field[box], other, 16.0)


def _box(grid: Grid, low: Matrix, high: Matrix) -> tuple[slice, slice, slice]:
    first = np.clip(np.floor((low - grid.origin) / grid.step).astype(int), 0, np.array(grid.shape) - 1)
    last = np.clip(np.ceil((high - grid.origin) / grid.step).astype(int) + 1, 1, grid.shape)
    return slice(first[0], last[0]), slice(first[1], last[1]), slice(first[2], last[2])


def _part(grid: Grid, box: tuple[slice, slice, slice]) -> Grid:
    return Grid(grid.origin, grid.step, grid.x[box[0]], grid.y[:, box[1]], grid.z[:, :, box[2]])
