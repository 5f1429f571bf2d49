"""The report of an evaluation: one HTML page that stands alone, with its numbers and figures beside it."""

from fractureai.evaluation.report.sections import GalleryItem
from fractureai.evaluation.report.validation import Subject
from fractureai.evaluation.report.write import write_report

__all__ = ["GalleryItem", "Subject", "write_report"]
