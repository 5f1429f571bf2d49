"""The folders that clients may name files in, and nothing beside them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path

from fractureai.server.errors import ApiError

_OUTSIDE = "That path is not in a folder that this server may use; start the server with that folder as --root."


class Roots:
    """The folders that clients may name files in.

    Args:
        folders: absolute or relative to the working folder; one that does not exist is kept, it may come.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self._given = tuple(Path(os.path.abspath(folder)) for folder in folders)  # noqa: PTH100
        self.folders = tuple(dict.fromkeys(folder.resolve() for folder in self._given))

    def resolve(self, text: str) -> Path:
        """Return the real path of a file or folder that a client names.

        Raises:
            ApiError: it is not absolute, not in a root once all links are followed, or is not there. Of a path outside
                it is not told whether it exists.
        """
        if not text or "\0" in text or not Path(text).is_absolute():
            raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, "A path must be absolute.")
        # By its letters first: to follow the links of a foreign path may already reach another machine.
        path = Path(os.path.abspath(text))  # noqa: PTH100
        if not any(path.is_relative_to(folder) for folder in (*self._given, *self.folders)):
            raise ApiError(HTTPStatus.NOT_FOUND, _OUTSIDE)
        try:
            real = path.resolve()
            if not self.holds(real):
                raise ApiError(HTTPStatus.NOT_FOUND, _OUTSIDE)
            if not real.exists():
                raise ApiError(HTTPStatus.NOT_FOUND, "There is no such file or folder; check the path.")
        except (OSError, RuntimeError, ValueError) as error:
            raise ApiError(HTTPStatus.NOT_FOUND, "There is no such file or folder; check the path.") from error
        return real

    def holds(self, path: Path) -> bool:
        """Tell whether a path lies in a root once all links are followed."""
        real = path.resolve()
        return any(real.is_relative_to(folder) for folder in self.folders)
