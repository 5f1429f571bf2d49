"""What the networks of one view found on one radiograph: the input of all scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fractureai.errors import EvaluationError


@dataclass(frozen=True, eq=False)
class ViewEvidence:
    """One radiograph as M networks (folds, or members of an ensemble) saw it in T test-time windows.

    Attributes:
        view: name of the view profile (``PA``, ``LAT``).
        probabilities: (M, T) of the positive class, 0..1.
        logits: (M, K) of the K classes, mean over the windows; nan where a network does not give them.
        features: (M, C) pooled features, mean over the windows.
        activation_map: (S, S), 0..1, mean over networks and windows, of the region of interest.
        member_maps: (M, S, S), the same of each network; None where not kept.
        members: (M,) the networks' numbers in the bundle's order, when only some of them were asked; () means 0..M-1.
            A held-out study is judged only by networks that have not seen its patient, and each network's features only
            by its own bank.
    """

    view: str
    probabilities: npt.NDArray[np.float64]
    logits: npt.NDArray[np.float64]
    features: npt.NDArray[np.float32]
    activation_map: npt.NDArray[np.float32]
    member_maps: npt.NDArray[np.float32] | None = None
    members: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Check the shapes, and number the networks where they are not."""
        count = len(self.probabilities)
        if self.probabilities.ndim != 2 or not self.probabilities.size:
            raise EvaluationError(f"{self.view}: probabilities must be networks x windows, at least one of each.")
        if not ((self.probabilities >= 0) & (self.probabilities <= 1)).all():
            raise EvaluationError(f"{self.view}: probabilities must lie between 0 and 1.")
        if self.logits.ndim != 2 or self.features.ndim != 2 or {len(self.logits), len(self.features)} != {count}:
            raise EvaluationError(f"{self.view}: logits and features need one row for each of {count} networks.")
        if not self.members:
            object.__setattr__(self, "members", tuple(range(count)))
        if len(self.members) != count:
            raise EvaluationError(f"{self.view}: {len(self.members)} numbers were given for {count} networks.")

    @property
    def member_probabilities(self) -> npt.NDArray[np.float64]:
        """(M,) mean over the windows."""
        return np.asarray(self.probabilities.mean(axis=1))
