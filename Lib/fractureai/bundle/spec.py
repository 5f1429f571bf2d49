"""What a bundle says about itself, and how that is written as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from fractureai.errors import SiteError
from fractureai.sites import Site
from fractureai.sites.profile import FORMAT_VERSION as SITE_FORMAT_VERSION
from fractureai.sites.profile import site_from_table

FORMAT_VERSION = 2
READ_VERSIONS = (1, 2)
"""Version 2 added ``reliability``; version 1 is read as without it."""

CROPS = ("five", "centre")


@dataclass(frozen=True)
class LandmarkLimits:
    """Between which bounds the landmarks of a view are believed; taken from the training images.

    Attributes:
        spread_max: largest root mean square radius of a landmark's heat map, as a share of the image's side.
        pair_ratio_low: for each pair of landmarks (order of ``numpy.triu_indices(n, 1)``) the smallest ratio of its
            distance to the mean distance of all pairs, both in millimetres.
        pair_ratio_high: the largest ratio, likewise.
        span_mm_low: smallest mean distance of all pairs, in millimetres.
        span_mm_high: largest mean distance of all pairs, in millimetres.
    """

    spread_max: float
    pair_ratio_low: tuple[float, ...]
    pair_ratio_high: tuple[float, ...]
    span_mm_low: float
    span_mm_high: float


@dataclass(frozen=True)
class ViewModels:
    """The models of one view and how they are used.

    Attributes:
        localizers: ONNX files, one a fold, relative to the bundle.
        classifiers: ONNX files, one a fold, relative to the bundle.
        threshold: probability from which on the view alone is called positive.
        window_px: side of the classifier's input.
        crops: ``five``: four corner windows and the central one; ``centre``: the central one.
        mirror: whether each window is read a second time, mirrored left-right.
        limits: bounds of plausible landmarks.
        fold_disagreement_max: standard deviation of the folds' probabilities from which on the study is referred.
    """

    localizers: tuple[str, ...]
    classifiers: tuple[str, ...]
    threshold: float
    window_px: int
    crops: str
    mirror: bool
    limits: LandmarkLimits
    fold_disagreement_max: float


@dataclass(frozen=True)
class BundleSpec:
    """Everything inference needs to know beside the weights.

    Attributes:
        id: identifier of the model, printed with every reading.
        title: name for people.
        site: the site profile as a parsed TOML table; the bundle carries its own copy.
        views: view name -> its models.
        ensemble_threshold: for the mean over the views.
        view_disagreement_max: difference of the views' probabilities from which on the study is referred.
        localizer_size_px: side of the localizers' input.
        recipe: the training recipe.
        data: what it was trained on: fingerprint, numbers of patients, studies and radiographs, ``simulated``, ...
        metrics: figures on held-out patients; a figure is a number or ``{"value", "low", "high"}``.
        versions: package -> version at the time of training.
        command: the exact command that made the bundle.
        notice: what must stand beside every output; may be "".
        created: ISO 8601 date.
        reliability: how far the readings can be trusted, the part that is no array
            (`fractureai.reliability.Reliability`); None when it was never fitted.
    """

    id: str
    title: str
    site: Mapping[str, Any]
    views: Mapping[str, ViewModels]
    ensemble_threshold: float
    view_disagreement_max: float
    localizer_size_px: int
    recipe: Mapping[str, Any]
    data: Mapping[str, Any]
    metrics: Mapping[str, Any]
    versions: Mapping[str, str]
    command: str
    notice: str
    created: str
    reliability: Mapping[str, Any] | None = None

    def profile(self) -> Site:
        """Return the site profile.

        Raises:
            SiteError: the table is malformed.
        """
        return site_from_table(self.site, source=f"bundle {self.id}")

    @property
    def grey_levels(self) -> int:
        """To how many values normalised images are cut off, as in training; 0 for floats."""
        return int(self.recipe.get("grey_levels", 0))

    def onnx_files(self) -> tuple[str, ...]:
        """Return the ONNX files of all views, relative to the bundle."""
        return tuple(path for view in self.views.values() for path in (*view.localizers, *view.classifiers))


def landmark_pairs(count: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return first and second index of each pair of landmarks, in the order of `LandmarkLimits`."""
    first, second = np.triu_indices(count, 1)
    return first, second


def site_table(site: Site) -> dict[str, Any]:
    """Return a site profile as the table that `BundleSpec.site` takes."""
    values: dict[str, Any] = plain(site)
    return {"format_version": SITE_FORMAT_VERSION, **values}


def spec_to_json(spec: BundleSpec) -> dict[str, Any]:
    """Return the specification as plain JSON values, with its format version."""
    values: dict[str, Any] = plain({field.name: getattr(spec, field.name) for field in fields(spec)})
    return {"format_version": FORMAT_VERSION, **values}


