"""The tables on explanation, as a report shows them and as CSV files hold them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fractureai.evaluation.blocks import Cell, Column, RowGroup, Table
from fractureai.evaluation.explanation import CASES, MAPS, MARKED, ViewExplanation
from fractureai.evaluation.localisation import MARGIN_MM

if TYPE_CHECKING:
    from fractureai.evaluation.explanation_report import AgreementRow, ErrorRow, MapRow

_MAP_COLUMNS = (
    Column("map", "Map"),
    Column("radiographs", "Radiographs"),
    Column("inside", "Maximum inside"),
    Column("near", f"within {MARGIN_MM:g} mm"),
    Column("mass", "Mass inside"),
    Column("mass_near", f"within {MARGIN_MM:g} mm"),
)


def map_table(rows: Sequence[MapRow]) -> Table:
    """Return how well each kind of map points at marked fractures."""
    groups = []
    for view, cases in dict.fromkeys((row.view, row.cases) for row in rows):
        if cases != MARKED and view != rows[0].view:
            continue  # single views are shown once; all rows are in the file
        cells = tuple(_map_cells(row) for row in rows if (row.view, row.cases) == (view, cases))
        groups.append(RowGroup(cells, f"{'All views' if view == 'all' else view}: {CASES[cases]}."))
    return Table(
        columns=_MAP_COLUMNS,
        groups=tuple(groups),
        caption="Do maps point at the marked fractures? Higher is better; the last three rows of each block know "
        "nothing of the radiograph. Fewer radiographs in the row Occlusion: a sample of them.",
    )


def map_file(rows: Sequence[MapRow]) -> Table:
    """Return the same with a column each for view and cases, for the CSV file."""
    cells = tuple((row.view, row.cases, *_map_cells(row)) for row in rows)
    columns = (Column("view", "View"), Column("cases", "Cases"), *_MAP_COLUMNS)
    return Table(columns, (RowGroup(cells),), name="explanation", shown=False)


def _map_cells(row: MapRow) -> tuple[Cell, ...]:
    return MAPS[row.map], row.n, row.inside, row.near, row.mass, row.mass_near


def radiograph_file(rows: Sequence[ViewExplanation]) -> Table:
    """Return a row a radiograph, for the CSV file."""
    own = (
        *("study", "patient", "radiograph", "view", "label", "probability", "called", "dispersion"),
        *("agreement", "chance_agreement", "occlusion_correlation", "beyond"),
    )
    scores = [(name, key) for name in MAPS for key in ("inside", "near", "mass", "mass_near")]
    cells = tuple(
        (
            *(getattr(row, key) for key in own),
            *(getattr(row.maps[name], key) if name in row.maps else None for name, key in scores),
        )
        for row in rows
    )
    names = (*own, *(f"{name}_{key}" for name, key in scores))
    return Table(
        tuple(Column(name, name) for name in names), (RowGroup(cells),), name="explanation_radiographs", shown=False
    )


def agreement_table(rows: Sequence[AgreementRow]) -> Table:
    """Return how much maps of the same radiographs agree."""
    return Table(
        columns=(
            Column("view", "View"),
            Column("n_folds", "Radiographs"),
            Column("folds", "Folds, same radiograph"),
            Column("chance", "Folds, another radiograph"),
            Column("n_occlusion", "Occluded"),
            Column("occlusion", "Grad-CAM and occlusion (rank)"),
        ),
        groups=(
            RowGroup(
                tuple(
                    (
                        "All views" if row.view == "all" else row.view,
                        row.n_folds,
                        row.folds,
                        row.chance,
                        row.n_occlusion,
                        row.occlusion,
                    )
                    for row in rows
                )
            ),
        ),
        caption="Do maps agree? Mean correlation of the folds' maps of one radiograph, beside that with another "
        "radiograph's, which is what they share without looking; and of the activation map with the fall of the "
        "probability where a patch is hidden. A dash: one fold only, or nothing was occluded.",
        name="explanation_agreement",
    )


def error_table(rows: Sequence[ErrorRow]) -> Table:
    """Return whether maps tell of errors."""
    titles = {"dispersion": "Dispersion of the map", "disagreement": "Disagreement of the folds' maps"}
    cells = tuple((titles[row.measure], row.n, row.n_wrong, row.auroc, row.correlation) for row in rows if row.n)
    return Table(
        columns=(
            Column("measure", "Measure"),
            Column("n", "Radiographs"),
            Column("n_wrong", "Called wrongly"),
            Column("auroc", "AUROC, wrong against right"),
            Column("correlation", "Correlation with the error (rank)"),
        ),
        groups=(RowGroup(cells),),
        caption="Does the map tell of errors? Single radiographs against their study's label; the error is "
        "|label − probability|.",
        name="explanation_errors",
    )
