"""What the module's self-test does that needs more than a line."""

import importlib.util
import tempfile
import time
import unittest
from collections.abc import Callable
from pathlib import Path

import slicer

from fractureai.phantom import write_dataset

PATIENCE_S = 30


def run_test_files(folder: Path) -> int:
    """Run the unit tests in the files ``FractureAI*Test.py`` of a folder.

    Args:
        folder: ``Testing/Python`` of the source tree; an installed module has none, then nothing is run.

    Returns:
        How many tests were run.

    Raises:
        AssertionError: one failed.
    """
    suite = unittest.TestSuite()
    for path in sorted(folder.glob("FractureAI*Test.py")):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        suite.addTests(unittest.defaultTestLoader.loadTestsFromModule(module))
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    if not result.wasSuccessful():
        failed = [str(test) for test, _trace in (*result.failures, *result.errors)]
        raise AssertionError("failed: " + ", ".join(failed))
    return result.testsRun


def mark_and_undo(widget) -> None:
    """Open a small simulated dataset, give a label, look for it on disk, and take it back.

    Raises:
        AssertionError: it is not there.
    """
    session, page = widget.session, widget.pages[0]
    before = session.rater
    widget.showPage(0)
    with tempfile.TemporaryDirectory(prefix="fractureai-test-") as folder:
        write_dataset(Path(folder) / "wrists", studies=1, seed=3, pixels=128, workers=1)
        session.rater = "TT"
        dataset = session.open_dataset(str(Path(folder) / "wrists"))
        _wait(lambda: page.case is not None and page.editor.annotation is not None)
        page.labels.choose("fracture")
        _expect(page.flush(), True)
        _expect(dataset.annotation(page.current, "TT").label, "fracture")
        page.undo()
        _expect(page.flush(), True)
        _expect(dataset.annotation(page.current, "TT").label, None)
        session.close_dataset()
    session.rater = before


def _expect(found: object, wanted: object) -> None:
    if found != wanted:
        raise AssertionError(f"{found!r} instead of {wanted!r}")


def _wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not until():
        slicer.app.processEvents()
        time.sleep(0.002)
        if time.monotonic() > end:
            raise AssertionError("the radiograph was not shown")
