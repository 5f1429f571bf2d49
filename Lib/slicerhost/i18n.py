"""`slicer.i18n`: texts of a module in the user's language, through Qt's translator."""

from __future__ import annotations

import inspect
import logging
import re
from functools import cache
from pathlib import Path

_PLACEHOLDER = re.compile(r"(?<!\{)\{([^{}]+)\}(?!\})")


@cache
def getContext(sourceFile: str) -> str:
    """The context of a source file's texts: its name, after that of its package where it lies in one."""
    path = Path(sourceFile)
    if not path.is_file():
        return path.name
    in_package = (path.parent / "__init__.py").is_file()
    return f"{path.parent.name}.{path.stem}" if in_package else path.stem


def translate(context: str, text: str) -> str:
    """The text in the user's language; the text itself where there is no translation."""
    import slicer

    return str(slicer.app.translate(context, text))


def tr(text: str) -> str:
    """`translate` with the context of the file that calls; imported as `from slicer.i18n import tr as _`.

    A translation that lost a placeholder ("{count}") is not used, because formatting it would fail.
    """
    frame = inspect.currentframe()
    caller = frame.f_back if frame is not None else None
    context = getContext(caller.f_code.co_filename) if caller is not None else ""
    translated = translate(context, text)
    if set(_PLACEHOLDER.findall(text)) != set(_PLACEHOLDER.findall(translated)):
        logging.warning(
            "In context '%s', the translation of '%s' has other placeholders: '%s'", context, text, translated
        )
        return text
    return translated
