"""Solids: signed distance fields on small voxel grids, and the primitives they are carved from.

All lengths are millimetres of a reference adult hand; a solid's pose scales and places it. The reference frame of
the whole limb: x towards the radial side, y distal, z dorsal, origin at the distal radioulnar joint's distal edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]
Knots = tuple[tuple[float, ...], tuple[float, ...]]
"""A curve along the axis as (positions y, values), linear in between and constant outside."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Sampling points of a distance field, as three broadcastable coordinate arrays."""

    origin: tuple[float, float, float]
    step: float
    x: Field
    y: Field
    z: Field

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of points along x, y and z."""
        return self.x.size, self.y.size, self.z.size


def make_grid(low: Sequence[float], high: Sequence[float], step: float) -> Grid:
    """Return the grid of this step that covers the box from ``low`` to ``high`` (x, y, z)."""
    axes = [np.arange(a, b + step, step, dtype=np.float32) for a, b in zip(low, high, strict=True)]
    x, y, z = np.ix_(*axes)
    return Grid((float(low[0]), float(low[1]), float(low[2])), step, x, y, z)


@dataclass(frozen=True, eq=False)
class Solid:
    """A bone, a fragment or an implant.

    Attributes:
        name: the bone it belongs to.
        distance: signed distance to the surface in millimetres, negative inside.
        origin: position of the first voxel.
        step: voxel size.
        cortex: thickness of the cortical shell along y.
        spongy: density of the inside along y, as a share of cortical bone's.
        pose: 4x4 matrix to the limb's frame in millimetres.
        cut: signed distance to a fracture surface on the same grid; only where it is negative there is bone.
    """

    name: str
    distance: Field
    origin: tuple[float, float, float]
    step: float
    cortex: Knots
    spongy: Knots
    pose: Matrix
    cut: Field | None = None

    def posed(self, matrix: Matrix) -> Solid:
        """Return the solid moved by a 4x4 matrix in the limb's frame."""
        return replace(self, pose=matrix @ self.pose)


def curve(knots: Knots, at: npt.ArrayLike) -> Field:
    """Evaluate a curve."""
    return np.asarray(np.interp(np.asarray(at, dtype=np.float64), knots[0], knots[1]), dtype=np.float32)


def smooth_curve(knots: Knots, at: npt.ArrayLike) -> Field:
    """Evaluate a curve with rounded corners (monotone cubic interpolation)."""
    from scipy.interpolate import PchipInterpolator

    low, high = knots[0][0], knots[0][-1]
    return np.asarray(PchipInterpolator(*knots)(np.clip(at, low, high)), dtype=np.float32)


def smooth_max(a: Field, b: Field, radius: float) -> Field:
    """Intersect two solids, rounding the edge between them."""
    h = np.maximum(radius - np.abs(a - b), 0)
    return np.asarray(np.maximum(a, b) + h * h * np.float32(0.25 / radius), dtype=np.float32)


def smooth_min(a: Field, b: Field, radius: float) -> Field:
    """Join two solids, filling the groove between them."""
    h = np.maximum(radius - np.abs(a - b), 0)
    return np.asarray(np.minimum(a, b) - h * h * np.float32(0.25 / radius), dtype=np.float32)


def ellipsoid(
    grid: Grid,
    centre: Sequence[float] | Matrix,
    radii: Sequence[float],
    turn: Matrix | None = None,
    squareness: float = 0.0,
) -> Field:
    """Return the (first order) distance to an ellipsoid.

    Args:
        grid: where.
        centre, radii: of the ellipsoid.
        turn: 3x3 rotation of its axes.
        squareness: 0 ellipsoid to 1 superellipsoid of exponent 4.
    """
    dx, dy, dz = (c - np.float32(m) for c, m in zip((grid.x, grid.y, grid.z), centre, strict=True))
    if turn is None:
        local = (dx, dy, dz)
    else:
        t = turn.astype(np.float32)
        local = (
            t[0, 0] * dx + t[1, 0] * dy + t[2, 0] * dz,
            t[0, 1] * dx + t[1, 1] * dy + t[2, 1] * dz,
            t[0, 2] * dx + t[1, 2] * dy + t[2, 2] * dz,
        )
    a, b, c = (np.float32(1 / r) for r in radii)
    u, v, w = local[0] * a, local[1] * b, local[2] * c
    u2, v2, w2 = u * u, v * v, w * w
    k0 = np.sqrt(u2 + v2 + w2)
    square = np.sqrt(np.sqrt(u2 * u2 + v2 * v2 + w2 * w2)) if squareness else k0
    u, v, w = u * a, v * b, w * c
    k1 = np.sqrt(u * u + v * v + w * w)
    level = k0 + np.float32(squareness) * (square - k0)
    return np.asarray(k0 * (level - 1) / np.maximum(k1, np.float32(1e-4)), dtype=np.float32)


