"""Line integrals through solids along parallel rays (shear-warp factorisation).

View frame: u right, v down, w towards the tube, millimetres; the centre of pixel (0, 0) is at u = v = 0. A solid's
voxel slices are sheared so that all rays run along one of its own axes, finely interpolated and summed there, and the
small result is warped onto the image (Lacroute and Levoy 1994). Surfaces lie where the distance field crosses zero
between two samples of a ray, so a cortical shell thinner than a voxel keeps its exact thickness.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from fractureai.phantom.solids import Field, Matrix, Solid, apply, curve

_FINEST_MM = 0.26
_OUTSIDE = np.float32(4.0)


@dataclass(frozen=True, eq=False)
class Camera:
    """A parallel projection onto a pixel grid.

    Attributes:
        matrix: 4x4 from the limb's frame to (u, v, w) in millimetres.
        pitch_mm: pixel spacing.
        shape: rows and columns.
    """

    matrix: Matrix
    pitch_mm: float
    shape: tuple[int, int]

    def project(self, points: npt.ArrayLike) -> Matrix:
        """Return the (row, col) of (..., 3) points of the limb's frame."""
        uvw = apply(self.matrix, points)
        return np.asarray(uvw[..., [1, 0]] / self.pitch_mm)


def path_length(solid: Solid, camera: Camera) -> tuple[tuple[slice, slice], Field] | None:
    """Return (window, length in millimetres) through a whole solid; None when it lies outside the image."""
    found = _project(solid, camera, hollow=False)
    return None if found is None else (found[0], found[1][0])


def bone_lengths(solid: Solid, camera: Camera) -> tuple[tuple[slice, slice], Field, Field] | None:
    """Return (window, length through the cortical shell, length through the inside times its density), or None."""
    found = _project(solid, camera, hollow=True)
    return None if found is None else (found[0], found[1][0], found[1][1])


def _project(solid: Solid, camera: Camera, hollow: bool) -> tuple[tuple[slice, slice], tuple[Field, ...]] | None:
    to_view = camera.matrix @ solid.pose
    window = _window(solid, to_view, camera)
    if window is None:
        return None
    low, shape = window
    to_local: Matrix = np.asarray(np.linalg.inv(to_view), dtype=np.float64)
    ray = to_local[:3, 2]
    main = int(np.argmax(np.abs(ray)))
    rest = [axis for axis in (1, 0, 2) if axis != main]
    shear = ray[rest] / ray[main]
    middle = solid.origin[main] + solid.step * (solid.distance.shape[main] - 1) / 2
    to_plane = _pixel_to_plane(to_local, main, rest, shear, middle, camera.pitch_mm)
    scale = float(np.linalg.norm(to_view[:3, 1]))
    factor = int(np.clip(round(solid.step * scale / max(_FINEST_MM, camera.pitch_mm * 0.8)), 1, 4))
    sheared = _Sheared(solid, main, rest, shear, middle, solid.step / factor, _seen(to_plane, low, shape))
    sums = sheared.integrate(solid.step / abs(float(ray[main])), hollow)
    if sums is None:
        return None
    matrix = to_plane[:, :2] / sheared.pitch
    offset = (to_plane[:, :2] @ low + to_plane[:, 2] - sheared.start) / sheared.pitch
    warped = tuple(
        np.asarray(
            ndimage.affine_transform(s, matrix, offset, output_shape=shape, output=np.float32, order=1, prefilter=False)
        )
        for s in sums
    )
    return (slice(int(low[0]), int(low[0]) + shape[0]), slice(int(low[1]), int(low[1]) + shape[1])), warped


def _window(solid: Solid, to_view: Matrix, camera: Camera) -> tuple[npt.NDArray[np.int64], tuple[int, int]] | None:
    extent = (np.array(solid.distance.shape) - 1) * solid.step
    corners = np.array(np.meshgrid(*[(0, e) for e in extent], indexing="ij")).reshape(3, -1).T + solid.origin
    seen = apply(to_view, corners)[:, [1, 0]] / camera.pitch_mm
    low = np.maximum(np.floor(seen.min(axis=0)).astype(int), 0)
    high = np.minimum(np.ceil(seen.max(axis=0)).astype(int) + 1, camera.shape)
    if (high - low < 2).any():
        return None
    return low, (int(high[0] - low[0]), int(high[1] - low[1]))


def _pixel_to_plane(to_local: Matrix, main: int, rest: list[int], shear: Matrix, middle: float, pitch: float) -> Matrix:
    """Return the 2x3 matrix from (row, col, 1) to where the ray meets the solid's middle slice."""
    pixel: Matrix = np.stack([to_local[:3, 1] * pitch, to_local[:3, 0] * pitch, to_local[:3, 3]], axis=1)
    plane: Matrix = pixel[rest] - shear[:, None] * pixel[main]
    plane[:, 2] += shear * middle
    return plane


