"""What a radiologist might have dictated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fractureai.phantom.fractures import Fracture
from fractureai.phantom.study import StudyPlan

_SIDE = {"L": "left", "R": "right"}


def write_report(plan: StudyPlan, views: Sequence[str], rng: np.random.Generator) -> str:
    """Return the report of a study, in English; the wording varies."""
    side = _SIDE[plan.side]
    names = {"PA": "PA", "LAT": "lateral", "OBLIQUE": "oblique"}
    shown = " and ".join(names[view] for view in views)
    exam = f"Radiograph of the {side} wrist, {shown} view{'s' if len(views) > 1 else ''}."
    history = _pick(
        rng,
        "Fall on the outstretched hand.",
        "Trauma today. Fracture?",
        "Pain and swelling after a fall.",
        "Fell from a bicycle, tender over the distal radius.",
        "Follow-up." if plan.cast else "Slipped on ice.",
        "Wrist pain after sports.",
    )
    findings = [_aids(plan, rng), *_findings(plan, rng), _quality(plan, rng)]
    text = " ".join(part for part in findings if part)
    return f"{exam}\n\nClinical information: {history}\n\nFindings: {text}\n\nImpression: {_impression(plan, rng)}\n"


def _pick(rng: np.random.Generator, *options: str) -> str:
    return options[int(rng.integers(len(options)))]


def _aids(plan: StudyPlan, rng: np.random.Generator) -> str:
    parts = []
    if plan.cast:
        parts.append(_pick(rng, f"Images through a {plan.cast}.", f"A {plan.cast} obscures bony detail."))
    if plan.implant == "wires":
        parts.append(
            _pick(rng, "Kirschner wires in the distal radius in situ.", "K-wire fixation, unchanged position.")
        )
    if plan.implant == "plate":
        parts.append(
            _pick(rng, "Volar locking plate in place, no loosening.", "Status post plate osteosynthesis of the radius.")
        )
    return " ".join(parts)


def _findings(plan: StudyPlan, rng: np.random.Generator) -> list[str]:
    if plan.hard:
        return [
            _pick(
                rng,
                "No definite fracture line is seen.",
                "No fracture is identified with certainty; subtle irregularity can not be excluded.",
                "Alignment is anatomical. No definite fracture.",
            )
        ]
    if not plan.fractures:
        return [
            _pick(
                rng,
                "No fracture or dislocation.",
                "The bones are intact, alignment is normal.",
                "No acute bony abnormality. Joint spaces are preserved.",
                "Radius, ulna and carpal bones without evidence of fracture.",
            ),
            "Growth plates are open and unremarkable." if plan.person.child and rng.random() < 0.6 else "",
        ]
    return [_describe(fracture, rng) for fracture in plan.fractures]


def _describe(fracture: Fracture, rng: np.random.Generator) -> str:
    degree = {"gross": "markedly displaced", "moderate": "displaced", "subtle": "minimally displaced"}[
        fracture.severity
    ]
    dorsal = "dorsal" if fracture.angulation_deg[0] >= 0 else "palmar"
    angle = max(1, round(abs(fracture.angulation_deg[0])))
    short = max(0, round(-fracture.shift_mm[1]))
    if fracture.bone == "ulna":
        return (
            _pick(rng, "Associated fracture of the ulnar styloid.", "The ulnar styloid is avulsed.")
            if fracture.kind == "styloid"
            else _pick(rng, f"The ulna is also fractured, {degree}.", "Concomitant fracture of the distal ulna.")
        )
    texts = {
        "torus": _pick(
            rng, "Buckling of the cortex of the distal radius (torus fracture).", "Torus fracture of the radius."
        ),
        "greenstick": f"Greenstick fracture of the radius with {angle} degrees of {dorsal} angulation.",
        "salter": f"Physeal fracture of the distal radius (Salter-Harris II), {degree} to {dorsal}.",
        "shaft": f"Fracture of the radial shaft, {degree}, {angle} degrees of angulation.",
        "scaphoid": "Fracture through the waist of the scaphoid.",
        "styloid": f"Fracture of the radial styloid, {degree}.",
        "comminuted": f"Comminuted intra-articular fracture of the distal radius, {degree}, shortening {short} mm.",
        "smith": f"Fracture of the distal radius with palmar tilt of {angle} degrees (Smith).",
        "colles": f"Extra-articular fracture of the distal radius (Colles), {degree}, {angle} degrees {dorsal} tilt.",
        "metaphyseal": f"Transverse fracture of the distal radial metaphysis, {degree}.",
    }
    return texts[fracture.kind]


def _quality(plan: StudyPlan, rng: np.random.Generator) -> str:
    if plan.person.spongy < 0.7 and not plan.person.child:
        return _pick(rng, "Diffuse osteopenia.", "Reduced bone density.", "")
    if plan.fractures and not plan.hard:
        return _pick(rng, "Soft tissue swelling.", "")
    return ""


def _impression(plan: StudyPlan, rng: np.random.Generator) -> str:
    if plan.hard:
        return _pick(
            rng,
            "No definite fracture; if clinical suspicion persists, CT is recommended.",
            "No fracture seen. In case of persistent pain CT or follow-up in 10 days.",
            "Equivocal. CT should be considered.",
        )
    if not plan.fractures:
        return _pick(rng, "No fracture.", "Normal wrist.", "No acute findings.", "Unremarkable radiographs.")
    bones = sorted({fracture.bone for fracture in plan.fractures})
    return _pick(rng, f"Fracture of the {' and '.join(bones)}.", f"Acute fracture: {', '.join(bones)}.")
