"""Stage 2: the probability of one region of interest, with test-time augmentation and an activation map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fractureai.geometry import five_crop_corners
from fractureai.inference.activation import WindowMaps
from fractureai.inference.runtime import Outputs, Runtime

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Classification:
    """What the classifiers say about one region of interest.

    Attributes:
        fold_probabilities: (folds,) of the positive class; each the mean over the windows.
        crop_probabilities: (folds, windows) of the positive class.
        window_maps: the activation map of each fold and window.
        features: (folds, channels) pooled features; mean over the windows.
        logits: (folds, classes), mean over the windows; nan where a network does not give them.
    """

    fold_probabilities: npt.NDArray[np.float64]
    crop_probabilities: npt.NDArray[np.float64]
    window_maps: WindowMaps
    features: FloatArray
    logits: npt.NDArray[np.float64]

    @property
    def activation_map(self) -> FloatArray:
        """(side, side) in pixels of the region, 0..1 (share of the maximum); mean over folds and windows."""
        return self.window_maps.activation_map()

    @property
    def member_maps(self) -> FloatArray:
        """(folds, side, side); see `WindowMaps.member_maps`."""
        return self.window_maps.member_maps()


@dataclass(frozen=True, eq=False)
class Windows:
    """The classifier's inputs for one region of interest.

    Attributes:
        batch: (n, 1, window, window).
        corners: (row, col) of each window, in the region or in its mirror image.
        mirrored: whether it was cut out of the mirror image.
    """

    batch: FloatArray
    corners: tuple[tuple[int, int], ...]
    mirrored: tuple[bool, ...]


def cut_windows(region: FloatArray, window_px: int, crops: str, mirror: bool) -> Windows:
    """Cut the test-time windows (DeepWrist: five crops of the region and of its mirror image).

    Args:
        region: (side, side) in 0..1.
        window_px: side of a window.
        crops: ``five`` or ``centre``.
        mirror: whether to add those of the mirror image.
    """
    corners = five_crop_corners(region.shape[0], window_px)
    if crops == "centre":
        corners = corners[-1:]
    images = [(region, False), (region[:, ::-1], True)] if mirror else [(region, False)]
    cut = [
        (image[row : row + window_px, col : col + window_px], (row, col), flip)
        for image, flip in images
        for row, col in corners
    ]
    batch = np.stack([window for window, _, _ in cut])[:, np.newaxis].astype(np.float32)
    return Windows(batch, tuple(corner for _, corner, _ in cut), tuple(flip for _, _, flip in cut))


def classify(
    region: FloatArray, classifiers: Sequence[Runtime], *, window_px: int, crops: str, mirror: bool, positive: int
) -> Classification:
    """Classify a region of interest.

    Args:
        region: (side, side) crop of the normalised radiograph.
        classifiers: one network a fold.
        window_px, crops, mirror: see `cut_windows`.
        positive: index of the class whose probability is wanted.
    """
    windows = cut_windows(region, window_px, crops, mirror)
    outputs = [network.run(windows.batch) for network in classifiers]
    probabilities = np.array([output["probability"][:, positive] for output in outputs], dtype=float)
    maps = np.stack([output["activation_map"] for output in outputs])
    return Classification(
        probabilities.mean(axis=1),
        probabilities,
        WindowMaps(maps, windows.corners, windows.mirrored, window_px, region.shape[0]),
        np.stack([output["features"].mean(axis=0) for output in outputs]),
        np.stack([_logits(output) for output in outputs]),
    )


def _logits(output: Outputs) -> npt.NDArray[np.float64]:
    """Return (classes,); networks exported before there were logits do not give them."""
    if "logits" not in output:
        return np.full(output["probability"].shape[1], np.nan)
    return np.asarray(output["logits"].mean(axis=0), dtype=np.float64)