def _seen(to_plane: Matrix, low: npt.NDArray[np.int64], shape: tuple[int, int]) -> Matrix:
    """Return the (low, high) bounds on the middle slice that a window of pixels covers."""
    rows, cols = low[0] + np.array([0, shape[0]]), low[1] + np.array([0, shape[1]])
    corners = np.array([(r, c, 1) for r in rows for c in cols], dtype=float) @ to_plane.T
    return np.stack([corners.min(axis=0) - 0.5, corners.max(axis=0) + 0.5])


class _Sheared:
    """A solid's slices, sheared so that rays run along its main axis."""

    def __init__(
        self, solid: Solid, main: int, rest: list[int], shear: Matrix, middle: float, pitch: float, seen: Matrix
    ) -> None:
        self.pitch = pitch
        self._solid = solid
        self._main, self._rest, self._shear = main, rest, shear
        self._distance = solid.distance.transpose(main, *rest)
        self._cut = None if solid.cut is None else solid.cut.transpose(main, *rest)
        self._depth = solid.origin[main] + solid.step * np.arange(self._distance.shape[0]) - middle
        origin = np.asarray(solid.origin)[rest]
        size = (np.asarray(self._distance.shape[1:]) - 1) * solid.step
        drift = np.abs(shear) * abs(self._depth).max()
        self.start = np.maximum(origin - drift, seen[0])
        stop = np.minimum(origin + size + drift, seen[1])
        self._count = np.ceil((stop - self.start) / pitch).astype(int) + 1

    def integrate(self, step_mm: float, hollow: bool) -> tuple[Field, ...] | None:
        """Sum along the rays: (whole,), or (shell, weighted inside) of a hollow solid."""
        if (self._count < 2).any():
            return None
        occupied = (self._distance < 0.5).any(axis=(1, 2))
        sums = tuple(np.zeros(self._count, np.float32) for _ in range(2 if hollow else 1))
        before: list[tuple[Field, Field]] | None = None
        for index in np.flatnonzero(np.convolve(occupied, [1, 1, 1], "same")):
            fields, weight = self._slice(int(index), hollow)
            now = [(np.minimum(f, 0), np.abs(f)) for f in fields]
            if before is not None:
                shares = [_share(a, b) for a, b in zip(before, now, strict=True)]
                if hollow:
                    shares[0] -= shares[1]
                    shares[1] *= weight
                for total, share in zip(sums, shares, strict=True):
                    total += share
            before = now
        for total in sums:
            total *= np.float32(step_mm)
        return sums

    def _slice(self, index: int, hollow: bool) -> tuple[list[Field], Field]:
        """Return the distance to the surface (and to the inside) on a sheared slice, and the inside's density."""
        depth = self._depth[index]
        at = [
            self.start[k] + self._shear[k] * depth + self.pitch * np.arange(self._count[k], dtype=float) for k in (0, 1)
        ]
        fields = [self._interpolate(self._distance[index], at)]
        y = at[0] if self._main != 1 else np.array([self._solid.origin[1] + self._solid.step * index])
        if hollow:
            fields.append(fields[0] + curve(self._solid.cortex, y)[:, None])
        if self._cut is not None:
            cut = self._interpolate(self._cut[index], at)
            fields = [np.maximum(field, cut) for field in fields]
        return fields, curve(self._solid.spongy, y)[:, None]

    def _interpolate(self, plane: Field, at: list[Matrix]) -> Field:
        """Interpolate a slice bilinearly, one axis after the other; far outside where it ends."""
        for axis in (1, 0):
            position = (at[axis] - self._solid.origin[self._rest[axis]]) / self._solid.step
            last = plane.shape[axis] - 1
            floor = np.clip(np.floor(position), 0, last - 1).astype(np.intp)
            share = np.clip(position - floor, 0, 1).astype(np.float32)[:, None]
            source = np.ascontiguousarray(plane.T) if axis == 1 else plane
            result = source[floor]
            result += share * np.diff(source, axis=0)[floor]
            result[(position < 0) | (position > last)] = _OUTSIDE
            plane = np.ascontiguousarray(result.T) if axis == 1 else result
        return plane


def _share(before: tuple[Field, Field], now: tuple[Field, Field]) -> Field:
    """Return the share (0..1) of the way between two slices that runs inside."""
    inside = before[0] + now[0]
    size = before[1] + now[1]
    size += np.float32(1e-6)
    return np.asarray(np.divide(inside, size, out=inside) * np.float32(-1), dtype=np.float32)
