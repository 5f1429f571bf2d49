"""What a model is for, what it is not for, and where it is known to fail: said once, for card, report and programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fractureai import NOT_A_MEDICAL_DEVICE
from fractureai.bundle.spec import BundleSpec

WHOLE = ("all", "general")
"""Names of the group of studies that others are compared with, the first that has figures."""


@dataclass(frozen=True)
class IntendedUse:
    """What a model may be used for.

    Attributes:
        purpose: what it does, and for what.
        users: who may use it.
        out_of_scope: what it is not for, a sentence each.
    """

    purpose: str
    users: str
    out_of_scope: tuple[str, ...]


def intended_use(spec: BundleSpec) -> IntendedUse:
    """Return what a bundle is for."""
    site = spec.profile()
    views = " and ".join(spec.views)
    out_of_scope = [
        "Not for diagnosis, triage or treatment; nobody should be treated, or not treated, because of its output.",
        f"Not for other body parts, other views ({views} only), computed tomography, or photographs of films.",
        f"Not to rule out: a low probability does not exclude {site.positive_class}; some can not be seen on "
        "a radiograph.",
        "Not for measuring: its landmarks only place the region it looks at.",
    ]
    if spec.data.get("simulated"):
        out_of_scope.append(
            "Not for images of people at all: every training image was simulated, and figures on simulated images say "
            "nothing about its accuracy on patients."
        )
    return IntendedUse(
        f"Research and teaching: it reads {views} radiographs of the {site.title.lower()} and gives the probability of "
        f"{site.positive_class}, the region it looked at and an activation map. {NOT_A_MEDICAL_DEVICE}",
        "People who develop, test or teach image analysis, and readers in a study who know that it is under test.",
        tuple(out_of_scope),
    )


def failure_modes(spec: BundleSpec) -> tuple[str, ...]:
    """Return where the model is known to fail: by its construction, and by its own figures.

    Of the figures, it names each group whose interval of a metric lies wholly below the value of all studies.
    """
    site = spec.profile()
    modes = [
        f"Occult {site.positive_class}: what can hardly or not be seen on a radiograph is mostly called normal.",
        "A header that lies (side, view, spacing, photometric interpretation) misplaces the region of interest; such "
        "studies are referred where the contradiction is found.",
        "Casts, implants, children, and hospitals other than those of the training images: untested unless an "
        "evaluation on such studies says otherwise.",
    ]
    return (*modes, *_weak_groups(spec.metrics))


def _weak_groups(metrics: Mapping[str, Any]) -> list[str]:
    whole = next((name for name in WHOLE if isinstance(metrics.get(name), Mapping)), None)
    if whole is None:
        return []
    found = []
    for group, figures in metrics.items():
        if group in WHOLE or not isinstance(figures, Mapping):
            continue
        for name, estimate in figures.items():
            reference = _value(metrics[whole].get(name))
            high = estimate.get("high") if isinstance(estimate, Mapping) else None
            if reference is not None and isinstance(high, int | float) and high < reference:
                text = f"{estimate['value']:.2f} ({estimate['low']:.2f}-{high:.2f})"
                found.append(f"{group}: {name.replace('_', ' ')} {text}, against {reference:.2f} ({whole}).")
    return found


def _value(estimate: Any) -> float | None:
    value = estimate.get("value") if isinstance(estimate, Mapping) else estimate
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
