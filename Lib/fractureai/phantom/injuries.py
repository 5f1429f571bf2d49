"""Which fractures a wrist has, and how its parts have moved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from fractureai.phantom.fractures import Fracture
from fractureai.phantom.person import Person

SEVERITIES: Mapping[str, tuple[float, float]] = {
    "gross": (0.8, 1.15),
    "moderate": (0.52, 0.8),
    "subtle": (0.34, 0.52),
    "occult": (0.0, 0.0),
}
"""Range of the factor by which the movements below are scaled; faint fractures are scaled by `FAINT_MM`."""

VISIBLE_MM = 0.8
"""A fracture counts as visible in a view where its edge moves by more than this in the image plane."""

FAINT_MM = (0.35, 0.75)
"""How far the edge of a faint fracture moves at most, in any direction, on the patient.

Fractures without displacement are the ones that the first radiographs of a wrist miss (Doczi et al., J Hand Surg Br
1995;20B:614-617: 39 distal radii among 626 "sprains"); radiographically subtle fractures show a slight step or offset,
a band, a buckled cortex or soft tissue swelling (Jarraya et al., Radiol Res Pract 2013:370169). So a faint fracture has
a step, band or gap of less than `VISIBLE_MM`, in children also a low buckle, and less swelling than any displaced one.
The fat stripe over the pronator quadratus is not simulated, in normal wrists neither.
"""

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class _Injury:
    """A fracture at full size: see the attributes of `Fracture`."""

    normal: Vector
    point: Vector
    angulation_deg: tuple[float, float]
    shift_mm: Vector
    roughness_mm: float = 1.2
    bump_mm: float = 0.0
    fragments: int = 0
    bone: str = "radius"


def draw_fractures(
    person: Person, physis_y: tuple[float, float], severity: str, rng: np.random.Generator
) -> tuple[Fracture, ...]:
    """Draw the fractures of a wrist; the first is the main one.

    Args:
        person: children break differently.
        physis_y: position of the growth plates of radius and ulna.
        severity: one of `SEVERITIES`, or ``faint``.
        rng: random numbers.
    """
    kind = _draw_kind(person, severity, rng)
    injury = _INJURIES[kind](physis_y[0], rng)
    main = _scaled(kind, injury, severity, rng, person.scale)
    second = None
    if severity not in ("faint", "occult") and main.bone == "radius":
        chance = rng.random()
        if (kind == "shaft" and chance < 0.65) or (
            person.child and kind in ("metaphyseal", "greenstick", "torus") and chance < 0.35
        ):
            second = _ulna_shaft(main, rng)
        elif not person.child and chance < 0.42:
            second = _ulna_styloid(severity, rng)
    return (main,) if second is None else (main, second)


def _draw_kind(person: Person, severity: str, rng: np.random.Generator) -> str:
    if severity == "faint" and person.child:
        odds = {"torus": 0.4, "metaphyseal": 0.35, "salter": 0.25}
    elif severity in ("faint", "occult"):
        adult = {"metaphyseal": 0.4, "scaphoid": 0.35, "styloid": 0.25}
        odds = {"metaphyseal": 0.5, "salter": 0.5} if person.child else adult
    elif person.child:
        odds = {"torus": 0.28, "greenstick": 0.2, "salter": 0.2, "metaphyseal": 0.17, "shaft": 0.15}
    else:
        odds = {
            "colles": 0.4, "smith": 0.09, "comminuted": 0.22, "styloid": 0.06, "metaphyseal": 0.17, "shaft": 0.05,
            "scaphoid": 0.01,
        }  # fmt: skip
    return str(rng.choice(list(odds), p=list(odds.values())))


def _scaled(kind: str, injury: _Injury, severity: str, rng: np.random.Generator, scale: float = 1.0) -> Fracture:
    if severity == "faint":
        whole = _moved(kind, injury, severity, 1.0, rng)
        full_mm = float(np.linalg.norm(whole.edge_movement_mm, axis=1).max()) * scale
        return _moved(kind, injury, severity, float(rng.uniform(*FAINT_MM)) / full_mm, rng)
    return _moved(kind, injury, severity, float(rng.uniform(*SEVERITIES[severity])), rng)


def _moved(kind: str, injury: _Injury, severity: str, size: float, rng: np.random.Generator) -> Fracture:
    unit = np.asarray(injury.normal, dtype=float) / np.linalg.norm(injury.normal)
    x, y, z = (float(size * s) for s in injury.shift_mm)
    return Fracture(
        kind=kind,
        bone=injury.bone,
        level=injury.point[1],
        normal=(float(unit[0]), float(unit[1]), float(unit[2])),
        point=injury.point,
        roughness_mm=injury.roughness_mm,
        angulation_deg=(float(size * injury.angulation_deg[0]), float(size * injury.angulation_deg[1])),
        shift_mm=(x, y, z),
        bump_mm=float(size * injury.bump_mm),
        severity=severity,
        fragments=injury.fragments if severity not in ("faint", "subtle") else 0,
        seed=int(rng.integers(2**31)),
    )


def _metaphysis(lean: float, rng: np.random.Generator) -> tuple[Vector, Vector]:
    """Return (normal, point) of a transverse plane in the metaphysis that leans dorsally or palmarly."""
    normal = (float(rng.normal(0, 0.12)), 1.0, float(rng.normal(0.25 * lean, 0.15)))
    return normal, (8.0, float(rng.uniform(-24, -13)), 0.0)


def _colles(physis: float, rng: np.random.Generator, tip: float = 1.0, fragments: int = 0) -> _Injury:
    del physis
    normal, point = _metaphysis(tip, rng)
    return _Injury(
        normal,
        point,
        (tip * rng.uniform(16, 32), rng.uniform(4, 14)),
        (rng.uniform(-1, 3.5), rng.uniform(-5.5, -2.5), tip * rng.uniform(2.5, 6)),
        rng.uniform(1.2, 2.4),
        fragments=fragments,
    )


def _smith(physis: float, rng: np.random.Generator) -> _Injury:
    return _colles(physis, rng, tip=-1.0)


def _comminuted(physis: float, rng: np.random.Generator) -> _Injury:
    return _colles(physis, rng, fragments=int(rng.integers(2, 4)))


def _styloid(physis: float, rng: np.random.Generator) -> _Injury:
    del physis
    shift = (rng.uniform(2.4, 4.0), rng.uniform(1.5, 3.5), rng.uniform(-2, 2))
    point = (float(rng.uniform(8, 12)), float(rng.uniform(-3, 1)), 0.0)
    return _Injury((0.75, 0.65, 0.0), point, (0.0, rng.uniform(4, 10)), shift, 0.9)


def _torus(physis: float, rng: np.random.Generator) -> _Injury:
    del physis
    normal, _ = _metaphysis(1.0, rng)
    point = (8.0, float(rng.uniform(-32, -20)), 0.0)
    return _Injury(normal, point, (rng.uniform(13, 23), 6 * _sign(rng)), (0.0, -2.2, 0.0), 0.7, rng.uniform(3.6, 5.0))


def _greenstick(physis: float, rng: np.random.Generator) -> _Injury:
    del physis
    normal, _ = _metaphysis(1.0, rng)
    point = (8.0, float(rng.uniform(-42, -24)), -6.0)
    return _Injury(normal, point, (rng.uniform(15, 28), 9 * _sign(rng)), (0.0, 1.2, 0.0), 1.6, 1.4)


def _salter(physis: float, rng: np.random.Generator) -> _Injury:
    shift = (_sign(rng) * rng.uniform(2, 4.5), rng.uniform(0.4, 2.0), rng.uniform(5.5, 10))
    return _Injury((0.0, 1.0, 0.02), (8.0, physis, 0.0), (rng.uniform(12, 24), 7 * _sign(rng)), shift, 0.5)


def _shaft(physis: float, rng: np.random.Generator) -> _Injury:
    del physis
    normal = (_sign(rng) * 0.25, 1.0, float(rng.normal(0, 0.3)))
    shift = (rng.uniform(-6, 9), rng.uniform(-9, 1.5), rng.uniform(-2, 9))
    point = (9.5, float(rng.uniform(-44, -28)), 1.8)
    return _Injury(normal, point, (rng.uniform(-8, 20), 12 * _sign(rng)), shift, 1.8)


def _scaphoid(physis: float, rng: np.random.Generator) -> _Injury:
    del physis
    return _Injury(
        (0.62, 0.75, 0.0), (14.0, 13.0, -1.0), (10.0, 8.0), (1.5, rng.uniform(3, 4.2), 0.8), 0.6, bone="scaphoid"
    )


def _metaphyseal(physis: float, rng: np.random.Generator) -> _Injury:
    del physis
    normal, point = _metaphysis(1.0, rng)
    shift = (
        _sign(rng) * rng.uniform(1.5, 4.5),
        float(rng.choice([rng.uniform(-5, -3), rng.uniform(1.8, 3.2)])),
        rng.uniform(1.5, 4.5),
    )
    return _Injury(normal, point, (rng.uniform(7, 17), 6 * _sign(rng)), shift, rng.uniform(1.0, 2.0))


def _sign(rng: np.random.Generator) -> float:
    return float(rng.choice([-1.0, 1.0]))


_INJURIES: Mapping[str, Callable[[float, np.random.Generator], _Injury]] = {
    "colles": _colles,
    "smith": _smith,
    "comminuted": _comminuted,
    "styloid": _styloid,
    "torus": _torus,
    "greenstick": _greenstick,
    "salter": _salter,
    "shaft": _shaft,
    "scaphoid": _scaphoid,
    "metaphyseal": _metaphyseal,
}


def _ulna_styloid(severity: str, rng: np.random.Generator) -> Fracture:
    shift = (rng.uniform(-0.4, 1.2), rng.uniform(0.9, 2.4), 0.0)
    injury = _Injury(
        (-0.35, 0.93, 0.0), (-23.0, float(rng.uniform(0.2, 1.6)), 3.2), (0.0, -12.0), shift, 0.4, bone="ulna"
    )
    return _scaled("styloid", injury, severity, rng)


def _ulna_shaft(main: Fracture, rng: np.random.Generator) -> Fracture:
    level = float(np.clip(main.level + rng.normal(0, 5), -56, -16))
    return replace(
        main,
        bone="ulna",
        level=level,
        point=(-16.0, level, 2.3),
        shift_mm=(main.shift_mm[0] * 0.5 - 1.0, main.shift_mm[1] * 0.5, main.shift_mm[2] * 0.6),
        angulation_deg=(main.angulation_deg[0] * 0.8, main.angulation_deg[1] * 0.8),
        seed=int(rng.integers(2**31)),
    )
