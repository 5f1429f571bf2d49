"""The host in a test runner's process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import probe
from .settings import keep_settings_in
from .start import start


def begin(settings: Path) -> Any:
    """Start the host off-screen (unless `QT_QPA_PLATFORM` says otherwise), in testing mode, with settings of its own.

    A test that used slicer-core by itself may have left its scene in `slicer.mrmlScene`; the host makes a new one.

    Args:
        settings: the folder for the settings; that of the first call counts.

    Returns:
        the module `slicer`.

    Raises:
        HostError: nothing can be drawn here.
    """
    import sys

    started = getattr(sys.modules.get("slicer"), "_slicerhost", False)
    if not started:
        probe.prepare(window=False)
        probe.require_drawing()
        keep_settings_in(settings)
        if "slicer" in sys.modules:
            sys.modules["slicer"].mrmlScene = None  # type: ignore[attr-defined]
    slicer = start()
    slicer.app.setTestingEnabled(True)
    restore(slicer)
    return slicer


def restore(slicer: Any) -> None:
    """Make the host's scene and logic current again, and the scene empty."""
    slicer.mrmlScene = slicer.app.mrmlScene()
    slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance().SetMRMLApplicationLogic(
        slicer.app.applicationLogic()
    )
    slicer.mrmlScene.Clear(0)
