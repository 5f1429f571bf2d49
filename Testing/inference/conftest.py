"""A bundle of tiny analytic networks, and images on which their right answers are known.

The localizer finds flat discs by their grey value; the classifier's activation map is the mean over cells of how much a
pixel is brighter than the discs, and its probability a logistic function of the largest such value.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from fractureai.bundle import BundleSpec, LandmarkLimits, ViewModels, site_table, write_bundle
from fractureai.radiograph.model import Radiograph
from fractureai.sites import load_site

LEVELS = (0.25, 0.45, 0.65)
"""Grey values of the three landmarks' discs, in their order; the finding is 1."""

SIZE, WINDOW = 256, 224


def _numbers(values) -> str:
    return "{" + ", ".join(f"{value:.8g}" for value in np.ravel(values)) + "}"


def localizer(path: Path, size: int = SIZE, shift: float = 0.0) -> Path:
    """Write a localizer; ``shift`` moves all its answers down by this share of the image."""
    place = (np.arange(size) + 0.5) / size
    text = f"""
    <ir_version: 8, opset_import: ["" : 17]>
    localizer (float[n, 1, {size}, {size}] image) => (float[n, 3, 2] landmarks, float[n, 3] spread)
    <float[1, 3, 1, 1] levels = {_numbers(LEVELS)}, float[1, 1, {size}, 1] rows = {_numbers(place)},
     float[1, 1, 1, {size}] cols = {_numbers(place)}, float[1] width = {{0.05}}, float[1] one = {{1.0}},
     float[1] tiny = {{1e-7}}, float[1] shift = {{{shift}}}>
    {{
        space = Constant <value_ints = [2, 3]> ()
        high = MaxPool <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (image)
        negative = Neg (image)
        minuslow = MaxPool <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (negative)
        range = Add (high, minuslow)
        unlike = Sub (image, levels)
        distance = Abs (unlike)
        both = Add (distance, range)
        share = Div (both, width)
        like = Sub (one, share)
        near = Relu (like)
        weight = Add (near, tiny)
        total = ReduceSum (weight, space)
        by_row = Mul (weight, rows)
        by_col = Mul (weight, cols)
        row_sum = ReduceSum (by_row, space)
        col_sum = ReduceSum (by_col, space)
        row = Div (row_sum, total)
        col = Div (col_sum, total)
        row_off = Sub (rows, row)
        col_off = Sub (cols, col)
        row_square = Mul (row_off, row_off)
        col_square = Mul (col_off, col_off)
        square = Add (row_square, col_square)
        weighted = Mul (weight, square)
        square_sum = ReduceSum (weighted, space)
        variance = Div (square_sum, total)
        deviation = Sqrt (variance)
        spread = Squeeze (deviation, space)
        moved = Add (row, shift)
        points = Concat <axis = 3> (moved, col)
        axis = Constant <value_ints = [2]> ()
        landmarks = Squeeze (points, axis)
    }}
    """
    onnx.save(onnx.parser.parse_model(text), path)
    return path


def classifier(path: Path, window: int = WINDOW, bias: float = -2.0, cell: int = 8) -> Path:
    """Write a classifier: logit = 20 * mean brightness above 0.8 of the brightest cell + ``bias``."""
    text = f"""
    <ir_version: 8, opset_import: ["" : 17]>
    classifier (float[n, 1, {window}, {window}] image)
        => (float[n, 2] probability, float[n, h, w] activation_map, float[n, 1] features)
    <float[1] floor = {{0.8}}, float[1] gain = {{20.0}}, float[1] bias = {{{bias}}}, float[1] one = {{1.0}}>
    {{
        channel = Constant <value_ints = [1]> ()
        above = Sub (image, floor)
        bright = Relu (above)
        cells = AveragePool <kernel_shape = [{cell}, {cell}], strides = [{cell}, {cell}]> (bright)
        activation_map = Squeeze (cells, channel)
        highest = ReduceMax <axes = [2, 3], keepdims = 0> (cells)
        scaled = Mul (highest, gain)
        logit = Add (scaled, bias)
        positive = Sigmoid (logit)
        negative = Sub (one, positive)
        probability = Concat <axis = 1> (negative, positive)
        features = ReduceMean <axes = [2, 3], keepdims = 0> (bright)
    }}
    """
    onnx.save(onnx.parser.parse_model(text), path)
    return path


@dataclass(frozen=True)
class Scene:
    """A synthetic radiograph and what a reader should find on it."""

    radiograph: Radiograph
    landmarks: tuple[tuple[float, float], ...]
    finding: tuple[float, float] | None


def draw(
    shape: tuple[int, int],
    discs: list[tuple[float, float, float]],
    radius: float,
    aspect: float = 1.0,
) -> np.ndarray:
    """Draw flat discs (row, col, grey value) of ``radius`` columns; ``aspect`` columns are one row."""
    rows, cols = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    image = np.zeros(shape, np.float32)
    for row, col, value in discs:
        image[((rows - row) * aspect) ** 2 + (cols - col) ** 2 <= radius**2] = value
    return image


