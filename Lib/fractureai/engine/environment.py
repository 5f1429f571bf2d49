"""A folder with the packages that reading and training need, apart from every other Python.

Each need (``read``, ``train``) is one folder that is complete in itself and used alone, so that versions never mix;
``train`` holds what ``read`` needs, too. It is filled elsewhere, stamped and renamed: it is there whole or not at all.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import os
import secrets
import shutil
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fractureai
from fractureai.dataset.files import file_lock, write_atomically
from fractureai.engine import builds
from fractureai.engine.errors import EngineError, InstallCancelledError
from fractureai.engine.pip import LAUNCH, Cancelled, bytes_of, condensed, pip_lines, progress_options
from fractureai.errors import DatasetError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

NEEDS = ("read", "train")
LIBRARY = Path(fractureai.__file__).resolve().parent.parent
_STAMP = "fractureai-engine.json"
_PART = ".installing-"
_MB = 1_000_000
_SPARE = 1.5
_INDEX_S = ["--timeout", "10", "--retries", "0"]


@dataclass(frozen=True)
class InstallProgress:
    """How far an installation is: one line, and the share that is done (0..1)."""

    text: str
    fraction: float


@dataclass(frozen=True)
class InstallPlan:
    """What an installation would do; shown before it is asked for.

    Attributes:
        what: ``read`` or ``train``.
        folder: where everything goes; deleting it undoes everything.
        packages: the requirements, as pip takes them.
        torch: which PyTorch, in words; "" where none is needed.
        download_bytes, disk_bytes: about how much.
        free_bytes: of the disk now.
    """

    what: str
    folder: Path
    packages: tuple[str, ...]
    torch: str
    download_bytes: int
    disk_bytes: int
    free_bytes: int

    @property
    def fits(self) -> bool:
        """Whether the disk has room for it, the downloads included."""
        return self.free_bytes > self.disk_bytes + self.download_bytes

    @property
    def text(self) -> str:
        """The question's body: what is downloaded from where, and where it goes."""
        source = f"pypi.org and pytorch.org (with {self.torch})" if self.torch else "pypi.org"
        return (
            f"About {_shown(self.download_bytes)} will be downloaded from {source}, and "
            f"{_shown(self.disk_bytes)} stored in {self.folder}; {_shown(self.free_bytes)} are free. "
            "Nothing else on this computer is changed; delete that folder to undo it."
        )


