"""A bundle learns how far it can be trusted: real files, real ONNX networks, three a view, that are sometimes wrong.

The networks look for the brightest of 8 x 8 cells. Fractures are bright discs whose brightness overlaps with that of
discs on normal wrists, so that they err as often as they must. Their features are the cells themselves.
"""

import itertools
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pydicom
import pytest
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

from fractureai.bundle import BundleSpec, LandmarkLimits, ViewModels, load_bundle, site_table, write_bundle
from fractureai.bundle.reliability import load_arrays
from fractureai.dataset import Annotation, Dataset, RadiographRow, Split, make_splits
from fractureai.errors import EvaluationError
from fractureai.evaluation import studies
from fractureai.evaluation.calibrate import fit_reliability
from fractureai.evaluation.seen import seen_by
from fractureai.inference import Pipeline, Referral
from fractureai.inference.trust import Trust, evidence_of, judge
from fractureai.reliability import SCORES
from fractureai.sites import load_site

NAME = "cells"
SIZE, SPACING_MM = 128, 0.8
LANDMARKS = np.array([(72.0, 44.0), (72.0, 84.0), (48.0, 64.0)])
BIASES = (-11.8, -12.0, -12.3)


def localizer(path):
    """Write a network that finds the landmarks always at the same places."""
    values = ", ".join(f"{value:.6f}" for value in ((LANDMARKS + 0.5) / SIZE).ravel())
    text = f"""
    <ir_version: 8, opset_import: ["" : 17]>
    localizer (float[n, 1, 64, 64] image) => (float[n, 3, 2] landmarks, float[n, 3] spread)
    <float[1, 3, 2] places = {{{values}}}, float[1, 3] spreads = {{0.01, 0.01, 0.01}}>
    {{
        all = Constant <value_ints = [1, 2, 3]> ()
        total = ReduceMax <axes = [1, 2, 3], keepdims = 0> (image)
        axes = Constant <value_ints = [1, 2]> ()
        column = Unsqueeze (total, axes)
        zero = Sub (column, column)
        landmarks = Add (zero, places)
        axis = Constant <value_ints = [1]> ()
        row = Unsqueeze (total, axis)
        nothing = Sub (row, row)
        spread = Add (nothing, spreads)
    }}
    """
    onnx.save(onnx.parser.parse_model(text), path)
    return path


def classifier(path, bias):
    """Write a network: log-odds = 20 * brightest cell + ``bias``; features are the cells."""
    text = f"""
    <ir_version: 8, opset_import: ["" : 17]>
    classifier (float[n, 1, 224, 224] image)
        => (float[n, 2] probability, float[n, h, w] activation_map, float[n, c] features, float[n, 2] logits)
    <float[1] gain = {{20.0}}, float[1] bias = {{{bias}}}>
    {{
        cells = AveragePool <kernel_shape = [28, 28], strides = [28, 28]> (image)
        channel = Constant <value_ints = [1]> ()
        activation_map = Squeeze (cells, channel)
        features = Flatten <axis = 1> (cells)
        highest = ReduceMax <axes = [2, 3], keepdims = 0> (cells)
        scaled = Mul (highest, gain)
        positive = Add (scaled, bias)
        negative = Sub (positive, positive)
        logits = Concat <axis = 1> (negative, positive)
        probability = Softmax <axis = 1> (logits)
    }}
    """
    onnx.save(onnx.parser.parse_model(text), path)
    return path


