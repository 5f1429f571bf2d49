"""What the rater says about the whole radiograph: fracture or not, view, side, displacement, cast, quality, comment."""

import qt
from slicer.i18n import tr as _

from fractureai.dataset import Annotation
from fractureai.radiograph import SIDES, UNKNOWN, VIEWS
from FractureAILib import style
from FractureAILib.case import Case
from FractureAILib.editor import Editor

QUALITIES = ("", "good", "limited", "non-diagnostic")
DISPLACEMENTS = ("", "none", "dorsal", "palmar", "radial", "ulnar", "shortened")
NOT_SAID = "–"


class LabelsPanel:
    """Shows the labels of the annotation in hand and changes them."""

    def __init__(self, ui, editor: Editor) -> None:
        self.ui, self.editor = ui, editor
        self.case: Case | None = None
        self.buttons: dict[str, qt.QPushButton] = {}
        self._showing = False
        self._typed = 0

    def setup(self) -> None:
        """Connect the widgets; called once."""
        ui = self.ui
        side_names = {"L": _("left"), "R": _("right"), "B": _("both")}
        yes_no = [(NOT_SAID, None), (_("no"), False), (_("yes"), True)]
        qualities = dict(zip(QUALITIES, (NOT_SAID, _("good"), _("limited"), _("non-diagnostic")), strict=True))
        self._choices = {
            "view": (ui.viewBox, [("", ""), *[(view, view) for view in VIEWS if view != UNKNOWN]]),
            "side": (ui.sideBox, [("", ""), *[(side_names[side], side) for side in SIDES if side != UNKNOWN]]),
            "quality": (ui.qualityBox, [(text, quality) for quality, text in qualities.items()]),
            "cast": (ui.castBox, yes_no),
            "implant": (ui.implantBox, yes_no),
        }
        self._side_names = side_names
        for name, (box, choices) in self._choices.items():
            box.addItems([text for text, _value in choices])
            box.connect("activated(int)", lambda index, name=name: self._chosen(name, index))
        ui.displacementBox.addItems(list(DISPLACEMENTS))
        ui.displacementBox.connect("currentTextChanged(QString)", self._displacement_changed)
        ui.commentEdit.connect("textEdited(QString)", self._comment_typed)
        ui.commentEdit.connect("editingFinished()", self._comment_finished)

    def open(self, case: Case, annotation: Annotation) -> None:
        """Show another radiograph."""
        self.case = case
        self._typed += 1
        self._build_buttons(case.dataset.label_set)
        self.update(annotation)

    def close(self) -> None:
        """Let the radiograph go."""
        self.case = None

    def update(self, annotation: Annotation) -> None:
        """Show a new state of the annotation."""
        if self.case is None:
            return
        self._showing = True
        for label, button in self.buttons.items():
            button.checked = annotation.label == label
        row, radiograph = self.case.row, self.case.radiograph
        said = {"view": row.view if row.view not in ("", UNKNOWN) else radiograph.view,
                "side": row.side if row.side not in ("", UNKNOWN) else radiograph.side}  # fmt: skip
        for name, (box, choices) in self._choices.items():
            if name in said:
                box.setItemText(0, self._from_header(said[name]))
            box.currentIndex = [value for _text, value in choices].index(getattr(annotation, name))
        if self.ui.displacementBox.currentText != annotation.displacement:
            self.ui.displacementBox.setEditText(annotation.displacement)
        if self.ui.commentEdit.text != annotation.comment:
            self.ui.commentEdit.text = annotation.comment
        self._showing = False

    def warn(self, sentences: list[str]) -> None:
        """Show in vermilion where a model sees another view or side."""
        self.ui.viewWarning.visible = bool(sentences)
        style.set_text(self.ui.viewWarning, " ".join(sentences), style.ALARM)

    def choose(self, label: str) -> None:
        """Give a label; the label that is given already is taken back."""
        if self.editor.annotation is not None and label in self.buttons:
            given = None if self.editor.annotation.label == label else label
            self.editor.change(_("label"), label=given)
            self.update(self.editor.annotation)

    def _build_buttons(self, labels: tuple[str, ...]) -> None:
        if tuple(self.buttons) == labels:
            return
        for button in self.buttons.values():
            button.visible = False
            button.setParent(None)
            button.deleteLater()
        self.buttons = {}
        names = {"normal": _("none"), "fracture": _("fracture"), "uncertain": _("uncertain")}
        for number, label in enumerate(labels, start=1):
            text = _("{name}  ({number})").format(name=names.get(label, label), number=number)
            button = qt.QPushButton(text)
            button.checkable = True
            style.mark_checked(button)
            button.setFocusPolicy(qt.Qt.TabFocus)
            button.setMinimumWidth(40)
            button.connect("clicked()", lambda label=label: self.choose(label))
            self.ui.labelButtons.layout().addWidget(button)
            self.buttons[label] = button

    def _from_header(self, value: str) -> str:
        if value in ("", UNKNOWN):
            return _("not said")
        return _("{value} – header").format(value=self._side_names.get(value, value))

    def _chosen(self, name: str, index: int) -> None:
        if not self._showing and self.editor.annotation is not None:
            value = self._choices[name][1][index][1]
            if name == "view":
                self.editor.change(_("view"), view=value, landmarks=self._landmarks_of(value))
            else:
                self.editor.change(name, **{name: value})

    def _landmarks_of(self, view: str) -> dict[str, tuple[float, float]]:
        """Return the landmarks that the view has; those of another view are no landmarks of this one."""
        marks = dict(self.editor.annotation.landmarks)
        decided = view or self.case.view(None)
        profile = self.case.dataset.site.view_for(decided)
        if profile is None or profile == self.case.profile(self.editor.annotation):
            return marks
        return {name: point for name, point in marks.items() if name in profile.landmark_names}

    def _displacement_changed(self, text: str) -> None:
        if not self._showing and self.editor.annotation is not None:
            self.editor.change(_("displacement"), merge=f"displacement {self._typed}", soon=True, displacement=text)

    def _comment_typed(self, text: str) -> None:
        if not self._showing and self.editor.annotation is not None:
            self.editor.change(_("comment"), merge=f"comment {self._typed}", soon=True, comment=text)

    def _comment_finished(self) -> None:
        if self.editor.annotation is not None:
            self._typed += 1
            self.editor.autosave.hurry()
