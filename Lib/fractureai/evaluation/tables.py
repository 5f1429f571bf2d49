"""All figures of an evaluation as plain values, for JSON and CSV. An undefined value is null, or an empty field."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fractureai.evaluation.blocks import ReportPart, Table
from fractureai.evaluation.bootstrap import Estimate
from fractureai.evaluation.calibration import CalibrationBin
from fractureai.evaluation.cases import CaseResult
from fractureai.evaluation.evaluate import Evaluation, LandmarkRow
from fractureai.evaluation.metrics import METRICS
from fractureai.evaluation.strata import MetricsRow
from fractureai.reliability import SCORES

FORMAT_VERSION = 1

_UNDEFINED = Estimate(math.nan, math.nan, math.nan)


def evaluation_to_json(evaluation: Evaluation) -> dict[str, Any]:
    """Return everything as JSON values; the keys are those of the dataclasses."""
    return {
        "format_version": FORMAT_VERSION,
        "bootstrap": {
            "resamples": evaluation.resamples,
            "seed": evaluation.seed,
            "confidence": evaluation.confidence,
            "kind": "stratified by outcome, patients with all their studies, percentile",
        },
        "strata": [_metrics(row) for row in evaluation.strata],
        "views": [_metrics(row) for row in evaluation.views],
        "landmarks": [_landmarks(row) for row in evaluation.landmarks],
        "localisation": [_plain(asdict(row)) for row in evaluation.localisation],
        "calibration": _plain(asdict(evaluation.calibration)),
        "referrals": _plain(asdict(evaluation.referrals)),
        "wrong_views": evaluation.wrong_views,
        **{name: _plain(part.to_json()) for name, part in further_parts(evaluation).items()},
        "left_out": [asdict(item) for item in evaluation.left_out],
        "cases": [_plain({**asdict(case), "called": case.called}) for case in evaluation.cases],
    }


def further_parts(evaluation: Evaluation) -> dict[str, ReportPart]:
    """Return the optional parts that were asked for, by the name of their field."""
    parts = {
        "readers": evaluation.readers,
        "confounders": evaluation.confounders,
        "calibrated": evaluation.calibrated,
        "selective": evaluation.selective,
        "explanation": evaluation.explanation,
    }
    return {name: part for name, part in parts.items() if part}


def write_tables(evaluation: Evaluation, folder: Path, extra: Mapping[str, Any]) -> tuple[Path, ...]:
    """Write ``numbers.json`` and a CSV file each of strata and views, landmarks, calibration and cases.

    Args:
        evaluation: what to write.
        folder: where; must exist.
        extra: further top-level entries of the JSON (title, notice, facts).
    """
    values = {**extra, **evaluation_to_json(evaluation)}
    path = folder / "numbers.json"
    path.write_text(json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    return (
        path,
        _write_csv(folder / "strata.csv", [_metrics_fields(row) for row in (*evaluation.strata, *evaluation.views)]),
        _write_csv(folder / "landmarks.csv", [_landmark_fields(row) for row in evaluation.landmarks]),
        _write_csv(folder / "calibration.csv", [_bin_fields(bin_) for bin_ in evaluation.calibration.bins]),
        _write_csv(folder / "cases.csv", [_case_fields(case) for case in evaluation.cases]),
    )


def write_table(table: Table, folder: Path) -> Path:
    """Write a table of the report as ``<name>.csv`` with unrounded numbers, all groups of rows below each other."""
    rows = [row for group in table.groups for row in group.rows]
    estimated = {
        column.key for i, column in enumerate(table.columns) if any(isinstance(row[i], Estimate) for row in rows)
    }
    fields: list[dict[str, Any]] = [{} for _ in rows]
    for line, cells in zip(fields, rows, strict=True):
        for column, cell in zip(table.columns, cells, strict=True):
            if column.key in estimated:
                line |= _estimate_fields(column.key, cell if isinstance(cell, Estimate) else _UNDEFINED)
            else:
                line[column.key] = cell
    return _write_csv(folder / f"{table.name}.csv", fields)


def _metrics(row: MetricsRow) -> dict[str, Any]:
    return _plain_dict({**asdict(row), "n": row.n, "n_positive": row.n_positive, "few_cases": row.few})


def _landmarks(row: LandmarkRow) -> dict[str, Any]:
    values = asdict(row.result)
    values["recall"] = [{"within_mm": limit, **asdict(share)} for limit, share in row.result.recall.items()]
    return _plain_dict({"view": row.view, "landmark": row.landmark, **values})


def _metrics_fields(row: MetricsRow) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": row.name, "title": row.title, "n": row.n, "n_positive": row.n_positive}
    for key in ("true_positive", "false_positive", "true_negative", "false_negative"):
        fields[key] = getattr(row.metrics, key) if row.metrics else 0
    for name in METRICS:
        fields |= _estimate_fields(name, row.estimates.get(name, _UNDEFINED))
    for name in ("sensitivity_wilson", "specificity_wilson", "auroc_delong"):
        interval = getattr(row, name)
        fields |= {f"{name}_low": interval.low, f"{name}_high": interval.high}
    return fields


def _landmark_fields(row: LandmarkRow) -> dict[str, Any]:
    result = row.result
    fields: dict[str, Any] = {"view": row.view, "landmark": row.landmark}
    for key in ("n_points", "n_radiographs", "missed", "mean_mm", "median_mm"):
        fields[key] = getattr(result, key)
    for limit, share in result.recall.items():
        fields |= _estimate_fields(f"recall_{limit:g}_mm", share)
    return fields


def _bin_fields(bin_: CalibrationBin) -> dict[str, Any]:
    fields: dict[str, Any] = {key: getattr(bin_, key) for key in ("low", "high", "n", "mean_probability")}
    return {**fields, **_estimate_fields("observed", bin_.observed)}


def _case_fields(case: CaseResult) -> dict[str, Any]:
    fields = {
        key: getattr(case, key)
        for key in ("study", "patient", "stratum", "cast", "implant", "age_years", "sex", "label", "probability")
    }
    fields |= {"threshold": case.threshold, "called": case.called, "refer": case.refer}
    fields |= {"calibrated": case.calibrated, "uncertainty": case.uncertainty}
    fields |= {f"score_{key}": case.scores.get(key) for key in SCORES}
    fields["reasons"] = " ".join(reason.code for reason in case.reasons)
    fields["views"] = " ".join(f"{view.view}:{view.probability:.6f}" for view in case.views)
    errors = [f"{view.view}:{name}:{mm:.3f}" for view in case.views for name, mm in view.landmark_errors_mm.items()]
    fields["landmark_errors_mm"] = " ".join(errors)
    fields["activation_hits"] = " ".join(
        f"{view.view}:{int(view.activation_hit)}" for view in case.views if view.activation_hit is not None
    )
    return fields


def _estimate_fields(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        if rows:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows({key: _field(value) for key, value in row.items()} for row in rows)
    return path


def _field(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    return "" if value is None or (isinstance(value, float) and not math.isfinite(value)) else value


def _plain_dict(value: dict[str, Any]) -> dict[str, Any]:
    return {key: _plain(item) for key, item in value.items()}


def _plain(value: Any) -> Any:
    """Replace what JSON has no number for by null, all the way down."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
