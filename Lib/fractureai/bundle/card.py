"""The model card: what a person should know before using a bundle, made from its specification."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template
from typing import Any

from fractureai import NOT_A_MEDICAL_DEVICE
from fractureai.bundle.spec import BundleSpec, plain
from fractureai.sites import Site

_SIMULATED_LIMITS = """* Not for images of people at all: every training image was simulated. The figures
  below are of simulated images and say nothing about its accuracy on patients.
"""
_NO_FIGURES = "None were measured. Treat its output as untested."
_TITLES = {"aupr": "AUPR", "auroc": "AUROC", "f1": "F1"}


def model_card(spec: BundleSpec) -> str:
    """Return the model card of a bundle as Markdown."""
    site = spec.profile()
    simulated = bool(spec.data.get("simulated"))
    template = Template((Path(__file__).parent / "card.md").read_text(encoding="utf-8"))
    return template.substitute(
        title=spec.title,
        id=spec.id,
        created=spec.created,
        headline=spec.notice[:1].upper() + spec.notice[1:] + "." if spec.notice else NOT_A_MEDICAL_DEVICE,
        views=" and ".join(spec.views),
        site=site.title.lower(),
        positive=site.positive_class,
        device_sentence=NOT_A_MEDICAL_DEVICE,
        simulated_limits=_SIMULATED_LIMITS if simulated else "",
        data=_table(("what", "value"), spec.data),
        metrics=_table(("figure", "value"), spec.metrics) if spec.metrics else _NO_FIGURES,
        thresholds=_thresholds(spec),
        localizer_size=spec.localizer_size_px,
        preprocessing=_preprocessing(spec, site),
        recipe=json.dumps(plain(spec.recipe), indent=2, ensure_ascii=False),
        versions=_table(("package", "version"), spec.versions),
        command=spec.command,
        notice=f"*{spec.notice}*" if spec.notice else "",
    )


def _thresholds(spec: BundleSpec) -> str:
    rows = [
        f"| {name} alone | {view.threshold:.3f} | standard deviation of folds above {view.fold_disagreement_max:.2f} |"
        for name, view in spec.views.items()
    ]
    if len(spec.views) > 1:
        limit = f"difference of views above {spec.view_disagreement_max:.2f}"
        rows.append(f"| mean of {' and '.join(spec.views)} | {spec.ensemble_threshold:.3f} | {limit} |")
    return "\n".join(["| reading of | positive from | referred from |", "|---|---|---|", *rows])


def _preprocessing(spec: BundleSpec, site: Site) -> str:
    lines = []
    for name, models in spec.views.items():
        view = site.view(name)
        crops = "five crops" if models.crops == "five" else "the central crop"
        lines.append(
            f"* {name}: region of {view.roi_side_mm:g} mm as {view.roi_size_px} pixels, its centre "
            f"{view.roi_padding_mm:g} mm proximal of the mean of {len(view.landmarks)} landmarks; "
            f"{crops} of {models.window_px} pixels{' and their mirror images' if models.mirror else ''}; "
            f"{len(models.localizers)} localizer(s) and "
            f"{len(models.classifiers)} classifier(s), whose outputs are averaged."
        )
    return "\n".join(lines)


def _table(head: tuple[str, str], values: Mapping[str, Any]) -> str:
    rows = [f"| {_cell(name)} | {_cell(value)} |" for name, value in _flatten("", values)]
    return "\n".join([f"| {head[0]} | {head[1]} |", "|---|---|", *rows])


def _flatten(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield (name, text) for every figure in nested tables; an estimate with its interval is one figure."""
    value = plain(value)
    if isinstance(value, dict) and {"value", "low", "high"} <= set(value):
        yield prefix, f"{_number(value['value'])} ({_number(value['low'])}-{_number(value['high'])})"
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _flatten(f"{prefix}, {_title(key)}" if prefix else _title(key), item)
    elif isinstance(value, list):
        yield prefix, ", ".join(_number(item) for item in value)
    else:
        yield prefix, _number(value)


def _title(key: str) -> str:
    return _TITLES.get(key, key.replace("_", " "))


def _number(value: Any) -> str:
    if value is None:
        return "not measurable"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
