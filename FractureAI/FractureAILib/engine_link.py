"""The way from the panel to the server that reads and trains: started when first needed, restarted after a crash.

Everything that takes time happens on threads of its own: a server that is slow or silent holds up neither the window
nor what the panel does in the background for annotation.
"""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from fractureai.client import Client, RequestCancelledError
from fractureai.engine import EngineEnvironment, EngineProcess, EngineStatus
from fractureai.errors import FractureAIError, ServerError
from FractureAILib.background import Background, Task
from FractureAILib.settings import Settings
from FractureAILib.signals import Signal

STATES = ("off", "installing", "starting", "ready", "failed")

THREADS = 8
POLL_INTERVAL_MS = 150
SHARE_AGAIN_MS = 500


class MissingPackagesError(FractureAIError):
    """What reading or training needs is not installed yet.

    Attributes:
        what: ``read`` or ``train``.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(
            _("Reading needs packages that are not installed yet.")
            if what == "read"
            else _("Training needs packages that are not installed yet.")
        )


class _Connection:
    """One attempt to reach the server; those who need it wait for its end on their own threads."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self.client: Client | None = None
        self.error: FractureAIError | None = None

    def succeed(self, client: Client) -> None:
        self.client = client
        self._over.set()

    def fail(self, error: FractureAIError) -> None:
        self.error = error
        self._over.set()

    @property
    def failed(self) -> bool:
        return self.error is not None

    def wait(self, task: Task) -> Client:
        """Wait for the server on a working thread.

        Raises:
            FractureAIError: it could not be reached.
        """
        while not self._over.wait(0.02):
            if task.cancelled():
                raise RequestCancelledError(_("Cancelled."))
        if self.client is None:
            raise self.error or ServerError(_("The engine could not be started."))
        return self.client


