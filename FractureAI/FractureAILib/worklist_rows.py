"""What the worklist shows, computed without a window: statuses, who else marked, and how far they agree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from slicer.i18n import tr as _

from fractureai.dataset import Annotation, Dataset, RadiographRow, resolve_side, resolve_view
from fractureai.dataset.reference import is_person
from fractureai.dataset.second_reading import first_reader, second_readings
from fractureai.errors import FractureAIError
from fractureai.radiograph import UNKNOWN

AGREES, DIFFERS = "=", "≠"


@dataclass(frozen=True)
class Entry:
    """One radiograph on the worklist.

    Attributes:
        row: the radiograph.
        heads_study: whether it is the first of its study on the list.
        annotation: the rater's own, or None.
        others: annotations of other people who finished it, by name.
    """

    row: RadiographRow
    heads_study: bool
    annotation: Annotation | None
    others: tuple[Annotation, ...] = ()

    @property
    def status(self) -> str:
        """``open``, ``done`` or ``flagged``."""
        return self.annotation.status if self.annotation is not None else "open"

    @property
    def case(self) -> str:
        """What the case is called: the patient's pseudonym, else the file's name."""
        return self.row.patient or self.row.file.rsplit("/", 1)[-1] or self.row.id

    @property
    def date(self) -> str:
        """Date of the study as YYYY-MM-DD, or ""."""
        text = self.row.date
        return f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 else text

    @property
    def view(self) -> str:
        """The view as the rater or the table says; "" when nobody says."""
        return _known(resolve_view(self.row, self.annotation))

    @property
    def side(self) -> str:
        """The side as the rater or the table says; "" when nobody says."""
        return _known(resolve_side(self.row, self.annotation))

    @property
    def raters(self) -> str:
        """Names of all people who marked it."""
        own = (self.annotation,) if self.annotation is not None else ()
        return " ".join(sorted(annotation.rater for annotation in (*own, *self.others)))

    @property
    def agreement(self) -> str:
        """``=`` when all who finished it gave the same label, ``≠`` when not, "" when fewer than two did."""
        labels = [annotation.label for annotation in self.others if annotation.label]
        if self.annotation is not None and self.annotation.status == "done" and self.annotation.label:
            labels.append(self.annotation.label)
        if len(labels) < 2:
            return ""
        return AGREES if len(set(labels)) == 1 else DIFFERS

    @property
    def search_text(self) -> str:
        """What the filter matches: marks for status and "mine", then words in small letters."""
        row = self.row
        comment = self.annotation.comment if self.annotation is not None else ""
        words = (self.case, row.study, row.description, row.file, row.date, self.date, self.view, self.side, comment)
        mine = "\x01mine" if self.annotation is not None else ""
        return f"\x01{self.status}{mine} {' '.join(words)}".casefold().replace("\n", " ")


@dataclass(frozen=True)
class Worklist:
    """A rater's worklist: entries grouped by study.

    Attributes:
        entries: in the order of the table, with the radiographs of a study together.
        problems: sentences on files that could not be read.
    """

    entries: tuple[Entry, ...]
    problems: tuple[str, ...] = ()
    places: Mapping[str, int] = field(default_factory=dict)

    def place(self, radiograph: str) -> int | None:
        """Return the place of a radiograph, or None when it is not listed."""
        return self.places.get(radiograph)

    def count(self, status: str) -> int:
        """Return how many entries have a status."""
        return sum(entry.status == status for entry in self.entries)

    def next_open(self, radiograph: str | None) -> Entry | None:
        """Return the open entry that follows, beginning again at the end; None when no other is open."""
        return self._next(radiograph, lambda entry: entry.status == "open")

    def following(self, radiograph: str | None) -> Entry | None:
        """Return the entry that follows, whatever its status; None at the end."""
        place = self.places.get(radiograph or "", -1) + 1
        return self.entries[place] if place < len(self.entries) else None

    def previous(self, radiograph: str | None) -> Entry | None:
        """Return the entry before; None at the beginning."""
        place = self.places.get(radiograph or "", 0) - 1
        return self.entries[place] if place >= 0 else None

    def only(self, radiographs: Sequence[str]) -> "Worklist":
        """Return the list of these radiographs alone."""
        wanted = set(radiographs)
        entries = tuple(entry for entry in self.entries if entry.row.id in wanted)
        places = {entry.row.id: place for place, entry in enumerate(entries)}
        return Worklist(entries, self.problems, places)

    def changed(self, annotation: Annotation) -> "Worklist":
        """Return the list with a new state of the rater's own annotation."""
        place = self.places.get(annotation.radiograph)
        if place is None:
            return self
        old = self.entries[place]
        new = Entry(old.row, old.heads_study, annotation, old.others)
        return Worklist((*self.entries[:place], new, *self.entries[place + 1 :]), self.problems, self.places)

    def _next(self, radiograph: str | None, wanted) -> Entry | None:
        start = self.places.get(radiograph or "", -1)
        for step in range(1, len(self.entries) + (start < 0)):
            entry = self.entries[(start + step) % len(self.entries)]
            if wanted(entry):
                return entry
        return None


def load_worklist(dataset: Dataset, rater: str, blinded: bool) -> Worklist:
    """Read what is to be done; takes about a second for 5,000 annotations, so call it in the background.

    Args:
        dataset: the dataset.
        rater: whose statuses are shown; "" for nobody's. For a second reader only what is to be read again.
        blinded: whether the annotations of others stay unread.

    Raises:
        DatasetError: the table can not be read.
    """
    problems: list[str] = []

    def report(error: FractureAIError) -> None:
        problems.append(str(error))

    rows: Sequence[RadiographRow] = dataset.radiographs
    first = first_reader(rater)
    if first is not None:
        by_id = {row.id: row for row in rows}
        chosen = second_readings(dataset, first, report=report)
        rows = [by_id[radiograph] for radiograph in chosen if radiograph in by_id]
    own = {a.radiograph: a for a in dataset.annotations(rater, report=report)} if rater else {}
    others: dict[str, list[Annotation]] = {}
    if not blinded and first is None:
        for name in dataset.raters:
            if name != rater and is_person(name):
                for annotation in dataset.annotations(name, report=report):
                    if annotation.status == "done":
                        others.setdefault(annotation.radiograph, []).append(annotation)
    entries = [
        Entry(row, heads, own.get(row.id), tuple(others.get(row.id, ())))
        for row, heads in _grouped(rows, first is None)
    ]
    places = {entry.row.id: place for place, entry in enumerate(entries)}
    return Worklist(tuple(entries), tuple(problems), places)


def summary(worklist: Worklist) -> str:
    """Return how far the work is, for example ``37 of 200 done``."""
    return _("{done} of {all} done").format(done=worklist.count("done"), all=len(worklist.entries))


def _grouped(rows: Sequence[RadiographRow], by_study: bool) -> list[tuple[RadiographRow, bool]]:
    """Bring the radiographs of a study together, where its first one stands, and mark the first."""
    if not by_study:
        return [(row, True) for row in rows]
    studies: dict[str, list[RadiographRow]] = {}
    for row in rows:
        studies.setdefault(row.study or row.id, []).append(row)
    return [(row, place == 0) for group in studies.values() for place, row in enumerate(group)]


def _known(value: str) -> str:
    return "" if value == UNKNOWN else value
