"""Marks over HTTP: nobody overwrites unseen, and what was answered is on disk."""

import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import pytest

from fractureai.dataset import Annotation, Dataset, annotation_to_json
from fractureai.dataset.files import file_lock
from fractureai.errors import StaleAnnotationError
from fractureai.phantom import write_dataset

from .conftest import detail, start_server


@pytest.fixture(scope="module")
def address(wrists) -> str:
    return f"datasets/wrists/radiographs/{wrists.radiographs[0].id}/annotations"


def body(revision: int, **marks):
    return {"expected_revision": revision, "annotation": marks}


def test_datasets_are_listed(client, wrists):
    (found,) = [item for item in client.get("datasets").json()["datasets"] if item["name"] == "wrists"]
    assert found["folder"] == str(wrists.folder)
    assert (found["radiographs"], found["raters"][-1], found["site"]) == (6, "truth", "wrist")
    assert found["title"] == wrists.name


def test_two_of_the_same_name_are_told_apart(client, wrists):
    for parent in ("a", "b"):
        Dataset.create(wrists.folder.parent / parent / "twin", name=f"Twin {parent}")
    found = [item for item in client.get("datasets").json()["datasets"] if item["name"].startswith("twin")]
    assert sorted(item["title"] for item in found) == ["Twin a", "Twin b"]
    for item in found:
        assert client.get(f"datasets/{item['name']}/worklist?rater=AM").json()["total"] == 0


def test_worklist(client, wrists):
    wrists.save(Annotation(wrists.radiographs[2].id, "WL", status="done", label="fracture"))
    page = client.get("datasets/wrists/worklist", params={"rater": "WL"}).json()
    assert page["counts"] == {"open": 5, "done": 1, "flagged": 0}
    assert page["items"][-1]["id"] == wrists.radiographs[2].id
    assert page["items"][-1]["label"] == "fracture"
    assert page["items"][-1]["revision"] == 1
    done = client.get("datasets/wrists/worklist", params={"rater": "WL", "status": "done"}).json()
    assert (done["total"], len(done["items"])) == (1, 1)
    second = client.get("datasets/wrists/worklist", params={"rater": "WL", "offset": 2, "limit": 2}).json()
    assert (second["total"], [item["index"] for item in second["items"]]) == (6, [3, 4])
    found = client.get("datasets/wrists/worklist", params={"rater": "WL", "text": wrists.radiographs[0].patient}).json()
    assert found["total"] == 2
    detail(client.get("datasets/none/worklist", params={"rater": "WL"}), 404)
    detail(client.get("datasets/wrists/worklist", params={"rater": "WL", "status": "x"}), 422)
    detail(client.get("datasets/wrists/worklist", params={"rater": " WL"}), 422)


def test_broken_marks_are_said_and_set_aside(client, wrists):
    folder = wrists.folder / "annotations" / "BR"
    folder.mkdir()
    (folder / f"{wrists.radiographs[0].id}.json").write_text("{", encoding="utf-8")
    page = client.get("datasets/wrists/worklist", params={"rater": "BR"}).json()
    (problem,) = page["problems"]
    assert "set aside" in problem
    assert str(wrists.folder) not in problem
    assert page["counts"]["open"] == 6


def test_put_and_get(client, wrists, address):
    assert client.get(f"{address}/PG").json() == {"revision": 0, "annotation": None}
    marks = {
        "label": "fracture",
        "status": "done",
        "landmarks": {"distal_ulna": [12.25, 7]},
        "regions": [{"kind": "fracture", "shape": "box", "bone": "radius", "points": [[1, 2], [3, 4]]}],
        "comment": "Ωmega \U0001f9b4",
    }
    saved = client.put(f"{address}/PG", json=body(0, **marks)).json()
    assert saved["revision"] == 1
    assert saved["annotation"]["landmarks"] == {"distal_ulna": [12.25, 7.0]}
    assert client.get(f"{address}/PG").json() == saved
    on_disk = Dataset.open(wrists.folder).annotation(wrists.radiographs[0].id, "PG")
    assert json.loads(annotation_to_json(on_disk)) == saved["annotation"]
    again = {"expected_revision": 1, "annotation": saved["annotation"]}
    assert client.put(f"{address}/PG", json=again).json()["revision"] == 2


def test_a_stale_write_loses_nothing(client, wrists, address):
    client.put(f"{address}/ST", json=body(0, comment="first"))
    client.put(f"{address}/ST", json=body(1, comment="second"))
    for stale in (0, 1, 3):
        response = client.put(f"{address}/ST", json=body(stale, comment="stale"))
        detail(response, 409)
        assert response.json()["annotation"]["comment"] == "second"
        assert response.json()["revision"] == 2
    assert client.get(f"{address}/ST").json()["annotation"]["comment"] == "second"


@pytest.mark.parametrize(
    ("sent", "part"),
    [
        ({"expected_revision": 0}, "annotation: "),
        ({"expected_revision": "0", "annotation": {}}, "expected_revision: "),
        ({"expected_revision": -1, "annotation": {}}, "expected_revision: "),
        (body(0, label="broken arm"), "label"),
        (body(0, status="finished"), "status"),
        (body(0, landmarks={"distal_ulna": [1]}), "landmark"),
        (body(0, landmarks={"distal_ulna": ["a", 1]}), "landmark"),
        (body(0, radiograph="1.2.3"), "radiograph"),
        (body(0, rater="other"), "rater"),
        (body(0, secret="x"), "a key that marks do not have"),
        (body(0, format_version=99), "format version"),
        (body(0, comment="\ud800"), "surrogate"),
        (body(0, regions=[{"kind": "x"}]), "region"),
    ],
)
def test_wrong_marks(client, wrists, address, sent, part):
    content = json.dumps(sent)
    text = detail(client.put(f"{address}/WM", content=content, headers={"Content-Type": "application/json"}), 422)
    assert part in text
    assert client.get(f"{address}/WM").json()["revision"] == 0


