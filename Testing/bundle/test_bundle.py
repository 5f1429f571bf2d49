import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fractureai.bundle import (
    Bundle,
    BundleSpec,
    LandmarkLimits,
    ViewModels,
    load_bundle,
    resolve_bundle,
    site_table,
    write_bundle,
)
from fractureai.bundle.card import model_card
from fractureai.bundle.spec import spec_from_json, spec_to_json
from fractureai.errors import BundleError
from fractureai.sites import load_site

CONFIG = {"network_def": {"_target_": "torch.nn.Linear", "in_features": 1, "out_features": 2}}
LIMITS = LandmarkLimits(0.1, (0.5, 0.5, 0.5), (1.5, 1.5, 1.5), 15.0, 60.0)


def view_models(view: str) -> ViewModels:
    return ViewModels(
        localizers=(f"models/{view}/localizer_0.onnx",),
        classifiers=(f"models/{view}/classifier_0.onnx", f"models/{view}/classifier_1.onnx"),
        threshold=0.41,
        window_px=224,
        crops="five",
        mirror=True,
        limits=LIMITS,
        fold_disagreement_max=0.2,
    )


@pytest.fixture
def spec() -> BundleSpec:
    return BundleSpec(
        id="wrist-quick-1",
        title="Wrist, quick recipe",
        site=site_table(load_site("wrist")),
        views={"PA": view_models("PA"), "LAT": view_models("LAT")},
        ensemble_threshold=0.5,
        view_disagreement_max=0.5,
        localizer_size_px=256,
        recipe={"name": "quick", "epochs": 3},
        data={"simulated": True, "patients": 20, "fingerprint": "abc"},
        metrics={
            "general": {"auroc": {"value": 0.97, "low": 0.9, "high": 0.99}, "n": 40},
            "hard": {"auroc": float("nan")},
        },
        versions={"torch": "2.13.0", "monai": "1.6.1", "numpy": "2.4.6"},
        command="fractureai train wrists out --recipe quick",
        notice="trained on simulated images; not for clinical use",
        created="2026-01-02",
    )


@pytest.fixture
def models(tmp_path, spec) -> dict[str, Path]:
    folder = tmp_path / "exported"
    folder.mkdir()
    files = {}
    for number, name in enumerate(spec.onnx_files()):
        for suffix in (".onnx", ".safetensors"):
            relative = name.replace(".onnx", suffix)
            files[relative] = folder / f"{number}{suffix}"
            files[relative].write_bytes(b"weights" + bytes([number]))
    return files


@pytest.fixture
def folder(tmp_path, spec, models) -> Path:
    return write_bundle(tmp_path / "bundle", spec, models, CONFIG)