def write_bundle_of(folder, *, folds=1, name=NAME):
    """Write a bundle of three networks a view, of one fold with three members, or of three folds."""
    limits = LandmarkLimits(0.5, (0.1,) * 3, (3.0,) * 3, 1.0, 200.0)
    views, files = {}, {}
    work = folder.with_name(f"{folder.name}-onnx")
    work.mkdir(parents=True)
    for view in ("PA", "LAT"):
        names = [f"models/{view}/{stage}_{i}.onnx" for stage in ("localizer", "classifier") for i in range(3)]
        for number, relative in enumerate(names):
            target = work / f"{view}{number}.onnx"
            files[relative] = localizer(target) if number < 3 else classifier(target, BIASES[number - 3])
        views[view] = ViewModels(tuple(names[:3]), tuple(names[3:]), 0.5, 224, "five", False, limits, 0.2)
    spec = BundleSpec(
        id="cells-1",
        title="Cells",
        site=site_table(load_site("wrist")),
        views=views,
        ensemble_threshold=0.5,
        view_disagreement_max=0.3,
        localizer_size_px=64,
        recipe={"name": "cells", "folds": folds, "members": 3 if folds == 1 else 1},
        data={"simulated": True, "name": name, "fingerprint": "of the training"},
        metrics={},
        versions={},
        command="",
        notice="",
        created="2026-01-01",
    )
    return write_bundle(folder, spec, files, {"network_def": {"_target_": "torch.nn.Identity"}})


def picture(rng, fracture):
    """Draw a wrist: a ramp, its texture, and a disc whose brightness says more or less what it is."""
    rows, cols = np.mgrid[:SIZE, :SIZE].astype(float)
    image = 0.35 * cols / SIZE + 0.03 * rng.standard_normal((SIZE, SIZE))
    row, col = 60 + rng.uniform(-12, 12, 2)
    brightness = np.clip(rng.normal(0.65 if fracture else 0.55, 0.1), 0.3, 0.95)
    image[(rows - row) ** 2 + (cols - col) ** 2 <= 15**2] = brightness
    image[:3] = image[-3:] = 1.0  # more than 1 % of the image is white: grey values stay as drawn
    return np.clip(image, 0, 1)


def write_dicom(path, uid, study, patient, view, image):
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.SOPInstanceUID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID = uid, study, f"{study}.1"
    dataset.PatientID, dataset.Modality, dataset.ViewPosition, dataset.ImageLaterality = patient, "DX", view, "L"
    dataset.Rows, dataset.Columns = image.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.ImagerPixelSpacing = [SPACING_MM, SPACING_MM]
    dataset.PixelData = (image * 4000).astype(np.uint16).tobytes()
    dataset.save_as(path, enforce_file_format=True)


def write_wrists(folder, count, *, seed=0, name=NAME, root="1.2.3", fractures=0.5):
    """Write a dataset of studies of two views, one a patient, with the truth."""
    rng = np.random.default_rng(seed)
    dataset = Dataset.create(folder, name=name)
    rows, marks = [], []
    for number in range(count):
        fracture = number < round(fractures * count)
        for index, view in enumerate(("PA", "LAT")):
            study = f"{root}.{number}"
            uid = f"{study}.{index}"
            write_dicom(folder / "images" / f"{uid}.dcm", uid, study, f"P{number}", view, picture(rng, fracture))
            rows.append(RadiographRow(uid, study, f"{root}P{number}", view, "L", f"images/{uid}.dcm"))
            label = "fracture" if fracture else "normal"
            marks.append(Annotation(uid, "truth", status="done", label=label, view=view, side="L"))
    dataset.add_rows(rows)
    dataset.save_all(marks)
    return dataset


@pytest.fixture(scope="module")
def wrists(tmp_path_factory):
    """The dataset of the training: 80 studies, half of them held out in the validation split, none to test."""
    dataset = write_wrists(tmp_path_factory.mktemp("wrists") / "d", 84)
    make_splits(dataset, fractions=(0.35, 0.6, 0.05), folds=3, seed=0)
    return dataset


@pytest.fixture(scope="module")
def calibrated(wrists, tmp_path_factory):
    """A bundle of three members, calibrated on the validation split."""
    folder = write_bundle_of(tmp_path_factory.mktemp("calibrated") / "bundle")
    assert fit_reliability(folder, wrists) == folder
    return folder


@pytest.fixture(scope="module")
def pipeline(calibrated):
    return Pipeline.load(calibrated, threads=1)


@pytest.fixture
def bare(tmp_path):
    return write_bundle_of(tmp_path / "bundle")


def read_all(pipeline, dataset, split, **options):
    groups = studies(dataset, split)
    return {key: pipeline.read([dataset.read(row) for row in rows], **options) for key, rows in groups.items()}


