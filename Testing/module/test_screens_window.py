"""Two pages that share the views: what one does behind the other's back is not seen."""

from __future__ import annotations

from fractureai.dataset import Dataset


def test_marks_that_come_late_on_a_page_in_the_back_disturb_nobody(desk, dataset_folder):
    from fractureai.scene import landmarks
    from FractureAILib.screen import Screen

    dataset = Dataset.open(dataset_folder)
    site, screens, nodes = dataset.site, [], []
    for row in dataset.radiographs[:2]:
        screen = Screen()
        volume = screen.show_one(dataset.read(row))
        points = dataset.annotation(row.id, "truth").landmarks
        nodes.append(landmarks.add_landmarks(volume, site.view_for(row.view), points))
        screen.confine_marks()
        screens.append(screen)
    behind, front = nodes
    late = landmarks.add_landmarks(screens[0].shown(), site.views[0], role="proposal")
    screens[0].confine_marks()
    assert front.GetDisplayNode().GetVisibility()
    assert not behind.GetDisplayNode().GetVisibility()
    assert not late.GetDisplayNode().GetVisibility()
    for screen in screens:
        screen.cleanup()
