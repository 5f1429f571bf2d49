"""Figures of one activation map: how well it points at marked regions, how steady and how spread out it is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fractureai.evaluation.localisation import RegionMask, map_peak

Heat = npt.NDArray[np.floating]


@dataclass(frozen=True)
class MapScore:
    """How well a map of a region of interest points at the marked regions in it.

    Attributes:
        inside: 1 when the map's maximum lies inside a marked region, else 0: the pointing game (Zhang et al.,
            "Top-down neural attention by excitation backprop", IJCV 2018, section 4.1). A map that is 0 everywhere
            misses.
        near: the same with a margin around the regions; theirs is 15 pixels, ours is in millimetres.
        mass: share of the map's sum that lies inside: the energy-based pointing game (Wang et al., "Score-CAM",
            CVPR workshops 2020, section 4.2); 0 for a map that is 0 everywhere, nan where a map has no mass by kind.
        mass_near: the same with the margin.
    """

    inside: float
    near: float
    mass: float
    mass_near: float


def score_map(heat: Heat, mask: RegionMask) -> MapScore:
    """Score a map, 0 or above, on the pixels of the mask."""
    peak = map_peak(heat)
    hit, near = (False, False) if math.isnan(peak[0]) else _at(mask, peak)
    total = float(heat.sum(dtype=float))
    inside, around = (float(heat[part].sum(dtype=float)) / total if total > 0 else 0.0 for part in _parts(mask))
    return MapScore(float(hit), float(near), inside, around)


def score_centre(mask: RegionMask) -> MapScore:
    """Score what always points at the middle of the region of interest; it has no mass."""
    middle = (mask.inside.shape[0] - 1) / 2
    hit, near = _at(mask, (middle, middle))
    return MapScore(float(hit), float(near), math.nan, math.nan)


def score_uniform(mask: RegionMask) -> MapScore:
    """Score a map without any content: hits are what a random place is expected to get, mass is the share of area."""
    inside, near = (float(part.mean()) for part in _parts(mask))
    return MapScore(inside, near, inside, near)


def map_agreement(first: Heat, second: Heat) -> float:
    """Return Pearson's correlation of two maps over their pixels; nan when one is the same everywhere.

    The metric CC for saliency maps: symmetric, blind to each map's own strength, counts misses and false alarms alike,
    and needs no threshold, unlike the overlap of the hottest area, which ties decide on where a map is 0 on most
    pixels (Bylinskii, Judd, Oliva, Torralba and Durand, "What do different evaluation metrics tell us about saliency
    models?", IEEE TPAMI 41, 2019).
    """
    return float(_correlations(np.asarray(first)[np.newaxis], np.asarray(second)[np.newaxis])[0, 0])


def fold_agreement(member_maps: Heat | None) -> float:
    """Return the mean `map_agreement` over all pairs of (members, S, S) maps.

    Pairs with a map that is the same everywhere are left out; nan when no pair is left, as with one member.
    """
    if member_maps is None:
        return math.nan
    pairs = np.triu_indices(len(member_maps), 1)
    return _mean(_correlations(member_maps, member_maps)[pairs])


def cross_agreement(first: Heat, second: Heat) -> float:
    """Return the mean `map_agreement` of the members of one radiograph with the other members of another.

    What members agree on without looking: that fractures lie where they usually do.

    Args:
        first, second: (members, S, S) maps by the same members.
    """
    return _mean(_correlations(first, second)[~np.eye(len(first), dtype=bool)])


def dispersion(heat: Heat) -> float:
    """Return the entropy of a map as a distribution over its pixels, as a share of that of a uniform map.

    0: all in one pixel; 1: the same everywhere; nan for a map that is 0 everywhere.
    """
    from scipy.stats import entropy

    mass = np.asarray(heat, dtype=float).ravel()
    return float(entropy(mass) / math.log(mass.size)) if mass.sum() > 0 else math.nan


def _at(mask: RegionMask, place: tuple[float, float]) -> tuple[bool, bool]:
    row, col = (round(value) for value in place)
    return bool(mask.inside[row, col]), bool(mask.near[row, col])


def _parts(mask: RegionMask) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    return mask.inside, mask.near


def _correlations(first: Heat, second: Heat) -> npt.NDArray[np.float64]:
    """Return the (n, m) Pearson correlations of n maps with m maps; nan for maps that are the same everywhere."""
    return np.clip(_standardised(first) @ _standardised(second).T, -1, 1)


def _standardised(maps: Heat) -> npt.NDArray[np.float64]:
    flat = np.asarray(maps, dtype=float).reshape(len(maps), -1)
    centred = flat - flat.mean(axis=1, keepdims=True)
    centred[np.ptp(flat, axis=1) == 0] = np.nan
    return np.asarray(centred / np.linalg.norm(centred, axis=1, keepdims=True))


def _mean(values: npt.NDArray[np.float64]) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else math.nan