def make_radiograph(pixels: np.ndarray, *, name: str = "PA", **changes) -> Radiograph:
    values = {
        "path": Path(f"{name}.dcm"),
        "pixels": (1000 * pixels + 50).astype(np.float32),
        "spacing_mm": (0.5, 0.5),
        "spacing_source": "ImagerPixelSpacing",
        "view": "PA",
        "view_source": "ViewPosition",
        "side": "L",
        "side_source": "ImageLaterality",
        "body_part": "WRIST",
        "body_part_source": "BodyPartExamined",
        "sop_instance_uid": f"2.25.{abs(hash(name)) % 10**12}",
        "study_instance_uid": "1.2.3",
        "patient_id": "P1",
    }
    return Radiograph(**{**values, **changes})


# Offsets (row, col) in millimetres of the three PA landmarks from their mean: both styloids towards the forearm.
PA_OFFSETS_MM = np.array([(8.0, 17.0), (2.0, -19.0), (-10.0, 2.0)])


def make_scene(
    *,
    shape: tuple[int, int] = (400, 360),
    centre: tuple[float, float] = (170.0, 180.0),
    finding_mm: tuple[float, float] | None = (20.0, 5.0),
    spacing_mm: float = 0.5,
    quarter_turns: int = 0,
    name: str = "PA",
    view: str = "PA",
    scale: float = 1.0,
    **changes,
) -> Scene:
    """Make a scene; ``finding_mm`` is the finding's place from the landmarks' mean, upright, in millimetres."""
    angle = quarter_turns * np.pi / 2
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    offsets = PA_OFFSETS_MM - PA_OFFSETS_MM.mean(axis=0)
    points = np.array(centre) + scale * offsets @ turn.T / spacing_mm
    discs = [(*point, level) for point, level in zip(points, LEVELS, strict=True)]
    finding = None
    if finding_mm is not None:
        finding = tuple(float(value) for value in np.array(centre) + turn @ np.array(finding_mm) / spacing_mm)
        discs.append((*finding, 1.0))
    pixels = draw(shape, discs, radius=7.5 / spacing_mm)
    stripe = max(3, round(0.015 * shape[0]))
    pixels[:stripe] = pixels[-stripe:] = 1.0  # more than 1 % of the image is white: grey values stay as drawn
    radiograph = make_radiograph(pixels, name=name, view=view, spacing_mm=(spacing_mm, spacing_mm), **changes)
    return Scene(radiograph, tuple((float(row), float(col)) for row, col in points), finding)


LIMITS = LandmarkLimits(0.2, (0.6, 0.6, 0.6), (1.6, 1.6, 1.6), 20.0, 50.0)


def make_spec(**changes) -> BundleSpec:
    def models(view: str, threshold: float) -> ViewModels:
        return ViewModels(
            localizers=(f"models/{view}/localizer_0.onnx",),
            classifiers=(f"models/{view}/classifier_0.onnx", f"models/{view}/classifier_1.onnx"),
            threshold=threshold,
            window_px=WINDOW,
            crops="five",
            mirror=True,
            limits=LIMITS,
            fold_disagreement_max=0.2,
        )

    values = {
        "id": "analytic-1",
        "title": "Analytic networks",
        "site": site_table(load_site("wrist")),
        "views": {"PA": models("PA", 0.41), "LAT": models("LAT", 0.58)},
        "ensemble_threshold": 0.5,
        "view_disagreement_max": 0.5,
        "localizer_size_px": SIZE,
        "recipe": {},
        "data": {"simulated": True},
        "metrics": {},
        "versions": {},
        "command": "",
        "notice": "trained on simulated images; not for clinical use",
        "created": "2026-01-01",
    }
    return BundleSpec(**{**values, **changes})


def build_bundle(folder: Path, spec: BundleSpec | None = None, *, biases=(-2.0, -2.1), shift: float = 0.0) -> Path:
    """Write a bundle of analytic networks for a specification."""
    spec = spec or make_spec()
    work = folder.with_name(folder.name + "-onnx")
    work.mkdir(parents=True, exist_ok=True)
    files = {}
    for number, (_, view) in enumerate(spec.views.items()):
        for fold, name in enumerate(view.localizers):
            files[name] = localizer(work / f"l{number}{fold}.onnx", spec.localizer_size_px, shift)
        for fold, name in enumerate(view.classifiers):
            files[name] = classifier(work / f"c{number}{fold}.onnx", view.window_px, biases[fold])
    return write_bundle(folder, spec, files, {"network_def": {"_target_": "torch.nn.Identity"}})


def with_models(spec: BundleSpec, **changes) -> BundleSpec:
    """Return a specification with changed values in the models of every view."""
    return replace(spec, views={name: replace(view, **changes) for name, view in spec.views.items()})


@pytest.fixture(scope="session")
def bundle_folder(tmp_path_factory) -> Path:
    return build_bundle(tmp_path_factory.mktemp("bundles") / "analytic")
