"""A radiograph in the scene: a scalar volume of one slice with exactly the pixels that were read."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import slicer
import vtk

from fractureai.radiograph import UNKNOWN, Radiograph, VoiLut, VoiWindow, intensity_range
from fractureai.radiograph.display import default_window
from fractureai.scene.nodes import (
    KIND,
    FloatArray,
    Node,
    SceneError,
    hierarchy,
    item_of,
    kind_of,
    nodes_of_kind,
    nodes_on,
    place,
    remove_node,
    scalars_of,
    scene,
    world_matrix,
)

__all__ = [
    "add_radiograph",
    "add_study",
    "apply_window",
    "display_window",
    "exact_image",
    "find_radiograph",
    "find_study_item",
    "pixel_to_ras",
    "pixels_of",
    "ras_to_pixel",
    "remove_radiograph",
    "remove_study",
    "spacing_of",
    "study_item_of",
    "whole_window",
    "window_of",
    "windows_of",
]

UID = "FractureAI.SOPInstanceUID"
"""Attribute of a radiograph's volume; the others are ``.View``, ``.Side``, ``.Spacing`` (its source), ``.Windows``."""

_SIDE_NAMES = {"L": "left", "R": "right", "B": "both sides"}
_TYPES: tuple[tuple[type[Any], int], ...] = (
    (np.uint8, vtk.VTK_UNSIGNED_CHAR),
    (np.int16, vtk.VTK_SHORT),
    (np.uint16, vtk.VTK_UNSIGNED_SHORT),
)
_CHUNK_PX = 65_536
_NARROW = 1e-3
"""The narrowest window, for one that is a mere threshold (DICOM allows a width of 1)."""


def add_radiograph(
    radiograph: Radiograph, *, name: str | None = None, study_item: int | None = None, image: Any = None
) -> Node:
    """Add a radiograph to the scene.

    The voxels are ``radiograph.pixels`` exactly, in the smallest type of uint8, int16, uint16 and float32 that holds
    them. The window is the header's first VOI LUT or window, else `default_window`. It is shown nowhere yet: `show`.

    Args:
        radiograph: what was read.
        name: of the node; by default view and side, for example ``PA left``.
        study_item: the hierarchy item of its study (`add_study`); by default the study of its Study Instance UID, made
            where there is none yet.
        image: its voxels, when they were prepared before (`exact_image`).

    Returns:
        vtkMRMLScalarVolumeNode; i = col, j = row, ijkToRAS = diag(-column spacing, -row spacing, 1), spacing 1 where
        the radiograph has none.
    """
    volume = slicer.vtkMRMLScalarVolumeNode()
    volume.SetName(name or _default_name(radiograph))
    row_mm, col_mm = radiograph.spacing_mm or (1.0, 1.0)
    volume.SetIJKToRASDirections(-1, 0, 0, 0, -1, 0, 0, 0, 1)
    volume.SetSpacing(col_mm, row_mm, 1.0)
    _describe(volume, radiograph)
    volume.SetAndObserveImageData(exact_image(radiograph.pixels) if image is None else image)
    volume.SetAndObserveDisplayNodeID(_add_display(volume, radiograph).GetID())
    scene().AddNode(volume)
    if study_item is None and radiograph.study_instance_uid:
        study_item = add_study(radiograph.study_instance_uid, _study_name(radiograph.study_date))
    place(volume, hierarchy().GetSceneItemID() if study_item is None else study_item)
    return volume


def remove_radiograph(volume: Node) -> None:
    """Remove a radiograph and everything of ours that lies on it; its study and patient too when left empty."""
    study_item = study_item_of(volume)
    for node in (*nodes_on(volume), volume):
        remove_node(node)
    _remove_empty(study_item)


def find_radiograph(sop_instance_uid: str) -> Node | None:
    """Return the radiograph of this SOP Instance UID that was added last, or None."""
    found = [node for node in nodes_of_kind("radiograph") if node.GetAttribute(UID) == sop_instance_uid]
    return found[-1] if found else None


