"""What a model's readings are worth: metrics with confidence intervals, by stratum, with figures and a report."""

from fractureai.evaluation.bootstrap import Estimate, bootstrap_metrics, wilson
from fractureai.evaluation.calibrated import CalibrationComparison, compare_calibration
from fractureai.evaluation.calibration import Calibration, CalibrationBin, calibration
from fractureai.evaluation.cases import CaseResult, LeftOut, ViewResult, worst_errors
from fractureai.evaluation.evaluate import Evaluation, evaluate
from fractureai.evaluation.landmarks import LandmarkRecall, landmark_errors_mm, landmark_recall
from fractureai.evaluation.localisation import activation_peak, inside_regions
from fractureai.evaluation.metrics import METRIC_TITLES, METRICS, BinaryMetrics, binary_metrics
from fractureai.evaluation.prediction_report import write_prediction_report
from fractureai.evaluation.reader_files import reader_table
from fractureai.evaluation.readers import ReaderStudy, ReaderTable, reader_study
from fractureai.evaluation.report import GalleryItem, write_report
from fractureai.evaluation.run import (
    CaseTable,
    SplitReading,
    cases_from_predictions,
    error_gallery,
    read_split,
    studies,
)
from fractureai.evaluation.selective_report import SelectiveReport, selective_report
from fractureai.evaluation.split_report import write_split_report
from fractureai.evaluation.tables import evaluation_to_json

__all__ = [
    "METRICS",
    "METRIC_TITLES",
    "BinaryMetrics",
    "Calibration",
    "CalibrationBin",
    "CalibrationComparison",
    "CaseResult",
    "CaseTable",
    "Estimate",
    "Evaluation",
    "GalleryItem",
    "LandmarkRecall",
    "LeftOut",
    "ReaderStudy",
    "ReaderTable",
    "SelectiveReport",
    "SplitReading",
    "ViewResult",
    "activation_peak",
    "binary_metrics",
    "bootstrap_metrics",
    "calibration",
    "cases_from_predictions",
    "compare_calibration",
    "error_gallery",
    "evaluate",
    "evaluation_to_json",
    "inside_regions",
    "landmark_errors_mm",
    "landmark_recall",
    "read_split",
    "reader_study",
    "reader_table",
    "selective_report",
    "studies",
    "wilson",
    "worst_errors",
    "write_prediction_report",
    "write_report",
    "write_split_report",
]
