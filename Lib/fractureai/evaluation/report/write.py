"""Write a report: the page, the tables as CSV, the figures as SVG and PNG, all numbers as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from fractureai.errors import EvaluationError
from fractureai.evaluation.blocks import Block, Plot, Plots, Section, Table
from fractureai.evaluation.evaluate import Evaluation
from fractureai.evaluation.figures import PlotFiles, write_plot
from fractureai.evaluation.report.page import html_page
from fractureai.evaluation.report.sections import GalleryItem, report_sections
from fractureai.evaluation.report.validation import SIMULATED_NOTICE, Subject, validation, write_validation
from fractureai.evaluation.report.wording import own_facts
from fractureai.evaluation.tables import write_table, write_tables


def write_report(
    evaluation: Evaluation,
    folder: Path | str,
    *,
    gallery: Sequence[GalleryItem] = (),
    notice: str = "",
    title: str = "Evaluation",
    facts: Mapping[str, str] | None = None,
    created: str = "",
    subject: Subject | None = None,
) -> Path:
    """Write ``report.html``, and beside it ``report.pdf``, ``numbers.json``, the CSV files and the folder ``figures``.

    The page carries its figures and pictures inside, so it can be sent alone. With ``subject`` it is a validation
    report: it says what the model is for and where it is known to fail; ``validation.json`` says it to programs.

    Args:
        evaluation: what to report.
        folder: where; made if needed, files of the same names are overwritten.
        gallery: pictures of the worst errors, worst first.
        notice: what must stand beside every output of the model; may be "".
        title: heading.
        facts: further rows of "Data and model": name -> value.
        created: date of the evaluation as text; "" leaves it out, so that the same input gives the same bytes.
        subject: what was validated on what.

    Returns:
        The path of ``report.html``.

    Raises:
        EvaluationError: two tables or two figures of the report have the same name.
    """
    from fractureai.evaluation.report.pdf import write_pdf

    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    all_facts = {**(subject.facts() if subject else {}), **(facts or {}), **own_facts(evaluation)}
    if subject and subject.simulated:
        notice = " ".join(text for text in (_sentence(notice), SIMULATED_NOTICE) if text)
    sections = report_sections(evaluation, all_facts, gallery, subject)
    written = write_tables(evaluation, target, {"title": title, "notice": notice, "facts": all_facts})
    written += _write_section_tables(sections, target, [path.stem for path in written])
    if subject:
        content = validation(evaluation, subject, title, created)
        written = (write_validation(target / "validation.json", content), *written)
    plots = _write_plots(sections, target / "figures")
    sections = tuple(replace(section, blocks=_shown(section)) for section in sections)
    page = html_page(title, notice, created, sections, plots, [path.name for path in written])
    path = target / "report.html"
    path.write_text(page, encoding="utf-8")
    write_pdf(target / "report.pdf", title, notice, created, sections, plots)
    return path


def _sentence(notice: str) -> str:
    return f"{notice[:1].upper()}{notice[1:].rstrip('.')}." if notice else ""


def _write_section_tables(sections: Sequence[Section], folder: Path, taken: Sequence[str]) -> tuple[Path, ...]:
    tables = [block for section in sections for block in section.blocks if isinstance(block, Table) and block.name]
    _check_names([*taken, *(table.name for table in tables)])
    return tuple(write_table(table, folder) for table in tables)


def _write_plots(sections: Sequence[Section], folder: Path) -> dict[str, PlotFiles]:
    folder.mkdir(parents=True, exist_ok=True)
    plots: list[Plot] = [
        plot for section in sections for block in section.blocks if isinstance(block, Plots) for plot in block.items
    ]
    _check_names([plot.name for plot in plots])
    return {plot.name: write_plot(plot, folder) for plot in plots}


def _shown(section: Section) -> tuple[Block, ...]:
    return tuple(block for block in section.blocks if not isinstance(block, Table) or block.shown)


def _check_names(names: Sequence[str]) -> None:
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise EvaluationError(f"The report has two parts named {twice[0]}; give each table and figure its own name.")
