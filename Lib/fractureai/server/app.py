"""The application: addresses, what guards them, and what they share."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from fractureai import NOT_A_MEDICAL_DEVICE, __version__
from fractureai.bundle.load import DEMO
from fractureai.client import API_VERSION
from fractureai.server import api_datasets, api_models, api_proposals, api_read
from fractureai.server.errors import ApiError, install_handlers
from fractureai.server.guard import Guard
from fractureai.server.jobs.api import make_router
from fractureai.server.requests import ERRORS
from fractureai.server.services import Services
from fractureai.server.settings import ServerSettings
from fractureai.server.sources import remove_leftovers

log = logging.getLogger("fractureai.server")

_PREFIX = f"/{API_VERSION}"
_ABOUT = f"Readings, proposals, models, datasets and jobs of FractureAI. {NOT_A_MEDICAL_DEVICE}"


def create_app(settings: ServerSettings) -> FastAPI:
    """Make the application of one server.

    Args:
        settings: token, folders and limits.

    Raises:
        OSError: the work folder can not be made.
    """
    services = Services.of(settings)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        remove_leftovers(settings.uploads)
        await run_in_threadpool(services.jobs.start)
        services.housekeeper.start()
        if settings.warm:
            # On a worker, not on a thread of its own: the end of the process waits for workers.
            services.workers.submit(lambda _: _warm(services), settings.limits.read_s)
        yield
        await run_in_threadpool(services.close)

    app = FastAPI(
        title="FractureAI",
        version=__version__,
        description=_ABOUT,
        openapi_url=f"{_PREFIX}/openapi.json",
        docs_url=None,  # the pages of FastAPI load scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        responses=ERRORS,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.services = services
    for router in (api_models.router, api_read.router, api_proposals.router, api_datasets.router):
        app.include_router(router, prefix=_PREFIX)
    app.include_router(make_router(services.jobs), prefix=_PREFIX)
    install_handlers(app)
    app.openapi = _document(app)  # type: ignore[method-assign]
    app.add_middleware(Guard, settings=settings)
    return app


def _document(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """Return what makes the OpenAPI document: errors are JSON there too, whatever else an address answers with."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        document = made()
        for methods in document["paths"].values():
            for operation in methods.values():
                for status, response in operation["responses"].items():
                    if status >= "400":
                        content = response["content"]
                        response["content"] = {"application/json": next(iter(content.values()))}
        return document

    return openapi


def _warm(services: Services) -> None:
    """Load what the first reading needs."""
    try:
        services.models.pipeline(DEMO).load_networks()
        import fractureai.inference.overlay
        import fractureai.radiograph.dicomimage  # noqa: F401
    except ApiError as error:
        log.warning("the demo bundle can not be used: %s", error.detail)
