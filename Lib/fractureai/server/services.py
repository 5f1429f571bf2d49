"""What the addresses of one server share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

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
        models: registered bundles.
        readings: readings kept.
        workers: threads that read.
    """

    settings: ServerSettings
    roots: Roots
    models: ModelStore
    readings: ReadingStore
    workers: Workers

    @classmethod
    def of(cls, settings: ServerSettings) -> Services:
        """Make them; the server's folders are made when missing."""
        limits = settings.limits
        settings.work.mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls(
            settings,
            Roots(settings.roots),
            ModelStore(settings.models, limits),
            ReadingStore(settings.readings, limits),
            Workers(limits.workers, limits.waiting, "read"),
        )

    def close(self) -> None:
        """Stop what is going on between two stages."""
        self.workers.close()
        self.readings.close()


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


Shared = Annotated[Services, Depends(_services)]
"""The services, as an argument of an address."""
