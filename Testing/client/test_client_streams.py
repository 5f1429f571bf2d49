"""The client against raw sockets: silent, dripping, lying, dying in the middle; uploads, cancelling, events."""

import contextlib
import json
import socket
import threading
import time

import numpy as np
import pytest

from fractureai.client import Client, ConflictError, RequestCancelledError
from fractureai.client.events import parse_events
from fractureai.errors import ServerError

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def chunk(text):
    data = text.encode()
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def event(name, data, id=None):
    return chunk((f"id: {id}\n" if id else "") + f"event: {name}\ndata: {json.dumps(data)}\n\n")


class Scripted:
    """A server that plays a script: one function a connection, which gets the socket and the request's bytes."""

    def __init__(self, *scripts):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.requests = []
        self.closed = threading.Event()
        self.scripts = list(scripts)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            for number in range(100):
                connection, _ = self.socket.accept()
                script = self.scripts[min(number, len(self.scripts) - 1)]
                threading.Thread(target=self.play, args=(connection, script), daemon=True).start()

    def play(self, connection, script):
        with connection, contextlib.suppress(OSError):
            self.requests.append(request_of(connection))
            script(connection)

    def wait_for_close(self, connection):
        """Return when the client has closed the connection."""
        with contextlib.suppress(OSError):
            while connection.recv(1000):
                pass
        self.closed.set()


