"""Proposals: landmarks of every view, and a doubt only where one other view fits."""

from dataclasses import replace

import numpy as np
import pytest

from fractureai.errors import RadiographError
from fractureai.inference import Pipeline, propose

from .conftest import LIMITS, build_bundle, make_radiograph, make_scene, make_spec


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory) -> Pipeline:
    """Its PA landmarks may be anywhere, its LAT landmarks must be twice as far from each other as those of a scene."""
    spec = make_spec()
    far = replace(LIMITS, span_mm_low=45.0, span_mm_high=80.0)
    views = {"PA": spec.views["PA"], "LAT": replace(spec.views["LAT"], limits=far)}
    folder = build_bundle(tmp_path_factory.mktemp("proposals") / "bundle", replace(spec, views=views))
    return Pipeline.load(folder, threads=1)


def test_landmarks_of_all_views(pipeline):
    scene = make_scene()
    found = propose(pipeline, scene.radiograph)
    assert found.sop_instance_uid == scene.radiograph.sop_instance_uid
    assert (found.view, found.view_suggested) == ("PA", None)
    np.testing.assert_allclose(list(found.views["PA"].landmarks.values()), scene.landmarks, atol=0.6)
    assert list(found.views["LAT"].landmarks) == ["dorsal_rim", "palmar_rim", "wrist_centre"]
    assert found.views["PA"].plausible
    assert not found.views["LAT"].plausible
    assert "45 to 80 mm are usual" in found.views["LAT"].reasons[0]
    assert len(found.views["PA"].spread) == 3


def test_the_landmarks_are_those_of_a_reading(pipeline):
    radiograph = make_scene().radiograph
    assert propose(pipeline, radiograph).views["PA"].landmarks == pipeline.read(radiograph).views[0].landmarks


@pytest.mark.parametrize("stated", ["LAT", "OBLIQUE", "unknown"])
def test_another_view_is_suggested_where_the_stated_one_does_not_fit(pipeline, stated):
    found = propose(pipeline, make_scene(view=stated).radiograph)
    assert found.view == ("LAT" if stated == "LAT" else None)
    assert found.view_suggested == "PA"


def test_no_view_is_suggested_where_none_or_several_fit(pipeline, bundle_folder):
    both = Pipeline.load(bundle_folder, threads=1)
    assert propose(both, make_scene(view="unknown").radiograph).view_suggested is None
    far = make_scene(shape=(700, 700), centre=(300, 350), scale=4.0, view="unknown").radiograph
    assert propose(pipeline, far).view_suggested is None


def test_the_view_asked_for_goes_before_that_of_the_file(pipeline):
    found = propose(pipeline, make_scene(view="PA").radiograph, view="LAT")
    assert (found.view, found.view_suggested) == ("LAT", "PA")
    assert propose(pipeline, make_scene(view="LAT").radiograph, view="AP").view == "PA"


def test_what_shows_nothing(pipeline, tmp_path):
    with pytest.raises(RadiographError, match="blank"):
        propose(pipeline, make_radiograph(np.ones((50, 50), np.float32)))
    with pytest.raises(RadiographError):
        propose(pipeline, tmp_path / "missing.dcm")
