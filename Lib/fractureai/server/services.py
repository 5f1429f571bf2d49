"""What the addresses of one server share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from fractureai.server.datasets import DatasetStore
from fractureai.server.jobs.store import JobStore
from fractureai.server.memory import Housekeeper
from fractureai.server.models import ModelStore
from fractureai.server.readings import ReadingStore
from fractureai.server.roots import Roots
from fractureai.server.settings import ServerSettings
from fractureai.server.work import Workers


@dataclass(frozen=True)
class Services:
    """What the addresses of one server share.

    Attributes:
        settings: what the server was told.
        roots: folders that clients may name files in.
        datasets: datasets below the roots.
        models: registered bundles.
        readings: readings kept.
        workers: threads that read.
        jobs: trainings, evaluations and exports.
        housekeeper: gives memory back.
    """

    settings: ServerSettings
    roots: Roots
    datasets: DatasetStore
    models: ModelStore
    readings: ReadingStore
    workers: Workers
    jobs: JobStore
    housekeeper: Housekeeper

    @classmethod
    def of(cls, settings: ServerSettings) -> Services:
        """Make them; the server's folders are made when missing."""
        limits = settings.limits
        settings.work.mkdir(parents=True, exist_ok=True, mode=0o700)
        roots, housekeeper = Roots(settings.roots), Housekeeper()
        models = ModelStore(settings.models, limits)
        return cls(
            settings,
            roots,
            DatasetStore(roots),
            models,
            ReadingStore(settings.readings, limits),
            Workers(limits.workers, limits.waiting, "read", housekeeper.notify),
            JobStore(settings.work, roots.folders, register=models.add, bundle_folder=models.folder),
            housekeeper,
        )

    def close(self) -> None:
        """Stop what is going on: readings between two stages, jobs with their processes. Once more does no harm."""
        self.workers.close()
        self.readings.close()
        self.housekeeper.close()
        if not self.jobs.is_stopping:
            self.jobs.stop()


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


Shared = Annotated[Services, Depends(_services)]
"""The services, as an argument of an address."""