def request_of(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    wanted = int(lengths[0].split(b":")[1]) if lengths else 0
    while len(body) < wanted:
        body += connection.recv(65536)
    return head.decode("latin-1") + "\r\n\r\n" + body.decode("latin-1")


def silent(_):
    time.sleep(30)


def drip(connection):
    connection.sendall(HEAD)
    for _ in range(300):
        connection.sendall(b" ")
        time.sleep(0.05)


def drip_head(connection):
    for _ in range(300):
        connection.sendall(b"H")
        time.sleep(0.05)


@pytest.mark.parametrize("script", [silent, drip, drip_head])
def test_no_server_is_waited_for_longer_than_said(script):
    server = Scripted(script)
    began = time.monotonic()
    with pytest.raises(ServerError, match=r"did not answer within 0\.4 s"):
        Client(server.url, timeout_s=0.4).health()
    assert time.monotonic() - began < 1.2


def sends(*pieces):
    def script(connection):
        for piece in pieces:
            connection.sendall(piece)

    return script


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (sends(b"SSH-2.0-OpenSSH_9.6\r\n"), "no FractureAI server"),
        (sends(b"\0\xff" * 1000), "no FractureAI server|closed the connection"),
        (sends(b""), "without an answer"),
        (sends(HEAD, b'{"api": '), "in the middle of an answer"),
        (sends(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"), "no FractureAI server"),
        (sends(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + b"[" * 60000), "no FractureAI server"),
        (sends(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"), "no FractureAI"),
        (sends(b"HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\nTraceback"), "no FractureAI server"),
        (sends(b'HTTP/1.1 422 No\r\nContent-Length: 20\r\n\r\n{"detail":"Not so."}'), "Not so"),
    ],
)
def test_whatever_comes_it_is_one_sentence(script, sentence):
    with pytest.raises(ServerError, match=sentence) as error:
        Client(Scripted(script).url, timeout_s=5).health()
    assert "\n" not in str(error.value)
    assert "Traceback" not in str(error.value)


@pytest.mark.parametrize(
    "url", ["http://", "nonsense", "http://[::1", "ftp://127.0.0.1", "http://no.such.host.invalid"]
)
def test_addresses_that_are_none(url):
    with pytest.raises(ServerError, match="There is no server"):
        Client(url, timeout_s=5).health()


def test_a_conflict_carries_what_is_stored():
    body = json.dumps({"detail": "Somebody else saved.", "annotation": {"revision": 3}}).encode()
    answer = b"HTTP/1.1 409 Conflict\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with pytest.raises(ConflictError, match="Somebody else saved") as error:
        Client(Scripted(sends(answer)).url).put("datasets/d/radiographs/1/annotations/AM", {"expected_revision": 1})
    assert error.value.answer["annotation"]["revision"] == 3


def test_the_token_is_not_sent_to_another_address_and_no_proxy_is_asked(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    server = Scripted(sends(b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n" + b'{"api": "v1"}'))
    assert Client(server.url, token="s3cret").health() == {"api": "v1"}
    assert "Authorization: Bearer s3cret" in server.requests[0]
    assert "s3cret" not in server.requests[0].splitlines()[0]


# --- readings ---


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "Smith^John.dcm"
    path.write_bytes(b"D" * 1000)
    return path


def test_a_file_in_a_shared_folder_is_named_and_any_other_is_uploaded(image, tmp_path):
    stream = (STREAM, event("result", {"id": "1"}), END)
    server = Scripted(sends(*stream))
    Client(server.url, shared=(str(tmp_path),)).read([image], "m", view="PA")
    Client(server.url, shared=(str(tmp_path / "other"),)).read([image], "m", view="PA")
    named, uploaded = server.requests
    assert json.loads(named.split("\r\n\r\n", 1)[1]) == {
        "model": "m", "view": "PA", "side": None, "spacing_mm": None, "paths": [str(image)]
    }  # fmt: skip
    assert "multipart/form-data" in uploaded
    assert "D" * 1000 in uploaded
    assert "Smith" not in uploaded
    assert 'name="side"' not in uploaded


def test_a_link_out_of_a_shared_folder_is_uploaded(image, tmp_path):
    (tmp_path / "shared").mkdir()
    link = tmp_path / "shared" / "link.dcm"
    link.symlink_to(image)
    server = Scripted(sends(STREAM, event("result", {}), END))
    Client(server.url, shared=(str(tmp_path / "shared"),)).read([link])
    assert "multipart/form-data" in server.requests[0]


def test_a_folder_gives_its_images(image, tmp_path):
    for name in ("DICOMDIR", "notes.txt", ".hidden.dcm", "IM0001", "b.123"):
        (tmp_path / name).write_bytes(b"x")
    server = Scripted(sends(STREAM, event("result", {}), END))
    Client(server.url).read([tmp_path])
    assert server.requests[0].count("filename=") == 3
    with pytest.raises(ServerError, match="no such file"):
        Client(server.url).read([tmp_path / "none"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ServerError, match="no radiograph"):
        Client(server.url).read([tmp_path / "empty"])


def test_stages_come_as_they_happen(image):
    def script(connection):
        connection.sendall(STREAM)
        for stage in ("read", "localize"):
            connection.sendall(event("stage", {"stage": stage}))
            time.sleep(0.3)
        connection.sendall(event("result", {"id": "7"}) + END)

    came = []
    reading = Client(Scripted(script).url).read([image], on_stage=lambda stage: came.append((stage, time.monotonic())))
    assert reading == {"id": "7"}
    assert [stage for stage, _ in came] == ["read", "localize"]
    assert came[1][1] - came[0][1] > 0.2


@pytest.mark.parametrize("begin", [b"", STREAM, STREAM + event("stage", {"stage": "read"})])
def test_cancelling_closes_the_connection_at_once(image, begin):
    server = Scripted()

    def script(connection):
        connection.sendall(begin)
        server.wait_for_close(connection)

    server.scripts.append(script)
    began = time.monotonic()
    with pytest.raises(RequestCancelledError):
        Client(server.url).read([image], cancelled=lambda: time.monotonic() > began + 0.3)
    assert time.monotonic() - began < 1
    if begin:  # before the head of an answer there is nothing to close yet; the thread's time-out does
        assert server.closed.wait(2)


def test_what_the_server_says_and_where_it_breaks_off(image):
    said = Scripted(sends(STREAM, event("error", {"detail": "This is no radiograph."}), END))
    with pytest.raises(ServerError, match="This is no radiograph"):
        Client(said.url).read([image])
    for pieces in ((STREAM, event("stage", {"stage": "read"})), (STREAM, event("stage", {"stage": "read"}), END)):
        with pytest.raises(ServerError, match="in the middle of an answer"):
            Client(Scripted(sends(*pieces)).url).read([image])
    with pytest.raises(ServerError, match="no FractureAI server"):
        Client(Scripted(sends(STREAM, chunk("data: [1]\n\n"), END)).url).read([image])
    with pytest.raises(ServerError, match="no FractureAI server"):
        Client(Scripted(sends(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nPage")).url).read([image])


def test_an_activation_map_is_a_plain_array(tmp_path):
    def answer(data):
        return sends(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data) + data)

    array = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    np.save(tmp_path / "a.npy", array)
    assert np.array_equal(Client(Scripted(answer((tmp_path / "a.npy").read_bytes())).url).activation("x"), array)
    np.save(tmp_path / "b.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    for bad in ((tmp_path / "b.npy").read_bytes(), b"", b"\x93NUMPY", b"junk"):
        with pytest.raises(ServerError, match="no FractureAI server"):
            Client(Scripted(answer(bad)).url).activation("x")


# --- events of a job ---


def test_a_broken_stream_is_taken_up_again_where_it_broke():
    first = sends(STREAM, event("state", {"state": "running"}, 1), event("progress", {"fraction": 0.5}, 2))
    second = sends(STREAM, event("progress", {"fraction": 1.0}, 3), event("state", {"state": "done"}, 4), END)
    server = Scripted(first, second)
    events = list(Client(server.url).job_events("j"))
    assert [event.id for event in events] == [1, 2, 3, 4]
    assert "Last-Event-ID: 0" in server.requests[0]
    assert "Last-Event-ID: 2" in server.requests[1]


def test_a_server_that_is_gone_for_good_is_said():
    server = Scripted(sends(STREAM, event("state", {"state": "running"}, 1)))
    server.scripts.append(sends(b""))
    with pytest.raises(ServerError, match="without an answer"):
        list(Client(server.url).job_events("j"))


def test_nobody_waits_for_events_that_nobody_wants():
    server = Scripted()

    def script(connection):
        connection.sendall(STREAM + event("state", {"state": "running"}, 1))
        server.wait_for_close(connection)

    server.scripts.append(script)
    began = time.monotonic()
    events = Client(server.url).job_events("j", cancelled=lambda: time.monotonic() > began + 0.3)
    assert [event.name for event in events] == ["state"]
    assert server.closed.wait(2)
    assert time.monotonic() - began < 2


def test_leaving_the_loop_closes_the_stream():
    server = Scripted()

    def script(connection):
        connection.sendall(STREAM + event("state", {"state": "running"}, 1))
        server.wait_for_close(connection)

    server.scripts.append(script)
    for _ in Client(server.url).job_events("j"):
        break
    assert server.closed.wait(2)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_events_in_pieces_of_any_size(size):
    first = ': hello\n\nevent: a\r\nid: 4\r\ndata: {"x":\r\ndata: 1}\r\n\r\n'
    text = (first + 'data: {"ü": 2}\n\nevent: cut\ndata: {"y"').encode()
    found = list(parse_events(text[start : start + size] for start in range(0, len(text), size)))
    assert [(event.name, event.data, event.id) for event in found] == [("a", {"x": 1}, 4), ("message", {"ü": 2}, 4)]
