"""ctkSliderWidget, ctkDoubleSlider and ctkDoubleSpinBox: sliders and boxes for numbers with decimals."""

from __future__ import annotations

import math
from typing import Any

from PySide6.QtCore import Property, Qt, Signal
from PySide6.QtWidgets import QDoubleSpinBox, QHBoxLayout, QSlider, QWidget

from ..dialect.attributes import stands_for_cpp

_MOST_STEPS = 1_000_000


@stands_for_cpp
class ctkDoubleSlider(QWidget):
    """A slider for floating-point values; its positions are whole steps from the minimum."""

    valueChanged = Signal(float)
    sliderMoved = Signal(float)
    sliderPressed = Signal()
    sliderReleased = Signal()
    rangeChanged = Signal(float, float)

    def __init__(self, *arguments: Any) -> None:
        orientation = Qt.Orientation.Vertical
        if arguments and not isinstance(arguments[0], QWidget) and arguments[0] is not None:
            orientation = Qt.Orientation(int(arguments[0]))
        super().__init__(next((a for a in arguments if isinstance(a, QWidget)), None))
        self._minimum, self._maximum, self._step, self._page, self._value = 0.0, 99.0, 1.0, 10.0, 0.0
        self._slider = QSlider(orientation)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        self.setFocusProxy(self._slider)
        self._update_steps()
        self._slider.connect("valueChanged(int)", self._moved)  # type: ignore[call-overload]
        self._slider.connect("sliderMoved(int)", lambda p: self.sliderMoved.emit(self._at(p)))  # type: ignore[call-overload]
        self._slider.connect("sliderPressed()", self.sliderPressed.emit)  # type: ignore[call-overload]
        self._slider.connect("sliderReleased()", self.sliderReleased.emit)  # type: ignore[call-overload]

    def _steps(self) -> int:
        span = self._maximum - self._minimum
        if not math.isfinite(span) or self._step <= 0:
            return _MOST_STEPS
        return int(min(_MOST_STEPS, max(1, round(span / self._step))))

    def _at(self, position: int) -> float:
        if position >= self._steps():
            return self._maximum
        return self._minimum + position * (self._maximum - self._minimum) / self._steps()

    def _update_steps(self) -> None:
        blocked = self._slider.blockSignals(True)
        self._slider.setRange(0, self._steps())
        self._slider.setSingleStep(1)
        self._slider.setPageStep(max(1, round(self._page / self._step)) if self._step > 0 else 10)
        span = self._maximum - self._minimum
        if math.isfinite(span) and span > 0:
            self._slider.setValue(round((self._value - self._minimum) / span * self._steps()))
        self._slider.blockSignals(blocked)

    def _moved(self, position: int) -> None:
        self._take(self._at(position))

    def _take(self, value: float) -> None:
        if value != self._value:
            self._value = value
            self.valueChanged.emit(value)

    def setValue(self, value: float) -> None:
        """Set the value, held within the range."""
        value = min(self._maximum, max(self._minimum, float(value)))
        if value != self._value:
            self._value = value
            self._update_steps()
            self.valueChanged.emit(value)

    def setRange(self, minimum: float, maximum: float) -> None:
        """Set both ends; the value is held within them."""
        minimum, maximum = float(minimum), max(float(minimum), float(maximum))
        if (minimum, maximum) == (self._minimum, self._maximum):
            return
        self._minimum, self._maximum = minimum, maximum
        value = min(maximum, max(minimum, self._value))
        changed, self._value = value != self._value, value
        self._update_steps()
        self.rangeChanged.emit(minimum, maximum)
        if changed:
            self.valueChanged.emit(value)

    def setMinimum(self, value: float) -> None:
        """Set the lower end; the upper one follows when it is below."""
        self.setRange(value, max(float(value), self._maximum))

    def setMaximum(self, value: float) -> None:
        """Set the upper end; the lower one follows when it is above."""
        self.setRange(min(float(value), self._minimum), value)

    def setSingleStep(self, step: float) -> None:
        """Set what one arrow key moves; also the distance of the slider's positions."""
        self._step = float(step)
        self._update_steps()

    def setPageStep(self, step: float) -> None:
        """Set what Page Up and Page Down move."""
        self._page = float(step)
        self._update_steps()

    def setTracking(self, tracking: bool) -> None:
        """Whether the value follows while dragging."""
        self._slider.setTracking(bool(tracking))

    def setOrientation(self, orientation: int) -> None:
        """Lay it horizontally or vertically."""
        self._slider.setOrientation(Qt.Orientation(int(orientation)))

    value = Property(float, lambda self: self._value, setValue, user=True)
    minimum = Property(float, lambda self: self._minimum, setMinimum)
    maximum = Property(float, lambda self: self._maximum, setMaximum)
    singleStep = Property(float, lambda self: self._step, setSingleStep)
    pageStep = Property(float, lambda self: self._page, setPageStep)
    tracking = Property(bool, lambda self: self._slider.tracking, setTracking)
    orientation = Property(int, lambda self: int(self._slider.orientation), setOrientation)


