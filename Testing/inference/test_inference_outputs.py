"""What a reading becomes: JSON by its schema, maps and pictures."""

import json
import re

import jsonschema
import numpy as np
import pytest
from PIL import Image

from fractureai.errors import RadiographError
from fractureai.inference import Pipeline, activation_on_image, prediction_to_json
from fractureai.inference.outputs import SCHEMA_FILE
from fractureai.inference.overlay import HEAT_CUT_OFF, HEAT_OPACITY, heat_rgba, render_overlay, render_study_overlay
from fractureai.inference.referral import CODES

from .conftest import make_scene

SCHEMA = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pipeline(bundle_folder) -> Pipeline:
    return Pipeline.load(bundle_folder, threads=1)


@pytest.fixture(scope="module")
def study():
    return [make_scene().radiograph, make_scene(name="a/b: LAT", view="LAT", finding_mm=(30.0, 0.0)).radiograph]


def validate(reading) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(json.dumps(reading, allow_nan=False)))


def test_the_schema_knows_every_reason():
    assert tuple(SCHEMA["properties"]["reasons"]["items"]["properties"]["code"]["enum"]) == CODES


def test_reading_with_files(pipeline, study, tmp_path):
    prediction = pipeline.read(study)
    reading = prediction_to_json(prediction, tmp_path / "out", radiographs={r.sop_instance_uid: r for r in study})
    validate(reading)
    assert reading["study"] == "1.2.3"
    assert reading["ensemble"] == {
        "probability": prediction.probability,
        "threshold": 0.5,
        "interval": list(prediction.interval),
        "interval_text": "95 % interval over 2 folds and 10 test-time crops of 2 radiographs: "
        "how steady the model is, not how often it is right",
    }
    assert reading["views"][0]["interval"] == list(prediction.views[0].interval)
    assert reading["decision_text"] == "Fracture likely"
    assert reading["not_a_medical_device"] == "Not a medical device."
    assert [entry["name"] for entry in reading["views"][1]["landmarks"]] == ["dorsal_rim", "palmar_rim", "wrist_centre"]
    assert reading["views"][0]["roi"]["side_px"] == pytest.approx(140)
    for view, found in zip(reading["views"], prediction.views, strict=True):
        activation = np.load(view["activation_map"], allow_pickle=False)
        np.testing.assert_array_equal(activation, found.activation_map)
        assert activation.dtype == np.float32
        assert Image.open(view["overlay"]).mode in ("RGB", "RGBA")
    both, one = Image.open(reading["overlay"]), Image.open(reading["views"][0]["overlay"])
    assert both.width > 1.8 * one.width
    assert len(list((tmp_path / "out").iterdir())) == 5


def test_reading_without_files(pipeline, study):
    reading = prediction_to_json(pipeline.read(study))
    validate(reading)
    assert reading["overlay"] is None
    assert reading["views"][0]["activation_map"] is None


def test_reading_of_nothing(pipeline, tmp_path):
    reading = prediction_to_json(pipeline.read(tmp_path / "missing.dcm"), tmp_path / "out")
    validate(reading)
    assert reading["ensemble"]["probability"] is None
    assert (reading["ensemble"]["interval"], reading["ensemble"]["interval_text"]) == (None, "")
    assert (reading["decision"], reading["refer"], len(reading["problems"])) == ("refer", True, 1)


def test_overlays_are_drawn_on_the_files(pipeline, study, tmp_path):
    pixels = study[0].pixels - 50
    file = tmp_path / "wrist.png"
    Image.fromarray((pixels / pixels.max() * 65535).astype(np.uint16)).save(file)
    prediction = pipeline.read(file, view="PA")
    reading = prediction_to_json(prediction, tmp_path / "out")
    validate(reading)
    assert re.fullmatch(r"1_PA_wrist_overlay\.png", reading["views"][0]["overlay"].replace("\\", "/").split("/")[-1])
    assert reading["overlay"] == reading["views"][0]["overlay"]
    file.unlink()
    with pytest.raises(RadiographError):
        prediction_to_json(prediction, tmp_path / "out")
    assert prediction_to_json(prediction, tmp_path / "out", overlays=False)["overlay"] is None


