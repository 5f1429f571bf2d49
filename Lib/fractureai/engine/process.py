"""The engine's process: started without waiting, started again after a crash, ended with everything it started."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fractureai.client import Client
from fractureai.engine import tree
from fractureai.engine.environment import EngineEnvironment
from fractureai.engine.errors import EngineError

START_LIMIT_S = 90.0
MOST_RESTARTS = 3
WITHIN_S = 60.0
_BACK_OFF_S = (0.5, 2.0, 5.0)
_LOG_BYTES = 2_000_000
_OLD_LOGS = 3
_BAD_INPUT = 2


@dataclass(frozen=True)
class EngineStatus:
    """How the engine is.

    Attributes:
        state: ``starting``, ``ready``, ``stopped`` (as asked), or ``crashed``.
        text: one sentence for people; says of a crash whether it is started again.
        restarts_in_s: seconds until it is started again after a crash; None when it is not, until `restart`.
    """

    state: str
    text: str
    restarts_in_s: float | None = None


class EngineProcess:
    """A ``fractureai serve`` of one's own on this computer. All calls return at once but `stop` (and `restart`).

    `poll` must be called now and then (twice a second): it is what notices a crash and starts the engine again.

    Args:
        environment: whose packages it runs with.
        work: the engine's own folder: jobs, models, readings, token, log.
        roots: folders that it may read and write besides.
        arguments: further words of ``fractureai serve``.
    """

    def __init__(
        self,
        environment: EngineEnvironment,
        work: str | Path,
        roots: Sequence[str | Path] = (),
        *,
        arguments: Sequence[str] = (),
    ) -> None:
        self.environment = environment
        self.work = Path(work).absolute()
        self.roots = tuple(Path(root).absolute() for root in roots)
        self._arguments = list(arguments)
        self._process: subprocess.Popen[bytes] | None = None
        self._status = EngineStatus("stopped", "The engine is not started.")
        self._started = 0.0
        self._next_start: float | None = None
        self._crashes: deque[float] = deque()
        self._address: dict[str, str] = {}

    @classmethod
    def start(cls, environment: EngineEnvironment, work: str | Path, roots: Sequence[str | Path] = ()) -> EngineProcess:
        """Start an engine and return at once; `poll` says when it is ready.

        Raises:
            EngineError: what reading needs is not installed, or the work folder can not be used.
        """
        engine = cls(environment, work, roots)
        engine.restart()
        return engine

    @property
    def pid(self) -> int | None:
        """Id of the engine's process while it runs."""
        return self._process.pid if self._process is not None else None

    @property
    def log(self) -> Path:
        """The engine's log."""
        return self.work / "engine.log"

    def restart(self, roots: Sequence[str | Path] | None = None) -> None:
        """Start the engine, ending first the one that runs; jobs that it ran can be continued.

        Args:
            roots: other roots; None: as before.

        Raises:
            EngineError: see `start`.
        """
        self.stop()
        if roots is not None:
            self.roots = tuple(Path(root).absolute() for root in roots)
        self._crashes.clear()
        if not self.environment.is_ready("read"):
            raise EngineError("What the engine needs is not installed yet; install it first.")
        self._launch()

    def sees(self, path: str | Path) -> bool:
        """Tell whether a file or folder lies in one of the roots."""
        real = Path(os.path.realpath(path))
        return any(real.is_relative_to(os.path.realpath(root)) for root in self.roots)

    def poll(self) -> EngineStatus:
        """Look after the engine and say how it is."""
        if self._process is not None:
            self._look()
        elif self._next_start is not None and time.monotonic() >= self._next_start:
            try:
                self._launch()
            except EngineError as error:
                self._next_start = None
                self._status = EngineStatus("crashed", str(error))
        return self._status

    def client(self, timeout_s: float = 10.0) -> Client:
        """Return a client for the engine.

        Raises:
            EngineError: it is not ready.
        """
        if self.poll().state != "ready":
            raise EngineError(self._status.text)
        try:
            token = Path(self._address["token_file"]).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise EngineError("The engine's token can not be read; start the engine again.") from error
        shared = tuple(map(str, self.roots))
        return Client(self._address["url"], token, timeout_s, shared=shared)

    def stop(self, timeout_s: float = 8.0) -> None:
        """End the engine and its jobs; kill it when it has not ended in time. Does nothing when none runs."""
        process, self._process = self._process, None
        self._next_start = None
        self._address = {}
        if process is not None:
            tree.stop(process, timeout_s)
        self._status = EngineStatus("stopped", "The engine is stopped.")

    # --- parts ---

    def _launch(self) -> None:
        token, address = self.work / "engine-token", self.work / "engine-address.json"
        words = ["--port", "0", "--work", str(self.work), "--token-file", str(token), "--address-file", str(address)]
        words += ["--parent-pid", str(os.getpid())]
        for root in self.roots:
            words += ["--root", str(root)]
        command = self.environment.command("fractureai.cli", "serve", *words, *self._arguments)
        try:
            self.work.mkdir(parents=True, exist_ok=True)
            address.unlink(missing_ok=True)
            self._rotate_log()
            with self.log.open("ab") as sink:
                self._process = tree.start(command, self.environment.variables(), sink, self.work)
        except OSError as error:
            raise EngineError(f"{error.filename or self.work}: {error.strerror}; the engine can not start.") from error
        self._next_start = None
        self._address = {}
        self._started = time.monotonic()
        self._status = EngineStatus("starting", "The engine is starting.")

    def _look(self) -> None:
        process = self._process
        assert process is not None
        if process.poll() is not None:
            self._crashed(process)
        elif self._status.state == "starting":
            self._address = self._read_address()
            if self._address:
                self._status = EngineStatus("ready", "The engine is ready.")
            elif time.monotonic() - self._started > START_LIMIT_S:
                tree.kill(process)
                self._crashed(process)

    def _read_address(self) -> dict[str, str]:
        """Return what the engine wrote once it listened; {} before."""
        try:
            table = json.loads((self.work / "engine-address.json").read_bytes())
            return {"url": str(table["url"]), "token_file": str(table["token_file"])}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def _crashed(self, process: subprocess.Popen[bytes]) -> None:
        tree.kill(process)  # what it left of its session
        self._process, self._address = None, {}
        now = time.monotonic()
        while self._crashes and now - self._crashes[0] > WITHIN_S:
            self._crashes.popleft()
        self._crashes.append(now)
        number = len(self._crashes)
        if process.returncode == _BAD_INPUT:  # a sentence about its own command line: the next start says the same
            self._status = EngineStatus("crashed", f"The engine can not start: {self._last_line()}")
        elif number > MOST_RESTARTS:
            text = f"The engine ended {number} times within a minute and is not started again; see {self.log}."
            self._status = EngineStatus("crashed", text)
        else:
            wait = _BACK_OFF_S[number - 1]
            self._next_start = now + wait
            text = f"The engine ended unexpectedly; it starts again in a moment ({number} of {MOST_RESTARTS})."
            self._status = EngineStatus("crashed", text, wait)

    def _last_line(self) -> str:
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            return f"see {self.log}."
        return lines[-1][:500] if lines else f"see {self.log}."

    def _rotate_log(self) -> None:
        """Begin a new log when the old one is large; keep a few."""
        if not self.log.is_file() or self.log.stat().st_size < _LOG_BYTES:
            return
        for number in range(_OLD_LOGS, 0, -1):
            old = self.log.with_name(f"engine.{number - 1}.log") if number > 1 else self.log
            if old.exists():
                old.replace(self.log.with_name(f"engine.{number}.log"))
