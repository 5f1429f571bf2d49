"""`fractureai phantom`: simulated studies with exact ground truth."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fractureai.cli import console

if TYPE_CHECKING:
    from fractureai.dataset import Dataset

NAME = "phantom"
EXAMPLE = "fractureai phantom data/phantom --studies 200 --seed 1"
INTERRUPTED = "Remove the unfinished folder, then run the same command again."


def run(
    out: Annotated[Path, typer.Argument(help="Folder of the new dataset.")],
    studies: Annotated[int, typer.Option(min=1, help="Number of studies, one wrist each.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")] = 0,
    pixels: Annotated[int, typer.Option(min=128, help="Pixels along the longer side of a radiograph.")] = 768,
    hard_fraction: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Share of the studies whose fractures are invisible in projection."),
    ] = None,
    faint: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Share of those fractures that are faint instead: just below what one notices."
        ),
    ] = 0.0,
    oblique: Annotated[bool, typer.Option("--oblique", help="A third, oblique view of each study.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; by default one a core.")] = None,
    as_json: console.JsonOption = False,
) -> None:
    """Simulate wrist studies: DICOM files, marks, reports, and what each header gets wrong."""
    began = time.monotonic()
    dataset = write_phantom(out, studies, seed, pixels, hard_fraction, oblique, workers, faint)
    seconds = time.monotonic() - began
    count = len(dataset.radiographs)
    if as_json:
        facts = {"studies": studies, "radiographs": count, "seed": seed, "seconds": round(seconds, 1)}
        console.result_json({"dataset": str(dataset.folder), **facts})
    else:
        console.result(f"{studies} studies with {count} radiographs are in {out} ({console.duration(seconds)}).")


def write_phantom(
    out: Path,
    studies: int,
    seed: int,
    pixels: int | None = None,
    hard_fraction: float | None = None,
    oblique: bool = False,
    workers: int | None = None,
    faint: float = 0.0,
) -> Dataset:
    """Simulate studies with a progress bar on stderr; see `fractureai.phantom.write_dataset`."""
    from fractureai.phantom import PhantomConfig, write_dataset

    views = ("PA", "LAT", "OBLIQUE") if oblique else ("PA", "LAT")
    config = PhantomConfig(views=views, hard_faint_fraction=faint)
    with console.ProgressBar("Simulating studies") as bar:
        return write_dataset(
            out,
            studies=studies,
            seed=seed,
            pixels=pixels,
            hard_fraction=hard_fraction,
            config=config,
            workers=workers,
            progress=bar.advance,
        )
