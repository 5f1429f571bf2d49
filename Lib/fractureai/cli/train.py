"""`fractureai train`: both stages, from a dataset to a bundle."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fractureai.cli import console
from fractureai.cli.calibrate import calibrate_trained

if TYPE_CHECKING:
    from fractureai.dataset import Dataset
    from fractureai.training.progress import TrainingProgress
    from fractureai.training.ranks import Ranks
    from fractureai.training.recipe import Recipe

NAME = "train"
EXAMPLE = "fractureai train data/phantom out/quick --recipe quick --device auto"
MISSING = "Give a dataset: its folder, or the archive of one (fractureai export archive)."
INTERRUPTED = "Run the same command again: training goes on from the last checkpoint."
SPLIT_SEED = 0
_FOLDS = 5


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
    variant: Annotated[str, typer.Option(help="A variant that the recipe names, for example as-published.")] = "",
    weights: Annotated[
        Path | None, typer.Option(help="File of the classifiers' initial weights (SE-ResNet50 of ImageNet).")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    resume: Annotated[
        bool, typer.Option("--resume/--fresh", help="Go on from the last checkpoint, or start over.")
    ] = True,
    rater: Annotated[list[str] | None, typer.Option(help="Whose marks count as the truth; may be repeated.")] = None,
    as_json: console.JsonOption = False,
) -> None:
    """Train the localiser and the classifier of each view, write a bundle to OUT/bundle, and calibrate it.

    With several GPUs: torchrun --nproc-per-node 2 -m fractureai.cli train DATASET OUT.
    """
    from fractureai.training.ranks import join_ranks
    from fractureai.training.recipe import load_recipe
    from fractureai.training.source import open_source

    source, target = _places(dataset, out, dataset_option)
    loaded = load_recipe(recipe, variant, weights or "")
    began = time.monotonic()
    with join_ranks(device) as ranks:
        with console.status("Opening the dataset ..."):
            opened = ranks.in_turn(lambda: open_source(source, target))
        bundle, splits_made = train_bundle(opened, target, loaded, rater or None, device, resume, ranks)
    if not ranks.first:
        return
    calibration = calibrate_trained(bundle, opened, rater or None)
    seconds = time.monotonic() - began
    if as_json:
        facts = {
            "dataset": str(opened.folder),
            "recipe": recipe,
            "variant": variant,
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
    dataset: Dataset,
    out: Path,
    recipe: Recipe,
    raters: list[str] | None,
    device: str,
    resume: bool,
    ranks: Ranks | None = None,
) -> tuple[Path, bool]:
    """Train with a progress bar on stderr; return the bundle's folder, and whether splits had to be made."""
    from fractureai.training.ranks import ALONE

    ranks = ranks or ALONE
    with console.status("Loading PyTorch and MONAI (takes some seconds) ..."):
        from fractureai.training.device import choose_device
        from fractureai.training.train import train

    if ranks.size == 1:
        choose_device(device)
    splits_made = ranks.in_turn(lambda: _split_where_needed(dataset, recipe, raters))
    with console.ProgressBar("Training") if ranks.first else contextlib.nullcontext() as bar:

        def show(message: TrainingProgress) -> None:
            if bar is not None:
                bar.advance(message.fraction, 1.0, _shown(message), message.seconds_left)

        bundle = train(
            dataset.folder, out, recipe, raters=raters, device=device, resume=resume, progress=show, ranks=ranks
        )
    return bundle, splits_made


def _split_where_needed(dataset: Dataset, recipe: Recipe, raters: list[str] | None) -> bool:
    from fractureai.dataset import make_splits

    if dataset.splits:
        return False
    make_splits(dataset, folds=max(_FOLDS, recipe.folds), seed=SPLIT_SEED, raters=raters)
    return True


def _shown(message: TrainingProgress) -> str:
    if not message.epoch:
        return message.text
    return f"{message.text}, epoch {message.epoch} of {message.epochs}, {message.speed}"
