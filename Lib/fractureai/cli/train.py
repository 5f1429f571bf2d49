"""`fractureai train`: both stages, from a dataset to a bundle."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fractureai.cli import console

if TYPE_CHECKING:
    from fractureai.training.progress import TrainingProgress

NAME = "train"
EXAMPLE = "fractureai train data/phantom out/quick --recipe quick --device auto"
INTERRUPTED = "Run the same command again: training goes on from the last checkpoint."


def run(
    dataset: Annotated[Path, typer.Argument(help="Folder of the dataset; its splits are made when missing.")],
    out: Annotated[Path, typer.Argument(help="Folder for checkpoints, curves and the bundle.")],
    recipe: Annotated[str, typer.Option(help="quick, deepwrist, or the path of a recipe (TOML).")] = "quick",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    resume: Annotated[
        bool, typer.Option("--resume/--fresh", help="Go on from the last checkpoint, or start over.")
    ] = True,
    rater: Annotated[list[str] | None, typer.Option(help="Whose marks count as the truth; may be repeated.")] = None,
    as_json: console.JsonOption = False,
) -> None:
    """Train the localiser and the classifier of each view and write a bundle to OUT/bundle."""
    from fractureai.dataset import Dataset, make_splits

    opened = Dataset.open(dataset)
    if not opened.splits:
        console.step("The dataset has no splits yet: assigning its patients to train, validation and test.")
        make_splits(opened, seed=0, raters=rater)
    began = time.monotonic()
    bundle = train_bundle(dataset, out, recipe, rater, device, resume)
    seconds = time.monotonic() - began
    if as_json:
        facts = {"dataset": str(opened.folder), "recipe": recipe, "seconds": round(seconds, 1)}
        console.result_json({"bundle": str(bundle.absolute()), **facts})
    else:
        console.result(f"The bundle is in {bundle} ({console.duration(seconds)}).")
        console.result(f"Next: fractureai evaluate {bundle} {dataset} {out / 'report'}")


def train_bundle(dataset: Path, out: Path, recipe: str, raters: list[str] | None, device: str, resume: bool) -> Path:
    """Train with a progress bar on stderr; return the bundle's folder."""
    console.step("Loading PyTorch and MONAI (takes some seconds) ...")
    from fractureai.training.recipe import load_recipe
    from fractureai.training.train import train

    loaded = load_recipe(recipe)
    with console.ProgressBar("Training") as bar:

        def show(message: TrainingProgress) -> None:
            bar.advance(message.fraction, 1.0, message.text, message.seconds_left)

        return train(dataset, out, loaded, raters=raters, device=device, resume=resume, progress=show)
