"""One view of a posed limb as a processed image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from fractureai.phantom.detector import CORTEX_PER_MM, SOFT_PER_MM, Exposure, detect, process
from fractureai.phantom.framing import Framing, open_beam, place_marker
from fractureai.phantom.hardware import Hardware, metal, shell
from fractureai.phantom.limb import PosedLimb
from fractureai.phantom.person import Person
from fractureai.phantom.projection import Camera, path_lengths
from fractureai.phantom.solids import Field, Solid
from fractureai.phantom.texture import patch, trabeculae


@dataclass(frozen=True, eq=False)
class Scene:
    """All that stands in the beam, and how it is imaged."""

    limb: PosedLimb
    camera: Camera
    person: Person
    hardware: Hardware
    cast: tuple[Solid, Solid] | None
    exposure: Exposure
    framing: Framing


def bone_attenuation(scene: Scene, rng: np.random.Generator) -> Field:
    """Return the line integrals (nepers) of bone beyond those of the soft tissue it displaces."""
    camera, person = scene.camera, scene.person
    total = np.zeros(camera.shape, np.float32)
    axis = camera.matrix[:2, 1]
    direction = float(np.rad2deg(np.arctan2(axis[0], axis[1])))
    loss = max(0.0, 1 - person.spongy)
    streaks = trabeculae(camera.pitch_mm, direction, 2.6, 0.55 + 0.35 * loss, rng)
    meshes = trabeculae(camera.pitch_mm, direction, 1.3, 0.6 + 0.3 * loss, rng)
    strength = float(rng.uniform(0.16, 0.3)) * (1 + 0.5 * loss)
    for solid in scene.limb.bones:
        lengths = path_lengths(solid, camera)
        shift = tuple(int(v) for v in rng.integers(0, 512, 2))
        if lengths is None:
            continue
        texture = streaks if solid.name in ("radius", "ulna") or " " in solid.name else meshes
        grain = 1 + np.float32(strength) * patch(texture, lengths.window, (shift[0], shift[1]))
        total[lengths.window] += solid.density * (lengths.compact + lengths.spongy * np.maximum(grain, 0))
    return total * np.float32(CORTEX_PER_MM * scene.exposure.bone)


def soft_attenuation(scene: Scene, rng: np.random.Generator) -> tuple[Field, Field]:
    """Return (line integrals of soft tissue, its thickness in millimetres)."""
    camera = scene.camera
    coarse = Camera(np.diag([0.25, 0.25, 1, 1]) @ camera.matrix, camera.pitch_mm, _quarter(camera.shape))
    del coarse
    lengths = path_lengths(scene.limb.soft, camera)
    thickness = np.zeros(camera.shape, np.float32)
    if lengths is not None:
        thickness[lengths.window] = lengths.outer
    axis = camera.matrix[:2, 1]
    direction = float(np.rad2deg(np.arctan2(axis[0], axis[1])))
    fibres = trabeculae(camera.pitch_mm, direction, 5.0, 4.5, rng)
    fibres += 0.5 * trabeculae(camera.pitch_mm, direction, 6.0, 1.6, rng)
    mottle = patch(fibres, (slice(0, camera.shape[0]), slice(0, camera.shape[1])), (0, 0))
    fat = np.clip(thickness / 14, 0, 1)
    attenuation = thickness * np.float32(SOFT_PER_MM) * (0.8 + 0.2 * fat + np.float32(0.018) * mottle)
    return np.asarray(attenuation, dtype=np.float32), thickness


def _quarter(shape: tuple[int, int]) -> tuple[int, int]:
    return shape[0] // 4 + 1, shape[1] // 4 + 1


def render(scene: Scene, streams: tuple[np.random.Generator, np.random.Generator, np.random.Generator]) -> Field:
    """Return the processed image, 0..1, bone bright.

    Args:
        scene: what is imaged.
        streams: random numbers for texture, for markers, for noise.
    """
    camera = scene.camera
    texture, place, noise = streams
    attenuation = bone_attenuation(scene, texture)
    soft, thickness = soft_attenuation(scene, texture)
    attenuation += soft
    if scene.cast is not None:
        attenuation += shell(scene.cast, camera)
    if scene.hardware.pins or scene.hardware.plates:
        attenuation += metal(scene.hardware, camera, scene.limb.size)
    beam, inside = open_beam(camera.shape, scene.framing, camera.pitch_mm)
    marker = place_marker(scene.framing, thickness, inside, camera.pitch_mm, place)
    if marker is not None and scene.framing.lead:
        attenuation += marker[0] * np.float32(3.5) + marker[1] * np.float32(place.uniform(0.03, 0.25))
    log_image = detect(attenuation, beam, camera.pitch_mm, scene.exposure, noise)
    image = process(log_image, camera.pitch_mm, scene.exposure, inside > 0.5)
    if scene.framing.shutter is not None:
        image = np.where(inside < 0, np.float32(scene.framing.shutter), image)
    if marker is not None and not scene.framing.lead:
        box = 0.6 * marker[1] * np.float32(place.random() < 0.6)
        image = np.maximum(image, box)
        image = image + (1 - image) * marker[0]
    return np.asarray(ndimage.gaussian_filter(image, 0.0) if False else image, dtype=np.float32)
