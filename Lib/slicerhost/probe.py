"""Whether this machine can show and draw: tried in a child process, because a missing driver ends the process."""

from __future__ import annotations

import os
import subprocess
import sys

from .errors import HostError

_SECONDS = 60
#: Draws one frame off-screen and makes a Qt application; prints what was reached, for a child that dies on the way.
_TRIAL = """
import sys
from PySide6.QtWidgets import QApplication
application = QApplication(["probe"])
print("qt", flush=True)
import vtkmodules.vtkRenderingOpenGL2
from vtkmodules.vtkRenderingCore import vtkRenderWindow
window = vtkRenderWindow()
window.SetOffScreenRendering(1)
window.SetMultiSamples(0)
window.Render()
print("vtk", window.GetClassName(), flush=True)
"""


def has_screen() -> bool:
    """Whether a window could be seen: always on Windows and macOS, on Linux with an X or Wayland display."""
    if not sys.platform.startswith("linux"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def prepare(*, window: bool) -> None:
    """Choose Qt's platform and VTK's kind of render window for this machine, before either is imported.

    `QT_QPA_PLATFORM` is respected when set. Without a screen a window is refused, anything else is drawn off-screen.

    Raises HostError when a window is wanted and there is no screen.
    """
    if "QT_QPA_PLATFORM" not in os.environ and not has_screen():
        if window:
            raise HostError(
                "There is no screen: DISPLAY and WAYLAND_DISPLAY are not set; log in to a desktop, or use --self-test"
            )
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    if not has_screen():  # VTK tries X first, warns, and would use EGL then
        os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")


def require_drawing() -> None:
    """Raises HostError, saying what to install, when Qt can not start or VTK can not draw off-screen."""
    try:
        trial = subprocess.run([sys.executable, "-c", _TRIAL], capture_output=True, text=True, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        raise HostError(f"Drawing off-screen was tried for {_SECONDS} seconds without result") from None
    if trial.returncode == 0 and "vtk " in trial.stdout:
        return
    if "qt" not in trial.stdout.split():
        platform = os.environ.get("QT_QPA_PLATFORM", "the default one")
        raise HostError(f"Qt can not start (platform: {platform}): {_advice('libxcb-cursor0 libegl1 libxkbcommon0')}")
    raise HostError(f"Nothing can be drawn off-screen: {_advice('libegl1 libgl1-mesa-dri')}")


def _advice(packages: str) -> str:
    if sys.platform.startswith("linux"):
        return f"install what is missing (on Debian and Ubuntu: apt-get install {packages})"
    return "install or update the graphics driver"
