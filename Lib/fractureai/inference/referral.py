"""Why a person should read a study without the model. Pure functions from what was found to reasons."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from fractureai.bundle.spec import LandmarkLimits, ViewModels, landmark_pairs
from fractureai.geometry import FloatArray, Roi, Spacing, pixel_to_mm
from fractureai.inference.localize import Localization
from fractureai.inference.prediction import Referral, ViewPrediction
from fractureai.radiograph.model import UNKNOWN, Radiograph
from fractureai.sites import Site, ViewProfile

CODES = (
    "body-part",
    "both-sides",
    "file-unreadable",
    "folds-disagree",
    "header-conflict",
    "image-blank",
    "landmarks-implausible",
    "patients-differ",
    "roi-outside-image",
    "score-uncertain",
    "sides-differ",
    "spacing-missing",
    "unlike-training",
    "view-not-supported",
    "view-unknown",
    "views-disagree",
)
"""Every code a `Referral` can have."""

ROI_INSIDE_MIN = 0.6
"""Share of the region of interest that must lie on the image. A wrist is often collimated more narrowly than the region
of 70 or 90 mm is wide, and such images train the model too; less than this means that the wrist itself is cut."""

BORDER_SHARE = 0.01
"""A landmark nearer to the image's border than this share of its side counts as lying on it."""

DECISION_MARGIN = 0.1
"""Folds or views on different sides of the threshold disagree when both are at least this far from it."""

SIDE_NAMES = {"L": "left", "R": "right", "B": "both"}


def landmark_referrals(
    label: str,
    found: Localization,
    profile: ViewProfile,
    limits: LandmarkLimits,
    shape: tuple[int, int],
    spacing_mm: Spacing | None,
) -> list[Referral]:
    """Judge landmarks by what training images were like.

    Args:
        label: how to name the radiograph in a sentence.
        found: the landmarks.
        profile: the view.
        limits: the bundle's bounds.
        shape: rows and columns of the radiograph.
        spacing_mm: its spacing; None when it has none (distances in millimetres are not judged then).
    """
    titles = [landmark.title for landmark in profile.landmarks]
    sentences = []
    vague = [title for title, spread in zip(titles, found.spread, strict=True) if not spread <= limits.spread_max]
    if vague:
        sentences.append(f"{label}: not sure where this is: {', '.join(vague)}.")
    places = (found.landmarks_rc + 0.5) / np.array(shape)
    on_border = [
        title
        for title, place in zip(titles, places, strict=True)
        if not (place.min() >= BORDER_SHARE and place.max() <= 1 - BORDER_SHARE)
    ]
    if on_border:
        sentences.append(f"{label}: on the border of the image: {', '.join(on_border)}.")
    distances = _pair_distances(found.landmarks_rc, spacing_mm or (1.0, 1.0))
    span = float(distances.mean())
    ratios = distances / span if span > 0 else np.full(len(distances), np.nan)
    if not ((ratios >= limits.pair_ratio_low) & (ratios <= limits.pair_ratio_high)).all():
        sentences.append(f"{label}: the landmarks do not lie as usual to each other.")
    if spacing_mm is not None and not limits.span_mm_low <= span <= limits.span_mm_high:
        usual = f"{limits.span_mm_low:.0f} to {limits.span_mm_high:.0f} mm are usual"
        sentences.append(f"{label}: the landmarks are {span:.0f} mm apart; {usual}.")
    return [Referral("landmarks-implausible", sentence) for sentence in sentences]


def roi_referrals(label: str, roi: Roi, shape: tuple[int, int]) -> list[Referral]:
    """Refer when too much of the region of interest is off the image."""
    inside = roi.fraction_inside(shape)
    if inside >= ROI_INSIDE_MIN:
        return []
    return [
        Referral("roi-outside-image", f"{label}: only {100 * inside:.0f} % of the region of interest is on the image.")
    ]


def spacing_referral(label: str) -> Referral:
    """Return the reason for an image without spacing, read at a scale derived from its landmarks."""
    text = f"{label}: no pixel spacing in the file; the scale was estimated from the landmarks."
    return Referral("spacing-missing", text)


def blank_referral(label: str) -> Referral:
    """Return the reason for an image that shows nothing."""
    return Referral("image-blank", f"{label}: not read, the image is blank.")


def no_region_referral(label: str) -> Referral:
    """Return the reason for an image on whose landmarks no region of interest can be placed."""
    return Referral("landmarks-implausible", f"{label}: not read, the landmarks were not found.")


