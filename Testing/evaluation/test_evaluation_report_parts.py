"""What a report is made of, and how the same parts become page, PDF and CSV."""

import csv
import math
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from fractureai.errors import EvaluationError
from fractureai.evaluation import Estimate, GalleryItem, evaluate, write_report
from fractureai.evaluation.blocks import Column, Plot, Plots, RowGroup, Section, Table, Text
from fractureai.evaluation.figures import BLUE, unit_axes
from fractureai.evaluation.report.pdf_style import register_fonts
from fractureai.evaluation.report.pdf_table import table_flowables
from fractureai.evaluation.tables import write_table

NOTICE = "trained on simulated images; not for clinical use"
NAN = math.nan


@dataclass(frozen=True)
class Part:
    """A part of a report such as the readers'."""

    table: str = "extra"
    plot: str = "extra_plot"

    def section(self) -> Section:
        columns = (Column("who", "Reader <b>", text=True), Column("n", "Studies"), Column("auroc", "AUROC"))
        rows = (("R1 & R2", 12, Estimate(0.8, 0.7, 0.9)), ("R3", 7, None))
        plots = Plots((Plot(self.plot, "Extra figure", "How to read it.", self._draw, (9, 3)),), ("A note.",))
        return Section(
            "readers", "Readers", (Text("Of all."), Table(columns, (RowGroup(rows),), "C.", self.table), plots)
        )

    def to_json(self) -> dict[str, float]:
        return {"auroc": NAN, "n": 12}

    @staticmethod
    def _draw(figure) -> None:
        unit_axes(figure, "x", "y").plot([0, 1], [0, 1], color=BLUE)


def test_a_cell_is_shown_as_people_read_it() -> None:
    column = Column("p", "p", format=".3f")
    assert column.show(Estimate(0.5, 0.25, 0.75)) == ("0.500", "0.250–0.750")
    assert column.show(Estimate(0.5, NAN, NAN)) == ("0.500", "")
    assert column.show(Estimate(NAN, NAN, NAN)) == ("–", "")
    assert column.show(Estimate(-0.5, -0.75, 0.25)) == ("−0.500", "−0.750 to 0.250")
    assert column.show(-0.0001) == ("0.000", "")
    assert column.show(0.00001) == ("0.000", "")
    assert Column("p", "p", format=".2g").show(1e-5) == ("1e-05", "")
    assert column.show(Estimate(3.0, 1.0, math.inf)) == ("3.000", "1.000–∞")
    assert [column.show(cell)[0] for cell in (0.0312, 7, None, NAN, True, "a")] == ["0.031", "7", "–", "–", "yes", "a"]


def test_a_table_is_written_unrounded_with_its_intervals(tmp_path: Path) -> None:
    columns = (Column("name", "Name"), Column("share", "Share"), Column("p", "p"), Column("yes", "Yes"))
    groups = (
        RowGroup((("a, b", Estimate(1 / 3, 0.1, NAN), 0.123456789, True),)),
        RowGroup((("c", None, None, False),), "Published", muted=True),
    )
    with write_table(Table(columns, groups, name="t"), tmp_path).open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["name", "share", "share_low", "share_high", "p", "yes"],
        ["a, b", str(1 / 3), "0.1", "", "0.123456789", "1"],
        ["c", "", "", "", "", "0"],
    ]


def test_a_part_of_its_own_is_on_the_page_in_the_pdf_and_in_the_files(cases_of, tmp_path: Path) -> None:
    evaluation = replace(evaluate(cases_of(30), resamples=50), readers=Part())
    page = write_report(evaluation, tmp_path).read_text(encoding="utf-8")
    assert '<section id="readers">' in page
    assert "Reader &lt;b&gt;" in page
    assert "R1 &amp; R2" in page
    assert page.index('id="views"') < page.index('id="readers"') < page.index('id="figures"')
    assert 'href="extra.csv"' in page
    text = "".join(leaf.extract_text() for leaf in PdfReader(tmp_path / "report.pdf").pages)
    assert "R1 & R2" in text
    assert "Extra figure" in text
    assert (tmp_path / "extra.csv").read_text(encoding="utf-8").startswith("who,n,auroc,auroc_low,auroc_high\n")
    assert {"extra_plot.svg", "extra_plot.png"} <= {path.name for path in (tmp_path / "figures").iterdir()}
    assert '"readers": {\n  "auroc": null,' in (tmp_path / "numbers.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("part", [Part(table="strata"), Part(plot="roc")])
def test_two_parts_of_one_name_are_refused(cases_of, tmp_path: Path, part: Part) -> None:
    with pytest.raises(EvaluationError, match="two parts named"):
        write_report(replace(evaluate(cases_of(20), resamples=20), readers=part), tmp_path)


def test_every_pdf_page_has_its_number_and_the_notice(cases_of, tmp_path: Path, png: bytes) -> None:
    cases = cases_of(80)
    gallery = [GalleryItem(case, png, "PA") for case in cases if case.correct is False]
    write_report(evaluate(cases, resamples=50), tmp_path, gallery=gallery, notice=NOTICE, title="Wrist & <hand>")
    reader = PdfReader(tmp_path / "report.pdf")
    texts = [" ".join(page.extract_text().split()) for page in reader.pages]
    assert len(texts) > 3
    for number, text in enumerate(texts, 1):
        assert f"{number} of {len(texts)}" in text
        assert "Not a medical device. For research only. Trained on simulated images" in text
        assert "Wrist & <hand>" in text
    assert reader.metadata.title == "Wrist & <hand>"
    titles = [entry.title for entry in reader.outline if not isinstance(entry, list)]
    assert titles[:4] == ["Summary", "Data and model", "By kind of study", "By view"]
    assert titles[-1] == "How this was computed"
    figures = next(reader.outline[i + 1] for i, e in enumerate(reader.outline) if getattr(e, "title", "") == "Figures")
    assert [entry.title for entry in figures][:2] == ["ROC", "Precision and recall"]


def test_the_same_input_gives_the_same_pdf_and_a_long_notice_stands_in_full_on_its_first_page(
    cases_of, tmp_path: Path
) -> None:
    evaluation = evaluate(cases_of(20), resamples=20)
    notice = "first " + "word " * 150 + "last"
    first, second = (write_report(evaluation, tmp_path / name, notice=notice).with_suffix(".pdf") for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    texts = [" ".join(page.extract_text().split()) for page in PdfReader(first).pages]
    assert "word word last." in texts[0]
    assert all("research only. First word" in text and "word …" in text for text in texts)


@settings(max_examples=40, deadline=None)
@given(
    columns=st.integers(1, 30),
    words=st.lists(st.text("abc.0123456789 ", min_size=1, max_size=150), min_size=1, max_size=6),
    width=st.floats(260, 520),
)
def test_no_table_runs_off_the_page(columns: int, words: list[str], width: float) -> None:
    register_fonts()
    heads = (Column("name", "Name"), Column("note", "Note", text=True))
    heads += tuple(Column(f"c{i}", f"Balanced accuracy {i}") for i in range(columns))
    figures = ["x" * 90, 1e200, *[Estimate(0.5, 0.1, 0.9)] * columns][:columns]
    rows = tuple((word, word[::-1], *figures) for word in words)
    grids = table_flowables(Table(heads, (RowGroup(rows, "Title " * 40),)), width)
    assert all(grid.wrap(width, 10_000)[0] <= width + 0.01 for grid in grids)
    # Every column is there once; the first stands in each part.
    assert sum(len(grid._colWidths) - 1 for grid in grids) == columns + 1
