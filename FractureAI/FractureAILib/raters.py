"""Names of raters: which may be given, which are offered."""

from slicer.i18n import tr as _

from fractureai.dataset import Dataset
from fractureai.dataset.reference import is_person
from fractureai.dataset.second_reading import first_reader
from fractureai.errors import FractureAIError


class RaterError(FractureAIError):
    """A name that a rater can not have."""


def check_rater(dataset: Dataset | None, name: str) -> None:
    """Check a rater's name by the rules of the dataset.

    Raises:
        FractureAIError: it is empty, kept for something else, or too much like another rater's.
    """
    if not name:
        raise RaterError(_("Give a short name, for example your initials."))
    person = first_reader(name) or name
    if not is_person(person):
        raise RaterError(_("The name {name} is kept for something else; choose another.").format(name=name))
    if dataset is None:
        return
    dataset.annotation_path("1.2", name)
    for other in dataset.raters:
        if other != name and other.casefold() == name.casefold():
            raise RaterError(
                _("There is a rater {other} already; use that spelling or another name.").format(other=other)
            )


def listed_raters(dataset: Dataset | None, rater: str) -> list[str]:
    """Return the names to offer: people who marked in this dataset, and the rater at work."""
    people = {name for name in dataset.raters if is_person(name)} if dataset is not None else set()
    if rater and first_reader(rater) is None:
        people.add(rater)
    return sorted(people)
