"""What a training is given: a dataset folder, or the archive of one."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

from fractureai.dataset import Dataset
from fractureai.dataset.portable import unpack_portable

UNPACKED = "dataset"
_PART = ".unpacking-"


def open_source(source: Path, out: Path) -> Dataset:
    """Open a dataset; an archive (`fractureai.dataset.portable`) is unpacked into ``out/dataset`` first.

    Every file is compared with the archive's manifest. When ``out/dataset`` holds the same archive already, it is used
    as it is, so that a training can go on; unpacking that was killed is begun again.

    Args:
        source: folder of a dataset, or a ZIP file.
        out: folder of the training.

    Raises:
        DatasetError: it is neither, the archive is damaged, or ``out/dataset`` holds something else.
    """
    if not source.is_file():
        return Dataset.open(source)
    target = out / UNPACKED
    if target.exists():
        return unpack_portable(source, target)
    out.mkdir(parents=True, exist_ok=True)
    for left in out.glob(f"{_PART}*"):
        shutil.rmtree(left, ignore_errors=True)
    part = out / f"{_PART}{secrets.token_hex(4)}"
    try:
        unpack_portable(source, part)
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return Dataset.open(target)
