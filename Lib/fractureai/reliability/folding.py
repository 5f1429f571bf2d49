"""Divide studies into parts of which none shares a patient with another."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from fractureai.errors import EvaluationError


def grouped_folds(
    strata: npt.NDArray[np.bool_], groups: npt.ArrayLike, folds: int, seed: int = 0
) -> Iterator[npt.NDArray[np.bool_]]:
    """Yield (n,) masks of the studies inside each of ``folds`` parts; every study is inside exactly one.

    Args:
        strata: (n,) what each part should hold in the same share; not regarded when there is less of it than parts.
        groups: (n,) patient of each study.
        folds: number of parts, at least 2.
        seed: of the division.

    Raises:
        EvaluationError: there are fewer patients than parts.
    """
    names = np.asarray(groups)
    if names.shape != strata.shape:
        raise EvaluationError(f"There are {names.size} patients for {strata.size} studies; give one for each.")
    if len(np.unique(names)) < folds:
        raise EvaluationError(f"{len(np.unique(names))} patients can not be divided into {folds} parts.")
    from sklearn.model_selection import StratifiedGroupKFold

    rare = min(int(strata.sum()), int((~strata).sum())) < folds
    kinds = np.zeros(len(strata), dtype=bool) if rare else strata
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for _, inside in splitter.split(np.zeros((len(strata), 1)), kinds, names):
        mask = np.zeros(len(strata), dtype=bool)
        mask[inside] = True
        yield mask