class EngineEnvironment:
    """The folder of the engine's packages.

    Args:
        folder: is made when something is installed.
        python: the program that runs the engine; by default the one this runs in.
        requirements: what to install, in the form of ``requirements.toml``; for tests.
        pip_options: further options of pip, such as an index of one's own.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        python: str | None = None,
        requirements: Mapping[str, Any] | None = None,
        pip_options: Sequence[str] = (),
    ) -> None:
        self.folder = Path(folder).absolute()
        self.python = python or this_python()
        self._table = requirements or shipped_requirements()
        self._pip_options = list(pip_options)
        self._is_separate = True

    @classmethod
    def of_this_python(cls) -> EngineEnvironment:
        """Return the packages of the running Python; nothing is ever installed into it."""
        environment = cls(LIBRARY)
        environment._is_separate = False
        return environment

    # --- what is there ---

    def is_ready(self, what: str) -> bool:
        """Tell whether what reading (``read``) or training (``train``) needs is there."""
        if self._is_separate:
            return self.packages(what) is not None
        needs = NEEDS[: NEEDS.index(what) + 1]
        return all(_is_there(module) for need in needs for module in self._entry(need)["modules"])

    def packages(self, what: str) -> Path | None:
        """Return the folder that has what is needed, or None."""
        if not self._is_separate:
            return None
        for need in NEEDS[NEEDS.index(what) :]:
            folder = self.folder / f"{need}-{self._fingerprint(need)}"
            if (folder / _STAMP).is_file():
                return folder
        return None

    def paths(self) -> list[Path]:
        """Return what stands first on the engine's ``sys.path``: the fullest set of packages, then this package."""
        found = self.packages("train") or self.packages("read")
        return [*([found] if found else []), LIBRARY]

    def command(self, module: str, *arguments: str) -> list[str]:
        """Return the command that runs a module with these packages, as a child of this process."""
        paths = [word for path in self.paths() for word in ("--path", str(path))]
        return [self.python, "-s", str(LAUNCH), *paths, "-m", module, *arguments]

    def variables(self) -> dict[str, str]:
        """Return the environment variables of the engine's process; no other process gets them."""
        return {**os.environ, "PYTHONNOUSERSITE": "1", "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}

    # --- installing ---

    def plan(self, what: str) -> InstallPlan:
        """Say what an installation would do. Asks the graphics driver, so call it on a worker thread."""
        cuda = builds.find_nvidia() if "torch" in self._entry(what) else None
        return self._plan(what, cuda)

    def install(
        self,
        what: str,
        progress: Callable[[InstallProgress], None] | None = None,
        cancelled: Cancelled | None = None,
    ) -> None:
        """Install what reading or training needs; does nothing when it is there.

        An installation that is cancelled or killed leaves what was there before, and what it downloaded: the next one
        goes on from that.

        Args:
            what: ``read`` or ``train``.
            progress: is called with each message, on this thread.
            cancelled: asked ten times a second; True ends pip and all it started.

        Raises:
            InstallCancelledError: ``cancelled`` said so.
            EngineError: no network, no room, another installation runs.
        """
        say = progress or (lambda _: None)
        if not self._is_separate:
            if self.is_ready(what):
                return
            raise EngineError(f"This Python lacks what {what} needs; run: pip install 'fractureai[{what},serve]'.")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with file_lock(self.folder / ".lock", timeout_s=0.2):
                if not self.is_ready(what):
                    self._install(what, say, cancelled)
        except DatasetError as error:
            raise EngineError("Another installation runs in this folder; wait until it has finished.") from error
        except OSError as error:
            reason = error.strerror or str(error)
            raise EngineError(f"{error.filename or self.folder}: {reason}; correct that and try again.") from error

    def remove(self) -> None:
        """Delete everything that was installed and downloaded. Stop the engine first.

        Raises:
            EngineError: a file is in use.
        """
        if not self._is_separate:
            raise EngineError("The engine runs from this Python's own packages; there is nothing to remove.")
        if not self.folder.is_dir():
            return
        for path in self._own():
            gone = self.folder / f"{_PART}removed-{secrets.token_hex(4)}"
            try:
                path.rename(gone)  # at once, so that half of it is never taken for all of it
                shutil.rmtree(gone)
            except OSError as error:
                raise EngineError(f"{path}: it is in use; stop the engine and try again.") from error
        for name in (".lock", "install.log"):
            (self.folder / name).unlink(missing_ok=True)
        if not any(self.folder.iterdir()):
            self.folder.rmdir()

    # --- parts ---

    def _install(self, what: str, say: Callable[[InstallProgress], None], cancelled: Cancelled | None) -> None:
        for path in self.folder.glob(f"{_PART}*"):  # of an installation that was killed: nobody else holds the lock
            shutil.rmtree(path, ignore_errors=True)
        say(InstallProgress("Looking at this computer", 0.0))
        cuda = builds.find_nvidia() if "torch" in self._entry(what) else None
        plan = self._plan(what, cuda)
        if not plan.fits:
            needed = _shown(plan.disk_bytes + plan.download_bytes)
            raise EngineError(f"{self.folder}: {needed} of free space are needed; free some and try again.")
        packages, options = list(plan.packages), [*self._pip_options]
        if "torch" in self._entry(what):
            requirement, index = self._torch(what, cuda, say, cancelled)
            packages.append(requirement)
            options += ["--extra-index-url", index] if index else []
        part = self.folder / f"{_PART}{secrets.token_hex(4)}"
        part.mkdir()
        try:
            arguments = ["install", "--target", str(part), "--cache-dir", str(self.folder / "cache"), "--no-compile"]
            arguments += ["--prefer-binary", "--no-warn-script-location", *progress_options(), *options, *packages]
            meter = _Meter(plan.download_bytes, say)
            for line in pip_lines(self.python, arguments, self.folder / "install.log", cancelled):
                meter.take(line)
            stamp = {"what": what, "packages": packages, "python": sys.version.split()[0]}
            write_atomically(part / _STAMP, json.dumps(stamp, indent=1).encode())
            target = self.folder / f"{what}-{self._fingerprint(what)}"
            shutil.rmtree(target, ignore_errors=True)
            part.rename(target)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        for path in self._own():  # what is superseded; what a running engine holds stays until the next time
            if path != target and not (what == "read" and path.name.startswith("train-")):
                shutil.rmtree(path, ignore_errors=True)
        say(InstallProgress("Installed", 1.0))

    def _torch(
        self,
        what: str,
        cuda: builds.CudaVersion | None,
        say: Callable[[InstallProgress], None],
        cancelled: Cancelled | None,
    ) -> tuple[str, str]:
        """Return the first build of PyTorch that pip finds; asks the indexes only, downloads nothing."""
        choices = builds.candidates(self._entry(what)["torch"], sys.platform, cuda)
        for requirement, index in choices[:-1]:
            say(InstallProgress(f"Looking for {requirement}", 0.0))
            extra = ["--extra-index-url", index] if index else []
            arguments = ["index", "versions", "torch", *_INDEX_S, *extra, *self._pip_options]
            try:
                lines = list(pip_lines(self.python, arguments, self.folder / "install.log", cancelled))
            except InstallCancelledError:
                raise
            except EngineError:  # this pip or this index can not say; the last choice always remains
                continue
            if any(requirement.split("==")[1] in line.replace(",", " ").split() for line in lines):
                return requirement, index
        return choices[-1]

    def _plan(self, what: str, cuda: builds.CudaVersion | None) -> InstallPlan:
        entry = self._entry(what)
        parts = [entry]
        torch = ""
        if "torch" in entry:
            torch = "PyTorch for your NVIDIA GPU" if cuda and sys.platform != "darwin" else "PyTorch for the processor"
            parts.append(entry["torch_cuda" if cuda and sys.platform != "darwin" else "torch_cpu"])
        if "includes" in entry:
            parts.append(self._entry(entry["includes"]))
        return InstallPlan(
            what,
            self.folder,
            self._requirements(what),
            torch,
            sum(part.get("download_mb", 0) for part in parts) * _MB,
            sum(part.get("disk_mb", 0) for part in parts) * _MB,
            shutil.disk_usage(_existing(self.folder)).free,
        )

    def _entry(self, what: str) -> Mapping[str, Any]:
        if what not in NEEDS:
            raise ValueError(f"{what!r} is none of {NEEDS}")
        entry: Mapping[str, Any] = self._table[what]
        return entry

    def _requirements(self, what: str) -> tuple[str, ...]:
        entry = self._entry(what)
        included = self._requirements(entry["includes"]) if "includes" in entry else ()
        return (*included, *entry["requirements"])

    def _fingerprint(self, what: str) -> str:
        """Return a hash of what decides the packages: requirements, Python's version and platform."""
        facts = [
            self._requirements(what),
            self._entry(what).get("torch"),
            sysconfig.get_platform(),
            sys.version_info[:2],
        ]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]

    def _own(self) -> list[Path]:
        names = (*(f"{need}-*" for need in NEEDS), f"{_PART}*", "cache")
        return [path for name in names for path in self.folder.glob(name) if path.is_dir()]


