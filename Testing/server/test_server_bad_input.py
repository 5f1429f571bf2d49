"""A thousand malformed uploads: no crash, no 500, no leak."""

import gzip
import io
import random
import time
import zipfile
import zlib

import numpy as np
import psutil
import pydicom
import pytest
from PIL import Image

from .conftest import running_server

UPLOADS = 1000
WARM_UP = 300


def bomb() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x", b"0" * 50_000_000)
    return data.getvalue()


def deflated_bomb(study) -> bytes:
    """A deflated DICOM file whose header inflates to 200 MB."""
    meta = pydicom.dcmread(study[0]).file_meta
    meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
    buffer = io.BytesIO()
    pydicom.filewriter.write_file_meta_info(buffer, meta)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    element = b"\x09\x00\x10\x00UN\x00\x00" + (200_000_000).to_bytes(4, "little")
    return b"\0" * 128 + b"DICM" + buffer.getvalue() + packer.compress(element + b"0" * 200_000_000) + packer.flush()


def claims(study, rows: int, columns: int) -> bytes:
    data = pydicom.dcmread(study[0])
    data.Rows, data.Columns = rows, columns
    buffer = io.BytesIO()
    data.save_as(buffer)
    return buffer.getvalue()


def png_of(rows: int, columns: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((rows, columns), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def kinds(study):
    """Yield makers of malformed content."""
    good = [path.read_bytes() for path in study]
    fixed = [
        b"",
        b"\0" * 132,
        b"\0" * 128 + b"DICM",
        b"\0" * 128 + b"DICM" + b"\xff" * 500,
        "text, and \u00fc".encode(),
        bomb(),
        gzip.compress(b"0" * 50_000_000),
        deflated_bomb(study),
        claims(study, 65535, 65535),
        claims(study, 20_000, 20_000),
        claims(study, 0, 10),
        png_of(9000, 8000),
        png_of(16, 16)[:40],
        b"\xff\xd8\xff" + b"x" * 100,
        b"II*\0" + b"\xff" * 200,
        b"ObjectType = Image\nNDims = 2\nDimSize = 9 9\nElementDataFile = /etc/passwd\n",
        b"x" * 3_000_000,
    ]

    def fuzz(random_: random.Random) -> bytes:
        data = bytearray(random_.choice(good))
        head = random_.random() < 0.7
        for _ in range(random_.choice([1, 3, 30, 300])):
            data[random_.randrange(min(len(data), 3000) if head else len(data))] = random_.randrange(256)
        return bytes(data)

    def cut(random_: random.Random) -> bytes:
        data = random_.choice(good)
        return data[: random_.choice([random_.randrange(3000), random_.randrange(len(data))])]

    def noise(random_: random.Random) -> bytes:
        return random_.randbytes(random_.randrange(20_000))

    def swapped(random_: random.Random) -> bytes:
        data = random_.choice(good)
        place = random_.randrange(132, 3000)
        return data[:place] + random_.randbytes(random_.randrange(64)) + data[place + random_.randrange(64) :]

    makers = [fuzz, fuzz, fuzz, cut, cut, swapped, swapped, noise]
    return fixed, makers


def raw_request(random_: random.Random) -> dict:
    """A request whose multipart framing itself is broken, or whose headers are odd."""
    boundary = b"xyz"
    body = b'--xyz\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\nabc\r\n--xyz--\r\n'
    choice = random_.randrange(6)
    headers = {"Content-Type": "multipart/form-data; boundary=xyz"}
    if choice == 0:
        body = body[: random_.randrange(len(body))]
    elif choice == 1:
        body = body.replace(b"name=", b"nam=")
    elif choice == 2:
        headers["Content-Type"] = "multipart/form-data; boundary=" + "x" * random_.choice([0, 71, 5000])
    elif choice == 3:
        body = body.replace(b"\r\n\r\n", b"\r\n" + b"X-Long: " + b"y" * 200_000 + b"\r\n\r\n")
    elif choice == 4:
        headers["X-Huge"] = "z" * 30_000
    else:
        body = boundary + random_.randbytes(300)
    return {"content": body, "headers": headers}


@pytest.mark.slow
def test_a_thousand_malformed_uploads(tmp_path, study):
    """Sent to all addresses that take files; the sound study must read the same before, between and after."""
    fixed, makers = kinds(study)
    good = [("files", ("x", path.read_bytes())) for path in study]
    random_ = random.Random(7)
    statuses: dict[int, int] = {}
    with running_server(tmp_path / "work") as server, server.client() as client:
        process = psutil.Process(server.process.pid)

        def read_sound() -> float:
            answer = client.post("read", files=good)
            assert answer.status_code == 200
            overlay = answer.json()["overlay"]
            if overlay is not None:  # wait until it is drawn: what waits for that is in memory
                assert client.get(overlay).status_code == 200
            return answer.json()["ensemble"]["probability"]

        def send(number: int) -> None:
            if number % 10 == 9:
                response = client.post("read", **raw_request(random_))
            else:
                content = fixed[number % len(fixed)] if number % 7 == 0 else random_.choice(makers)(random_)
                if number % 5 == 4:
                    response = client.post("proposals", files={"file": ("x", content)})
                elif number % 50 == 1:
                    response = client.post("models", files={"file": ("x", content)})
                else:
                    response = client.post("read", files=[("files", ("x", content))])
            statuses[response.status_code] = statuses.get(response.status_code, 0) + 1
            assert response.status_code < 500, response.text
            if response.status_code >= 400:
                assert isinstance(response.json()["detail"], str)

        expected = read_sound()
        for number in range(WARM_UP):  # what is loaded on first use is loaded, the pools of memory have their size
            send(number)
        memory = [at_rest(process, read_sound)]
        for number in range(UPLOADS):
            send(number)
            if number % 250 == 249:
                assert read_sound() == expected
                memory.append(at_rest(process, read_sound))
        assert process.pid == server.process.pid
        assert "ERROR" not in server.log()
        assert list((server.work / "uploads").iterdir()) == []
    print(f"statuses {statuses}; memory at rest in MB: {[round(value / 1e6) for value in memory]}")
    # At rest it lies now here, now there between 297 and 392 MB (glibc's pools), without a trend over 4,000 uploads;
    # a radiograph kept at every upload would add gigabytes.
    assert min(memory[-2:]) <= 1.35 * max(memory[:2])


def at_rest(process: psutil.Process, read_sound) -> float:
    """Return the memory of the server after the same work has been done: the lowest of some looks.

    What each thread worked on last stays in memory until it works again, so the last work must be the same.
    """
    looks = []
    for _ in range(10):
        read_sound()
    for _ in range(4):
        time.sleep(1)
        looks.append(process.memory_info().rss)
    return min(looks)
