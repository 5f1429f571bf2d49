"""Reading a study on a worker thread: what happens between a request and its reading."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fractureai.errors import RadiographError
from fractureai.inference import Pipeline, Prediction
from fractureai.radiograph import Radiograph, read_radiograph
from fractureai.server.documents import Fields
from fractureai.server.errors import ApiError
from fractureai.server.services import Services
from fractureai.server.sources import Sources
from fractureai.server.work import Watch

OnStage = Callable[[str], None]


def read_study(
    services: Services, sources: Sources, fields: Fields, watch: Watch, on_stage: OnStage | None = None
) -> dict[str, Any]:
    """Read a study, keep the reading and return it as JSON values.

    Args:
        services: models, and where readings are kept.
        sources: the radiographs.
        fields: the model, and what the client says about the radiographs.
        watch: ends the work between two stages.
        on_stage: is told each change of the stage.

    Raises:
        ApiError: there is no such model, a radiograph is too large, none of them can be read, or a coverage is asked of
            a model that was never calibrated.
        StoppedError: nobody waits any more.
    """
    pipeline = services.models.pipeline(fields.model)
    sources.check(services.settings.limits)
    follow = _follower(watch, on_stage)
    coverage = _coverage(pipeline, fields.coverage, services.settings.coverage)
    given: dict[str, Any] = {"view": fields.view, "side": fields.side, "spacing_mm": fields.spacing_mm}
    began = time.perf_counter()
    opened: list[Radiograph | Path] = []
    for path in sources.paths:
        follow("read")
        opened.append(_opened(path))
    opening_ms = (time.perf_counter() - began) * 1000
    prediction = _with_time(pipeline.read(opened, **given, on_stage=follow, coverage=coverage), opening_ms)
    radiographs = {item.sop_instance_uid: item for item in opened if isinstance(item, Radiograph)}
    if not radiographs:
        raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, sources.clean(prediction.problems[0]))
    watch.check()
    return services.readings.add(prediction, radiographs, sources)


def _coverage(pipeline: Pipeline, asked: float | None, default: float | None) -> float | None:
    """Return the share of studies to answer; None: the model's own, or it knows of none."""
    if pipeline.trust is not None:
        return default if asked is None else asked
    if asked is not None:
        detail = "This model was never calibrated; leave the coverage out, or run fractureai calibrate with it."
        raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
    return None


def _opened(path: Path) -> Radiograph | Path:
    """Return a radiograph; the path of one that can not be read, so that the pipeline says why."""
    try:
        return read_radiograph(path)
    except RadiographError:
        return path


def _with_time(prediction: Prediction, opening_ms: float) -> Prediction:
    timings = dict(prediction.timings_ms)
    for stage in ("read", "total"):
        timings[stage] += opening_ms
    return replace(prediction, timings_ms=timings)


def _follower(watch: Watch, on_stage: OnStage | None) -> OnStage:
    last = ""

    def follow(stage: str) -> None:
        nonlocal last
        watch.check()
        if stage != last and on_stage is not None:
            on_stage(stage)
        last = stage

    return follow
