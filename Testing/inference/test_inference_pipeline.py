"""Whole readings with analytic ONNX networks: numbers, decisions, and a reason for every kind of referral."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from fractureai.bundle import load_bundle
from fractureai.errors import BundleError
from fractureai.inference import OnnxRuntime, Pipeline, activation_on_image
from fractureai.inference.referral import CODES

from .conftest import build_bundle, make_radiograph, make_scene, make_spec, with_models


@pytest.fixture(scope="module")
def pipeline(bundle_folder) -> Pipeline:
    return Pipeline.load(bundle_folder, threads=1)


@pytest.fixture
def pipeline_of(tmp_path):
    """Make a pipeline of a changed bundle."""

    def make(spec=None, **bundle) -> Pipeline:
        return Pipeline.load(build_bundle(tmp_path / "bundle", spec, **bundle), threads=1)

    return make


def codes(prediction) -> list[str]:
    found = [reason.code for reason in prediction.referrals]
    assert set(found) <= set(CODES)
    assert prediction.refer == bool(found)
    assert all(reason.text.endswith(".") for reason in prediction.referrals)
    return found


def sigmoid(logit: float) -> float:
    return 1 / (1 + np.exp(-logit))


# ---- numbers ----


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_everything_is_found_where_it_is(pipeline, turns):
    scene = make_scene(shape=(420, 400), centre=(200, 190), quarter_turns=turns)
    prediction = pipeline.read(scene.radiograph)
    assert codes(prediction) == []
    (view,) = prediction.views
    np.testing.assert_allclose(list(view.landmarks.values()), scene.landmarks, atol=0.6)
    assert list(view.landmarks) == ["distal_ulna", "distal_radius", "wrist_centre"]
    assert view.roi.turns == turns
    assert view.roi.side_px == pytest.approx(140)
    activation = activation_on_image(view, view.image_shape)
    rows, cols = np.nonzero(activation > 0.5)
    np.testing.assert_allclose([rows.mean(), cols.mean()], scene.finding, atol=1)


def test_probabilities_thresholds_and_decision(pipeline):
    prediction = pipeline.read(make_scene().radiograph)
    (view,) = prediction.views
    # inside the finding a cell is 0.2 above the floor: logit 20 * 0.2 + bias
    np.testing.assert_allclose(view.fold_probabilities, [sigmoid(2.0), sigmoid(1.9)], atol=1e-5)
    assert view.probability == pytest.approx(np.mean([sigmoid(2.0), sigmoid(1.9)]), abs=1e-5)
    assert prediction.probability == view.probability
    assert prediction.threshold == 0.41
    assert (prediction.decision, prediction.decision_text) == ("positive", "Fracture likely")
    assert prediction.model == "analytic-1"
    assert prediction.notice == "trained on simulated images; not for clinical use"
    assert view.features.shape == (2, 1)
    assert view.activation_map.shape == (256, 256)
    assert view.activation_map.max() == 1
    negative = pipeline.read(make_scene(finding_mm=None).radiograph)
    assert negative.probability == pytest.approx(np.mean([sigmoid(-2.0), sigmoid(-2.1)]), abs=1e-5)
    assert (negative.decision, negative.decision_text) == ("negative", "Fracture unlikely")
    assert not negative.views[0].activation_map.any()


def test_ensemble_is_the_mean_over_views_of_the_means_of_their_images(pipeline):
    scenes = [
        make_scene(name="PA1"),
        make_scene(name="PA2", finding_mm=None, view="AP"),
        make_scene(name="LAT", view="LAT", finding_mm=(30.0, 0.0)),
    ]
    prediction = pipeline.read([scene.radiograph for scene in scenes])
    assert [view.view for view in prediction.views] == ["PA", "PA", "LAT"]
    first, second, lateral = (view.probability for view in prediction.views)
    assert prediction.probability == pytest.approx(((first + second) / 2 + lateral) / 2)
    assert prediction.threshold == 0.5


def test_lateral_alone_has_its_own_threshold(pipeline):
    assert pipeline.read(make_scene(view="LAT").radiograph).threshold == 0.58


def test_at_the_threshold_the_reading_is_positive(bundle_folder):
    bundle, radiograph = load_bundle(bundle_folder), make_scene().radiograph
    value = Pipeline.load(bundle, threads=1).read(radiograph).probability
    for threshold, decision in ((value, "positive"), (np.nextafter(value, 1), "negative")):
        exact = replace(bundle, spec=with_models(bundle.spec, threshold=float(threshold)))
        assert Pipeline.load(exact, threads=1).read(radiograph).decision == decision


def test_fewer_crops(pipeline_of):
    prediction = pipeline_of(with_models(make_spec(), crops="centre", mirror=False)).read(make_scene().radiograph)
    view = prediction.views[0]
    assert view.probability == pytest.approx(np.mean([sigmoid(2.0), sigmoid(1.9)]), abs=1e-5)
    assert not view.activation_map[:16].any()


def test_landmarks_are_the_mean_over_folds(tmp_path):
    spec = make_spec()
    two = replace(spec.views["PA"], localizers=("models/PA/localizer_0.onnx", "models/PA/localizer_1.onnx"))
    folder = build_bundle(tmp_path / "b", replace(spec, views={**spec.views, "PA": two}))
    scene = make_scene()

    class Shifted:
        """Runs the network of its file and moves the second fold's answers down by 8 % of the image."""

        def __init__(self, path):
            self.network, self.shift = OnnxRuntime(path, threads=1), 0.08 * (path.name == "localizer_1.onnx")

        def run(self, image):
            outputs = self.network.run(image)
            return outputs | {"landmarks": outputs["landmarks"] + np.array([self.shift, 0])} if self.shift else outputs

    view = Pipeline.load(folder, runtime=Shifted).read(scene.radiograph).views[0]
    moved = np.array(list(view.landmarks.values())) - np.array(scene.landmarks)
    np.testing.assert_allclose(moved.mean(axis=0), [0.04 * 400, 0], atol=0.5)


