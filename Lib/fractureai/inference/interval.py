"""How steady a probability is: percentile bootstrap over the values whose mean it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

Interval = tuple[float, float]
"""Lower and upper bound."""

RESAMPLES = 2000
SEED = 20210318
LEVEL_PERCENT = 95
MEANING = "how steady the model is, not how often it is right"


def bootstrap_means(values: npt.NDArray[np.floating], number: int) -> FloatArray:
    """Draw the means of resamples with replacement (Efron and Tibshirani 1993, chapter 13).

    Args:
        values: (folds, crops) probabilities; all of them are resampled together.
        number: of the radiograph within its study, so that radiographs are resampled independently; the same number and
            values give the same means.

    Returns:
        (`RESAMPLES`,) means.
    """
    flat = np.asarray(values, dtype=float).ravel()
    chosen = np.random.default_rng([SEED, number]).integers(0, flat.size, (RESAMPLES, flat.size))
    return np.asarray(flat[chosen].mean(axis=1), dtype=np.float64)


def percentile_interval(means: FloatArray, centre: float) -> Interval:
    """Return the central `LEVEL_PERCENT` % of resampled means, widened to hold the mean itself; within 0..1.

    Args:
        means: of `bootstrap_means`.
        centre: the mean of all values.
    """
    tail = (100 - LEVEL_PERCENT) / 2
    low, high = np.percentile(means, (tail, 100 - tail))
    return max(0.0, min(float(low), centre)), min(1.0, max(float(high), centre))


def interval_text(folds: Sequence[int], crops: Sequence[int]) -> str:
    """Say what an interval is over, and what it is not.

    Args:
        folds: of each radiograph, how many networks read it.
        crops: of each radiograph, how many test-time crops each of them read.
    """
    images = f" of {len(folds)} radiographs" if len(folds) > 1 else ""
    basis = f"{_count(folds, 'fold')} and {_count(crops, 'test-time crop')}{images}"
    return f"{LEVEL_PERCENT} % interval over {basis}: {MEANING}"


def _count(numbers: Sequence[int], unit: str) -> str:
    low, high = min(numbers), max(numbers)
    text = f"{low}" if low == high else f"{low} to {high}"
    return f"{text} {unit}" + ("" if high == 1 else "s")
