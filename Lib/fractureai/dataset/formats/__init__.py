"""Import and export of other programs' annotation formats, one module each.

`FORMATS` lists them; ``FORMATS["coco"].import_(source, dataset, options)`` and ``.export(dataset, target, options)``
are called the same way for all. How their coordinates become (row, col) at pixel centres is said in `records` and in
each module.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fractureai.dataset.core import Dataset
from fractureai.dataset.formats import coco, deepwrist, fracatlas, grazpedwri, mrk_json, via
from fractureai.dataset.formats.records import ExportOptions, ExportReport, ImportOptions, ImportReport

__all__ = ["FORMATS", "ExportOptions", "ExportReport", "Format", "ImportOptions", "ImportReport"]


class Importer(Protocol):
    """Reads a file or folder of a format into a dataset; one bad row or file never stops it."""

    def __call__(self, source: Path, dataset: Dataset, options: ImportOptions = ...) -> ImportReport:
        """Import; raises DatasetError where the source as a whole is not of the format."""


class Exporter(Protocol):
    """Writes a dataset to a folder in a format."""

    def __call__(self, dataset: Dataset, target: Path, options: ExportOptions = ...) -> ExportReport:
        """Export; raises DatasetError where the folder can not be written."""


@dataclass(frozen=True)
class Format:
    """A foreign format.

    Attributes:
        name: on the command line.
        title: on screen.
        import_, export: see `Importer` and `Exporter`.
    """

    name: str
    title: str
    import_: Importer
    export: Exporter


FORMATS = {
    item.name: item
    for item in (
        Format("deepwrist", "DeepWrist CSV (landmarks, labels, readers)", deepwrist.import_, deepwrist.export),
        Format("via", "VGG Image Annotator 2 project or CSV", via.import_, via.export),
        Format("grazpedwri", "GRAZPEDWRI-DX (dataset.csv, VOC, YOLO)", grazpedwri.import_, grazpedwri.export),
        Format("fracatlas", "FracAtlas (dataset.csv, COCO, VOC, YOLO)", fracatlas.import_, fracatlas.export),
        Format("coco", "COCO key points and boxes", coco.import_, coco.export),
        Format("mrk_json", "3D Slicer markups (.mrk.json)", mrk_json.import_, mrk_json.export),
    )
}