def test_stages_are_told_and_what_the_follower_raises_ends_the_reading(pipeline):
    stages = []
    pipeline.read([make_scene().radiograph, make_scene(view="LAT", name="LAT").radiograph], on_stage=stages.append)
    one = ["read", "localize", "crop", "classify"]
    assert stages == ["read", "read", *one, *one]

    class StoppedError(Exception):
        pass

    def stop(stage):
        stages.append(stage)
        if stage == "crop":
            raise StoppedError

    stages.clear()
    with pytest.raises(StoppedError):
        pipeline.read(make_scene().radiograph, on_stage=stop)
    assert stages == ["read", "read", "localize", "crop"]


def test_one_localizer_serves_every_member_of_an_ensemble(pipeline_of):
    spec = make_spec()
    single = pipeline_of(with_models(spec, localizers=next(iter(spec.views.values())).localizers[:1]))
    scene = make_scene()
    everything, second = single.read(scene.radiograph).views[0], single.read(scene.radiograph, members=[1]).views[0]
    assert second.landmarks == everything.landmarks
    assert second.fold_probabilities == pytest.approx(everything.fold_probabilities[1:])


def test_the_interval_is_the_bootstrap_over_folds_and_crops(pipeline):
    study = [make_scene(finding_mm=(15.0, 37.0)).radiograph, make_scene(view="LAT", name="LAT").radiograph]
    prediction = pipeline.read(study)
    for view in prediction.views:
        low, high = view.interval
        assert 0 <= low <= view.probability <= high <= 1
    edge, whole = (view.interval[1] - view.interval[0] for view in prediction.views)
    assert edge > 0.1  # some crops do not hold the finding
    assert whole < 0.05  # all crops hold it: only the folds differ
    low, high = prediction.interval
    assert low <= prediction.probability <= high
    assert high - low == pytest.approx(edge / 2, rel=0.25)
    assert pipeline.read(study).interval == prediction.interval
    assert pipeline.read(study[:1]).interval == pipeline.read(study[:1]).views[0].interval