def add_study(study_uid: str, name: str, *, patient: str = "") -> int:
    """Return the hierarchy item of a study, made where there is none yet.

    Args:
        study_uid: Study Instance UID. A study that Slicer loaded from its DICOM database is found by it.
        name: of the item, for people.
        patient: pseudonym; the study is put below the patient of this name. "": the study stands at the top.
    """
    tree = hierarchy()
    item = find_study_item(study_uid)
    if item is not None:
        return item
    parent = tree.GetSceneItemID()
    if patient:
        found = tree.GetItemChildWithName(parent, patient)
        at_level = found and tree.GetItemLevel(found) == "Patient"
        parent = found if at_level else tree.CreateSubjectItem(parent, patient)
    item = int(tree.CreateStudyItem(parent, name))
    tree.SetItemUID(item, "DICOM", study_uid)
    return item


def find_study_item(study_uid: str) -> int | None:
    """Return the hierarchy item of the study with this Study Instance UID, or None."""
    tree = hierarchy()
    return (int(tree.GetItemByUID("DICOM", study_uid)) or None) if study_uid else None


def study_item_of(volume: Node) -> int:
    """Return the hierarchy item of the study a radiograph belongs to; the top of the tree where it has none."""
    tree = hierarchy()
    item = tree.GetItemAncestorAtLevel(item_of(volume), "Study")
    return int(item or tree.GetSceneItemID())


def remove_study(study_item: int) -> None:
    """Remove a study: its radiographs, what lies on them, readings and verdicts, and its patient when left empty.

    Harmless when the study is gone already.
    """
    tree = hierarchy()
    if not _exists(study_item):
        return
    nodes = vtk.vtkCollection()
    tree.GetDataNodesInBranch(study_item, nodes)
    for node in [nodes.GetItemAsObject(index) for index in range(nodes.GetNumberOfItems())]:
        if not scene().IsNodePresent(node):
            continue
        if kind_of(node) == "radiograph":
            remove_radiograph(node)
        else:
            remove_node(node)
    if _exists(study_item):  # not removed with its last radiograph: folders or other nodes were left
        parent = tree.GetItemParent(study_item)
        tree.RemoveItem(study_item, True, True)
        _remove_empty(parent)


def _exists(item: int) -> bool:
    """Return whether the hierarchy has this item; unlike its own functions without a message where it has not."""
    items = vtk.vtkIdList()
    hierarchy().GetItemChildren(hierarchy().GetSceneItemID(), items, True)
    return bool(items.IsId(item) >= 0)


def _remove_empty(item: int) -> None:
    """Remove a study or patient without anything below it, and then what it lies below."""
    tree = hierarchy()
    if tree.GetItemLevel(item) in ("Study", "Patient") and not tree.GetNumberOfItemChildren(item):
        parent = tree.GetItemParent(item)
        tree.RemoveItem(item, False, False)
        _remove_empty(parent)


def pixel_to_ras(volume: Node, points_rc: npt.ArrayLike) -> FloatArray:
    """Map (..., 2) points (row, col), integers at pixel centres, to (..., 3) world RAS millimetres.

    Raises:
        SceneError: a parent transform of the volume is not linear.
    """
    points = np.asarray(points_rc, dtype=float)
    matrix = world_matrix(volume)
    return np.asarray(points[..., ::-1] @ matrix[:3, :2].T + matrix[:3, 3])


def ras_to_pixel(volume: Node, points_ras: npt.ArrayLike) -> FloatArray:
    """Map (..., 3) world RAS millimetres to (..., 2) points (row, col), along the normal of the image.

    Raises:
        SceneError: a parent transform of the volume is not linear.
    """
    matrix = world_matrix(volume)
    offset = np.asarray(points_ras, dtype=float) - matrix[:3, 3]
    ijk = offset @ np.linalg.inv(matrix[:3, :3]).T
    return np.asarray(ijk[..., 1::-1])


