"""The model card: what a person should know before using a bundle, and the same for programs, from its specification.

After Mitchell et al., "Model Cards for Model Reporting" (FAT* 2019): details, intended use, factors, metrics, data,
caveats. It lies in the bundle beside the metadata of the MONAI Bundle specification.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from fractureai import NOT_A_MEDICAL_DEVICE
from fractureai.bundle.spec import BundleSpec, plain
from fractureai.bundle.use import failure_modes, intended_use
from fractureai.sites import Site

CARD_FORMAT_VERSION = 1

_REPLACED = """

Where the uncertainty below rests on a disagreement, it decides about the referral and these limits only name the cause.
"""
_NO_FIGURES = "None were measured. Treat its output as untested."
_NO_RELIABILITY = (
    "Not measured: its probabilities are not calibrated, and no study is referred because it is uncertain."
)
_HELD_OUT = (
    "Figures named held out are cross-validated; thresholds and the end of training were chosen on the same "
    "radiographs, so they flatter."
)
_BY_SCORE = "; also when it is less certain than the coverage asks for, or unlike the training images"
_FACTORS = ("view", "stratum (general, hard)", "cast", "implant", "age (under 18, adults)", "hospital and device")
_TITLES = {"aupr": "AUPR", "auroc": "AUROC", "f1": "F1", "knn": "distance to the nearest training images"}


def model_card(spec: BundleSpec) -> str:
    """Return the model card of a bundle as Markdown."""
    site, use = spec.profile(), intended_use(spec)
    template = Template((Path(__file__).parent / "card.md").read_text(encoding="utf-8"))
    return template.substitute(
        title=spec.title,
        id=spec.id,
        created=spec.created,
        headline=spec.notice[:1].upper() + spec.notice[1:] + "." if spec.notice else NOT_A_MEDICAL_DEVICE,
        purpose=use.purpose,
        users=use.users,
        out_of_scope=_list(use.out_of_scope),
        data=_table(("what", "value"), spec.data),
        metrics=_table(("figure", "value"), spec.metrics) if spec.metrics else _NO_FIGURES,
        failure_modes=_list(failure_modes(spec)),
        reliability=_reliability_text(spec),
        thresholds=_thresholds(spec),
        by_score=_BY_SCORE if spec.reliability else "",
        localizer_size=spec.localizer_size_px,
        preprocessing=_preprocessing(spec, site),
        variant=_variant_text(spec),
        recipe=json.dumps(plain(spec.recipe), indent=2, ensure_ascii=False),
        versions=_table(("package", "version"), spec.versions),
        command=spec.command,
        notice=f"*{spec.notice}*" if spec.notice else "",
    )


def model_card_json(spec: BundleSpec) -> dict[str, Any]:
    """Return the model card of a bundle as JSON values; what is not known is null."""
    site, use = spec.profile(), intended_use(spec)
    card: dict[str, Any] = plain(
        {
            "format_version": CARD_FORMAT_VERSION,
            "kind": "fractureai.model_card",
            "model_details": {
                "id": spec.id,
                "title": spec.title,
                "created": spec.created,
                "notice": spec.notice,
                "site": site.name,
                "classes": site.classes,
                "positive_class": site.positive_class,
                "views": {name: _view_details(spec, name) for name in spec.views},
                "recipe": spec.recipe.get("name"),
                "variant": spec.recipe.get("variant") or None,
                "command": spec.command,
                "versions": spec.versions,
            },
            "intended_use": use,
            "factors": _FACTORS,
            "training_data": spec.data,
            "metrics": {"note": _HELD_OUT, "figures": spec.metrics},
            "decision": {
                "ensemble_threshold": spec.ensemble_threshold,
                "view_disagreement_max": spec.view_disagreement_max,
            },
            "reliability": reliability_facts(spec) or None,
            "known_failure_modes": failure_modes(spec),
        }
    )
    return card


def reliability_facts(spec: BundleSpec) -> dict[str, Any]:
    """Return what a bundle says of its calibration and referral, without what only programs need; {} when nothing.

    The keys, as far as the bundle has them: ``calibration`` (method), ``coverage``, ``alpha`` (of the conformal sets),
    ``held_out`` (studies it was fitted on), ``source`` (which studies), ``weights`` of the scores in the combined one,
    ``fitted_on_errors`` (wrong decisions it learned them from) and a ``note`` on them.
    """
    table = spec.reliability or {}
    facts = {key: table[key] for key in ("calibration", "coverage", "alpha", "held_out", "source") if key in table}
    combined = table.get("combined")
    if isinstance(combined, Mapping):
        facts |= {key: combined[key] for key in ("weights", "fitted_on_errors", "note") if key in combined}
    return facts


def _view_details(spec: BundleSpec, name: str) -> dict[str, Any]:
    models = spec.views[name]
    return {
        "localizers": len(models.localizers),
        "classifiers": len(models.classifiers),
        "threshold": models.threshold,
        "fold_disagreement_max": models.fold_disagreement_max,
    }


def _variant_text(spec: BundleSpec) -> str:
    name, variant = spec.recipe.get("name", "unknown"), spec.recipe.get("variant")
    return f"`{name}`, variant `{variant}`." if variant else f"`{name}`, as it stands in its file, without a variant."


def _reliability_text(spec: BundleSpec) -> str:
    facts = reliability_facts(spec)
    if not facts:
        return _NO_RELIABILITY
    lines = []
    if "calibration" in facts:
        held_out = f", fitted on {facts['held_out']} held-out studies" if "held_out" in facts else ""
        lines.append(f"Calibrated probabilities: {facts['calibration']}{held_out}.")
    if "coverage" in facts:
        lines.append(
            f"Coverage: of studies like the held-out ones it answers {100 * facts['coverage']:g} % and refers the "
            "others as too uncertain, unless the site chooses otherwise (`--coverage`)."
        )
    if "alpha" in facts:
        lines.append(
            f"Conformal sets: of each class, {100 * (1 - facts['alpha']):g} % of studies like the held-out ones have "
            "their own class in the set."
        )
    if facts.get("weights"):
        weights = ", ".join(f"{_title(key)} {value:.2f}" for key, value in facts["weights"].items() if value)
        lines.append(f"Weights of the combined uncertainty: {weights or 'none'}.")
    if facts.get("note"):
        lines.append(facts["note"])
    source = facts.get("source")
    table = _table(("fitted on", "value"), source) if isinstance(source, Mapping) else ""
    return "\n\n".join(part for part in (_list(lines), table) if part)


def _list(items: Sequence[str]) -> str:
    return "\n".join(f"* {item}" for item in items)


def _thresholds(spec: BundleSpec) -> str:
    rows = [
        f"| {name} alone | {view.threshold:.3f} | standard deviation of folds above {view.fold_disagreement_max:.2f} |"
        for name, view in spec.views.items()
    ]
    if len(spec.views) > 1:
        limit = f"difference of views above {spec.view_disagreement_max:.2f}"
        rows.append(f"| mean of {' and '.join(spec.views)} | {spec.ensemble_threshold:.3f} | {limit} |")
    note = "" if spec.reliability is None else _REPLACED
    return "\n".join(["| reading of | positive from | referred from |", "|---|---|---|", *rows]) + note


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
