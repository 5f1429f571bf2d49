"""`slicer.i18n`: texts of a module in the user's language, through Qt's translator."""

from __future__ import annotations

import inspect
from pathlib import Path


def getContext(source_file: str) -> str:
    """The context of a source file's texts: the file's name, or the package's for an `__init__.py`."""
    path = Path(source_file)
    return path.parent.name if path.name == "__init__.py" else path.stem


def translate(context: str, text: str) -> str:
    """The text in the user's language; the text itself where there is no translation."""
    import slicer

    return str(slicer.app.translate(context, text))


def tr(text: str) -> str:
    """`translate` with the context of the file that calls; imported as `from slicer.i18n import tr as _`."""
    frame = inspect.currentframe()
    caller = frame.f_back if frame is not None else None
    return translate(getContext(caller.f_code.co_filename) if caller is not None else "", text)
