"""The validation report for programs: what was validated on what, for which use, with which result and limits."""

from __future__ import annotations

import importlib.metadata
import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fractureai import NOT_A_MEDICAL_DEVICE, __version__
from fractureai.bundle.card import model_card_json
from fractureai.bundle.spec import BundleSpec, plain
from fractureai.bundle.use import failure_modes as known_failure_modes
from fractureai.bundle.use import intended_use
from fractureai.evaluation.blocks import Bullets, Section, Text
from fractureai.evaluation.evaluate import Evaluation
from fractureai.evaluation.failures import failure_modes
from fractureai.evaluation.tables import evaluation_to_json

FORMAT_VERSION = 1
SIMULATED = "truth"
"""The rater of simulated images."""
SIMULATED_NOTICE = "The images of this evaluation are simulated, so its figures say nothing about patients."

_PACKAGES = ("numpy", "scipy", "pydicom", "SimpleITK", "onnxruntime")


@dataclass(frozen=True)
class Subject:
    """What was validated on what.

    Attributes:
        spec: of the bundle.
        dataset: name of the dataset.
        split: name of the split, or ``all``.
        raters: whose marks are the reference.
        fingerprint: hash of the images and the marks they were compared with; "" when not known.
        fitted_here: calibration and uncertainty may have been fitted on these studies.
    """

    spec: BundleSpec
    dataset: str
    split: str
    raters: tuple[str, ...]
    fingerprint: str = ""
    fitted_here: bool = False

    @property
    def simulated(self) -> bool:
        """True when the images were simulated."""
        return SIMULATED in self.raters

    def facts(self) -> dict[str, str]:
        """Return rows for people: name -> value."""
        spec = self.spec
        recipe, variant = str(spec.recipe.get("name") or "unknown"), spec.recipe.get("variant")
        facts = {
            "Model": spec.id,
            "Made": spec.created,
            "Recipe": f"{recipe}, variant {variant}" if variant else recipe,
            "Trained on": _trained_on(spec),
            "Dataset": f"{self.dataset} (simulated)" if self.simulated else self.dataset,
            "Split": self.split,
            "Reference": "the simulation itself"
            if self.raters == (SIMULATED,)
            else "marks of " + ", ".join(self.raters),
        }
        return {**facts, "Fingerprint": self.fingerprint[:16]} if self.fingerprint else facts


def use_section(subject: Subject) -> Section:
    """Return what the model is for, and what not."""
    use = intended_use(subject.spec)
    blocks = (Text(use.purpose), Text(f"For whom: {use.users}"), Bullets(use.out_of_scope))
    return Section("use", "Intended use", blocks)


def limits(evaluation: Evaluation, subject: Subject | None = None) -> tuple[str, ...]:
    """Return what the figures do not show, a sentence each."""
    found = [SIMULATED_NOTICE] if subject and subject.simulated else []
    if subject and subject.dataset == subject.spec.data.get("name") and subject.split != "test":
        found.append(
            "The model was trained on studies of this dataset, and this is not its untouched test split: the figures "
            "flatter."
        )
    if subject and subject.fitted_here:
        found.append(
            "Calibration and uncertainty were fitted on studies of this split: what is said of referral flatters."
        )
    found.append(
        "One dataset, read once: other hospitals, devices and patients may give other figures. The intervals do not "
        "include that."
    )
    few = [row.title for row in evaluation.strata if row.n and row.few]
    if few:
        found.append(f"Too few fractures or normals for reliable figures: {', '.join(few)}.")
    empty = [row.title for row in evaluation.strata if not row.n]
    if empty:
        found.append(f"Not tested, because there was no such study: {', '.join(empty)}.")
    if not (subject and subject.simulated):
        found.append(
            "The reference is what the raters marked. Where they err, or where a fracture can not be seen on a "
            "radiograph and was not known from elsewhere, a right reading counts as wrong and a wrong one as right."
        )
    found.append("The share of fractures is that of this dataset; precision and F1 change with it.")
    return tuple(found)


def notice_of(subject: Subject) -> str:
    """Return what must stand beside every figure."""
    own = subject.spec.notice
    parts = [f"{NOT_A_MEDICAL_DEVICE} For research only.", f"{own[:1].upper()}{own[1:].rstrip('.')}." if own else ""]
    parts += [SIMULATED_NOTICE] if subject.simulated else []
    return " ".join(part for part in parts if part)


def validation(evaluation: Evaluation, subject: Subject, title: str, created: str) -> dict[str, Any]:
    """Return the validation report as JSON values; see ``validation.schema.json``. What is not defined is null."""
    figures = evaluation_to_json(evaluation)
    omitted = ("format_version", "cases", "left_out", "bootstrap")  # cases are in numbers.json and cases.csv
    return {
        "format_version": FORMAT_VERSION,
        "kind": "fractureai.validation",
        "title": title,
        "created": created or None,
        "notice": notice_of(subject),
        "software": {"fractureai": __version__, **{name: importlib.metadata.version(name) for name in _PACKAGES}},
        "model": model_card_json(subject.spec),
        "intended_use": plain(intended_use(subject.spec)),
        "data": _data(evaluation, subject),
        "method": figures["bootstrap"],
        "results": {name: value for name, value in figures.items() if name not in omitted},
        "known_failure_modes": {
            "found": [plain(asdict(mode)) for mode in failure_modes(evaluation)],
            "known": list(known_failure_modes(subject.spec)),
        },
        "limits": list(limits(evaluation, subject)),
    }


def write_validation(path: Path, content: dict[str, Any]) -> Path:
    """Write `validation` to a file."""
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    return path


def _data(evaluation: Evaluation, subject: Subject) -> dict[str, Any]:
    cases = evaluation.cases
    ages = [case.age_years for case in cases if case.age_years is not None]
    views = Counter(view.view for case in cases for view in case.views)
    return {
        "dataset": subject.dataset,
        "split": subject.split,
        "simulated": subject.simulated,
        "reference_raters": list(subject.raters),
        "fingerprint": subject.fingerprint or None,
        "studies": len(cases),
        "patients": len({case.patient for case in cases}),
        "fractures": sum(case.label for case in cases),
        "not_read": evaluation.referrals.not_read,
        "left_out": len(evaluation.left_out),
        "radiographs": dict(sorted(views.items())),
        "age_years": {"min": min(ages), "max": max(ages), "known": len(ages)} if ages else None,
        "sex": dict(sorted(Counter(case.sex for case in cases if case.sex).items())),
    }


def _trained_on(spec: BundleSpec) -> str:
    data = spec.data
    counts = [f"{data[key]} {key}" for key in ("patients", "radiographs") if key in data]
    name = str(data.get("name") or "unknown data")
    return ", ".join([name + (" (simulated)" if data.get("simulated") else ""), *counts])
