"""Bundles are registered only when they are what they say; hostile archives leave nothing behind."""

import io
import json
import os
import shutil
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from fractureai.bundle import load_bundle, resolve_bundle
from fractureai.bundle.layout import HASHES, METADATA, sha256
from fractureai.server.settings import Limits
from fractureai.server.unpack import unpack_zip

from .conftest import detail


@pytest.fixture
def bundle(wrists, tmp_path_factory) -> Path:
    """A copy of the demo bundle under an id of its own, below the server's root."""
    folder = wrists.folder.parent / "bundles" / tmp_path_factory.mktemp("x").name
    shutil.copytree(resolve_bundle("demo"), folder)
    return rename(folder, f"mine-{folder.name}")


def rename(folder: Path, identifier: str) -> Path:
    path = folder / METADATA
    table = json.loads(path.read_text(encoding="utf-8"))
    table["fractureai"]["id"] = identifier
    path.write_text(json.dumps(table), encoding="utf-8")
    return rehash(folder)


def rehash(folder: Path) -> Path:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != HASHES]
    hashes = {path.relative_to(folder).as_posix(): sha256(path) for path in files}
    (folder / HASHES).write_text(json.dumps(hashes), encoding="utf-8")
    return folder


def zipped(folder: Path, prefix: str = "") -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, prefix + path.relative_to(folder).as_posix())
    return data.getvalue()


def models_folder(server) -> list[str]:
    return sorted(path.name for path in (server.work / "models").iterdir())


def test_the_demo_bundle_is_always_there(client):
    demo = client.get("models").json()["models"][0]
    spec = load_bundle("demo").spec
    assert (demo["id"], demo["model"], demo["notice"]) == ("demo", spec.id, spec.notice)
    assert demo["views"]["PA"] == {"title": "Posteroanterior", "threshold": spec.views["PA"].threshold}
    assert demo["card"].startswith("#")
    detail(client.delete("models/demo"), 409)


@pytest.mark.parametrize("way", ["folder", "zip", "upload", "upload in a folder"])
def test_registering(client, server, bundle, study, way):
    if way == "folder":
        response = client.post("models", json={"path": str(bundle)})
    elif way == "zip":
        archive = bundle.with_suffix(".zip")
        archive.write_bytes(zipped(bundle))
        response = client.post("models", json={"path": str(archive)})
    else:
        content = zipped(bundle, "bundle/" if "folder" in way else "")
        response = client.post("models", files={"file": ("../../x.zip", content)})
    assert response.status_code == 200, response.text
    name = response.json()["id"]
    assert name == load_bundle(bundle).id
    assert name in [model["id"] for model in client.get("models").json()["models"]]
    again = client.post("models", json={"path": str(bundle)})
    assert again.json() == response.json()
    shutil.rmtree(bundle)
    reading = client.post("read", json={"paths": [str(path) for path in study], "model": name}).json()
    assert reading["model"] == name
    assert client.delete(f"models/{name}").status_code == 204
    detail(client.delete(f"models/{name}"), 404)
    detail(client.post("read", json={"paths": [str(study[0])], "model": name}), 404)
    assert name not in models_folder(server)


def test_another_bundle_of_the_same_name(client, bundle):
    assert client.post("models", json={"path": str(bundle)}).status_code == 200
    (bundle / "docs" / "README.md").write_text("changed", encoding="utf-8")
    detail(client.post("models", json={"path": str(rehash(bundle))}), 409)


def change(folder: Path, what: str) -> None:
    onnx = folder / "models" / "PA" / "classifier_0.onnx"
    if what == "changed":
        onnx.write_bytes(onnx.read_bytes() + b"x")
    elif what == "extra":
        (folder / "models" / "x.onnx").write_bytes(b"x")
    elif what == "pickle":
        (folder / "models" / "x.pt").write_bytes(b"x")
        rehash(folder)
    elif what == "missing":
        onnx.unlink()
    elif what == "no network":
        onnx.write_bytes(b"this is no network")
        rehash(folder)
    elif what == "no bundle":
        shutil.rmtree(folder / "configs")
    elif what == "metadata":
        (folder / METADATA).write_text("{", encoding="utf-8")
        rehash(folder)
    elif what == "link":
        onnx.unlink()
        onnx.symlink_to(resolve_bundle("demo") / "models" / "PA" / "classifier_0.onnx")
    elif what == "site":
        table = json.loads((folder / METADATA).read_text(encoding="utf-8"))
        table["fractureai"]["site"]["views"] = 3
        (folder / METADATA).write_text(json.dumps(table), encoding="utf-8")
        rehash(folder)


