"""The application: addresses, what guards them, and what they share."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import AsyncIterator

from fastapi import FastAPI

from fractureai import NOT_A_MEDICAL_DEVICE, __version__
from fractureai.bundle.load import DEMO
from fractureai.client import API_VERSION
from fractureai.server import api_models, api_read
from fractureai.server.errors import ApiError, install_handlers
from fractureai.server.guard import Guard
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
        if settings.warm:
            threading.Thread(target=_warm, args=(services,), name="warm", daemon=True).start()
        yield
        services.close()

    app = FastAPI(
        title="FractureAI",
        version=__version__,
        description=_ABOUT,
        openapi_url=f"{_PREFIX}/openapi.json",
        docs_url=None,  # the pages of FastAPI load scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        responses=ERRORS,
    )
    app.state.services = services
    for module in (api_models, api_read):
        app.include_router(module.router, prefix=_PREFIX)
    install_handlers(app)
    app.add_middleware(Guard, settings=settings)
    return app


def _warm(services: Services) -> None:
    """Load what the first reading needs."""
    try:
        services.models.pipeline(DEMO).load_networks()
        import fractureai.inference.overlay
        import fractureai.radiograph.dicomimage  # noqa: F401
    except ApiError as error:
        log.warning("the demo bundle can not be used: %s", error.detail)
