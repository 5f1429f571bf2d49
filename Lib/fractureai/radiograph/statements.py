"""View, side and body part of a radiograph: which attribute says so, and which attributes disagree.

Structured attributes are asked first, texts after them. The first definite statement counts; a later one that differs
goes to the conflicts (by the attribute's name: the text itself could hold a patient's name).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from pydicom.dataset import Dataset

from fractureai.radiograph import codes, vocabulary
from fractureai.radiograph.dicomfile import value
from fractureai.radiograph.model import UNKNOWN

_TEXTS = (
    "SeriesDescription",
    "ProtocolName",
    "AcquisitionDeviceProcessingDescription",
    "PerformedProcedureStepDescription",
    "RequestedProcedureDescription",
    "StudyDescription",
)
_FRONTAL_IS_PA = ("WRIST", "HAND", "FINGER", "THUMB")  # laid palm down on the detector
_VAGUE_BODY_PARTS = (
    "EXTREMITY",
    "UPPER EXTREMITY",
    "UPEXTR",
    "UP_EXM",
    "LOWER EXTREMITY",
    "ARM",
    "LIMB",
    "OTHER",
    "UNKNOWN",
)
_DEFINED_TERM = re.compile(r"[A-Z0-9_ ]{2,16}")


class Statement(NamedTuple):
    """A value and the DICOM attribute it was read from."""

    value: str
    source: str


NOTHING = Statement(UNKNOWN, "none")


def read_view(header: Dataset, body_part: str, conflicts: list[str]) -> Statement:
    """Return the view from ViewPosition, ViewCodeSequence, PatientOrientation or a text.

    A view only called frontal is PA on wrist and hand, which are exposed palm down, and else nothing.
    """
    return _settle("view", _view_statements(header, body_part), conflicts)


def read_side(header: Dataset, conflicts: list[str]) -> Statement:
    """Return the side from ImageLaterality, Laterality, FrameLaterality, a code or a text."""
    return _settle("side", _side_statements(header), conflicts)


def read_body_part(header: Dataset) -> Statement:
    """Return the body part from BodyPartExamined, a code or a text; a vague term only when nothing is more exact."""
    vague = NOTHING
    stated = str(value(header, "BodyPartExamined") or "").strip().upper()
    if stated:
        term = vocabulary.body_part_in_text(stated) or (stated if _DEFINED_TERM.fullmatch(stated) else None)
        if term and stated not in _VAGUE_BODY_PARTS:
            return Statement(term, "BodyPartExamined")
        vague = Statement(term, "BodyPartExamined") if term else NOTHING
    for code, _ in _codes(header, "AnatomicRegionSequence"):
        if code in codes.BODY_PART_CODES:
            return Statement(codes.BODY_PART_CODES[code], "AnatomicRegionSequence")
    return next(_in_texts(header, vocabulary.body_part_in_text), vague)


def _settle(what: str, statements: Iterable[Statement], conflicts: list[str]) -> Statement:
    """Take the first statement and note those that differ."""
    chosen = NOTHING
    for statement in statements:
        if chosen is NOTHING:
            chosen = statement
        elif statement.value != chosen.value:
            conflicts.append(
                f"{statement.source} says {what} {statement.value}, "
                f"{chosen.source} says {chosen.value}; {chosen.value} is used."
            )
    return chosen


def _view_statements(header: Dataset, body_part: str) -> Iterator[Statement]:
    frontal = "PA" if body_part in _FRONTAL_IS_PA else None
    for statement in _raw_view_statements(header):
        if statement.value != codes.FRONTAL:
            yield statement
        elif frontal:
            yield Statement(frontal, statement.source)


def _raw_view_statements(header: Dataset) -> Iterator[Statement]:
    position = str(value(header, "ViewPosition") or "").strip()
    view = codes.VIEW_POSITIONS.get(position.upper()) or vocabulary.view_in_text(position)
    if view:
        yield Statement(view, "ViewPosition")
    for code, meaning in _codes(header, "ViewCodeSequence"):
        view = codes.VIEW_CODES.get(code) or vocabulary.view_in_text(meaning)
        if view:
            yield Statement(view, "ViewCodeSequence")
    yield from _in_texts(header, vocabulary.view_in_text)
    if _seen_from_the_side(header):
        yield Statement("LAT", "PatientOrientation")


def _seen_from_the_side(header: Dataset) -> bool:
    """Whether one image axis runs straight front to back and the other straight head to foot.

    The orientation of a frontal view tells left from right but not PA from AP (PS3.3 C.7.6.1.1.1), so nothing is
    concluded from it.
    """
    orientation = value(header, "PatientOrientation")
    axes = [str(item) for item in orientation] if orientation and not isinstance(orientation, str) else []
    return sorted("S" if axis in ("A", "P") else "L" if axis in ("H", "F") else "?" for axis in axes) == ["L", "S"]


def _side_statements(header: Dataset) -> Iterator[Statement]:
    for keyword in ("ImageLaterality", "Laterality", "FrameLaterality"):
        stated = str(value(header, keyword) or "").strip().upper()
        if stated in ("L", "R", "B"):
            yield Statement(stated, keyword)
    for region in value(header, "AnatomicRegionSequence") or ():
        for code, _ in _codes(region, "AnatomicRegionModifierSequence"):
            if code in codes.SIDE_CODES:
                yield Statement(codes.SIDE_CODES[code], "AnatomicRegionModifierSequence")
    yield from _in_texts(header, vocabulary.side_in_text)


def _in_texts(header: Dataset, find: Callable[[str], str | None]) -> Iterator[Statement]:
    for keyword in _TEXTS:
        found = find(str(value(header, keyword) or ""))
        if found:
            yield Statement(found, keyword)


def _codes(header: Dataset, keyword: str) -> Iterator[tuple[str, str]]:
    """Yield code value and meaning of each item of a code sequence."""
    for item in value(header, keyword) or ():
        yield str(value(item, "CodeValue") or "").strip(), str(value(item, "CodeMeaning") or "")
