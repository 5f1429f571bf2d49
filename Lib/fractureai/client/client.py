"""The calls of a FractureAI server, one method each."""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fractureai.client.connection import API_VERSION, Cancelled, Connection, RequestCancelledError
from fractureai.client.events import ServerEvent
from fractureai.errors import ServerError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

FINAL_STATES = ("done", "failed", "cancelled", "interrupted")
"""States in which a job does not go on by itself."""

SILENCE_S = 30.0
"""How long a stream of a job's events may be silent; the server sends a sign of life every few seconds."""

READ_S = 130.0
"""How long a stage of a reading may take; the server gives up by itself a little earlier, and says so."""

_SLOWEST_BYTES_S = 100_000
_RETRIES = 4
_IMAGE_SUFFIXES = (".dcm", ".dicom", ".ima", ".png", ".jpg", ".jpeg", ".tif", ".tiff")


@dataclass(frozen=True)
class Client(Connection):
    """A FractureAI server; see `Connection` for url, token and time-outs.

    Attributes:
        shared: folders that the server sees under the same path, such as those given to ``fractureai serve --root``.
            A file below one of them is named to the server; every other file is uploaded. Nothing is tried in turn.
    """

    shared: tuple[str, ...] = ()

    # --- what all calls stand on ---

    def health(self) -> dict[str, Any]:
        """Ask whether the server is there and speaks this version.

        Raises:
            ServerError: it does not answer in time, refuses, or speaks another version.
        """
        answer = self.get("health")
        if answer.get("api") != API_VERSION:
            raise ServerError(
                f"The server at {self.url} speaks version {answer.get('api')} of the interface, this program "
                f"{API_VERSION}; update the older one."
            )
        return answer

    def get(self, path: str, parameters: Mapping[str, str] | None = None) -> dict[str, Any]:
        """GET ``/v1/<path>`` and return the JSON object.

        Raises:
            ServerError: no answer in time, an error, or an answer that is no JSON object.
        """
        return self._object("GET", path, params=dict(parameters or {}))

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST a JSON object to ``/v1/<path>`` and return the JSON object that comes back.

        Raises:
            ServerError: see `get`.
        """
        return self._object("POST", path, json=dict(body))

    def put(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """PUT a JSON object to ``/v1/<path>`` and return the JSON object that comes back.

        Raises:
            ConflictError: what is stored was changed by somebody else in the meantime.
            ServerError: see `get`.
        """
        return self._object("PUT", path, json=dict(body))

    # --- models and readings ---

    def models(self) -> list[dict[str, Any]]:
        """Return the models the server reads with; ``demo`` is among them.

        Raises:
            ServerError: see `get`.
        """
        return self._list("models", "models")

    def import_model(self, path: str | Path) -> dict[str, Any]:
        """Register a bundle (a folder, or a ZIP file of one) with the server and return the model.

        Raises:
            ServerError: see `get`; the bundle is damaged or is not there.
        """
        source = Path(path)
        if not source.exists():
            raise ServerError(f"{source}: there is no such bundle; choose its folder or ZIP file.")
        if self._shares(source):
            return self._object("POST", "models", json={"path": str(source.absolute())}, limit_s=_transfer_s(0, 60.0))
        with _as_zip(source) as (file, size):
            files = {"file": ("bundle.zip", file, "application/zip")}
            return self._object("POST", "models", files=files, limit_s=_transfer_s(size, 60.0))

    def read(
        self,
        paths: Sequence[str | Path],
        model: str = "demo",
        *,
        view: str | None = None,
        side: str | None = None,
        spacing_mm: float | None = None,
        coverage: float | None = None,
        on_stage: Callable[[str], None] | None = None,
        cancelled: Cancelled | None = None,
    ) -> dict[str, Any]:
        """Read the radiographs of one study.

        Args:
            paths: files, and folders whose images are taken; see ``shared`` on which are uploaded.
            model: id of a model.
            view, side, spacing_mm: override what the headers say.
            coverage: share of studies that the model is to answer, above 0, at most 1; None: as the server does.
            on_stage: called with ``read``, ``localize``, ``crop``, ``classify`` as each begins, on this thread.
            cancelled: asked many times a second; True closes the connection, and the server stops after the stage.

        Returns:
            The reading (reading.schema.json) with its ``id``; its activation maps by `activation`.

        Raises:
            ServerError: see `get`; or the server says what can not be read.
            RequestCancelledError: ``cancelled`` said so.
        """
        given = {"model": model, "view": view, "side": side, "spacing_mm": spacing_mm}
        if coverage is not None:
            given["coverage"] = coverage
        with contextlib.ExitStack() as stack:
            options, size = self._sources(paths, given, stack)
            first_s = _transfer_s(size, READ_S)
            stream = self.events("POST", "read", silence_s=READ_S, first_s=first_s, cancelled=cancelled, **options)
            for event in stream:
                if event.name == "stage" and on_stage is not None:
                    on_stage(str(event.data.get("stage", "")))
                elif event.name == "result":
                    return event.data
                elif event.name == "error":
                    raise ServerError(str(event.data.get("detail") or "The server could not read this; see its log."))
        raise ServerError(f"The server at {self.url} stopped in the middle of an answer; try again.")

    def activation(self, path: str) -> npt.NDArray[np.floating[Any]]:
        """Return an activation map, as ``views[i].activation_map`` of a reading names it.

        Returns:
            (rows, columns), 0..1.

        Raises:
            ServerError: see `get`; or what comes is no array.
        """
        import numpy as np

        _, content = self.request("GET", path, limit_s=max(self.timeout_s, 60.0))
        try:
            array: npt.NDArray[np.floating[Any]] = np.load(io.BytesIO(content), allow_pickle=False)
        except (ValueError, OSError, EOFError) as error:
            raise self.foreign() from error
        if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind != "f":
            raise self.foreign()
        return array

    def file(self, path: str) -> bytes:
        """Return a file of the server (an overlay as PNG, a report as HTML).

        Raises:
            ServerError: see `get`.
        """
        return self.request("GET", path, limit_s=max(self.timeout_s, 60.0))[1]

    def proposals(
        self,
        path: str | Path,
        model: str = "demo",
        *,
        view: str | None = None,
        cancelled: Cancelled | None = None,
    ) -> dict[str, Any]:
        """Return where a model would place the landmarks of one radiograph.

        Raises:
            ServerError: see `get`.
            RequestCancelledError: ``cancelled`` said so.
        """
        with contextlib.ExitStack() as stack:
            options, size = self._sources([path], {"model": model, "view": view}, stack, one=True)
            return self._object("POST", "proposals", limit_s=_transfer_s(size, READ_S), cancelled=cancelled, **options)

    # --- jobs ---

    def start_job(self, kind: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Queue a job (``train``, ``evaluate``, ``export``) and return it.

        Raises:
            ServerError: see `get`; or a parameter is wrong.
        """
        return self.post("jobs", {"kind": kind, "parameters": dict(parameters)})

    def jobs(self) -> list[dict[str, Any]]:
        """Return all jobs, newest first.

        Raises:
            ServerError: see `get`.
        """
        return self._list("jobs", "jobs")

    def job(self, id: str) -> dict[str, Any]:
        """Return one job.

        Raises:
            ServerError: see `get`; or there is no such job.
        """
        return self.get(f"jobs/{quote(id, safe='')}")

    def cancel_job(self, id: str) -> dict[str, Any]:
        """Stop a job with all its processes (takes up to five seconds) and return it; what it wrote stays.

        Raises:
            ServerError: see `get`.
        """
        return self._object("POST", f"jobs/{quote(id, safe='')}/cancel", json={}, limit_s=max(self.timeout_s, 15.0))

    def resume_job(self, id: str) -> dict[str, Any]:
        """Let a stopped, failed or interrupted job go on where it stopped, and return it.

        Raises:
            ServerError: see `get`; or it runs or is done.
        """
        return self.post(f"jobs/{quote(id, safe='')}/resume", {})

    def job_log(self, id: str) -> str:
        """Return the end of a job's log.

        Raises:
            ServerError: see `get`.
        """
        content = self.request("GET", f"jobs/{quote(id, safe='')}/log")[1]
        return content.decode("utf-8", "replace")

    def job_report(self, id: str) -> str:
        """Return the HTML page of a job's evaluation, which stands alone.

        Raises:
            ServerError: see `get`; or the job has no report.
        """
        return self.file(f"jobs/{quote(id, safe='')}/report").decode("utf-8", "replace")

    def job_events(self, id: str, *, cancelled: Cancelled | None = None, last_id: int = 0) -> Iterator[ServerEvent]:
        """Return what happens to a job, from the beginning, as it happens; ends when the job does.

        Names of events: ``progress`` (data: text, fraction, seconds_left, and in a fit: fit, epoch, epochs, loss,
        validation_loss, metric, metric_name) and ``state`` (data: state, error, result). When the connection breaks it
        is made again, and no event is lost or repeated.

        Args:
            id: of the job.
            cancelled: asked many times a second; True ends the iteration.
            last_id: go on after this event.

        Raises:
            ServerError: the server is gone for good, or there is no such job.
        """
        state, failures = "", 0
        while True:
            try:
                for event in self.events(
                    "GET", f"jobs/{quote(id, safe='')}/events", silence_s=SILENCE_S, cancelled=cancelled,
                    headers={"Last-Event-ID": str(last_id)},
                ):  # fmt: skip
                    failures, last_id = 0, event.id or last_id
                    state = str(event.data.get("state", state)) if event.name == "state" else state
                    yield event
                if (state or self.job(id).get("state")) in FINAL_STATES:
                    return
                failures += 1
            except RequestCancelledError:
                return
            except ServerError:
                failures += 1
                if failures >= _RETRIES:
                    raise
            if failures >= _RETRIES:
                raise self.late(SILENCE_S)
            if not _pause(0.25 * 2**failures, cancelled):
                return

    # --- parts ---

    def _object(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        _, content = self.request(method, path, **options)
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise self.foreign() from error
        if not isinstance(answer, dict):
            raise self.foreign()
        return answer

    def _list(self, path: str, key: str) -> list[dict[str, Any]]:
        items = self.get(path).get(key)
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise self.foreign()
        return items

    def _shares(self, path: Path) -> bool:
        """Tell whether the server sees a file under the same path, links followed."""
        real = Path(os.path.realpath(path))
        return any(real.is_relative_to(os.path.realpath(folder)) for folder in self.shared)

    def _sources(
        self, paths: Sequence[str | Path], given: Mapping[str, Any], stack: contextlib.ExitStack, *, one: bool = False
    ) -> tuple[dict[str, Any], int]:
        """Return the options of a request that names or uploads files, and how many bytes it uploads."""
        files = _image_files(paths)
        if all(self._shares(file) for file in files):
            names = [str(file.absolute()) for file in files]
            return {"json": {**given, **({"path": names[0]} if one else {"paths": names})}}, 0
        parts = []
        for number, file in enumerate(files):
            try:
                handle = stack.enter_context(file.open("rb"))
            except OSError as error:
                raise ServerError(f"{file}: it can not be read ({error.strerror}); check that it is there.") from error
            # The file's own name may be a patient's.
            parts.append(
                ("file" if one else "files", (f"{number:04d}{file.suffix.lower()}", handle, "application/octet-stream"))
            )
        fields = {name: str(value) for name, value in given.items() if value is not None}
        return {"data": fields, "files": parts}, sum(file.stat().st_size for file in files)


def _image_files(paths: Sequence[str | Path]) -> list[Path]:
    """Return the files, and those in folders that may be images."""
    files: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
            files += [file for file in inside if _may_be_image(file)]
        elif path.is_file():
            files.append(path)
        else:
            raise ServerError(f"{path}: there is no such file; check the name.")
    if not files:
        raise ServerError("There is no radiograph to read; choose DICOM files or a folder with some.")
    return files


def _may_be_image(file: Path) -> bool:
    suffix = file.suffix.lower()
    return suffix in _IMAGE_SUFFIXES or (file.name.upper() != "DICOMDIR" and (not suffix or suffix[1:].isdigit()))


def _transfer_s(size: int, least_s: float) -> float:
    return least_s + size / _SLOWEST_BYTES_S


def _pause(seconds: float, cancelled: Cancelled | None) -> bool:
    """Wait; return False when the caller does not want to any longer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if cancelled is not None and cancelled():
            return False
        time.sleep(0.05)
    return True


@contextlib.contextmanager
def _as_zip(source: Path) -> Iterator[tuple[Any, int]]:
    """Open a ZIP file, or one made of a folder, and say how large it is."""
    if source.is_file():
        with source.open("rb") as file:
            yield file, source.stat().st_size
        return
    with tempfile.TemporaryFile() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for path in sorted(path for path in source.rglob("*") if path.is_file()):
                archive.write(path, path.relative_to(source).as_posix())
        size = file.tell()
        file.seek(0)
        yield file, size
