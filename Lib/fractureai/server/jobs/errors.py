"""What can be wrong with a request about jobs; each has its HTTP status in `fractureai.server.jobs.api`."""

from __future__ import annotations

from fractureai.errors import FractureAIError


class JobRequestError(FractureAIError):
    """A job that is asked for with parameters that make no sense, or with a path outside the roots (422)."""


class UnknownJobError(FractureAIError):
    """A job, or a file of one, that is not there (404)."""


class JobConflictError(FractureAIError):
    """A job that is not in a state for this (409)."""