class _Meter:
    """Turns pip's lines into progress: bytes that came, of about so many."""

    def __init__(self, total_bytes: float, say: Callable[[InstallProgress], None]) -> None:
        self._total, self._say = max(total_bytes, 1.0), say
        self._before, self._now, self._whole = 0.0, 0.0, 0.0
        self._text, self._unpacking = "Starting pip", False
        say(InstallProgress(self._text, 0.0))

    def take(self, line: str) -> None:
        """Take a line."""
        words = line.split()
        if line.startswith("Progress ") and len(words) == 4 and words[1].isdigit() and words[3].isdigit():
            self._now, self._whole = float(words[1]), float(words[3])
        else:
            text = condensed(line)
            if not text:
                return
            self._before += max(self._now, self._whole)
            self._now, self._whole, self._text = 0.0, 0.0, text
            self._unpacking |= text.startswith("Unpacking")
            if line.strip().startswith(("Downloading", "Using cached")):
                self._whole = bytes_of(line) or 0.0
        share = 0.85 if self._unpacking else min(0.8, 0.8 * (self._before + self._now) / self._total)
        shown = f" ({self._now / _MB:.0f} of {self._whole / _MB:.0f} MB)" if self._now and self._whole > _MB else ""
        self._say(InstallProgress(self._text + shown, share))


def this_python() -> str:
    """Return the program that runs Python like this process does: in 3D Slicer its ``PythonSlicer``."""
    if os.environ.get("SLICER_HOME"):
        found = shutil.which("PythonSlicer")
        if found:
            return found
    return sys.executable


@functools.cache
def shipped_requirements() -> Mapping[str, Any]:
    """Return ``requirements.toml``."""
    return tomllib.loads(Path(__file__).with_name("requirements.toml").read_text(encoding="utf-8"))


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())


def _shown(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
