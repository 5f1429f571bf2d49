"""`fractureai demo`: the whole way, from radiographs to a reading, on this computer."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fractureai import NOT_A_MEDICAL_DEVICE
from fractureai.cli import console
from fractureai.cli.calibrate import calibrate_trained
from fractureai.cli.demo_state import DemoState
from fractureai.cli.evaluate import FIGURE_COLUMNS, evaluate_split, figure_rows, further_figures
from fractureai.cli.phantom import write_phantom
from fractureai.cli.read import find_studies, load_pipeline, read_folder, reading_line, save_reading
from fractureai.cli.train import train_bundle

if TYPE_CHECKING:
    from fractureai.dataset import Dataset
    from fractureai.inference import Pipeline
    from fractureai.radiograph import StudyListing

NAME = "demo"
EXAMPLE = "fractureai demo out/demo --quick-look"
INTERRUPTED = "Run the same command again: finished steps are kept, training goes on from the last checkpoint."

STUDIES = 280
"""Simulated studies that the demo trains and evaluates with."""
SEED = 0
FRACTIONS = (0.65, 0.15, 0.2)
"""Of the patients in train, validation and test; a larger test than usual, for narrower intervals."""
RECIPE = "quick"
QUICK_LOOK_STUDIES = 12
QUICK_LOOK_SEED = 900_003
"""No bundle that comes along was trained with this seed; among its first twelve studies are 5 fractures."""
DICOM_STUDIES = 50
"""At most so many studies of the user's own folder are read."""


def run(
    out: Annotated[Path, typer.Argument(help="Folder of the results.")],
    dicom: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Also read the radiographs in this folder.")
    ] = None,
    quick_look: Annotated[
        bool, typer.Option("--quick-look", help="Use the demo bundle that comes along; trains nothing.")
    ] = False,
    studies: Annotated[
        int, typer.Option(min=10, help="Simulated studies to train and evaluate with; fewer are faster and worse.")
    ] = STUDIES,
    recipe: Annotated[str, typer.Option(help="quick, deepwrist, or the path of a recipe (TOML).")] = RECIPE,
    device: Annotated[str, typer.Option(help="Where to train: auto, cpu, cuda, cuda:1, mps.")] = "auto",
    as_json: console.JsonOption = False,
) -> None:
    """Simulate radiographs, train both stages, evaluate on held-out patients, read a study.

    Takes less than 10 minutes on two cores; with --quick-look less than one. Run again in the same folder it keeps the
    steps that are finished.
    """
    began, out = time.monotonic(), out.absolute()
    listing = None if dicom is None else find_studies(dicom)
    settings: dict[str, Any] = {"studies": QUICK_LOOK_STUDIES, "seed": QUICK_LOOK_SEED, "recipe": ""}
    if not quick_look:
        settings = {"studies": studies, "seed": SEED, "recipe": recipe}
    steps = _Steps(out, DemoState.open(out, settings), quick_look)
    if quick_look:
        pipeline, dataset = load_pipeline("demo"), steps.simulate()
    else:
        dataset = steps.simulate()
        pipeline = steps.train(dataset, device)
    results = steps.evaluate(pipeline, dataset) | steps.read(pipeline, dataset)
    if listing is not None:
        results["dicom"] = _read_own(pipeline, listing, out / "dicom")
    results |= {"out": str(out), "notice": pipeline.bundle.notice, "quick_look": quick_look}
    results["seconds"] = round(time.monotonic() - began, 1)
    if as_json:
        console.result_json(results)
    else:
        _print(results)


