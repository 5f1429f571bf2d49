"""How readers and the model stand in a report: tables, curves with readers as points, agreement of every two."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from fractureai.evaluation.blocks import Block, Cell, Column, Plot, Plots, RowGroup, Section, Table, Text
from fractureai.evaluation.bootstrap import Estimate
from fractureai.evaluation.comparison import McNemar, p_cell
from fractureai.evaluation.curves import Curve, precision_recall, roc
from fractureai.evaluation.metrics import METRIC_TITLES
from fractureai.evaluation.published import PUBLISHED_ROWS, SOURCE
from fractureai.evaluation.readers import MODEL, REFERENCE, SHARES, ReaderSet, ReaderStudy
from fractureai.evaluation.strata import FEW

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

_LEAD = (
    "People and models as readers of the same studies, each against the reference. A reader calls a study a fracture "
    "when one of its radiographs is called so."
)
_MCNEMAR = (
    "Against the model, on the studies that both read: how many only one of the two called rightly, and McNemar's test "
    "of equally many errors (two-sided, exact; the mid-p is in readers.csv): on fractures it compares sensitivities, "
    "on normals specificities. It takes studies as independent, also where a patient has several."
)

_CORNER, _MOST = 0.4, 0.7
"""When so many readers lie this close to the best corner of a curve, it is drawn again, enlarged, with them."""


def reader_section(study: ReaderStudy) -> Section:
    """Describe a reader study: what people read, and ``readers.csv`` and ``kappa.csv`` with all its numbers."""
    percent = f"{100 * study.confidence:g} %"
    blocks: list[Block] = [Text(_LEAD), _shares_table(study, percent), _against_table(study)]
    if any(row.auroc for found in study.sets for row in found.rows):
        blocks.append(_models_table(study, percent))
    drawn = study.sets[1:] or study.sets
    plots = [plot for found in drawn for plot in _plots(found, percent)]
    blocks += [Plots(tuple(plots)), _readers_csv(study), _kappa_csv(study)]
    few = [found.title for found in study.sets if min(found.n_positive, found.n - found.n_positive) < FEW]
    if few:
        text = f"Fewer than {FEW} fractures or normals, so do not rely on the intervals: {', '.join(few)}. "
        blocks.append(Text(text + "Wilson's intervals, which stay honest, are in readers.csv.", "muted"))
    blocks += [Text(note, "muted") for note in study.notes]
    return Section("readers", "Readers", tuple(blocks))


def _shares_table(study: ReaderStudy, percent: str) -> Table:
    columns = (
        Column("reader", "Reader", text=True),
        Column("n", "Studies"),
        Column("n_positive", "Fractures"),
        *(Column(name, METRIC_TITLES[name]) for name in SHARES),
        Column("kappa", "Kappa with reference"),
    )
    groups = [
        RowGroup(
            tuple(
                (row.reader, row.n, row.n_positive, *(row.estimates[name] for name in SHARES), row.kappa.bootstrap)
                for row in found.rows
            ),
            found.title,
        )
        for found in study.sets
    ]
    published: tuple[tuple[Cell, ...], ...] = tuple(
        (row.title, row.n, row.n_positive, *(row.estimates[name] for name in SHARES), row.kappa)
        for row in PUBLISHED_ROWS
        if row.is_person or row.reader == "ensemble"
    )
    title = (
        "Published figures, for orientation only. They are the paper's own, on its own hospital images, and can not be "
        f"compared with the rows above. {SOURCE}, Tables 3 and 4."
    )
    return Table(
        columns,
        (*groups, RowGroup(published, title, muted=True)),
        f"Below each value its {percent} interval (bootstrap of patients, stratified by outcome).",
    )


def _against_table(study: ReaderStudy) -> Table:
    columns = (
        Column("reader", "Reader", text=True),
        Column("fractures_reader", "Fractures: only reader right"),
        Column("fractures_model", "only model right"),
        Column("fractures_p", "p"),
        Column("normals_reader", "Normals: only reader right"),
        Column("normals_model", "only model right"),
        Column("normals_p", "p"),
        Column("n", "Studies"),
        Column("p", "All: p"),
    )
    groups = [RowGroup(tuple(_against_rows(found)), found.title) for found in study.sets]
    return Table(columns, tuple(group for group in groups if group.rows), _MCNEMAR)


def _against_rows(found: ReaderSet) -> Iterator[tuple[Cell, ...]]:
    for row in found.rows:
        all_, fractures, normals = row.against_model, row.against_model_fractures, row.against_model_normals
        if all_ and fractures and normals:
            cells: list[Cell] = [row.reader]
            for part in (fractures, normals):
                cells += [part.only_first, part.only_second, p_cell(part.p_exact)] if part.n else [None] * 3
            yield (*cells, all_.n, p_cell(all_.p_exact))


def _models_table(study: ReaderStudy, percent: str) -> Table:
    columns = (
        Column("model", "Other model", text=True),
        Column("auroc", "Its AUROC", format=".3f"),
        Column("auroc_model", "This model's", format=".3f"),
        Column("difference", "Difference", format=".3f"),
        Column("p", "p"),
    )
    groups = tuple(
        RowGroup(
            tuple(
                (row.reader, row.auroc.first, row.auroc.second, row.auroc.difference, p_cell(row.auroc.p))
                for row in found.rows
                if row.auroc
            ),
            found.title,
        )
        for found in study.sets
    )
    caption = f"Areas on the studies that both models read, with DeLong's {percent} interval and test, by patient."
    return Table(columns, groups, caption)


def _readers_csv(study: ReaderStudy) -> Table:
    """All numbers of every reader, a line a reader and set."""
    counts = ("n", "n_positive", "true_positive", "false_positive", "true_negative", "false_negative")
    tests = {"": "against_model", "_fractures": "against_model_fractures", "_normals": "against_model_normals"}
    columns = [Column(key, key) for key in ("set", "reader", "is_model", *counts, *SHARES)]
    columns += [Column(key, key) for key in ("sensitivity_wilson", "specificity_wilson", "kappa", "kappa_analytic")]
    for suffix in tests:
        names = ("n", "only_reader", "only_model", "p_exact", "p_mid")
        columns += [Column(f"mcnemar{suffix}_{name}", name) for name in names]
    columns += [Column(key, key) for key in ("auroc", "auroc_model", "auroc_difference", "p_delong")]
    rows = []
    for found in study.sets:
        for row in found.rows:
            cells: list[Cell] = [found.name, row.reader, row.is_model, *(getattr(row, key) for key in counts)]
            cells += [row.estimates[name] for name in SHARES]
            cells += [row.sensitivity_wilson, row.specificity_wilson, row.kappa.bootstrap, row.kappa.analytic]
            for name in tests.values():
                cells += _test_cells(getattr(row, name))
            area = row.auroc
            cells += [area.first, area.second, area.difference, area.p] if area else [None] * 4
            rows.append(tuple(cells))
    return Table(tuple(columns), (RowGroup(tuple(rows)),), name="readers", shown=False)


def _test_cells(test: McNemar | None) -> list[Cell]:
    return [test.n, test.only_first, test.only_second, test.p_exact, test.p_mid] if test else [None] * 5


def _kappa_csv(study: ReaderStudy) -> Table:
    columns = tuple(Column(key, key) for key in ("set", "first", "second", "n", "agreeing", "kappa", "kappa_analytic"))
    rows = tuple(
        (found.name, pair.first, pair.second, k.n, k.agreeing, k.bootstrap, k.analytic)
        for found in study.sets
        for pair in found.pairs
        for k in [pair.kappa]
    )
    return Table(columns, (RowGroup(rows),), name="kappa", shown=False)


def _plots(found: ReaderSet, percent: str) -> Iterator[Plot]:
    """Curves with points, and the agreement of every two."""
    short = found.title.split(" (")[0].lower()
    both = 0 < found.labels.sum() < len(found.labels)
    rows = -(-len(found.rows) // 2)
    size = (4.8, 4.5 + 0.22 * rows)
    if both:
        crosses = f"Band and crosses: {percent} bootstrap interval. The model's mark is its threshold."
        for name, title, draw in (
            ("roc", "ROC", _draw_roc),
            ("precision_recall", "Precision and recall", _draw_precision_recall),
        ):
            caption = (
                f"The model as a curve, each reader as a point; a frame in the corner is shown enlarged. {crosses}"
            )
            yield Plot(
                f"readers_{name}_{found.name}", f"{title} with readers, {short}", caption, partial(draw, found), size
            )
    names = _names(found)
    side = max(4.8, 1.5 + 0.68 * len(names))
    yield Plot(
        f"readers_kappa_{found.name}",
        f"Agreement, {short}",
        f"Quadratic Cohen's kappa of every two readers, below it the {percent} bootstrap interval; 1 is full "
        "agreement, 0 chance.",
        partial(_draw_kappa, found),
        (side, side * 0.86),
    )


def _names(found: ReaderSet) -> list[str]:
    return [REFERENCE, *(row.reader for row in found.rows)]


def _looks() -> list[tuple[str, str]]:
    """Colour and marker of each reader in turn; the model is a blue circle."""
    from fractureai.evaluation.figures import GREEN, MUTED, ORANGE, VERMILION

    colours = (VERMILION, GREEN, ORANGE, "#CC79A7", "#56B4E9", MUTED)
    markers = ("s", "^", "D", "v", "P", "X", "<", ">", "*", "h", "p")
    return [(colours[i % len(colours)], markers[i % len(markers)]) for i in range(66)]


def _draw_roc(found: ReaderSet, figure: Figure) -> None:
    from fractureai.evaluation.figures import MUTED, unit_axes

    axes = unit_axes(figure, "1 − specificity", "Sensitivity")
    axes.plot([0, 1], [0, 1], ":", color=MUTED, linewidth=1)
    points = [replace(point, x=_turned(point.x)) for point in _points(found, "specificity", "sensitivity")]
    curve = roc(found.labels, found.probabilities, patients=found.patients)
    _draw_with_corner(figure, axes, curve, "default", points, 0.0)


def _draw_precision_recall(found: ReaderSet, figure: Figure) -> None:
    from fractureai.evaluation.figures import BLUE, unit_axes

    axes = unit_axes(figure, "Recall (sensitivity)", "Precision")
    axes.axhline(found.n_positive / found.n, linestyle=":", color=BLUE, linewidth=1)
    points = _points(found, "sensitivity", "precision")
    curve = precision_recall(found.labels, found.probabilities, patients=found.patients)
    _draw_with_corner(figure, axes, curve, "steps-pre", points, 1.0)


@dataclass(frozen=True)
class _Point:
    """A reader on axes of two shares."""

    reader: str
    x: Estimate
    y: Estimate
    look: tuple[str, str]


def _points(found: ReaderSet, x: str, y: str) -> list[_Point]:
    """Give each reader a place, a colour and a marker; the model is a blue circle."""
    from fractureai.evaluation.figures import BLUE

    looks = iter(_looks())
    return [
        _Point(row.reader, row.estimates[x], row.estimates[y], (BLUE, "o") if row.reader == MODEL else next(looks))
        for row in found.rows
    ]


def _turned(estimate: Estimate) -> Estimate:
    return Estimate(1 - estimate.value, 1 - estimate.high, 1 - estimate.low)


def _draw_with_corner(
    figure: Figure, axes: Axes, curve: Curve, style: str, points: Sequence[_Point], corner_x: float
) -> None:
    """Draw curve and points; once more, enlarged, when most points lie close to the best corner (corner_x, 1)."""
    from matplotlib.patches import Rectangle

    from fractureai.evaluation.figures import MUTED, PAPER

    handles = _draw_curve_and_points(axes, curve, style, points)
    reaches = [max(abs(p.x.low - corner_x), abs(p.x.high - corner_x), 1 - p.y.low) for p in points]
    known = sorted(reach for reach in reaches if reach == reach)
    most = math.ceil(_MOST * len(points))
    reach = known[most - 1] if len(known) >= most else 1.0
    if reach <= _CORNER:
        left, span = corner_x == 0, math.ceil(reach * 20) / 20
        near = [p for p in points if max(abs(p.x.value - corner_x), 1 - p.y.value) <= span]
        frame = (0.42, 0.09, 0.55, 0.55) if left else (0.13, 0.09, 0.55, 0.55)
        ground = (frame[0] - 0.11, frame[1] - 0.07, frame[2] + 0.14, frame[3] + 0.1)
        axes.add_patch(Rectangle(ground[:2], *ground[2:], transform=axes.transAxes, color=PAPER, zorder=3))
        close = axes.inset_axes(frame, zorder=4)
        _draw_curve_and_points(close, curve, style, near)
        close.set(xlim=(-0.01, span) if left else (1 - span, 1.01), ylim=(1 - span, 1.01))
        close.locator_params(nbins=4)
        axes.indicate_inset((-0.01 if left else 1 - span, 1 - span, span + 0.01, span + 0.01), edgecolor=MUTED)
    figure.legend(handles=handles, loc="outside lower center", ncols=2, handletextpad=0.2, columnspacing=1.5)


def _draw_curve_and_points(axes: Axes, curve: Curve, style: Any, points: Sequence[_Point]) -> list[Line2D]:
    """Draw the model's curve and each reader with the cross of its intervals; return the readers' marks."""
    from fractureai.evaluation.figures import BLUE, PAPER

    axes.fill_between(curve.band_x, curve.band_low, curve.band_high, color=BLUE, alpha=0.16, linewidth=0)
    axes.plot(curve.x, curve.y, "-", color=BLUE, drawstyle=style)
    handles = []
    for i, point in enumerate(points):
        colour, marker = point.look
        # A reader at the place of another is drawn smaller, so that both are seen.
        covers = any(math.hypot(p.x.value - point.x.value, p.y.value - point.y.value) < 0.01 for p in points[:i])
        axes.plot([point.x.low, point.x.high], [point.y.value] * 2, color=colour, linewidth=1, alpha=0.75)
        axes.plot([point.x.value] * 2, [point.y.low, point.y.high], color=colour, linewidth=1, alpha=0.75)
        handles += axes.plot(
            point.x.value,
            point.y.value,
            marker,
            color=colour,
            markeredgecolor=PAPER,
            markersize=5 if covers else 9,
            zorder=6,
            clip_on=False,
            linestyle="none",
            label=point.reader,
        )
    return handles


def _draw_kappa(found: ReaderSet, figure: Figure) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    from fractureai.evaluation.figures import GREEN, PAPER

    # The cells keep their colours on a dark page, so the numbers in them keep theirs.
    shades = LinearSegmentedColormap.from_list("agreement", ["#eef5f2", GREEN, "#00402f"])
    names = _names(found)
    axes = figure.add_subplot()
    for pair in found.pairs:
        row, column = sorted((names.index(pair.first), names.index(pair.second)), reverse=True)
        estimate = pair.kappa.bootstrap
        level = min(max(estimate.value, 0.0), 1.0) if estimate.value == estimate.value else 0.0
        axes.fill([column, column + 1, column + 1, column], [row, row, row + 1, row + 1], color=shades(level))
        ink = "#f7f9f8" if level > 0.55 else "#20262b"
        axes.text(column + 0.5, row + 0.42, estimate.value_text, ha="center", va="center", color=ink)
        axes.text(column + 0.5, row + 0.76, estimate.interval_text, ha="center", va="center", color=ink, fontsize=7.5)
    for i in range(1, len(names)):
        axes.plot([i, i], [i, len(names)], color=PAPER, linewidth=1.5)
        axes.plot([0, i], [i, i], color=PAPER, linewidth=1.5)
    axes.set(xlim=(0, len(names) - 1), ylim=(len(names), 1), aspect="equal")
    axes.set_xticks([i + 0.5 for i in range(len(names) - 1)], names[:-1], rotation=35, ha="right")
    axes.set_yticks([i + 0.5 for i in range(1, len(names))], names[1:])
    axes.tick_params(length=0)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