def test_networks_are_loaded_once_by_many_threads(bundle_folder):
    loaded = []

    def factory(path):
        loaded.append(path)
        time.sleep(0.02)
        return OnnxRuntime(path, threads=1)

    shared = Pipeline.load(bundle_folder, runtime=factory)
    radiograph = make_scene().radiograph
    with ThreadPoolExecutor(8) as pool:
        found = {prediction.probability for prediction in pool.map(shared.read, [radiograph] * 16)}
    assert len(found) == 1
    assert len(loaded) == len(set(loaded)) == 3
    shared.load_networks()
    assert len(loaded) == len(set(loaded)) == 6


def test_timings_name_the_stages(pipeline):
    timings = pipeline.read(make_scene().radiograph).timings_ms
    assert list(timings) == ["read", "localize", "crop", "classify", "total"]
    assert sum(list(timings.values())[:4]) <= timings["total"]
    assert min(timings.values()) > 0


def test_another_runtime_takes_the_place_of_onnx(bundle_folder):
    loaded = []

    def factory(path: Path):
        loaded.append(path.relative_to(bundle_folder).as_posix())
        return OnnxRuntime(path, threads=1)

    pipeline = Pipeline.load(bundle_folder, runtime=factory)
    assert loaded == []
    scene = make_scene()
    assert (
        pipeline.read(scene.radiograph).probability == Pipeline.load(bundle_folder).read(scene.radiograph).probability
    )
    assert loaded == ["models/PA/localizer_0.onnx", "models/PA/classifier_0.onnx", "models/PA/classifier_1.onnx"]


def test_a_runtime_nobody_knows(bundle_folder):
    with pytest.raises(ValueError, match="no runtime tensorflow"):
        Pipeline.load(bundle_folder, runtime="tensorflow")


def test_a_file_that_is_no_network(tmp_path):
    path = tmp_path / "x.onnx"
    path.write_bytes(b"not a network")
    with pytest.raises(BundleError, match="ONNX Runtime can not load it"):
        OnnxRuntime(path)


