"""The rows of the landmarks in the panel: placed, next or open; a click goes there, the target redoes one."""

from collections.abc import Callable, Mapping

import qt
from slicer.i18n import tr as _

from fractureai.sites import ViewProfile
from FractureAILib import style

PICTURE_PX = 84


class LandmarkRows:
    """One row for each landmark of the view, a sentence on what to do, and a drawing of where it belongs."""

    def __init__(self, ui, go_to: Callable[[int], None], redo: Callable[[int], None]) -> None:
        self.ui = ui
        self._go_to, self._redo = go_to, redo
        self._profile: ViewProfile | None = None
        self._rows: list[tuple] = []
        self._picture = ("", False)

    def build(self, profile: ViewProfile | None) -> None:
        """Make the rows for a view; none for a view without landmarks."""
        if profile == self._profile and self._rows:
            return
        self._profile = profile
        for holder, *_others in self._rows:
            holder.visible = False  # else the layout shows it later, as a window of its own
            holder.setParent(None)
            holder.deleteLater()
        titles = [landmark.title for landmark in profile.landmarks] if profile is not None else []
        self._rows = [self._row(index, title) for index, title in enumerate(titles)]

    def show(
        self, marks: Mapping[str, object], following: int | None, placing: bool, distances: Mapping[str, str], side: str
    ) -> None:
        """Show what is placed.

        Args:
            marks: what is placed, by name.
            following: index of the landmark that comes next; None when all are placed.
            placing: whether clicks on the image place landmarks.
            distances: name -> distance from the proposal, as a text.
            side: of the body, for the drawing.
        """
        if self._profile is None:
            self.ui.hintLabel.text = _("This view has no landmarks. If it is another view, say so above.")
            self.ui.landmarkPicture.visible = False
            return
        for index, landmark in enumerate(self._profile.landmarks):
            _holder, button, distance, redo = self._rows[index]
            placed = landmark.name in marks
            state = "point-placed" if placed else "point-next" if index == following else "point-open"
            button.setIcon(style.icon(state))
            style.set_text(distance, distances.get(landmark.name, ""), style.MODEL)
            redo.visible = placed
        self._show_hint(following, placing)
        shown = self._profile.landmarks[following if following is not None else -1]
        self._show_picture(f"landmark-{self._profile.name}-{shown.name}", side == "R")

    def _show_hint(self, following: int | None, placing: bool) -> None:
        if following is None:
            text = _("All landmarks are placed. Drag one to correct it.")
        else:
            landmark = self._profile.landmarks[following]
            pattern = _("Click on the image: {hint}") if placing else _("Next: {hint}")
            text = pattern.format(hint=landmark.hint)
        style.set_text(self.ui.hintLabel, text, style.HUMAN if placing and following is not None else None)

    def _show_picture(self, name: str, mirrored: bool) -> None:
        self.ui.landmarkPicture.visible = True
        if (name, mirrored) != self._picture:
            self._picture = (name, mirrored)
            self.ui.landmarkPicture.setPixmap(style.picture(name, PICTURE_PX, mirrored))
            self.ui.landmarkPicture.toolTip = _("Where it belongs, drawn for this side of the body")

    def _row(self, index: int, title: str) -> tuple:
        holder = qt.QWidget()
        layout = qt.QHBoxLayout(holder)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        button = qt.QPushButton(_("{number}  {title}").format(number=index + 1, title=title))
        button.flat = True
        button.styleSheet = "text-align: left; padding: 2px 4px;"
        button.toolTip = _("Go there")
        button.setSizePolicy(qt.QSizePolicy.Ignored, qt.QSizePolicy.Fixed)  # a long title never widens the panel
        button.setMinimumHeight(button.sizeHint.height())
        distance = qt.QLabel()
        distance.toolTip = _("From the model's proposal")
        redo = qt.QToolButton()
        redo.setIcon(style.icon("target"))
        redo.autoRaise = True
        redo.toolTip = _("Place this one again")
        for control in (button, redo):
            control.setFocusPolicy(qt.Qt.TabFocus)
        layout.addWidget(button, 1)
        layout.addWidget(distance)
        layout.addWidget(redo)
        button.connect("clicked()", lambda: self._go_to(index))
        redo.connect("clicked()", lambda: self._redo(index))
        self.ui.landmarkRows.layout().addWidget(holder)
        return holder, button, distance, redo
