"""What keys do on the annotation page."""

from slicer.i18n import tr as _

from FractureAILib.shortcuts import Action

ZOOM_STEP = 1.25


def annotate_actions(page) -> list[Action]:
    """Return the actions of the annotation page, in the order in which they are listed for people."""
    labels = [
        Action(f"Label{number}", text, str(number), lambda number=number: _label(page, number))
        for number, text in enumerate((_("No fracture"), _("Fracture"), _("Uncertain")), start=1)
    ]
    return [
        Action("PlaceLandmarks", _("Place landmarks, or stop"), "P", lambda: page.landmarks.toggle_placing()),
        *labels,
        Action("Region", _("Mark a region (box)"), "R", lambda: page.regions.draw("box")),
        Action("Curve", _("Mark a line (curve)"), "L", lambda: page.regions.draw("curve")),
        Action("Flag", _("Flag for a second look"), "F", page.flag),
        Action("AcceptProposals", _("Accept the model's landmarks"), "A", lambda: _accept(page)),
        Action("MirrorLandmarks", _("Mirror the landmarks"), "M", lambda: page.landmarks.mirror()),
        Action("Undo", _("Undo"), "Z", page.undo),
        Action("Redo", _("Redo"), "Shift+Z", page.redo),
        Action("NextCase", _("Done: save and show the next open radiograph"), "Return", page.next_case),
        Action("NextCaseKeypad", _("The same on the number pad"), "Enter", page.next_case),
        Action("PreviousCase", _("The radiograph before"), "Shift+Return", page.previous_case),
        Action("HideMarks", _("Hide all marks while held"), "Space", page.hide_marks),
        Action("ZoomIn", _("Enlarge at the cursor"), "+", lambda: page.screen.zoom(ZOOM_STEP)),
        Action("ZoomOut", _("Reduce at the cursor"), "-", lambda: page.screen.zoom(1 / ZOOM_STEP)),
        Action("Fit", _("Show the whole radiograph"), "0", lambda: page.screen.fit()),
        Action("TurnRight", _("Turn right by a quarter"), "]", lambda: page.turn(1)),
        Action("TurnLeft", _("Turn left by a quarter"), "[", lambda: page.turn(-1)),
        Action("NextWindow", _("Next window preset"), "W", page.next_window),
        Action("Search", _("Search the worklist"), "/", lambda: page.ui.searchEdit.setFocus()),
        Action("Comment", _("Write a comment"), "C", lambda: page.ui.commentEdit.setFocus()),
    ]


def name_buttons(page) -> None:
    """Write the keys on the buttons of the annotation page, as they are set now."""
    texts = {
        "PlaceLandmarks": ("placeButton", _("place")),
        "MirrorLandmarks": ("mirrorButton", _("mirror")),
        "AcceptProposals": ("acceptButton", _("accept")),
        "Undo": ("undoButton", _("undo")),
        "Region": ("boxButton", _("box")),
        "Curve": ("curveButton", _("curve")),
        "Flag": ("flagButton", _("flag")),
        "NextCase": ("nextButton", _("next case")),
    }
    for action in page.shortcuts.actions:
        if action.name in texts:
            name, text = texts[action.name]
            key = page.shortcuts.keys(action).replace("Return", _("Enter"))
            getattr(page.ui, name).text = _("{text} ({key})").format(text=text, key=key)


def _label(page, number: int) -> None:
    labels = list(page.labels.buttons)
    if page.case is not None and number <= len(labels):
        page.labels.choose(labels[number - 1])


def _accept(page) -> None:
    if page.landmarks.proposals:
        page.landmarks.accept()
