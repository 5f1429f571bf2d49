"""The commands put together, and what their errors look like from outside."""

from __future__ import annotations

import errno
import functools
import importlib
import io
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from fractureai import NOT_A_MEDICAL_DEVICE, __version__
from fractureai.cli import (
    calibrate,
    check,
    console,
    demo,
    desktop,
    evaluate,
    explain,
    export,
    import_,
    phantom,
    read,
    serve,
    show,
    split,
    train,
)
from fractureai.errors import FractureAIError

# Typer brings its own copy of click; its base error is public only there.
_click_error: type[Exception] = importlib.import_module(typer.BadParameter.__module__).ClickException

BAD_INPUT = 2
INTERRUPTED = 130
_ENVIRONMENT_ERRORS = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST
}  # fmt: skip

_EXTRAS = {
    "codecs": ("PIL", "pylibjpeg", "jpeg_ls"),
    "read": ("onnxruntime", "safetensors", "matplotlib"),
    "evaluate": ("sklearn", "statsmodels", "jinja2", "reportlab"),
    "serve": ("fastapi", "uvicorn", "starlette", "pydantic", "python_multipart", "psutil"),
    "desktop": ("slicer", "PySide6"),
    "train": ("torch", "monai", "onnx", "onnxscript", "tensorboard"),
}
"""Extra of the package -> modules it brings."""

app = typer.Typer(
    name="fractureai",
    help=f"Wrist fractures on radiographs: annotate, train, read. {NOT_A_MEDICAL_DEVICE}",
    epilog="Example: fractureai demo out/demo --quick-look",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        console.result(f"fractureai {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Take the options that stand before the command."""


def _add(name: str, function: Callable[..., None], example: str, interrupted: str) -> None:
    """Register a command: with an example in its help, and a sentence for Ctrl-C."""

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            function(*args, **kwargs)
        except KeyboardInterrupt:
            console.error_line(f"Stopped. {interrupted}")
            raise typer.Exit(INTERRUPTED) from None

    app.command(name, epilog=f"Example: {example}")(guarded)


for _module in (
    phantom,
    import_,
    export,
    check,
    split,
    train,
    calibrate,
    evaluate,
    read,
    explain,
    show,
    serve,
    demo,
    desktop,
):
    _add(_module.NAME, _module.run, _module.EXAMPLE, _module.INTERRUPTED)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: the words after ``fractureai``; by default those of this process.

    Returns:
        The exit code: 0; 1 when `fractureai check` found errors; 2 for bad input, with one line on stderr; 130 after
        Ctrl-C.
        A mistake of FractureAI itself ends with a traceback.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that has no such letter must not end a long run
    warnings.showwarning = _show_warning  # one line each
    warnings.filterwarnings("ignore", category=FutureWarning)  # of libraries; for their developers
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return int(app(args=words or ["--help"], prog_name="fractureai", standalone_mode=False) or 0)
    except FractureAIError as error:
        console.error_line(str(error))
    except _click_error as error:
        console.error_line(_usage_line(error))
    except ModuleNotFoundError as error:
        extra = next((name for name, modules in _EXTRAS.items() if error.name in modules), None)
        if extra is None:
            raise
        console.error_line(
            f"{error.name} is needed for this and is not installed; run python3 scripts/run.py setup, "
            f"or pip install 'fractureai[{extra}]'."
        )
    except OSError as error:
        if error.errno not in _ENVIRONMENT_ERRORS or error.filename is None:
            raise
        console.error_line(f"{error.filename}: {error.strerror}; choose another place or free this one.")
    return BAD_INPUT


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    console.error_line(f"Warning: {message}")


def _usage_line(error: Any) -> str:
    path = error.ctx.command_path if getattr(error, "ctx", None) else "fractureai"
    return f"{path}: {error.format_message().rstrip('.')}. See: {path} --help"
