"""Server-sent events (HTML Living Standard, 9.2)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

MEDIA_TYPE = "text/event-stream"


def wants_events(request: Request) -> bool:
    """Tell whether the client asks for events instead of one document."""
    return MEDIA_TYPE in request.headers.get("accept", "").lower()


def event(name: str, data: Mapping[str, Any]) -> bytes:
    """Return one event with JSON data."""
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False, allow_nan=False)}\n\n".encode()
