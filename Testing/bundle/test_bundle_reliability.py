"""What a bundle keeps about how far its readings can be trusted: format version 2, and its file of arrays."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from fractureai.bundle import BundleSpec, LandmarkLimits, ViewModels, load_bundle, site_table, write_bundle
from fractureai.bundle.layout import RELIABILITY
from fractureai.bundle.reliability import load_arrays, write_with_reliability
from fractureai.bundle.spec import spec_from_json, spec_to_json
from fractureai.errors import BundleError
from fractureai.sites import load_site

CONFIG = {"network_def": {"_target_": "torch.nn.Identity"}}
LIMITS = LandmarkLimits(0.1, (0.5, 0.5, 0.5), (1.5, 1.5, 1.5), 15.0, 60.0)
TABLE = {"coverage": 0.9, "kept": ["a", "b"]}
ARRAYS = {"bank/PA": np.arange(6, dtype=np.float32).reshape(2, 3), "seen": np.array([1, 2**63], dtype=np.uint64)}


@pytest.fixture
def bundle(tmp_path):
    models = ("models/PA/localizer_0.onnx",), ("models/PA/classifier_0.onnx",)
    spec = BundleSpec(
        id="wrist-1",
        title="Wrist",
        site=site_table(load_site("wrist")),
        views={"PA": ViewModels(*models, 0.41, 224, "five", True, LIMITS, 0.2)},
        ensemble_threshold=0.5,
        view_disagreement_max=0.5,
        localizer_size_px=256,
        recipe={},
        data={"simulated": True},
        metrics={},
        versions={},
        command="",
        notice="",
        created="2026-01-01",
    )
    files = {}
    for name in spec.onnx_files():
        files[name] = tmp_path / name.replace("/", "_")
        files[name].write_bytes(b"weights of " + name.encode())
    return load_bundle(write_bundle(tmp_path / "bundle", spec, files, CONFIG, license_text="mine"))


def as_version_1(folder):
    """Turn a bundle into one of the first format."""
    path = folder / "configs/metadata.json"
    metadata = json.loads(path.read_text(encoding="utf-8"))
    metadata["fractureai"]["format_version"] = 1
    del metadata["fractureai"]["reliability"]
    path.write_text(json.dumps(metadata), encoding="utf-8")
    rehash(folder)


def rehash(folder):
    path = folder / "sha256.json"
    names = json.loads(path.read_text(encoding="utf-8"))
    hashes = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    path.write_text(json.dumps(hashes), encoding="utf-8")


def test_a_bundle_of_the_first_format_is_read(bundle):
    as_version_1(bundle.folder)
    assert load_bundle(bundle.folder).spec == bundle.spec
    assert load_bundle(bundle.folder).spec.reliability is None


def test_the_second_format_says_whether_there_is_a_reliability(bundle):
    table = spec_to_json(bundle.spec)
    assert table["format_version"] == 2
    assert spec_from_json(table) == bundle.spec
    with pytest.raises(ValueError, match="reliability"):
        spec_from_json({key: value for key, value in table.items() if key != "reliability"})
    with pytest.raises(ValueError, match="reliability is not a table"):
        spec_from_json({**table, "reliability": 3})


def test_the_bundle_is_written_anew_with_it_and_all_else_stays(bundle):
    before = {name: bundle.path(name).read_bytes() for name in (*bundle.spec.onnx_files(), "configs/inference.json")}
    assert write_with_reliability(bundle, TABLE, ARRAYS) == bundle.folder
    again = load_bundle(bundle.folder)
    assert again.spec == replace(bundle.spec, reliability=TABLE)
    arrays = load_arrays(again)
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype
    assert {name: bundle.path(name).read_bytes() for name in before} == before
    assert (bundle.folder / "LICENSE").read_text(encoding="utf-8") == "mine"
    write_with_reliability(again, {"second": True}, {"a": np.zeros(1)})
    assert load_bundle(bundle.folder).spec.reliability == {"second": True}
    assert {path.name for path in bundle.folder.parent.glob("*bundle*")} == {"bundle"}


def test_the_arrays_are_guarded_by_a_hash_and_can_not_be_left_out(bundle):
    write_with_reliability(bundle, TABLE, ARRAYS)
    file = bundle.path(RELIABILITY)
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + b"\xff")
    with pytest.raises(BundleError, match=r"reliability\.safetensors was changed"):
        load_bundle(bundle.folder)
    file.write_bytes(whole[:-1])
    rehash(bundle.folder)
    with pytest.raises(BundleError, match=r"reliability\.safetensors: it is damaged"):
        load_arrays(load_bundle(bundle.folder))
    file.unlink()
    names = json.loads((bundle.folder / "sha256.json").read_text(encoding="utf-8"))
    del names[RELIABILITY]
    (bundle.folder / "sha256.json").write_text(json.dumps(names), encoding="utf-8")
    with pytest.raises(BundleError, match=r"reliability\.safetensors is missing"):
        load_bundle(bundle.folder)
    with pytest.raises(BundleError, match="it is missing"):
        load_arrays(bundle)


def test_a_table_without_its_arrays_is_not_written(bundle, tmp_path):
    models = {name: bundle.path(name) for name in bundle.spec.onnx_files()}
    with pytest.raises(BundleError, match=r"reliability\.safetensors, which was not given"):
        write_bundle(tmp_path / "other", replace(bundle.spec, reliability=TABLE), models, CONFIG)


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
@pytest.mark.parametrize("step", ["shutil.copyfile", "safetensors.numpy.save_file"])
def test_killed_while_it_is_written_the_old_bundle_stays(bundle, step):
    """Kill -9 in the midst of the writing: the bundle under its name is the old one, whole."""
    module, name = step.rsplit(".", 1)
    code = (
        "import os, signal, sys; import numpy as np, shutil, safetensors.numpy;"
        f"setattr(sys.modules[{module!r}], {name!r}, lambda *a: os.kill(os.getpid(), signal.SIGKILL));"
        "from fractureai.bundle import load_bundle;"
        "from fractureai.bundle.reliability import write_with_reliability;"
        "write_with_reliability(load_bundle(sys.argv[1]), {'a': 1}, {'a': np.zeros(3)})"
    )
    assert subprocess.run([sys.executable, "-c", code, str(bundle.folder)], check=False).returncode == -signal.SIGKILL
    assert load_bundle(bundle.folder).spec == bundle.spec


def test_no_torch():
    code = "import sys, fractureai.bundle.reliability, safetensors.numpy; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
