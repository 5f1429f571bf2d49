"""Second readings: who reads what again, and that it never counts as the truth."""

from __future__ import annotations

from fractureai.dataset import Annotation, Dataset, RadiographRow
from fractureai.dataset.second_reading import first_reader, second_reader, second_readings


def _done(dataset: Dataset, rater: str, count: int, start: int = 0) -> None:
    for number in range(start, count):
        dataset.save(Annotation(f"1.2.{number}", rater, status="done", label="normal"))


def test_names() -> None:
    assert second_reader("AM") == "AM.2"
    assert first_reader("AM.2") == "AM"
    assert first_reader("AM") is None
    assert first_reader(".2") is None


def test_a_tenth_is_chosen_at_random_and_the_same_again(dataset: Dataset) -> None:
    dataset.add_rows(RadiographRow(f"1.2.{number}") for number in range(45))
    _done(dataset, "AM", 45)
    _done(dataset, "BK", 45)
    mine = second_readings(dataset, "AM")
    assert len(mine) == 5
    assert mine == second_readings(Dataset.open(dataset.folder), "AM")
    assert set(mine) != set(second_readings(dataset, "BK"))
    assert second_readings(dataset, "CC") == ()


def test_what_was_begun_stays_chosen(dataset: Dataset) -> None:
    dataset.add_rows(RadiographRow(f"1.2.{number}") for number in range(60))
    _done(dataset, "AM", 10)
    (first,) = second_readings(dataset, "AM")
    dataset.save(Annotation(first, "AM.2"))
    _done(dataset, "AM", 60, start=10)
    assert first in second_readings(dataset, "AM")
    assert 6 <= len(second_readings(dataset, "AM")) <= 7


def test_a_second_reading_is_no_reference(dataset: Dataset) -> None:
    dataset.add_rows([RadiographRow("1.2.0")])
    dataset.save(Annotation("1.2.0", "AM", status="done", label="fracture"))
    dataset.save(Annotation("1.2.0", "AM.2", status="done", label="normal"))
    assert dataset.reference_annotations()["1.2.0"].rater == "AM"
