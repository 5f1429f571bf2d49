"""Time the stratified bootstrap of the evaluation, and the same resamples by a scikit-learn loop.

python scripts/benchmarks/bench_bootstrap.py [--cases 500] [--resamples 5000] [--loop 100]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
from sklearn import metrics as sk

from fractureai.evaluation import METRICS, bootstrap_metrics


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--resamples", type=int, default=5000)
    parser.add_argument("--loop", type=int, default=100, help="resamples of the loop; its time is scaled up")
    options = parser.parse_args()
    generator = np.random.default_rng(0)
    labels = generator.random(options.cases) < 0.5
    probabilities = np.clip(0.3 * labels + 0.7 * generator.random(options.cases), 0, 1)
    bootstrap_metrics(labels, probabilities, 0.5, resamples=10)  # imports
    ours = [timed(lambda: bootstrap_metrics(labels, probabilities, 0.5, options.resamples)) for _ in range(7)]
    loop = timed(lambda: sklearn_loop(labels, probabilities, options.loop)) * options.resamples / options.loop
    best, median = 1000 * min(ours), 1000 * statistics.median(ours)
    print(f"{options.resamples} resamples x {len(METRICS)} metrics x {options.cases} cases")
    print(f"vectorised         {median:10.1f} ms median, {best:.1f} ms best of {len(ours)}  (target 150 ms)")
    print(f"scikit-learn loop  {1000 * loop:10.1f} ms (from {options.loop} resamples), {1000 * loop / median:.0f} x")


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def sklearn_loop(labels: np.ndarray, probabilities: np.ndarray, resamples: int) -> None:
    generator = np.random.default_rng(0)
    fractures, normals = np.flatnonzero(labels), np.flatnonzero(~labels)
    for _ in range(resamples):
        cases = np.concatenate([generator.choice(fractures, len(fractures)), generator.choice(normals, len(normals))])
        truth, scores = labels[cases], probabilities[cases]
        called = scores >= 0.5
        sk.roc_auc_score(truth, scores)
        sk.average_precision_score(truth, scores)
        sk.recall_score(truth, called)
        sk.recall_score(~truth, ~called)
        sk.precision_score(truth, called)
        sk.f1_score(truth, called)
        sk.balanced_accuracy_score(truth, called)


if __name__ == "__main__":
    main()
