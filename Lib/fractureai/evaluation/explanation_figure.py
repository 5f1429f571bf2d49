"""A figure like DeepWrist's figure 4: studies the model found and missed, each view with label, map and probability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fractureai.dataset import Annotation, Dataset, Region
from fractureai.evaluation.cases import CaseResult
from fractureai.evaluation.localisation import outline_in_roi
from fractureai.geometry import crop_roi, resize
from fractureai.inference.prediction import Prediction, ViewPrediction
from fractureai.radiograph import normalise

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE_PX = 400
"""Side of a panel's image: finer than the networks' input, so that people see what there is to see."""

OUTLINE = "#56B4E9"  # sky blue of Okabe and Ito: far from all colours of the heat map

_WIDTH_IN, _ROW_IN, _LEGEND_IN = 9.6, 2.85, 0.62


@dataclass(frozen=True, eq=False)
class ExampleView:
    """One view of an example.

    Attributes:
        view: name of the view profile.
        label: of the reference, for this radiograph.
        probability, threshold: of the reading.
        image: (SIZE_PX, SIZE_PX) region of interest, 0..1.
        heat: (SIZE_PX, SIZE_PX) activation map, 0..1.
        outlines: each marked fracture as (n, 2) points (row, col) in pixels of the image.
    """

    view: str
    label: str
    probability: float
    threshold: float
    image: npt.NDArray[np.float32]
    heat: npt.NDArray[np.float32]
    outlines: tuple[npt.NDArray[np.float64], ...]


@dataclass(frozen=True, eq=False)
class Example:
    """One study of the figure.

    Attributes:
        kind: stable key, such as ``true-positive-hard``.
        title: what it is an example of.
        study: key of the study.
        views: PA first.
    """

    kind: str
    title: str
    study: str
    views: tuple[ExampleView, ...] = field(repr=False)


def choose_examples(cases: Sequence[CaseResult]) -> tuple[tuple[str, str, CaseResult], ...]:
    """Choose a true positive of the general set, and a true positive and a false negative of the hard set.

    Of each kind the study with the median probability is taken, of those with the most views: a typical one, not the
    best. Without fractures in the hard set, the last is any false negative; kinds without a study are left out.

    Returns:
        (key, title, case) of each.
    """
    fractures = [case for case in cases if case.label and case.called is not None and case.views]
    found = [case for case in fractures if case.called]
    missed = [case for case in fractures if not case.called]
    hard = any(case.stratum == "hard" for case in fractures)
    general = [case for case in found if case.stratum != "hard"]
    kinds = [("true-positive-general", "True positive, general set" if hard else "True positive", general)]
    if hard:
        kinds += [
            (f"{key}-hard", f"{title}, hard set", [case for case in group if case.stratum == "hard"])
            for key, title, group in (
                ("true-positive", "True positive", found),
                ("false-negative", "False negative", missed),
            )
        ]
    else:
        kinds.append(("false-negative", "False negative", missed))
    return tuple((key, title, _median(group)) for key, title, group in kinds if group)


def make_examples(
    dataset: Dataset,
    cases: Sequence[CaseResult],
    predictions: Mapping[str, Prediction],
    raters: Sequence[str] | None = None,
) -> tuple[Example, ...]:
    """Read the radiographs of the chosen studies again and cut out what the figure shows.

    Args:
        dataset: that was read.
        cases, predictions: as of `fractureai.evaluation.cases_from_predictions`.
        raters: whose labels and regions are shown; see `Dataset.reference_annotations`.

    Raises:
        RadiographError: a radiograph can not be read again.
    """
    references = dataset.reference_annotations(raters)
    kind = dataset.site.positive_class
    return tuple(
        Example(
            key,
            title,
            case.study,
            tuple(
                _example_view(dataset, view, references.get(view.sop_instance_uid), kind)
                for view in sorted(predictions[case.study].views, key=lambda view: view.view != "PA")
            ),
        )
        for key, title, case in choose_examples(cases)
    )


def examples_size(examples: Sequence[Example]) -> tuple[float, float]:
    """Return width and height in inches of `draw_examples`."""
    rows = sum(-(-len(example.views) // 2) for example in examples)
    return _WIDTH_IN, rows * _ROW_IN + _LEGEND_IN


def draw_examples(figure: Figure, examples: Sequence[Example]) -> None:
    """Draw each study as a row: two views, each with its label on the left and map and probability on the right."""
    rows = [(example, example.views[i : i + 2]) for example in examples for i in range(0, len(example.views), 2)]
    parts: Any = figure.subfigures(len(rows) + 1, 1, height_ratios=[_ROW_IN] * len(rows) + [_LEGEND_IN])
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    for part, (example, views) in zip(parts, rows, strict=False):
        part.suptitle(example.title, x=0.01, ha="left", fontsize=11, weight="bold")
        axes: Any = part.subplots(1, 4, gridspec_kw={"wspace": 0.03})
        for axis in axes[2 * len(views) :]:
            axis.set_axis_off()
        for i, view in enumerate(views):
            letter = next(letters)
            _panel(axes[2 * i], view, f"({letter}) {view.view}, label: {view.label}", heat=False)
            caption = f"Probability {view.probability:.2f} (threshold {view.threshold:.2f})"
            _panel(axes[2 * i + 1], view, caption, heat=True)
    _legend(parts[-1])


def blend(image: npt.NDArray[np.float32], heat: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return (rows, columns, 3) RGB in 0..1: a grey image with an activation map over it."""
    from fractureai.inference.overlay import heat_rgba

    rgba = heat_rgba(heat)
    opacity = rgba[..., 3:]
    return np.asarray(image[..., np.newaxis] * (1 - opacity) + rgba[..., :3] * opacity)


