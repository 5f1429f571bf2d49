"""How quick annotating is: the panel, the first image, the next image, a mark on disk.

    python scripts/benchmarks/annotate.py [--rows 2500] [--columns 2000]

Runs the module in the host's window (offscreen unless QT_QPA_PLATFORM says otherwise) on radiographs written for the
purpose, uncompressed, and prints median and worst of each time with its target. The file cache of the operating system
is warm: the radiographs were just written.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

MODULE = Path(__file__).resolve().parents[2] / "FractureAI" / "FractureAI.py"
CASES = 12
CLICKS = 30


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2500)
    parser.add_argument("--columns", type=int, default=2000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fractureai-benchmark-") as folder:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        os.environ["XDG_CONFIG_HOME"] = folder
        dataset = write_dataset(Path(folder) / "wrists", options.rows, options.columns)
        measure(dataset)
    return 0


def write_dataset(folder: Path, rows: int, columns: int) -> Path:
    """Write `CASES` DX images of noise over a gradient, as detectors send them, and add them to a new dataset."""
    import numpy as np
    from pydicom.dataset import Dataset as Dicom
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    from fractureai.dataset import Dataset

    random = np.random.default_rng(0)
    gradient = np.linspace(200, 3500, columns)[None, :] + np.zeros((rows, 1))
    files = []
    for number in range(CASES):
        dicom = Dicom()
        dicom.SOPClassUID, dicom.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", generate_uid()
        dicom.StudyInstanceUID, dicom.SeriesInstanceUID = generate_uid(), generate_uid()
        dicom.PatientID, dicom.StudyDate, dicom.Modality = f"B{number}", "20240131", "DX"
        dicom.ViewPosition, dicom.ImageLaterality, dicom.PixelSpacing = "PA", "L", [0.1, 0.1]
        dicom.WindowCenter, dicom.WindowWidth = 2000, 4000
        dicom.PhotometricInterpretation, dicom.SamplesPerPixel = "MONOCHROME2", 1
        dicom.Rows, dicom.Columns, dicom.BitsAllocated, dicom.BitsStored, dicom.HighBit = rows, columns, 16, 12, 11
        dicom.PixelRepresentation = 0
        dicom.PixelData = (gradient + random.normal(0, 60, (rows, columns))).clip(0, 4095).astype("<u2").tobytes()
        dicom.file_meta = FileMetaDataset()
        dicom.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dicom.file_meta.MediaStorageSOPClassUID = dicom.SOPClassUID
        dicom.file_meta.MediaStorageSOPInstanceUID = dicom.SOPInstanceUID
        files.append(folder.parent / f"{number}.dcm")
        dicom.save_as(files[-1], enforce_file_format=True)
    dataset = Dataset.create(folder, name="Benchmark")
    dataset.add(files, copy=False)
    return folder


def measure(folder: Path) -> None:
    import slicerhost

    slicer = slicerhost.start()
    window = slicerhost.MainWindow(slicer.app.layoutManager())
    window.resize(1280, 900)
    window.show()
    slicer.app.processEvents()
    began = time.perf_counter()
    slicerhost.load_module(MODULE)
    panel = slicer.modules.fractureai.widgetRepresentation()
    window.set_module("FractureAI", panel)
    panel.enter()
    slicer.app.processEvents()
    report("panel opens", [time.perf_counter() - began], 1500)
    bench = Bench(slicer, panel.self())
    bench.session.rater = "AM"
    bench.session.dataset_actions.open(str(folder))
    bench.wait(lambda: bench.page.editor.annotation is not None and bench.page.case is not None)
    report("row chosen, read from the file", bench.choose_rows(ahead=False), 300)
    report("row chosen, read ahead", bench.choose_rows(ahead=True), 50)
    window_level = bench.window_drag()
    report("window/level, one step of a drag", window_level, 1000 / 30)
    clicks, on_disk = bench.clicks()
    report("click until the mark is on disk", on_disk, 20)
    report("click until the window is free again", clicks, 100)
    panel.exit()
    panel.self().cleanup()


class Bench:
    """The page, driven by events."""

    def __init__(self, slicer, widget) -> None:
        self.slicer, self.session, self.page = slicer, widget.session, widget.pages[0]
        self.view = slicer.app.layoutManager().sliceWidget("Red").sliceView()

    def wait(self, until: Callable[[], object], pause_s: float = 0.0) -> None:
        while not until():
            self.slicer.app.processEvents()
            time.sleep(pause_s)

    def choose_rows(self, ahead: bool) -> list[float]:
        """Choose each row and wait until its picture is drawn."""
        page, times = self.page, []
        ids = [entry.row.id for entry in page.list.worklist.entries]
        for identifier in [*ids[1:], ids[0]]:
            row = self.session.dataset.row(identifier)
            if ahead:
                page.loader.prefetch(row)
                self.wait(lambda identifier=identifier: page.loader.kept(identifier) is not None, 0.001)
            else:
                page.loader.open(self.session.dataset)
            time.sleep(0.05)
            began = time.perf_counter()
            page.choose(identifier)
            self.wait(lambda identifier=identifier: page.case is not None and page.case.row.id == identifier)
            self.view.forceRender()
            times.append(time.perf_counter() - began)
            self.wait(lambda: not self.session.background.busy, 0.001)
        return times

    def window_drag(self) -> list[float]:
        """Change the window as a drag does, and draw it."""
        display, times = self.page.case.volume.GetDisplayNode(), []
        for step in range(40):
            began = time.perf_counter()
            display.SetWindowLevel(3000 + 20 * step, 2000 + 10 * step)
            self.view.forceRender()
            times.append(time.perf_counter() - began)
        return times

    def clicks(self) -> tuple[list[float], list[float]]:
        """Place landmarks by clicks; return how long the window was busy, and how long until the file was there."""
        from PySide6.QtCore import QPoint, Qt
        from PySide6.QtTest import QTest

        page, busy, on_disk = self.page, [], []
        path = self.session.dataset.annotation_path(page.current, self.session.rater)
        for number in range(CLICKS):
            if not page.landmarks.placing:
                page.landmarks.redo(number % 3)
            point = QPoint(250 + 9 * number, 250 + 5 * number)
            QTest.mouseMove(self.view, point)
            end = time.perf_counter() + 0.15
            self.wait(lambda end=end: time.perf_counter() > end, 0.001)
            watch = Watch(path)
            began = time.perf_counter()
            QTest.mouseClick(self.view, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, point)
            self.slicer.app.processEvents()
            busy.append(time.perf_counter() - began)
            self.wait(lambda watch=watch: not watch.is_alive(), 0.001)
            on_disk.append(watch.seen - began)
        return busy, on_disk


class Watch(threading.Thread):
    """Sees when a file is replaced."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self._path, self._before, self.seen = path, self._state(path), float("nan")
        self.start()

    def run(self) -> None:
        while self._state(self._path) == self._before:
            time.sleep(0.0005)
        self.seen = time.perf_counter()

    @staticmethod
    def _state(path: Path):
        try:
            stat = path.stat()
        except FileNotFoundError:
            return None
        return stat.st_mtime_ns, stat.st_ino


def report(what: str, seconds: list[float], target_ms: float) -> None:
    median, worst = 1000 * statistics.median(seconds), 1000 * max(seconds)
    verdict = "ok" if median <= target_ms else "MISSED"
    print(f"{what:38} median {median:7.1f} ms   worst {worst:7.1f} ms   target {target_ms:6.0f} ms   {verdict}")


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    code = main()
    sys.stdout.flush()
    os._exit(code)
