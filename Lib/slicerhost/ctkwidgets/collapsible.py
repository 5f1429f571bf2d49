"""ctkCollapsibleButton and ctkCollapsibleGroupBox: headings that show and hide what is below them."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Property, QEvent, QObject, QPoint, QRect, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractButton, QGroupBox, QSizePolicy, QStyle, QStyleOption, QWidget

from ..dialect.attributes import stands_for_cpp


def _wants_to_show(child: QWidget) -> bool:
    """Whether a widget is visible or would be, were its parent: nobody has hidden it."""
    hidden = child.testAttribute(Qt.WidgetAttribute.WA_WState_Hidden)
    return not (hidden and child.testAttribute(Qt.WidgetAttribute.WA_WState_ExplicitShowHide))


class _Contents(QObject):
    """Hides the children of a widget while it is collapsed, and knows which of them to show again."""

    def __init__(self, owner: QWidget) -> None:
        super().__init__(owner)
        self.owner = owner
        self.collapsed = False
        self._changing = False
        self._shown: dict[int, bool] = {}
        owner.installEventFilter(self)

    def collapse(self, collapsed: bool) -> None:
        """Hide or show the children; those hidden by somebody else stay hidden."""
        self.collapsed = collapsed
        for child in self.owner.children():
            if child.isWidgetType():
                self._apply(child)
        self.owner.updateGeometry()

    def _apply(self, child: Any) -> None:
        self._changing = True
        if self.collapsed:
            self._shown[id(child)] = _wants_to_show(child)
            child.setVisible(False)
        else:
            child.setVisible(self._shown.pop(id(child), _wants_to_show(child)))
        self._changing = False

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow children that come, and those that somebody shows or hides meanwhile."""
        kind = event.type()
        if watched is self.owner:
            if kind == QEvent.Type.ChildPolished and event.child().isWidgetType():  # type: ignore[attr-defined]
                event.child().installEventFilter(self)  # type: ignore[attr-defined]
                if self.collapsed:
                    self._apply(event.child())  # type: ignore[attr-defined]
        elif self.collapsed and not self._changing and watched.isWidgetType():
            if kind == QEvent.Type.ShowToParent:
                self._shown[id(watched)] = True
                self._changing = True
                watched.setVisible(False)  # type: ignore[attr-defined]
                self._changing = False
            elif kind == QEvent.Type.HideToParent:
                self._shown[id(watched)] = False
        return False


@stands_for_cpp
class ctkCollapsibleButton(QAbstractButton):
    """A heading with an arrow; checked means that its children are shown."""

    contentsCollapsed = Signal(bool)

    def __init__(self, *arguments: Any) -> None:
        text = next((a for a in arguments if isinstance(a, str)), "")
        super().__init__(next((a for a in arguments if isinstance(a, QWidget)), None))
        self._collapsed_height, self._flat = 14, False
        self._alignment = int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self._contents = _Contents(self)
        self.setText(text)
        self.setCheckable(True)
        self.setChecked(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Preferred))
        self._fit_heading()
        self.connect("toggled(bool)", self._toggled)  # type: ignore[call-overload]

    def _heading(self) -> int:
        return max(22, self.fontMetrics().height() + 8)

    def _fit_heading(self) -> None:
        self.setContentsMargins(0, self._heading(), 0, 0)
        self.setMinimumHeight(self._heading())

    def _toggled(self, checked: bool) -> None:
        self._contents.collapse(not checked)
        policy = QSizePolicy.Policy.Preferred if checked else QSizePolicy.Policy.Fixed
        self.setSizePolicy(QSizePolicy(QSizePolicy.Policy.Minimum, policy))
        self.contentsCollapsed.emit(not checked)
        self.update()

    def setCollapsed(self, collapsed: bool) -> None:
        """Hide (True) or show (False) the children."""
        self.setChecked(not collapsed)

    def setCollapsedHeight(self, height: int) -> None:
        """Height in pixels that the contents keep when collapsed; the host's heading needs none."""
        self._collapsed_height = int(height)

    def setFlat(self, flat: bool) -> None:
        """Draw the heading without a background."""
        self._flat = bool(flat)
        self.update()

    def setButtonTextAlignment(self, alignment: int) -> None:
        """How the text stands in the heading."""
        self._alignment = int(alignment)
        self.update()

    collapsed = Property(bool, lambda self: not self.checked, setCollapsed, notify=contentsCollapsed)
    collapsedHeight = Property(int, lambda self: self._collapsed_height, setCollapsedHeight)
    flat = Property(bool, lambda self: self._flat, setFlat)
    buttonTextAlignment = Property(int, lambda self: self._alignment, setButtonTextAlignment)

    def hitButton(self, position: QPoint) -> bool:
        """Only the heading is a button."""
        return QRect(0, 0, self.width, self._heading()).contains(position)

    def changeEvent(self, event: QEvent) -> None:
        """A larger font needs a higher heading."""
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._fit_heading()
        super().changeEvent(event)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the heading: a bar, the arrow, the text."""
        painter = QPainter(self)
        bar = QRect(0, 0, self.width, self._heading())
        if not self._flat:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self.palette.midlight() if self.underMouse() else self.palette.button())
            painter.drawRoundedRect(bar, 3, 3)
        option = QStyleOption()
        option.initFrom(self)
        option.rect = QRect(6, (bar.height() - 12) // 2, 12, 12)
        arrow = QStyle.PrimitiveElement.PE_IndicatorArrowDown
        if not self.checked:
            arrow = QStyle.PrimitiveElement.PE_IndicatorArrowRight
        self.style().drawPrimitive(arrow, option, painter, self)
        option.rect = bar.adjusted(24, 0, -6, 0)
        painter.setPen(self.palette.color(self.foregroundRole()))
        self.style().drawItemText(
            painter,
            option.rect,
            self._alignment | int(Qt.TextFlag.TextShowMnemonic),
            self.palette,
            self.enabled,
            self.text,
        )
        if self.focus:
            option.rect = bar.adjusted(2, 2, -2, -2)
            self.style().drawPrimitive(QStyle.PrimitiveElement.PE_FrameFocusRect, option, painter, self)
        painter.end()


@stands_for_cpp
class ctkCollapsibleGroupBox(QGroupBox):
    """A group box whose check box shows and hides what is in it."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(next((a for a in arguments if isinstance(a, QWidget)), None))
        self.setTitle(next((a for a in arguments if isinstance(a, str)), ""))
        self._collapsed_height = 14
        self._contents = _Contents(self)
        self.setCheckable(True)
        self.setChecked(True)
        self.connect("toggled(bool)", lambda checked: self._contents.collapse(not checked))  # type: ignore[call-overload]

    def setCollapsed(self, collapsed: bool) -> None:
        """Hide (True) or show (False) the contents."""
        self.setChecked(not collapsed)

    def setCollapsedHeight(self, height: int) -> None:
        """Height in pixels that the contents keep when collapsed."""
        self._collapsed_height = int(height)

    collapsed = Property(bool, lambda self: not self.checked, setCollapsed)
    collapsedHeight = Property(int, lambda self: self._collapsed_height, setCollapsedHeight)
