"""`fractureai split`: which patients train, validate and test."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from fractureai.cli import console

NAME = "split"
EXAMPLE = "fractureai split data/phantom --folds 5 --seed 0"
INTERRUPTED = "splits.csv is written whole or not at all."


def run(
    dataset: Annotated[Path, typer.Argument(help="Folder of the dataset.")],
    train: Annotated[float, typer.Option(help="Share of the patients that train.")] = 0.7,
    validation: Annotated[float, typer.Option(help="Share of the patients that validate.")] = 0.2,
    test: Annotated[float, typer.Option(help="Share of the patients that are kept for the test.")] = 0.1,
    folds: Annotated[int, typer.Option(help="Folds over the patients that are not kept for the test.")] = 5,
    seed: Annotated[int, typer.Option(help="Of the random order.")] = 0,
    extend: Annotated[bool, typer.Option("--extend", help="Only assign patients that were added since.")] = False,
    rater: Annotated[list[str] | None, typer.Option(help="Whose labels are balanced; may be repeated.")] = None,
    test_stratum: Annotated[
        list[str] | None, typer.Option(help="Strata that are only tested on; may be repeated. Default: hard.")
    ] = None,
    as_json: console.JsonOption = False,
) -> None:
    """Assign each patient to train, validation or test, and to a fold; written once, to splits.csv."""
    from fractureai.dataset import Dataset, extend_splits, make_splits

    opened = Dataset.open(dataset)
    fractions, strata = (train, validation, test), test_stratum or ["hard"]
    if extend:
        splits = extend_splits(opened, fractions=fractions, seed=seed, raters=rater, test_strata=strata)
    else:
        splits = make_splits(opened, fractions=fractions, folds=folds, seed=seed, raters=rater, test_strata=strata)
    patients = Counter(split.split for split in splits.values())
    count = {name: patients[name] for name in ("train", "validation", "test")}
    if as_json:
        used = len({split.fold for split in splits.values() if split.fold is not None})
        console.result_json({"dataset": str(opened.folder), "patients": count, "folds": used})
    else:
        console.result(f"{opened.name}: patients: " + ", ".join(f"{name} {number}" for name, number in count.items()))
