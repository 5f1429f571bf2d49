"""The sections of a report, from an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fractureai.bundle.use import failure_modes as known_failure_modes
from fractureai.evaluation.blocks import (
    Block,
    Bullets,
    Cell,
    Column,
    Facts,
    Picture,
    Pictures,
    Plots,
    RowGroup,
    Section,
    Table,
    Text,
    Tile,
    Tiles,
)
from fractureai.evaluation.bootstrap import Estimate
from fractureai.evaluation.cases import CaseResult
from fractureai.evaluation.evaluate import Evaluation, LandmarkRow
from fractureai.evaluation.failures import failure_modes, failure_section
from fractureai.evaluation.figures import landmark_plot, performance_blocks
from fractureai.evaluation.landmarks import RECALL_MM
from fractureai.evaluation.metrics import METRIC_TITLES, METRICS
from fractureai.evaluation.published import PUBLISHED, PUBLISHED_RECALL, PUBLISHED_ROWS, SOURCE
from fractureai.evaluation.report.validation import Subject, limits, use_section
from fractureai.evaluation.report.wording import how_computed, landmark_notes, referral_sentence, summary_sentences
from fractureai.evaluation.strata import FEW, MetricsRow

_PUBLISHED_TITLE = (
    "Published figures, for orientation only. They are the paper's own, on its own hospital images, and can not be "
    f"compared with the rows above. {SOURCE}."
)


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


def report_sections(
    evaluation: Evaluation,
    facts: Mapping[str, str],
    gallery: Sequence[GalleryItem],
    subject: Subject | None = None,
) -> tuple[Section, ...]:
    """Return everything the report says, in order.

    Args:
        evaluation: the figures.
        facts: rows of "Data and model".
        gallery: pictures of the worst errors.
        subject: what was validated on what; without it the report does not say what the model is for.
    """
    found = (
        _summary(evaluation),
        use_section(subject) if subject else None,
        Section("data", "Data and model", (Facts(facts),)),
        _strata(evaluation),
        _views(evaluation),
        evaluation.readers and evaluation.readers.section(),
        evaluation.confounders and evaluation.confounders.section(),
        Section("figures", "Figures", performance_blocks(evaluation)),
        evaluation.calibrated and evaluation.calibrated.section(),
        _landmarks(evaluation) if evaluation.landmarks else None,
        _localisation(evaluation),
        evaluation.explanation and evaluation.explanation.section(),
        _referrals(evaluation),
        evaluation.selective and evaluation.selective.section(),
        _errors(evaluation, gallery),
        failure_section(failure_modes(evaluation), known_failure_modes(subject.spec) if subject else ()),
        Section("limits", "Limits", (Bullets(limits(evaluation, subject)),)),
        _computed(evaluation),
    )
    return tuple(section for section in found if section)


def _summary(evaluation: Evaluation) -> Section:
    sentences = summary_sentences(evaluation)
    texts = [Text(sentence, "" if i else "lead") for i, sentence in enumerate(sentences)]
    return Section("summary", "Summary", (*texts, Tiles(_tiles(evaluation))))


def _tiles(evaluation: Evaluation) -> tuple[Tile, ...]:
    row = evaluation.stratum("all")
    shares = {"sensitivity": row.sensitivity_wilson, "specificity": row.specificity_wilson}
    percent = f"{100 * evaluation.confidence:g} %"

    def tile(title: str, estimate: Estimate, unreliable: bool = False) -> Tile:
        note = "too few studies for an interval" if unreliable else f"{percent} interval {estimate.interval_text}"
        note = note if estimate.interval_text else "not defined by these studies"
        return Tile(title, estimate.value_text, note)

    tiles = [tile("AUROC", row.estimates["auroc"], row.few)]
    # With few cases the bootstrap's interval is too narrow; Wilson's is not.
    tiles += [tile(METRIC_TITLES[name], shares[name] if row.few else row.estimates[name]) for name in shares]
    if evaluation.landmarks:
        tiles.append(tile("Landmarks within 5 mm", evaluation.landmarks[0].result.recall[5.0]))
    if evaluation.localisation:
        tiles.append(tile("Map on the fracture", evaluation.localisation[0].share))
    return tuple(tiles)


def _strata(evaluation: Evaluation) -> Section:
    rows = [row for row in evaluation.strata if row.n]
    published = [_cells(row.title, row.n, row.n_positive, row.estimates) for row in PUBLISHED]
    blocks: list[Block] = [
        Table(
            _metric_columns("Kind"),
            (RowGroup(_metric_rows(rows)), RowGroup(tuple(published), _PUBLISHED_TITLE, muted=True)),
            "Each study by the mean of its views, at the threshold in use. Below each value its "
            f"{100 * evaluation.confidence:g} % interval. A study may be of several kinds.",
        )
    ]
    if any(row.few for row in rows):
        note = (
            f"† Fewer than {FEW} fractures or fewer than {FEW} normals: do not rely on the intervals; one without "
            "width means that every resample gave the same value, not certainty."
        )
        blocks.append(Text(note, "muted"))
    empty = [row.title for row in evaluation.strata if not row.n]
    if empty:
        blocks.append(Text(f"No study in the test set: {', '.join(empty)}.", "muted"))
    return Section("strata", "By kind of study", tuple(blocks))


def _views(evaluation: Evaluation) -> Section:
    caption = (
        "Each view alone at its own threshold, and the studies of which several views were read; always against the "
        "label of the study."
    )
    rows = _metric_rows([row for row in evaluation.views if row.n])
    single = [row for row in PUBLISHED_ROWS if row.reader in ("PA", "LAT")]
    published = tuple(_cells(row.title, row.n, row.n_positive, row.estimates) for row in single)
    groups = (RowGroup(rows), RowGroup(published, _PUBLISHED_TITLE, muted=True))
    return Section("views", "By view", (Table(_metric_columns("View"), groups, caption),))


def _metric_columns(first: str) -> tuple[Column, ...]:
    return (
        Column("name", first, text=True),
        Column("n", "Studies"),
        Column("n_positive", "Fractures"),
        *(Column(name, METRIC_TITLES[name]) for name in METRICS),
    )


def _metric_rows(rows: Sequence[MetricsRow]) -> tuple[tuple[Cell, ...], ...]:
    return tuple(
        _cells(f"{row.title}\u00a0†" if row.few else row.title, row.n, row.n_positive, row.estimates) for row in rows
    )


def _cells(title: str, n: int, n_positive: int, estimates: Mapping[str, Estimate]) -> tuple[Cell, ...]:
    return (title, n, n_positive, *(estimates[name] for name in METRICS))


def _landmarks(evaluation: Evaluation) -> Section:
    columns = (
        Column("landmark", "Landmark", text=True),
        Column("n_points", "Number"),
        *(Column(f"recall_{limit:g}_mm", f"{limit:g} mm") for limit in RECALL_MM),
        Column("median_mm", "Median (mm)", format=".1f"),
    )
    published = ("DeepWrist", None, *(PUBLISHED_RECALL.get(limit) for limit in RECALL_MM), None)
    groups = (
        RowGroup(tuple(_landmark_cells(row) for row in evaluation.landmarks)),
        RowGroup((published,), "Published, the paper's own hospital images; not comparable.", muted=True),
    )
    table = Table(columns, groups, "Share of landmarks placed within so many millimetres of the reference.")
    plots = Plots((landmark_plot(evaluation),), landmark_notes(evaluation))
    return Section("landmarks", "Landmarks", (table, plots, _landmark_curve(evaluation)))


def _landmark_curve(evaluation: Evaluation) -> Table:
    """The whole curve of the figure, for every row of the table."""
    rows: list[tuple[Cell, ...]] = []
    for row in evaluation.landmarks:
        curve = row.curve
        for distance, *share in zip(curve.distance_mm, curve.recall, curve.low, curve.high, strict=True):
            rows.append((row.view, row.landmark, float(distance), Estimate(*map(float, share))))
    columns = tuple(Column(key, key) for key in ("view", "landmark", "within_mm", "recall"))
    return Table(columns, (RowGroup(tuple(rows)),), name="landmark_curve", shown=False)


def _landmark_cells(row: LandmarkRow) -> tuple[Cell, ...]:
    title = _view_title(row.view) if row.landmark == "all" else f"{row.view}, {row.landmark.replace('_', ' ')}"
    result = row.result
    return (title, result.n_points, *(result.recall[limit] for limit in RECALL_MM), result.median_mm)


def _localisation(evaluation: Evaluation) -> Section:
    title = "Where the model looked"
    if not evaluation.localisation:
        text = (
            "No radiograph that was rightly called a fracture has a marked fracture region and a spacing, so this was "
            "not measured."
        )
        return Section("localisation", title, (Text(text),))
    columns = (
        Column("view", "View", text=True),
        Column("hits", "Inside"),
        Column("n", "Radiographs"),
        Column("share", "Share"),
    )
    rows = tuple((_view_title(row.view), row.hits, row.n, row.share) for row in evaluation.localisation)
    caption = (
        "Of the radiographs that were rightly called a fracture and have a marked one: how often the maximum of the "
        "activation map lies inside the marked region, or at most 5 mm outside."
    )
    return Section("localisation", title, (Table(columns, (RowGroup(rows),), caption, "localisation"),))


def _referrals(evaluation: Evaluation) -> Section:
    blocks: list[Block] = [Text(referral_sentence(evaluation))]
    if evaluation.referrals.reasons:
        columns = (
            Column("code", "Reason", text=True),
            Column("example", "For example", text=True),
            Column("studies", "Studies"),
        )
        rows = tuple((reason.code, reason.example, reason.studies) for reason in evaluation.referrals.reasons)
        blocks.append(Table(columns, (RowGroup(rows),), name="referrals"))
    return Section("referrals", "Referred to a person", tuple(blocks))


def _errors(evaluation: Evaluation, gallery: Sequence[GalleryItem]) -> Section:
    wrong = sum(case.correct is False for case in evaluation.cases)
    blocks: tuple[Block, ...]
    if gallery:
        note = Text("Studies called wrongly, the farthest from their threshold first.", "muted")
        blocks = (note, Pictures(tuple(_picture(item) for item in gallery)))
    elif wrong:
        which = "1 study was" if wrong == 1 else f"{wrong} studies were"
        blocks = (Text(f"{which} called wrongly; no images were given. They are listed in cases.csv."),)
    else:
        blocks = (Text("No study was called wrongly."),)
    return Section("errors", "Worst errors", blocks)


def _picture(item: GalleryItem) -> Picture:
    case = item.case
    title = "Fracture missed" if case.label else "Normal called a fracture"
    parts = [f"Probability {case.probability:.2f}, threshold {case.threshold:.2f}"]
    parts += [text for text in (item.view, case.stratum) if text]
    parts += ["referred"] if case.refer else []
    parts.append(f"study {case.study}")
    alt = f"{title}: {item.view} radiograph of study {case.study} with the model's marks"
    return Picture(item.png, title, ", ".join(parts), alt, wrong=True)


def _computed(evaluation: Evaluation) -> Section:
    blocks: list[Block] = [Bullets(how_computed(evaluation))]
    if evaluation.left_out:
        items = tuple(f"{item.study}: {item.reason}" for item in evaluation.left_out)
        blocks.append(Bullets(items, summary=f"Left out: {len(items)}"))
    return Section("computed", "How this was computed", tuple(blocks))


def _view_title(view: str) -> str:
    return "All views" if view == "all" else view
