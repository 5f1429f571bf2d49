"""What a model looked at: its region of interest as an outline, its activation map as a soft heat map.

In slice views a colour table's alpha is all or nothing, so the map is shown as an RGBA volume; its values stay beside
it in a scalar volume.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import slicer
import vtk
from vtkmodules.util.numpy_support import numpy_to_vtk

from fractureai.geometry import Roi
from fractureai.scene.nodes import (
    COLOURS,
    KIND,
    Node,
    SceneError,
    attach,
    local_matrix,
    nodes_on,
    scalars_of,
    scene,
    to_vtk,
)
from fractureai.scene.radiograph import pixels_of

__all__ = [
    "COLOURS",
    "ActivationNodes",
    "activation_on",
    "add_activation",
    "add_roi",
    "cutoff_of",
    "inferno",
    "legend_image",
    "style_activation",
]

CUTOFF = 0.25
"""Share of the maximum below which an activation is not shown."""

RAMP = 0.5
"""The activation is opaque (before the layer's opacity) this far above the cut-off, or at 1."""

VALUES = "FractureAI.Values"
"""Role of the node reference from the shown RGBA volume to its scalar volume."""

# 26 equally spaced colours of matplotlib's "inferno" by Nathaniel J. Smith and Stefan van der Walt (CC0),
# bids.github.io/colormap; between them straight lines.
_INFERNO = (
    "000003 040316 0F092E 1E0C46 300A5C 410967 520E6C 62146E 731A6D 83206B 932567 A32B61 B33259 C23B4F D04544 "
    "DC5039 E65E2D EF6E20 F67F13 FA9107 FBA40A FBB71C F8CC35 F3DF54 F1F27C FCFEA4"
)


@dataclass(frozen=True)
class ActivationNodes:
    """An activation map in the scene.

    Attributes:
        values: scalar volume, float32 0..1 (share of the maximum); for the data probe, not shown by itself.
        rgba: vector volume of 4 components, uint8; show it as the foreground.
    """

    values: Node
    rgba: Node


def add_roi(volume: Node, roi: Roi, *, name: str = "Region of interest", parent_item: int | None = None) -> Node:
    """Add the region of interest as a locked outline.

    Args:
        volume: the radiograph.
        roi: in its pixels.
        name: of the node.
        parent_item: hierarchy item to hang it below; the radiograph's by default.

    Returns:
        vtkMRMLMarkupsROINode.
    """
    node = add_box(volume, roi.corners().min(axis=0), roi.corners().max(axis=0), name, "roi", parent_item)
    node.SetLocked(True)
    node.SetNthControlPointVisibility(0, False)
    style_box(node, COLOURS["model bright"])
    return node


def add_box(
    volume: Node, low_rc: npt.ArrayLike, high_rc: npt.ArrayLike, name: str, kind: str, parent_item: int | None = None
) -> Node:
    """Add an axis-aligned box between two corners (row, col), one millimetre deep, centred on the image plane."""
    node = slicer.vtkMRMLMarkupsROINode()
    node.SetName(name)
    scene().AddNode(node)
    node.CreateDefaultDisplayNodes()
    attach(node, volume, kind, parent_item)
    set_box(node, volume, low_rc, high_rc)
    return node


def set_box(node: Node, volume: Node, low_rc: npt.ArrayLike, high_rc: npt.ArrayLike) -> None:
    """Move a box of `add_box` to two corners (row, col)."""
    low, high = np.asarray(low_rc, dtype=float), np.asarray(high_rc, dtype=float)
    matrix = local_matrix(volume)
    centre = (low + high) / 2
    lengths = np.linalg.norm(matrix[:3, :3], axis=0)
    object_to_node = np.eye(4)
    object_to_node[:3, :3] = matrix[:3, :3] / lengths
    object_to_node[:3, 3] = (matrix @ (centre[1], centre[0], 0, 1))[:3]
    height, width = np.abs(high - low)
    node.SetSize(float(width * lengths[0]), float(height * lengths[1]), 1.0)
    node.GetObjectToNodeMatrix().DeepCopy(to_vtk(object_to_node))  # after the size, which rounds the centre to float32
    node.Modified()


def style_box(node: Node, colour: tuple[float, float, float]) -> None:
    """Draw a box as a slim outline without fill and handles."""
    display = node.GetDisplayNode()
    display.SetFillOpacity(0)
    display.SetFillVisibility(False)
    display.SetHandlesInteractive(False)
    display.SetColor(*colour)
    display.SetSelectedColor(*colour)
    display.SetPropertiesLabelVisibility(False)
    display.SetPointLabelsVisibility(False)
    display.SetUseGlyphScale(True)
    display.SetGlyphScale(1.0)
    display.SetCurveLineSizeMode(display.UseLineThickness)
    display.SetLineThickness(0.3)


def add_activation(
    volume: Node,
    activation: npt.NDArray[Any],
    crop_to_image: npt.ArrayLike,
    *,
    name: str = "Activation",
    cutoff: float = CUTOFF,
    parent_item: int | None = None,
) -> ActivationNodes:
    """Add an activation map over a radiograph, exactly where it was computed.

    Args:
        volume: the radiograph.
        activation: (rows, columns), 0..1, share of the maximum.
        crop_to_image: 3x3 affine matrix from the map's (row, col, 1) to the radiograph's, integers at pixel centres:
            ``geometry.crop_matrix(roi, len(activation))``. Quarter turns and mirrors are kept; so is what lies outside
            the radiograph.
        name: of the shown volume.
        cutoff: see `style_activation`.
        parent_item: hierarchy item to hang it below; the radiograph's by default.

    Raises:
        SceneError: the matrix shears (a volume's axes are at right angles), or the map is not two-dimensional.
    """
    shares = np.ascontiguousarray(activation, dtype=np.float32)
    if shares.ndim != 2:
        raise SceneError(f"An activation map has rows and columns; this one has {shares.ndim} dimensions.")
    ijk_to_ras = _ijk_to_ras(volume, np.asarray(crop_to_image, dtype=float))
    values = _add_volume("vtkMRMLScalarVolumeNode", f"{name} (values)", shares[..., None], ijk_to_ras)
    display = slicer.vtkMRMLScalarVolumeDisplayNode()
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(0, 1)
    scene().AddNode(display)
    colours = scene().GetNodeByID("vtkMRMLColorTableNodeFileInferno.txt")  # in Slicer; slicer-core has no colour files
    display.SetAndObserveColorNodeID(colours.GetID() if colours else "vtkMRMLColorTableNodeIron")
    values.SetAndObserveDisplayNodeID(display.GetID())
    rgba = _add_volume("vtkMRMLVectorVolumeNode", name, _rgba(shares, cutoff), ijk_to_ras)
    rgba.CreateDefaultDisplayNodes()
    rgba.SetNodeReferenceID(VALUES, values.GetID())
    rgba.SetAttribute("FractureAI.Cutoff", repr(float(cutoff)))
    attach(values, volume, "activation values", parent_item)
    attach(rgba, volume, "activation", parent_item)
    return ActivationNodes(values, rgba)


def style_activation(nodes: ActivationNodes, cutoff: float = CUTOFF) -> None:
    """Show only what exceeds a share of the maximum: nothing at the cut-off, then ever more opaque.

    Args:
        nodes: the activation.
        cutoff: 0..1.
    """
    image = nodes.rgba.GetImageData()
    shown = scalars_of(image)
    shown[:] = _rgba(pixels_of(nodes.values), cutoff).reshape(-1, 4)
    nodes.rgba.SetAttribute("FractureAI.Cutoff", repr(float(cutoff)))
    image.GetPointData().GetScalars().Modified()
    image.Modified()


def cutoff_of(nodes: ActivationNodes) -> float:
    """Return the share of the maximum above which an activation is shown."""
    return float(nodes.rgba.GetAttribute("FractureAI.Cutoff") or CUTOFF)


def activation_on(volume: Node) -> list[ActivationNodes]:
    """Return the activation maps on a radiograph, in the order of the scene (also after a scene was loaded)."""
    shown = [node for node in nodes_on(volume) if node.GetAttribute(KIND) == "activation"]
    return [ActivationNodes(node.GetNodeReference(VALUES), node) for node in shown if node.GetNodeReference(VALUES)]


def inferno(steps: int = 256) -> npt.NDArray[np.uint8]:
    """Return the colours of "inferno" for values from 0 to 1, (steps, 3), to within 3 of 255 of matplotlib's."""
    knots = np.array([list(bytes.fromhex(code)) for code in _INFERNO.split()])
    places, wanted = np.linspace(0, 1, len(knots)), np.linspace(0, 1, steps)
    return np.stack([np.rint(np.interp(wanted, places, knots[:, i])) for i in range(3)], axis=1).astype(np.uint8)


def alpha(shares: npt.NDArray[Any], cutoff: float) -> npt.NDArray[np.float64]:
    """Return the opacity 0..1 of activations: 0 up to the cut-off, then rising to 1 by `RAMP` above it or at 1."""
    reach = max(min(RAMP, 1 - cutoff), 1e-6)
    return np.asarray(np.clip((np.asarray(shares, dtype=float) - cutoff) / reach, 0, 1))


def legend_image(
    width: int, height: int, cutoff: float = CUTOFF, *, text_rgb: tuple[int, int, int] = (128, 128, 128)
) -> npt.NDArray[np.uint8]:
    """Draw the legend of an activation map: a bar with 0, the cut-off and 1, and what they are shares of.

    Args:
        width: pixels.
        height: pixels; 36 or more for legible text.
        cutoff: as the map is shown with; below it the bar is hatched, as nothing is shown there.
        text_rgb: colour of the text, 0..255.

    Returns:
        (height, width, 4) uint8 RGBA, transparent but for bar and text.
    """
    image = np.zeros((height, width, 4), np.uint8)
    text_px = max(8, min(14, height // 3))
    inset = min(text_px // 2, (width - 1) // 2)
    bar = image[: max(4, height - 2 * text_px - 6), inset : width - inset]
    shares = np.linspace(0, 1, bar.shape[1])
    opacity = alpha(shares, cutoff)[:, None]
    hatch = np.add.outer(np.arange(bar.shape[0]), np.arange(bar.shape[1])) // 3 % 2
    ground = np.where(hatch == 0, 70, 90)[..., None]
    bar[..., :3] = np.rint(ground + (inferno(shares.size) - ground) * opacity)
    bar[..., 3] = 255
    for share, text in ((0.0, "0"), (cutoff, f"{cutoff:.2f}"), (1.0, "1")):
        if share in (0.0, 1.0) or 0.06 < share < 0.9:
            _draw_text(image, text, inset + share * (shares.size - 1), bar.shape[0] + 2, text_px, text_rgb)
    _draw_text(image, "share of maximum", width / 2, height - text_px - 1, text_px, text_rgb)
    return image


def _draw_text(
    image: npt.NDArray[np.uint8], text: str, middle: float, top: int, size_px: int, rgb: tuple[int, int, int]
) -> None:
    """Draw text centred on a column into an RGBA image, kept inside it."""
    style = vtk.vtkTextProperty()
    style.SetFontFamilyToArial()
    style.SetFontSize(size_px)
    style.SetColor(1, 1, 1)
    drawn, size = vtk.vtkImageData(), [0, 0]
    if not vtk.vtkTextRenderer.GetInstance().RenderString(style, text, drawn, size, 72):
        return
    columns, rows, _ = drawn.GetDimensions()
    mask = scalars_of(drawn).reshape(rows, columns, -1)[: size[1], : size[0], 3][::-1]
    left = int(np.clip(round(middle - size[0] / 2), 0, max(0, image.shape[1] - size[0])))
    target = image[top : top + mask.shape[0], left : left + mask.shape[1]]
    mask = mask[: target.shape[0], : target.shape[1]]
    target = target[: mask.shape[0], : mask.shape[1]]
    target[..., :3] = rgb
    target[..., 3] = np.maximum(target[..., 3], mask)


def _ijk_to_ras(volume: Node, crop_to_image: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the map's 4x4 matrix from its (col, row, slice, 1) to RAS, before the radiograph's parent transform."""
    swap = [1, 0, 2]
    in_columns = crop_to_image[np.ix_(swap, swap)]  # (col, row, 1) to (col, row, 1)
    affine = np.eye(4)
    affine[np.ix_((0, 1, 3), (0, 1, 3))] = in_columns
    result = local_matrix(volume) @ affine
    first, second = result[:3, 0], result[:3, 1]
    if abs(first @ second) > 1e-6 * np.linalg.norm(first) * np.linalg.norm(second):
        raise SceneError("The activation map lies askew on the radiograph and can not be shown as a volume.")
    return np.asarray(result)


def _add_volume(class_name: str, name: str, content: npt.NDArray[Any], ijk_to_ras: npt.NDArray[np.float64]) -> Node:
    rows, columns, components = content.shape
    image = vtk.vtkImageData()
    image.SetDimensions(columns, rows, 1)
    scalars = numpy_to_vtk(content.reshape(-1, components), deep=True)  # type: ignore[no-untyped-call]
    scalars.SetName("ImageScalars")
    image.GetPointData().SetScalars(scalars)
    node = getattr(slicer, class_name)()
    node.SetName(name)
    node.SetIJKToRASMatrix(to_vtk(ijk_to_ras))
    node.SetAndObserveImageData(image)
    scene().AddNode(node)
    return node


def _rgba(shares: npt.NDArray[Any], cutoff: float) -> npt.NDArray[np.uint8]:
    table = np.empty((256, 4), np.uint8)
    table[:, :3] = inferno()
    table[:, 3] = np.rint(255 * alpha(np.arange(256) / 255, cutoff))
    steps = np.clip(np.nan_to_num(shares), 0, 1) * np.float32(255) + np.float32(0.5)
    return np.asarray(table[steps.astype(np.uint8)])
