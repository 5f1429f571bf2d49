"""A simulated study: everything about it follows from (seed, index)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fractureai.phantom.clutter import draw_clutter
from fractureai.phantom.config import PhantomConfig, stream
from fractureai.phantom.detector import draw_exposure
from fractureai.phantom.forearm import ForearmShape, draw_forearm
from fractureai.phantom.fractures import Fracture
from fractureai.phantom.framing import draw_framing, draw_placement, make_camera, mirrored
from fractureai.phantom.hand import draw_pose
from fractureai.phantom.hardware import Hardware, draw_hardware, draw_shell
from fractureai.phantom.injuries import VISIBLE_MM, draw_fractures
from fractureai.phantom.limb import LANDMARKS, Limb, PosedLimb, build_limb, pose_limb
from fractureai.phantom.person import Person, draw_person
from fractureai.phantom.projection import Camera
from fractureai.phantom.rendering import Scene, render
from fractureai.phantom.solids import Field, Matrix

Point = tuple[float, float]


@dataclass(frozen=True)
class StudyPlan:
    """What a study shows, before anything is drawn.

    Attributes:
        seed, index: which study.
        patient: number of the patient; some have two studies.
        person, shape: the patient and the anatomy.
        side: ``L`` or ``R``.
        hard: in the hard stratum.
        fractures: the fractures; empty for a normal wrist.
        cast: ``cast``, ``splint`` or "".
        implant: ``wires``, ``plate`` or "".
    """

    seed: int
    index: int
    patient: int
    person: Person
    shape: ForearmShape
    side: str
    hard: bool
    fractures: tuple[Fracture, ...]
    cast: str
    implant: str

    @property
    def label(self) -> str:
        """``fracture`` or ``normal``."""
        return "fracture" if self.fractures else "normal"

    @property
    def stratum(self) -> str:
        """``hard`` or ``general``."""
        return "hard" if self.hard else "general"


@dataclass(frozen=True)
class FractureTruth:
    """Where one fracture lies in one view.

    Attributes:
        fracture: the fracture.
        polygon: (row, col) vertices around the projected fracture surface.
        box: its bounding box: (row, col) of the top left and bottom right.
        visible: whether the parts moved visibly against each other in this view.
    """

    fracture: Fracture
    polygon: tuple[Point, ...]
    box: tuple[Point, Point]
    visible: bool


@dataclass(frozen=True, eq=False)
class SimulatedRadiograph:
    """One view with exact truth.

    Attributes:
        view, side: the true ones.
        image: (rows, columns) float32, 0..1, bone bright, as processed by the unit.
        spacing_mm: pixel spacing (both axes).
        landmarks: name -> (row, col), pixel centres at integers.
        fractures: truth of each fracture.
    """

    view: str
    side: str
    image: Field
    spacing_mm: float
    landmarks: Mapping[str, Point]
    fractures: tuple[FractureTruth, ...]

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """Bool image of all fracture polygons."""
        return polygon_mask([f.polygon for f in self.fractures], self.image.shape)


@dataclass(frozen=True, eq=False)
class SimulatedStudy:
    """A study: the plan and its radiographs."""

    plan: StudyPlan
    radiographs: tuple[SimulatedRadiograph, ...]


def plan_study(index: int, seed: int, config: PhantomConfig) -> StudyPlan:
    """Decide what a study shows; a pure function of its arguments."""
    patient = index - 1 if index % 8 == 7 else index
    who = stream(seed, patient, "patient")
    person = draw_person(who, config.child_fraction)
    shape = draw_forearm(person, who)
    side = "L" if who.random() < 0.5 else "R"
    rng = stream(seed, index, "plan")
    if index != patient and rng.random() < 0.5:
        side = "L" if side == "R" else "R"
    hard = bool(rng.random() < config.hard_fraction)
    fractured = bool(rng.random() < (config.hard_fracture_fraction if hard else config.fracture_fraction))
    if hard:
        faint = stream(seed, index, "faint").random() < config.hard_faint_fraction
        severity = "faint" if faint else "occult"
    else:
        severity = str(rng.choice(["gross", "moderate", "subtle"], p=config.severities))
    fractures = draw_fractures(person, shape.physis_y, severity, rng) if fractured else ()
    cast = implant = ""
    if not hard and rng.random() < config.cast_fraction:
        cast = str(rng.choice(["cast", "splint"]))
    if not hard and not person.child and rng.random() < 2 * config.implant_fraction:
        implant = str(rng.choice(["wires", "plate"]))
    return StudyPlan(seed, index, patient, person, shape, side, hard, fractures, cast, implant)


def simulate_study(index: int, seed: int, config: PhantomConfig | None = None) -> SimulatedStudy:
    """Simulate one study; a pure function of its arguments.

    Args:
        index: number of the study, from 0.
        seed: of the collection.
        config: what to simulate.
    """
    config = config or PhantomConfig()
    return simulate_plan(plan_study(index, seed, config), config)


def simulate_plan(plan: StudyPlan, config: PhantomConfig) -> SimulatedStudy:
    """Simulate a planned study; change the plan to see the same wrist on the other side, without fracture, ..."""
    limb = build_limb(plan.person, plan.shape, plan.fractures, stream(plan.seed, plan.patient, "bones"))
    hardware = draw_hardware(plan.implant, stream(plan.seed, plan.index, "implant")) if plan.implant else Hardware()
    return SimulatedStudy(plan, tuple(_view(plan, limb, hardware, view, config) for view in config.views))


def _view(plan: StudyPlan, limb: Limb, hardware: Hardware, view: str, config: PhantomConfig) -> SimulatedRadiograph:
    def numbers(purpose: str) -> np.random.Generator:
        return stream(plan.seed, plan.index, view, purpose)

    pose = draw_pose(view, numbers("pose"))
    framing = draw_framing(plan.side, config.marker_fraction, numbers("framing"))
    placement = draw_placement(view, plan.person.scale, framing, numbers("placement"))
    reach = placement.centre_mm[1] + 1.2 * max(placement.width_mm, placement.height_mm) / plan.person.scale
    posed = pose_limb(limb, pose, reach)
    names = LANDMARKS[view]
    points = np.array([posed.points[name] for name in names])
    shown = np.concatenate([points, *(o.mean(axis=0, keepdims=True) for o in posed.outlines if not plan.hard)])
    camera = make_camera(view, plan.side, placement, framing, plan.person.scale, config.pixels, shown)
    projected = camera.project(points)
    cast = draw_shell(posed.soft, plan.cast, stream(plan.seed, plan.index, "cast")) if plan.cast else None
    scene = Scene(
        limb=posed,
        camera=camera,
        person=plan.person,
        hardware=hardware,
        cast=cast,
        exposure=draw_exposure(numbers("exposure")),
        framing=mirrored(framing) if plan.side == "L" else framing,
        clutter=draw_clutter(_shares(projected, camera), numbers("clutter")),
    )
    image = render(scene, (numbers("texture"), numbers("marker"), numbers("noise")))
    return SimulatedRadiograph(
        view=view,
        side=plan.side,
        image=image,
        spacing_mm=camera.pitch_mm,
        landmarks={name: (float(p[0]), float(p[1])) for name, p in zip(names, projected, strict=True)},
        fractures=_fracture_truths(posed, limb, camera),
    )


def _shares(points: Matrix, camera: Camera) -> tuple[float, float]:
    row, col = points.mean(axis=0) / camera.shape
    return float(row), float(col)


def _fracture_truths(posed: PosedLimb, limb: Limb, camera: Camera) -> tuple[FractureTruth, ...]:
    from scipy.spatial import ConvexHull

    truths = []
    edge = np.array(camera.shape) - 0.5
    for fracture, outline in zip(limb.fractures, posed.outlines, strict=True):
        if len(outline) < 4:
            continue
        seen = camera.project(outline)
        hull = np.clip(seen[ConvexHull(seen).vertices], -0.5, edge)
        low, high = hull.min(axis=0), hull.max(axis=0)
        if (high - low < 1).any():
            continue
        truths.append(
            FractureTruth(
                fracture=fracture,
                polygon=tuple((float(r), float(c)) for r, c in hull),
                box=((float(low[0]), float(low[1])), (float(high[0]), float(high[1]))),
                visible=_moves_visibly(fracture, camera),
            )
        )
    return tuple(truths)


def _moves_visibly(fracture: Fracture, camera: Camera) -> bool:
    """Whether the edge of the fracture moves far enough in the image plane."""
    if fracture.severity == "occult":
        return False
    in_plane = fracture.edge_movement_mm @ camera.matrix[:2, :3].T
    return bool(np.linalg.norm(in_plane, axis=1).max() > VISIBLE_MM)


def polygon_mask(polygons: list[tuple[Point, ...]], shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Return the pixels whose centres lie inside any of the (convex) polygons."""
    mask = np.zeros(shape, dtype=bool)
    rows, cols = np.ogrid[0 : shape[0], 0 : shape[1]]
    for polygon in polygons:
        points = np.asarray(polygon)
        area = float(np.cross(np.append(points, points[:1], 0)[:-1], np.roll(points, -1, 0)).sum())
        inside = np.ones(shape, dtype=bool)
        for a, b in zip(points, np.roll(points, -1, axis=0), strict=True):
            side = (b[0] - a[0]) * (cols - a[1]) - (b[1] - a[1]) * (rows - a[0])
            inside &= side * np.sign(area) >= -1e-9
        mask |= inside
    return mask


def other_side(plan: StudyPlan) -> StudyPlan:
    """Return the plan of the exactly mirrored study."""
    return replace(plan, side="L" if plan.side == "R" else "R")
