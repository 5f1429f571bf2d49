"""What a model's readings are worth: metrics with confidence intervals, by stratum, with figures and a report."""

from fractureai.evaluation.bootstrap import Estimate, bootstrap_metrics, wilson
from fractureai.evaluation.metrics import METRICS, BinaryMetrics, binary_metrics

__all__ = ["METRICS", "BinaryMetrics", "Estimate", "binary_metrics", "bootstrap_metrics", "wilson"]
