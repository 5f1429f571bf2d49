"""Simulated studies: exact truth, mirror images, visible and occult fractures."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from fractureai.geometry import landmark_span_mm
from fractureai.phantom import PhantomConfig, other_side, plan_study, simulate_plan, simulate_study
from fractureai.phantom.clutter import Clutter
from fractureai.phantom.config import stream
from fractureai.phantom.detector import draw_exposure
from fractureai.phantom.framing import draw_framing, draw_placement, make_camera
from fractureai.phantom.hand import draw_pose
from fractureai.phantom.hardware import Hardware
from fractureai.phantom.limb import LANDMARKS, build_limb, pose_limb
from fractureai.phantom.rendering import Scene, bone_attenuation
from fractureai.phantom.study import polygon_mask
from fractureai.sites import load_site

CONFIG = PhantomConfig(pixels=320)
PLAIN = replace(CONFIG, marker_fraction=0.0, cast_fraction=0.0, implant_fraction=0.0)


def fractured(config, hard, count, seed=3):
    wanted = replace(config, fracture_fraction=1.0, hard_fracture_fraction=1.0, hard_fraction=float(hard))
    return [plan_study(index, seed, wanted) for index in range(count)]


def test_a_study_follows_from_seed_and_index_alone():
    first, again = simulate_study(2, 5, CONFIG), simulate_study(2, 5, CONFIG)
    other = simulate_study(3, 5, CONFIG)
    for one, two, three in zip(first.radiographs, again.radiographs, other.radiographs, strict=True):
        assert np.array_equal(one.image, two.image)
        assert one.landmarks == two.landmarks
        assert one.landmarks != three.landmarks


def test_images_are_bone_bright_and_have_the_asked_size():
    for radiograph in simulate_study(0, 1, CONFIG).radiographs:
        assert max(radiograph.image.shape) == CONFIG.pixels
        assert radiograph.image.dtype == np.float32
        assert 0 <= radiograph.image.min() < radiograph.image.max() <= 1
        assert tuple(radiograph.landmarks) == LANDMARKS[radiograph.view]


@pytest.mark.parametrize("index", [1, 4])
def test_mirrored_study_has_mirrored_landmarks_and_regions(index):
    plan = fractured(PLAIN, False, 6)[index]
    config = replace(PLAIN, views=("PA", "LAT", "OBLIQUE"))
    study, mirror = simulate_plan(plan, config), simulate_plan(other_side(plan), config)
    for a, b in zip(study.radiographs, mirror.radiographs, strict=True):
        assert {a.side, b.side} == {"L", "R"}
        assert a.image.shape == b.image.shape
        last = a.image.shape[1] - 1
        for name, (row, col) in a.landmarks.items():
            assert b.landmarks[name] == pytest.approx((row, last - col), abs=1e-6)
        assert np.array_equal(a.mask[:, ::-1], b.mask)
        wide = [ndimage.gaussian_filter(image, 4) for image in (a.image[:, ::-1], b.image)]
        assert np.corrcoef(wide[0].ravel(), wide[1].ravel())[0, 1] > 0.95


def test_landmarks_lie_on_the_bones_they_name():
    plan = replace(plan_study(0, 1, CONFIG), fractures=())
    limb = build_limb(plan.person, plan.shape, (), stream(1, 0, "bones"))
    for name, bone in (("distal_ulna", "ulna"), ("distal_radius", "radius"), ("dorsal_rim", "radius")):
        solid = [solid for solid in limb.forearm if solid.name == bone][-1]
        local = np.linalg.inv(solid.pose) @ np.append(limb.points[name], 1)
        index = (local[:3] - np.asarray(solid.origin)) / solid.step
        distance = ndimage.map_coordinates(solid.distance, index[:, None], order=1)[0]
        assert abs(distance) < 0.5, name
    assert limb.points["dorsal_rim"][2] > limb.points["palmar_rim"][2] + 8


def test_landmarks_move_with_the_fragment():
    plan = next(p for p in fractured(PLAIN, False, 30) if p.fractures[0].kind == "colles")
    intact = build_limb(plan.person, plan.shape, (), stream(1, 0, "bones"))
    broken = build_limb(plan.person, plan.shape, plan.fractures[:1], stream(1, 0, "bones"))
    moved = plan.fractures[0].movement @ np.append(intact.points["distal_radius"], 1)
    assert broken.points["distal_radius"] == pytest.approx(moved[:3])
    assert broken.points["distal_ulna"] == pytest.approx(intact.points["distal_ulna"])
    pose = draw_pose("PA", np.random.default_rng(0))
    shift = pose_limb(broken, pose, 100).points["wrist_centre"] - pose_limb(intact, pose, 100).points["wrist_centre"]
    assert np.linalg.norm(shift) > 1


def test_masks_lie_in_the_image_and_boxes_hold_them():
    config = replace(PLAIN, views=("PA", "LAT", "OBLIQUE"))
    for plan in fractured(PLAIN, False, 5):
        for radiograph in simulate_plan(plan, config).radiographs:
            rows, cols = radiograph.image.shape
            for truth in radiograph.fractures:
                (top, left), (bottom, right) = truth.box
                assert -0.5 <= top < bottom <= rows - 0.5
                assert -0.5 <= left < right <= cols - 0.5
                where = np.argwhere(polygon_mask([truth.polygon], radiograph.image.shape))
                assert len(where) > 0
                assert (where.min(axis=0) >= (top, left)).all()
                assert (where.max(axis=0) <= (bottom, right)).all()
                assert radiograph.mask[tuple(where.T)].all()


def test_occult_fractures_change_nothing_and_visible_ones_more_than_the_noise():
    for hard in (False, True):
        for plan in fractured(PLAIN, hard, 3):
            scenes = [bones(p, "LAT") for p in (plan, replace(plan, fractures=()))]
            change = np.abs(scenes[0] - scenes[1]).max()
            photons = 10**4.3  # the best exposure drawn
            noise = 1 / np.sqrt(photons)
            assert change == 0 if hard else change > 10 * noise


def bones(plan, view):
    """Line integrals of the bones from a fixed camera."""
    limb = build_limb(plan.person, plan.shape, plan.fractures, stream(plan.seed, plan.patient, "bones"))
    posed = pose_limb(limb, draw_pose(view, np.random.default_rng(0)), 60)
    framing = draw_framing("R", 0, np.random.default_rng(0))
    placement = replace(draw_placement(view, 1.0, framing, np.random.default_rng(0)), width_mm=100, height_mm=110)
    camera = make_camera(view, "R", placement, framing, plan.person.scale, 300, np.zeros((1, 3)))
    exposure = draw_exposure(np.random.default_rng(0))
    scene = Scene(posed, camera, plan.person, Hardware(), None, Clutter(), exposure, framing)
    return bone_attenuation(scene, np.random.default_rng(0))


def test_occult_images_are_those_of_normal_wrists():
    plan = fractured(PLAIN, True, 1)[0]
    study, normal = (simulate_plan(p, PLAIN) for p in (plan, replace(plan, fractures=())))
    for a, b in zip(study.radiographs, normal.radiographs, strict=True):
        assert not any(truth.visible for truth in a.fractures)
        assert np.array_equal(a.image, b.image)
    assert any(radiograph.fractures for radiograph in study.radiographs)


def test_every_visible_fracture_is_visible_in_a_view():
    for plan in fractured(CONFIG, False, 6, seed=8):
        study = simulate_plan(plan, replace(CONFIG, pixels=96))
        assert any(truth.visible for radiograph in study.radiographs for truth in radiograph.fractures)


def test_strata_labels_and_repeat_patients():
    plans = [plan_study(index, 0, PhantomConfig()) for index in range(400)]
    hard = [plan for plan in plans if plan.hard]
    general = [plan for plan in plans if not plan.hard]
    assert 0.1 < len(hard) / len(plans) < 0.2
    assert 0.4 < np.mean([plan.label == "fracture" for plan in general]) < 0.6
    assert 0.2 < np.mean([plan.label == "fracture" for plan in hard]) < 0.5
    assert {plan.fractures[0].severity for plan in hard if plan.fractures} == {"occult"}
    assert len({plan.patient for plan in plans}) == 350
    twice = [plan for plan in plans if plan.index != plan.patient]
    assert all(plan.person == plans[plan.patient].person for plan in twice)


def test_adult_landmark_spans_agree_with_the_site_profile():
    site = load_site("wrist")
    config = PhantomConfig(pixels=160, child_fraction=0.0)
    spans = {"PA": [], "LAT": []}
    for index in range(8):
        for radiograph in simulate_plan(replace(plan_study(index, 0, config), fractures=()), config).radiographs:
            points = list(radiograph.landmarks.values())
            spans[radiograph.view].append(landmark_span_mm(points, (radiograph.spacing_mm,) * 2))
    for view, values in spans.items():
        profile = site.view(view)
        assert abs(np.mean(values) - profile.landmark_span_mm) < profile.landmark_span_sd_mm
