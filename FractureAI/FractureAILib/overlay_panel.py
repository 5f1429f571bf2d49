"""The marks of a reading on the image: activation map, region of interest, landmarks; switches, sliders, legend."""

import struct
import zlib
from collections.abc import Mapping
from typing import Any

import qt
from slicer.i18n import tr as _

from fractureai.scene import overlay, views
from fractureai.scene.radiograph import UID
from fractureai.scene.reading import ReadingNodes, find_readings
from FractureAILib import reading_text
from FractureAILib.study_screen import StudyScreen

LEGEND_HEIGHT = 40


class OverlayPanel:
    """Keeps what is drawn over the radiographs as the switches and sliders say.

    Switches and sliders are connected with the parameter node by their names, so what they say is saved with the scene.

    Args:
        ui: the page's widgets by name.
        screen: the page's views.
    """

    def __init__(self, ui, screen: StudyScreen) -> None:
        self.ui = ui
        self._screen = screen
        self._nodes: ReadingNodes | None = None
        self._hidden = False
        self._blinded = False
        self._held_back: frozenset[str] = frozenset()
        ui.overlayVisible.connect("toggled(bool)", self._switched)
        ui.marksVisible.connect("toggled(bool)", lambda _on: self.apply())
        ui.overlayOpacity.connect("valueChanged(double)", lambda _value: self.apply())
        ui.overlayCutoff.connect("valueChanged(double)", lambda _value: self.set_cutoff())
        self.draw_legend()

    def show(self, nodes: ReadingNodes | None, reading: Mapping[str, Any] | None) -> None:
        """Show what a reading drew, and hide what the others drew; None: show none."""
        self._nodes = nodes
        self.ui.overlayBox.visible = nodes is not None
        self._held_back = frozenset()
        note = ""
        if reading is not None and reading_text.is_negative(reading):
            note = _("Negative reading: the map is off at first, as it shows where the model looked, not a finding.")
        elif reading is not None:
            views = [view for view in reading["views"] if view["probability"] < view["threshold"]]
            self._held_back = frozenset(view["sop_instance_uid"] for view in views)
            if views:
                text = _("{views} alone is negative: its map stays off until you switch the map off and on again.")
                note = text.format(views=", ".join(view["view"] for view in views))
        self.ui.overlayNoteLabel.text = note
        self.ui.overlayNoteLabel.visible = bool(note)
        self.set_cutoff()

    def choose_default(self, reading: Mapping[str, Any]) -> None:
        """Switch the map on for a new positive reading and off for a negative one; before it is shown."""
        self.ui.overlayVisible.checked = not reading_text.is_negative(reading)

    def toggle(self) -> None:
        """Switch the map on or off."""
        self.ui.overlayVisible.checked = not self.ui.overlayVisible.checked

    def hide_all(self, hidden: bool) -> None:
        """Hide everything for a moment, or show it again."""
        self._hidden = hidden
        self.apply()

    def set_blinded(self, blinded: bool) -> None:
        """Hide everything as long as the reader is not to see what the model says."""
        self._blinded = blinded
        self.apply()

    def leave(self) -> None:
        """Take maps and marks off the images: the page is left, and with it the model's name and notice go."""
        nodes, self._nodes = self._nodes, None
        self.apply()
        self._nodes = nodes

    def set_cutoff(self) -> None:
        """Draw maps and legend with the cut-off that is set."""
        cutoff = float(self.ui.overlayCutoff.value)
        for part in self._parts():
            if part.activation is not None and _cutoff_of(part.activation) != cutoff:
                overlay.style_activation(part.activation, cutoff)
        self.draw_legend()
        self.apply()

    def apply(self) -> None:
        """Show and hide as switches and sliders say."""
        shown = self._nodes is not None and not self._hidden and not self._blinded
        with_map = shown and bool(self.ui.overlayVisible.checked)
        opacity = float(self.ui.overlayOpacity.value)
        for name, volume in self._screen.shown_views():
            part = self._part_on(volume)
            wanted = with_map and part is not None and volume.GetAttribute(UID) not in self._held_back
            drawn = part.activation.rgba if wanted and part.activation is not None else None
            views.show(self._screen.logic(name), volume, foreground=drawn, opacity=opacity)
        self._show_marks(shown and bool(self.ui.marksVisible.checked))
        self._screen.render()

    def draw_legend(self) -> None:
        """Draw the legend as wide as there is room."""
        label = self.ui.legendLabel
        ratio = label.devicePixelRatioF()
        width = max(160, label.width)
        ink = label.palette.color(qt.QPalette.WindowText)
        image = overlay.legend_image(
            round(width * ratio),
            round(LEGEND_HEIGHT * ratio),
            float(self.ui.overlayCutoff.value),
            text_rgb=(ink.red(), ink.green(), ink.blue()),
        )
        pixmap = pixmap_of(image)
        pixmap.setDevicePixelRatio(ratio)
        label.setPixmap(pixmap)
        label.setFixedHeight(LEGEND_HEIGHT)

    def _switched(self, _on: bool) -> None:
        self._held_back = frozenset()
        self.apply()

    def _show_marks(self, visible: bool) -> None:
        """Show the marks of this reading in the view of their radiograph, and no others on these radiographs."""
        views_of = {volume.GetID(): self._screen.logic(name).GetSliceNode().GetID() for name, volume in
                    self._screen.shown_views()}  # fmt: skip
        own = self._nodes.item if self._nodes is not None else None
        for nodes in find_readings():
            for part in nodes.views.values():
                view = views_of.get(part.volume.GetID())
                for node in (part.landmarks, part.roi):
                    display = node.GetDisplayNode() if node is not None else None
                    if display is None:
                        continue
                    if view is not None:
                        display.SetViewNodeIDs((view,))
                    display.SetVisibility(bool(visible and nodes.item == own and view is not None))

    def _parts(self):
        return tuple(self._nodes.views.values()) if self._nodes is not None else ()

    def _part_on(self, volume):
        return next((part for part in self._parts() if part.volume.GetID() == volume.GetID()), None)


def pixmap_of(image) -> qt.QPixmap:
    """Return an image, (height, width, 4) uint8 RGBA, as a pixmap."""
    pixmap = qt.QPixmap()
    pixmap.loadFromData(qt.QByteArray(png_of(image)))
    return pixmap


def png_of(image) -> bytes:
    """Return an image, (height, width, 4) uint8 RGBA, as a PNG file (ISO/IEC 15948), barely compressed."""
    height, width = image.shape[:2]
    rows = b"".join(b"\0" + image[row].tobytes() for row in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b""))
    packed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def _cutoff_of(activation) -> float | None:
    text = activation.rgba.GetAttribute("FractureAI.Cutoff")
    return float(text) if text else None
