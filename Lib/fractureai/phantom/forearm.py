"""Distal two thirds of radius and ulna, whole or divided at the growth plate."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fractureai.phantom.carpus import articular_field
from fractureai.phantom.person import Person
from fractureai.phantom.solids import (
    Field,
    Grid,
    Solid,
    make_grid,
    normalise_distance,
    round_cone,
    smooth_curve,
    smooth_max,
    smooth_min,
    tube,
)

PROXIMAL_END = -215.0
"""Where the modelled forearm ends (y); no field of view reaches it."""

_STEP = 0.7

_RADIUS_Y = (-215.0, -120.0, -80.0, -50.0, -35.0, -25.0, -15.0, -8.0, 0.0, 6.0, 13.0)
_RADIUS_RADIAL = (17.5, 18.5, 17.8, 16.3, 16.3, 17.8, 20.5, 22.6, 24.4, 24.8, 23.4)
_RADIUS_ULNAR = (2.5, 4.0, 3.8, 2.4, 0.8, -1.6, -5.0, -6.8, -7.4, -7.2, -6.0)
_RADIUS_HALF_Z = (6.2, 6.0, 5.8, 6.0, 6.7, 7.8, 9.4, 10.6, 11.2, 10.6, 8.8)
_RADIUS_Z = (2.0, 2.0, 2.0, 1.6, 1.2, 0.5, -0.2, -0.4, 0.0, 0.3, 0.3)
_ULNA_Y = (-215.0, -120.0, -80.0, -50.0, -35.0, -25.0, -15.0, -9.0, -4.0, 1.0)
_ULNA_RADIAL = (-8.0, -7.3, -8.0, -9.6, -10.6, -11.3, -11.6, -10.6, -9.4, -10.4)
_ULNA_ULNAR = (-23.5, -21.6, -21.0, -21.0, -21.4, -21.9, -22.7, -24.2, -25.4, -24.6)
_ULNA_HALF_Z = (7.5, 6.5, 6.0, 5.6, 5.3, 5.3, 5.8, 7.0, 7.9, 7.2)
_ULNA_Z = (2.0, 2.0, 2.2, 2.4, 2.5, 2.5, 2.4, 2.2, 2.0, 2.0)


@dataclass(frozen=True)
class ForearmShape:
    """Individual anatomy.

    Attributes:
        inclination_deg: radial inclination of the articular surface.
        tilt_deg: palmar tilt.
        ulnar_variance_mm: how far the ulna's head lies distal to the radius's ulnar corner.
        ulnar_styloid_mm: length of the ulnar styloid.
        physis_mm: width of the growth plate, 0 when closed.
        physis_y: position of the growth plate of radius and ulna.
    """

    inclination_deg: float
    tilt_deg: float
    ulnar_variance_mm: float
    ulnar_styloid_mm: float
    physis_mm: float
    physis_y: tuple[float, float]


def draw_forearm(person: Person, rng: np.random.Generator) -> ForearmShape:
    """Draw the individual anatomy of a patient."""
    width = float(np.clip(2.6 - 0.13 * person.maturity_years, 0.35, 2.2)) if person.child else 0.0
    return ForearmShape(
        inclination_deg=float(np.clip(rng.normal(22.5, 2.5), 16, 29)),
        tilt_deg=float(np.clip(rng.normal(11, 3), 3, 19)),
        ulnar_variance_mm=float(np.clip(rng.normal(-0.7 if not person.child else -2.0, 1.2), -4.5, 2.8)),
        ulnar_styloid_mm=float(rng.uniform(3.2, 6.5)),
        physis_mm=width,
        physis_y=(float(rng.uniform(-6.8, -5.2)), float(rng.uniform(-6.0, -4.6))),
    )


def build_radius(person: Person, shape: ForearmShape) -> tuple[Solid, ...]:
    """Return the radius (in children: shaft, then epiphysis if ossified) in the reference frame."""
    grid = make_grid((-11, PROXIMAL_END, -15), (29, 17, 15), _STEP)
    whole = _radius_field(grid, person, shape)
    cortex = (
        (-215.0, -60.0, -38.0, -22.0, -10.0, 20.0),
        tuple(person.cortex * c for c in (3.0, 2.7, 1.9, 0.95, 0.65, 0.6)),
    )
    spongy = ((-215.0, -60.0, -35.0, -15.0, 20.0), tuple(person.spongy * s for s in (0.03, 0.05, 0.14, 0.24, 0.28)))
    solid = Solid("radius", whole, grid.origin, grid.step, cortex, spongy, np.eye(4))
    epiphysis = person.epiphysis_size(1.0)
    plane = shape.physis_y[0] + np.float32(0.08) * (grid.x - 8) + _waves(grid, 0.45)
    return _divide(solid, grid, plane, shape.physis_mm, epiphysis)


def build_ulna(person: Person, shape: ForearmShape) -> tuple[Solid, ...]:
    """Return the ulna (in children: shaft, then epiphysis if ossified) in the reference frame."""
    grid = make_grid((-29, PROXIMAL_END, -10), (-3, 12, 14), _STEP)
    whole = _ulna_field(grid, person, shape)
    cortex = (
        (-215.0, -50.0, -30.0, -14.0, -6.0, 10.0),
        tuple(person.cortex * c for c in (3.0, 2.6, 1.9, 1.1, 0.7, 0.65)),
    )
    spongy = ((-215.0, -50.0, -25.0, -10.0, 10.0), tuple(person.spongy * s for s in (0.03, 0.06, 0.15, 0.24, 0.26)))
    solid = Solid("ulna", whole, grid.origin, grid.step, cortex, spongy, np.eye(4))
    plane = shape.physis_y[1] + shape.ulnar_variance_mm + _waves(grid, 0.3)
    return _divide(solid, grid, plane, shape.physis_mm, person.epiphysis_size(5.5))


def _radius_field(grid: Grid, person: Person, shape: ForearmShape) -> Field:
    y = grid.y
    radial = smooth_curve((_RADIUS_Y, _RADIUS_RADIAL), y)
    ulnar = smooth_curve((_RADIUS_Y, _RADIUS_ULNAR), y)
    depth = smooth_curve((_RADIUS_Y, _RADIUS_HALF_Z), y)
    squareness = np.clip((y + 45) / 60, 0, 0.55).astype(np.float32)
    half = np.asarray((radial - ulnar) / 2 * person.width, dtype=np.float32)
    middle = np.asarray((radial + ulnar) / 2, dtype=np.float32)
    field = tube(grid, middle, smooth_curve((_RADIUS_Y, _RADIUS_Z), y), half, depth, squareness)
    ossified = person.epiphysis_size(1.0) if person.child else 1.0
    slope = np.float32(np.tan(np.deg2rad(shape.inclination_deg)) * (0.25 + 0.75 * ossified))
    tilt = np.float32(np.tan(np.deg2rad(shape.tilt_deg)))
    end = grid.y - (slope * (grid.x + 7.2) + tilt * grid.z)
    field = smooth_max(field, end * np.float32(np.cos(np.deg2rad(shape.inclination_deg))), 2.7)
    distal = slice(int((-25 - PROXIMAL_END) / grid.step), None)
    part = Grid((0, 0, 0), grid.step, grid.x, grid.y[:, distal], grid.z)
    field[:, distal] = smooth_max(field[:, distal], -articular_field(part, 1.9 - 6 * (1 - ossified)), 0.8)
    lister = round_cone(part, (10.5, -14, 8.6), (11.5, -4, 9.6), 1.6, 2.4)
    field[:, distal] = smooth_min(field[:, distal], lister, 2.5)
    notch = np.sqrt((grid.x + 17.4) ** 2 + (grid.z - 2.0) ** 2) - np.float32(9.6)
    level = np.maximum(notch, grid.y * 0 + (-13 - grid.y))
    field = np.maximum(field, -level)
    return normalise_distance(field, grid.step)


def _ulna_field(grid: Grid, person: Person, shape: ForearmShape) -> Field:
    y = grid.y - np.float32(shape.ulnar_variance_mm)
    radial = smooth_curve((_ULNA_Y, _ULNA_RADIAL), y)
    ulnar = smooth_curve((_ULNA_Y, _ULNA_ULNAR), y)
    centre_z = smooth_curve((_ULNA_Y, _ULNA_Z), y)
    half = np.asarray((radial - ulnar) / 2 * person.width, dtype=np.float32)
    middle = np.asarray((radial + ulnar) / 2, dtype=np.float32)
    field = tube(grid, middle, centre_z, half, smooth_curve((_ULNA_Y, _ULNA_HALF_Z), y))
    dome = y - (np.float32(0.3) - np.float32(0.012) * (grid.x + 16) ** 2)
    field = smooth_max(field, np.asarray(dome, dtype=np.float32), 3.0)
    v = shape.ulnar_variance_mm
    ossified = person.epiphysis_size(5.5) if person.child else 1.0
    tip = (shape.ulnar_styloid_mm + 1.0) * ossified**2 - 3.0 + v
    styloid = round_cone(grid, (-22.0, -4.5 + v, 3.0), (-22.9, tip, 3.3), 3.4, 2.0)
    return normalise_distance(smooth_min(field, styloid, 2.2), grid.step)


def _waves(grid: Grid, amplitude: float) -> Field:
    return np.asarray(np.float32(amplitude) * (np.sin(grid.x * 0.55) + np.sin(grid.z * 0.6 + 1)), dtype=np.float32)


def _divide(solid: Solid, grid: Grid, plane: Field, gap: float, epiphysis: float) -> tuple[Solid, ...]:
    """Cut a bone at its growth plate; the epiphysis is an ossified core of its outline."""
    if gap <= 0:
        return (solid,)
    above = grid.y - plane
    shaft = replace(solid, distance=smooth_max(solid.distance, np.asarray(above + gap / 2, np.float32), 1.0))
    if epiphysis <= 0:
        return (shaft,)
    first = int((-16 - PROXIMAL_END) / grid.step)
    rest = np.float32(6.5 * (1 - epiphysis))
    lower = np.asarray(gap / 2 - above + rest * 0.3, np.float32)[:, first:]
    core = smooth_max(solid.distance[:, first:] + rest, lower, 2.0)
    if not (core < -0.4).any():
        return (shaft,)
    origin = (grid.origin[0], grid.origin[1] + first * grid.step, grid.origin[2])
    return shaft, replace(solid, distance=core, origin=origin)
