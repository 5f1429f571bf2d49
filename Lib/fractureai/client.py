"""Talk to a FractureAI server over HTTP. Needs `requests` only, so it works inside 3D Slicer as it comes.

The calls for jobs, datasets and readings come with the server; this is what they all stand on: one address, one token,
time-outs, and one clear sentence when the server is dead, slow, refuses, or speaks another version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fractureai.errors import ServerError

API_VERSION = "v1"


@dataclass(frozen=True)
class Client:
    """A server's address, and what is needed to be let in.

    Attributes:
        url: for example ``http://127.0.0.1:8010``.
        token: sent as bearer token, never as part of an address; "" for none.
        timeout_s: how long to wait for an answer.
    """

    url: str
    token: str = field(default="", repr=False)
    timeout_s: float = 10.0

    def health(self) -> dict[str, Any]:
        """Ask whether the server is there and speaks this version.

        Raises:
            ServerError: it does not answer in time, refuses, or speaks another version.
        """
        answer = self.get("health")
        if answer.get("api") != API_VERSION:
            raise ServerError(
                f"The server at {self.url} speaks version {answer.get('api')} of the interface, this program "
                f"{API_VERSION}; update the older one."
            )
        return answer

    def get(self, path: str, parameters: Mapping[str, str] | None = None) -> dict[str, Any]:
        """GET ``/v1/<path>`` and return the JSON object.

        Raises:
            ServerError: no answer in time, an error, or an answer that is no JSON object.
        """
        return self._request("GET", path, params=dict(parameters or {}))

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST a JSON object to ``/v1/<path>`` and return the JSON object that comes back.

        Raises:
            ServerError: see `get`.
        """
        return self._request("POST", path, json=dict(body))

    def _request(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        import requests

        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        address = f"{self.url.rstrip('/')}/{API_VERSION}/{path.lstrip('/')}"
        try:
            response = requests.request(method, address, headers=headers, timeout=self.timeout_s, **options)
        except requests.Timeout as error:
            raise ServerError(
                f"The server at {self.url} did not answer within {self.timeout_s:g} s; try again."
            ) from error
        except requests.RequestException as error:
            raise ServerError(f"There is no server at {self.url}; start it, or check the address.") from error
        if response.status_code in (401, 403):
            raise ServerError(f"The server at {self.url} does not accept the token; give the one it was started with.")
        return _object(response, self.url)


def _object(response: Any, url: str) -> dict[str, Any]:
    """Return the JSON object of an answer, or raise what the server says is wrong."""
    try:
        answer = response.json()
    except ValueError as error:
        raise ServerError(f"What answers at {url} is no FractureAI server; check the address.") from error
    if not isinstance(answer, dict):
        raise ServerError(f"What answers at {url} is no FractureAI server; check the address.")
    if not response.ok:
        detail = answer.get("detail")
        raise ServerError(detail if isinstance(detail, str) else f"The server at {url} could not do that; see its log.")
    return answer
