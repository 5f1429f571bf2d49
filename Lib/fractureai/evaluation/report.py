"""The report of an evaluation: one HTML page that stands alone, with its numbers and figures beside it."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fractureai import NOT_A_MEDICAL_DEVICE, __version__
from fractureai.evaluation.bootstrap import Estimate, wilson
from fractureai.evaluation.cases import CaseResult
from fractureai.evaluation.evaluate import Evaluation
from fractureai.evaluation.figures import ROLES, ReportFigure, write_figures
from fractureai.evaluation.landmarks import RECALL_MM
from fractureai.evaluation.metrics import METRIC_TITLES, METRICS
from fractureai.evaluation.published import PUBLISHED, PUBLISHED_RECALL, SOURCE
from fractureai.evaluation.strata import FEW
from fractureai.evaluation.tables import write_tables


@dataclass(frozen=True)
class GalleryItem:
    """One wrongly called study in the report.

    Attributes:
        case: the study.
        png: the picture (radiograph with landmarks, region and activation map), as the bytes of a PNG file.
        view: what the picture shows, for example ``PA``.
    """

    case: CaseResult
    png: bytes = field(repr=False)
    view: str = ""


def write_report(
    evaluation: Evaluation,
    folder: Path | str,
    *,
    gallery: Sequence[GalleryItem] = (),
    notice: str = "",
    title: str = "Evaluation",
    facts: Mapping[str, str] | None = None,
    created: str = "",
) -> Path:
    """Write ``report.html`` and beside it ``numbers.json``, three CSV files and the folder ``figures``.

    The page carries its figures and pictures inside, so it can be sent alone.

    Args:
        evaluation: what to report.
        folder: where; made if needed, files of the same names are overwritten.
        gallery: pictures of the worst errors, worst first.
        notice: what must stand beside every output of the model; may be "".
        title: heading.
        facts: further rows of "Data and model": name -> value.
        created: date of the evaluation as text; "" leaves it out, so that the same input gives the same bytes.

    Returns:
        The path of ``report.html``.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    all_facts = {**(facts or {}), **_own_facts(evaluation)}
    figures = write_figures(evaluation, target / "figures")
    write_tables(evaluation, target, {"title": title, "notice": notice, "facts": all_facts})
    page = _template().render(
        title=title,
        version=__version__,
        not_a_medical_device=NOT_A_MEDICAL_DEVICE,
        created=created,
        notice=notice[:1].upper() + notice[1:],
        facts=all_facts,
        summary=summary_sentences(evaluation),
        gallery=[_gallery_entry(item) for item in gallery],
        **_numbers(evaluation),
        **_plates(figures),
    )
    path = target / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def summary_sentences(evaluation: Evaluation) -> tuple[str, ...]:
    """Return the result in one to four plain sentences."""
    row = evaluation.stratum("all")
    metrics = row.metrics
    assert metrics is not None  # an evaluation has at least one study that was read
    sentences = [
        f"In {_studies(metrics.n)}, {metrics.n_positive} of them with a fracture, the model found "
        f"{metrics.true_positive} of {metrics.n_positive} fractures and called {metrics.false_positive} of "
        f"{metrics.n - metrics.n_positive} normal studies a fracture; AUROC {row.estimates['auroc']}."
    ]
    hard = evaluation.stratum("hard")
    if hard.metrics and hard.metrics.n_positive:
        sentences.append(
            f"On the hard stratum, fractures that can hardly or not be seen on a radiograph, it found "
            f"{hard.metrics.true_positive} of {hard.metrics.n_positive}; AUROC {hard.estimates['auroc']}. "
            "A negative reading does not rule out such a fracture."
        )
    if evaluation.landmarks:
        result = evaluation.landmarks[0].result
        placed = round(result.recall[5.0].value * result.n_points)
        sentences.append(
            f"It placed {placed} of {result.n_points} landmarks within 5 mm of the reference, {result.recall[5.0]}."
        )
    referred = evaluation.referrals.referred
    sentences.append(f"It referred {referred} of {_studies(evaluation.referrals.studies)} to a person.")
    return tuple(sentences)


def inline_svg(svg: str, prefix: str, label: str) -> str:
    """Make an SVG file part of a page: own ids, the page's colours, its width, and a name for screen readers.

    Args:
        svg: content of the file.
        prefix: letters put before every id.
        label: what the figure shows.
    """
    from markupsafe import escape

    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="', f'id="{prefix}-', body)
    body = re.sub(r'(href="|url\()#', rf"\g<1>#{prefix}-", body)
    for colour, role in ROLES.items():
        body = re.sub(re.escape(colour), f"var(--{role})", body, flags=re.IGNORECASE)
    opening, rest = body.split(">", 1)
    opening = re.sub(r'\s(width|height)="[^"]*"', "", opening)
    return f'{opening} role="img" aria-label="{escape(label)}">{rest}'


def _template() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("fractureai.evaluation", package_path="")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.get_template("report.html")


def _numbers(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "metrics": METRICS,
        "metric_titles": METRIC_TITLES,
        "few": FEW,
        "percent": f"{100 * evaluation.confidence:g} %",
        "resamples": evaluation.resamples,
        "seed": evaluation.seed,
        "tiles": _tiles(evaluation),
        "strata": [row for row in evaluation.strata if row.n],
        "empty_strata": [row.title for row in evaluation.strata if not row.n],
        "views": [row for row in evaluation.views if row.n],
        "published": PUBLISHED,
        "published_source": SOURCE,
        "published_recall": PUBLISHED_RECALL,
        "limits": RECALL_MM,
        "landmarks": [_landmark_entry(row) for row in evaluation.landmarks],
        "landmark_notes": _landmark_notes(evaluation),
        "localisation": [
            {"title": _view_title(row.view), "hits": row.hits, "n": row.n, "share": row.share}
            for row in evaluation.localisation
        ],
        "referrals": evaluation.referrals,
        "referral_sentence": _referral_sentence(evaluation),
        "wrong": sum(case.correct is False for case in evaluation.cases),
        "left_out": evaluation.left_out,
    }