def codes(prediction):
    return [reason.code for reason in prediction.referrals]


# ---- what is fitted ----


def test_a_calibrated_bundle_reads_with_every_figure(calibrated, pipeline, wrists):
    held_out = studies(wrists, "validation")
    reliability = load_bundle(calibrated).spec.reliability
    source = reliability["source"]
    assert (source["dataset"], source["split"], source["studies"]) == (NAME, "held-out", len(held_out))
    assert source["networks_a_study"] == [3]
    assert 0 < source["wrong"] < source["studies"] / 2
    prediction = pipeline.read([wrists.read(row) for row in next(iter(held_out.values()))])
    assert set(prediction.scores) == set(SCORES)
    assert np.isfinite(list(prediction.scores.values())).all()
    assert 0 <= prediction.uncertainty <= 1
    assert 0 < prediction.calibrated_probability < 1
    assert prediction.coverage == 0.9
    assert set(prediction.conformal) <= {"normal", "fracture"}


def test_scores_are_those_of_the_evidence(pipeline, wrists):
    """The figures in a reading are what the mathematics says of the networks' own answers."""
    rows = next(iter(studies(wrists, "validation").values()))
    prediction = pipeline.read([wrists.read(row) for row in rows])
    evidence = [evidence_of(view) for view in prediction.views]
    assert evidence[0].probabilities.shape == (3, 5)
    assert evidence[0].logits.shape == (3, 2)
    np.testing.assert_allclose(evidence[0].probabilities.mean(axis=1), prediction.views[0].fold_probabilities)
    views = [view.probability for view in prediction.views]
    assert prediction.scores["views"] == pytest.approx(max(views) - min(views))
    members = np.mean([view.fold_probabilities for view in prediction.views], axis=0)
    assert prediction.scores["variance"] == pytest.approx(np.var(members))


@pytest.mark.parametrize("coverage", [0.5, 0.8])
def test_the_coverage_decides_how_many_of_the_held_out_studies_are_referred(pipeline, wrists, coverage):
    readings = read_all(pipeline, wrists, "validation", coverage=coverage)
    kept = np.mean([not {"score-uncertain", "unlike-training"} & set(codes(found)) for found in readings.values()])
    assert kept == pytest.approx(coverage, abs=0.12)


def test_with_a_coverage_of_one_none_is_referred_for_it(pipeline, wrists):
    readings = read_all(pipeline, wrists, "validation", coverage=1.0)
    assert not any("score-uncertain" in codes(found) for found in readings.values())
    assert all(found.uncertainty_limit == 1 for found in readings.values())


def test_referring_those_it_is_least_sure_of_leaves_fewer_wrong(pipeline, wrists):
    """On studies that nobody has fitted anything on."""
    fresh = read_all(pipeline, wrists, "train", coverage=0.6)
    truth = {key: wrists.reference_annotations()[rows[0].id].label for key, rows in studies(wrists, "train").items()}
    wrong = {key: (p.decision == "positive") != (truth[key] == "fracture") for key, p in fresh.items()}
    kept = [wrong[key] for key, p in fresh.items() if "score-uncertain" not in codes(p)]
    assert 0 < len(kept) < len(fresh)
    assert np.mean(kept) < np.mean(list(wrong.values()))


def test_what_looks_like_nothing_it_was_trained_on_is_said_so_once(pipeline, wrists):
    radiograph = wrists.read(wrists.radiographs[0])
    noise = np.random.default_rng(0).random(radiograph.shape).astype(np.float32) * 4000
    found = pipeline.read(replace(radiograph, pixels=noise), coverage=1.0)
    assert codes(found) == ["unlike-training"]
    assert "score-uncertain" not in codes(pipeline.read(replace(radiograph, pixels=noise), coverage=0.1))


def test_a_coverage_out_of_range_is_refused(pipeline, calibrated, wrists):
    for coverage in (0, -0.1, 1.01, float("nan")):
        with pytest.raises(EvaluationError, match="not a share"):
            pipeline.read(wrists.read(wrists.radiographs[0]), coverage=coverage)
        with pytest.raises(EvaluationError, match="not a share"):
            Pipeline.load(calibrated, coverage=coverage)
    assert Pipeline.load(calibrated, coverage=0.7).read(wrists.read(wrists.radiographs[0])).coverage == 0.7


