"""Readings over HTTP: what a client in another process gets."""

import io
import json
import socket
import time

import jsonschema
import numpy as np
import pytest
from PIL import Image

from fractureai.inference import Pipeline
from fractureai.server.documents import READING_EXAMPLE, reading_schema

from .conftest import detail


def upload(paths):
    return [("files", ("../../patient name.dcm", path.read_bytes())) for path in paths]


def events_of(response):
    found = []
    for block in response.iter_lines():
        if block.startswith("event: "):
            found.append([block[7:], None])
        elif block.startswith("data: "):
            found[-1][1] = json.loads(block[6:])
    return found


@pytest.fixture(scope="module")
def expected(study):
    return Pipeline.load("demo").read(study)


def test_the_example_follows_the_schema():
    schema = reading_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(READING_EXAMPLE)


@pytest.mark.parametrize("by", ["paths", "upload", "folder"])
def test_a_reading_is_that_of_the_pipeline(client, study, expected, by, tmp_path, wrists):
    if by == "upload":
        response = client.post("read", files=upload(study), data={"model": "demo"})
    elif by == "paths":
        response = client.post("read", json={"paths": [str(path) for path in study]})
    else:
        folder = wrists.folder.parent / "one study"
        folder.mkdir(exist_ok=True)
        for path in study:
            (folder / path.name).write_bytes(path.read_bytes())
        response = client.post("read", json={"paths": [str(folder)]})
    assert response.status_code == 200, response.text
    reading = response.json()
    jsonschema.Draft202012Validator(reading_schema()).validate(reading)
    assert reading["ensemble"]["probability"] == pytest.approx(expected.probability, abs=1e-6)
    assert reading["ensemble"]["interval"] == pytest.approx(expected.interval, abs=1e-6)
    for view, found in zip(reading["views"], expected.views, strict=True):
        answer = client.get(view["activation_map"])
        assert answer.headers["content-type"] == "application/x-npy"
        activation = np.load(io.BytesIO(answer.content), allow_pickle=False)
        np.testing.assert_allclose(activation, found.activation_map, atol=1e-5)
    overlay = client.get(reading["overlay"])
    assert overlay.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(overlay.content)).width > 900
    assert client.get(f"readings/{reading['id']}/reading.json").json() == reading
    names = {"paths": str(study[0]), "upload": "File 1", "folder": str(wrists.folder.parent / "one study/00000_PA.dcm")}
    assert reading["views"][0]["file"] == names[by]
    assert "patient name" not in response.text


def test_stages_come_as_events(client, study):
    headers = {"Accept": "text/event-stream"}
    with client.stream("POST", "read", json={"paths": [str(p) for p in study]}, headers=headers) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        events = events_of(response)
    stages = [data["stage"] for name, data in events if name == "stage"]
    assert stages == ["read", "localize", "crop", "classify"] * 2
    assert events[-1][0] == "result"
    jsonschema.Draft202012Validator(reading_schema()).validate(events[-1][1])


def test_what_goes_wrong_on_the_way_is_an_event(client, wrists):
    bad = wrists.folder.parent / "empty.dcm"
    bad.write_bytes(b"")
    headers = {"Accept": "text/event-stream"}
    with client.stream("POST", "read", json={"paths": [str(bad)]}, headers=headers) as response:
        (event,) = [event for event in events_of(response) if event[0] != "stage"]
    assert event[0] == "error"
    assert "it is empty" in event[1]["detail"]
    with client.stream("POST", "read", json={"paths": ["/etc/passwd"]}, headers=headers) as response:
        response.read()
        detail(response, 404)


def test_one_bad_file_beside_a_good_one_is_a_referral(client, study):
    response = client.post("read", files=[*upload(study[:1]), ("files", ("x", b"not an image"))])
    reading = response.json()
    assert [reason["code"] for reason in reading["reasons"]] == ["file-unreadable"]
    assert reading["reasons"][0]["text"] == "File 2: the file could not be read."
    assert reading["problems"][0].startswith("File 2: it is neither DICOM nor")
    assert len(reading["views"]) == 1


def test_when_nothing_can_be_read_that_is_said(client):
    text = detail(client.post("read", files=[("files", ("x", b"text"))]), 422)
    assert text.startswith("File 1: it is neither DICOM nor PNG")


def test_view_side_and_spacing_are_given(client, study):
    fields = {"view": "AP", "side": "R", "spacing_mm": "0.2"}
    view = client.post("read", files=upload(study[:1]), data=fields).json()["views"][0]
    assert (view["view"], view["side"], view["spacing_mm"], view["spacing_source"]) == ("PA", "R", [0.2, 0.2], "user")