def pixels_of(volume: Node) -> npt.NDArray[Any]:
    """Return a view (rows, columns) of the voxels; not a copy."""
    image = _image_of(volume)
    columns, rows, _ = image.GetDimensions()
    return scalars_of(image).reshape(rows, columns)


def spacing_of(volume: Node) -> tuple[float, float] | None:
    """Return the (row, column) spacing in millimetres, or None where the radiograph had none."""
    if volume.GetAttribute("FractureAI.Spacing") in (None, "none"):
        return None
    col_mm, row_mm, _ = volume.GetSpacing()
    return row_mm, col_mm


def apply_window(volume: Node, window: VoiWindow) -> None:
    """Show a radiograph through a window; one that is not linear through the linear one nearest (`display_window`)."""
    linear = display_window(window)
    volume.GetDisplayNode().SetWindowLevel(linear.width, linear.center)


def window_of(volume: Node) -> VoiWindow:
    """Return the window a radiograph is shown through now."""
    display = volume.GetDisplayNode()
    return VoiWindow(display.GetLevel(), display.GetWindow(), "", "LINEAR_EXACT")


def windows_of(volume: Node) -> tuple[VoiWindow, ...]:
    """Return the windows of the header as Slicer shows them, the one shown first at the front.

    All are LINEAR_EXACT; ``explanation`` is their name. Empty when the header has none: see `whole_window`.
    """
    listed = json.loads(volume.GetAttribute("FractureAI.Windows") or "[]")
    return tuple(VoiWindow(center, width, name, "LINEAR_EXACT") for center, width, name in listed)


def whole_window(volume: Node) -> VoiWindow:
    """Return a window from the 1st to the 99.5th percentile of the voxels that are not padding."""
    pixels = pixels_of(volume)
    padding = json.loads(volume.GetAttribute("FractureAI.Padding") or "null")
    if padding is not None:
        exposed = pixels[(pixels < padding[0]) | (pixels > padding[1])]
        pixels = exposed if exposed.size else pixels
    low, high = intensity_range(pixels.astype(np.float32), 1.0, 99.5)
    return VoiWindow((low + high) / 2, max(high - low, _NARROW), "1st to 99.5th percentile", "LINEAR_EXACT")


def display_window(window: VoiWindow | VoiLut) -> VoiWindow:
    """Return the linear window in Slicer's terms (LINEAR_EXACT) that shows what a DICOM window shows.

    Slicer maps ``center - width / 2`` to black and ``center + width / 2`` to white: LINEAR_EXACT. LINEAR (DICOM PS3.3
    C.11.2.1.2.1) is the same with the centre half a unit lower and the width one unit narrower. For SIGMOID and a VOI
    LUT, which Slicer does not have, it is the line through the points of 10 % and 90 % brightness: it differs from a
    sigmoid by less than 7 % of the brightness anywhere, and its explanation ends with "(nearest linear)".
    """
    if isinstance(window, VoiLut):
        return _nearest_linear(*_lut_crossings(window), window.explanation or "VOI LUT")
    if window.function == "SIGMOID":
        reach = math.log(9) / 4 * window.width  # of the sigmoid from its centre to 10 % and 90 %
        return _nearest_linear(window.center - reach, window.center + reach, window.explanation or "sigmoid")
    half, one = (0.5, 1.0) if window.function == "LINEAR" else (0.0, 0.0)
    width = max(window.width - one, _NARROW)
    return VoiWindow(window.center - half, width, window.explanation, "LINEAR_EXACT")


def _nearest_linear(low: float, high: float, name: str) -> VoiWindow:
    width = max((high - low) / 0.8, _NARROW)
    return VoiWindow((low + high) / 2, width, f"{name} (nearest linear)", "LINEAR_EXACT")


