"""Probabilities as bars, each with its interval and the threshold it is held against."""

from collections.abc import Sequence

import qt

from FractureAILib.reading_text import Line

ROW_HEIGHT = 22
SCALE_HEIGHT = 16
BAR_HEIGHT = 8
MODEL_COLOUR = "#0072B2"
MODEL_COLOUR_DARK = "#56B4E9"
"""Okabe-Ito's sky blue: the model's blue has too little contrast on dark backgrounds."""


def is_dark(palette: qt.QPalette) -> bool:
    """Tell whether texts of this palette are brighter than what they stand on."""
    return palette.color(qt.QPalette.WindowText).lightness() > palette.color(qt.QPalette.Window).lightness()


def draw_bars(lines: Sequence[Line], width: int, palette: qt.QPalette, ratio: float = 1.0) -> qt.QPixmap:
    """Draw one bar for each line above a scale from 0 to 1.

    The bar is filled where the probability reaches the threshold and hollow where it does not, so that it can be told
    without colours; the interval is a line with two ends through the bar's tip; the threshold an upright stroke.

    Args:
        lines: what is drawn, from top to bottom.
        width: of the picture, in device-independent pixels.
        palette: of the widget that shows it.
        ratio: device pixels to one device-independent pixel.
    """
    height = ROW_HEIGHT * len(lines) + SCALE_HEIGHT
    pixmap = qt.QPixmap(int(width * ratio), int(height * ratio))
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(qt.QColor(0, 0, 0, 0))
    painter = qt.QPainter(pixmap)
    drawing = _Bars(painter, width, palette)
    for number, line in enumerate(lines):
        drawing.bar(line, number * ROW_HEIGHT)
    drawing.scale(ROW_HEIGHT * len(lines))
    painter.end()
    return pixmap


class _Bars:
    """Draws with one painter."""

    LEFT = 48
    RIGHT = 12

    def __init__(self, painter: qt.QPainter, width: int, palette: qt.QPalette) -> None:
        self.painter = painter
        self.length = max(1, width - self.LEFT - self.RIGHT)
        self.ink = palette.color(qt.QPalette.WindowText)
        self.model = qt.QColor(MODEL_COLOUR_DARK if is_dark(palette) else MODEL_COLOUR)
        self.ground = qt.QColor(self.ink.red(), self.ink.green(), self.ink.blue(), 40)

    def _x(self, share: float) -> int:
        return self.LEFT + round(share * self.length)

    def _stroke(self, x1: int, y1: int, x2: int, y2: int, width: int = 1) -> None:
        """Draw an upright or level stroke as a filled rectangle: sharp at every scaling."""
        rect = qt.QRect(min(x1, x2), min(y1, y2), abs(x2 - x1) or width, abs(y2 - y1) or width)
        self.painter.fillRect(rect, self.ink)

    def bar(self, line: Line, top: int) -> None:
        """Draw one line's bar."""
        middle = top + ROW_HEIGHT // 2
        self.painter.setPen(self.ink)
        self.painter.drawText(0, middle + 5, line.label)
        y = middle - BAR_HEIGHT // 2
        self.painter.fillRect(qt.QRect(self.LEFT, y, self.length, BAR_HEIGHT), self.ground)
        tip = self._x(line.probability)
        self.painter.fillRect(qt.QRect(self.LEFT, y, tip - self.LEFT, BAR_HEIGHT), self.model)
        if not line.positive and tip - self.LEFT > 4:
            self.painter.setCompositionMode(qt.QPainter.CompositionMode_Source)
            self.painter.fillRect(
                qt.QRect(self.LEFT + 2, y + 2, tip - self.LEFT - 4, BAR_HEIGHT - 4), qt.QColor(0, 0, 0, 0)
            )
            self.painter.setCompositionMode(qt.QPainter.CompositionMode_SourceOver)
        if line.interval is not None:
            low, high = self._x(line.interval[0]), self._x(line.interval[1])
            self._stroke(low, middle, high, middle)
            for end in (low, high):
                self._stroke(end, middle - 3, end, middle + 4)
        mark = self._x(line.threshold)
        self._stroke(mark - 1, top + 2, mark - 1, top + ROW_HEIGHT - 2, width=2)

    def scale(self, top: int) -> None:
        """Draw 0 and 1 below the bars, and what the upright stroke is."""
        font = self.painter.font()
        font.setPointSizeF(max(6.0, font.pointSizeF() * 0.8))
        self.painter.setFont(font)
        self.painter.setPen(self.ink)
        for share, text in ((0.0, "0"), (0.5, "0.5"), (1.0, "1")):
            x = self._x(share)
            self._stroke(x, top, x, top + 3)
            self.painter.drawText(x - 3 * len(text), top + SCALE_HEIGHT - 2, text)
