"""A reading read back from its JSON file, to be drawn again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fractureai.errors import FileError
from fractureai.geometry import Roi

if TYPE_CHECKING:
    from fractureai.inference import Prediction, ViewPrediction
    from fractureai.radiograph import Radiograph


def load_reading(path: Path) -> tuple[Prediction, list[tuple[Radiograph, ViewPrediction]]]:
    """Read a reading that `fractureai read --out` wrote, and its radiographs.

    Raises:
        FileError: it is no reading, or its activation maps are not there.
        RadiographError: a radiograph is not where it was.
    """
    from fractureai.inference import Prediction, Referral
    from fractureai.radiograph import read_radiograph

    document = _document(path)
    try:
        views = tuple(_view(path, view, read_radiograph(view["file"])) for view in document["views"])
        prediction = Prediction(
            study=document["study"],
            views=tuple(view for _, view in views),
            probability=document["ensemble"]["probability"],
            threshold=document["ensemble"]["threshold"],
            decision=document["decision"],
            decision_text=document["decision_text"],
            refer=document["refer"],
            referrals=tuple(Referral(reason["code"], reason["text"]) for reason in document["reasons"]),
            model=document["model"],
            notice=document["notice"],
            timings_ms=document["timings_ms"],
            problems=tuple(document["problems"]),
            interval=_interval(document["ensemble"]),
            **_reliability(document),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(
            path, f"it is not a reading ({error!r})", "give a file that fractureai read --out wrote"
        ) from error
    return prediction, list(views)


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FileError(path, f"it can not be read as JSON ({error})", "read the study again") from error
    if not isinstance(document, dict):
        raise FileError(path, "it is not a reading", "give a file that fractureai read --out wrote")
    return document


def _view(path: Path, view: dict[str, Any], radiograph: Radiograph) -> tuple[Radiograph, ViewPrediction]:
    from fractureai.inference import ViewPrediction

    if view["activation_map"] is None:
        raise FileError(path, "it was written without activation maps", "read the study again with --out")
    map_path = _beside(path, view["activation_map"])
    roi, spacing = view["roi"], (view["spacing_mm"][0], view["spacing_mm"][1])
    return radiograph, ViewPrediction(
        file=Path(view["file"]),
        sop_instance_uid=view["sop_instance_uid"],
        view=view["view"],
        side=view["side"],
        probability=view["probability"],
        fold_probabilities=np.array(view["fold_probabilities"], dtype=np.float64),
        threshold=view["threshold"],
        landmarks={mark["name"]: (mark["row"], mark["col"]) for mark in view["landmarks"]},
        roi=Roi(roi["row"], roi["col"], roi["side_mm"], spacing, roi["turns"]),
        activation_map=np.load(map_path, allow_pickle=False),
        spacing_mm=spacing,
        spacing_source=view["spacing_source"],
        features=np.zeros((0, 0), dtype=np.float32),
        image_shape=radiograph.shape,
        interval=_interval(view),
    )


def _interval(table: dict[str, Any]) -> tuple[float, float] | None:
    """Return a stored interval; readings of earlier versions have none."""
    found = table.get("interval")
    return None if found is None else (float(found[0]), float(found[1]))


def _reliability(document: dict[str, Any]) -> dict[str, Any]:
    """Return what was stored about trust; readings of earlier versions, and of models never calibrated, have none."""
    found = document.get("reliability")
    if found is None:
        return {}
    numbers = ("calibrated_probability", "uncertainty", "uncertainty_limit", "coverage")
    scores = {str(key): float(value) for key, value in found["scores"].items()}
    return {name: float(found[name]) for name in numbers} | {"scores": scores, "conformal": tuple(found["conformal"])}


def _beside(path: Path, stored: str) -> Path:
    """Return a file's place: as stored, or beside the reading when the folder was moved."""
    for candidate in (Path(stored), path.parent / Path(stored).name):
        if candidate.is_file():
            return candidate
    raise FileError(path, f"its activation map {stored} is missing", "read the study again with --out")