# ---- rules that the score stands for ----


def test_disagreement_is_named_as_the_cause_and_not_as_a_reason_of_its_own(pipeline, wrists):
    rows = next(iter(studies(wrists, "validation").values()))
    views = pipeline.read([wrists.read(row) for row in rows]).views
    rules = [Referral("views-disagree", "PA and LAT disagree (0.10 and 0.90)."), Referral("other", "Something else.")]
    assert judge(None, views, rules).referrals == tuple(rules)
    answered = judge(pipeline.trust.at(1.0), views, rules)
    assert answered.referrals == (rules[1],)
    sure = Trust(**{**vars(pipeline.trust), "limit": -1.0})
    other, uncertain = judge(sure, views, rules).referrals
    assert other == rules[1]
    assert uncertain.code == "score-uncertain"
    assert uncertain.text.endswith("it was calibrated on: PA and LAT disagree (0.10 and 0.90).")


def test_networks_of_folds_answer_alone_so_their_disagreement_stays_a_rule(wrists, tmp_path):
    folder = write_bundle_of(tmp_path / "folds", folds=3)
    fit_reliability(folder, wrists)
    bundle = load_bundle(folder)
    assert bundle.spec.reliability["source"]["networks_a_study"] == [1]
    weights = bundle.spec.reliability["combined"]["weights"]
    assert "views" in weights
    assert not {"members", "variance"} & set(weights)
    trust = Trust.load(bundle)
    assert trust.stands_for("views-disagree")
    assert not trust.stands_for("folds-disagree")


# ---- who has seen whom ----


def test_a_study_is_judged_only_by_networks_that_have_not_seen_its_patient(wrists, tmp_path):
    one, three = (load_bundle(write_bundle_of(tmp_path / str(folds), folds=folds)) for folds in (1, 3))
    for patient, split in wrists.splits.items():
        expected = () if split.split == "train" else (0, 1, 2)
        assert seen_by(one, wrists).unseen_by(patient) == expected
        assert seen_by(three, wrists).unseen_by(patient) == ((0, 1, 2) if split.split == "test" else (split.fold,))


def test_a_reading_by_some_networks_is_theirs_alone(pipeline, wrists):
    radiograph = wrists.read(wrists.radiographs[0])
    everything, some = pipeline.read(radiograph).views[0], pipeline.read(radiograph, members=[2, 0]).views[0]
    np.testing.assert_allclose(some.fold_probabilities, everything.fold_probabilities[[2, 0]])
    np.testing.assert_allclose(some.features, everything.features[[2, 0]])
    assert some.members == (2, 0)


def test_the_training_images_are_known_again_in_a_renamed_copy(calibrated, wrists, tmp_path):
    """Without the record in the bundle, the copy would count as never seen."""
    shutil.copytree(wrists.folder, tmp_path / "copy")
    file = tmp_path / "copy" / "dataset.toml"
    file.write_text(file.read_text("utf-8").replace(f'"{NAME}"', '"renamed"'), "utf-8")
    (tmp_path / "copy" / "splits.csv").unlink()
    copy = Dataset.open(tmp_path / "copy")
    assert copy.name == "renamed"
    seen = seen_by(load_bundle(calibrated), copy)
    for patient, split in wrists.splits.items():
        assert seen.unseen_by(patient) == (() if split.split == "train" else (0, 1, 2))
    assert not any(b"1.2.3." in array.tobytes() for array in load_arrays(load_bundle(calibrated)).values())


