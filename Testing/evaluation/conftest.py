"""Made-up readings with known figures."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from fractureai.evaluation import CaseResult, ViewResult
from fractureai.inference.prediction import Referral

LANDMARKS = {
    "PA": ("distal_ulna", "distal_radius", "wrist_centre"),
    "LAT": ("dorsal_rim", "palmar_rim", "wrist_centre"),
}


def make_cases(n: int, seed: int = 0) -> tuple[CaseResult, ...]:
    generator = np.random.default_rng(seed)
    cases = []
    for i in range(n):
        hard = generator.random() < 0.3
        label = bool(generator.random() < (0.3 if hard else 0.6))
        centre = (0.4 if hard else 1.6) * (1 if label else -1)
        views = []
        for view, names in LANDMARKS.items():
            probability = float(1 / (1 + np.exp(-(centre + generator.normal(0, 1.2)))))
            errors = {name: float(np.hypot(*generator.normal(0, 1.5, 2))) for name in names}
            hit = bool(generator.random() < 0.8) if label else None
            threshold = {"PA": 0.41, "LAT": 0.58}[view]
            views.append(ViewResult(f"1.2.{i}.{view}", view, probability, threshold, errors, hit))
        refer = bool(generator.random() < 0.2)
        cases.append(
            CaseResult(
                study=f"study-{i:03d}",
                patient=f"P{i // 2}",
                label=label,
                probability=float(np.mean([view.probability for view in views])),
                threshold=0.5,
                views=tuple(views),
                refer=refer,
                reasons=(Referral("views-disagree", "The views differ by 0.52."),) if refer else (),
                stratum="hard" if hard else "general",
                cast=bool(generator.random() < 0.2),
                implant=None,
                age_years=float(generator.uniform(3, 90)),
                sex="FM"[i % 2],
            )
        )
    return tuple(cases)


@pytest.fixture
def cases_of() -> Callable[..., tuple[CaseResult, ...]]:
    return make_cases


@pytest.fixture
def png() -> bytes:
    """A real picture."""
    out = io.BytesIO()
    Image.new("L", (120, 200), 90).save(out, "PNG")
    return out.getvalue()