def unreadable_referral(file: Path) -> Referral:
    """Return the reason for a file that could not be read."""
    return Referral("file-unreadable", f"{file.name}: the file could not be read.")


def unknown_view_referral(radiograph: Radiograph, names: Sequence[str]) -> Referral:
    """Return the reason for a radiograph that does not say which view it is. The model does not guess."""
    return Referral("view-unknown", f"{radiograph.path.name}: not read, the view is unknown; say {' or '.join(names)}.")


def unsupported_view_referral(radiograph: Radiograph, names: Sequence[str]) -> Referral:
    """Return the reason for a study without any radiograph of a view that the model reads."""
    text = f"{radiograph.path.name}: not read, this model reads {' and '.join(names)}, not {radiograph.view}."
    return Referral("view-not-supported", text)


def header_referrals(radiographs: Sequence[Radiograph], site: Site) -> list[Referral]:
    """Judge what the headers of the radiographs that were read say: about themselves and together."""
    referrals = []
    for radiograph in radiographs:
        name = radiograph.path.name
        referrals += [Referral("header-conflict", f"{name}: {text}") for text in radiograph.conflicts]
        if radiograph.side == "B":
            referrals.append(Referral("both-sides", f"{name}: both sides on one image; this model reads one."))
        if radiograph.body_part not in (UNKNOWN, *site.body_parts):
            text = f"{name}: header says {radiograph.body_part}; this model reads {site.title.lower()} radiographs."
            referrals.append(Referral("body-part", text))
    if {"L", "R"} <= {radiograph.side for radiograph in radiographs}:
        referrals.append(Referral("sides-differ", "The radiographs are of the left and of the right side."))
    if len({radiograph.patient_id for radiograph in radiographs} - {""}) > 1:
        referrals.append(Referral("patients-differ", "The radiographs are of different patients."))
    return referrals


def fold_referrals(label: str, view: ViewPrediction, models: ViewModels) -> list[Referral]:
    """Refer when the folds disagree: in their scatter, or in their decisions."""
    values = view.fold_probabilities
    split = _split(values, np.full(len(values), models.threshold))
    if not split and np.std(values) <= models.fold_disagreement_max:
        return []
    text = f"{label}: the model's {len(values)} parts disagree ({values.min():.2f} to {values.max():.2f})."
    return [Referral("folds-disagree", text)]


def view_referrals(
    probabilities: Mapping[str, float], thresholds: Mapping[str, float], disagreement_max: float
) -> list[Referral]:
    """Refer when views disagree: in their probabilities, or in their decisions.

    Args:
        probabilities: view -> probability.
        thresholds: view -> threshold.
        disagreement_max: largest difference that is not referred.
    """
    if len(probabilities) < 2:
        return []
    names = list(probabilities)
    values = np.array([probabilities[name] for name in names])
    split = _split(values, np.array([thresholds[name] for name in names]))
    if not split and np.ptp(values) <= disagreement_max:
        return []
    numbers = " and ".join(f"{value:.2f}" for value in values)
    return [Referral("views-disagree", f"{' and '.join(names)} disagree ({numbers}).")]


def uncertain_referral(lower_share: float, causes: Sequence[Referral]) -> Referral:
    """Return the reason for a study that the model is less sure of than the site wants it to be.

    Args:
        lower_share: share of the studies it was calibrated on of which it was surer, 0..1.
        causes: disagreements that go along with it.
    """
    of_100 = math.floor(100 * lower_share)
    others = "any study" if of_100 == 100 else f"{of_100} of 100 studies"
    because = "; ".join(reason.text.rstrip(".") for reason in causes)
    text = f"The model is less sure here than on {others} it was calibrated on{': ' if because else ''}{because}."
    return Referral("score-uncertain", text)


def unlike_training_referral() -> Referral:
    """Return the reason for images that are not like those the model has learned from."""
    return Referral("unlike-training", "The image is unlike those the model has learned from; its answer means little.")


def _split(values: FloatArray, thresholds: FloatArray) -> bool:
    above = values >= thresholds + DECISION_MARGIN
    below = values <= thresholds - DECISION_MARGIN
    return bool(above.any() and below.any())


def _pair_distances(points_rc: FloatArray, spacing_mm: Spacing) -> FloatArray:
    first, second = landmark_pairs(len(points_rc))
    mm = pixel_to_mm(points_rc, spacing_mm)
    return np.asarray(np.linalg.norm(mm[first] - mm[second], axis=1))
