"""What one rater says about one radiograph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

FORMAT_VERSION = 1

STATUSES = ("open", "done", "flagged")
LABELS = ("normal", "fracture", "uncertain")


@dataclass(frozen=True)
class Region:
    """A marked region, for example a fracture line or a cast.

    Attributes:
        kind: what it shows: ``fracture``, or the source's own class (``periostealreaction``, ``metal``, ``text``, ...).
        points: (row, col) vertices: two opposite corners for a ``box``, a closed polygon, or an open curve.
        shape: ``box``, ``polygon`` or ``curve``.
        bone: a bone of the site profile, or "".
    """

    kind: str
    points: tuple[tuple[float, float], ...]
    shape: str = "box"
    bone: str = ""


@dataclass(frozen=True)
class Annotation:
    """One rater's marks on one radiograph; the unit that is saved.

    Attributes:
        radiograph: SOP Instance UID.
        rater: who marked; a short name such as ``AM``, or ``consensus``, ``truth`` (simulated images), ``model:<id>``.
        status: ``open``, ``done`` or ``flagged``.
        label: ``normal``, ``fracture``, ``uncertain``, or None while not given.
        landmarks: name -> (row, col), pixel centres at integers.
        regions: marked regions.
        displacement: free term, for example ``none``, ``dorsal``; "" when not given.
        cast, implant: seen on the image; None when not given.
        quality: ``good``, ``limited``, ``non-diagnostic`` or "".
        view, side: as the rater sees it, "" when not given; overrides the header.
        comment: free text.
        revision: counts the saves, starting with 1; 0 for one never saved.
        updated: ISO 8601 UTC time of the last save.
        extra: what a foreign format carried and FractureAI has no name for; kept for export.
    """

    radiograph: str
    rater: str
    status: str = "open"
    label: str | None = None
    landmarks: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    regions: tuple[Region, ...] = ()
    displacement: str = ""
    cast: bool | None = None
    implant: bool | None = None
    quality: str = ""
    view: str = ""
    side: str = ""
    comment: str = ""
    revision: int = 0
    updated: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)
