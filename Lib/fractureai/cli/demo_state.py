"""What a demo has done so far, so that it can be run again in the same folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fractureai import __version__
from fractureai.dataset.files import write_atomically
from fractureai.errors import FileError

STATE_FILE = "demo.json"


@dataclass
class DemoState:
    """Finished steps of a demo folder; written after each step.

    Attributes:
        folder: of the demo.
        settings: what the steps depend on.
        done: step -> its result.
    """

    folder: Path
    settings: Mapping[str, Any]
    done: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path, settings: Mapping[str, Any]) -> DemoState:
        """Read the state of a folder, or start one.

        Raises:
            FileError: the folder holds something else, or a demo with other settings.
        """
        wanted = {"version": __version__, **settings}
        path = folder / STATE_FILE
        if path.is_file():
            try:
                found = json.loads(path.read_text(encoding="utf-8"))
                state = cls(folder, dict(found["settings"]), dict(found["done"]))
            except (ValueError, KeyError, TypeError) as error:
                raise FileError(path, "it is damaged", "remove the folder or choose another") from error
            if state.settings != wanted:
                reason = "it is the folder of a demo with other settings or of another version"
                raise FileError(folder, reason, "remove it or choose another folder")
            return state
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise FileError(folder, "it is not empty and not the folder of a demo", "choose another folder")
        folder.mkdir(parents=True, exist_ok=True)
        state = cls(folder, wanted)
        state._write()
        return state

    def is_done(self, step: str) -> bool:
        """Tell whether a step was finished."""
        return step in self.done

    def value(self, step: str) -> Any:
        """Return the result of a finished step, or None."""
        return self.done.get(step)

    def finish(self, step: str, value: Any = True) -> None:
        """Note that a step is finished."""
        self.done[step] = value
        self._write()

    def _write(self) -> None:
        text = json.dumps({"settings": dict(self.settings), "done": self.done}, indent=1)
        write_atomically(self.folder / STATE_FILE, text.encode("utf-8"))
