"""Who is let in, what is taken, and what stays out of the log."""

import json
import os
import socket
import ssl
import stat
import subprocess
import sys
import time

import httpx
import pydicom
import pytest

from fractureai.server.settings import ServerSettings

from .conftest import detail, running_server


def test_every_address_needs_the_token(server):
    with httpx.Client(base_url=server.url) as client:
        addresses = client.get("/v1/openapi.json", headers={"Authorization": f"Bearer {server.token}"}).json()["paths"]
        assert len(addresses) > 10
        for address, methods in addresses.items():
            for method in methods:
                for header in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {server.token}"}):
                    response = client.request(method, address, headers=header)
                    detail(response, 401)
                    assert response.headers["www-authenticate"] == "Bearer"
        for address in ("/", "/docs", "/redoc", "/v1/nothing", "/v1/openapi.json"):
            detail(client.get(address), 401)
        detail(client.get(f"/v1/health?token={server.token}"), 401)


def test_a_server_without_a_token_is_not_made(tmp_path):
    with pytest.raises(ValueError, match="token"):
        ServerSettings(tmp_path, "")
    assert "secret-token" not in repr(ServerSettings(tmp_path, "secret-token"))


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "localhost.evil.example", "", "127.0.0.1.evil.example"]
)
def test_foreign_names_are_refused(client, host):
    detail(client.get("health", headers={"Host": host}), 421)


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1", "[::1]:99", "192.168.1.5:8000"])
def test_addresses_and_localhost_are_fine(client, host):
    assert client.get("health", headers={"Host": host}).status_code == 200


def test_no_other_web_page_may_read_answers(client):
    response = client.get("health", headers={"Origin": "https://evil.example"})
    assert not [name for name in response.headers if name.startswith("access-control")]
    response = client.options(
        "read", headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    )
    detail(response, 405)
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_answers_are_not_kept_by_others(client):
    headers = client.get("health").headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers


def test_errors_are_sentences(client):
    detail(client.get("nothing"), 404)
    detail(client.delete("health"), 405)
    detail(client.post("read", content=b"{", headers={"Content-Type": "application/json"}), 422)
    detail(client.post("read", content=b"x", headers={"Content-Type": "text/plain"}), 415)
    detail(client.post("read", content=b"x", headers={"Content-Type": "multipart/form-data"}), 400)
    detail(client.post("read", content=b"[" * 100_000, headers={"Content-Type": "application/json"}), 422)
    detail(client.get("datasets/wrists/worklist"), 422)
    detail(client.get("datasets/wrists/worklist?rater=AM&limit=x"), 422)


def test_too_large_is_refused_before_it_is_taken(server, client):
    big = {"Content-Type": "application/json"}
    detail(client.post("read", content=b" " * (5 << 20), headers=big), 413)
    detail(client.post("read", content=iter([b" " * (1 << 20)] * 6), headers=big), 413)  # chunked: no length is told
    files = [("files", ("x", b"x"))] * 17
    assert client.post("read", files=files).status_code in (400, 422)
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        head = f"POST /v1/read HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {server.token}\r\n"
        head += "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 99999999999\r\n\r\n"
        connection.sendall(head.encode())
        assert b" 413 " in connection.recv(100)


def test_the_log_names_no_patient(server, client, study, tmp_path):
    header = pydicom.dcmread(study[0])
    header.PatientName, header.PatientID = "Secretname^Anna", "SECRETID"
    header.add_new("BurnedInAnnotation", "CS", "secretname anna not valid")
    header.StudyDate = "SECRETDATE"
    header.save_as(tmp_path / "secretname.dcm")
    data = (tmp_path / "secretname.dcm").read_bytes()
    for content in (data, data[:3000], data[:-9]):
        client.post("read", files=[("files", ("secretname.dcm", content))])
        client.post("proposals", files=[("file", ("secretname.dcm", content))])
    client.post("read", json={"paths": [str(tmp_path / "secretname.dcm")]})
    client.get("datasets/wrists/worklist?rater=secretname&text=secretname")
    client.get("datasets/secretname/worklist?rater=x")
    client.get("secretname")
    log = server.log()
    assert "secretname" not in log.lower()
    assert "secretid" not in log.lower()
    assert "secretdate" not in log.lower()
    assert server.token not in log
    assert "GET /datasets/{name}/worklist 200" in log


