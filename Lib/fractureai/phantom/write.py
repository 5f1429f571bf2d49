"""Write a collection of simulated studies as a dataset."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fractureai.dataset.annotation import Annotation, Region
from fractureai.phantom.config import PHANTOM_VERSION, PhantomConfig, stream
from fractureai.phantom.dicom_file import Header, dicom_bytes, make_uid
from fractureai.phantom.reports import write_report
from fractureai.phantom.study import SimulatedRadiograph, SimulatedStudy, StudyPlan, simulate_study
from fractureai.phantom.vendors import draw_mistakes, draw_vendor

if TYPE_CHECKING:
    from fractureai.dataset import Dataset, RadiographRow

RATER = "truth"
UPDATED = "2026-01-01T00:00:00Z"
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class _Written:
    """What one study contributes to the dataset's tables."""

    rows: tuple[RadiographRow, ...]
    annotations: tuple[Annotation, ...]
    truth: dict[str, Any]


def write_dataset(
    folder: str | Path,
    *,
    studies: int,
    seed: int = 0,
    pixels: int | None = None,
    hard_fraction: float | None = None,
    config: PhantomConfig | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Simulate studies and write them as a new dataset: same arguments, same bytes of every file.

    Writes images/*.dcm, annotations of the rater ``truth``, radiographs.csv, reports/<study>.txt and truth.json.

    Args:
        folder: must not hold a dataset.
        studies: how many.
        seed: of the collection.
        pixels, hard_fraction: override ``config``.
        config: what to simulate.
        workers: processes; None for one a processor; 1 for none.
        progress: is called with (studies done, studies in all).

    Raises:
        DatasetError: the folder holds a dataset already, or the configuration is impossible.
    """
    from fractureai.dataset import Dataset

    config = config or PhantomConfig()
    given: dict[str, Any] = {"pixels": pixels, "hard_fraction": hard_fraction}
    config = replace(config, **{name: value for name, value in given.items() if value is not None})
    dataset = Dataset.create(folder, name=f"Simulated wrists, seed {seed}", site="wrist")
    (dataset.folder / "reports").mkdir(exist_ok=True)
    written = []
    for done, item in enumerate(_simulate_all(dataset.folder, studies, seed, config, workers), start=1):
        written.append(item)
        if progress is not None:
            progress(done, studies)
    dataset.add_rows(row for item in written for row in item.rows)
    dataset.save_all((a for item in written for a in item.annotations), updated=UPDATED)
    _write_truth(dataset.folder / "truth.json", seed, config, [item.truth for item in written])
    return dataset


def _write_truth(path: Path, seed: int, config: PhantomConfig, studies: list[dict[str, Any]]) -> None:
    settings = asdict(config)
    if not config.hard_faint_fraction:
        del settings["hard_faint_fraction"]  # collections from before it was there keep every byte
    table = {"phantom_version": PHANTOM_VERSION, "seed": seed, "config": settings, "studies": studies}
    path.write_bytes((json.dumps(table, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode("utf-8"))


def _simulate_all(
    folder: Path, studies: int, seed: int, config: PhantomConfig, workers: int | None
) -> Iterator[_Written]:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    count = min(workers or os.cpu_count() or 1, max(studies, 1))
    if count == 1:
        yield from (_simulate_one(folder, index, seed, config) for index in range(studies))
        return
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        arguments = ([folder] * studies, range(studies), [seed] * studies, [config] * studies)
        yield from pool.map(_simulate_one, *arguments, chunksize=2)


def _simulate_one(folder: Path, index: int, seed: int, config: PhantomConfig) -> _Written:
    study = simulate_study(index, seed, config)
    plan = study.plan
    study_uid = make_uid("study", seed, index)
    rng = stream(seed, index, "header")
    vendor = draw_vendor(rng)
    day = date(2019, 1, 1) + timedelta(days=int(rng.integers(0, 2000)))
    clock = f"{int(rng.integers(7, 22)):02d}{int(rng.integers(60)):02d}{int(rng.integers(60)):02d}"
    rows, annotations, images = [], [], []
    for number, radiograph in enumerate(study.radiographs, start=1):
        header = Header(
            study_uid=study_uid,
            series_uid=make_uid("series", seed, index, number),
            sop_uid=make_uid("image", seed, index, number),
            patient_id=f"SIM-{plan.patient + 1:04d}",
            sex=plan.person.sex,
            age_years=plan.person.age_years,
            date=day.strftime("%Y%m%d"),
            time=clock,
            view=radiograph.view,
            side=radiograph.side,
            instance=number,
            spacing_mm=radiograph.spacing_mm,
            vendor=vendor,
            mistakes=draw_mistakes(stream(seed, index, number, "mistakes")),
            rle=bool(rng.random() < 0.04),
        )
        data = dicom_bytes(radiograph.image, header)
        name = f"images/{index:05d}_{radiograph.view}.dcm"
        (folder / name).write_bytes(data)
        rows.append(_row(header, plan, name, hashlib.sha256(data).hexdigest()))
        annotations.append(_annotation(header.sop_uid, radiograph, plan))
        images.append(_image_truth(header, radiograph, name))
    report = write_report(plan, config.views, stream(seed, index, "report"))
    (folder / "reports" / f"{study_uid}.txt").write_bytes(report.encode("utf-8"))
    return _Written(tuple(rows), tuple(annotations), _study_truth(study, study_uid, images))


def _row(header: Header, plan: StudyPlan, file: str, sha256: str) -> RadiographRow:
    from fractureai.dataset import RadiographRow

    missing = header.mistakes.no_spacing
    return RadiographRow(
        id=header.sop_uid,
        study=header.study_uid,
        patient=header.patient_id,
        view=header.view,
        side=header.written_side or header.side,
        file=file,
        sha256=sha256,
        row_spacing_mm=round(header.spacing_mm, 6) if missing else None,
        col_spacing_mm=round(header.spacing_mm, 6) if missing else None,
        age_years=float(header.age_years),
        sex=header.sex,
        date=header.date,
        stratum=plan.stratum,
        description="simulated",
        extra={"child": str(plan.person.child).lower(), "cast": plan.cast, "implant": plan.implant},
    )


def _annotation(sop_uid: str, radiograph: SimulatedRadiograph, plan: StudyPlan) -> Annotation:
    regions = []
    for truth in radiograph.fractures:
        regions.append(Region("fracture", truth.box, "box", truth.fracture.bone))
        regions.append(Region("fracture", truth.polygon, "polygon", truth.fracture.bone))
    main = plan.fractures[0] if plan.fractures else None
    displacement = ""
    if main is not None:
        displacement = (
            "none" if main.severity in ("faint", "occult") else "dorsal" if main.shift_mm[2] >= 0 else "palmar"
        )
    return Annotation(
        radiograph=sop_uid,
        rater=RATER,
        status="done",
        label=plan.label,
        landmarks=dict(radiograph.landmarks),
        regions=tuple(regions),
        displacement=displacement,
        cast=bool(plan.cast),
        implant=bool(plan.implant),
        view=radiograph.view,
        side=radiograph.side,
        extra={"visible": str(any(truth.visible for truth in radiograph.fractures)).lower()},
    )


def _image_truth(header: Header, radiograph: SimulatedRadiograph, file: str) -> dict[str, Any]:
    return {
        "id": header.sop_uid,
        "file": file,
        "view": radiograph.view,
        "side": radiograph.side,
        "spacing_mm": round(radiograph.spacing_mm, 6),
        "header": {"side": header.written_side, **asdict(header.mistakes), "manufacturer": header.vendor.manufacturer},
        "landmarks": {name: list(point) for name, point in radiograph.landmarks.items()},
        "fractures": [
            {"bone": t.fracture.bone, "kind": t.fracture.kind, "box": [list(p) for p in t.box], "visible": t.visible}
            for t in radiograph.fractures
        ],
    }


def _study_truth(study: SimulatedStudy, study_uid: str, images: list[dict[str, Any]]) -> dict[str, Any]:
    plan = study.plan
    return {
        "study": study_uid,
        "index": plan.index,
        "patient": f"SIM-{plan.patient + 1:04d}",
        "person": asdict(plan.person),
        "forearm": asdict(plan.shape),
        "child": plan.person.child,
        "side": plan.side,
        "label": plan.label,
        "stratum": plan.stratum,
        "cast": plan.cast,
        "implant": plan.implant,
        "fractures": [asdict(fracture) for fracture in plan.fractures],
        "images": images,
    }