@stands_for_cpp
class ctkSliderWidget(QWidget):
    """A slider and a spin box for one floating-point value."""

    valueChanged = Signal(float)
    valueIsChanging = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._slider, self._box = ctkDoubleSlider(Qt.Orientation.Horizontal), QDoubleSpinBox()
        self._tracking, self._dragging, self._announced = True, False, 0.0
        self._box.setRange(0, 99)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider, 1)
        layout.addWidget(self._box)
        self.setFocusProxy(self._slider)
        self._slider.connect("valueChanged(double)", self._from_slider)  # type: ignore[call-overload]
        self._slider.connect("sliderPressed()", self._press)  # type: ignore[call-overload]
        self._slider.connect("sliderReleased()", self._release)  # type: ignore[call-overload]
        self._box.connect("valueChanged(double)", self._from_box)  # type: ignore[call-overload]

    def _press(self) -> None:
        self._dragging = True

    def _release(self) -> None:
        self._dragging = False
        self._announce()

    def _from_slider(self, value: float) -> None:
        if round(value, self._box.decimals) != self._box.value:
            self._box.setValue(value)

    def _from_box(self, value: float) -> None:
        blocked = self._slider.blockSignals(True)
        self._slider.setValue(value)
        self._slider.blockSignals(blocked)
        self._announce()

    def _announce(self) -> None:
        value = self._box.value
        if self._dragging and not self._tracking:
            self.valueIsChanging.emit(value)
        elif value != self._announced:
            self._announced = value
            self.valueChanged.emit(value)

    def setValue(self, value: float) -> None:
        """Set the value, held within the range and rounded to the decimals."""
        self._box.setValue(float(value))

    def setRange(self, minimum: float, maximum: float) -> None:
        """Set both ends of the range."""
        self._slider.setRange(minimum, maximum)
        self._box.setRange(float(minimum), float(maximum))

    def setMinimum(self, value: float) -> None:
        """Set the lower end."""
        self._slider.setMinimum(value)
        self._box.setMinimum(float(value))

    def setMaximum(self, value: float) -> None:
        """Set the upper end."""
        self._slider.setMaximum(value)
        self._box.setMaximum(float(value))

    def setSingleStep(self, step: float) -> None:
        """Set what one arrow key or one click moves."""
        self._slider.setSingleStep(step)
        self._box.setSingleStep(float(step))

    def setPageStep(self, step: float) -> None:
        """Set what Page Up and Page Down move."""
        self._slider.setPageStep(step)

    def setDecimals(self, decimals: int) -> None:
        """Set how many decimals the box shows and keeps."""
        self._box.setDecimals(int(decimals))

    def setPrefix(self, text: str) -> None:
        """Set the text before the number."""
        self._box.setPrefix(text)

    def setSuffix(self, text: str) -> None:
        """Set the text after the number, for example a unit."""
        self._box.setSuffix(text)

    def setTracking(self, tracking: bool) -> None:
        """With tracking, valueChanged comes while dragging; without, valueIsChanging does; valueChanged at the end."""
        self._tracking = bool(tracking)

    def setSpinBoxVisible(self, visible: bool) -> None:
        """Show or hide the box."""
        self._box.setVisible(visible)

    def spinBox(self) -> QDoubleSpinBox:
        """The box."""
        return self._box

    def slider(self) -> ctkDoubleSlider:
        """The slider."""
        return self._slider

    def reset(self) -> None:
        """Set the value to 0."""
        self.setValue(0.0)

    value = Property(float, lambda self: self._box.value, setValue, user=True)
    minimum = Property(float, lambda self: self._box.minimum, setMinimum)
    maximum = Property(float, lambda self: self._box.maximum, setMaximum)
    singleStep = Property(float, lambda self: self._box.singleStep, setSingleStep)
    pageStep = Property(float, lambda self: self._slider.pageStep, setPageStep)
    decimals = Property(int, lambda self: self._box.decimals, setDecimals)
    prefix = Property(str, lambda self: self._box.prefix, setPrefix)
    suffix = Property(str, lambda self: self._box.suffix, setSuffix)
    tracking = Property(bool, lambda self: self._tracking, setTracking)
    spinBoxVisible = Property(bool, lambda self: not self._box.isHidden(), setSpinBoxVisible)
