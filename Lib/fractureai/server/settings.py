"""What a server is told when it starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """How much one server takes on.

    Attributes:
        json_bytes: of a request's JSON.
        upload_bytes: of all files of one request.
        bundle_bytes: of an uploaded bundle, and of its files unpacked.
        bundle_files: files in a bundle.
        files: radiographs of one study.
        folder_files: files looked at in a folder that is given as a study.
        pixels: of one radiograph.
        upload_s: seconds until a request must have arrived whole.
        read_s: seconds until a reading must be done.
        workers: readings at the same time.
        waiting: readings that wait for a worker; more are refused.
        drawings: overlays that wait to be drawn; a reading beyond that comes without.
        readings: readings kept.
        readings_bytes: of all readings kept.
        readings_age_s: seconds a reading is kept.
        pipelines: bundles kept in memory.
    """

    json_bytes: int = 4 * MIB
    upload_bytes: int = 256 * MIB
    bundle_bytes: int = 1024 * MIB
    bundle_files: int = 1000
    files: int = 16
    folder_files: int = 500
    pixels: int = 60_000_000
    upload_s: float = 120.0
    read_s: float = 120.0
    workers: int = 2
    waiting: int = 128
    drawings: int = 8
    readings: int = 200
    readings_bytes: int = 1024 * MIB
    readings_age_s: float = 24 * 3600.0
    pipelines: int = 4


@dataclass(frozen=True)
class ServerSettings:
    """What a server is told when it starts.

    Attributes:
        work: folder of the server's own files: uploads on their way, readings, models, jobs. Is made when missing.
        token: what every request must bring as bearer token; not empty.
        roots: folders whose files may be read, and whose datasets may be changed, over the interface.
        host_names: names by which clients reach the server, beside ``localhost`` and addresses in figures; any other
            name in a request's Host header is refused, as a foreign web page's would be (DNS rebinding).
        coverage: share of studies that models are to answer where a request does not say; None: each model's own.
            Models that were never calibrated answer all.
        warm: load the demo bundle's networks at the start, so that the first reading is quick.
        limits: how much it takes on.
    """

    work: Path
    token: str = field(repr=False)
    roots: tuple[Path, ...] = ()
    host_names: tuple[str, ...] = ()
    coverage: float | None = None
    warm: bool = True
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not self.token:
            raise ValueError("a server needs a token")
        if self.coverage is not None and not 0 < self.coverage <= 1:
            raise ValueError("a coverage is a share of studies above 0, at most 1")

    @property
    def models(self) -> Path:
        """Folder of the registered bundles."""
        return self.work / "models"

    @property
    def readings(self) -> Path:
        """Folder of the readings kept."""
        return self.work / "readings"

    @property
    def uploads(self) -> Path:
        """Folder of files on their way."""
        return self.work / "uploads"
