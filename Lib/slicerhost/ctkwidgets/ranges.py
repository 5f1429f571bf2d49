"""ctkRangeWidget: two values on one slider."""

from __future__ import annotations

from PySide6.QtCore import Property, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QDoubleSpinBox, QHBoxLayout, QSizePolicy, QWidget

from ..dialect.attributes import stands_for_cpp

_HANDLE = 12


class _TwoHandles(QWidget):
    """A line with two handles; asks its owner for the values and tells it where a handle was dragged to."""

    def __init__(self, owner: ctkRangeWidget) -> None:
        super().__init__(owner)
        self._owner, self._held, self._focused = owner, "", "minimum"
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed))
        self.setMinimumSize(QSize(60, _HANDLE + 6))

    def _x(self, value: float) -> int:
        owner = self._owner
        span = owner.maximum - owner.minimum
        share = (value - owner.minimum) / span if span > 0 else 0.0
        return round(_HANDLE / 2 + share * (self.width - _HANDLE))

    def _value(self, x: float) -> float:
        owner = self._owner
        share = (x - _HANDLE / 2) / max(1, self.width - _HANDLE)
        return float(owner.minimum + min(1.0, max(0.0, share)) * (owner.maximum - owner.minimum))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take the nearer handle."""
        x = event.position().x()
        low, high = self._x(self._owner.minimumValue), self._x(self._owner.maximumValue)
        nearer_low = abs(x - low) < abs(x - high) or (low == high and x < low)
        self._held = self._focused = "minimum" if nearer_low else "maximum"
        self._owner._hold(True)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag it."""
        if self._held:
            self._owner._drag(self._held, self._value(event.position().x()))

    def mouseReleaseEvent(self, _event: QMouseEvent) -> None:
        """Let go of it."""
        self._held = ""
        self._owner._hold(False)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Left and right move the handle last used by one step."""
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()))
        if steps is None:
            super().keyPressEvent(event)
            return
        owner = self._owner
        now = owner.minimumValue if self._focused == "minimum" else owner.maximumValue
        owner._drag(self._focused, now + steps * owner.singleStep)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the line, the part between the handles, the handles."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        middle = self.height // 2
        low, high = self._x(self._owner.minimumValue), self._x(self._owner.maximumValue)
        painter.fillRect(QRect(0, middle - 2, self.width, 4), self.palette.mid())
        painter.fillRect(QRect(low, middle - 2, high - low, 4), self.palette.highlight())
        for x, name in ((low, "minimum"), (high, "maximum")):
            active = self.focus and name == self._focused
            painter.setPen(self.palette.highlight().color() if active else self.palette.dark().color())
            painter.setBrush(self.palette.button())
            painter.drawEllipse(QPoint(x, middle), _HANDLE // 2, _HANDLE // 2)
        painter.end()


@stands_for_cpp
class ctkRangeWidget(QWidget):
    """A slider with two handles and a box for each of the two values."""

    minimumValueChanged = Signal(float)
    maximumValueChanged = Signal(float)
    minimumValueIsChanging = Signal(float)
    maximumValueIsChanging = Signal(float)
    valuesChanged = Signal(float, float)
    rangeChanged = Signal(float, float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._low, self._high = QDoubleSpinBox(), QDoubleSpinBox()
        self._range, self._told, self._tracking, self._held = (0.0, 99.0), (0.0, 99.0), True, False
        for box, value in ((self._low, 0.0), (self._high, 99.0)):
            box.setRange(0.0, 99.0)
            box.setValue(value)
        self._slider = _TwoHandles(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self._low, self._slider, self._high):
            layout.addWidget(widget)
        self._low.connect("valueChanged(double)", self._changed)  # type: ignore[call-overload]
        self._high.connect("valueChanged(double)", self._changed)  # type: ignore[call-overload]

    def _changed(self) -> None:
        self._low.setMaximum(self._high.value)
        self._high.setMinimum(self._low.value)
        self._slider.update()
        if self._held and not self._tracking:
            self.minimumValueIsChanging.emit(self._low.value)
            self.maximumValueIsChanging.emit(self._high.value)
        else:
            self._tell()

    def _tell(self) -> None:
        before, self._told = self._told, (self._low.value, self._high.value)
        if self._told[0] != before[0]:
            self.minimumValueChanged.emit(self._told[0])
        if self._told[1] != before[1]:
            self.maximumValueChanged.emit(self._told[1])
        if self._told != before:
            self.valuesChanged.emit(*self._told)

    def _hold(self, held: bool) -> None:
        self._held = held
        if not held:
            self._tell()

    def _drag(self, handle: str, value: float) -> None:
        (self._low if handle == "minimum" else self._high).setValue(value)

    def setRange(self, minimum: float, maximum: float) -> None:
        """Set the limits of both values."""
        self._range = (float(minimum), max(float(minimum), float(maximum)))
        values = (self._low.value, self._high.value)
        self._put(*values)
        self.rangeChanged.emit(*self._range)

    def setMinimum(self, value: float) -> None:
        """Set the lower limit."""
        self.setRange(value, max(float(value), self._range[1]))

    def setMaximum(self, value: float) -> None:
        """Set the upper limit."""
        self.setRange(min(float(value), self._range[0]), value)

    def setValues(self, minimum: float, maximum: float) -> None:
        """Set both values, held within the limits and in order."""
        self._put(*sorted((float(minimum), float(maximum))))

    def _put(self, low: float, high: float) -> None:
        for box, value in ((self._low, low), (self._high, high)):
            blocked = box.blockSignals(True)
            box.setRange(*self._range)
            box.setValue(value)
            box.blockSignals(blocked)
        self._changed()

    def setMinimumValue(self, value: float) -> None:
        """Set the lower value; it does not pass the upper one."""
        self._low.setValue(float(value))

    def setMaximumValue(self, value: float) -> None:
        """Set the upper value; it does not pass the lower one."""
        self._high.setValue(float(value))

    def setSingleStep(self, step: float) -> None:
        """Set what one arrow key moves."""
        self._low.setSingleStep(float(step))
        self._high.setSingleStep(float(step))

    def setDecimals(self, decimals: int) -> None:
        """Set how many decimals the boxes show and keep."""
        self._low.setDecimals(int(decimals))
        self._high.setDecimals(int(decimals))

    def setSuffix(self, text: str) -> None:
        """Set the text after the numbers."""
        self._low.setSuffix(text)
        self._high.setSuffix(text)

    def setPrefix(self, text: str) -> None:
        """Set the text before the numbers."""
        self._low.setPrefix(text)
        self._high.setPrefix(text)

    def setTracking(self, tracking: bool) -> None:
        """Whether valuesChanged comes while dragging, or only at the end."""
        self._tracking = bool(tracking)

    def reset(self) -> None:
        """Set both values to 0, as near as the limits let."""
        self.setValues(0.0, 0.0)

    minimum = Property(float, lambda self: self._range[0], setMinimum)
    maximum = Property(float, lambda self: self._range[1], setMaximum)
    minimumValue = Property(float, lambda self: self._low.value, setMinimumValue)
    maximumValue = Property(float, lambda self: self._high.value, setMaximumValue)
    singleStep = Property(float, lambda self: self._low.singleStep, setSingleStep)
    decimals = Property(int, lambda self: self._low.decimals, setDecimals)
    prefix = Property(str, lambda self: self._low.prefix, setPrefix)
    suffix = Property(str, lambda self: self._low.suffix, setSuffix)
    tracking = Property(bool, lambda self: self._tracking, setTracking)
