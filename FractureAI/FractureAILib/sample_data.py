"""Simulated wrists in Slicer's module Sample Data: computed on this computer, nothing is downloaded."""

import importlib
import importlib.util
import tempfile
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from FractureAILib.style import ICONS

SAMPLES = {"FractureAISimulatedWrist": (1, 7), "FractureAISimulatedFracture": (1, 4)}
"""Sample -> number of studies and seed; the second one is a fractured wrist."""


def register_sample_data() -> None:
    """Offer simulated wrists in Sample Data; does nothing in an application that has no such module."""
    if importlib.util.find_spec("SampleData") is None:
        return
    logic = importlib.import_module("SampleData").SampleDataLogic
    titles = {
        "FractureAISimulatedWrist": _("Simulated wrist"),
        "FractureAISimulatedFracture": _("Simulated wrist, fractured"),
    }
    for name, title in titles.items():
        logic.registerCustomSampleDataSource(
            category="FractureAI",
            sampleName=title,
            thumbnailFileName=str(ICONS / "FractureAI.svg"),
            uris=None,
            fileNames=None,
            nodeNames=name,
            customDownloader=lambda _source, name=name: load_sample(name),
        )


def load_sample(name: str) -> list:
    """Simulate a study and load its radiographs.

    Args:
        name: one of `SAMPLES`.

    Returns:
        Its volume nodes.
    """
    from fractureai.phantom import write_dataset
    from fractureai.scene.radiograph import add_radiograph

    studies, seed = SAMPLES[name]
    with tempfile.TemporaryDirectory(prefix="fractureai-") as folder:
        dataset = write_dataset(Path(folder) / "wrists", studies=studies, seed=seed, pixels=1024, workers=1)
        volumes = [add_radiograph(dataset.read(row)) for row in dataset.radiographs]
    slicer.util.setSliceViewerLayers(background=volumes[0], fit=True)
    return volumes