def display_window(region: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return an image in 0..1 with its 1st percentile black and its 99.5th white."""
    low, high = np.percentile(region, (1, 99.5))
    return np.asarray(np.clip((region - low) / max(high - low, 1e-6), 0, 1), dtype=np.float32)


def _median(cases: Sequence[CaseResult]) -> CaseResult:
    most = max(len({view.view for view in case.views}) for case in cases)
    ranked = [case for case in cases if len({view.view for view in case.views}) == most]
    return sorted(ranked, key=lambda case: (case.probability, case.study))[len(ranked) // 2]


def _example_view(dataset: Dataset, view: ViewPrediction, reference: Annotation | None, kind: str) -> ExampleView:
    radiograph = dataset.read(dataset.row(view.sop_instance_uid))
    regions: tuple[Region, ...] = () if reference is None else reference.regions
    return ExampleView(
        view=view.view,
        label=(reference.label if reference else None) or "none",
        probability=view.probability,
        threshold=view.threshold,
        image=display_window(crop_roi(normalise(radiograph.pixels), view.roi, SIZE_PX)),
        heat=resize(view.activation_map, (SIZE_PX, SIZE_PX)),
        outlines=tuple(outline_in_roi(region, view.roi, SIZE_PX) for region in regions if region.kind == kind),
    )


def _panel(axes: Axes, view: ExampleView, title: str, *, heat: bool) -> None:
    shown = blend(view.image, view.heat if heat else np.zeros_like(view.heat))
    axes.imshow(shown, interpolation="none")  # SVG keeps the image's own pixels
    for outline in view.outlines:
        axes.plot(outline[:, 1], outline[:, 0], "--", color=OUTLINE, linewidth=1.1)
    size = view.image.shape[0]
    axes.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.set_title(title, fontsize=10, pad=4)


def _legend(part: Any) -> None:
    """Draw the heat map's colours over mid-grey, as they look on the images, and the outline."""
    from fractureai.inference.overlay import HEAT_CUT_OFF

    axes = part.add_axes((0.01, 0.45, 0.4, 0.25))
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[np.newaxis]
    axes.imshow(
        blend(np.full_like(ramp, 0.5), ramp), extent=(0, 1, 0, 1), aspect="auto", interpolation="none", origin="lower"
    )
    axes.set_yticks([])
    axes.set_xticks([0, HEAT_CUT_OFF, 0.5, 0.75, 1], ["0", f"{HEAT_CUT_OFF:g}", "0.5", "0.75", "1"])
    axes.grid(visible=False)
    part.text(0.43, 0.57, "activation, share of the map's maximum", va="center")
    key = part.add_axes((0.75, 0.45, 0.05, 0.25))
    key.plot([0, 0, 1, 1, 0], [0, 1, 1, 0, 0], "--", color=OUTLINE, linewidth=1.4)
    key.set_axis_off()
    part.text(0.81, 0.57, "marked fracture", va="center")
