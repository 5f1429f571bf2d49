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
    a, b = (np.asarray(heat, dtype=float).ravel() for heat in (first, second))
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return math.nan
    return float(np.corrcoef(a, b)[0, 1])


def fold_agreement(member_maps: Heat | None) -> float:
    """Return the mean `map_agreement` over all pairs of (members, S, S) maps.

    Pairs with a map that is the same everywhere are left out; nan when no pair is left, as with one member.
    """
    members = [] if member_maps is None else list(member_maps)
    pairs = [map_agreement(a, b) for i, a in enumerate(members) for b in members[i + 1 :]]
    return _mean(pairs)


def cross_agreement(first: Heat, second: Heat) -> float:
    """Return the mean `map_agreement` of the members of one radiograph with the other members of another.

    What members agree on without looking: that fractures lie where they usually do.
    """
    pairs = [map_agreement(a, b) for i, a in enumerate(first) for j, b in enumerate(second) if i != j]
    return _mean(pairs)


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


def _mean(values: list[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return float(np.mean(defined)) if defined else math.nan
