"""A Qt widget that shows a VTK render window drawn off the screen, and hands Qt's events to VTK's interactor.

The window is drawn by VTK into memory (EGL, OSMesa or a hidden window, whichever VTK finds) and painted by Qt: it needs
no native child window, so it works on every Qt platform (offscreen, Wayland, xcb) and can be grabbed like any widget.
Rendering is coalesced: any number of requests make one frame at the next paint. A view may paint something of its own
below what VTK draws (`_paint_below`): VTK's picture has a transparent ground.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import vtkmodules.vtkInteractionStyle
import vtkmodules.vtkRenderingAnnotation
import vtkmodules.vtkRenderingFreeType
import vtkmodules.vtkRenderingOpenGL2  # noqa: F401
from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, Qt, QTimer
from PySide6.QtGui import QCursor, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QWidget
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkUnsignedCharArray
from vtkmodules.vtkInteractionStyle import vtkInteractorStyleUser
from vtkmodules.vtkRenderingCore import vtkRenderer, vtkRenderWindow
from vtkmodules.vtkRenderingUI import vtkGenericRenderWindowInteractor

from . import graphics, properties
from .keys import key_character, key_symbol

_BUTTONS = {
    Qt.MouseButton.LeftButton: "LeftButton",
    Qt.MouseButton.RightButton: "RightButton",
    Qt.MouseButton.MiddleButton: "MiddleButton",
}
# Numbers of VTK's cursors (VTK_CURSOR_*), in VTK's order.
_CURSORS = (
    Qt.CursorShape.ArrowCursor,
    Qt.CursorShape.ArrowCursor,
    Qt.CursorShape.SizeBDiagCursor,
    Qt.CursorShape.SizeFDiagCursor,
    Qt.CursorShape.SizeBDiagCursor,
    Qt.CursorShape.SizeFDiagCursor,
    Qt.CursorShape.SizeVerCursor,
    Qt.CursorShape.SizeHorCursor,
    Qt.CursorShape.SizeAllCursor,
    Qt.CursorShape.PointingHandCursor,
    Qt.CursorShape.CrossCursor,
)
# Dots per inch at which VTK's text has its nominal size (QVTKRenderWindowAdapter).
UNSCALED_DPI = 72
# A wheel notch in Qt's eighths of a degree.
WHEEL_NOTCH = 120


class RenderView(QWidget):
    """A render window in a widget; the counterpart of ctkVTKAbstractView.

    The render window has as many pixels as the screen shows (size times device pixel ratio), so that a position in
    VTK's display coordinates is a physical pixel.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        graphics.choose()
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMinimumSize(120, 120)
        self._window = vtkRenderWindow()
        self._window.SetOffScreenRendering(1)
        self._window.SetMultiSamples(0)
        self._window.SetAlphaBitPlanes(1)
        self._window.SetSize(320, 320)
        self._renderer = vtkRenderer()
        self._renderer.GetActiveCamera().ParallelProjectionOn()
        self._renderer.SetBackgroundAlpha(0.0)
        self._window.AddRenderer(self._renderer)
        self._interactor = vtkGenericRenderWindowInteractor()
        self._interactor.SetRenderWindow(self._window)
        self._interactor.SetInteractorStyle(vtkInteractorStyleUser())
        self._interactor.Initialize()
        self._cursor_tag = self._window.AddObserver("CursorChangedEvent", self._cursor_changed)
        self._timers: dict[int, QTimer] = {}
        self._pixels = vtkUnsignedCharArray()
        self._image = QImage()
        self._ratio = 0.0
        self._dirty = True
        self._enabled = True
        self._wheel = 0.0
        self._frames = 0

    # What ctkVTKAbstractView offers.

    def renderWindow(self) -> Any:
        """The VTK render window; its size is in physical pixels."""
        return self._window

    def renderer(self) -> Any:
        """The first renderer."""
        return self._renderer

    def interactor(self) -> Any:
        """The interactor that receives the widget's events."""
        return self._interactor

    def scheduleRender(self) -> None:
        """Ask for a new frame; many calls before the next paint make one frame."""
        self._dirty = True
        if self._enabled:
            self.update()

    def forceRender(self) -> None:
        """Draw a frame now, whether or not the widget is visible, and show it."""
        self._render()
        (self.repaint if self.isVisible() else self.update)()

    def setRenderEnabled(self, enabled: bool) -> None:
        """Hold back frames (during batch changes of the scene), or draw again."""
        self._enabled = bool(enabled)
        if self._enabled and self._dirty:
            self.update()

    def renderEnabled(self) -> bool:
        """Whether requests make frames."""
        return self._enabled

    @property
    def frames(self) -> int:
        """How many frames VTK has drawn so far."""
        return self._frames

    # Drawing.

    def _physical_size(self) -> tuple[int, int]:
        size, ratio = properties.size(self), self.devicePixelRatioF()
        return max(1, round(size.width() * ratio)), max(1, round(size.height() * ratio))

    def _fit_window(self) -> None:
        """Give the render window the widget's size in physical pixels."""
        size, ratio = self._physical_size(), self.devicePixelRatioF()
        if tuple(self._window.GetSize()) == size and self._ratio == ratio:
            return
        self._ratio = ratio
        self._window.SetSize(*size)
        self._interactor.SetSize(*size)
        self._window.SetDPI(round(UNSCALED_DPI * ratio))
        self._interactor.ConfigureEvent()
        self._dirty = True

    def _render(self) -> None:
        """Draw a frame with VTK and keep its picture."""
        self._fit_window()
        self._draw()
        width, height = self._window.GetSize()
        self._window.GetRGBACharPixelData(0, 0, width - 1, height - 1, 0, self._pixels)
        rows = vtk_to_numpy(self._pixels).reshape(height, width, 4)
        self._image = turned_over(rows, self._image, QImage.Format.Format_RGBA8888_Premultiplied)
        self._image.setDevicePixelRatio(self._ratio)
        self._dirty = False
        self._frames += 1

    def _draw(self) -> None:
        self._window.Render()

    def _is_paused(self) -> bool:
        """Whether the application holds back drawing (`slicer.app.pauseRender`)."""
        return False

    def _paint_below(self, painter: QPainter) -> None:
        """Paint what lies below VTK's picture."""

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw a frame when one was asked for, and paint the last one."""
        self._fit_window()
        if (self._dirty and self._enabled and not self._is_paused()) or self._image.isNull():
            self._render()
        painter = QPainter(self)
        painter.fillRect(QRect(QPoint(0, 0), properties.size(self)), Qt.GlobalColor.black)
        self._paint_below(painter)
        painter.drawImage(0, 0, self._image)
        painter.end()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Follow the widget's size."""
        self._fit_window()
        super().resizeEvent(event)

    # Events.

    def _position(self, position: QPointF) -> tuple[int, int]:
        """A position in the widget as a physical pixel, rows from above."""
        ratio = self.devicePixelRatioF()
        return int(position.x() * ratio + 1e-6), int(position.y() * ratio + 1e-6)

    def _send(self, name: str, event: Any, position: QPointF | None = None, repeat: int = 0) -> None:
        modifiers = event.modifiers() if hasattr(event, "modifiers") else Qt.KeyboardModifier.NoModifier
        control = int(bool(modifiers & Qt.KeyboardModifier.ControlModifier))
        shift = int(bool(modifiers & Qt.KeyboardModifier.ShiftModifier))
        if position is not None:
            x, y = self._position(position)
            self._interactor.SetEventInformationFlipY(x, y, control, shift, "\0", repeat, None)
        self._interactor.SetAltKey(int(bool(modifiers & Qt.KeyboardModifier.AltModifier)))
        self._interactor.InvokeEvent(name)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Hand a move to VTK."""
        self._send("MouseMoveEvent", event, event.position())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Hand a press to VTK."""
        button = _BUTTONS.get(event.button())
        if button:
            self._send(f"{button}PressEvent", event, event.position())

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Hand a double click to VTK (it comes instead of the second press)."""
        button = _BUTTONS.get(event.button())
        if button:
            self._send(f"{button}DoubleClickEvent", event, event.position(), 1)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Hand a release to VTK."""
        button = _BUTTONS.get(event.button())
        if button:
            self._send(f"{button}ReleaseEvent", event, event.position())

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Hand the wheel to VTK, one event a notch; fine wheels and touch pads are added up."""
        self._wheel += event.angleDelta().y()
        while abs(self._wheel) >= WHEEL_NOTCH:
            forward = self._wheel > 0
            self._wheel -= WHEEL_NOTCH if forward else -WHEEL_NOTCH
            self._send("MouseWheelForwardEvent" if forward else "MouseWheelBackwardEvent", event, event.position())
        event.accept()

    def enterEvent(self, event: Any) -> None:
        """Tell VTK that the pointer came in."""
        self._send("EnterEvent", event, event.position())

    def leaveEvent(self, event: QEvent) -> None:
        """Tell VTK that the pointer left."""
        self._send("LeaveEvent", event)

    def _send_key(self, event: QKeyEvent, press: bool) -> None:
        modifiers = event.modifiers()
        self._interactor.SetKeyEventInformation(
            int(bool(modifiers & Qt.KeyboardModifier.ControlModifier)),
            int(bool(modifiers & Qt.KeyboardModifier.ShiftModifier)),
            key_character(event),
            event.count(),
            key_symbol(event),
        )
        self._interactor.SetAltKey(int(bool(modifiers & Qt.KeyboardModifier.AltModifier)))
        # No CharEvent: only VTK's plain interactor styles answer to it (3 for stereo, w for wireframe ...).
        self._interactor.InvokeEvent("KeyPressEvent" if press else "KeyReleaseEvent")

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Hand a key to VTK."""
        self._send_key(event, press=True)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """Hand a released key to VTK."""
        self._send_key(event, press=False)

    def focusNextPrevChild(self, _next: bool) -> bool:
        """Tab leaves the view (it is for the panel), as in Slicer."""
        return super().focusNextPrevChild(_next)

    # Cursor.

    def _cursor_changed(self, window: Any, _event: str) -> None:
        shape = window.GetCurrentCursor()
        if 0 < shape < len(_CURSORS):
            self.setCursor(QCursor(_CURSORS[shape]))
        else:
            self._default_cursor()

    def _default_cursor(self) -> None:
        self.unsetCursor()

    # End.

    def finalize(self) -> None:
        """Free the graphics resources; the view draws no more."""
        self._enabled = False
        self._window.RemoveObserver(self._cursor_tag)
        self._interactor.SetRenderWindow(None)
        self._window.Finalize()


def turned_over(rows: np.ndarray, image: QImage, image_format: QImage.Format) -> QImage:
    """A picture of VTK's (rows from below, (height, width, 4) uint8) as an image: the given one if it fits."""
    height, width = rows.shape[:2]
    if image.width() != width or image.height() != height:
        image = QImage(width, height, image_format)
    target = np.frombuffer(image.bits(), np.uint8, height * width * 4).reshape(height, width, 4)
    target[...] = rows[::-1]
    return image
