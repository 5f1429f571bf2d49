"""The client against real sockets: silent, slow, foreign and refusing servers. (The server itself is another room.)"""

import contextlib
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from fractureai.client import Client
from fractureai.errors import ServerError


class Answers(BaseHTTPRequestHandler):
    """Answers by path."""

    def do_GET(self):
        answers = {
            "/v1/health": (200, {"api": "v1", "token": self.headers.get("Authorization", "")}),
            "/old/v1/health": (200, {"api": "v0"}),
            "/v1/list": (200, [1]),
            "/v1/conflict": (409, {"detail": "The annotation was saved by somebody else in the meantime."}),
            "/v1/broken": (500, {"trace": "secret"}),
            "/v1/closed": (401, {}),
        }
        if self.path == "/v1/slow":
            time.sleep(1.0)
        status, body = answers.get(self.path, (200, None))
        content = b"<html>a printer</html>" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # the client that did not wait has gone
            self.wfile.write(content)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def url():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def test_health_and_token(url):
    client = Client(url, token="s3cret")
    assert client.health() == {"api": "v1", "token": "Bearer s3cret"}
    assert "s3cret" not in repr(client)


def test_post_sends_json(url):
    assert Client(url).post("echo", {"a": 1}) == {"a": 1}


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("list", "no FractureAI server"),
        ("printer", "no FractureAI server"),
        ("conflict", "saved by somebody else"),
        ("broken", "could not do that"),
        ("closed", "does not accept the token"),
    ],
)
def test_answers_that_are_errors(url, path, sentence):
    with pytest.raises(ServerError, match=sentence) as error:
        Client(url).get(path)
    assert "secret" not in str(error.value)


def test_a_slow_server_does_not_hang(url):
    start = time.monotonic()
    with pytest.raises(ServerError, match=r"did not answer within 0\.2 s"):
        Client(url, timeout_s=0.2).get("slow")
    assert time.monotonic() - start < 0.9


def test_no_server():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ServerError, match="There is no server"):
        Client(f"http://127.0.0.1:{port}").health()


def test_another_version(url):
    with pytest.raises(ServerError, match="speaks version v0"):
        Client(f"{url}/old").health()
