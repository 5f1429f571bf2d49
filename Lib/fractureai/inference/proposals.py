"""Landmarks that a person may take over, and whether the radiograph looks like the view it is said to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fractureai.errors import RadiographError
from fractureai.inference.pipeline import Pipeline, ViewReader
from fractureai.inference.referral import landmark_referrals
from fractureai.radiograph import normalise, read_radiograph
from fractureai.radiograph.model import Radiograph


@dataclass(frozen=True)
class ViewProposal:
    """The landmarks that one view's localizer finds.

    Attributes:
        landmarks: name -> (row, col) in the site profile's order.
        spread: of each landmark's heat map, the radius as a share of the image's side.
        reasons: sentences on why they do not lie as on radiographs of this view; empty when they do.
    """

    landmarks: Mapping[str, tuple[float, float]]
    spread: tuple[float, ...]
    reasons: tuple[str, ...]

    @property
    def plausible(self) -> bool:
        """Whether the landmarks lie as on radiographs of this view."""
        return not self.reasons


@dataclass(frozen=True)
class Proposal:
    """What a model proposes for one radiograph.

    Attributes:
        sop_instance_uid: of the radiograph.
        view: name of the view profile that was asked for, or else that the file states; None when neither is known to
            the model.
        views: view profile's name -> what its localizer finds; all views of the model.
        view_suggested: a view that fits where the stated one does not, or is not known; None when no view, or more than
            one, does.
    """

    sop_instance_uid: str
    view: str | None
    views: Mapping[str, ViewProposal]
    view_suggested: str | None


def propose(pipeline: Pipeline, radiograph: Radiograph | str | Path, *, view: str | None = None) -> Proposal:
    """Find landmarks with the localizers of all views, and tell which views they are plausible for.

    The view is judged by the bounds that the bundle took from its training images: sharpness of the heat maps,
    distances between the landmarks and their ratios. The side is not judged: the landmarks of a left wrist, of a right
    one with the palm up and of a mirrored right one are the same. (Of 13 real frontal radiographs with a known side,
    the sense of rotation of the landmarks names the wrong one for one.)

    Args:
        pipeline: the models.
        radiograph: the radiograph or its file.
        view: one of `fractureai.radiograph.VIEWS`; overrides what the file says.

    Raises:
        RadiographError: the file can not be read, or the image is blank.
    """
    if not isinstance(radiograph, Radiograph):
        radiograph = read_radiograph(radiograph, view=view)
    image = normalise(radiograph.pixels, grey_levels=pipeline.bundle.spec.grey_levels)
    if not image.any():
        raise RadiographError(radiograph.path, "the image is blank", "choose another")
    views = {name: _propose_view(reader, radiograph, image) for name, reader in pipeline.readers.items()}
    profile = pipeline.bundle.site.view_for(view or radiograph.view)
    stated = profile.name if profile is not None and profile.name in views else None
    fitting = [name for name, found in views.items() if found.plausible]
    doubtful = stated is None or not views[stated].plausible
    suggested = fitting[0] if doubtful and len(fitting) == 1 else None
    return Proposal(radiograph.sop_instance_uid, stated, views, suggested)


def _propose_view(reader: ViewReader, radiograph: Radiograph, image: npt.NDArray[np.float32]) -> ViewProposal:
    found = reader.localize(image)
    profile = reader.profile
    reasons = landmark_referrals(
        profile.name, found, profile, reader.models.limits, radiograph.shape, radiograph.spacing_mm
    )
    points = zip(profile.landmark_names, found.landmarks_rc.tolist(), strict=True)
    return ViewProposal(
        {name: (row, col) for name, (row, col) in points},
        tuple(found.spread.tolist()),
        tuple(reason.text for reason in reasons),
    )
