"""Stage 1: the landmarks of one radiograph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fractureai.geometry import resize
from fractureai.inference.runtime import Runtime


@dataclass(frozen=True, eq=False)
class Localization:
    """Where a view's landmarks are.

    Attributes:
        landmarks_rc: (n, 2) points (row, col) in pixels of the radiograph; the mean over folds.
        spread: (n,) root mean square radius of each heat map as a share of the image's side; the mean over folds.
    """

    landmarks_rc: npt.NDArray[np.float64]
    spread: npt.NDArray[np.float64]


def localize(image: npt.NDArray[np.float32], localizers: Sequence[Runtime], size_px: int) -> Localization:
    """Find the landmarks (DeepWrist, ROI localization block; the mean of the folds' coordinates).

    Args:
        image: (rows, columns) the whole radiograph, normalised to 0..1.
        localizers: one network a fold.
        size_px: side of the networks' input.
    """
    batch = resize(image, (size_px, size_px))[np.newaxis, np.newaxis]
    outputs = [network.run(batch) for network in localizers]
    shares = np.mean([output["landmarks"][0] for output in outputs], axis=0, dtype=float)
    spread = np.mean([output["spread"][0] for output in outputs], axis=0, dtype=float)
    return Localization(shares * np.array(image.shape) - 0.5, spread)
