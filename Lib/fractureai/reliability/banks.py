"""How unlike the training images an image is, in a network's own pooled features.

Two distances, each to the images that the network was trained on:

* k-th nearest neighbour of the features scaled to length 1 (Sun, Ming, Zhu, Li, "Out-of-distribution detection with
  deep nearest neighbors", ICML 2022, section 3). A random part of the training images serves nearly as well as all of
  them (their section 4.3), so a bank keeps at most ``MAX_IMAGES``.
* Mahalanobis distance to the nearest class mean with one covariance for all classes (Lee, Lee, Lee, Shin, "A simple
  unified framework for detecting out-of-distribution samples", NeurIPS 2018, section 2.1). There are more features than
  images, so the covariance is shrunk towards a multiple of the identity (Ledoit, Wolf, J. Multivariate Analysis 88,
  2004). Of its directions the ``DIRECTIONS`` with the largest variance are kept one by one; all others share their mean
  variance, which keeps a bank at a few megabytes and is exact where there are not more.

Both are divided by what they are for the training images themselves (median, neighbours without the image itself), so
that networks can be averaged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from fractureai.errors import EvaluationError

FloatArray = npt.NDArray[np.float64]

NEIGHBOURS = 10
MAX_IMAGES = 1024
DIRECTIONS = 128


@dataclass(frozen=True, eq=False)
class MemberBank:
    """Training images as one network sees them.

    Attributes:
        images: (n, C) float16, features of training images scaled to length 1.
        means: (classes, C) float32, mean features of each class.
        basis: (C, r) float32, orthonormal directions of largest variance inside the classes.
        variances: (r,) float64, shrunk variance along each.
        rest_variance: shrunk variance of every other direction.
        neighbours: k.
        neighbour_scale: median distance of a training image to its k-th neighbour.
        mahalanobis_scale: median Mahalanobis distance of the training images.
    """

    images: npt.NDArray[np.float16]
    means: npt.NDArray[np.float32]
    basis: npt.NDArray[np.float32]
    variances: FloatArray
    rest_variance: float
    neighbours: int
    neighbour_scale: float
    mahalanobis_scale: float

    @classmethod
    def fit(
        cls,
        features: npt.ArrayLike,
        labels: npt.ArrayLike,
        *,
        neighbours: int = NEIGHBOURS,
        max_images: int = MAX_IMAGES,
        directions: int = DIRECTIONS,
        seed: int = 0,
    ) -> MemberBank:
        """Build a bank.

        Args:
            features: (n, C) pooled features of images that this network was trained on.
            labels: (n,) their classes.
            neighbours: k; at most n - 1 are used.
            max_images: so many, drawn at random, are kept for the neighbours.
            directions: of the covariance that are kept one by one.
            seed: of the draw.

        Raises:
            EvaluationError: there are fewer than three images, labels do not fit, or features are not finite.
        """
        table, classes = _checked(features, labels)
        draw = np.random.default_rng(seed).permutation(len(table))[:max_images]
        images = unit_length(table[np.sort(draw)]).astype(np.float16)
        k = min(neighbours, len(images) - 1)
        names = np.unique(classes)
        means = np.stack([table[classes == name].mean(axis=0) for name in names]).astype(np.float32)
        centred = table - means[np.searchsorted(names, classes)]
        basis, variances, rest = _shrunk_directions(centred, directions)
        bare = cls(images, means, basis, variances, rest, k, 1.0, 1.0)
        own = bare._neighbour_distances(images.astype(np.float64), skip=1)
        scales = float(np.median(own)), float(np.median(bare.mahalanobis(table)))
        # Images all alike have no scale of their own.
        neighbour_scale, mahalanobis_scale = (scale if scale > 0 else 1.0 for scale in scales)
        return cls(images, means, basis, variances, rest, k, neighbour_scale, mahalanobis_scale)

    def knn(self, features: npt.ArrayLike) -> FloatArray:
        """Return (n,) distances of (n, C) features to their k-th neighbour; about 1 for a training image."""
        distances = self._neighbour_distances(unit_length(np.asarray(features, dtype=np.float64)), skip=0)
        return distances / self.neighbour_scale

    def mahalanobis(self, features: npt.ArrayLike) -> FloatArray:
        """Return (n,) distances of (n, C) features to the nearest class mean; about 1 for a training image."""
        table = np.asarray(features, dtype=np.float64)
        squares = []
        for mean in self.means:
            offset = table - mean
            along = offset @ self.basis.astype(np.float64)
            rest = np.maximum(np.sum(offset**2, axis=1) - np.sum(along**2, axis=1), 0)
            squares.append(np.sum(along**2 / self.variances, axis=1) + rest / self.rest_variance)
        return np.asarray(np.sqrt(np.min(squares, axis=0)) / self.mahalanobis_scale)

    def _neighbour_distances(self, units: FloatArray, skip: int) -> FloatArray:
        """Distance to the k-th neighbour after leaving out the ``skip`` nearest (the image itself)."""
        cosines = units @ self.images.T.astype(np.float64)
        squares = np.maximum(
            np.sum(units**2, axis=1)[:, None] + np.sum(self.images.astype(np.float64) ** 2, axis=1) - 2 * cosines, 0
        )
        place = self.neighbours + skip - 1
        return np.asarray(np.sqrt(np.partition(squares, place, axis=1)[:, place]))


@dataclass(frozen=True, eq=False)
class ViewBank:
    """The banks of all networks of one view, in the bundle's order."""

    members: tuple[MemberBank, ...]

    @classmethod
    def fit(
        cls, features: Sequence[npt.ArrayLike], labels: Sequence[npt.ArrayLike], *, neighbours: int = NEIGHBOURS
    ) -> ViewBank:
        """Build one bank a network from the features (n_m, C) and labels (n_m,) of the images it was trained on.

        Raises:
            EvaluationError: as `MemberBank.fit`.
        """
        pairs = zip(features, labels, strict=True)
        return cls(tuple(MemberBank.fit(table, classes, neighbours=neighbours) for table, classes in pairs))

    def knn(self, features: npt.ArrayLike, members: Sequence[int]) -> float:
        """Return the mean over networks of the distance to the k-th neighbour.

        Args:
            features: (M, C), one row a network.
            members: (M,) which networks these are.
        """
        return float(np.mean([bank.knn([row])[0] for bank, row in self._pairs(features, members)]))

    def mahalanobis(self, features: npt.ArrayLike, members: Sequence[int]) -> float:
        """Return the mean over networks of the Mahalanobis distance; arguments as of `knn`."""
        return float(np.mean([bank.mahalanobis([row])[0] for bank, row in self._pairs(features, members)]))

    def to_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return all numbers as named arrays, ``<network>/<attribute>``."""
        return {
            f"{number}/{field.name}": np.asarray(getattr(bank, field.name))
            for number, bank in enumerate(self.members)
            for field in fields(bank)
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]]) -> ViewBank:
        """Build it from `to_arrays`.

        Raises:
            EvaluationError: an array is missing or of the wrong shape.
        """
        try:
            count = 1 + max(int(name.split("/")[0]) for name in arrays)
            return cls(tuple(_member(arrays, number) for number in range(count)))
        except (KeyError, ValueError) as error:
            raise EvaluationError(f"A feature bank of the bundle is damaged ({error}).") from error

    def _pairs(self, features: npt.ArrayLike, members: Sequence[int]) -> list[tuple[MemberBank, FloatArray]]:
        table = np.asarray(features, dtype=np.float64)
        if len(table) != len(members) or max(members) >= len(self.members):
            raise EvaluationError(f"Features of networks {list(members)} do not fit {len(self.members)} banks.")
        if table.shape[1] != self.members[0].images.shape[1]:
            wanted = self.members[0].images.shape[1]
            raise EvaluationError(f"There are {table.shape[1]} features; the banks were made of {wanted}.")
        return [(self.members[number], row) for number, row in zip(members, table, strict=True)]


def unit_length(features: FloatArray) -> FloatArray:
    """Scale each row to length 1; a row of zeros stays."""
    length = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.where(length > 0, length, 1))


def _checked(features: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[FloatArray, npt.NDArray[np.generic]]:
    table, classes = np.asarray(features, dtype=np.float64), np.asarray(labels)
    if table.ndim != 2 or classes.shape != table.shape[:1]:
        raise EvaluationError(f"Features {table.shape} and labels {classes.shape} of a bank do not fit.")
    if len(table) < 3:
        raise EvaluationError(f"A feature bank needs at least three training images, there are {len(table)}.")
    if not np.isfinite(table).all():
        raise EvaluationError("Features of training images are not finite numbers; the network is not sound.")
    return table, classes


def _shrunk_directions(centred: FloatArray, directions: int) -> tuple[npt.NDArray[np.float32], FloatArray, float]:
    """Return basis, variances and the variance of the rest of the Ledoit-Wolf covariance of (n, C) centred features."""
    from sklearn.covariance import ledoit_wolf_shrinkage

    images, channels = centred.shape
    total = float(np.sum(centred**2)) / images
    if total <= 0:
        return np.zeros((channels, 0), dtype=np.float32), np.zeros(0), 1.0
    shrinkage = float(ledoit_wolf_shrinkage(centred, assume_centered=True))
    _, singular, across = np.linalg.svd(centred, full_matrices=False)
    kept = min(directions, len(singular))
    raw = singular[:kept] ** 2 / images
    target = total / channels
    variances = (1 - shrinkage) * raw + shrinkage * target
    others = channels - kept
    rest = ((1 - shrinkage) * (total - raw.sum()) / others + shrinkage * target) if others else target
    floor = np.finfo(np.float64).eps * total
    return across[:kept].T.astype(np.float32), np.maximum(variances, floor), float(max(rest, floor))


def _member(arrays: Mapping[str, npt.NDArray[np.generic]], number: int) -> MemberBank:
    values = {field.name: arrays[f"{number}/{field.name}"] for field in fields(MemberBank)}
    scalars = {name: value.item() for name, value in values.items() if value.ndim == 0}
    bank = MemberBank(**{**values, **scalars})
    channels = bank.images.shape[1]
    if bank.means.shape[1] != channels or bank.basis.shape != (channels, len(bank.variances)):
        raise ValueError(f"the shapes of network {number} do not fit each other")
    return bank
