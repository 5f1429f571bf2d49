"""Occlusion sensitivity: how much the probability falls when a patch of the region of interest is hidden.

Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014, section 4.2. It asks the networks
themselves and no inner value of theirs, so it is a check on activation maps; it costs one forward pass a patch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fractureai.errors import GeometryError
from fractureai.geometry import crop_roi
from fractureai.inference.classify import cut_windows
from fractureai.inference.runtime import Runtime
from fractureai.radiograph import normalise

if TYPE_CHECKING:
    from fractureai.inference.pipeline import Pipeline
    from fractureai.inference.prediction import ViewPrediction
    from fractureai.radiograph.model import Radiograph

FloatArray = npt.NDArray[np.float64]

PATCH_MM = 10.0
"""Side of the patch: about the height of a distal radius fracture's marked region."""

STRIDE_MM = 5.0

_BATCH = 32


@dataclass(frozen=True, eq=False)
class Occlusion:
    """What hiding patches did to the probability of one region of interest.

    Attributes:
        probability: of the positive class with nothing hidden; mean over members, of the central window alone.
        corners: (n, 2) top left pixel (row, col) in the region of each patch.
        drops: (n,) ``probability`` minus that with the patch hidden; below 0 where hiding raised it.
        patch_px: side of the patches.
        size_px: side of the region.
    """

    probability: float
    corners: npt.NDArray[np.int64]
    drops: FloatArray
    patch_px: int
    size_px: int

    def drop_map(self) -> FloatArray:
        """Return (size_px, size_px): the mean drop of the patches that cover a pixel; 0 where none does."""
        total, count = np.zeros((2, self.size_px, self.size_px))
        for (row, col), drop in zip(self.corners, self.drops, strict=True):
            place = np.s_[row : row + self.patch_px, col : col + self.patch_px]
            total[place] += drop
            count[place] += 1
        return np.asarray(total / np.maximum(count, 1))

    def evidence_map(self) -> FloatArray:
        """Return the drops above 0 as (size_px, size_px), divided by their maximum: 0..1, as an activation map."""
        evidence = np.maximum(self.drop_map(), 0)
        highest = evidence.max()
        return np.asarray(evidence / highest if highest > 0 else evidence)

    def patch_means(self, heat: npt.NDArray[np.floating]) -> FloatArray:
        """Return (n,) the mean of another map of the region under each patch."""
        side = self.patch_px
        return np.array([heat[row : row + side, col : col + side].mean() for row, col in self.corners], dtype=float)


def occlude(
    region: npt.NDArray[np.float32],
    classifiers: Sequence[Runtime],
    *,
    window_px: int,
    positive: int,
    patch_px: int,
    stride_px: int,
) -> Occlusion:
    """Hide a patch at every place of the region's central window, and classify each time.

    The patch has the window's mean grey. Only the central window is read, without test-time augmentation: that is ten
    times quicker, and the same for every patch.

    Args:
        region: (side, side) crop of the normalised radiograph.
        classifiers: one network a member; their probabilities are averaged.
        window_px: side of the networks' input.
        positive: index of the class whose probability is wanted.
        patch_px: side of the patch.
        stride_px: from one place to the next; the last place of each line touches the window's edge.

    Raises:
        GeometryError: patch or stride are not at least one pixel, or the patch is larger than the window.
    """
    if not (0 < patch_px <= window_px and stride_px > 0):
        raise GeometryError(f"A patch of {patch_px} pixels every {stride_px} does not fit a window of {window_px}.")
    cut = cut_windows(region, window_px, "centre", mirror=False)
    window, offset = cut.batch[0], np.array(cut.corners[0])
    starts = _starts(window_px, patch_px, stride_px)
    corners = np.array([(row, col) for row in starts for col in starts], dtype=np.int64)
    whole = _probabilities(classifiers, window[np.newaxis], positive)[0]
    hidden = np.concatenate([_probabilities(classifiers, x, positive) for x in _hidden(window, corners, patch_px)])
    return Occlusion(float(whole), corners + offset, whole - hidden, patch_px, region.shape[0])


def occlude_view(
    pipeline: Pipeline,
    radiograph: Radiograph,
    view: ViewPrediction,
    *,
    patch_mm: float = PATCH_MM,
    stride_mm: float = STRIDE_MM,
) -> Occlusion:
    """Occlude the region of interest of a radiograph that was read.

    Args:
        pipeline: the models that read it.
        radiograph: the image.
        view: its reading.
        patch_mm, stride_mm: side of the patch, and the way from one place to the next.
    """
    reader = pipeline.readers[view.view]
    size_px, site = reader.profile.roi_size_px, pipeline.bundle.site
    px_per_mm = size_px / view.roi.side_mm
    numbers = view.members or range(len(reader.classifiers))
    return occlude(
        crop_roi(normalise(radiograph.pixels, grey_levels=pipeline.bundle.spec.grey_levels), view.roi, size_px),
        [reader.classifiers[number] for number in numbers],
        window_px=reader.models.window_px,
        positive=site.classes.index(site.positive_class),
        patch_px=max(1, round(patch_mm * px_per_mm)),
        stride_px=max(1, round(stride_mm * px_per_mm)),
    )


def _starts(window_px: int, patch_px: int, stride_px: int) -> list[int]:
    last = window_px - patch_px
    return [*range(0, last, stride_px), last]


def _hidden(
    window: npt.NDArray[np.float32], corners: npt.NDArray[np.int64], patch_px: int
) -> Iterator[npt.NDArray[np.float32]]:
    """Yield batches (n, 1, window, window) of the window with one patch hidden in each."""
    grey = window.mean()
    for first in range(0, len(corners), _BATCH):
        part = corners[first : first + _BATCH]
        batch = np.repeat(window[np.newaxis], len(part), axis=0)
        for image, (row, col) in zip(batch, part, strict=True):
            image[:, row : row + patch_px, col : col + patch_px] = grey
        yield batch


def _probabilities(classifiers: Sequence[Runtime], batch: npt.NDArray[np.float32], positive: int) -> FloatArray:
    members = [network.run(batch)["probability"][:, positive] for network in classifiers]
    return np.asarray(np.mean(members, axis=0), dtype=float)
