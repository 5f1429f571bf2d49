"""One view of a posed limb as a processed image."""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

import numpy as np

from fractureai.phantom.clutter import Clutter, clutter_attenuation
from fractureai.phantom.detector import CORTEX_PER_MM, SOFT_PER_MM, Exposure, detect, process
from fractureai.phantom.framing import Framing, open_beam, place_marker
from fractureai.phantom.hardware import Hardware, metal, shell
from fractureai.phantom.limb import PosedLimb
from fractureai.phantom.person import Person
from fractureai.phantom.projection import Camera, bone_lengths, path_length
from fractureai.phantom.solids import Field, Solid
from fractureai.phantom.texture import fibres, patch


@dataclass(frozen=True, eq=False)
class Scene:
    """All that stands in the beam, and how it is imaged."""

    limb: PosedLimb
    camera: Camera
    person: Person
    hardware: Hardware
    cast: tuple[Solid, Solid] | None
    clutter: Clutter
    exposure: Exposure
    framing: Framing


def bone_attenuation(scene: Scene, rng: np.random.Generator) -> Field:
    """Return the line integrals (nepers) of bone beyond those of the soft tissue it displaces."""
    camera, person = scene.camera, scene.person
    total = np.zeros(camera.shape, np.float32)
    axis = camera.matrix[:2, 1]
    direction = float(np.rad2deg(np.arctan2(axis[0], axis[1])))
    loss = max(0.0, 1 - person.spongy)
    width = (0.42 + 0.25 * loss) * (0.6 + 0.4 * person.scale)
    streaks = fibres(camera.pitch_mm, (direction - 7, direction + 7), 5.0, width, rng)
    mesh = fibres(camera.pitch_mm, (direction - 38, direction + 35, direction), 3.2, width, rng)
    strength = np.float32(rng.uniform(0.13, 0.26) * (1 + 0.6 * loss))
    base = (int(rng.integers(512)), int(rng.integers(512)))
    for solid in scene.limb.bones:
        shift = (base[0] + crc32(solid.name.encode()) % 512, base[1] + len(solid.name) * 37)
        lengths = bone_lengths(solid, camera)
        if lengths is None:
            continue
        window, shell_mm, spongy_mm = lengths
        texture = streaks if solid.name in ("radius", "ulna") or " " in solid.name else mesh
        grain = 1 + strength * patch(texture, window, shift)
        total[window] += shell_mm + spongy_mm * np.maximum(grain, 0)
    return total * np.float32(CORTEX_PER_MM * scene.exposure.bone)


def soft_attenuation(scene: Scene, rng: np.random.Generator) -> tuple[Field, Field]:
    """Return (line integrals of soft tissue, its thickness in millimetres)."""
    camera = scene.camera
    thickness = np.zeros(camera.shape, np.float32)
    length = path_length(scene.limb.soft, camera)
    if length is not None:
        thickness[length[0]] = length[1]
    axis = camera.matrix[:2, 1]
    direction = float(np.rad2deg(np.arctan2(axis[0], axis[1])))
    muscle = fibres(camera.pitch_mm, (direction - 4, direction + 5), 7.0, 2.6, rng)
    mottle = patch(muscle, (slice(0, camera.shape[0]), slice(0, camera.shape[1])), (0, 0))
    fat = np.clip(thickness / 14, 0, 1)
    attenuation = thickness * np.float32(SOFT_PER_MM) * (0.8 + 0.2 * fat + np.float32(0.018) * mottle)
    return np.asarray(attenuation, dtype=np.float32), thickness


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
        attenuation += metal(scene.hardware, camera)
    attenuation += clutter_attenuation(scene.clutter, camera.shape, camera.pitch_mm, place)
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
    return np.asarray(image, dtype=np.float32)
