"""From the radiographs of one study to a reading."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from fractureai.bundle import Bundle, ViewModels, load_bundle
from fractureai.errors import GeometryError, RadiographError
from fractureai.geometry import Spacing, crop_roi, roi_from_landmarks, spacing_from_landmarks
from fractureai.inference import referral
from fractureai.inference.classify import Classification, classify
from fractureai.inference.interval import Interval, bootstrap_means, percentile_interval
from fractureai.inference.localize import Localization, localize
from fractureai.inference.prediction import Prediction, Referral, ViewPrediction
from fractureai.inference.runtime import OnnxRuntime, Runtime, RuntimeFactory
from fractureai.inference.trust import Trust, judge, uncalibrated
from fractureai.radiograph import normalise, read_radiograph
from fractureai.radiograph.model import UNKNOWN, Radiograph
from fractureai.sites import ViewProfile

Source: TypeAlias = "str | Path | Radiograph"


class HasPath(Protocol):
    """Anything that knows its file, such as a `fractureai.radiograph.RadiographHeader`."""

    @property
    def path(self) -> Path:
        """The file."""


@runtime_checkable
class HasRadiographs(Protocol):
    """Anything with radiographs, such as a `fractureai.radiograph.Study`."""

    @property
    def radiographs(self) -> Sequence[HasPath]:
        """The radiographs."""


NOT_SURE = "Not sure: please read without me"
"""Stands where no decision is given."""

STAGES = ("read", "localize", "crop", "classify", "total")

OnStage: TypeAlias = Callable[[str], None]
"""Is called with the name of a stage (`STAGES` without ``total``) before it begins; what it raises ends the reading."""


class Pipeline:
    """Reads studies with the models of one bundle. Make one with `Pipeline.load`.

    Attributes:
        bundle: the bundle.
        trust: judges how far each reading can be trusted; None when the bundle was never calibrated.
        readers: view profile's name -> what reads that view.
    """

    def __init__(self, bundle: Bundle, factory: RuntimeFactory, coverage: float | None = None) -> None:
        self.bundle = bundle
        self.trust = Trust.load(bundle, coverage)
        self.readers: Mapping[str, ViewReader] = {
            name: ViewReader(bundle, bundle.site.view(name), models, factory)
            for name, models in bundle.spec.views.items()
        }

    @classmethod
    def load(
        cls,
        bundle: str | Path | Bundle,
        *,
        runtime: str | RuntimeFactory = "onnx",
        threads: int | None = None,
        coverage: float | None = None,
    ) -> Pipeline:
        """Load a bundle; its networks are loaded when a radiograph of their view is read for the first time.

        Args:
            bundle: a folder, ``demo``, or a loaded bundle.
            runtime: ``onnx``, or a function that makes a `Runtime` from an ONNX file's path.
            threads: how many threads ONNX Runtime may use; None: it decides.
            coverage: share of studies, like those that the bundle was calibrated on, which the site wants answered;
                above 0, at most 1; the others are referred (``score-uncertain``). None: what the bundle was made with.

        Raises:
            BundleError: the bundle is damaged, of another format version, or was never calibrated and a coverage given.
            ValueError: there is no such runtime.
            EvaluationError: the coverage is out of range.
        """
        if isinstance(runtime, str) and runtime != "onnx":
            raise ValueError(f"There is no runtime {runtime}; give onnx or a function.")
        factory = functools.partial(OnnxRuntime, threads=threads) if isinstance(runtime, str) else runtime
        return cls(bundle if isinstance(bundle, Bundle) else load_bundle(bundle), factory, coverage)

    def load_networks(self) -> None:
        """Load all networks now, so that the first reading is as quick as the others.

        Raises:
            BundleError: a network can not be loaded.
        """
        for reader in self.readers.values():
            reader.load()

    def read(
        self,
        study: Source | HasRadiographs | Sequence[Source],
        *,
        view: str | None = None,
        side: str | None = None,
        spacing_mm: Spacing | float | None = None,
        name: str | None = None,
        on_stage: OnStage | None = None,
        coverage: float | None = None,
        members: Sequence[int] | None = None,
    ) -> Prediction:
        """Read the radiographs of one study of one body side.

        A radiograph that can not be read becomes a referral and a problem; the others are read.

        Args:
            study: a radiograph or its file, several of them, or a
                `fractureai.radiograph.Study`.
            view, side: override what the headers say, for all radiographs.
            spacing_mm: (row, column) spacing, or one number for both; overrides the headers.
            name: what to call the study; None: its Study Instance UID, else the first file's name.
            on_stage: follows the stages of each radiograph, and ends the reading by raising.
            coverage: for this study, instead of the one of `load`.
            members: numbers of the networks of each stage and view that may read; None: all. For studies of patients
                that the others were trained on.

        Raises:
            BundleError: a coverage was given and the bundle was never calibrated.
            EvaluationError: the coverage is out of range.
        """
        job = _Job(self.bundle, self._trust_at(coverage), on_stage, None if members is None else tuple(members))
        spacing = (float(spacing_mm),) * 2 if isinstance(spacing_mm, int | float) else spacing_mm
        given: dict[str, Any] = {"view": view, "side": side, "spacing_mm": spacing}
        sources = _sources(study)
        with job.timed("total"):
            radiographs = [radiograph for source in sources if (radiograph := job.take(source, given)) is not None]
            self._read_views(job, radiographs)
        job.refer(*referral.header_referrals(radiographs, self.bundle.site))
        return self._conclude(job, name or _study_name(radiographs, sources))

    def _trust_at(self, coverage: float | None) -> Trust | None:
        if coverage is None:
            return self.trust
        if self.trust is None:
            raise uncalibrated(self.bundle)
        return self.trust.at(coverage)

    def _read_views(self, job: _Job, radiographs: Sequence[Radiograph]) -> None:
        unsupported = []
        chosen: list[tuple[ViewReader, Radiograph]] = []
        for radiograph in radiographs:
            profile = self.bundle.site.view_for(radiograph.view)
            if radiograph.view == UNKNOWN:
                job.refer(referral.unknown_view_referral(radiograph, tuple(self.readers)))
            elif profile is None or profile.name not in self.readers:
                unsupported.append(referral.unsupported_view_referral(radiograph, tuple(self.readers)))
            else:
                chosen.append((self.readers[profile.name], radiograph))
        names = [reader.profile.name for reader, _ in chosen]
        for reader, radiograph in chosen:
            several = names.count(reader.profile.name) > 1
            label = f"{reader.profile.name} ({radiograph.path.name})" if several else reader.profile.name
            reader.read(job, radiograph, label)
        job.problems += [note.text for note in unsupported]
        if not job.views:
            job.refer(*unsupported)

    def _conclude(self, job: _Job, study: str) -> Prediction:
        spec = self.bundle.spec
        by_view: dict[str, list[float]] = {}
        for view in job.views:
            by_view.setdefault(view.view, []).append(view.probability)
        means = {name: float(np.mean(values)) for name, values in by_view.items()}
        thresholds = {name: spec.views[name].threshold for name in means}
        job.disagreements += referral.view_referrals(means, thresholds, spec.view_disagreement_max)
        threshold = next(iter(thresholds.values())) if len(means) == 1 else spec.ensemble_threshold
        probability = float(np.mean(list(means.values()))) if means else None
        decision, text = self._decision(probability, threshold)
        judged = judge(job.trust, job.views, job.disagreements)
        job.refer(*judged.referrals)
        return Prediction(
            study=study,
            views=tuple(job.views),
            probability=probability,
            threshold=threshold,
            decision=decision,
            decision_text=text,
            refer=bool(job.referrals),
            referrals=tuple(job.referrals),
            model=spec.id,
            notice=spec.notice,
            timings_ms=dict(job.timings_ms),
            problems=tuple(job.problems),
            interval=None if probability is None else job.interval(probability),
            **judged.values,
        )

    def _decision(self, probability: float | None, threshold: float) -> tuple[str, str]:
        finding = self.bundle.site.positive_class
        finding = finding[:1].upper() + finding[1:]
        if probability is None:
            return "refer", NOT_SURE
        return ("positive", f"{finding} likely") if probability >= threshold else ("negative", f"{finding} unlikely")


@dataclass
class _Job:
    """What is gathered while one study is read."""

    bundle: Bundle
    trust: Trust | None
    on_stage: OnStage | None = None
    members: tuple[int, ...] | None = None
    views: list[ViewPrediction] = field(default_factory=list)
    referrals: list[Referral] = field(default_factory=list)
    disagreements: list[Referral] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    timings_ms: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    _seen: set[str] = field(default_factory=set)
    _means: dict[str, list[npt.NDArray[np.float64]]] = field(default_factory=dict)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        if self.on_stage is not None and stage != "total":
            self.on_stage(stage)
        start = time.perf_counter()
        yield
        self.timings_ms[stage] += (time.perf_counter() - start) * 1000

    def refer(self, *reasons: Referral) -> None:
        self.referrals += reasons

    def add(self, view: ViewPrediction, result: Classification) -> None:
        """Take the reading of a radiograph, with its interval."""
        means = bootstrap_means(result.crop_probabilities, len(self.views))
        self._means.setdefault(view.view, []).append(means)
        self.views.append(replace(view, interval=percentile_interval(means, view.probability)))

    def interval(self, probability: float) -> Interval:
        """Return the interval of the study: each resample is averaged as the probabilities are."""
        by_view = [np.mean(means, axis=0) for means in self._means.values()]
        return percentile_interval(np.mean(by_view, axis=0), probability)

    def take(self, source: Source, given: dict[str, Any]) -> Radiograph | None:
        """Read one radiograph; None when it can not be read or was taken before."""
        try:
            with self.timed("read"):
                radiograph = (
                    _as_given(source, given) if isinstance(source, Radiograph) else read_radiograph(source, **given)
                )
        except RadiographError as error:
            self.problems.append(str(error))
            self.refer(referral.unreadable_referral(error.path))
            return None
        if radiograph.sop_instance_uid in self._seen:
            self.problems.append(f"{radiograph.path}: it was given twice and read once.")
            return None
        self._seen.add(radiograph.sop_instance_uid)
        return radiograph


class ViewReader:
    """Reads radiographs of one view.

    Attributes:
        profile: the view's landmarks and region of interest.
        models: the networks and bounds of this view.
    """

    def __init__(self, bundle: Bundle, profile: ViewProfile, models: ViewModels, factory: RuntimeFactory) -> None:
        self.profile = profile
        self.models = models
        self._bundle, self._factory = bundle, factory
        self._localizers: list[Runtime] = []
        self._classifiers: list[Runtime] = []
        self._loading = threading.Lock()

    def load(self) -> None:
        """Load the networks of both stages unless they are there; safe to call from several threads."""
        self._load(self._localizers, self.models.localizers)
        self._load(self._classifiers, self.models.classifiers)

    def localize(self, image: npt.NDArray[np.float32], members: tuple[int, ...] | None = None) -> Localization:
        """Find the landmarks on a normalised radiograph with all localizers, or those of some numbers.

        The members of an ensemble share their localizers, so all of these are asked then.
        """
        self._load(self._localizers, self.models.localizers)
        shared = len(self.models.localizers) != len(self.models.classifiers)
        chosen = self._localizers if members is None or shared else [self._localizers[number] for number in members]
        return localize(image, chosen, self._bundle.spec.localizer_size_px)

    @property
    def classifiers(self) -> Sequence[Runtime]:
        """The classifiers, one a fold; loaded when they are asked for first."""
        self._load(self._classifiers, self.models.classifiers)
        return self._classifiers

    def _classify(self, region: npt.NDArray[np.float32], members: tuple[int, ...] | None) -> Classification:
        site = self._bundle.site
        return classify(
            region,
            self.classifiers if members is None else [self.classifiers[number] for number in members],
            window_px=self.models.window_px,
            crops=self.models.crops,
            mirror=self.models.mirror,
            positive=site.classes.index(site.positive_class),
        )

    def _load(self, networks: list[Runtime], files: Sequence[str]) -> None:
        with self._loading:
            if not networks:
                networks += [self._factory(self._bundle.path(relative)) for relative in files]

    def read(self, job: _Job, radiograph: Radiograph, label: str) -> None:
        """Localize, crop and classify; what was found, or why not, goes into the job."""
        profile = self.profile
        with job.timed("read"):
            image = normalise(radiograph.pixels, grey_levels=self._bundle.spec.grey_levels)
        if not image.any():
            job.refer(referral.blank_referral(label))
            return
        with job.timed("localize"):
            found = self.localize(image, job.members)
        try:
            with job.timed("crop"):
                spacing = radiograph.spacing_mm or spacing_from_landmarks(found.landmarks_rc, profile)
                roi = roi_from_landmarks(found.landmarks_rc, profile, spacing)
                region = crop_roi(image, roi, profile.roi_size_px)
        except GeometryError:
            job.refer(referral.no_region_referral(label))
            return
        with job.timed("classify"):
            result = self._classify(region, job.members)
        view = ViewPrediction(
            file=radiograph.path,
            sop_instance_uid=radiograph.sop_instance_uid,
            view=profile.name,
            side=radiograph.side,
            probability=float(result.fold_probabilities.mean()),
            fold_probabilities=result.fold_probabilities,
            threshold=self.models.threshold,
            landmarks=_named(profile, found.landmarks_rc),
            roi=roi,
            activation_map=result.activation_map,
            spacing_mm=spacing,
            spacing_source=radiograph.spacing_source if radiograph.spacing_mm else "landmarks",
            features=result.features,
            image_shape=radiograph.shape,
            crops=result.crop_probabilities.shape[1],
            window_maps=result.window_maps,
            crop_probabilities=result.crop_probabilities,
            logits=result.logits,
            members=job.members or (),
        )
        job.add(view, result)
        self._judge(job, radiograph, label, found, view)

    def _judge(self, job: _Job, radiograph: Radiograph, label: str, found: Localization, view: ViewPrediction) -> None:
        shape, limits = radiograph.shape, self.models.limits
        job.refer(
            *referral.landmark_referrals(label, found, self.profile, limits, shape, radiograph.spacing_mm),
            *referral.roi_referrals(label, view.roi, shape),
            *([] if radiograph.spacing_mm else [referral.spacing_referral(label)]),
        )
        job.disagreements += referral.fold_referrals(label, view, self.models)


def _named(profile: ViewProfile, points_rc: npt.NDArray[np.float64]) -> dict[str, tuple[float, float]]:
    return {name: (float(row), float(col)) for name, (row, col) in zip(profile.landmark_names, points_rc, strict=True)}


def _as_given(radiograph: Radiograph, given: dict[str, Any]) -> Radiograph:
    changes = {key: value for key, value in given.items() if value is not None}
    changes.update({f"{key.removesuffix('_mm')}_source": "user" for key in changes})
    return replace(radiograph, **changes)


def _sources(study: Source | HasRadiographs | Sequence[Source]) -> tuple[Source, ...]:
    if isinstance(study, HasRadiographs):
        return tuple(header.path for header in study.radiographs)
    if isinstance(study, str | Path | Radiograph):
        return (study,)
    return tuple(study)


def _study_name(radiographs: Sequence[Radiograph], sources: Sequence[Source]) -> str:
    uids = [radiograph.study_instance_uid for radiograph in radiographs if radiograph.study_instance_uid]
    if uids:
        return uids[0]
    paths = [source.path if isinstance(source, Radiograph) else Path(source) for source in sources]
    return paths[0].stem if paths else ""