class EngineLink:
    """Hands work that needs the server to threads of its own, and the server to the work.

    Attributes:
        state: ``off``, ``installing``, ``starting``, ``ready`` or ``failed``.
        sentence: the state in words.
        state_changed: emitted with (state, sentence).
        own: the folder with packages for the engine, apart from the viewer's Python.
        process: the engine beside the viewer; None while there is none, or with a server elsewhere.
        occupied: set while a training runs, which a restart would interrupt.
    """

    def __init__(self, background: Background, settings: Settings) -> None:
        self._viewer_background = background
        self._settings = settings
        self._pool = Background(THREADS)
        self._this_python = EngineEnvironment.of_this_python()
        self.own = EngineEnvironment(settings.engine_folder)
        self.state = "off"
        self.sentence = ""
        self.state_changed = Signal()
        self.process: EngineProcess | None = None
        self.occupied = False
        self._connection: _Connection | None = None
        self._shared: list[str] = []
        self._leaving = 0
        self._stopped = False
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_INTERVAL_MS)
        self._timer.connect("timeout()", self.poll)

    # --- for the pages ---

    def call(
        self,
        work: Callable[[Client, Task], Any],
        done: Callable[[Any], None],
        failed: Callable[[FractureAIError], None],
        progress: Callable[[Any], None] | None = None,
        needs: str = "read",
    ) -> Task:
        """Start the server when it does not run, then do ``work`` with a client; see `Background.run`.

        ``failed`` gets a `MissingPackagesError` when the engine beside the viewer can not do this before something is
        installed: ask with an `InstallBox`, then call again.

        Args:
            work, done, failed, progress: see `Background.run`; ``work`` gets the client first.
            needs: ``read``, or ``train`` for work that trains.
        """
        if needs == "train" and not self.is_remote and not self.environment.is_ready("train"):
            missing = MissingPackagesError("train")
            return self._pool.run(lambda _task: _raise(missing), done, failed)
        connection = self._connect()

        def on_failure(error: FractureAIError) -> None:
            failed(self._explained(error, connection))

        return self._pool.run(lambda task: work(connection.wait(task), task), done, on_failure, progress)

    def start(self) -> None:
        """Start the server now, so that the first reading need not wait for it; harmless when it runs."""
        if self.state != "installing":
            self._connect()

    def retry(self) -> None:
        """Try again after a failure."""
        self.restart()
        self._connect()

    @property
    def is_remote(self) -> bool:
        """Whether the server is elsewhere."""
        return bool(self._settings.server_url)

    @property
    def environment(self) -> EngineEnvironment:
        """The packages that the engine runs with: the viewer's own where it has them, else the engine's folder."""
        for what in ("train", "read"):
            for environment in (self._this_python, self.own):
                if environment.is_ready(what):
                    return environment
        return self.own

    @property
    def busy(self) -> bool:
        """Whether anything has not been handed back yet."""
        return self._pool.busy

    def share(self, folder: str) -> None:
        """Let the engine beside the viewer work in a folder (a dataset's).

        Where it could not so far it is started anew, unless a job runs: then it can from its next start on. Reading
        needs none of this, as radiographs elsewhere are sent to it.
        """
        if folder not in self._shared:
            self._shared.append(folder)
        if self.process is None or self.process.sees(folder):
            return
        process = self.process

        def listed(jobs: list[dict[str, Any]]) -> None:
            if self.process is not process or any(job["state"] in ("queued", "running") for job in jobs):
                return
            if self._pool.busy:  # somebody waits for an answer
                qt.QTimer.singleShot(SHARE_AGAIN_MS, lambda: None if self._stopped else self.share(folder))
                return
            self.restart()
            self.start()

        self.call(lambda client, _task: client.jobs(), listed, lambda _error: None)

    def sees(self, folder: str) -> bool:
        """Tell whether the engine may work in a folder that was shared: now, or as soon as it is up."""
        return self.is_remote or self.process is None or self.process.sees(folder)

    def restart(self) -> None:
        """Stop the server when it is ours, and reach it anew when it is needed: settings have changed, or it failed."""
        self._drop()
        self._set("off", "")

    def install(
        self,
        what: str,
        done: Callable[[], None],
        failed: Callable[[FractureAIError], None],
        progress: Callable[[Any], None],
    ) -> Task:
        """Install what ``read`` or ``train`` needs into the engine's own folder; ask the user first.

        Args:
            what: ``read`` or ``train``.
            done, failed: called at the end, unless the task was cancelled with `cancel_install`.
            progress: gets `fractureai.engine.InstallProgress`.
        """
        self._drop()
        self._set("installing", _("Installing what the engine needs ..."))
        environment = self.own

        def on_done(_nothing: Any) -> None:
            self._set("off", "")
            done()

        def on_failure(error: FractureAIError) -> None:
            self._set("off", "")
            failed(error)

        return self._pool.run(
            lambda task: environment.install(what, task.report, task.cancelled), on_done, on_failure, progress
        )

    def cancel_install(self, task: Task) -> None:
        """Stop an installation; what it downloaded is kept for the next one."""
        task.cancel()
        self._set("off", "")

    def remove_packages(self, done: Callable[[], None], failed: Callable[[FractureAIError], None]) -> None:
        """Stop the engine and delete everything that was installed for it."""
        process, self.process = self.process, None
        self._drop()
        environment = self.own

        def work(_task: Task) -> None:
            if process is not None:
                process.stop()
            environment.remove()

        self._set("off", "")
        self._pool.run(work, lambda _nothing: done(), failed)

    def in_background(
        self,
        work: Callable[[Task], Any],
        done: Callable[[Any], None],
        failed: Callable[[FractureAIError], None],
        progress: Callable[[Any], None] | None = None,
    ) -> Task:
        """Do work that needs no server on the engine's threads (sizes of packages, a test of a connection)."""
        return self._pool.run(work, done, failed, progress)

    def test(
        self, url: str, token_file: str, done: Callable[[Any], None], failed: Callable[[FractureAIError], None]
    ) -> Task:
        """Ask a server elsewhere for its health, without using it yet."""
        return self._pool.run(lambda _task: remote_client(url, token_file).health(), done, failed)

    def stop(self) -> None:
        """Stop the server when it is ours, and hand nothing back any more."""
        self._stopped = True
        self._timer.stop()
        self._pool.stop()
        process, self.process = self.process, None
        if process is not None:
            process.stop()

    def poll(self) -> None:
        """Look after the engine beside the viewer; called by a timer."""
        if self.process is not None:
            self._follow(self.process.poll())

    # --- parts ---

    def _connect(self) -> _Connection:
        """Return the attempt in progress or the one that succeeded; make a new one where there is none."""
        self.poll()
        if self._connection is not None and not self._connection.failed:
            return self._connection
        connection = self._connection = _Connection()
        if self.is_remote:
            self._connect_remote(connection)
        else:
            self._connect_local(connection)
        return connection

    def _connect_remote(self, connection: _Connection) -> None:
        url, token_file = self._settings.server_url.strip(), self._settings.server_token_file.strip()
        self._set("starting", _("Connecting to {url} ...").format(url=url))

        def reach(_task: Task) -> None:
            try:
                client = remote_client(url, token_file)
                client.health()
            except FractureAIError as error:
                connection.fail(error)
                raise
            connection.succeed(client)

        def done(_nothing: Any) -> None:
            if self._connection is connection:
                self._set("ready", _("Connected to {url}").format(url=url))

        def failed(error: FractureAIError) -> None:
            if self._connection is connection:
                self._set("failed", str(error))

        self._pool.run(reach, done, failed)

    def _connect_local(self, connection: _Connection) -> None:
        if self._leaving:  # it goes on when the one before has ended: both use the same folder
            self._set("starting", _("Starting the engine ..."))
            return
        environment = self.environment
        if not environment.is_ready("read"):
            missing = MissingPackagesError("read")
            connection.fail(missing)
            self._set("off", str(missing))
            return
        try:
            if self.process is None:
                self.process = EngineProcess.start(environment, self._settings.engine_work_folder, self._roots())
            else:
                self.process.restart(self._roots())
        except FractureAIError as error:
            connection.fail(error)
            self._set("failed", str(error))
            return
        self._set("starting", _("Starting the engine ..."))
        self._timer.start()

    def _follow(self, status: EngineStatus) -> None:
        """Tell the pages, and those who wait, how the engine beside the viewer is."""
        connection = self._connection
        if status.state == "ready":
            if connection is None or connection.failed:
                connection = self._connection = _Connection()
            if connection.client is None:
                try:
                    connection.succeed(self.process.client())
                except FractureAIError as error:
                    connection.fail(error)
                    self._set("failed", str(error))
                    return
            self._set("ready", _("Engine ready, on this computer"))
        elif status.state == "starting":
            if connection is None or connection.client is not None:
                self._connection = _Connection()
            self._set("starting", _("Starting the engine ..."))
        elif status.state == "crashed" and status.restarts_in_s is not None:
            if connection is None or connection.client is not None:
                self._connection = _Connection()
            self._set("starting", status.text)
        elif status.state == "crashed":
            if connection is None or connection.client is not None:
                connection = self._connection = _Connection()
            if not connection.failed:
                connection.fail(ServerError(status.text))
            self._timer.stop()
            self._set("failed", status.text)

    def _explained(self, error: FractureAIError, connection: _Connection) -> FractureAIError:
        """Say it when the reason of an error is that the engine is gone; look again whether a server elsewhere is."""
        if isinstance(error, MissingPackagesError | RequestCancelledError) or connection.client is None:
            return error
        if self.process is not None:
            self.poll()
            if self._connection is not connection:
                return ServerError(_("The engine stopped in the middle of this and is started again; press Retry."))
        elif self._connection is connection:
            self._check_again(connection)
        return error

    def _check_again(self, connection: _Connection) -> None:
        client = connection.client

        def failed(error: FractureAIError) -> None:
            if self._connection is connection:
                self._connection = None
                self._set("failed", str(error))

        self._pool.run(lambda _task: client.health(), lambda _answer: None, failed)

    def _roots(self) -> list[str]:
        """Return the folders the engine beside the viewer may read: those of the datasets opened here.

        Everything else is sent to it as it would be to a server elsewhere.
        """
        folders = dict.fromkeys([*self._shared, *self._settings.recent_datasets])
        return [folder for folder in folders if Path(folder).is_dir()]

    def _drop(self) -> None:
        """Forget the server; one of ours is stopped on another thread, as that takes time."""
        self._timer.stop()
        connection, self._connection = self._connection, None
        if connection is not None and connection.client is None and not connection.failed:
            connection.fail(ServerError(_("The engine was stopped; press Retry.")))
        process, self.process = self.process, None
        if process is not None:
            self._leaving += 1
            self._pool.run(lambda _task: process.stop(), self._left, self._left)

    def _left(self, _result: Any) -> None:
        self._leaving -= 1
        connection = self._connection
        if not self._leaving and connection is not None and connection.client is None and not self.is_remote:
            self._connect_local(connection)

    def _set(self, state: str, sentence: str) -> None:
        if self._stopped or (state, sentence) == (self.state, self.sentence):
            return
        self.state, self.sentence = state, sentence
        self.state_changed.emit(state, sentence)


def remote_client(url: str, token_file: str) -> Client:
    """Return a client for a server elsewhere.

    Raises:
        ServerError: the token file can not be read.
    """
    token = ""
    if token_file:
        try:
            token = Path(token_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeError) as error:
            text = _("The token file {file} can not be read; choose another one in the settings.")
            raise ServerError(text.format(file=token_file)) from error
    return Client(url, token)


def _raise(error: FractureAIError) -> None:
    raise error
