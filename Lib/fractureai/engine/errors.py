"""What can go wrong with the engine's packages and its process."""

from __future__ import annotations

from fractureai.errors import FractureAIError


class EngineError(FractureAIError):
    """The engine can not be installed or started."""


class InstallCancelledError(EngineError):
    """The installation was cancelled; what was downloaded is kept for the next time."""