def rehash(folder: Path) -> None:
    """Write the hashes anew, as somebody would who changes a bundle on purpose."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "sha256.json"]
    hashes = {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    (folder / "sha256.json").write_text(json.dumps(hashes))


def edit_metadata(folder: Path, **values) -> None:
    path = folder / "configs/metadata.json"
    table = json.loads(path.read_text(encoding="utf-8"))
    table["fractureai"].update(values)
    path.write_text(json.dumps(table), encoding="utf-8")
    rehash(folder)


def test_round_trip(folder, spec):
    bundle = load_bundle(folder, load_site("wrist"))
    assert isinstance(bundle, Bundle)
    assert bundle.id == "wrist-quick-1"
    assert bundle.site == load_site("wrist")
    assert bundle.spec.views == spec.views
    assert bundle.spec.metrics["hard"]["auroc"] is None  # JSON has no NaN
    assert replace(bundle.spec, metrics={}) == replace(
        spec, metrics={}, site=bundle.spec.site, recipe=bundle.spec.recipe
    )
    assert bundle.path(spec.views["LAT"].classifiers[1]).read_bytes() == b"weights\x05"


def test_layout_is_that_of_a_monai_bundle(folder):
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"configs/metadata.json", "configs/inference.json", "docs/README.md", "LICENSE", "sha256.json"} <= names
    assert {"models/PA/localizer_0.onnx", "models/PA/localizer_0.safetensors"} <= names
    metadata = json.loads((folder / "configs/metadata.json").read_text(encoding="utf-8"))
    required = "version monai_version pytorch_version numpy_version task description authors copyright changelog"
    assert set(required.split()) <= set(metadata)
    data_format = metadata["network_data_format"]
    keys = {"type", "format", "num_channels", "spatial_shape", "dtype", "value_range", "is_patch_data", "channel_def"}
    for tensor in (*data_format["inputs"].values(), *data_format["outputs"].values()):
        assert keys <= set(tensor)
    assert data_format["outputs"]["pred"]["channel_def"] == {"0": "normal", "1": "fracture"}


@pytest.mark.slow
def test_monai_reads_metadata_and_builds_the_network(folder):
    code = (
        "import sys; from monai.bundle import ConfigParser;"
        "p = ConfigParser(); p.read_config(sys.argv[2]); p.read_meta(sys.argv[1]);"
        "print(p['_meta_::network_data_format::inputs::image::spatial_shape'], p.get_parsed_content('network_def'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder / "configs/metadata.json"), str(folder / "configs/inference.json")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "[224, 224] Linear(in_features=1" in done.stdout


def test_nothing_is_left_beside_the_bundle(folder):
    assert {path.name for path in folder.parent.iterdir()} == {"bundle", "exported"}


def test_a_failed_write_leaves_the_old_bundle(folder, spec, models):
    before = (folder / "sha256.json").read_bytes()
    next(iter(models.values())).unlink()
    with pytest.raises(BundleError, match="missing"):
        write_bundle(folder, spec, models, CONFIG, overwrite=True)
    assert (folder / "sha256.json").read_bytes() == before
    load_bundle(folder)


def test_overwriting_is_asked_for(folder, spec, models):
    with pytest.raises(BundleError, match="there is a bundle already"):
        write_bundle(folder, spec, models, CONFIG)
    write_bundle(folder, replace(spec, id="second"), models, CONFIG, overwrite=True)
    assert load_bundle(folder).id == "second"


def test_a_folder_with_other_files_is_never_replaced(tmp_path, spec, models):
    precious = tmp_path / "images" / "a.dcm"
    precious.parent.mkdir()
    precious.write_bytes(b"x")
    with pytest.raises(BundleError, match="not of a bundle"):
        write_bundle(precious.parent, spec, models, CONFIG, overwrite=True)
    assert precious.read_bytes() == b"x"


@pytest.mark.parametrize(
    "name", ["models/PA/model.pt", "models/../x.onnx", "/etc/x.onnx", "x.onnx", "models\\PA\\x.onnx"]
)
def test_only_models_without_code_are_written(tmp_path, spec, models, name):
    with pytest.raises(BundleError, match="not a model file"):
        write_bundle(tmp_path / "b", spec, {**models, name: next(iter(models.values()))}, CONFIG)
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("name", ["models/PA/classifier_0.onnx", "docs/README.md", "configs/metadata.json", "LICENSE"])
def test_a_changed_file_is_refused(folder, name):
    with (folder / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(BundleError, match=rf"{name} was changed.*copy the bundle again"):
        load_bundle(folder)


def test_missing_and_extra_files_are_refused(folder):
    (folder / "notes.txt").write_text("x")
    with pytest.raises(BundleError, match=r"notes\.txt does not belong"):
        load_bundle(folder)
    (folder / "notes.txt").rename(folder / ".DS_Store")  # what a file browser leaves is no reason to refuse
    load_bundle(folder)
    (folder / "models/PA/localizer_0.onnx").unlink()
    with pytest.raises(BundleError, match=r"localizer_0\.onnx is missing"):
        load_bundle(folder)


def test_a_model_can_not_be_taken_out_together_with_its_hash(folder):
    (folder / "models/PA/localizer_0.onnx").unlink()
    rehash(folder)
    with pytest.raises(BundleError, match=r"localizer_0\.onnx is missing"):
        load_bundle(folder)


def test_pickles_are_refused_even_with_their_hash(folder):
    (folder / "models/PA/model.pt").write_bytes(b"\x80\x04.")
    rehash(folder)
    with pytest.raises(BundleError, match="can carry code"):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("version", "advice"), [(3, "update FractureAI"), (0, "train it anew"), (None, "train it anew")]
)
def test_another_format_version_is_refused(folder, version, advice):
    edit_metadata(folder, format_version=version)
    with pytest.raises(BundleError, match=f"format version is {version}.*{advice}"):
        load_bundle(folder)


def test_another_site_is_refused(folder):
    wrist = load_site("wrist")
    with pytest.raises(BundleError, match="reads the site wrist, not ankle"):
        load_bundle(folder, replace(wrist, name="ankle"))
    with pytest.raises(BundleError, match="classes differ"):
        load_bundle(folder, replace(wrist, classes=("normal", "fracture", "cast")))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"views": {}}, "views are"),
        ({"views": []}, "views is missing"),
        ({"surprise": 1}, "surprise"),
        ({"ensemble_threshold": "half"}, "ensemble_threshold is not float"),
        ({"localizer_size_px": -1}, "must be positive"),
        ({"site": {"format_version": 1}}, "keys missing"),
    ],
)
def test_a_malformed_specification_is_one_sentence(folder, values, message):
    edit_metadata(folder, **values)
    with pytest.raises(BundleError, match=message):
        load_bundle(folder)


@pytest.mark.parametrize(
    "change", [{"window_px": 300}, {"crops": "ten"}, {"classifiers": ()}, {"threshold": float("nan")}]
)
def test_a_contradictory_view_is_not_written(tmp_path, spec, models, change):
    wrong = replace(spec, views={**spec.views, "PA": replace(spec.views["PA"], **change)})
    with pytest.raises(BundleError, match="PA"):
        write_bundle(tmp_path / "b", wrong, models, CONFIG)


def test_what_is_not_a_bundle(tmp_path):
    with pytest.raises(BundleError, match="no such bundle"):
        load_bundle(tmp_path / "nowhere")
    with pytest.raises(BundleError, match="it is not a bundle"):
        load_bundle(tmp_path)


def test_a_copied_bundle_loads(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "elsewhere")
    load_bundle(tmp_path / "elsewhere")


def test_demo_is_a_folder_of_the_package():
    try:
        found = resolve_bundle("demo")
    except BundleError as error:
        found = error.path
    assert found.parts[-3:] == ("fractureai", "bundles", "demo")


def test_numpy_values_become_json(spec):
    table = spec_to_json(replace(spec, metrics={"a": np.float32(0.5), "b": np.arange(2), "c": (1, 2)}))
    assert json.loads(json.dumps(table, allow_nan=False))["metrics"] == {"a": 0.5, "b": [0, 1], "c": [1, 2]}
    assert spec_from_json(table).metrics["b"] == [0, 1]


def test_the_card_says_what_it_must(spec):
    card = model_card(spec)
    for text in (
        "Not for diagnosis",
        "every training image was simulated",
        "| general, AUROC | 0.970 (0.900-0.990) |",
        "| hard, AUROC | not measurable |",
        "| PA alone | 0.410 |",
        "fractureai train wrists out --recipe quick",
        "70 mm as 256 pixels",
        spec.notice,
    ):
        assert text in card
    assert "$" not in card
    real = model_card(replace(spec, data={"simulated": False, "patients": 3}, notice="", metrics={}))
    assert "every training image was simulated" not in real
    assert "Treat its output as untested" in real


def test_the_licence_of_real_weights_is_not_given_away(tmp_path, spec, models):
    folder = write_bundle(tmp_path / "real", replace(spec, data={"simulated": False}), models, CONFIG)
    assert "No licence is granted" in (folder / "LICENSE").read_text()
    folder = write_bundle(tmp_path / "own", spec, models, CONFIG, license_text="mine")
    assert (folder / "LICENSE").read_text() == "mine"


def test_no_torch():
    code = "import sys, fractureai.bundle; print(sorted({'torch', 'monai', 'onnx', 'onnxruntime'} & set(sys.modules)))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
