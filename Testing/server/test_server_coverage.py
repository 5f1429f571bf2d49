"""How many studies a model is to answer: asked by a client, set at the start, or the model's own."""

import jsonschema
import pytest

from fractureai.server.documents import reading_schema

from .conftest import detail, running_server


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory, wrists, calibrated_demo):
    """A server that wants every study answered, and the id of a calibrated model on it."""
    roots = [wrists.folder.parent, calibrated_demo.parent]
    work = tmp_path_factory.mktemp("server")
    with running_server(work, "--coverage", "1", roots=roots) as running, running.client() as client:
        answer = client.post("models", json={"path": str(calibrated_demo)})
        assert answer.status_code in (200, 201), answer.text
        yield client, answer.json()


def read(client, study, **asked):
    response = client.post("read", json={"paths": [str(path) for path in study], **asked})
    assert response.status_code == 200, response.text
    jsonschema.Draft202012Validator(reading_schema()).validate(response.json())
    return response.json()


def test_a_model_says_how_many_studies_it_answers(calibrated):
    client, model = calibrated
    assert model["coverage"] == 0.9
    assert {entry["id"]: entry["coverage"] for entry in client.get("models").json()["models"]}[model["id"]] == 0.9


def test_the_request_goes_before_the_server_s_own(calibrated, study):
    client, model = calibrated
    all_answered = read(client, study, model=model["id"])
    assert all_answered["reliability"]["coverage"] == 1
    assert "score-uncertain" not in [reason["code"] for reason in all_answered["reasons"]]
    few_answered = read(client, study, model=model["id"], coverage=0.005)
    assert few_answered["reliability"]["coverage"] == 0.005
    assert few_answered["reliability"]["uncertainty"] == pytest.approx(all_answered["reliability"]["uncertainty"])
    assert [reason["code"] for reason in few_answered["reasons"]][-1] == "score-uncertain"
    upload = [("files", (path.name, path.read_bytes())) for path in study]
    form = client.post("read", files=upload, data={"model": model["id"], "coverage": "0.5"})
    assert form.json()["reliability"]["coverage"] == 0.5


@pytest.mark.parametrize("coverage", [0, -1, 1.5, "much"])
def test_what_is_no_share_is_refused(calibrated, study, coverage):
    client, model = calibrated
    paths = [str(path) for path in study]
    answer = client.post("read", json={"paths": paths, "model": model["id"], "coverage": coverage})
    assert "coverage" in detail(answer, 422)
