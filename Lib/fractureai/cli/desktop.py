"""`fractureai desktop`: the panel of the 3D Slicer extension in a window of its own, without Slicer."""

from __future__ import annotations

import sysconfig
from pathlib import Path
from typing import Annotated

import typer

import fractureai
from fractureai.errors import FileError, WindowError

NAME = "desktop"
EXAMPLE = "fractureai desktop out/wrists"
INTERRUPTED = "Every mark was saved when it was made."

_PLACES = (
    Path(fractureai.__file__).resolve().parents[2] / "FractureAI",
    Path(sysconfig.get_path("data")) / "share" / "fractureai" / "FractureAI",
)
"""Where the module lies: in the source tree, or where pip puts it."""


def run(
    dataset: Annotated[Path | None, typer.Argument(help="Folder of a dataset to open.")] = None,
) -> None:
    """Open the window: annotate, read, train and review. It ends when the window is closed."""
    if dataset is not None:
        from fractureai.dataset import Dataset

        Dataset.open(dataset)  # says what is wrong before a window opens
    import slicerhost
    from slicerhost.errors import HostError

    try:
        slicerhost.run(module_file(), ready=lambda panel: _open(panel, dataset))
    except HostError as error:
        raise WindowError(f"{error}.") from error


def module_file() -> Path:
    """Return the file of the scripted module.

    Raises:
        FileError: it is not there.
    """
    for place in _PLACES:
        if (place / "FractureAI.py").is_file():
            return place / "FractureAI.py"
    raise FileError(_PLACES[0], "the panel is missing there", "install FractureAI again")


def _open(panel: object, dataset: Path | None) -> None:
    if dataset is not None:
        panel.session.open_dataset(str(dataset))  # type: ignore[attr-defined]
