"""The dataset folder: create, open, list, annotate."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fractureai.dataset.annotation import Annotation
from fractureai.dataset.annotation_files import AnnotationFiles, Reporter, annotation_name, warn_of
from fractureai.dataset.files import (
    absolute_path,
    file_lock,
    is_settled,
    remove_leftovers,
    signature_of,
    write_atomically,
)
from fractureai.dataset.layout import ANNOTATIONS, IMAGES, LOCK, PSEUDONYM_KEY, SETTINGS, SPLITS, TABLE
from fractureai.dataset.reference import choose_references
from fractureai.dataset.table import RadiographRow, check_unique_ids, rows_from_csv, rows_to_csv
from fractureai.errors import DatasetError
from fractureai.radiograph.model import UNKNOWN, Radiograph
from fractureai.sites import Site, load_site

if TYPE_CHECKING:
    from fractureai.dataset.adding import AddReport
    from fractureai.dataset.splits import Split
    from fractureai.dataset.worklist import WorklistItem

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FORMAT_VERSION = 1
_PRIVATE = f"# The key matches patient identifiers to pseudonyms: never publish it.\n{PSEUDONYM_KEY}\n{LOCK}\n*.tmp\n"


@dataclass(frozen=True)
class Dataset:
    """An annotated dataset on disk; several people may use the folder at the same time.

    Use `Dataset.create` or `Dataset.open`. What was written by others is seen at the next call.

    Attributes:
        folder: absolute path.
        name: title of the dataset.
        site: landmarks, views and classes.
        label_set: the labels an annotation may have.
        format_version: of the folder.
    """

    folder: Path
    name: str
    site: Site = field(repr=False)
    label_set: tuple[str, ...]
    format_version: int = FORMAT_VERSION
    _cache: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def create(cls, folder: str | Path, *, name: str, site: str | Path = "wrist") -> Dataset:
        """Create an empty dataset.

        Args:
            folder: is made when missing; must not hold a dataset already.
            name: title.
            site: a shipped site, or the path of a site's TOML file, which is copied into the folder.

        Raises:
            DatasetError: there is a dataset already, or the folder can not be written.
            SiteError: there is no such site.
        """
        profile = load_site(site)
        root = absolute_path(folder)
        if (root / SETTINGS).exists():
            raise DatasetError(root, "there is a dataset already", "open it or choose another folder")
        if not name.isprintable() or not name.strip():
            raise DatasetError(root, f"the name {name!r} is empty or holds control characters", "choose another")
        try:
            for part in (ANNOTATIONS, IMAGES):
                (root / part).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DatasetError(root, f"the folder can not be made ({error.strerror})", "choose another") from error
        stored_site = profile.name
        if Path(site).suffix == ".toml":
            stored_site = f"{profile.name}.toml"
            write_atomically(root / stored_site, Path(site).read_bytes())
        labels = tuple(dict.fromkeys((*profile.classes, "uncertain")))
        if not (root / TABLE).exists():
            write_atomically(root / TABLE, rows_to_csv(()))
        if not (root / ".gitignore").exists():
            write_atomically(root / ".gitignore", _PRIVATE.encode())
        settings = {"format_version": FORMAT_VERSION, "name": name, "site": stored_site, "label_set": list(labels)}
        lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in settings.items()]
        write_atomically(root / SETTINGS, ("\n".join(lines) + "\n").encode("utf-8"))
        return cls(root, name, profile, labels)

    @classmethod
    def open(cls, folder: str | Path) -> Dataset:
        """Open a dataset.

        Raises:
            DatasetError: the folder holds no dataset, one of a newer format version, or a malformed dataset.toml.
            SiteError: its site is unknown.
        """
        root = absolute_path(folder)
        path = root / SETTINGS
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError) as error:
            advice = "create a dataset here or give another folder"
            raise DatasetError(root, f"it is not a dataset (there is no {SETTINGS})", advice) from error
        except OSError as error:
            raise DatasetError(path, f"it can not be read ({error.strerror})", "check the permissions") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise DatasetError(path, f"it is not valid TOML ({error})", "correct it") from error
        version = table.get("format_version")
        if version != FORMAT_VERSION:
            reason = f"its format version is {version!r}; this version of FractureAI reads {FORMAT_VERSION}"
            raise DatasetError(path, reason, "update FractureAI")
        name, site, labels = table.get("name"), table.get("site"), table.get("label_set")
        texts = isinstance(labels, list) and bool(labels) and all(isinstance(label, str) for label in labels)
        if not (isinstance(name, str) and isinstance(site, str) and isinstance(labels, list) and texts):
            raise DatasetError(path, "name, site (texts) and label_set (list of texts) are needed", "correct it")
        return cls(root, name, load_site(root / site if site.endswith(".toml") else site), tuple(labels))

    # --- the table of radiographs ---

    @property
    def radiographs(self) -> tuple[RadiographRow, ...]:
        """All radiographs in the order they were added.

        Raises:
            DatasetError: radiographs.csv is missing or malformed.
        """
        rows: tuple[RadiographRow, ...] = self._table()["rows"]
        return rows

    def row(self, radiograph: str) -> RadiographRow:
        """Return the row of a radiograph.

        Raises:
            DatasetError: the dataset has no such radiograph.
        """
        by_id: dict[str, RadiographRow] = self._table()["by_id"]
        if radiograph not in by_id:
            raise DatasetError(self.folder / TABLE, f"there is no radiograph {radiograph}", "add it first")
        return by_id[radiograph]

    def __contains__(self, radiograph: object) -> bool:
        """Tell whether the dataset has a radiograph of this id."""
        return radiograph in self._table()["by_id"]

    def add_rows(self, rows: Iterable[RadiographRow]) -> None:
        """Append rows in one atomic rewrite; several processes may do so at once.

        Raises:
            DatasetError: an id is there already, is repeated, or no file name can be made of it; nothing is added.
        """
        new = tuple(rows)
        self.rewrite_rows(lambda existing: (*existing, *new))

    def update_rows(self, rows: Iterable[RadiographRow]) -> None:
        """Replace the rows of the same ids in one atomic rewrite.

        Raises:
            DatasetError: the dataset has no radiograph of an id; nothing is changed.
        """
        new = {row.id: row for row in rows}

        def replaced(existing: tuple[RadiographRow, ...]) -> tuple[RadiographRow, ...]:
            missing = sorted(new.keys() - {row.id for row in existing})
            if missing:
                raise DatasetError(self.folder / TABLE, f"there is no radiograph {missing[0]}", "add it first")
            return tuple(new.get(row.id, row) for row in existing)

        self.rewrite_rows(replaced)

    def rewrite_rows(self, change: Callable[[tuple[RadiographRow, ...]], Sequence[RadiographRow]]) -> None:
        """Give the rows as they are now to a function and write what it returns, while no other process can.

        Raises:
            DatasetError: the result repeats an id, or the table can not be written.
        """
        path = self.folder / TABLE
        with file_lock(self.folder / LOCK):
            rows = tuple(change(self.radiographs))
            for row in rows:
                annotation_name(row.id, "radiograph", path)
            check_unique_ids(rows, path)
            try:
                data = rows_to_csv(rows)
            except ValueError as error:
                raise DatasetError(path, f"a row can not be written: {error}", "correct it") from error
            write_atomically(path, data)
            remove_leftovers(self.folder)

    def image_path(self, row: RadiographRow) -> Path:
        """Return the absolute path of a radiograph's file."""
        return self.folder / row.file

    def read(self, row: RadiographRow) -> Radiograph:
        """Read a radiograph; the row's view, side and spacing stand in where the file says nothing (source ``user``).

        Raises:
            DatasetError: the file is missing.
            RadiographError: the file can not be read as a radiograph.
        """
        from fractureai.radiograph import read_radiograph

        path = self.image_path(row)
        if not row.file or not path.is_file():
            advice = "restore it, or correct the column file in radiographs.csv"
            raise DatasetError(path, f"the file of radiograph {row.id} is missing", advice)
        radiograph = read_radiograph(path)
        changes: dict[str, Any] = {}
        if radiograph.view == UNKNOWN and row.view not in ("", UNKNOWN):
            changes |= {"view": row.view, "view_source": "user"}
        if radiograph.side == UNKNOWN and row.side not in ("", UNKNOWN):
            changes |= {"side": row.side, "side_source": "user"}
        if radiograph.spacing_mm is None and row.spacing_mm is not None:
            changes |= {"spacing_mm": row.spacing_mm, "spacing_source": "user"}
        return replace(radiograph, **changes) if changes else radiograph

    def add(self, paths: Iterable[str | Path], *, copy: bool, **options: Any) -> AddReport:
        """Add radiograph files; see `fractureai.dataset.adding.add_files` for the options."""
        from fractureai.dataset.adding import add_files

        return add_files(self, paths, copy=copy, **options)

    # --- annotations ---

    @property
    def raters(self) -> tuple[str, ...]:
        """The names of all who annotated, sorted."""
        return self._files.raters()

    @property
    def foreign_folders(self) -> tuple[Path, ...]:
        """Folders in ``annotations`` that belong to no rater, because FractureAI does not write such names."""
        return self._files.foreign_folders()

    def annotation_path(self, radiograph: str, rater: str) -> Path:
        """Return where a rater's annotation of a radiograph is or would be."""
        return self._files.path(radiograph, rater)

    def annotation(self, radiograph: str, rater: str) -> Annotation | None:
        """Read one annotation; None when there is none.

        Raises:
            DatasetError: the file is broken; it was set aside under the name that the message gives. Or it can not be
                read, or was written by a newer version; then it stays.
        """
        return self._files.load(radiograph, rater)

    def annotations(self, rater: str | None = None, *, report: Reporter = warn_of) -> Iterator[Annotation]:
        """Read all annotations of one rater, or of all raters, rater by rater in the order of their file names.

        Args:
            rater: None for all.
            report: is called with a DatasetError for each broken file, which is set aside; the rest goes on.
        """
        for name in self.raters if rater is None else (rater,):
            yield from self._files.load_all(name, report)

    def save(self, annotation: Annotation, *, expected_revision: int | None = None) -> Annotation:
        """Save an annotation: when this returns, it is on disk whole, whatever happens to the program or the power.

        Nobody else writes this rater's file. When the same rater works in two programs, the later save wins, unless
        ``expected_revision`` is given: then no other program can save between the look at the revision and the write.

        Args:
            annotation: ``revision`` and ``updated`` are set by this function.
            expected_revision: the revision that was read before the change (0: none).

        Returns:
            The annotation as saved.

        Raises:
            StaleAnnotationError: the file is at another revision than expected.
            DatasetError: a value is malformed, or the file can not be written; the old content is untouched.
        """
        return self._files.save(annotation, expected_revision)

    def save_all(self, annotations: Iterable[Annotation], *, updated: str = "") -> int:
        """Save many annotations, as importers do: each atomically, all of them durable when this returns.

        Args:
            annotations: are saved in order.
            updated: ISO 8601 UTC time to write; "" for now.

        Returns:
            How many were saved.
        """
        return self._files.save_all(annotations, updated)

    def reference_annotations(
        self, raters: Sequence[str] | None = None, *, report: Reporter = warn_of
    ) -> dict[str, Annotation]:
        """Return the one finished (status ``done``) annotation of each radiograph that counts as the truth.

        Args:
            raters: the first of them who finished a radiograph counts. Default: ``consensus``, then ``truth``, then the
                only person who finished it; models never count unless named.
            report: see `annotations`.

        Returns:
            Radiograph id -> annotation, in the order of radiographs.csv; radiographs nobody finished are left out.

        Raises:
            DatasetError: several people finished a radiograph, there is no consensus, and ``raters`` is not given; or
                one of ``raters`` never annotated.
        """
        return choose_references(self, raters, report)

    def worklist(
        self,
        rater: str,
        *,
        status: str | None = None,
        text: str = "",
        view: str | None = None,
        report: Reporter = warn_of,
    ) -> tuple[WorklistItem, ...]:
        """List the radiographs for a rater, open ones first; see `fractureai.dataset.worklist.list_work`."""
        from fractureai.dataset.worklist import list_work

        return list_work(self, rater, status=status, text=text, view=view, report=report)

    # --- splits ---

    @property
    def splits(self) -> Mapping[str, Split]:
        """Patient (`RadiographRow.group`) -> split and fold; empty before `make_splits`.

        Raises:
            DatasetError: splits.csv is malformed.
        """
        from fractureai.dataset.splits import read_splits

        return read_splits(self.folder / SPLITS)

    @property
    def _files(self) -> AnnotationFiles:
        if "files" not in self._cache:
            self._cache["files"] = AnnotationFiles(self.folder / ANNOTATIONS, self.label_set)
        files: AnnotationFiles = self._cache["files"]
        return files

    def _table(self) -> dict[str, Any]:
        path = self.folder / TABLE
        try:
            signature = signature_of(path.stat())
            cached: dict[str, Any] | None = self._cache.get("table")
            if cached is not None and cached["signature"] == signature:
                return cached
            rows = rows_from_csv(path.read_bytes(), path)
        except OSError as error:
            advice = "restore it from a copy" if isinstance(error, FileNotFoundError) else "check the permissions"
            raise DatasetError(path, f"it can not be read ({error.strerror})", advice) from error
        table = {"signature": signature, "rows": rows, "by_id": {row.id: row for row in rows}}
        if is_settled(signature):
            self._cache["table"] = table
        return table
