"""What DeepWrist reported on its own hospital images (Raisuddin et al., Sci Rep 2021, Tables 1 and 2).

For orientation only: other patients, other images. No figure of another data set can be compared with them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from fractureai.evaluation.bootstrap import Estimate

SOURCE = "Raisuddin et al., Critical evaluation of deep neural networks for wrist fracture detection, Sci Rep 2021"


@dataclass(frozen=True)
class PublishedRow:
    """One row of the published Table 2.

    Attributes:
        title: the set and the reader.
        n: its studies.
        n_positive: its fractures.
        estimates: metric name -> value and 95 % interval.
    """

    title: str
    n: int
    n_positive: int
    estimates: Mapping[str, Estimate]


PUBLISHED = (
    PublishedRow(
        "DeepWrist, general set, ensemble",
        207,
        129,
        {
            "auroc": Estimate(0.99, 0.98, 0.99),
            "aupr": Estimate(0.99, 0.99, 0.99),
            "sensitivity": Estimate(0.97, 0.94, 1.00),
            "specificity": Estimate(0.87, 0.79, 0.93),
            "precision": Estimate(0.92, 0.88, 0.96),
            "f1": Estimate(0.95, 0.92, 0.97),
            "balanced_accuracy": Estimate(0.92, 0.88, 0.96),
        },
    ),
    PublishedRow(
        "DeepWrist, hard set (CT), ensemble",
        105,
        20,
        {
            "auroc": Estimate(0.84, 0.72, 0.93),
            "aupr": Estimate(0.64, 0.46, 0.83),
            "sensitivity": Estimate(0.60, 0.40, 0.80),
            "specificity": Estimate(0.92, 0.87, 0.97),
            "precision": Estimate(0.66, 0.48, 0.87),
            "f1": Estimate(0.63, 0.44, 0.80),
            "balanced_accuracy": Estimate(0.76, 0.65, 0.87),
        },
    ),
)

PUBLISHED_RECALL: Mapping[float, Estimate] = {
    3.0: Estimate(0.70, 0.67, 0.73),
    4.0: Estimate(0.88, math.nan, math.nan),
    5.0: Estimate(0.96, 0.95, 0.97),
}
"""Share of key points within so many millimetres; at 4 mm the printed interval (0.86-0.80) is a slip and left out."""