@pytest.mark.parametrize(
    ("body", "status", "part"),
    [
        ({"paths": ["/etc/passwd"]}, 404, "not in a folder that this server may use"),
        ({"paths": ["/etc/no such file"]}, 404, "not in a folder that this server may use"),
        ({"paths": ["wrists/a.dcm"]}, 422, "must be absolute"),
        ({"paths": []}, 422, "paths: "),
        ({"paths": ["/x"], "model": "none"}, 404, "no such model"),
        ({"paths": ["/x"], "model": "../demo"}, 404, "no such model"),
        ({"paths": ["/x"], "view": "UP"}, 422, "view: "),
        ({"paths": ["/x"], "spacing_mm": 0}, 422, "spacing_mm: "),
        ({"paths": ["/x"], "other": 1}, 422, "other: "),
        ([], 422, "valid dictionary"),
    ],
)
def test_wrong_requests(client, body, status, part):
    assert part in detail(client.post("read", json=body), status)


def test_links_do_not_lead_out(client, wrists, study, tmp_path):
    root = wrists.folder.parent
    (tmp_path / "secret.dcm").write_bytes(study[0].read_bytes())
    for name, target in (("file", tmp_path / "secret.dcm"), ("folder", tmp_path), ("nowhere", tmp_path / "x")):
        (root / name).unlink(missing_ok=True)
        (root / name).symlink_to(target)
    try:
        for path in (
            root / "file",
            root / "folder" / "secret.dcm",
            root / "folder",
            root / "nowhere",
            root / ".." / "x",
        ):
            text = detail(client.post("read", json={"paths": [str(path)]}), 404)
            assert "not in a folder" in text
            assert str(tmp_path) not in text
        linked = root / "linked study"
        linked.mkdir(exist_ok=True)
        (linked / "a.dcm").symlink_to(tmp_path / "secret.dcm")
        detail(client.post("read", json={"paths": [str(linked)]}), 422)
    finally:
        for name in ("file", "folder", "nowhere"):
            (root / name).unlink()


def test_several_studies_in_a_folder_are_not_mixed(client, wrists):
    text = detail(client.post("read", json={"paths": [str(wrists.folder / "images")]}), 422)
    assert "holds 3 studies" in text


def test_a_reading_that_is_not_there(client):
    for address in ("readings/0/1.npy", f"readings/{'0' * 32}/1.npy", f"readings/{'0' * 32}/..%2F1.npy"):
        detail(client.get(address), 404)


def test_uploads_are_gone_afterwards(client, server, study):
    client.post("read", files=upload(study))
    client.post("read", files=[("files", ("x", b"text"))])
    time.sleep(0.2)
    assert list((server.work / "uploads").iterdir()) == []


def test_who_does_not_wait_stops_the_reading(server, study):
    """The connection is closed while the request is in work: it is logged as such, and the server goes on."""
    before = server.log().count(" 499 ")
    body = json.dumps({"paths": [str(path) for path in study]}).encode()
    host, port = server.url.removeprefix("http://").split(":")
    head = f"POST /v1/read HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {server.token}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    connections = []
    for _ in range(12):  # more than there are workers: the last ones wait
        connection = socket.create_connection((host, int(port)))
        connection.sendall(head.encode() + body)
        connections.append(connection)
    time.sleep(0.03)  # some are read, some wait for a worker
    for connection in connections:
        connection.close()
    end = time.monotonic() + 20
    while server.log().count(" 499 ") == before and time.monotonic() < end:
        time.sleep(0.1)
    assert server.log().count(" 499 ") > before
    with server.client() as client:
        assert client.get("health").status_code == 200


def test_proposals(client, study):
    found = client.post("proposals", json={"path": str(study[0])}).json()
    assert (found["view"], found["side_suggested"]) == ("PA", None)
    assert [point["name"] for point in found["landmarks"]] == ["distal_ulna", "distal_radius", "wrist_centre"]
    assert found["landmarks"] == found["views"]["PA"]["landmarks"]
    assert set(found["views"]) == {"PA", "LAT"}
    assert len(found["spread"]) == 3
    uploaded = client.post("proposals", files={"file": ("x", study[0].read_bytes())}, data={"view": "PA"}).json()
    assert uploaded["landmarks"] == found["landmarks"]
    detail(client.post("proposals", files={"file": ("x", b"text")}), 422)
    detail(client.post("proposals", json={"path": "/etc/passwd"}), 404)
    detail(client.post("proposals", json={"path": str(study[0].parent)}), 422)
