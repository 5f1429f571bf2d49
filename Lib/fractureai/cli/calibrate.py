"""`fractureai calibrate`: teach a bundle how far its readings can be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fractureai.cli import console
from fractureai.errors import BundleError, EvaluationError

if TYPE_CHECKING:
    from fractureai.bundle import Bundle
    from fractureai.dataset import Dataset

NAME = "calibrate"
EXAMPLE = "fractureai calibrate out/quick/bundle data/own-wrists --coverage 0.9"
INTERRUPTED = "The bundle is as it was; run the same command again, it starts over."


def run(
    bundle: Annotated[Path, typer.Argument(help="Folder of a bundle; it is written anew.")],
    dataset: Annotated[
        Path, typer.Argument(help="Folder of an annotated dataset: the one of the training, or the site's own.")
    ],
    split: Annotated[
        str, typer.Option(help="held-out (all but the test split), validation, test, or all.")
    ] = "held-out",
    coverage: Annotated[
        float, typer.Option(help="Share of studies to be answered where a site does not choose, 0 to 1.")
    ] = 0.9,
    rater: Annotated[list[str] | None, typer.Option(help="Whose marks count as the truth; may be repeated.")] = None,
    as_json: console.JsonOption = False,
) -> None:
    """Fit calibrated probabilities, uncertainty and referral limits on studies that the networks have not seen.

    Only studies of patients that a network was not trained on are read, and only by such networks. On a dataset of the
    site's own, that is all studies and all networks.
    """
    from fractureai.bundle import load_bundle
    from fractureai.bundle.load import DEMO
    from fractureai.dataset import Dataset

    if str(bundle) == DEMO:
        raise BundleError(DEMO, "it comes with FractureAI and is not changed", "give the folder of a bundle")
    opened = Dataset.open(dataset)
    calibrate_bundle(bundle, opened, split, coverage, rater or None)
    written = load_bundle(bundle)
    if as_json:
        reliability = written.spec.reliability or {}
        source = reliability.get("source", {})
        console.result_json({"bundle": str(bundle.absolute()), "model": written.id, "coverage": coverage, **source})
        return
    for line in about_calibration(written):
        console.result(line)


def calibrate_bundle(
    bundle: Path, dataset: Dataset, split: str, coverage: float, raters: list[str] | None = None
) -> None:
    """Fit with a progress bar."""
    from fractureai.evaluation.calibrate import fit_reliability

    with console.ProgressBar("Calibrating") as bar:
        fit_reliability(bundle, dataset, split=split, raters=raters, coverage=coverage, progress=bar.advance)


def calibrate_trained(bundle: Path, dataset: Dataset, raters: list[str] | None = None) -> list[str]:
    """Calibrate a bundle on what its own training held out.

    Returns:
        Sentences on what it was calibrated on, or on why it was not: there are too few studies for that.
    """
    from fractureai.bundle import load_bundle
    from fractureai.evaluation.calibrate import COVERAGE, HELD_OUT

    try:
        calibrate_bundle(bundle, dataset, HELD_OUT, COVERAGE, raters)
    except EvaluationError as error:
        return [f"The model was not calibrated. {error}"]
    return about_calibration(load_bundle(bundle))


def about_calibration(bundle: Bundle) -> list[str]:
    """Return what a bundle was calibrated on, and what that means, a sentence a line."""
    from fractureai.inference.trust import Trust

    trust = Trust.load(bundle)
    if trust is None or bundle.spec.reliability is None:
        return []
    source = bundle.spec.reliability["source"]
    temperature = trust.reliability.calibrators["temperature"].temperature
    return [
        f"Calibrated on {source['studies']} studies of {source['patients']} patients ({source['positive']} with the "
        f"finding) of {source['dataset']}; {source['wrong']} were read wrongly.",
        f"Probabilities: temperature {temperature:.2f}. {trust.reliability.combined.note}",
        f"Answered are {100 * trust.coverage:.0f} of 100 such studies: those with an uncertainty up to "
        f"{trust.limit:.3f}.",
    ]
