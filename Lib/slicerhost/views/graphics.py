"""Whether VTK can draw on this computer, found out without risking the program, and by which means it should.

A computer without a screen and without the libraries for drawing in memory ends a program that makes a render window
(no exception: the process is gone). So the first time, a child process tries.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from functools import cache

import vtkmodules
from PySide6.QtCore import QSettings

_KEY = "Host/DrawingWorksWithVTK"
_TIMEOUT_S = 60
_TRIAL = """
import vtkmodules.vtkRenderingOpenGL2
from vtkmodules.vtkRenderingCore import vtkRenderer, vtkRenderWindow
window = vtkRenderWindow()
window.SetOffScreenRendering(1)
window.AddRenderer(vtkRenderer())
window.Render()
"""
ADVICE = (
    "VTK can not draw on this computer. On Debian or Ubuntu, install libegl1 and libgl1-mesa-dri; "
    "elsewhere, install a graphics driver with OpenGL 3.2 or Mesa's software renderer."
)


class NoGraphicsError(RuntimeError):
    """VTK can not draw here; the message says what to install."""


def choose() -> None:
    """On Linux, let VTK draw in memory by EGL where that is there: no X server is asked, so none need be there."""
    if sys.platform.startswith("linux") and "VTK_DEFAULT_OPENGL_WINDOW" not in os.environ:
        try:
            ctypes.CDLL("libEGL.so.1")
        except OSError:
            return
        os.environ["VTK_DEFAULT_OPENGL_WINDOW"] = "vtkEGLRenderWindow"


@cache
def ensure() -> None:
    """Find out whether VTK can draw; a child process tries once per VTK version, and the settings remember success.

    Raises:
        NoGraphicsError: it can not; the message says what to install.
    """
    choose()
    version = getattr(vtkmodules, "__version__", "unknown")
    settings = QSettings()
    if settings.value(_KEY) == version:
        return
    trial = subprocess.run(
        [sys.executable, "-c", _TRIAL], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
    )
    if trial.returncode != 0:
        raise NoGraphicsError(ADVICE)
    settings.setValue(_KEY, version)
