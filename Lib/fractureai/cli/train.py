"""`fractureai train`: both stages, from a dataset to a bundle."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fractureai.cli import console
from fractureai.cli.calibrate import calibrate_trained

if TYPE_CHECKING:
    from fractureai.dataset import Dataset
    from fractureai.training.progress import TrainingProgress

NAME = "train"
EXAMPLE = "fractureai train data/phantom out/quick --recipe quick --device auto"
MISSING = "Give a dataset: its folder, or the archive of one (fractureai export archive)."
INTERRUPTED = "Run the same command again: training goes on from the last checkpoint."
SPLIT_SEED = 0


def run(
    dataset: Annotated[
        Path | None, typer.Argument(help="Folder of the dataset or its archive (ZIP); splits are made when missing.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Argument(help="Folder for checkpoints, curves and the bundle; default: DATASET-training."),
    ] = None,
    dataset_option: Annotated[
        Path | None, typer.Option("--dataset", help="The dataset, instead of as first argument.")
    ] = None,
    recipe: Annotated[str, typer.Option(help="quick, deepwrist, or the path of a recipe (TOML).")] = "quick",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    resume: Annotated[
        bool, typer.Option("--resume/--fresh", help="Go on from the last checkpoint, or start over.")
    ] = True,
    rater: Annotated[list[str] | None, typer.Option(help="Whose marks count as the truth; may be repeated.")] = None,
    as_json: console.JsonOption = False,
) -> None:
    """Train the localiser and the classifier of each view, write a bundle to OUT/bundle, and calibrate it."""
    from fractureai.training.source import open_source

    source, target = _places(dataset, out, dataset_option)
    began = time.monotonic()
    with console.status("Opening the dataset ..."):
        opened = open_source(source, target)
    bundle, splits_made = train_bundle(opened, target, recipe, rater or None, device, resume)
    calibration = calibrate_trained(bundle, opened, rater or None)
    seconds = time.monotonic() - began
    if as_json:
        facts = {
            "dataset": str(opened.folder),
            "recipe": recipe,
            "splits_made": splits_made,
            "calibration": calibration,
        }
        console.result_json({"bundle": str(bundle.absolute()), **facts, "seconds": round(seconds, 1)})
        return
    if splits_made:
        console.result("The dataset had no splits; its patients were assigned to train, validation and test.")
    console.result(f"The bundle is in {bundle} ({console.duration(seconds)}).")
    for line in calibration:
        console.result(line)
    console.result(f"Next: fractureai evaluate {bundle} {opened.folder} {target / 'report'}")


def _places(dataset: Path | None, out: Path | None, option: Path | None) -> tuple[Path, Path]:
    """Return the dataset and the folder of the training; with ``--dataset`` the first argument is the folder."""
    if option is not None:
        if out is not None:
            raise typer.BadParameter("Give the dataset once: as argument or with --dataset.")
        dataset, out = option, dataset
    if dataset is None:
        raise typer.BadParameter(MISSING)
    return dataset, out or dataset.with_name(f"{dataset.stem}-training")


def train_bundle(
    dataset: Dataset, out: Path, recipe: str, raters: list[str] | None, device: str, resume: bool
) -> tuple[Path, bool]:
    """Train with a progress bar on stderr; return the bundle's folder, and whether splits had to be made."""
    from fractureai.dataset import make_splits
    from fractureai.training.recipe import load_recipe

    loaded = load_recipe(recipe)
    with console.status("Loading PyTorch and MONAI (takes some seconds) ..."):
        from fractureai.training.device import choose_device
        from fractureai.training.train import train

    choose_device(device)
    splits_made = not dataset.splits
    if splits_made:
        make_splits(dataset, seed=SPLIT_SEED, raters=raters)
    with console.ProgressBar("Training") as bar:

        def show(message: TrainingProgress) -> None:
            bar.advance(message.fraction, 1.0, message.text, message.seconds_left)

        bundle = train(dataset.folder, out, loaded, raters=raters, device=device, resume=resume, progress=show)
    return bundle, splits_made
