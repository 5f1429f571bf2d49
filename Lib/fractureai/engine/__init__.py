"""The engine beside the viewer: its packages in a folder of their own, and its process. No Qt; stdlib and `requests`.

`EngineEnvironment` installs what reading and training need (never into the viewer's Python); `EngineProcess` starts
``fractureai serve`` from it, starts it again after a crash, and ends it.
"""

from fractureai.engine.environment import EngineEnvironment, InstallPlan, InstallProgress
from fractureai.engine.errors import EngineError, InstallCancelledError
from fractureai.engine.process import EngineProcess, EngineStatus

__all__ = [
    "EngineEnvironment",
    "EngineError",
    "EngineProcess",
    "EngineStatus",
    "InstallCancelledError",
    "InstallPlan",
    "InstallProgress",
]