@pytest.mark.parametrize(
    "what", ["changed", "extra", "pickle", "missing", "no network", "no bundle", "metadata", "link", "site"]
)
def test_damaged_bundles(client, server, bundle, what):
    before = models_folder(server)
    change(bundle, what)
    text = detail(client.post("models", json={"path": str(bundle)}), 422)
    assert "This bundle can not be used" in text
    assert str(server.work) not in text
    if what != "link":
        detail(client.post("models", files={"file": ("x.zip", zipped(bundle))}), 422)
    assert models_folder(server) == before


def archive_of(*entries) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return data.getvalue()


def link_entry() -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo("models/link")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


def lying_size(size: int) -> bytes:
    """Return an archive whose entry says that it is smaller than it is."""
    data = bytearray(archive_of(("configs/metadata.json", b"0" * 5_000_000)))
    place = data.rfind(b"PK\x01\x02")
    struct.pack_into("<I", data, place + 24, size)
    return bytes(data)


HOSTILE = {
    "up": archive_of(("../evil.txt", "x")),
    "up inside": archive_of(("models/../../evil.txt", "x")),
    "absolute": archive_of(("/tmp/fractureai-evil.txt", "x")),
    "windows": archive_of(("C:/evil.txt", "x")),
    "backslash": archive_of(("models\\..\\..\\evil.txt", "x")),
    "link": archive_of((link_entry(), "/etc/passwd")),
    "lying": lying_size(10),
    "many": archive_of(*[(f"models/{number}", "") for number in range(1001)]),
    "empty": archive_of(),
    "text": b"this is no archive",
    "nothing": b"",
    "cut": archive_of(("configs/metadata.json", os.urandom(100_000)))[:50_000],
    "no directory": archive_of(("configs/metadata.json", os.urandom(100)))[:-22],
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_archives(client, server, wrists, what):
    before = models_folder(server)
    text = detail(client.post("models", files={"file": ("x.zip", HOSTILE[what])}), 422)
    assert text.startswith("This bundle can not be")
    assert models_folder(server) == before
    assert not list(server.work.rglob("*evil*"))
    assert not Path("/tmp/fractureai-evil.txt").exists()


def test_a_file_twice(client, server):
    with pytest.warns(UserWarning, match="Duplicate"):
        content = archive_of(("configs/metadata.json", "{}"), ("configs/metadata.json", "{}"))
    assert "twice" in detail(client.post("models", files={"file": ("x.zip", content)}), 422)


def test_bombs(tmp_path):
    """Ten megabytes of zeros in ten kilobytes: refused by what it says, and by what comes out."""
    from fractureai.server.errors import ApiError

    small = Limits(bundle_bytes=1 << 20)
    for number, content in enumerate([archive_of(("a", b"0" * 10_000_000)), lying_size(1000)]):
        source, target = tmp_path / f"{number}.zip", tmp_path / str(number)
        source.write_bytes(content)
        target.mkdir()
        with pytest.raises(ApiError):
            unpack_zip(source, target, small)
        assert sum(path.stat().st_size for path in target.rglob("*") if path.is_file()) <= 1 << 20


def test_wrong_imports(client, study):
    detail(client.post("models", json={"path": "/etc"}), 404)
    detail(client.post("models", json={"path": str(study[0])}), 422)
    detail(client.post("models", json={}), 422)
    detail(client.post("models", files={"other": ("x", b"x")}), 422)
    detail(client.post("models", data={"file": "x"}, files={"x": ("x", b"")}), 422)
