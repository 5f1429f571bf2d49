from pathlib import Path

import pytest

import fractureai.sites
from fractureai.errors import SiteError
from fractureai.geometry import roi_from_landmarks
from fractureai.sites import list_sites, load_site

WRIST = (Path(fractureai.sites.__file__).parent / "wrist.toml").read_text(encoding="utf-8")

HIP = """
format_version = 1
name = "hip"
title = "Hip"
body_parts = ["HIP"]
classes = ["normal", "fracture", "pathologic"]
positive_class = "fracture"
bones = ["femur"]
[[views]]
name = "AP"
title = "Anteroposterior"
accepts = ["AP"]
roi_side_mm = 180.0
roi_padding_mm = 0.0
roi_size_px = 384
joint_line = []
distal_landmark = ""
landmark_span_mm = 60.0
landmark_span_sd_mm = 8.0
[[views.landmarks]]
name = "femoral_head"
title = "Centre of femoral head"
hint = "Centre of the circle"
[[views.landmarks]]
name = "greater_trochanter"
title = "Greater trochanter"
hint = "Lateral tip"
"""


def test_the_wrist_has_the_papers_regions():
    site = load_site("wrist")
    assert "wrist" in list_sites()
    assert [(v.name, v.roi_side_mm, v.roi_padding_mm) for v in site.views] == [("PA", 70, 15), ("LAT", 90, 20)]
    assert [round(v.working_spacing_mm, 2) for v in site.views] == [0.27, 0.35]
    assert site.view_for("AP").name == "PA"
    assert site.view_for("LAT").name == "LAT"
    assert site.view_for("OBLIQUE") is None


def test_another_site_needs_no_code(tmp_path):
    path = tmp_path / "hip.toml"
    path.write_text(HIP, encoding="utf-8")
    site = load_site(path)
    roi = roi_from_landmarks([(100, 100), (140, 60)], site.view("AP"), (0.5, 0.5))
    assert (roi.row, roi.col, roi.side_px, roi.turns) == (120, 80, 360, 0)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('name = "wrist"', 'nome = "wrist"'),
        ("roi_side_mm = 70.0", "roi_side_mm = -1.0"),
        ("format_version = 1", "format_version = 2"),
        ('accepts = ["PA", "AP"]', 'accepts = ["PA", "LAT"]'),
        ('positive_class = "fracture"', 'positive_class = "broken"'),
        ('name = "distal_radius"', 'name = "distal_ulna"'),
        ('distal_landmark = "wrist_centre"', 'distal_landmark = "elbow"'),
        ("classes = [", "classes = ["[:-1] + "{"),
    ],
)
def test_a_malformed_profile_is_one_clear_error(tmp_path, old, new):
    assert old in WRIST
    path = tmp_path / "wrist.toml"
    path.write_text(WRIST.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(SiteError) as error:
        load_site(path)
    assert "wrist.toml" in str(error.value)
    assert "\n" not in str(error.value).strip()


def test_an_unknown_site_names_the_known_ones():
    with pytest.raises(SiteError, match="wrist"):
        load_site("elbow")
