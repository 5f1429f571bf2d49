"""The model card: readable, machine-readable, and guarded like everything else in a bundle."""

import hashlib
import json
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from fractureai.bundle import BundleSpec, load_bundle, write_bundle
from fractureai.bundle.card import model_card, model_card_json
from fractureai.bundle.use import failure_modes, intended_use
from fractureai.errors import BundleError

CONFIG = {"network_def": {"_target_": "torch.nn.Linear", "in_features": 1, "out_features": 2}}
RELIABILITY = {
    "format_version": 1,
    "calibration": "temperature",
    "calibrators": {"temperature": {"method": "temperature", "temperature": 1.4, "knots": [], "cases": 60}},
    "combined": {
        "weights": {"variance": 0.0, "knn": 1.25},
        "intercept": -2.0,
        "fitted_on_errors": 9,
        "note": "It learned.",
    },
    "views": ["PA", "LAT"],
    "coverage": 0.8,
    "alpha": 0.1,
    "held_out": 60,
    "source": {"dataset": "wrists", "studies": 60},
}


@pytest.fixture
def spec() -> BundleSpec:
    """That of the bundle that comes along, as after a calibration and of a variant."""
    found = load_bundle("demo").spec
    return replace(found, recipe={**found.recipe, "variant": "as-published"}, reliability=RELIABILITY)


@pytest.fixture(scope="module")
def schema() -> Draft202012Validator:
    text = resources.files("fractureai.bundle").joinpath("model_card.schema.json").read_text(encoding="utf-8")
    Draft202012Validator.check_schema(json.loads(text))
    return Draft202012Validator(json.loads(text))


def test_programs_and_people_read_the_same(spec: BundleSpec, schema: Draft202012Validator) -> None:
    card, text = model_card_json(spec), " ".join(model_card(spec).split())
    schema.validate(card)
    assert json.loads(json.dumps(card, allow_nan=False)) == card
    sentences = [card["intended_use"]["purpose"], card["intended_use"]["users"]]
    sentences += [*card["intended_use"]["out_of_scope"], *card["known_failure_modes"]]
    for sentence in sentences:
        assert sentence in text
    assert card["model_details"]["variant"] == "as-published"
    assert "variant `as-published`" in text
    assert card["training_data"] == spec.data
    assert card["model_details"]["views"]["PA"]["threshold"] == spec.views["PA"].threshold
    assert card["reliability"] == {
        "calibration": "temperature",
        "coverage": 0.8,
        "alpha": 0.1,
        "held_out": 60,
        "weights": {"variance": 0.0, "knn": 1.25},
        "fitted_on_errors": 9,
        "note": "It learned.",
        "source": {"dataset": "wrists", "studies": 60},
    }
    assert "it answers 80 % and refers the others" in text
    assert "90 % of studies like the held-out ones have their own class in the set" in text
    assert "It learned." in text
    assert "| dataset | wrists |" in text
    assert "distance to the nearest training images 1.25." in text


def test_what_is_not_known_is_said_to_be_unknown(spec: BundleSpec, schema: Draft202012Validator) -> None:
    bare = replace(spec, reliability=None, metrics={}, recipe={})
    card = model_card_json(bare)
    schema.validate(card)
    assert (card["reliability"], card["model_details"]["variant"], card["model_details"]["recipe"]) == (
        None,
        None,
        None,
    )
    text = model_card(bare)
    assert "Not measured: its probabilities are not calibrated" in text
    assert "Treat its output as untested" in text
    assert "less certain than the coverage" not in text


def test_images_of_people_are_out_of_scope_of_simulated_training(spec: BundleSpec) -> None:
    assert any("images of people" in line for line in intended_use(spec).out_of_scope)
    real = replace(spec, data={**spec.data, "simulated": False})
    assert not any("images of people" in line for line in intended_use(real).out_of_scope)


def test_a_group_that_is_worse_than_the_whole_is_a_failure_mode(spec: BundleSpec) -> None:
    metrics = {
        "all": {"auroc": {"value": 0.9, "low": 0.85, "high": 0.95}, "f1": 0.8},
        "hard": {"auroc": {"value": 0.6, "low": 0.5, "high": 0.7}, "f1": 0.1},
        "cast": {"auroc": {"value": 0.85, "low": 0.7, "high": 0.97}},
        "kept": {"auroc": {"value": None, "low": None, "high": None}},
    }
    modes = failure_modes(replace(spec, metrics=metrics))
    assert modes[-1] == "hard: auroc 0.60 (0.50-0.70), against 0.90 (all)."
    assert len(modes) == len(failure_modes(replace(spec, metrics={}))) + 1


def test_the_card_is_in_the_bundle_and_guarded(tmp_path: Path, spec: BundleSpec) -> None:
    source = tmp_path / "w.onnx"
    source.write_bytes(b"weights")
    plain = replace(spec, reliability=None)
    folder = write_bundle(tmp_path / "bundle", plain, dict.fromkeys(spec.onnx_files(), source), CONFIG)
    path = folder / "docs" / "model_card.json"
    assert json.loads(path.read_text(encoding="utf-8")) == model_card_json(plain)
    hashes = json.loads((folder / "sha256.json").read_text(encoding="utf-8"))
    assert hashes["docs/model_card.json"] == hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(BundleError, match=r"docs/model_card\.json was changed"):
        load_bundle(folder)
