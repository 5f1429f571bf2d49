"""Write a bundle: all of it or nothing."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fractureai.bundle.card import model_card, model_card_json
from fractureai.bundle.layout import (
    CARD,
    CARD_JSON,
    HASHES,
    INFERENCE,
    LICENSE,
    METADATA,
    MODEL_SUFFIXES,
    RELIABILITY,
    bundle_files,
    is_model_path,
    sha256,
)
from fractureai.bundle.metadata import monai_metadata
from fractureai.bundle.spec import BundleSpec, check_spec, plain
from fractureai.errors import BundleError

_UNLICENSED = """The rights in these weights belong to whoever trained them on their data.
No licence is granted with this file. To share the bundle, put a licence here and write the bundle anew.
"""


def write_bundle(
    folder: str | Path,
    spec: BundleSpec,
    model_files: Mapping[str, Path],
    monai_config: Mapping[str, Any],
    *,
    overwrite: bool = False,
    license_text: str | None = None,
) -> Path:
    """Write a bundle into a new folder.

    The files are put together in a folder beside it, which takes the final name once complete; a crash leaves no half
    bundle under that name.

    Args:
        folder: where the bundle goes; its parent is made when missing.
        spec: what the bundle says about itself.
        model_files: relative path (``models/PA/classifier_0.onnx``) -> the file to copy; every ONNX file that the
            specification names, weights as ``.safetensors``, and ``models/reliability.safetensors`` when the
            specification has a table ``reliability``.
        monai_config: content of ``configs/inference.json``: a MONAI config that names the network by ``_target_``.
        overwrite: replace a bundle that is there.
        license_text: licence of the weights; None: Apache 2.0 for weights trained on simulated images, else a note that
            no licence is granted.

    Returns:
        The folder.

    Raises:
        BundleError: the folder is taken, a model file is missing or of another kind, or the specification is wrong.
    """
    folder = Path(folder)
    _check(folder, spec, model_files, monai_config, overwrite)
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        _fill(partial, spec, model_files, monai_config, license_text)
        _move(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _check(
    folder: Path, spec: BundleSpec, model_files: Mapping[str, Path], monai_config: Mapping[str, Any], overwrite: bool
) -> None:
    try:
        check_spec(spec)
    except ValueError as error:
        raise BundleError(folder, f"the specification is wrong: {error}", "correct it") from error
    for relative, source in model_files.items():
        if not is_model_path(relative) or Path(source).suffix not in MODEL_SUFFIXES:
            kinds = " or ".join(MODEL_SUFFIXES)
            raise BundleError(
                folder, f"{relative} (from {source}) is not a model file below models/", f"give {kinds} files"
            )
        if not Path(source).is_file():
            raise BundleError(source, "the model file is missing", "export it first")
    needed = {*spec.onnx_files(), *([RELIABILITY] if spec.reliability is not None else [])}
    missing = sorted(needed - set(model_files))
    if missing:
        raise BundleError(folder, f"the specification names {', '.join(missing)}, which was not given", "export it")
    if '"_target_"' not in json.dumps(plain(monai_config)):
        raise BundleError(folder, "the MONAI config instantiates nothing", "name the network by _target_")
    if folder.is_file():
        raise BundleError(folder, "it is a file", "give another folder")
    if folder.is_dir() and any(folder.iterdir()):
        if not (folder / HASHES).is_file():
            raise BundleError(folder, "it holds files that are not of a bundle", "give an empty or new folder")
        if not overwrite:
            raise BundleError(
                folder, "there is a bundle already", "give another folder, or say that it may be replaced"
            )


def _fill(
    folder: Path,
    spec: BundleSpec,
    model_files: Mapping[str, Path],
    monai_config: Mapping[str, Any],
    license_text: str | None,
) -> None:
    for relative, source in model_files.items():
        target = folder / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    _write(folder / METADATA, _json(monai_metadata(spec)))
    _write(folder / INFERENCE, _json(monai_config))
    _write(folder / CARD, model_card(spec))
    _write(folder / CARD_JSON, _json(model_card_json(spec)))
    _write(folder / LICENSE, license_text if license_text is not None else _default_license(spec))
    _write(folder / HASHES, _json({name: sha256(path) for name, path in sorted(bundle_files(folder).items())}))


def _move(partial: Path, folder: Path) -> None:
    """Give the finished folder its name; what had it before is removed only after that."""
    old = None
    if folder.is_dir():
        old = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.old")
        folder.rename(old)
    try:
        partial.rename(folder)
    except OSError:
        if old:
            old.rename(folder)
        raise
    if old:
        shutil.rmtree(old)


def _default_license(spec: BundleSpec) -> str:
    if spec.data.get("simulated"):
        return (Path(__file__).parent / "apache-2.0.md").read_text(encoding="utf-8")
    return _UNLICENSED


def _json(value: Any) -> str:
    return json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
