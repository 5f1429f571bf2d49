"""Metacarpals and phalanges, and how the hand is held."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fractureai.phantom.person import Person
from fractureai.phantom.solids import (
    Matrix,
    Solid,
    apply,
    ellipsoid,
    make_grid,
    normalise_distance,
    rigid,
    rotation,
    smooth_curve,
    smooth_max,
    smooth_min,
    tube,
)

_BASES = ((26.0, 31.6, -7.5), (14.4, 36.4, 0.8), (3.8, 37.0, 1.2), (-6.3, 34.6, 0.4), (-15.3, 32.2, -1.4))
_FAN_DEG = (38.0, 8.0, 0.5, -7.0, -15.5)
_LENGTHS = (
    (46.0, 31.5, 22.5),
    (68.0, 40.5, 24.0, 17.5),
    (65.5, 44.5, 28.5, 18.5),
    (58.0, 41.5, 27.5, 18.5),
    (54.0, 33.0, 19.5, 16.5),
)
_SHAFT = ((5.2, 4.6, 3.6), (4.5, 4.9, 3.9, 2.4), (4.5, 5.0, 4.0, 2.5), (3.9, 4.6, 3.7, 2.4), (4.1, 4.1, 3.2, 2.1))


@dataclass(frozen=True)
class HandPose:
    """How the hand is held.

    Attributes:
        deviation_deg: towards the ulna; flexion_deg: of the wrist, towards the palm.
        spread: of the fingers relative to relaxed.
        finger_flexion_deg: per finger (thumb first), at each joint beyond the metacarpal.
        thumb_deg: abduction of the thumb in the plane of the palm.
        thumb_palmar_deg: abduction of the thumb towards the palm.
    """

    deviation_deg: float
    flexion_deg: float
    spread: float
    finger_flexion_deg: tuple[float, ...]
    thumb_deg: float
    thumb_palmar_deg: float


@dataclass(frozen=True, eq=False)
class Ray:
    """One finger: its bones, posed, and the joint centres from the metacarpal's base to the tip."""

    solids: tuple[Solid, ...]
    joints: Matrix


def draw_pose(view: str, rng: np.random.Generator) -> HandPose:
    """Draw how the hand is held for a view."""
    lateral = view == "LAT"
    curl = abs(rng.normal(0, 14 if lateral else 6)) + (12 if view == "OBLIQUE" else 0)
    if rng.random() < 0.1:
        curl += 30
    tucked = lateral and rng.random() < 0.6
    flexion = tuple(float(curl + rng.normal(0, 7 if lateral else 3)) for _ in range(5))
    return HandPose(
        deviation_deg=float(np.clip(rng.normal(2, 7), -16, 22)),
        flexion_deg=float(np.clip(rng.normal(-4 if lateral else 0, 9 if lateral else 5), -28, 28)),
        spread=float(np.clip(rng.normal(0.9, 0.45), 0.0, 2.2)),
        finger_flexion_deg=flexion,
        thumb_deg=float(rng.uniform(-4, 26) if lateral else np.clip(rng.normal(36, 13), 10, 62)),
        thumb_palmar_deg=float(rng.uniform(-4, 16) if tucked else rng.uniform(8, 42 if lateral else 26)),
    )


def wrist_matrix(pose: HandPose) -> Matrix:
    """Return the 4x4 matrix that moves carpus and hand from neutral by deviation and flexion."""
    return rigid(rotation("z", pose.deviation_deg) @ rotation("x", -pose.flexion_deg), (3.0, 11.0, 0.0))


def build_bones(person: Person, rng: np.random.Generator) -> tuple[tuple[tuple[Solid, ...], ...], ...]:
    """Return for each finger, for each of its bones, the solids (shaft and epiphysis) in the bone's own frame."""
    fingers = []
    for finger, lengths in enumerate(_LENGTHS):
        bones = []
        for k, length in enumerate(lengths):
            half = _SHAFT[finger][k] * person.width * float(rng.normal(1, 0.03))
            name = f"metacarpal {finger + 1}" if k == 0 else f"phalanx {finger + 1}.{k}"
            bones.append(_bone(name, length, half, k, last=k == len(lengths) - 1, thumb=finger == 0, person=person))
        fingers.append(tuple(bones))
    return tuple(fingers)