def test_a_site_calibrates_on_its_own_studies_with_all_networks_and_the_banks_of_the_training(
    calibrated, tmp_path_factory
):
    own = write_wrists(tmp_path_factory.mktemp("own") / "d", 30, seed=9, name="own", root="1.9")
    folder = Path(shutil.copytree(calibrated, tmp_path_factory.mktemp("site") / "bundle"))
    before = load_bundle(folder)
    fit_reliability(folder, own, coverage=0.7)
    after = load_bundle(folder)
    assert after.spec.reliability["coverage"] == 0.7
    assert after.spec.reliability["source"]["studies"] == 30
    assert after.spec.reliability["source"]["networks_a_study"] == [3]
    old, new = load_arrays(before), load_arrays(after)
    same = [name for name in old if name.startswith(("banks/", "seen/"))]
    assert len(same) > 10
    for name in same:
        np.testing.assert_array_equal(new[name], old[name])
    never = write_bundle_of(tmp_path_factory.mktemp("never") / "bundle")
    fit_reliability(never, own)
    assert load_bundle(never).spec.reliability["views"] == []
    prediction = Pipeline.load(never, threads=1).read(own.read(own.radiographs[0]))
    assert not {"knn", "mahalanobis"} & set(prediction.scores)


def test_the_banks_are_balanced_and_no_larger_than_asked(bare, wrists):
    total = []
    fit_reliability(bare, wrists, bank_images=10, progress=lambda done, all_, text: total.append(all_))
    held_out = len(studies(wrists, "validation"))
    assert set(total) == {2 * 10 + held_out}
    arrays = load_arrays(load_bundle(bare))
    for view, number in itertools.product(("PA", "LAT"), range(3)):
        assert arrays[f"banks/{view}/{number}/images"].shape == (10, 64)
        assert arrays[f"banks/{view}/{number}/means"].shape == (2, 64)


# ---- refusals, and ends before the end ----


def test_too_few_or_one_class_is_refused_in_figures(bare, wrists, tmp_path):
    before = (bare / "sha256.json").read_bytes()
    few = write_wrists(tmp_path / "few", 18, name="few", root="1.7")
    with pytest.raises(EvaluationError, match=r"10 studies with and 10 without .* there are 9 and 9"):
        fit_reliability(bare, few)
    alike = write_wrists(tmp_path / "alike", 22, name="alike", root="1.8", fractures=1.0)
    with pytest.raises(EvaluationError, match="there are 22 and 0"):
        fit_reliability(bare, alike)
    with pytest.raises(EvaluationError, match=r"\(test\)"):
        fit_reliability(bare, wrists, split="test")
    with pytest.raises(EvaluationError, match="no choice of studies"):
        fit_reliability(bare, wrists, split="some")
    assert (bare / "sha256.json").read_bytes() == before


def test_cancelled_it_leaves_the_bundle_as_it_was(bare, wrists):
    before = (bare / "sha256.json").read_bytes()

    class CancelledError(Exception):
        pass

    def cancel(done, total, text):
        if done > total / 2:
            raise CancelledError

    with pytest.raises(CancelledError):
        fit_reliability(bare, wrists, progress=cancel)
    assert (bare / "sha256.json").read_bytes() == before
    assert [path.name for path in bare.parent.glob("*bundle")] == ["bundle"]


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_killed_it_leaves_the_bundle_as_it_was_and_no_torch_was_needed(bare, wrists):
    code = (
        "import os, signal, sys; from fractureai.dataset import Dataset;"
        "from fractureai.evaluation.calibrate import fit_reliability\n"
        "def follow(done, total, text):\n"
        "    if text == 'writing the bundle':\n"
        "        print('torch' in sys.modules, flush=True)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "fit_reliability(sys.argv[1], Dataset.open(sys.argv[2]), bank_images=10, progress=follow)"
    )
    command = [sys.executable, "-c", code, str(bare), str(wrists.folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (-signal.SIGKILL, "False"), done.stderr
    assert load_bundle(bare).spec.reliability is None


def test_splits_that_were_made_for_a_patient_count_even_without_a_record(wrists, tmp_path):
    """Patients that were added after the training are held to their split, to be safe."""
    bundle = load_bundle(write_bundle_of(tmp_path / "b", folds=3))
    splits = dict(wrists.splits)
    assert {split.split for split in splits.values()} == {"train", "validation", "test"}
    assert all(isinstance(split, Split) for split in splits.values())
    assert seen_by(bundle, wrists).record
    other = load_bundle(write_bundle_of(tmp_path / "c", folds=3, name="another"))
    assert seen_by(other, wrists).record == {}
