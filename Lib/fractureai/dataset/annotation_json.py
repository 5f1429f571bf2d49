"""Annotations as JSON: one canonical text for each annotation, and strict parsing back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from fractureai.dataset.annotation import FORMAT_VERSION, STATUSES, Annotation, Region
from fractureai.errors import DatasetError
from fractureai.radiograph.model import SIDES, VIEWS

SHAPES = ("box", "polygon", "curve")
_SMALLEST = {"box": 2, "polygon": 3, "curve": 2}
_QUALITIES = ("", "good", "limited", "non-diagnostic")
_KEYS = frozenset(f.name for f in fields(Annotation))
_REGION_KEYS = frozenset(f.name for f in fields(Region))


class NewerFormatError(DatasetError):
    """An annotation written by a newer version of FractureAI: whole, but not ours to read or replace."""


def annotation_to_json(annotation: Annotation) -> bytes:
    """Return the canonical JSON of an annotation: sorted keys, two spaces, UTF-8, a final line feed.

    Same annotation, same bytes; ``annotation_from_json`` gives an equal annotation.

    Raises:
        ValueError: a value is of the wrong kind or range.
    """
    table: dict[str, Any] = {name: getattr(annotation, name) for name in _KEYS}
    table["landmarks"] = {name: _plain_point(point) for name, point in annotation.landmarks.items()}
    table["regions"] = [
        {"kind": r.kind, "shape": r.shape, "bone": r.bone, "points": [_plain_point(p) for p in r.points]}
        for r in annotation.regions
    ]
    table["extra"] = dict(annotation.extra)
    _annotation(table)  # what is written can be read
    table["format_version"] = FORMAT_VERSION
    text = json.dumps(table, ensure_ascii=False, indent=2, sort_keys=True, allow_nan=False)
    return (text + "\n").encode("utf-8")


def annotation_from_json(data: bytes, path: Path) -> Annotation:
    """Parse the JSON of an annotation.

    Args:
        data: the content of the file.
        path: named in errors.

    Raises:
        NewerFormatError: a newer version of FractureAI wrote it.
        DatasetError: it is not JSON, or a key is missing, unknown or of the wrong kind.
    """
    try:
        table = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant)
        if not isinstance(table, dict):
            raise ValueError("it is not a JSON object")
        version = table.pop("format_version", None)
        if isinstance(version, int) and version > FORMAT_VERSION:
            reason = f"its format version is {version}; this version of FractureAI reads {FORMAT_VERSION}"
            raise NewerFormatError(path, reason, "update FractureAI")
        if version != FORMAT_VERSION or isinstance(version, bool):
            raise ValueError(f"its format_version is {version!r}, not {FORMAT_VERSION}")
        return _annotation(table)
    except (ValueError, RecursionError) as error:
        reason = "it is not valid JSON" if isinstance(error, (json.JSONDecodeError, UnicodeDecodeError)) else str(error)
        raise DatasetError(path, reason, "restore it from a copy or mark the radiograph again") from error


def _annotation(table: Mapping[str, Any]) -> Annotation:
    wrong = sorted(_KEYS.symmetric_difference(table))
    if wrong:
        raise ValueError(f"{'unknown' if wrong[0] in table else 'missing'} key {wrong[0]!r}")
    for name in ("radiograph", "rater", "displacement", "comment", "updated"):
        _text(table[name], name)
    if not table["radiograph"] or not table["rater"]:
        raise ValueError("radiograph and rater must not be empty")
    _one_of(table["status"], STATUSES, "status")
    _one_of(table["quality"], _QUALITIES, "quality")
    _one_of(table["view"], ("", *VIEWS), "view")
    _one_of(table["side"], ("", *SIDES), "side")
    if table["label"] is not None and not _text(table["label"], "label"):
        raise ValueError("label is null or a name, not empty")
    for name in ("cast", "implant"):
        if not (table[name] is None or isinstance(table[name], bool)):
            raise ValueError(f"{name} is {table[name]!r}, not true, false or null")
    revision = table["revision"]
    if not isinstance(revision, int) or isinstance(revision, bool) or revision < 0:
        raise ValueError(f"revision is {revision!r}, not a whole number")
    landmarks, extra = _object(table["landmarks"], "landmarks"), _object(table["extra"], "extra")
    if not isinstance(table["regions"], list):
        raise ValueError("regions is not a list")
    values = {
        **table,
        "landmarks": {name: _point(point, f"landmark {name}") for name, point in landmarks.items()},
        "regions": tuple(_region(region) for region in table["regions"]),
        "extra": {name: _text(text, f"extra {name}") for name, text in extra.items()},
    }
    return Annotation(**values)


def _region(table: Any) -> Region:
    wrong = sorted(_REGION_KEYS.symmetric_difference(_object(table, "region")))
    if wrong:
        raise ValueError(f"{'unknown' if wrong[0] in table else 'missing'} key {wrong[0]!r} in a region")
    kind, bone = _text(table["kind"], "kind"), _text(table["bone"], "bone")
    shape: str = _one_of(table["shape"], SHAPES, "shape")
    if not isinstance(table["points"], list):
        raise ValueError("the points of a region are not a list")
    points = tuple(_point(point, f"a point of region {kind}") for point in table["points"])
    if len(points) < _SMALLEST[shape] or (shape == "box" and len(points) != 2):
        raise ValueError(f"a {shape} can not have {len(points)} points")
    return Region(kind=kind, points=points, shape=shape, bone=bone)


def _point(value: Any, name: str) -> tuple[float, float]:
    numbers = isinstance(value, (list, tuple)) and len(value) == 2 and not any(isinstance(v, bool) for v in value)
    if not numbers or not all(isinstance(v, (int, float)) for v in value):
        raise ValueError(f"{name} is {value!r}, not [row, col]")
    try:
        row, col = float(value[0]), float(value[1])
    except OverflowError as error:
        raise ValueError(f"{name} is not finite") from error
    if not (math.isfinite(row) and math.isfinite(col)):
        raise ValueError(f"{name} is not finite")
    return row, col


def _plain_point(point: Any) -> list[float]:
    row, col = point
    return [float(row), float(col)]


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} is {value!r}, not text")
    if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
        raise ValueError(f"{name} holds half a surrogate pair")
    return value


def _one_of(value: Any, allowed: tuple[str, ...], name: str) -> str:
    if value not in allowed or not isinstance(value, str):
        raise ValueError(f"{name} is {value!r}, not one of {', '.join(a for a in allowed if a)}")
    return value


def _object(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} is not a JSON object")
    for key in value:
        _text(key, f"a key of {name}")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a key is there twice")
    return table


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")