def test_the_schema_refuses_what_is_not_a_reading(pipeline, study):
    reading = prediction_to_json(pipeline.read(study))
    for change in ({"decision": "maybe"}, {"extra": 1}, {"model": None}, {"reasons": [{"code": "x", "text": ""}]}):
        with pytest.raises(jsonschema.ValidationError):
            validate({**reading, **change})


# ---- pictures ----


def brightest(image: np.ndarray, rgb: tuple[int, int, int]) -> np.ndarray:
    """Return (row, col) of all pixels of about this colour."""
    return np.argwhere(np.abs(image.astype(int) - rgb).max(axis=-1) < 40)


def edges(places: np.ndarray) -> tuple[int, int]:
    """Return the first and last place where nearly as many pixels lie as where most lie."""
    counts = np.bincount(places)
    first, last = np.flatnonzero(counts > 0.7 * counts.max())[[0, -1]]
    return int(first), int(last)


def test_heat_is_transparent_below_the_cut_off_and_never_hides_the_image():
    alpha = heat_rgba(np.linspace(0, 1, 101, dtype=np.float32)[np.newaxis])[0, :, 3]
    assert not alpha[: int(HEAT_CUT_OFF * 100) + 1].any()
    assert alpha.max() == pytest.approx(HEAT_OPACITY)
    assert (np.diff(alpha) >= 0).all()


@pytest.mark.parametrize("shape", [(400, 360), (300, 900), (1000, 260)])
@pytest.mark.parametrize("panel_px", [480, 900])
def test_the_region_is_drawn_where_it_is(pipeline, shape, panel_px):
    """The blue square has the region's proportions and lies at the region's place in the panel, for every shape."""
    scene = make_scene(shape=shape, centre=(shape[0] * 0.45, shape[1] * 0.5))
    prediction = pipeline.read(scene.radiograph)
    view = prediction.views[0]
    picture = render_overlay(scene.radiograph, view, prediction, panel_px=panel_px)
    assert picture.dtype == np.uint8
    blue = brightest(picture, (0x00, 0x72, 0xB2))
    left, right = edges(blue[:, 1])
    within = blue[(blue[:, 1] >= left) & (blue[:, 1] <= right)]  # the names stand beside the region
    top, bottom = edges(within[:, 0])
    height, width = bottom - top, right - left
    assert width == pytest.approx(height, abs=4)
    scale = height / view.roi.side_px
    assert scale == pytest.approx(min(panel_px / shape[0], panel_px * 1.6 / shape[1]), rel=0.25)
    middle = (left + right) / 2
    assert middle == pytest.approx(picture.shape[1] / 2 + (view.roi.col - (shape[1] - 1) / 2) * scale, abs=4)


def test_light_dark_and_constant_images_can_be_drawn(pipeline):
    scene = make_scene()
    prediction = pipeline.read(scene.radiograph)
    view = prediction.views[0]
    for pixels in (np.zeros, np.ones):
        flat = make_scene().radiograph
        flat.pixels[:] = pixels(flat.shape)
        assert render_overlay(flat, view, prediction, panel_px=480).max() > 200


def test_a_referral_is_seen(pipeline, study):
    vermilion = (0xD5, 0x5E, 0x00)
    sure = pipeline.read(study)
    unsure = pipeline.read([study[0], make_scene(name="L", view="LAT", finding_mm=None).radiograph])
    assert unsure.refer
    heads = []
    for prediction in (sure, unsure):
        pairs = list(zip(study, prediction.views, strict=True))
        picture = render_study_overlay(pairs, prediction, panel_px=480)
        heads.append(len(brightest(picture[:60], vermilion)))
    assert heads[0] == 0
    assert heads[1] > 200


def test_the_notice_is_on_the_picture(pipeline, study):
    prediction = pipeline.read(study[:1])
    picture = render_overlay(study[0], prediction.views[0], prediction)
    assert len(brightest(picture[-110:, :500], (0xD5, 0x5E, 0x00))) > 300


def test_activation_on_image_is_what_the_overlay_draws(pipeline, study):
    view = pipeline.read(study[0]).views[0]
    assert activation_on_image(view, study[0].shape).max() == pytest.approx(1, abs=0.05)