def round_cone(grid: Grid, start: Sequence[float], end: Sequence[float], r_start: float, r_end: float) -> Field:
    """Return the distance to a capsule whose radius changes from start to end."""
    first = np.asarray(start, dtype=np.float32)
    axis = np.asarray(end, dtype=np.float32) - first
    dx, dy, dz = grid.x - first[0], grid.y - first[1], grid.z - first[2]
    t = np.clip((dx * axis[0] + dy * axis[1] + dz * axis[2]) / np.float32(axis @ axis), 0, 1)
    dx, dy, dz = dx - t * axis[0], dy - t * axis[1], dz - t * axis[2]
    return np.asarray(np.sqrt(dx * dx + dy * dy + dz * dz) - (r_start + t * (r_end - r_start)), dtype=np.float32)


def tube(
    grid: Grid, centre_x: Field, centre_z: Field, half_x: Field, half_z: Field, squareness: Field | float = 0.0
) -> Field:
    """Return the distance to a tube along y with elliptical to squarish cross-sections.

    Args:
        grid: where.
        centre_x, centre_z, half_x, half_z: centre line and half widths at ``grid.y`` (same shape).
        squareness: 0 ellipse to 1 superellipse of exponent 4.
    """
    u = (grid.x - centre_x) / half_x
    v = (grid.z - centre_z) / half_z
    u2, v2 = u * u, v * v
    r = np.sqrt(u2 + v2)
    if np.any(squareness):
        r = r + np.asarray(squareness, dtype=np.float32) * (np.sqrt(np.sqrt(u2 * u2 + v2 * v2)) - r)
    return np.asarray((r - 1) * np.minimum(half_x, half_z), dtype=np.float32)


def normalise_distance(field: Field, step: float) -> Field:
    """Divide a level set function by its gradient's length: to first order a distance near the surface."""
    gradient = [np.gradient(field, step, axis=axis) for axis in range(3)]
    length = np.sqrt(sum(g * g for g in gradient))
    return np.asarray(field / np.clip(length, 0.5, 2.0), dtype=np.float32)


def extreme_point(solid: Solid, direction: Sequence[float], box: tuple[Any, Any, Any] | None = None) -> Matrix:
    """Return the point (x, y, z) of the solid that lies farthest in a direction, in the solid's own frame.

    Sub-voxel: the level set is followed linearly from the farthest inner voxel outwards.

    Args:
        solid: the solid.
        direction: vector; its length does not matter.
        box: three (low, high) ranges that the point must lie in, None for unbounded.
    """
    unit = np.asarray(direction, dtype=float) / np.linalg.norm(direction)
    inside = np.argwhere((solid.distance < 0) & (solid.distance > -1.5 * solid.step))
    points = inside * solid.step + np.asarray(solid.origin)
    values = solid.distance[tuple(inside.T)]
    if box is not None:
        keep = np.all([(points[:, k] >= b[0]) & (points[:, k] <= b[1]) for k, b in enumerate(box) if b], axis=0)
        points, values = points[keep], values[keep]
    reach = points @ unit - np.minimum(values, 0)
    best = int(np.argmax(reach))
    return np.asarray(points[best] - min(float(values[best]), 0.0) * unit)


def rotation(axis: str, degrees: float) -> Matrix:
    """Return the 3x3 rotation about x, y or z."""
    angle = np.deg2rad(degrees)
    c, s = float(np.cos(angle)), float(np.sin(angle))
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.eye(3)
    matrix[i, i], matrix[i, j], matrix[j, i], matrix[j, j] = c, -s, s, c
    return matrix


def rigid(turn: Matrix, pivot: Sequence[float], shift: Sequence[float] = (0, 0, 0)) -> Matrix:
    """Return the 4x4 matrix that turns about a pivot and then shifts."""
    matrix = np.eye(4)
    matrix[:3, :3] = turn
    matrix[:3, 3] = (
        np.asarray(pivot, dtype=float) - turn @ np.asarray(pivot, dtype=float) + np.asarray(shift, dtype=float)
    )
    return matrix


def apply(matrix: Matrix, point: npt.ArrayLike) -> Matrix:
    """Apply a 4x4 matrix to (..., 3) points."""
    return np.asarray(np.asarray(point, dtype=float) @ matrix[:3, :3].T + matrix[:3, 3])
