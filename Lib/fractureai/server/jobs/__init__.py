"""Jobs: trainings, evaluations and exports that outlive a request, in processes of their own.

A job is a folder. Whatever happens to the server (a crash, ``kill -9``, a power cut), what the folder says is true
after the next start: see `fractureai.server.jobs.store`. The application makes one `JobStore`, starts it, includes the
routes of `fractureai.server.jobs.api.make_router`, and stops it at the end.
"""

from fractureai.server.jobs.errors import JobConflictError, JobRequestError, UnknownJobError
from fractureai.server.jobs.store import JobStore

__all__ = ["JobConflictError", "JobRequestError", "JobStore", "UnknownJobError"]
