"""What a reading by a model says about a study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fractureai.geometry import Roi
from fractureai.inference.activation import WindowMaps
from fractureai.inference.interval import Interval, interval_text


@dataclass(frozen=True, eq=False)
class ViewPrediction:
    """The reading of one radiograph.

    Attributes:
        file: the radiograph's path.
        sop_instance_uid: its identifier.
        view: name of the view profile that read it (``PA``, ``LAT``).
        side: ``L``, ``R`` or ``unknown``, from the header or the user.
        probability: of the positive class, 0..1; mean over folds and test-time augmentations.
        fold_probabilities: (folds,) one value a fold.
        threshold: of this view.
        landmarks: name -> (row, col) in the site profile's order.
        roi: the region of interest that was classified.
        activation_map: (roi_size_px, roi_size_px) float32, 0..1 (share of the maximum), in ROI pixels, upright;
            ``fractureai.geometry.crop_matrix(roi, roi_size_px)`` places it on the radiograph.
        spacing_mm, spacing_source: as used; ``landmarks`` as source when the image had none.
        features: (folds, channels) pooled features of the classifier.
        image_shape: rows and columns of the radiograph.
        crops: test-time crops that each fold read.
        interval: 95 % bootstrap interval of ``probability`` over folds and crops: how steady the model is, not how
            often it is right. None for a reading stored before there was one.
        window_maps: the activation map of each fold and test-time crop; None for a stored reading.
        crop_probabilities: (folds, crops) of the positive class; None for a stored reading.
        logits: (folds, classes), mean over the crops; nan where a network gives none; None for a stored reading.
        members: numbers of the bundle's networks that read it, in their order; () for all.
    """

    file: Path
    sop_instance_uid: str
    view: str
    side: str
    probability: float
    fold_probabilities: npt.NDArray[np.float64]
    threshold: float
    landmarks: Mapping[str, tuple[float, float]]
    roi: Roi
    activation_map: npt.NDArray[np.float32]
    spacing_mm: tuple[float, float]
    spacing_source: str
    features: npt.NDArray[np.float32]
    image_shape: tuple[int, int]
    crops: int = 1
    interval: Interval | None = None
    window_maps: WindowMaps | None = None
    crop_probabilities: npt.NDArray[np.float64] | None = None
    logits: npt.NDArray[np.float64] | None = None
    members: tuple[int, ...] = ()

    @property
    def member_maps(self) -> npt.NDArray[np.float32] | None:
        """(folds, roi_size_px, roi_size_px) like ``activation_map``, which is their mean; None for a stored reading."""
        return None if self.window_maps is None else self.window_maps.member_maps()

    @property
    def interval_text(self) -> str:
        """What ``interval`` is over, and what it is not."""
        return interval_text([len(self.fold_probabilities)], [self.crops])


@dataclass(frozen=True)
class Referral:
    """One reason why a person should read this study without the model.

    Attributes:
        code: stable identifier, for example ``roi-outside-image``.
        text: the sentence shown.
    """

    code: str
    text: str


@dataclass(frozen=True, eq=False)
class Prediction:
    """The reading of a study of one wrist.

    Attributes:
        study: Study Instance UID, or a name for files without one.
        views: one `ViewPrediction` for each radiograph that was read.
        probability: of the positive class for the study: the mean of the view profiles' means; None when nothing could
            be read.
        threshold: for ``probability``: the ensemble's for several views, the view's own for one.
        decision: ``positive``, ``negative``, or ``refer`` when nothing could be read.
        decision_text: for people, for example ``Fracture likely``.
        refer: True when there is at least one referral.
        referrals: the reasons.
        model: the bundle's identifier.
        notice: what must stand beside every output of this bundle; may be "".
        timings_ms: stage -> milliseconds: ``read`` (with normalising), ``localize``, ``crop``, ``classify``, ``total``.
        problems: sentences on files that were not read, or read once though given twice.
        interval: 95 % bootstrap interval of ``probability`` over folds and test-time crops of all radiographs; None
            when nothing could be read.
        calibrated_probability: ``probability`` as a frequency: of studies like those that the bundle was calibrated on,
            this share of those read alike has a fracture. The decision is made on ``probability``. This and all below:
            None (or empty) where nothing could be read or the bundle was never calibrated.
        scores: key of `fractureai.reliability.SCORES` -> value, higher = trust less; only those that are defined.
        uncertainty: the scores combined, 0 (sure)..1 (`fractureai.reliability.CombinedScore`).
        uncertainty_limit: above it the study is referred; follows from ``coverage``.
        coverage: share of studies like those that the bundle was calibrated on which the site wants answered, 0..1.
        conformal: classes that can not be ruled out (class-conditional conformal set); may be none, one or all.
    """

    study: str
    views: tuple[ViewPrediction, ...]
    probability: float | None
    threshold: float
    decision: str
    decision_text: str
    refer: bool
    referrals: tuple[Referral, ...]
    model: str
    notice: str
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    interval: Interval | None = None
    calibrated_probability: float | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    uncertainty: float | None = None
    uncertainty_limit: float | None = None
    coverage: float | None = None
    conformal: tuple[str, ...] | None = None

    @property
    def interval_text(self) -> str:
        """What ``interval`` is over, and what it is not; "" when nothing could be read."""
        if not self.views:
            return ""
        return interval_text([len(view.fold_probabilities) for view in self.views], [view.crops for view in self.views])