def _plates(figures: Sequence[ReportFigure]) -> dict[str, Any]:
    from markupsafe import Markup

    plates = [
        # The SVG was drawn by matplotlib from numbers; its label is escaped.
        (figure, Markup(inline_svg(figure.svg.read_text(encoding="utf-8"), figure.name, figure.title)))
        for figure in figures
    ]
    return {
        "figures": [plate for plate in plates if plate[0].name != "landmarks"],
        "landmark_figures": [plate for plate in plates if plate[0].name == "landmarks"],
    }


def _tiles(evaluation: Evaluation) -> list[dict[str, Any]]:
    row = evaluation.stratum("all")
    shares = {"sensitivity": row.sensitivity_wilson, "specificity": row.specificity_wilson}
    percent = f"{100 * evaluation.confidence:g} %"

    def tile(title: str, estimate: Estimate, unreliable: bool = False) -> dict[str, Any]:
        note = "too few studies for an interval" if unreliable else f"{percent} interval {estimate.interval_text}"
        note = note if estimate.interval_text else "not defined by these studies"
        return {"title": title, "estimate": estimate, "note": note}

    tiles = [tile("AUROC", row.estimates["auroc"], row.few)]
    # With few cases the bootstrap's interval is too narrow; Wilson's is not.
    tiles += [tile(METRIC_TITLES[name], shares[name] if row.few else row.estimates[name]) for name in shares]
    if evaluation.landmarks:
        tiles.append(tile("Landmarks within 5 mm", evaluation.landmarks[0].result.recall[5.0]))
    if evaluation.localisation:
        tiles.append(tile("Map on the fracture", evaluation.localisation[0].share))
    return tiles


def _own_facts(evaluation: Evaluation) -> dict[str, str]:
    cases = evaluation.cases
    ages = [case.age_years for case in cases if case.age_years is not None]
    views: dict[str, int] = {}
    for case in cases:
        for view in case.views:
            views[view.view] = views.get(view.view, 0) + 1
    facts = {
        "Studies": f"{len(cases)} of {len({case.patient for case in cases})} patients",
        "Fractures": f"{sum(case.label for case in cases)} of {len(cases)}",
        "Radiographs read": ", ".join(f"{count} {view}" for view, count in sorted(views.items())) or "none",
        "Thresholds": _thresholds(cases),
    }
    if ages:
        facts["Age"] = f"{min(ages):.0f} to {max(ages):.0f} years (known for {len(ages)})"
    sexes = {sex: sum(case.sex == sex for case in cases) for sex in ("F", "M", "O")}
    if any(sexes.values()):
        facts["Sex"] = ", ".join(f"{count} {sex}" for sex, count in sexes.items() if count)
    if evaluation.left_out:
        facts["Left out"] = f"{len(evaluation.left_out)} (listed at the end)"
    return facts


def _thresholds(cases: Sequence[CaseResult]) -> str:
    several = [case.threshold for case in cases if len({view.view for view in case.views}) > 1]
    used = {f"views together {threshold:.2f}" for threshold in several}
    used |= {f"{view.view} {view.threshold:.2f}" for case in cases for view in case.views}
    return ", ".join(sorted(used, key=lambda text: (not text.startswith("views"), text)))


def _landmark_entry(row: Any) -> dict[str, Any]:
    title = _view_title(row.view) if row.landmark == "all" else f"{row.view}, {row.landmark.replace('_', ' ')}"
    median = row.result.median_mm
    return {"title": title, "result": row.result, "median": "–" if math.isnan(median) else f"{median:.1f}"}


def _landmark_notes(evaluation: Evaluation) -> list[str]:
    notes = []
    missed = evaluation.landmarks[0].result.missed if evaluation.landmarks else 0
    if missed:
        notes.append(f"{missed} landmarks were not placed and count as misses.")
    if evaluation.wrong_views:
        notes.append(f"{evaluation.wrong_views} radiographs were read as another view than the reference says.")
    return notes


def _referral_sentence(evaluation: Evaluation) -> str:
    counts = evaluation.referrals
    kept = counts.studies - counts.referred
    share = wilson(counts.referred, counts.studies, evaluation.confidence)
    return (
        f"{counts.referred} of {_studies(counts.studies)}, {share}, were referred; {counts.not_read} of them could "
        f"not be read at all. Wrongly called: {counts.wrong_referred} of the {counts.referred} referred and "
        f"{counts.wrong_kept} of the {kept} others."
    )


def _gallery_entry(item: GalleryItem) -> dict[str, str]:
    case = item.case
    title = "Fracture missed" if case.label else "Normal called a fracture"
    parts = [f"{case.study}", f"probability {case.probability:.2f}, threshold {case.threshold:.2f}"]
    parts += [text for text in (item.view, case.stratum) if text]
    parts += ["referred"] if case.refer else []
    return {
        "title": title,
        "caption": ", ".join(parts),
        "alt": f"{title}: {item.view} radiograph of study {case.study} with the model's marks",
        "source": "data:image/png;base64," + base64.b64encode(item.png).decode("ascii"),
    }


def _view_title(view: str) -> str:
    return "All views" if view == "all" else view


def _studies(count: int) -> str:
    return "1 study" if count == 1 else f"{count} studies"
