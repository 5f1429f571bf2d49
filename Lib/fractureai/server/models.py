"""The bundles a server reads with: the demo bundle, and those registered in the models folder."""

from __future__ import annotations

import os
import secrets
import shutil
import threading
import time
import zipfile
from collections import OrderedDict
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fractureai.bundle import Bundle, load_bundle
from fractureai.bundle.layout import CARD, HASHES, METADATA
from fractureai.bundle.load import DEMO
from fractureai.dataset.files import encode_name, signature_of
from fractureai.errors import BundleError, FractureAIError
from fractureai.inference import Pipeline
from fractureai.server.errors import ApiError, sentence
from fractureai.server.settings import Limits
from fractureai.server.unpack import copy_folder, unpack_zip

_INCOMING = ".incoming-"
_LEFTOVER_AGE_S = 3600.0


class ModelStore:
    """The models folder.

    Args:
        folder: is made when missing.
        limits: sizes of bundles, and how many are kept in memory.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder, self._limits = folder, limits
        self._bundles: dict[Path, tuple[object, Bundle]] = {}
        self._pipelines: OrderedDict[Path, tuple[object, Pipeline]] = OrderedDict()
        self._lock = threading.RLock()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._remove_leftovers()

    def all(self) -> list[dict[str, Any]]:
        """Return what the interface says about each model: the demo bundle first, then the newest."""
        found = []
        for folder in self._folders():
            try:
                found.append(describe(self._bundle(folder), folder.name))
            except BundleError:
                continue  # damaged from outside; it can not be read with, so it is no model
        newest = sorted(found, key=lambda model: (model["created"], model["id"]), reverse=True)
        return [describe(self._bundle(Path(DEMO)), DEMO), *newest]

    def pipeline(self, name: str) -> Pipeline:
        """Return what reads with a model; kept in memory, so that the next reading is quick.

        Args:
            name: ``demo``, or a model's id.

        Raises:
            ApiError: there is no such model, or it is damaged.
        """
        folder = self._find(name)
        try:
            bundle = self._bundle(folder)
        except BundleError as error:
            raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, sentence(error, "This model can not be used")) from error
        stamp = self._stamp(folder)
        with self._lock:
            known = self._pipelines.get(folder)
            if known is None or known[0] != stamp:
                known = (stamp, Pipeline.load(bundle))
                self._pipelines[folder] = known
            self._pipelines.move_to_end(folder)
            while len(self._pipelines) > self._limits.pipelines:
                self._pipelines.popitem(last=False)
        return known[1]

    def folder(self, name: str) -> Path:
        """Return a model's folder.

        Raises:
            ApiError: there is no such model.
        """
        return self._bundle(self._find(name)).folder

    def add(self, source: Path) -> dict[str, Any]:
        """Register a bundle: its folder, or a ZIP file of it.

        It is copied first and checked then, so that what was checked is what is used: hashes of all files, and whether
        its networks can be loaded.

        Raises:
            ApiError: it is no sound bundle, too large, or another one of its name is registered.
        """
        incoming = self._folder / f"{_INCOMING}{secrets.token_hex(8)}"
        try:
            incoming.mkdir(mode=0o700)
            if source.is_dir():
                copy_folder(source, incoming, self._limits)
            else:
                unpack_zip(source, incoming, self._limits)
            return self._accept(incoming)
        except FractureAIError as error:
            text = sentence(error, "This bundle can not be used").replace(f"{incoming}{os.sep}", "")
            raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, text) from error
        except (TypeError, KeyError, AttributeError, ValueError, RecursionError) as error:
            detail = "This bundle can not be used: its metadata is malformed; train it anew."
            raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, detail) from error
        except (OSError, zipfile.BadZipFile) as error:
            raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, "This bundle can not be read or stored.") from error
        finally:
            shutil.rmtree(incoming, ignore_errors=True)

    def remove(self, name: str) -> None:
        """Remove a registered model.

        Raises:
            ApiError: there is no such model, or it is the demo bundle.
        """
        folder = self._find(name)
        if folder == Path(DEMO):
            raise ApiError(HTTPStatus.CONFLICT, "The demo bundle comes with FractureAI and can not be removed.")
        with self._lock:
            self._pipelines.pop(folder, None)
            self._bundles.pop(folder, None)
            gone = self._folder / f"{_INCOMING}{secrets.token_hex(8)}"
            folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def _accept(self, incoming: Path) -> dict[str, Any]:
        root = _bundle_root(incoming)
        bundle = load_bundle(root)
        Pipeline.load(bundle).load_networks()
        target = self._folder / encode_name(bundle.id)
        with self._lock:
            if target.is_dir():
                if (target / HASHES).read_bytes() != (root / HASHES).read_bytes():
                    detail = "Another model of this name is registered; remove it first."
                    raise ApiError(HTTPStatus.CONFLICT, detail)
            else:
                root.rename(target)
            return describe(self._bundle(target), target.name)

    def _find(self, name: str) -> Path:
        if name == DEMO or name == self._bundle(Path(DEMO)).id:
            return Path(DEMO)
        for folder in self._folders():
            if folder.name == name:
                return folder
        raise ApiError(HTTPStatus.NOT_FOUND, "There is no such model; see the list of models.")

    def _folders(self) -> list[Path]:
        found = (path for path in self._folder.iterdir() if not path.name.startswith(".") and path.is_dir())
        return sorted(path for path in found if (path / METADATA).is_file())

    def _stamp(self, folder: Path) -> object:
        if folder == Path(DEMO):
            return DEMO
        try:
            return signature_of((folder / HASHES).stat())
        except OSError:
            return None

    def _bundle(self, folder: Path) -> Bundle:
        """Return a bundle, checked once."""
        stamp = self._stamp(folder)
        with self._lock:
            known = self._bundles.get(folder)
            if known is None or known[0] != stamp:
                known = (stamp, load_bundle(str(folder) if folder == Path(DEMO) else folder))
                self._bundles[folder] = known
        return known[1]

    def _remove_leftovers(self) -> None:
        for path in self._folder.glob(f"{_INCOMING}*"):
            if time.time() - path.stat().st_mtime > _LEFTOVER_AGE_S:
                shutil.rmtree(path, ignore_errors=True)


def describe(bundle: Bundle, name: str) -> dict[str, Any]:
    """Return what the interface says about a bundle.

    Args:
        bundle: the bundle.
        name: its id on this server.
    """
    spec = bundle.spec
    card = bundle.path(CARD)
    titles = {view.name: view.title for view in bundle.site.views}
    return {
        "id": name,
        "model": spec.id,
        "title": spec.title,
        "notice": spec.notice,
        "site": bundle.site.name,
        "views": {view: {"title": titles[view], "threshold": models.threshold} for view, models in spec.views.items()},
        "ensemble_threshold": spec.ensemble_threshold,
        "created": spec.created,
        "coverage": None if spec.reliability is None else spec.reliability["coverage"],
        "metrics": dict(spec.metrics),
        "card": card.read_text(encoding="utf-8") if card.is_file() else "",
    }


def _bundle_root(folder: Path) -> Path:
    """Return the folder that holds the bundle: itself, or its only one."""
    if (folder / METADATA).is_file():
        return folder
    inner = [path for path in folder.iterdir() if path.is_dir()]
    return inner[0] if len(inner) == 1 else folder
