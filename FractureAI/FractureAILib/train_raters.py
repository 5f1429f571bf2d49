"""The choice of raters: the rule for everybody, or certain people in a given order."""

from collections.abc import Callable, Sequence

import qt
from slicer.i18n import tr as _


class RatersMenu:
    """A menu on a tool button.

    Args:
        button: the tool button.
        default_text: what is chosen when nobody is.
        changed: called after the user changed the choice.
    """

    def __init__(self, button, default_text: str, changed: Callable[[], None]) -> None:
        self._button = button
        self._default_text = default_text
        self._changed = changed
        self._known: tuple[str, ...] = ()
        self._order: list[str] = []
        self._menu = qt.QMenu(button)
        button.setMenu(self._menu)
        self._show()

    @property
    def chosen(self) -> list[str] | None:
        """The raters in the order in which they were chosen; None for the rule for everybody."""
        return list(self._order) or None

    def offer(self, raters: Sequence[str]) -> None:
        """Offer these raters; a choice of others is dropped."""
        if tuple(raters) == self._known:
            return
        self._known = tuple(raters)
        self._order = [name for name in self._order if name in self._known]
        self._menu.clear()
        default = self._menu.addAction(self._default_text)
        default.connect("triggered(bool)", lambda _checked: self._choose_default())
        self._menu.addSeparator()
        for name in self._known:
            action = self._menu.addAction(name)
            action.checkable = True
            action.checked = name in self._order
            action.connect("triggered(bool)", lambda checked, name=name: self._choose(name, checked))
        self._show()

    def choose(self, raters: Sequence[str]) -> None:
        """Choose raters of those offered, in this order; none of them: the rule for everybody."""
        self._order = [name for name in raters if name in self._known]
        for action in self._menu.actions():
            if action.checkable:
                action.checked = action.text in self._order
        self._show()
        self._changed()

    def _choose_default(self) -> None:
        self.choose([])

    def _choose(self, name: str, checked: bool) -> None:
        others = [other for other in self._order if other != name]
        self.choose([*others, name] if checked else others)

    def _show(self) -> None:
        then = _(", then ")
        self._button.text = then.join(self._order) if self._order else self._default_text
