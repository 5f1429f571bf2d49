"""By which means VTK draws in memory."""

from __future__ import annotations

import ctypes
import os
import sys


def choose() -> None:
    """On Linux, let VTK draw by EGL where that is there: no X server is asked, so none need be there.

    Without it, VTK tries an X server first, and says so on the console when there is none. To be called before the
    first render window is made; a choice made by the user (VTK_DEFAULT_OPENGL_WINDOW) stays.
    """
    if sys.platform.startswith("linux") and "VTK_DEFAULT_OPENGL_WINDOW" not in os.environ:
        try:
            ctypes.CDLL("libEGL.so.1")
        except OSError:
            return
        os.environ["VTK_DEFAULT_OPENGL_WINDOW"] = "vtkEGLRenderWindow"
