"""The page Read's self-test, as Slicer runs it, run in the host."""

from __future__ import annotations

import importlib.util
import unittest
from pathlib import Path

FILE = Path(__file__).resolve().parents[1] / "Python" / "FractureAIReadTest.py"


def test_self_test(slicer):
    spec = importlib.util.spec_from_file_location("FractureAIReadTest", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    suite = unittest.defaultTestLoader.loadTestsFromModule(module)
    result = unittest.TextTestRunner(verbosity=0).run(suite)
    assert result.testsRun > 5
    assert result.wasSuccessful(), result.failures + result.errors