def _lut_crossings(lut: VoiLut) -> tuple[float, float]:
    """Return the pixel values at which a VOI LUT passes 10 % and 90 % of its brightness, lower value first."""
    values = np.asarray(lut.values[:: int(lut.step)] if lut.step < 0 else lut.values, dtype=float)
    start = lut.first if lut.step > 0 else lut.first - (values.size - 1)
    span = float(values.max() - values.min()) or 1.0
    shares = (values - values.min()) / span
    low = int(np.argmax(shares >= 0.1))
    high = values.size - 1 - int(np.argmax(shares[::-1] <= 0.9))
    return start + low, start + max(high, low)


def _add_display(volume: Node, radiograph: Radiograph) -> Node:
    windows = windows_of(volume) or (display_window(default_window(radiograph)),)
    display = slicer.vtkMRMLScalarVolumeDisplayNode()
    display.SetAutoWindowLevel(False)  # before it meets the image: else Slicer computes a histogram first
    display.SetWindowLevel(windows[0].width, windows[0].center)
    for window in windows:
        display.AddWindowLevelPreset(window.width, window.center)
    scene().AddNode(display)
    display.SetDefaultColorMap()
    return display


def _describe(volume: Node, radiograph: Radiograph) -> None:
    shown = [*map(display_window, radiograph.voi_luts), *map(display_window, radiograph.windows)]
    padding = radiograph.padding_range
    for key, value in {
        KIND: "radiograph",
        UID: radiograph.sop_instance_uid,
        "FractureAI.StudyInstanceUID": radiograph.study_instance_uid,
        "FractureAI.View": radiograph.view,
        "FractureAI.Side": radiograph.side,
        "FractureAI.Spacing": radiograph.spacing_source if radiograph.spacing_mm else "none",
        "FractureAI.Windows": json.dumps([(w.center, w.width, w.explanation) for w in shown]),
        "FractureAI.Padding": "" if padding is None else json.dumps(padding),
    }.items():
        if value:
            volume.SetAttribute(key, value)


def _default_name(radiograph: Radiograph) -> str:
    view = "" if radiograph.view == UNKNOWN else radiograph.view
    return f"{view} {_SIDE_NAMES.get(radiograph.side, '')}".strip() or "Radiograph"


def _study_name(study_date: str) -> str:
    if len(study_date) != 8:
        return "Study"
    return f"Study {study_date[:4]}-{study_date[4:6]}-{study_date[6:]}"


def exact_image(pixels: npt.NDArray[np.float32]) -> Any:
    """Return a vtkImageData of the smallest scalar type that holds the pixels exactly.

    Touches neither the scene nor any node, so it may run on another thread.
    """
    flat = np.ascontiguousarray(pixels).reshape(-1)
    sample = flat[:: max(1, flat.size // 4096)]
    low, high = sample.min(), sample.max()
    for kind, code in _TYPES:
        limits = np.iinfo(kind)
        if limits.min <= low and high <= limits.max:
            image = _allocate(pixels.shape, code)
            if _converted(flat, scalars_of(image)):
                return image
    image = _allocate(pixels.shape, vtk.VTK_FLOAT)
    scalars_of(image)[:] = flat
    return image


def _allocate(shape: tuple[int, ...], code: int) -> Any:
    image = vtk.vtkImageData()
    image.SetDimensions(shape[1], shape[0], 1)
    image.AllocateScalars(code, 1)
    return image


def _converted(source: npt.NDArray[np.float32], target: npt.NDArray[Any]) -> bool:
    """Convert chunk by chunk, each small enough for the cache; return False at the first value that changes."""
    with np.errstate(invalid="ignore"):
        for start in range(0, source.size, _CHUNK_PX):
            values, part = source[start : start + _CHUNK_PX], target[start : start + _CHUNK_PX]
            np.copyto(part, values, casting="unsafe")
            if not (part == values).all():
                return False
    return True


def _image_of(volume: Node) -> Any:
    image = volume.GetImageData()
    if image is None:
        raise SceneError(f"{volume.GetName()} has no image; load it again.")
    return image
