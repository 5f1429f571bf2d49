"""Load a bundle: nothing in it is believed before its hash is checked, and nothing in it is ever executed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fractureai.bundle.layout import HASHES, INFERENCE, METADATA, PICKLES, RELIABILITY, bundle_files, sha256
from fractureai.bundle.spec import FORMAT_VERSION, READ_VERSIONS, BundleSpec, spec_from_json
from fractureai.errors import BundleError
from fractureai.sites import Site

DEMO = "demo"
_ANEW = "copy the bundle again from where it was made, or train it anew"


@dataclass(frozen=True)
class Bundle:
    """A bundle whose files were all checked.

    Attributes:
        folder: where it lies.
        spec: what it says about itself.
        site: its site profile.
    """

    folder: Path
    spec: BundleSpec
    site: Site

    @property
    def id(self) -> str:
        """Identifier of the model."""
        return self.spec.id

    @property
    def notice(self) -> str:
        """What must stand beside every output; may be ""."""
        return self.spec.notice

    def path(self, relative: str) -> Path:
        """Return the place of a file that the specification names."""
        return self.folder / relative


def resolve_bundle(name_or_path: str | Path) -> Path:
    """Return the folder of a bundle; the word ``demo`` is the one that comes with FractureAI.

    Raises:
        BundleError: there is no such folder.
    """
    if str(name_or_path) == DEMO:
        folder = Path(__file__).parent.parent / "bundles" / DEMO
        if not folder.is_dir():
            raise BundleError(
                folder, "this installation has no demo bundle", "train one or give the folder of a bundle"
            )
        return folder
    folder = Path(name_or_path)
    if not folder.is_dir():
        raise BundleError(folder, "there is no such bundle", f"give the folder of a bundle, or the word {DEMO}")
    return folder


def load_bundle(folder: str | Path, site: Site | None = None) -> Bundle:
    """Check and load a bundle.

    Args:
        folder: the bundle's folder or ``demo``.
        site: the site it must be of; None: any.

    Raises:
        BundleError: it is not a bundle, of another format version or site, or a file is missing, changed or too many.
    """
    folder = resolve_bundle(folder)
    metadata = _read_json(folder, METADATA)
    table = metadata.get("fractureai")
    if not isinstance(table, dict):
        raise BundleError(
            folder / METADATA, "it has no table fractureai: this bundle was not made by FractureAI", "give another"
        )
    version = table.get("format_version")
    if version not in READ_VERSIONS:
        newer = isinstance(version, int) and version > FORMAT_VERSION
        advice = "update FractureAI" if newer else "train it anew with this version"
        raise BundleError(folder, f"its format version is {version}, this FractureAI reads {FORMAT_VERSION}", advice)
    _check_files(folder)
    try:
        spec = spec_from_json(table)
    except ValueError as error:
        raise BundleError(folder / METADATA, str(error), _ANEW) from error
    needed = (*spec.onnx_files(), *([RELIABILITY] if spec.reliability is not None else []))
    missing = [name for name in needed if name not in bundle_files(folder)]
    if missing:
        raise BundleError(folder, f"{', '.join(missing)} is missing", _ANEW)
    profile = spec.profile()
    if site is not None:
        _check_site(folder, profile, site)
    return Bundle(folder, spec, profile)


def _check_files(folder: Path) -> None:
    expected, found = _read_json(folder, HASHES), bundle_files(folder)
    pickles = sorted(name for name, path in found.items() if path.suffix.lower() in PICKLES)
    if pickles:
        raise BundleError(
            folder, f"{', '.join(pickles)} can carry code, which bundles never do", "remove it, or do not use it"
        )
    extra = sorted(set(found) - {HASHES} - set(expected))
    if extra:
        raise BundleError(folder, f"{', '.join(extra)} does not belong to the bundle", "remove it")
    missing = sorted({*expected, METADATA, INFERENCE} - set(found))
    if missing:
        raise BundleError(folder, f"{', '.join(missing)} is missing", _ANEW)
    changed = [name for name in sorted(expected) if sha256(found[name]) != expected[name]]
    if changed:
        raise BundleError(folder, f"{', '.join(changed)} was changed after the bundle was made", _ANEW)


def _check_site(folder: Path, own: Site, wanted: Site) -> None:
    if own.name != wanted.name:
        raise BundleError(
            folder, f"it reads the site {own.name}, not {wanted.name}", f"give a bundle for {wanted.name}"
        )
    if _reads(own) != _reads(wanted):
        reason = f"its landmarks, views or classes differ from those of the site {wanted.name}"
        raise BundleError(folder, reason, "train it anew with this site profile")


def _reads(site: Site) -> tuple[object, ...]:
    return site.classes, site.positive_class, {view.name: (view.landmark_names, view.accepts) for view in site.views}


def _read_json(folder: Path, relative: str) -> dict[str, Any]:
    path = folder / relative
    if not path.is_file():
        raise BundleError(folder, f"it is not a bundle: {relative} is missing", "give the folder of a bundle")
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BundleError(path, f"it is not valid JSON ({error})", _ANEW) from error
    if not isinstance(table, dict):
        raise BundleError(path, "it is not a JSON object", _ANEW)
    return table