def test_the_token_file_is_private_and_kept(tmp_path, server):
    place = server.work / "token"
    assert len(server.token) >= 43
    if os.name != "nt":
        assert stat.S_IMODE(place.stat().st_mode) == 0o600
        assert stat.S_IMODE((server.work / "readings").stat().st_mode) == 0o700
    mine = tmp_path / "mine"
    mine.write_text("a-token-of-my-own-choice\n", encoding="ascii")
    with running_server(tmp_path / "work", "--token-file", mine) as other:
        assert other.token == "a-token-of-my-own-choice"
        with other.client() as client:
            assert client.get("health").status_code == 200


def refused(*words) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "fractureai.cli", "serve", *map(str, words)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_the_network_needs_a_token_of_ones_own(tmp_path):
    assert "--token-file" in refused("--work", tmp_path, "--host", "0.0.0.0")
    short = tmp_path / "short"
    short.write_text("abc", encoding="ascii")
    assert "16 characters" in refused("--work", tmp_path, "--host", "0.0.0.0", "--token-file", short)
    assert "together" in refused("--work", tmp_path, "--tls-cert", short)
    assert "can not be used" in refused("--work", tmp_path, "--tls-cert", short, "--tls-key", short)


def test_a_port_that_is_taken(tmp_path, server):
    assert "can not be used" in refused("--work", tmp_path, "--port", server.url.rsplit(":", 1)[1])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    try:
        subprocess.run(
            ["openssl", *words.split(), "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
            check=True,
            capture_output=True,
        )
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    return folder / "cert.pem", folder / "key.pem"


def test_tls_and_the_network(tmp_path, certificate):
    cert, key = certificate
    token = tmp_path / "token"
    token.write_text("a-token-of-my-own-choice", encoding="ascii")
    words = ("--host", "0.0.0.0", "--token-file", token, "--host-name", "reader.example")
    with running_server(tmp_path / "tls", *words, "--tls-cert", cert, "--tls-key", key) as server:
        assert server.url.startswith("https://127.0.0.1:")
        assert "Warning" not in server.log()
        address = f"{server.url}/v1/health"
        context = ssl.create_default_context(cafile=str(cert))
        headers = {"Authorization": f"Bearer {server.token}"}
        assert httpx.get(address, headers=headers, verify=context).status_code == 200
        named = {**headers, "Host": "reader.example"}
        assert httpx.get(address, headers=named, verify=context).status_code == 200
        with pytest.raises(httpx.HTTPError):
            httpx.get(address.replace("https", "http"), headers=headers)
    with running_server(tmp_path / "plain", *words) as server:
        assert "Warning: without --tls-cert" in server.log()


def test_a_slow_request_ends(tmp_path, wrists):
    """Many clients that never finish their requests do not keep others out."""
    with running_server(tmp_path / "slow") as server:
        host, port = server.url.removeprefix("http://").split(":")
        head = f"POST /v1/read HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {server.token}\r\n"
        head += "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
        connections = [socket.create_connection((host, int(port))) for _ in range(100)]
        for connection in connections:
            connection.sendall(head.encode())
        began = time.monotonic()
        with server.client() as client:
            assert client.get("health").status_code == 200
        assert time.monotonic() - began < 5
        for connection in connections:
            connection.close()


def test_a_request_that_does_not_arrive_in_time(tmp_path):
    """In process, because the limit must be short."""
    import anyio

    from fractureai.server.app import create_app
    from fractureai.server.settings import Limits

    app = create_app(ServerSettings(tmp_path, "t" * 20, warm=False, limits=Limits(upload_s=0.2)))
    headers = [
        (b"host", b"localhost"),
        (b"authorization", b"Bearer " + b"t" * 20),
        (b"content-type", b"application/json"),
    ]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/read",
        "headers": headers,
        "query_string": b"",
        "root_path": "",
    }
    sent = []

    async def run():
        async def receive():
            await anyio.sleep(30)

        async def send(message):
            sent.append(message)

        await app({**scope, "http_version": "1.1", "scheme": "http", "server": ("localhost", 1)}, receive, send)

    anyio.run(run)
    assert sent[0]["status"] == 408
    assert "did not arrive within 0.2 s" in json.loads(sent[1]["body"])["detail"]
