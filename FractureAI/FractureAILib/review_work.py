"""What the page Review does beside the viewer: compare raters, accept what they agree on, write tables."""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from fractureai.dataset import Annotation, Dataset
from fractureai.dataset.agreement import PairAgreement, agreement, header_spacing
from fractureai.dataset.consensus import CONSENSUS, is_unanimous, merge
from fractureai.errors import FileError, FractureAIError
from fractureai.geometry import Spacing


@dataclass(frozen=True)
class Comparison:
    """What was found when raters were compared.

    Attributes:
        raters: who was compared.
        pairs: (rater, rater) -> their agreement.
        unanimous: the marks of all raters on each unsettled radiograph on which all who finished it agree.
        settled: ids of the radiographs that have a consensus.
        in_common: how many radiographs two raters or more finished.
        problems: sentences on annotation files that could not be read.
    """

    raters: tuple[str, ...]
    pairs: dict[tuple[str, str], PairAgreement]
    unanimous: tuple[tuple[Annotation, ...], ...]
    settled: frozenset[str]
    in_common: int
    problems: tuple[str, ...] = ()

    def pair(self, first: str, second: str) -> PairAgreement:
        """Return the agreement of two raters, in whichever order."""
        return self.pairs.get((first, second)) or self.pairs[(second, first)]

    def with_settled(self, radiograph: str) -> "Comparison":
        """Return this comparison after one more radiograph was settled."""
        left = tuple(marks for marks in self.unanimous if marks[0].radiograph != radiograph)
        return replace(self, settled=self.settled | {radiograph}, unanimous=left)


class ComparisonCancelledError(FractureAIError):
    """The comparison was given up."""


def compare(dataset: Dataset, raters: list[str], cancelled: Callable[[], bool]) -> Comparison:
    """Compare raters.

    Raises:
        ComparisonCancelledError: ``cancelled`` said so.
        FractureAIError: the dataset or a radiograph's header can not be read.
    """
    problems: list[str] = []
    spacings: dict[str, Spacing | None] = {}
    of_header = header_spacing(dataset)

    def spacing_of(row):
        if cancelled():
            raise ComparisonCancelledError("The comparison was given up.")
        if row.id not in spacings:
            try:
                spacings[row.id] = of_header(row)
            except FractureAIError as error:  # compared in pixels; said once
                problems.append(str(error))
                spacings[row.id] = None
        return spacings[row.id]

    pairs = agreement(dataset, raters, spacing_of=spacing_of, report=lambda error: problems.append(str(error)))
    settled = frozenset(
        found.radiograph
        for found in dataset.annotations(CONSENSUS, report=lambda error: problems.append(str(error)))
        if found.status == "done"
    )
    marks: dict[str, dict[str, Annotation]] = {}
    for pair in pairs.values():
        for difference in pair.disagreements:
            both = {found.rater: found for found in (difference.first, difference.second)}
            marks.setdefault(difference.row.id, {}).update(both)
    unanimous = tuple(
        tuple(by_rater.values())
        for uid, by_rater in marks.items()
        if uid not in settled and is_unanimous(tuple(by_rater.values()), spacings.get(uid))
    )
    return Comparison(tuple(raters), pairs, unanimous, settled, len(marks), tuple(problems))


def accept_unanimous(dataset: Dataset, comparison: Comparison, adjudicator: str) -> int:
    """Save a consensus wherever all agree, and return how many were saved.

    Marks are read again first: where a rater changed something meanwhile, nothing is saved.
    """
    accepted = []
    for marks in comparison.unanimous:
        now = [dataset.annotation(found.radiograph, found.rater) for found in marks]
        if [found and found.revision for found in now] == [found.revision for found in marks]:
            accepted.append(merge(marks, chosen=marks[0].rater, adjudicator=adjudicator))
    return dataset.save_all(accepted)


def export_csv(comparison: Comparison, path: str) -> None:
    """Write one table: a line for each pair's kappa and landmark distances, then a line for each difference.

    Raises:
        FileError: the file can not be written.
    """
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(["first", "second", "what", "n", "value", "low", "high", "unit"])
    for (first, second), pair in comparison.pairs.items():
        kappa = pair.kappa
        table.writerow([first, second, "kappa", kappa.cases, *_numbers(kappa.value, kappa.low, kappa.high), ""])
        for landmark in pair.landmarks:
            figures = _numbers(landmark.median, min(landmark.distances), landmark.percentile_95)
            table.writerow([first, second, f"median {landmark.name}", len(landmark.distances), *figures, landmark.unit])
    table.writerow([])
    table.writerow(["first", "second", "radiograph", "first label", "second label", "landmark", "distance", "unit"])
    for (first, second), pair in comparison.pairs.items():
        for found in pair.disagreements:
            worst = found.worst_landmark
            distance = _numbers(found.distances.get(worst))
            labels = [found.first.label or "", found.second.label or ""]
            table.writerow([first, second, found.row.id, *labels, worst, *distance, found.unit])
    try:
        Path(path).write_text(text.getvalue(), encoding="utf-8", newline="")
    except OSError as error:
        raise FileError(Path(path), f"it can not be written ({error.strerror})", "choose another place") from error


def _numbers(*values: float | None) -> list[str]:
    return ["" if value is None else f"{value:.4g}" for value in values]
