"""Risk-coverage curves: what referring the least trusted studies leaves.

A study is kept when its uncertainty is low; the others go to a person. **Coverage** is the share that is kept, **risk**
the share of wrong decisions among the kept. AURC, the area under the risk-coverage curve, is the mean risk over the
coverages 1/n, 2/n, ..., 1; excess AURC is what lies above that of an uncertainty that ranks all errors last (Geifman,
El-Yaniv, "Selective classification for deep neural networks", NeurIPS 2017; Geifman, Uziel, El-Yaniv, "Bias-reduced
uncertainty estimation for deep neural classifiers", ICLR 2019).

Studies of equal uncertainty are kept in random order: all values are the mean over these orders, computed exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fractureai.errors import EvaluationError
from fractureai.evaluation.bootstrap import IntArray
from fractureai.evaluation.metrics import BoolArray, FloatArray


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """The risk-coverage curve of one score.

    Attributes:
        coverage: (n,) 1/n, 2/n, ..., 1.
        risk: (n,) share of wrong decisions among the kept.
        aurc: mean of ``risk``.
        excess: ``aurc`` minus that of an uncertainty that ranks all errors last; 0 is best.
    """

    coverage: FloatArray
    risk: FloatArray
    aurc: float
    excess: float


def risk_coverage(wrong: npt.ArrayLike, uncertainty: npt.ArrayLike) -> RiskCoverage:
    """Compute the curve.

    Args:
        wrong: (n,) whether the decision was wrong.
        uncertainty: (n,) higher = trust less.

    Raises:
        EvaluationError: lengths differ, or no uncertainty is defined.
    """
    order = Order(uncertainty)
    errors = _errors(wrong, order)[:, np.newaxis]
    width, bad = order.widths(np.ones_like(errors))[:, 0], order.widths(errors)[:, 0]
    end, bad_end = np.cumsum(width), np.cumsum(bad)
    position = np.arange(1, len(errors) + 1)
    group = np.searchsorted(end, position)
    # Errors up to the end of the group, less the share of it that comes after this position.
    risk = (bad_end[group] - (end[group] - position) * (bad / width)[group]) / position
    aurc = float(risk.mean())
    return RiskCoverage(position / len(errors), risk, aurc, aurc - float(optimal_aurc(bad.sum(), len(errors))))


class Order:
    """Studies in order of uncertainty, those of equal uncertainty together.

    Args:
        uncertainty: (n,) higher = trust less; nan counts as the median of the others.
    """

    def __init__(self, uncertainty: npt.ArrayLike) -> None:
        values = np.asarray(uncertainty, dtype=np.float64)
        if values.ndim != 1 or not len(values) or np.isnan(values).all():
            raise EvaluationError("A score that is not defined for any study ranks none.")
        filled = fill_median(values, values)
        self._order = np.argsort(filled, kind="stable")
        ordered = filled[self._order]
        self._starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        self.group = np.empty(len(values), dtype=np.int64)
        self.group[self._order] = np.repeat(np.arange(len(self._starts)), np.diff(np.append(self._starts, len(values))))

    def widths(self, counts: npt.NDArray[np.generic]) -> FloatArray:
        """Return (groups, resamples) sums inside each group of (n, resamples) numbers."""
        return np.asarray(np.add.reduceat(counts[self._order], self._starts, axis=0), dtype=np.float64)

    def aurc(self, counts: IntArray, wrong: BoolArray) -> FloatArray:
        """Return (resamples,) AURC of resamples given by (n, resamples) counts.

        In a group of w studies with e errors, after W studies with E errors, the risk at the i-th study is
        (E + (i - W) e / w) / i; its sum over the group is e + (E - W e / w) (H(W + w) - H(W)), H the harmonic numbers.
        """
        width, bad = self.widths(counts), self.widths(counts * wrong[:, None])
        before = (np.cumsum(width, axis=0) - width).astype(np.int64)
        bad_before = np.cumsum(bad, axis=0) - bad
        rate = np.divide(bad, width, out=np.zeros_like(bad), where=width > 0)
        harmonic = _harmonic(int(counts.sum(axis=0).max()))
        slope = harmonic[before + width.astype(np.int64)] - harmonic[before]
        return np.asarray((bad + (bad_before - before * rate) * slope).sum(axis=0) / width.sum(axis=0))

    def kept(self, counts: IntArray, referred: float) -> FloatArray:
        """Return (n, resamples): how much of each study is kept after referring a share of them.

        The number kept is a whole one; of the group in which it ends, each study is kept in part (mean over orders).
        """
        width = self.widths(counts)
        before, total = np.cumsum(width, axis=0) - width, width.sum(axis=0)
        number = total - np.round(referred * total)
        part = np.clip(np.divide(number - before, width, out=np.zeros_like(width), where=width > 0), 0, 1)
        return np.asarray(counts * part[self.group])


def fill_median(values: FloatArray, reference: FloatArray) -> FloatArray:
    """Replace nan by the median of what is defined in ``reference``."""
    return np.where(np.isnan(values), np.nanmedian(reference), values)


def _errors(wrong: npt.ArrayLike, order: Order) -> FloatArray:
    errors = np.asarray(wrong, dtype=bool).astype(np.float64)
    if errors.shape != order.group.shape:
        raise EvaluationError("There must be one uncertainty for each decision.")
    return errors


def _harmonic(largest: int) -> FloatArray:
    """Return the harmonic numbers H(0) = 0, H(1) = 1, ..., H(largest)."""
    return np.append(0.0, np.cumsum(1 / np.arange(1, largest + 1)))


def optimal_aurc(errors: npt.ArrayLike, total: npt.ArrayLike) -> FloatArray:
    """Return the AURC of n decisions whose e errors are all referred first: (e - (n - e) (H(n) - H(n - e))) / n."""
    wrong, n = np.asarray(errors).astype(np.int64), np.asarray(total).astype(np.int64)
    harmonic = _harmonic(int(n.max()))
    return np.asarray((wrong - (n - wrong) * (harmonic[n] - harmonic[n - wrong])) / n)
