"""Invented vendors and their habits in writing headers, and the mistakes of people at the console."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Vendor:
    """An imaging unit.

    Attributes:
        manufacturer, model: invented names.
        modality: ``DX`` or ``CR``.
        monochrome1: stores bone dark.
        bits: BitsStored.
        spacing: ``imager``, ``pixel``, ``both`` (PixelSpacing calibrated by geometry).
        view: where it says the view: ``position``, ``code``, ``description`` (free text only).
        laterality: ``ImageLaterality``, ``Laterality`` or "" (never written).
        texts: view -> series description; ``{side}`` is filled in.
        sides: words for right and left.
        character_set: SpecificCharacterSet.
        window: writes WindowCenter and WindowWidth.
        rescale: RescaleSlope and RescaleIntercept.
        body_part: BodyPartExamined.
    """

    manufacturer: str
    model: str
    modality: str
    monochrome1: bool
    bits: int
    spacing: str
    view: str
    laterality: str
    texts: dict[str, str]
    sides: tuple[str, str]
    character_set: str
    window: bool
    rescale: tuple[float, float]
    body_part: str


VENDORS = (
    Vendor(
        "Nordlys Kuvantaminen", "Revontuli 200", "CR", True, 12, "imager", "position", "ImageLaterality",
        {"PA": "Ranne {side} PA", "LAT": "Ranne {side} sivu", "OBLIQUE": "Ranne {side} viisto"},
        ("oikea", "vasen"), "ISO_IR 100", True, (1.0, 0.0), "WRIST",
    ),
    Vendor(
        "Haldental Medizintechnik", "Klarbild DR", "DX", False, 14, "both", "code", "ImageLaterality",
        {"PA": "Handgelenk {side} d.v.", "LAT": "Handgelenk {side} seitlich", "OBLIQUE": "Handgelenk {side} schräg"},
        ("rechts", "links"), "ISO_IR 100", True, (1.0, 0.0), "WRIST",
    ),
    Vendor(
        "Sakurai Roentgen Works", "Hikari FP-7", "DX", False, 12, "pixel", "description", "Laterality",
        {"PA": "手関節 正面 {side}", "LAT": "手関節 側面 {side}", "OBLIQUE": "手関節 斜位 {side}"},
        ("右", "左"), "ISO_IR 192", True, (1.0, 0.0), "HAND",
    ),
    Vendor(
        "Kestrel Radiographic", "Merlin X", "CR", True, 10, "imager", "position", "",
        {"PA": "WRIST PA {side}", "LAT": "WRIST LAT {side}", "OBLIQUE": "WRIST OBL {side}"},
        ("RT", "LT"), "ISO_IR 6", False, (1.0, 0.0), "",
    ),
    Vendor(
        "Aurigny Imagerie", "Lumiere 43", "DX", False, 16, "both", "position", "ImageLaterality",
        {"PA": "Poignet {side} face PA", "LAT": "Poignet {side} profil", "OBLIQUE": "Poignet {side} oblique"},
        ("droit", "gauche"), "ISO_IR 100", True, (0.5, -200.0), "WRIST",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Mistakes:
    """What a header lacks or gets wrong.

    Attributes:
        wrong_side: the opposite side is written.
        no_view: no attribute says the view.
        no_side: no attribute says the side.
        no_spacing: no attribute says the spacing.
    """

    wrong_side: bool = False
    no_view: bool = False
    no_side: bool = False
    no_spacing: bool = False


def draw_vendor(rng: np.random.Generator) -> Vendor:
    """Draw the unit that made a study."""
    return VENDORS[int(rng.integers(len(VENDORS)))]


def draw_mistakes(rng: np.random.Generator) -> Mistakes:
    """Draw what goes wrong with one image."""
    wrong_side, no_view, no_side, no_spacing = rng.random(4) < (0.015, 0.03, 0.05, 0.03)
    return Mistakes(bool(wrong_side and not no_side), bool(no_view), bool(no_side), bool(no_spacing))
