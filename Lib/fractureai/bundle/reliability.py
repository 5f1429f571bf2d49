"""The arrays by which a bundle knows how far its readings can be trusted, and how a bundle gets new ones."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fractureai.bundle.layout import INFERENCE, LICENSE, RELIABILITY, bundle_files, is_model_path
from fractureai.bundle.load import Bundle
from fractureai.bundle.write import write_bundle
from fractureai.errors import BundleError

Arrays = dict[str, npt.NDArray[Any]]


def load_arrays(bundle: Bundle) -> Arrays:
    """Return the arrays of ``models/reliability.safetensors``.

    Raises:
        BundleError: the bundle has none, or the file is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = bundle.path(RELIABILITY)
    try:
        return dict(load_file(path))
    except FileNotFoundError as error:
        raise BundleError(path, "it is missing", "run fractureai calibrate with this bundle") from error
    except (SafetensorError, OSError) as error:
        raise BundleError(path, f"it is damaged ({error})", "run fractureai calibrate with this bundle") from error


def write_with_reliability(bundle: Bundle, table: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> Path:
    """Write a bundle anew in its place, with the same networks, config and licence and another reliability.

    Until all of it is written the bundle stays as it was, also when this process is killed.

    Args:
        bundle: the bundle.
        table: becomes ``BundleSpec.reliability``.
        arrays: become ``models/reliability.safetensors``.

    Returns:
        The bundle's folder.
    """
    from safetensors.numpy import save_file

    models = {name: path for name, path in bundle_files(bundle.folder).items() if is_model_path(name)}
    config = json.loads(bundle.path(INFERENCE).read_text(encoding="utf-8"))
    license_text = bundle.path(LICENSE).read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "reliability.safetensors"
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, file)
        spec = replace(bundle.spec, reliability=dict(table))
        models[RELIABILITY] = file
        return write_bundle(bundle.folder, spec, models, config, overwrite=True, license_text=license_text)
