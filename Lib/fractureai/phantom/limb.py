"""A whole limb: bones, fractures, implants and soft tissue, built once a study and posed for each view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fractureai.phantom.carpus import CAPITATE_HEAD, build_carpus
from fractureai.phantom.forearm import ForearmShape, build_radius, build_ulna
from fractureai.phantom.fractures import Fracture, buckle, outline_points, split
from fractureai.phantom.hand import HandPose, build_bones, pose_ray, wrist_matrix
from fractureai.phantom.person import Person
from fractureai.phantom.soft_tissue import build_soft_tissue
from fractureai.phantom.solids import Matrix, Solid, apply, extreme_point, rotation

LANDMARKS: Mapping[str, tuple[str, ...]] = {
    "PA": ("distal_ulna", "distal_radius", "wrist_centre"),
    "LAT": ("dorsal_rim", "palmar_rim", "wrist_centre"),
    "OBLIQUE": ("distal_ulna", "distal_radius", "wrist_centre"),
}
"""Names of the landmarks of each view, in the order of the site profile."""


_SWELLING_MM: Mapping[str, float] = {"gross": 20.5, "moderate": 19.5, "subtle": 18.0, "faint": 17.0}

BREADTH = 1.05
"""Breadth of the wrist relative to the template; with it the landmarks are as far apart as on hand radiographs."""


@dataclass(frozen=True, eq=False)
class Limb:
    """The bones of one patient's limb in the reference frame, neutral, fractured but not yet posed.

    Attributes:
        person, shape: whose limb.
        fractures: the fractures in it.
        forearm: parts of radius and ulna, in place.
        carpus: carpal bones, in place for a neutral wrist and an unbroken radius.
        fingers: bones of the five fingers in their own frames.
        points: landmark name -> point, moved with its fragment, except ``wrist_centre`` (neutral).
        outlines: per fracture, points near its surface before and after the movement, for a neutral wrist.
        hand_shift: 4x4 matrix by which the fractured radius takes carpus and hand along.
    """

    person: Person
    shape: ForearmShape
    fractures: tuple[Fracture, ...]
    forearm: tuple[Solid, ...]
    carpus: tuple[Solid, ...]
    fingers: tuple[tuple[tuple[Solid, ...], ...], ...]
    points: Mapping[str, Matrix]
    outlines: tuple[Matrix, ...]
    hand_shift: Matrix


@dataclass(frozen=True, eq=False)
class PosedLimb:
    """A limb in a pose, in the limb's frame in reference millimetres.

    Attributes:
        bones: all solids.
        soft: the soft tissue envelope.
        points: landmark name -> (x, y, z).
        outlines: per fracture, points near its surface.
    """

    bones: tuple[Solid, ...]
    soft: Solid
    points: Mapping[str, Matrix]
    outlines: tuple[Matrix, ...]


def build_limb(person: Person, shape: ForearmShape, fractures: Sequence[Fracture], rng: np.random.Generator) -> Limb:
    """Build a limb with its fractures; the same limb without them has every intact bone in the same place."""
    radius, ulna = _broad(build_radius(person, shape)), _broad(build_ulna(person, shape))
    carpus = _broad(build_carpus(person, rng))
    fingers = build_bones(person, rng)
    points = _landmarks(radius, ulna)
    shift = np.eye(4)
    outlines = []
    for fracture in fractures:
        if fracture.bone == "radius":
            outlines.append(_outline(radius, fracture))
            radius = _break(radius, fracture)
            if fracture.kind != "styloid":
                shift = fracture.movement @ shift
            for name in ("distal_radius", "dorsal_rim", "palmar_rim"):
                if _beyond(points[name], fracture):
                    points[name] = apply(fracture.movement, points[name])
        elif fracture.bone == "ulna":
            outlines.append(_outline(ulna, fracture))
            ulna = _break(ulna, fracture)
            if _beyond(points["distal_ulna"], fracture):
                points["distal_ulna"] = apply(fracture.movement, points["distal_ulna"])
        else:
            outlines.append(_outline([s for s in carpus if s.name == fracture.bone], fracture))
            carpus = tuple(
                part
                for solid in carpus
                for part in (_break([solid], fracture) if solid.name == fracture.bone else (solid,))
            )
    return Limb(person, shape, tuple(fractures), (*radius, *ulna), carpus, fingers, points, tuple(outlines), shift)


def pose_limb(limb: Limb, pose: HandPose, visible_y: float) -> PosedLimb:
    """Hold the hand in a pose; bones that start beyond ``visible_y`` are left out."""
    place = limb.hand_shift @ wrist_matrix(pose)
    rays = [pose_ray(k, bones, pose, visible_y) for k, bones in enumerate(limb.fingers)]
    rays = [
        replace(ray, solids=tuple(s.posed(place) for s in ray.solids), joints=apply(place, ray.joints)) for ray in rays
    ]
    bones = [*limb.forearm, *(s.posed(place) for s in limb.carpus), *(s for ray in rays for s in ray.solids)]
    swelling = [
        (outline.mean(axis=0) * (0.6, 1, 1) + (0, 0, 4), _SWELLING_MM[fracture.severity])
        for fracture, outline in zip(limb.fractures, limb.outlines, strict=True)
        if fracture.severity in _SWELLING_MM and fracture.bone == "radius"
    ]
    soft = build_soft_tissue(limb.person, rays, place, swelling)
    points = {**limb.points, "wrist_centre": apply(place, CAPITATE_HEAD)}
    outlines = tuple(
        apply(place, outline) if fracture.bone == "scaphoid" else outline
        for fracture, outline in zip(limb.fractures, limb.outlines, strict=True)
    )
    return PosedLimb(tuple(bones), soft, points, outlines)


def _broad(solids: Sequence[Solid]) -> tuple[Solid, ...]:
    return tuple(solid.posed(np.diag([BREADTH, 1.0, 1.0, 1.0])) for solid in solids)


def _landmarks(radius: Sequence[Solid], ulna: Sequence[Solid]) -> dict[str, Matrix]:
    last_radius, last_ulna = radius[-1], ulna[-1]
    facet = ((-6.5, 8.0), None, None)
    return {
        "distal_ulna": apply(last_ulna.pose, extreme_point(last_ulna, (-0.25, 1.0, 0.0))),
        "distal_radius": apply(last_radius.pose, extreme_point(last_radius, (0.3, 1.0, 0.0))),
        "dorsal_rim": apply(last_radius.pose, extreme_point(last_radius, (0.0, 1.0, 0.75), facet)),
        "palmar_rim": apply(last_radius.pose, extreme_point(last_radius, (0.0, 1.0, -0.75), facet)),
    }


def _beyond(point: Matrix, fracture: Fracture) -> bool:
    return float((point - np.asarray(fracture.point)) @ np.asarray(fracture.normal)) > 0


def _outline(solids: Sequence[Solid], fracture: Fracture) -> Matrix:
    return np.concatenate([outline_points(solid, fracture) for solid in solids])


def _break(solids: Sequence[Solid], fracture: Fracture) -> tuple[Solid, ...]:
    """Divide the solids of one bone at a fracture and move what lies beyond; an occult fracture moves nothing."""
    if fracture.severity == "occult":
        return tuple(solids)
    result: list[Solid] = []
    for solid in solids:
        raised = buckle(solid, fracture) if fracture.bump_mm else solid
        stays, moves = split(raised, fracture)
        for part, moved in ((stays, False), (moves, True)):
            occupied = (part.distance < 0) & (part.cut < 0)  # type: ignore[operator]
            if not occupied.any():
                continue
            whole = not ((part.distance < 0) & (part.cut >= 0)).any()  # type: ignore[operator]
            kept = replace(part, cut=None) if whole else part
            pieces = _shatter(kept, fracture) if moved and fracture.fragments else (kept,)
            result += [piece.posed(fracture.movement) if moved else piece for piece in pieces]
    return tuple(result)


def _shatter(solid: Solid, fracture: Fracture) -> tuple[Solid, ...]:
    """Divide the moving part lengthwise into fragments that drift apart."""
    rng = np.random.default_rng(fracture.seed + 1)
    pieces: tuple[Solid, ...] = (solid,)
    for k in range(fracture.fragments):
        angle = 180 * k / fracture.fragments + rng.uniform(-25, 25)
        normal = rotation("y", angle) @ np.array([1.0, float(rng.normal(0, 0.15)), 0.0])
        normal /= np.linalg.norm(normal)
        crack = replace(
            fracture,
            normal=(float(normal[0]), float(normal[1]), float(normal[2])),
            point=(8.0 + float(rng.normal(0, 4)), fracture.level + 8, float(rng.normal(0, 2))),
            shift_mm=tuple(float(v) for v in normal * rng.uniform(0.6, 1.6) + rng.normal(0, 0.6, 3)),  # type: ignore[arg-type]
            angulation_deg=(float(rng.normal(0, 4)), float(rng.normal(0, 4))),
            seed=fracture.seed + 2 + k,
            bump_mm=0.0,
        )
        halves = []
        for piece in pieces:
            stays, moves = split(piece, crack)
            halves += [stays, moves.posed(crack.movement)]
        pieces = tuple(halves)
    return pieces