def pose_ray(finger: int, bones: tuple[tuple[Solid, ...], ...], pose: HandPose, visible_y: float) -> Ray:
    """Place one finger's bones on the carpus.

    Args:
        finger: 0 thumb to 4.
        bones: its bones in their own frames.
        pose: how the hand is held.
        visible_y: bones that start beyond this are left out (they lie outside of every image asked for).
    """
    turn = rotation("z", -_FAN_DEG[finger])
    if finger == 0:
        turn = rotation("z", -pose.thumb_deg) @ rotation("x", -pose.thumb_palmar_deg) @ rotation("y", -50)
    elif finger >= 3:
        turn = turn @ rotation("x", -3.0 * (finger - 2))
    point = np.asarray(_BASES[finger], dtype=float)
    solids: list[Solid] = []
    joints = [point]
    for k, bone in enumerate(bones):
        if k == 1:
            fan = 0.0 if finger == 0 else (pose.spread - 1) * _FAN_DEG[finger] * 0.6
            turn = turn @ rotation("z", -fan) @ rotation("x", -pose.finger_flexion_deg[finger] * 0.6)
        elif k > 1:
            turn = turn @ rotation("x", -pose.finger_flexion_deg[finger])
        matrix = np.eye(4)
        matrix[:3, :3] = turn
        matrix[:3, 3] = point
        if point[1] < visible_y:
            solids.extend(solid.posed(matrix) for solid in bone)
        length = _LENGTHS[finger][k] + (1.6 if k < len(bones) - 1 else 2.0)
        point = apply(matrix, (0.0, length, 0.0))
        joints.append(point)
    return Ray(tuple(solids), np.asarray(joints))


def _bone(
    name: str, length: float, half: float, order: int, *, last: bool, thumb: bool, person: Person
) -> tuple[Solid, ...]:
    base, head = (1.62, 1.55) if order == 0 else (1.62, 1.25)
    if last:
        base, head = 1.95, 1.25
    if order == 0 and thumb:
        base, head = 1.5, 1.5
    reach = half * 2.1 + 1
    grid = make_grid((-reach, -2.5, -reach), (reach, length + 2.5, reach), 0.75 if length > 25 else 0.65)
    along = (0.0, 0.07 * length, 0.2 * length, 0.5 * length, 0.78 * length, 0.92 * length, length)
    narrow = 0.92 if last else 1.0
    half_x = smooth_curve((along, tuple(half * f for f in (base, base, 1.2, narrow, 1.12, head, head))), grid.y)
    deep = 0.82 if order else 1.0
    half_z = smooth_curve((along, tuple(half * deep * f for f in (base, base, 1.15, 0.95, 1.05, head, head))), grid.y)
    bow = np.float32(0.035 * length if order == 0 else 0.02 * length) * np.sin(np.pi * grid.y / length).astype(
        np.float32
    )
    field = tube(grid, np.zeros_like(grid.y), bow, half_x, half_z, 0.25)
    field = smooth_max(field, np.asarray(np.abs(grid.y - length / 2) - length / 2, np.float32), half * 1.1)
    if not last:
        knob = ellipsoid(
            grid, (0, length - half * head * 0.95, 0), (half * head * 0.98, half * head, half * head * 0.95)
        )
        field = smooth_min(field, knob, 1.0)
    field = normalise_distance(field, grid.step)
    thick = person.cortex * half * 0.42
    cortex = (along, tuple(thick * f for f in (0.32, 0.35, 0.7, 1.0, 0.75, 0.36, 0.32)))
    spongy = (along, tuple(person.spongy * s for s in (0.26, 0.26, 0.14, 0.05, 0.12, 0.25, 0.25)))
    solid = Solid(name, field, grid.origin, grid.step, cortex, spongy, np.eye(4))
    distal = order == 0 and not thumb
    return _with_physis(solid, length, half, distal, person)


def _with_physis(solid: Solid, length: float, half: float, distal: bool, person: Person) -> tuple[Solid, ...]:
    if not person.child or person.maturity_years > 16:
        return (solid,)
    gap = float(np.clip(1.9 - 0.1 * person.maturity_years, 0.35, 1.5))
    size = person.epiphysis_size(1.8)
    y = (np.arange(solid.distance.shape[1], dtype=np.float32) * solid.step + solid.origin[1])[None, :, None]
    plate = half * (1.55 if distal else 0.75)
    beyond = y - np.float32(length - plate) if distal else np.float32(plate) - y
    parts = [_replaced(solid, smooth_max(solid.distance, beyond + np.float32(gap / 2), 0.8))]
    rest = np.float32(3.0 * (1 - size))
    core = smooth_max(solid.distance + rest, np.float32(gap / 2) - beyond, 1.2)
    if (core < -0.3).any():
        parts.append(_replaced(solid, core))
    return tuple(parts)


def _replaced(solid: Solid, distance: np.ndarray) -> Solid:
    from dataclasses import replace

    return replace(solid, distance=np.asarray(distance, dtype=np.float32))