def spec_from_json(table: Mapping[str, Any]) -> BundleSpec:
    """Build the specification from JSON values.

    Raises:
        ValueError: a key is missing, unknown or out of range; the message says which.
    """
    values = {key: value for key, value in table.items() if key != "format_version"}
    if table.get("format_version") == 1:
        values = {"reliability": None, **values}
    views = {name: _view(name, view) for name, view in _require(values, "views", dict).items()}
    spec: BundleSpec = _build(BundleSpec, {**values, "views": views})
    check_spec(spec)
    return spec


def check_spec(spec: BundleSpec) -> None:
    """Check what the types do not say.

    Raises:
        ValueError: the specification contradicts itself; the message says where.
    """
    try:
        site = spec.profile()
    except SiteError as error:
        raise ValueError(str(error).rstrip(".")) from error
    names = {view.name: len(view.landmarks) for view in site.views}
    if not spec.views or not set(spec.views) <= set(names):
        raise ValueError(f"views are {sorted(spec.views)}, the site {site.name} has {sorted(names)}")
    for name, view in spec.views.items():
        _check_view(name, view, names[name], site.view(name).roi_size_px)
    numbers = (spec.ensemble_threshold, spec.view_disagreement_max, spec.localizer_size_px)
    if not all(math.isfinite(number) and number > 0 for number in numbers):
        raise ValueError("ensemble_threshold, view_disagreement_max and localizer_size_px must be positive")
    if spec.reliability is not None and not isinstance(spec.reliability, Mapping):
        raise ValueError("reliability is not a table")
    if not spec.id or not spec.created:
        raise ValueError("id and created must not be empty")


def _check_view(name: str, view: ViewModels, landmarks: int, roi_size_px: int) -> None:
    pairs = len(landmark_pairs(landmarks)[0])
    if not view.localizers or not view.classifiers:
        raise ValueError(f"view {name} needs at least one localizer and one classifier")
    if view.crops not in CROPS:
        raise ValueError(f"view {name}: crops is {view.crops!r}, not one of {', '.join(CROPS)}")
    if not 0 < view.window_px <= roi_size_px:
        raise ValueError(f"view {name}: a window of {view.window_px} pixels does not fit a region of {roi_size_px}")
    if len(view.limits.pair_ratio_low) != pairs or len(view.limits.pair_ratio_high) != pairs:
        raise ValueError(f"view {name}: {landmarks} landmarks need {pairs} pair ratios")
    numbers = (view.threshold, view.fold_disagreement_max, *asdict(view.limits).values())
    if not np.isfinite(np.hstack(numbers)).all():
        raise ValueError(f"view {name}: thresholds and limits must be finite numbers")


def plain(value: Any) -> Any:
    """Turn dataclasses, tuples, paths and numpy values into JSON values; a number that is not finite becomes None."""
    if hasattr(value, "__dataclass_fields__"):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def _view(name: str, table: Any) -> ViewModels:
    if not isinstance(table, dict):
        raise ValueError(f"view {name} is not a table")
    limits: LandmarkLimits = _build(LandmarkLimits, _require(table, "limits", dict))
    view: ViewModels = _build(ViewModels, {**table, "limits": limits})
    return view


def _require(table: Mapping[str, Any], key: str, kind: type[dict[Any, Any]]) -> dict[str, Any]:
    if not isinstance(table.get(key), kind):
        raise ValueError(f"{key} is missing or not a table")
    found: dict[str, Any] = table[key]
    return found


_TYPES: dict[str, tuple[type, ...]] = {
    "float": (int, float),
    "int": (int,),
    "str": (str,),
    "bool": (bool,),
    "tuple[float, ...]": (tuple,),
    "tuple[str, ...]": (tuple,),
}
_ITEMS: dict[str, tuple[type, ...]] = {"tuple[float, ...]": (int, float), "tuple[str, ...]": (str,)}


def _build(cls: type[Any], values: Mapping[str, Any]) -> Any:
    known = {field.name: str(field.type) for field in fields(cls)}
    wrong = sorted(set(known).symmetric_difference(values))
    if wrong:
        raise ValueError(f"keys missing or unknown in {cls.__name__}: {', '.join(wrong)}")
    frozen = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    for key, kind in known.items():
        allowed, items = _TYPES.get(kind, (object,)), _ITEMS.get(kind, (object,))
        sound = isinstance(frozen[key], allowed)
        if sound and kind in _ITEMS:
            sound = all(isinstance(item, items) for item in frozen[key])
        if not sound:
            raise ValueError(f"{cls.__name__}.{key} is not {kind}")
    return cls(**frozen)
