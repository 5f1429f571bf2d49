"""SimpleITK, imported only when it is needed."""

from __future__ import annotations

from typing import Any


def simpleitk() -> Any:
    """Import SimpleITK, which takes 0.2 s, and keep ITK from printing warnings, which quote file names."""
    import SimpleITK

    module: Any = SimpleITK
    module.ProcessObject.SetGlobalWarningDisplay(False)
    return module
