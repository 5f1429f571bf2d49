"""One ZIP file that holds a whole dataset."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fractureai.dataset.annotation_files import warn_of
from fractureai.dataset.annotation_json import annotation_to_json
from fractureai.dataset.files import encode_name, replace_file
from fractureai.dataset.layout import IMAGES, SETTINGS, SPLITS, TABLE
from fractureai.dataset.table import RadiographRow, rows_to_csv
from fractureai.errors import DatasetError

if TYPE_CHECKING:
    from fractureai.dataset.core import Dataset

_DATE = (1980, 1, 1, 0, 0, 0)  # same dataset, same bytes


def pack(dataset: Dataset, zip_path: str | Path, raters: Sequence[str] | None = None) -> Path:
    """Write a dataset into a ZIP file, images that lie elsewhere included; unpacked, it is a dataset again.

    The key of the pseudonyms stays behind. The images are packed as they are: DICOM headers are **not** de-identified.

    Args:
        dataset: the dataset.
        zip_path: the file to write; an existing one is replaced once the new one is whole.
        raters: whose annotations to pack; None for all.

    Raises:
        DatasetError: an image is missing, or the file can not be written.
    """
    target = Path(zip_path)
    unfinished = target.with_name(f".{target.name}.tmp")
    try:
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            _write(archive, dataset, raters)
        replace_file(unfinished, target)
    except OSError as error:
        raise DatasetError(target, f"it could not be written ({error.strerror})", "check the free space") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return target


def _write(archive: zipfile.ZipFile, dataset: Dataset, raters: Sequence[str] | None) -> None:
    for name in (SETTINGS, SPLITS, f"{dataset.site.name}.toml"):
        if (dataset.folder / name).is_file():
            archive.writestr(zip_entry(name), (dataset.folder / name).read_bytes())
    rows = [_pack_image(archive, dataset, row) for row in dataset.radiographs]
    archive.writestr(zip_entry(TABLE), rows_to_csv(rows))
    for rater in dataset.raters if raters is None else raters:
        for mark in dataset.annotations(rater, report=warn_of):
            name = dataset.annotation_path(mark.radiograph, rater).relative_to(dataset.folder).as_posix()
            archive.writestr(zip_entry(name), annotation_to_json(mark))


def _pack_image(archive: zipfile.ZipFile, dataset: Dataset, row: RadiographRow) -> RadiographRow:
    path = dataset.image_path(row)
    if not row.file or not path.is_file():
        raise DatasetError(path, f"the file of radiograph {row.id} is missing", "restore it, or remove the row")
    name = f"{IMAGES}/{encode_name(row.id)}{path.suffix.lower()}"
    with path.open("rb") as source, archive.open(zip_entry(name), "w", force_zip64=True) as target:
        shutil.copyfileobj(source, target, 1 << 20)
    return replace(row, file=name)


def zip_entry(name: str) -> zipfile.ZipInfo:
    """Return an entry that is the same whenever it is written."""
    entry = zipfile.ZipInfo(name, _DATE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry
