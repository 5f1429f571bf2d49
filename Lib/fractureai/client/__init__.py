"""Talk to a FractureAI server over HTTP. Needs `requests` only, so it works inside 3D Slicer as it comes.

Every call blocks, for a limited time, so a viewer makes it on a worker thread; every call raises `ServerError` with one
sentence when the server is dead, slow, refuses, breaks off or speaks another version.
"""

from fractureai.client.client import FINAL_STATES, Client
from fractureai.client.connection import API_VERSION, ConflictError, Connection, RequestCancelledError
from fractureai.client.events import ServerEvent

__all__ = [
    "API_VERSION",
    "FINAL_STATES",
    "Client",
    "ConflictError",
    "Connection",
    "RequestCancelledError",
    "ServerEvent",
]
