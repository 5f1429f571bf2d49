"""The annotated dataset on disk: radiographs, marks of many raters, worklist, splits."""

from fractureai.dataset.annotation import LABELS, STATUSES, Annotation, Region
from fractureai.dataset.annotation_files import BrokenAnnotationWarning
from fractureai.dataset.annotation_json import annotation_from_json, annotation_to_json
from fractureai.dataset.archive import pack
from fractureai.dataset.checking import Problem, check
from fractureai.dataset.core import Dataset
from fractureai.dataset.reference import resolve_side, resolve_view, study_label, study_labels
from fractureai.dataset.splits import Split, extend_splits, make_splits
from fractureai.dataset.table import RadiographRow
from fractureai.dataset.worklist import WorklistItem, next_open

__all__ = [
    "LABELS",
    "STATUSES",
    "Annotation",
    "BrokenAnnotationWarning",
    "Dataset",
    "Problem",
    "RadiographRow",
    "Region",
    "Split",
    "WorklistItem",
    "annotation_from_json",
    "annotation_to_json",
    "check",
    "extend_splits",
    "make_splits",
    "next_open",
    "pack",
    "resolve_side",
    "resolve_view",
    "study_label",
    "study_labels",
]
