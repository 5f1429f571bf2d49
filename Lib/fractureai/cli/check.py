"""`fractureai check`: is a dataset whole and consistent?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fractureai.cli import console

NAME = "check"
EXAMPLE = "fractureai check data/phantom"
INTERRUPTED = "Nothing was changed."
ERRORS_FOUND = 1


def run(
    dataset: Annotated[Path, typer.Argument(help="Folder of the dataset.")],
    as_json: console.JsonOption = False,
) -> None:
    """Check a dataset: files, hashes, marks, views, splits.

    Exit code 0 when there are no errors (warnings may be), 1 when there are.
    """
    from fractureai.dataset import Dataset, check

    opened = Dataset.open(dataset)
    with console.ProgressBar("Checking the dataset"):
        problems = check(opened)
    errors = sum(problem.severity == "error" for problem in problems)
    if as_json:
        rows = [{"severity": p.severity, "file": str(p.file), "text": p.text} for p in problems]
        warnings = len(problems) - errors
        console.result_json({"dataset": str(opened.folder), "errors": errors, "warnings": warnings, "problems": rows})
    else:
        for problem in problems:
            console.result(f"{problem.severity}: {problem.file}: {problem.text}")
        console.result(f"{opened.name}: {errors} errors, {len(problems) - errors} warnings.")
    if errors:
        raise typer.Exit(ERRORS_FOUND)
