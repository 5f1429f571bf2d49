"""What DeepWrist reported on its own hospital images (Raisuddin et al., Sci Rep 2021, Tables 1 to 4 and text).

For orientation only: other patients, other images. No figure of another data set can be compared with them.

The paper prints no confusion matrices. For each of the fifteen rows of Tables 2 to 4 there is exactly one that gives
all five printed shares, provided that they were **cut** after two decimals, not rounded (rounded, only two of the
fifteen rows have one). The kappas with the consensus that the text gives for the general set follow from the same
matrices, but are rounded. Sets: 129 fractures and 78 normals (general), 20 and 85 (hard, known from CT); Table 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fractureai.evaluation.bootstrap import Estimate
from fractureai.evaluation.metrics import METRICS

SOURCE = "Raisuddin et al., Critical evaluation of deep neural networks for wrist fracture detection, Sci Rep 2021"
CASES: Mapping[str, tuple[int, int]] = {"general": (129, 78), "hard": (20, 85)}
"""Set -> fractures and normals."""


@dataclass(frozen=True)
class PublishedRow:
    """One row of Table 2, or one column of Table 3 or 4.

    Attributes:
        set: ``general`` (test set 1) or ``hard`` (test set 2, fractures known from CT).
        reader: ``PA``, ``LAT`` or ``ensemble`` for the model; else the person, as in the columns of DeepWrist's files.
        title: the reader and the set.
        table: where it is printed.
        true_positive, false_positive, true_negative, false_negative: the only confusion matrix that gives all five
            printed shares.
        estimates: metric name -> printed value and 95 % interval; areas only for the model.
        kappa: with the consensus, as printed; nan where the text gives none.
    """

    set: str
    reader: str
    title: str
    table: str
    true_positive: int
    false_positive: int
    true_negative: int
    false_negative: int
    estimates: Mapping[str, Estimate]
    kappa: float

    @property
    def n(self) -> int:
        """Its studies."""
        return sum(CASES[self.set])

    @property
    def n_positive(self) -> int:
        """Its fractures."""
        return CASES[self.set][0]

    @property
    def is_person(self) -> bool:
        """True for a human reader."""
        return self.reader not in ("PA", "LAT", "ensemble")


_PRINTED = """
general PA       2   126  9   -   98 97-99    99 98-99    97 94-100   88 80-94    93 89-96    95 92-97    93 89-96
general LAT      2   126  7   -   98 97-99    99 98-99    97 94-100   91 84-96    94 91-97    96 93-98    94 90-97
general ensemble 2+3 126 10   -   99 98-99    99 99-99    97 94-100   87 79-93    92 88-96    95 92-97    92 88-96
general Resident 3   127  5  93       -           -       98 96-100   93 87-98    96 92-99    97 95-99    96 92-98
general R1       3   129  2  98       -           -      100 100-100  97 93-100   98 96-100   99 98-100   98 96-100
general R2       3   128  0  99       -           -       99 97-100  100 100-100 100 100-100  99 98-100   99 98-100
general PCP1     3   128 21  76       -           -       99 97-100   73 62-82    85 81-90    92 89-94    86 81-91
general PCP2     3   119  2  88       -           -       92 87-96    97 93-100   98 95-100   95 92-97    94 91-97
hard    PA       2    10  9   -   81 69-91    61 44-80    50 30-70    89 82-95    52 33-73    51 31-68    69 58-80
hard    LAT      2    10  5   -   83 70-93    57 41-80    50 30-70    94 88-98    66 46-90    57 36-75    72 60-83
hard    ensemble 2+4  12  6   -   84 72-93    64 46-83    60 40-80    92 87-97    66 48-87    63 44-80    76 65-87
hard    R1       4     8  4   -       -           -       40 20-60    95 90-98    66 41-91    50 27-70    67 57-78
hard    R2       4     8  3   -       -           -       40 20-60    96 91-100   72 50-100   51 28-70    68 57-79
hard    PCP1     4    10 17   -       -           -       50 30-70    80 71-88    37 23-52    42 25-58    65 53-76
hard    PCP2     4    12 30   -       -           -       60 40-80    64 54-74    28 19-38    38 25-50    62 50-73
"""
# Set, reader, table, true positives, false positives, kappa; then the seven metrics, each with its interval; all in
# hundredths, - where none is printed.

_READERS = {
    "PA": "DeepWrist, PA",
    "LAT": "DeepWrist, LAT",
    "ensemble": "DeepWrist, both views",
    "Resident": "Radiology resident",
    "R1": "Radiologist 1",
    "R2": "Radiologist 2",
    "PCP1": "Primary care physician 1",
    "PCP2": "Primary care physician 2",
}
_SETS = {"general": "general set", "hard": "hard set (CT)"}


def _rows() -> Iterator[PublishedRow]:
    for line in _PRINTED.split("\n")[1:-1]:
        name, reader, table, tp, fp, kappa, *cells = line.split()
        estimates = {}
        for metric in METRICS:
            value = cells.pop(0)
            if value != "-":
                low, high = cells.pop(0).split("-")
                estimates[metric] = Estimate(int(value) / 100, int(low) / 100, int(high) / 100)
        fractures, normals = CASES[name]
        yield PublishedRow(
            name,
            reader,
            f"{_READERS[reader]}, {_SETS[name]}",
            table.replace("+", " and "),
            int(tp),
            int(fp),
            normals - int(fp),
            fractures - int(tp),
            estimates,
            math.nan if kappa == "-" else int(kappa) / 100,
        )


PUBLISHED_ROWS = tuple(_rows())
"""All rows: Table 2 (the model), Table 3 (readers, general set), Table 4 (readers, hard set)."""

PUBLISHED = tuple(row for row in PUBLISHED_ROWS if row.reader == "ensemble")
"""The model's rows for studies, general and hard."""

PUBLISHED_KAPPA_PCP = 0.67
"""Kappa of the two primary care physicians with each other, the worst of all pairs on the general set."""

PUBLISHED_RECALL: Mapping[float, Estimate] = {
    3.0: Estimate(0.70, 0.67, 0.73),
    4.0: Estimate(0.88, math.nan, math.nan),
    5.0: Estimate(0.96, 0.95, 0.97),
}
"""Share of key points within so many millimetres; at 4 mm the printed interval (0.86-0.80) is a slip and left out."""
