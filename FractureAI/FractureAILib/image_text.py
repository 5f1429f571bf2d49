"""What stands in the corners of the radiograph: view and side as decided, what the header says else, the scale."""

from slicer.i18n import tr as _

from fractureai.dataset import Annotation
from fractureai.radiograph import UNKNOWN
from FractureAILib.case import Case
from FractureAILib.screen import FIRST, Screen


def show_image_text(screen: Screen, case: Case, annotation: Annotation, unsaved: bool = False) -> None:
    """Write the corners of the view for a radiograph and its marks; in vermilion, too, that they are not saved."""
    if screen.logic() is None:
        return
    text = screen.text(FIRST)
    view, side = case.view(annotation), case.side(annotation)
    text.set(
        top_left=f"{_view_name(view)}  {_side_name(side)}".strip(),
        top_right=case.row.patient,
        bottom_left="",
        bottom_right="",
        alarm="\n".join(filter(None, (_disagreement(case, view, side), _("not saved") if unsaved else ""))),
    )
    text.set_scale(case.volume, screen.logic().GetSliceNode())
    screen.render()


def show_problem(screen: Screen, sentence: str) -> None:
    """Write one sentence where the radiograph would be."""
    if screen.logic() is None:
        return
    text = screen.text(FIRST)
    text.set(top_left="", top_right="", bottom_left="", bottom_right="", alarm=sentence)
    text.set_scale(None)
    screen.render_all()


def _disagreement(case: Case, view: str, side: str) -> str:
    said = []
    header = case.radiograph
    if header.view_source != "user" and header.view not in (UNKNOWN, view):
        said.append(header.view)
    if header.side_source != "user" and header.side not in (UNKNOWN, side):
        said.append(_side_name(header.side))
    return _("header says {what}").format(what=" ".join(said)) if said else ""


def _view_name(view: str) -> str:
    return _("view not known") if view == UNKNOWN else view


def _side_name(side: str) -> str:
    return {"L": _("left"), "R": _("right"), "B": _("both sides")}.get(side, "")
