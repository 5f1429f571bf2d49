"""Read a site profile from TOML and check it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from fractureai.errors import SiteError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Landmark:
    """One named point that a person or a model places on a view.

    Attributes:
        name: key in annotations and readings, for example ``distal_ulna``.
        title: name on screen.
        hint: where to place it, one line.
    """

    name: str
    title: str
    hint: str


@dataclass(frozen=True)
class ViewProfile:
    """One projection of a site that is read by its own localizer and classifier.

    Attributes:
        name: ``PA``, ``LAT``, ...
        title: name on screen.
        accepts: the views of a radiograph (DICOM terms) that are read with this profile.
        roi_side_mm: side of the square region of interest.
        roi_padding_mm: how far its centre lies from the mean of the landmarks, towards the forearm (DeepWrist, ROI).
        roi_size_px: side of the resampled region; the network's input.
        joint_line: two landmarks; the forearm lies across the line between them. Empty: the forearm lies towards +row.
        distal_landmark: the landmark on the other side of that line than the forearm; "" where there is no line.
        landmark_span_mm: mean distance between pairs of landmarks, used for images without spacing.
        landmark_span_sd_mm: its standard deviation over people.
        landmarks: in the order of the localizer's outputs.
    """

    name: str
    title: str
    accepts: tuple[str, ...]
    roi_side_mm: float
    roi_padding_mm: float
    roi_size_px: int
    joint_line: tuple[str, ...]
    distal_landmark: str
    landmark_span_mm: float
    landmark_span_sd_mm: float
    landmarks: tuple[Landmark, ...]

    @property
    def landmark_names(self) -> tuple[str, ...]:
        """Names of the landmarks in order."""
        return tuple(landmark.name for landmark in self.landmarks)

    @property
    def working_spacing_mm(self) -> float:
        """Pixel spacing of the resampled region of interest."""
        return self.roi_side_mm / self.roi_size_px


@dataclass(frozen=True)
class Site:
    """An anatomical site.

    Attributes:
        name: ``wrist``, ...
        title: name on screen.
        body_parts: BodyPartExamined values (DICOM PS3.16 Annex L) for which the site is offered.
        classes: classifier outputs in order.
        positive_class: the class whose probability is reported.
        bones: what an annotator may name as the fractured bone.
        views: the projections.
    """

    name: str
    title: str
    body_parts: tuple[str, ...]
    classes: tuple[str, ...]
    positive_class: str
    bones: tuple[str, ...]
    views: tuple[ViewProfile, ...]

    def view_for(self, radiograph_view: str) -> ViewProfile | None:
        """Return the view profile that reads a radiograph of this view, or None when no profile accepts it."""
        return next((view for view in self.views if radiograph_view in view.accepts), None)

    def view(self, name: str) -> ViewProfile:
        """Return the view profile of this name.

        Raises:
            SiteError: the site has no such view.
        """
        for view in self.views:
            if view.name == name:
                return view
        raise SiteError(f"Site {self.name} has no view {name}; it has {', '.join(v.name for v in self.views)}.")


def list_sites() -> tuple[str, ...]:
    """Return the names of the sites that come with FractureAI."""
    return tuple(sorted(path.stem for path in Path(__file__).parent.glob("*.toml")))


def load_site(name_or_path: str | Path) -> Site:
    """Read a site profile.

    Args:
        name_or_path: the name of a shipped site (``wrist``) or the path of a TOML file.

    Raises:
        SiteError: there is no such site, or the file is malformed.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = Path(__file__).parent / f"{name_or_path}.toml"
    if not path.is_file():
        raise SiteError(f"There is no site {name_or_path}; known sites: {', '.join(list_sites())}.")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SiteError(f"{path}: it is not valid TOML ({error}).") from error
    return site_from_table(table, source=str(path))


def site_from_table(table: Mapping[str, Any], source: str) -> Site:
    """Build a site from a parsed TOML table.

    Args:
        table: the content of a site file.
        source: what to name in an error.

    Raises:
        SiteError: a key is missing, unknown or out of range.
    """
    if table.get("format_version") != FORMAT_VERSION:
        raise SiteError(
            f"{source}: format_version is {table.get('format_version')}; this version reads {FORMAT_VERSION}."
        )
    views = tuple(_view(view, source) for view in table.get("views", ()))
    values = {key: _frozen(value) for key, value in table.items() if key not in ("format_version", "views")}
    site: Site = _build(Site, {**values, "views": views}, source)
    accepted = [name for view in views for name in view.accepts]
    if not views or len(set(accepted)) != len(accepted):
        raise SiteError(f"{source}: each radiograph view must be accepted by exactly one of at least one [[views]].")
    if len(site.classes) < 2 or site.positive_class not in site.classes:
        raise SiteError(f"{source}: classes needs two names or more, positive_class among them.")
    return site


def _view(table: Mapping[str, Any], source: str) -> ViewProfile:
    landmarks = tuple(_build(Landmark, dict(landmark), source) for landmark in table.get("landmarks", ()))
    values = {key: _frozen(value) for key, value in table.items() if key != "landmarks"}
    view: ViewProfile = _build(ViewProfile, {**values, "landmarks": landmarks}, source)
    names = view.landmark_names
    if len(names) < 2 or len(set(names)) != len(names):
        raise SiteError(f"{source}: view {view.name} needs at least two landmarks with different names.")
    axis = {*view.joint_line, view.distal_landmark}
    if (view.joint_line or view.distal_landmark) and not (len(view.joint_line) == 2 and len(axis & set(names)) == 3):
        raise SiteError(
            f"{source}: view {view.name}: joint_line names two landmarks of the view and distal_landmark a third, "
            "or both are empty."
        )
    if min(view.roi_side_mm, view.roi_size_px, view.landmark_span_mm, view.landmark_span_sd_mm) <= 0:
        raise SiteError(f"{source}: view {view.name}: lengths must be positive.")
    return view


def _build(cls: type[Any], values: dict[str, Any], source: str) -> Any:
    known = {field.name for field in fields(cls)}
    wrong = sorted(known.symmetric_difference(values))
    if wrong:
        raise SiteError(f"{source}: keys missing or unknown in {cls.__name__}: {', '.join(wrong)}.")
    return cls(**values)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
