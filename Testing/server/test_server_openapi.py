"""The interface is what its OpenAPI document says: examples everywhere, and whatever is sent, an answer that fits."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import running_server

CONFIG = """
[[operations]]
include-path-regex = "^/v1/datasets/"
parameters = {{ name = "wrists", uid = "{uid}", rater = "fuzz" }}
"""


@pytest.fixture(scope="module")
def document(server):
    with server.client() as client:
        return client.get("openapi.json").json()


def own(document):
    """Yield the operations, those of jobs excepted: address, method, operation."""
    for address, methods in document["paths"].items():
        for method, operation in methods.items():
            if not address.startswith("/v1/jobs"):
                yield address, method, operation


def test_every_operation_is_described(document):
    for address, _, operation in own(document):
        assert operation.get("description"), address
        assert {"400", "401", "404", "413", "422", "503"} <= set(operation["responses"]), address
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                schema = response["content"]["application/json"]["schema"]
                assert schema["$ref"].endswith(("Problem", "Conflict")), (address, status)


def test_every_body_and_answer_has_examples(document):
    def has_example(schema) -> bool:
        if "$ref" in schema:
            return has_example(document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]])
        return bool(
            schema.get("examples")
            or schema.get("example")
            or any(has_example(part) for part in schema.get("properties", {}).values())
            or ("items" in schema and has_example(schema["items"]))
        )

    for address, method, operation in own(document):
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if body is not None:
            assert has_example(body["schema"]), (address, method)
        answer = operation["responses"].get("200", {}).get("content", {}).get("application/json")
        if answer is not None:
            assert answer.get("example") or has_example(answer["schema"]), (address, method)


@pytest.mark.slow
def test_whatever_is_sent_the_answer_fits(tmp_path, wrists):
    """schemathesis against a real server: no 5xx, only documented statuses, media types and bodies."""
    (tmp_path / "schemathesis.toml").write_text(CONFIG.format(uid=wrists.radiographs[0].id), encoding="utf-8")
    with running_server(tmp_path / "work", roots=[wrists.folder.parent]) as server:
        program = Path(sys.executable).with_name("schemathesis" + (".exe" if os.name == "nt" else ""))
        words = [
            "run",
            f"{server.url}/v1/openapi.json",
            "--header",
            f"Authorization: Bearer {server.token}",
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
            "response_headers_conformance,unsupported_method",
            "--max-examples",
            "10",
            "--seed",
            "1",
            "--exclude-path-regex",
            "/events$",
            "--phases",
            "examples,coverage,fuzzing",
            "--suppress-health-check",
            "all",
        ]
        done = subprocess.run(
            [program, *map(str, words)], capture_output=True, text=True, timeout=300, cwd=tmp_path, encoding="utf-8"
        )
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        assert server.process.poll() is None
        assert " 500 " not in server.log()
