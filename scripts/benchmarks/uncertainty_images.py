"""Images that a wrist model was not made for, as studies of two radiographs: what a wrong click or folder sends.

Each image is read twice, as PA and as lateral of one study, so that every score is defined as it is for a wrist.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import numpy as np
import numpy.typing as npt

from fractureai.errors import RadiographError
from fractureai.evaluation.foreign import as_every_view
from fractureai.radiograph import Radiograph, read_radiograph

Image = npt.NDArray[np.float32]
Study = tuple[Radiograph, Radiograph]

NEAR = ("wrist inverted", "wrist upside down", "wrist a third of the size")
"""Kinds that are made from the simulated wrists themselves."""


def changed_wrists(studies: list[list[Radiograph]]) -> Iterator[tuple[str, Study]]:
    """Yield (kind, study) of simulated wrists with one thing wrong."""
    changes = {NEAR[0]: _inverted, NEAR[1]: lambda image: image[::-1, ::-1], NEAR[2]: _third}
    for kind, change in changes.items():
        for radiographs in studies:
            yield kind, tuple(replace(item, pixels=np.ascontiguousarray(change(item.pixels))) for item in radiographs)


def _inverted(image: Image) -> Image:
    return np.asarray(image.max() + image.min() - image, dtype=np.float32)


def _third(image: Image) -> Image:
    """Return the image at a third of its size in the middle of an empty field of its own size."""
    small = image[: image.shape[0] // 3 * 3, : image.shape[1] // 3 * 3]
    small = small.reshape(small.shape[0] // 3, 3, small.shape[1] // 3, 3).mean(axis=(1, 3))
    field = np.full(image.shape, image.min(), dtype=np.float32)
    top, left = (image.shape[0] - small.shape[0]) // 2, (image.shape[1] - small.shape[1]) // 2
    field[top : top + small.shape[0], left : left + small.shape[1]] = small
    return field


def no_radiographs(count: int, seed: int = 0) -> Iterator[tuple[str, Study]]:
    """Yield (kind, study) of noise, of smooth clouds, and of parts of photographs that come with scikit-learn."""
    from scipy import ndimage
    from sklearn.datasets import load_sample_images

    rng = np.random.default_rng(seed)
    photographs = [np.asarray(image.mean(axis=2), dtype=np.float32) for image in load_sample_images().images]
    for number in range(count):
        yield "noise", as_study(rng.random((512, 400), dtype=np.float32), f"noise {number}")
        cloud = sum(ndimage.gaussian_filter(rng.standard_normal((512, 400)), s) * s for s in (2, 8, 32))
        yield "clouds", as_study(np.asarray(cloud, dtype=np.float32), f"clouds {number}")
        picture = photographs[number % len(photographs)]
        size = int(rng.integers(200, picture.shape[0]))
        row, col = (int(rng.integers(0, n - size + 1)) for n in picture.shape)
        part = picture[row : row + size, col : col + size]
        yield "photograph", as_study(np.ascontiguousarray(part), f"photograph {number}")


def real_radiographs(folder: Path) -> Iterator[tuple[str, Study]]:
    """Yield (kind, study) of the radiographs in a folder laid out like the one that the documentation names.

    ``dicom_cr/*chest*``, ``fracatlas`` (with its table), ``hand_landmarks`` and ``wrist_xray``; what is missing is left
    out, and so are files that can not be read.
    """
    files = [("chest", path) for path in sorted((folder / "dicom_cr").glob("*chest*.dcm"))]
    files += list(_fracatlas(folder / "fracatlas"))
    files += [("hand", path) for path in sorted((folder / "hand_landmarks").glob("*.mha"))]
    files += [("real wrist", path) for path in sorted((folder / "wrist_xray").rglob("*.jpg"))]
    for kind, path in files:
        try:
            radiograph = read_radiograph(path)
        except RadiographError:
            continue
        yield kind, _twice(radiograph)


def _fracatlas(folder: Path) -> Iterator[tuple[str, Path]]:
    table = folder / "dataset.csv"
    if not table.is_file():
        return
    with table.open(encoding="utf-8", newline="") as handle:
        parts = {row["image_id"]: [part for part in ("hand", "leg", "hip", "shoulder") if row[part] == "1"]
                 for row in csv.DictReader(handle)}  # fmt: skip
    for path in sorted(folder.rglob("*.jpg")):
        if len(found := parts.get(path.name, [])) == 1:
            yield found[0], path


def as_study(image: Image, name: str, spacing_mm: float = 0.3) -> Study:
    """Return an image that comes from nowhere as PA and lateral."""
    return _twice(
        Radiograph(
            path=Path(name), pixels=image, spacing_mm=(spacing_mm, spacing_mm), spacing_source="user",
            view="unknown", view_source="none", side="unknown", side_source="none",
            body_part="unknown", body_part_source="none", sop_instance_uid=f"2.25.{crc32(name.encode())}",
        )
    )  # fmt: skip


def _twice(radiograph: Radiograph) -> Study:
    first, second = as_every_view(radiograph, ("PA", "LAT"))
    return first, second