def test_no_torch_after_import():
    code = (
        "import sys, fractureai.inference as i;"
        "print(sorted({'torch', 'monai', 'slicer', 'qt', 'matplotlib', 'onnxruntime'} & set(sys.modules)))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


# ---- what is given ----


def test_the_user_overrides_the_header(pipeline):
    radiograph = make_scene(view="unknown", side="unknown").radiograph
    prediction = pipeline.read(replace(radiograph, spacing_mm=None), view="PA", side="R", spacing_mm=0.5, name="case 7")
    (view,) = prediction.views
    assert (view.view, view.side, view.spacing_source, view.spacing_mm) == ("PA", "R", "user", (0.5, 0.5))
    assert prediction.study == "case 7"
    assert codes(prediction) == []


def test_the_study_is_named_by_its_uid_or_its_file(pipeline):
    radiograph = make_scene().radiograph
    assert pipeline.read(radiograph).study == "1.2.3"
    assert pipeline.read(replace(radiograph, study_instance_uid="", path=Path("a/wrist 7.png"))).study == "wrist 7"


def test_a_radiograph_given_twice_is_read_once(pipeline):
    radiograph = make_scene().radiograph
    prediction = pipeline.read([radiograph, radiograph])
    assert len(prediction.views) == 1
    assert "given twice" in prediction.problems[0]


@dataclass
class FoundStudy:
    radiographs: tuple


def save_png(path: Path, pixels: np.ndarray) -> Path:
    from PIL import Image

    Image.fromarray((pixels / pixels.max() * 65535).astype(np.uint16)).save(path)
    return path


def test_files_and_studies(pipeline, tmp_path):
    scene = make_scene()
    file = save_png(tmp_path / "wrist.png", scene.radiograph.pixels - 50)
    prediction = pipeline.read(file, view="PA", side="L", spacing_mm=(0.5, 0.5))
    (view,) = prediction.views
    np.testing.assert_allclose(list(view.landmarks.values()), scene.landmarks, atol=0.6)
    assert view.file == file
    header = replace(scene.radiograph, path=file)
    of_study = pipeline.read(FoundStudy((header,)), view="PA", spacing_mm=0.5)
    assert of_study.probability == prediction.probability
    assert codes(pipeline.read(str(file), view="PA")) == ["spacing-missing"]


# ---- referrals ----


def test_unreadable_file_and_the_rest_goes_on(pipeline, tmp_path):
    broken = tmp_path / "broken.dcm"
    broken.write_bytes(b"\0" * 128 + b"DICM" + b"rubbish")
    prediction = pipeline.read([broken, tmp_path / "missing.dcm", make_scene().radiograph])
    assert len(prediction.views) == 1
    assert prediction.probability is not None
    assert codes(prediction) == ["file-unreadable", "file-unreadable"]
    assert [str(broken) in prediction.problems[0], "missing.dcm" in prediction.problems[1]] == [True, True]


def test_nothing_readable(pipeline, tmp_path):
    prediction = pipeline.read(tmp_path / "missing.dcm")
    assert prediction.probability is None
    assert prediction.decision == "refer"
    assert prediction.decision_text == "Not sure: please read without me"
    assert prediction.study == "missing"


def test_unknown_view_is_not_guessed(pipeline):
    prediction = pipeline.read(make_scene(view="unknown").radiograph)
    assert (codes(prediction), prediction.views, prediction.decision) == (["view-unknown"], (), "refer")
    assert "PA or LAT" in prediction.referrals[0].text


def test_a_view_without_models(pipeline):
    oblique = make_scene(view="OBLIQUE", name="oblique").radiograph
    alone = pipeline.read(oblique)
    assert codes(alone) == ["view-not-supported"]
    assert alone.probability is None
    beside = pipeline.read([oblique, make_scene().radiograph])
    assert codes(beside) == []
    assert "not OBLIQUE" in beside.problems[0]


def test_a_view_the_bundle_was_not_trained_for(pipeline_of):
    spec = make_spec()
    only_pa = pipeline_of(replace(spec, views={"PA": spec.views["PA"]}))
    assert codes(only_pa.read(make_scene(view="LAT").radiograph)) == ["view-not-supported"]


def test_missing_spacing(pipeline):
    radiograph = replace(make_scene().radiograph, spacing_mm=None, spacing_source="none")
    prediction = pipeline.read(radiograph)
    (view,) = prediction.views
    assert codes(prediction) == ["spacing-missing"]
    assert view.spacing_source == "landmarks"
    assert view.spacing_mm[0] == pytest.approx(0.5 * 33 / 28.03, rel=0.01)  # the site profile says 33 mm, it is 28
    assert prediction.decision == "positive"


def test_landmarks_not_found_without_spacing(pipeline):
    stripes = np.zeros((300, 300), np.float32)
    stripes[::2] = 1
    prediction = pipeline.read(make_radiograph(stripes, spacing_mm=None, spacing_source="none"))
    assert codes(prediction) == ["landmarks-implausible"]
    assert prediction.probability is None


def test_vague_landmarks(pipeline):
    stripes = np.zeros((300, 300), np.float32)
    stripes[::2] = 1
    prediction = pipeline.read(make_radiograph(stripes))
    assert "landmarks-implausible" in codes(prediction)
    assert "not sure where this is: Top of distal ulna" in prediction.referrals[0].text


def test_landmarks_too_far_apart(pipeline):
    prediction = pipeline.read(make_scene(shape=(600, 600), centre=(280, 300), scale=2.0).radiograph)
    assert codes(prediction) == ["landmarks-implausible"]
    assert "20 to 50 mm are usual" in prediction.referrals[0].text


def test_landmarks_in_an_unusual_constellation(pipeline):
    scene = make_scene(finding_mm=None)
    pixels = scene.radiograph.pixels.copy()
    (row, col) = np.round(scene.landmarks[2]).astype(int)
    pixels[row - 16 : row + 17, col - 16 : col + 17] = 50
    (row, col) = np.round(scene.landmarks[0]).astype(int)
    rows, cols = np.indices(pixels.shape)
    pixels[(rows - row - 32) ** 2 + (cols - col) ** 2 <= 225] = 50 + 1000 * 0.65
    prediction = pipeline.read(replace(scene.radiograph, pixels=pixels))
    assert any("do not lie as usual" in reason.text for reason in prediction.referrals)


def test_landmark_on_the_border(pipeline_of):
    scene = make_scene(shape=(400, 360), centre=(170, 180))
    prediction = pipeline_of(shift=0.53).read(scene.radiograph)
    assert "landmarks-implausible" in codes(prediction)
    assert "on the border of the image: Top of distal ulna" in prediction.referrals[0].text


def test_region_outside_the_image(pipeline):
    scene = make_scene(shape=(268, 360), centre=(230, 180), finding_mm=None)
    prediction = pipeline.read(scene.radiograph)
    assert codes(prediction) == ["roi-outside-image"]
    assert "only 55 % of the region" in prediction.referrals[0].text


def test_blank_image(pipeline):
    prediction = pipeline.read(make_radiograph(np.ones((200, 200), np.float32)))
    assert (codes(prediction), prediction.probability) == (["image-blank"], None)


def test_folds_disagree_by_scatter(pipeline_of):
    prediction = pipeline_of(biases=(-3.0, -6.0)).read(make_scene().radiograph)
    assert codes(prediction) == ["folds-disagree"]
    assert "(0.12 to 0.73)" in prediction.referrals[0].text


def test_folds_disagree_by_decision(pipeline_of):
    loose = with_models(make_spec(), fold_disagreement_max=1.0)
    assert codes(pipeline_of(loose, biases=(-3.0, -6.0)).read(make_scene().radiograph)) == ["folds-disagree"]


def test_folds_on_both_sides_without_margin_agree(pipeline_of):
    assert codes(pipeline_of(biases=(-4.2, -4.5)).read(make_scene().radiograph)) == []


def test_views_disagree(pipeline):
    lateral = make_scene(view="LAT", name="LAT", finding_mm=None).radiograph
    prediction = pipeline.read([make_scene().radiograph, lateral])
    assert codes(prediction) == ["views-disagree"]
    assert prediction.referrals[0].text == "PA and LAT disagree (0.88 and 0.11)."


def test_header_says_two_things(pipeline):
    radiograph = make_scene(conflicts=("Laterality says R, ImageLaterality says L.",)).radiograph
    prediction = pipeline.read(radiograph)
    assert codes(prediction) == ["header-conflict"]
    assert prediction.referrals[0].text == "PA.dcm: Laterality says R, ImageLaterality says L."


def test_another_body_part(pipeline):
    prediction = pipeline.read(make_scene(body_part="CHEST").radiograph)
    assert codes(prediction) == ["body-part"]
    assert codes(pipeline.read(make_scene(body_part="HAND").radiograph)) == []
    assert codes(pipeline.read(make_scene(body_part="unknown").radiograph)) == []


def test_sides_and_patients_are_not_mixed(pipeline):
    left, right = make_scene().radiograph, make_scene(view="LAT", name="LAT", side="R", finding_mm=(30.0, 0)).radiograph
    assert codes(pipeline.read([left, right])) == ["sides-differ"]
    assert codes(pipeline.read([left, replace(right, side="L", patient_id="P2")])) == ["patients-differ"]
    assert codes(pipeline.read(replace(left, side="B"))) == ["both-sides"]


def test_patient_ids_are_never_printed(pipeline):
    left, right = make_scene(patient_id="SECRET1").radiograph, make_scene(name="b", patient_id="SECRET2").radiograph
    assert "SECRET" not in repr(pipeline.read([left, right]))