class _Steps:
    """The steps of the demo; each says what it does, or that it was done before."""

    def __init__(self, out: Path, state: DemoState, quick_look: bool) -> None:
        self._out, self._state, self._quick_look = out, state, quick_look
        self._number, self._count = 0, 3 if quick_look else 4
        self._split = None if quick_look else "test"

    def _say(self, text: str, done: bool = False) -> None:
        self._number += 1
        was = " (finished by an earlier run, kept)" if done else ""
        console.step(f"[{self._number}/{self._count}] {text}{was}")

    def simulate(self) -> Dataset:
        """Make the simulated dataset and its splits."""
        from fractureai.dataset import Dataset, make_splits

        folder, studies = self._out / "phantom", int(self._state.settings["studies"])
        done = self._state.is_done("radiographs")
        self._say(f"Simulating {studies} wrist studies with known truth", done)
        if not done:
            shutil.rmtree(folder, ignore_errors=True)
            write_phantom(folder, studies, int(self._state.settings["seed"]))
            if not self._quick_look:
                make_splits(Dataset.open(folder), fractions=FRACTIONS, seed=SEED)
            self._state.finish("radiographs")
        return Dataset.open(folder)

    def train(self, dataset: Dataset, device: str) -> Pipeline:
        """Train both stages and load the bundle."""
        from fractureai.training.recipe import load_recipe

        recipe = str(self._state.settings["recipe"])
        done = self._state.is_done("bundle")
        self._say(f"Training localiser and classifier with the recipe {recipe}", done)
        folder = self._out / "training"
        if not done:
            train_bundle(dataset, folder, load_recipe(recipe), None, device, resume=True)
            for line in calibrate_trained(folder / "bundle", dataset):
                console.step(line)
            self._state.finish("bundle")
        return load_pipeline(folder / "bundle")

    def evaluate(self, pipeline: Pipeline, dataset: Dataset) -> dict[str, Any]:
        """Evaluate on patients that were not trained on; return the figures."""
        key = f"figures {pipeline.bundle.id}"
        report, stored = self._out / "report" / "report.html", self._state.value(key)
        done = stored is not None and report.is_file()
        what = "these studies, which the bundle has never seen" if self._quick_look else "held-out patients"
        self._say(f"Evaluating on {what}", done)
        if not done:
            evaluation, report = evaluate_split(pipeline, dataset, self._split, self._out / "report")
            stored = {"figures": figure_rows(evaluation), "further": further_figures(evaluation)}
            self._state.finish(key, stored)
        return {"bundle": str(pipeline.bundle.folder), "report": str(report), **(stored or {})}

    def read(self, pipeline: Pipeline, dataset: Dataset) -> dict[str, Any]:
        """Read the first held-out study with a visible fracture."""
        self._say("Reading one held-out study")
        radiographs, label = _study_to_read(dataset, self._split)
        prediction = pipeline.read(radiographs)
        document = save_reading(prediction, self._out / "reading")
        return {
            "reading": str(self._out / "reading" / "reading.json"),
            "overlay": document["overlay"],
            "study": {"read": reading_line(prediction), "truth": label, "refer": prediction.refer},
        }


def _study_to_read(dataset: Dataset, split: str | None) -> tuple[list[Any], str]:
    """Return radiographs and label of the first study with a visible fracture; of any study where there is none."""
    from fractureai.dataset import study_labels
    from fractureai.evaluation import studies

    labels = study_labels(dataset, dataset.reference_annotations())
    groups = studies(dataset, split)
    visible = [key for key, rows in groups.items() if rows[0].stratum != "hard"]
    fractured = [key for key in visible if labels.get(groups[key][0].study) == dataset.site.positive_class]
    key = (fractured or visible or list(groups))[0]
    return [dataset.read(row) for row in groups[key]], labels.get(groups[key][0].study, "unknown")


def _read_own(pipeline: Pipeline, listing: StudyListing, out: Path) -> list[dict[str, Any]]:
    console.step("Reading your own radiographs. They carry no marks, so nothing was trained on them.")
    readings = read_folder(pipeline, listing, out, limit=DICOM_STUDIES)
    for problem in readings.problems:
        console.step(f"  Problem: {problem}")
    if readings.left:
        console.step(f"  {readings.left} more studies were left out; read them with: fractureai read BUNDLE FOLDER")
    return [
        {"study": prediction.study, "read": reading_line(prediction), "overlay": document["overlay"]}
        for prediction, document in readings.readings
    ]


def _print(results: dict[str, Any]) -> None:
    console.result_table("Figures (95 % confidence interval)", FIGURE_COLUMNS, results["figures"])
    for line in results["further"]:
        console.result(line)
    study = results["study"]
    console.result(f"One held-out study: {study['read']}; the truth: {study['truth']}.")
    for reading in results.get("dicom", ()):
        console.result(f"{reading['study']}: {reading['read']}")
    console.result("")
    for title, key in (("Picture", "overlay"), ("Reading", "reading"), ("Report", "report"), ("Bundle", "bundle")):
        console.result(f"{title + ':':9} {results[key]}")
    if "dicom" in results:
        console.result(f"{'DICOM:':9} {Path(results['out']) / 'dicom'}")
    console.result(
        f"{console.duration(results['seconds'])} in all. The model: {results['notice'] or NOT_A_MEDICAL_DEVICE}"
    )