def test_wrong_places(client, address):
    detail(client.put("datasets/wrists/radiographs/1.2.3/annotations/AM", json=body(0)), 404)
    detail(client.put("datasets/none/radiographs/1.2.3/annotations/AM", json=body(0)), 404)
    detail(client.put(f"{address}/{'x' * 201}", json=body(0)), 422)
    detail(client.put(f"{address}/%01", json=body(0)), 422)
    detail(client.put(f"{address}/..%2F..%2Fx", json=body(0)), 404)


def test_of_many_writers_at_once_one_wins_each_time(client, server, address):
    """Eight clients count up a comment as fast as they can: not one step is lost, none is made twice."""
    place, steps = f"{address}/RACE", 5

    def count(_):
        conflicts = 0
        with server.client() as own:
            for _ in range(steps):
                while True:
                    now = own.get(place).json()
                    number = int(now["annotation"]["comment"]) if now["annotation"] else 0
                    answer = own.put(place, json=body(now["revision"], comment=str(number + 1)))
                    if answer.status_code == 200:
                        break
                    assert answer.status_code == 409
                    conflicts += 1
        return conflicts

    with ThreadPoolExecutor(8) as pool:
        conflicts = sum(pool.map(count, range(8)))
    final = client.get(place).json()
    assert (final["annotation"]["comment"], final["revision"]) == ("40", 40)
    assert conflicts > 0


WRITER = """
import sys
from dataclasses import replace
from fractureai.dataset import Annotation, Dataset
from fractureai.errors import StaleAnnotationError

dataset, radiograph, steps = Dataset.open(sys.argv[1]), sys.argv[2], int(sys.argv[3])
for _ in range(steps):
    while True:
        now = dataset.annotation(radiograph, "RACE2") or Annotation(radiograph, "RACE2", comment="0")
        changed = replace(now, comment=str(int(now.comment) + 1))
        try:
            dataset.save(changed, expected_revision=now.revision)
            break
        except StaleAnnotationError:
            pass
"""


def test_of_many_programs_on_the_folder_one_wins_each_time(client, server, wrists, address):
    """The same between processes: two programs write into the folder while a client goes through the server."""
    radiograph, steps = wrists.radiographs[0].id, 60
    words = [sys.executable, "-c", WRITER, str(wrists.folder), radiograph, str(steps)]
    programs = [subprocess.Popen(words) for _ in range(2)]
    for _ in range(steps):
        while True:
            now = client.get(f"{address}/RACE2").json()
            number = int(now["annotation"]["comment"]) if now["annotation"] else 0
            answer = client.put(f"{address}/RACE2", json=body(now["revision"], comment=str(number + 1)))
            if answer.status_code == 200:
                break
            assert answer.status_code == 409
    assert [program.wait(60) for program in programs] == [0, 0]
    assert client.get(f"{address}/RACE2").json()["annotation"]["comment"] == str(3 * steps)


def test_a_look_at_the_revision_waits_for_who_writes(wrists):
    """While another process holds the rater's lock, a save waits; without an expected revision it does not."""
    annotation = Annotation(wrists.radiographs[1].id, "LOCK")
    saved = wrists.save(annotation)
    done = threading.Event()

    def save():
        with pytest.raises(StaleAnnotationError):
            wrists.save(annotation, expected_revision=saved.revision)
        done.set()

    with file_lock(wrists.folder / "annotations" / "LOCK" / ".lock"):
        thread = threading.Thread(target=save)
        thread.start()
        assert not done.wait(0.2)
        wrists.save(replace(saved, comment="between"))
    thread.join(10)
    assert done.is_set()


def test_a_killed_server_keeps_what_it_answered(tmp_path):
    """Marks are put as fast as possible; the server is killed in the middle, several times. Nothing answered is lost,
    nothing is half."""
    dataset = write_dataset(tmp_path / "root" / "wrists", studies=1, seed=1, pixels=128, workers=1)
    place = f"datasets/wrists/radiographs/{dataset.radiographs[0].id}/annotations/KILL"
    answered = 0
    for round_ in range(4):
        server = start_server(tmp_path / "work", roots=[tmp_path / "root"])
        killer = threading.Timer(0.3 + 0.13 * round_, server.kill)
        with server.client() as client:
            now = client.get(place).json()
            assert now["revision"] in (answered, answered + 1)
            if now["annotation"]:
                assert now["annotation"]["comment"] == "x" * 20_000 + str(now["revision"])
            revision = now["revision"]
            killer.start()
            try:
                while True:
                    marks = {"comment": "x" * 20_000 + str(revision + 1)}
                    revision = client.put(place, json=body(revision, **marks)).json()["revision"]
                    answered = revision
            except httpx.TransportError:
                pass
        killer.join()
        answered = revision
    assert answered > 20
    time.sleep(0.1)
    final = dataset.annotation(dataset.radiographs[0].id, "KILL")
    assert final.revision in (answered, answered + 1)
    assert not list((dataset.folder / "annotations" / "KILL").glob("*.broken*"))
