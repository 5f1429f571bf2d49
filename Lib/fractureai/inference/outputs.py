"""A reading as files: JSON (documented by ``reading.schema.json``), activation maps as .npy, overlays as PNG."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fractureai import NOT_A_MEDICAL_DEVICE
from fractureai.inference.prediction import Prediction, ViewPrediction
from fractureai.radiograph import read_radiograph
from fractureai.radiograph.model import Radiograph

SCHEMA_FILE = Path(__file__).parent / "reading.schema.json"
"""JSON Schema (draft 2020-12) of what `prediction_to_json` returns."""


def prediction_to_json(
    prediction: Prediction,
    out_dir: str | Path | None = None,
    *,
    radiographs: Mapping[str, Radiograph] | None = None,
    overlays: bool = True,
) -> dict[str, Any]:
    """Return a reading as JSON values and write what does not fit into JSON.

    Args:
        prediction: the reading.
        out_dir: where activation maps (.npy, in pixels of the region of interest) and overlays (.png) go; made when
            missing. None: none are written and their paths are null.
        radiographs: SOP Instance UID -> radiograph, to draw the overlays on; one that is missing is read from its file.
        overlays: whether to draw overlays.

    Raises:
        RadiographError: a radiograph can not be read again for its overlay.
    """
    folder = Path(out_dir) if out_dir is not None else None
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    drawn = _drawn(prediction, radiographs or {}) if folder is not None and overlays else {}
    views = [_view(number, view, prediction, folder, drawn) for number, view in enumerate(prediction.views, start=1)]
    return {
        "study": prediction.study,
        "views": views,
        "ensemble": {
            "probability": prediction.probability,
            "threshold": prediction.threshold,
            "interval": list(prediction.interval) if prediction.interval else None,
            "interval_text": prediction.interval_text,
        },
        "reliability": _reliability(prediction),
        "decision": prediction.decision,
        "decision_text": prediction.decision_text,
        "refer": prediction.refer,
        "reasons": [{"code": reason.code, "text": reason.text} for reason in prediction.referrals],
        "problems": list(prediction.problems),
        "overlay": views[0]["overlay"] if len(views) == 1 else _study_overlay(prediction, folder, drawn),
        "model": prediction.model,
        "notice": prediction.notice,
        "not_a_medical_device": NOT_A_MEDICAL_DEVICE,
        "timings_ms": {stage: round(value, 3) for stage, value in prediction.timings_ms.items()},
    }


def _reliability(prediction: Prediction) -> dict[str, Any] | None:
    if prediction.uncertainty is None:
        return None
    return {
        "calibrated_probability": prediction.calibrated_probability,
        "uncertainty": prediction.uncertainty,
        "uncertainty_limit": prediction.uncertainty_limit,
        "coverage": prediction.coverage,
        "conformal": list(prediction.conformal or ()),
        "scores": dict(prediction.scores),
    }


def _view(
    number: int, view: ViewPrediction, prediction: Prediction, folder: Path | None, drawn: Mapping[str, Radiograph]
) -> dict[str, Any]:
    roi = view.roi
    return {
        "file": str(view.file),
        "sop_instance_uid": view.sop_instance_uid,
        "view": view.view,
        "side": view.side,
        "probability": view.probability,
        "interval": list(view.interval) if view.interval else None,
        "interval_text": view.interval_text,
        "fold_probabilities": [float(value) for value in view.fold_probabilities],
        "threshold": view.threshold,
        "landmarks": [{"name": name, "row": row, "col": col} for name, (row, col) in view.landmarks.items()],
        "roi": {
            "row": roi.row,
            "col": roi.col,
            "side_px": roi.side_px,
            "side_mm": roi.side_mm,
            "height_px": roi.height_px,
            "width_px": roi.width_px,
            "turns": roi.turns,
        },
        "activation_map": _write_map(number, view, folder),
        "overlay": _view_overlay(number, view, prediction, folder, drawn),
        "spacing_mm": list(view.spacing_mm),
        "spacing_source": view.spacing_source,
    }


def _write_map(number: int, view: ViewPrediction, folder: Path | None) -> str | None:
    if folder is None:
        return None
    path = folder / f"{_stem(number, view)}_activation.npy"
    np.save(path, view.activation_map, allow_pickle=False)
    return str(path)


def _view_overlay(
    number: int, view: ViewPrediction, prediction: Prediction, folder: Path | None, drawn: Mapping[str, Radiograph]
) -> str | None:
    if folder is None or view.sop_instance_uid not in drawn:
        return None
    from fractureai.inference.overlay import write_overlay_png

    path = folder / f"{_stem(number, view)}_overlay.png"
    return str(write_overlay_png(path, [(drawn[view.sop_instance_uid], view)], prediction))


def _study_overlay(prediction: Prediction, folder: Path | None, drawn: Mapping[str, Radiograph]) -> str | None:
    if folder is None or not drawn:
        return None
    from fractureai.inference.overlay import write_overlay_png

    pairs = [(drawn[view.sop_instance_uid], view) for view in prediction.views]
    return str(write_overlay_png(folder / "overlay.png", pairs, prediction))


def _drawn(prediction: Prediction, given: Mapping[str, Radiograph]) -> dict[str, Radiograph]:
    uids = {view.sop_instance_uid: view.file for view in prediction.views}
    return {uid: given[uid] if uid in given else read_radiograph(file) for uid, file in uids.items()}


def _stem(number: int, view: ViewPrediction) -> str:
    """Return a name for a view's files that is safe on every system and unique within the study."""
    return f"{number}_{view.view}_{re.sub(r'[^A-Za-z0-9._-]+', '_', view.file.stem)[:60]}"
