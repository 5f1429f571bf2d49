"""The augmentation once more, image by image, as a plain MONAI dictionary pipeline: the batched one is held against it.

Its parameters are those of a drawn plan, so that results can be compared number by number. MONAI's transforms are used
where MONAI has them; scipy and numpy for the rest.
"""

import math

import numpy as np
import torch
from monai.transforms import (
    AdjustContrastd,
    Compose,
    Flipd,
    Lambdad,
    MedianSmoothd,
    Resample,
    Resized,
    ScaleIntensityRanged,
    ThresholdIntensityd,
)
from scipy import ndimage

from fractureai.geometry import transform_points
from fractureai.training.augmentation import changes

IMAGE, POINTS, MASK = "image", "points", "mask"


def reference(plan, index, shape, size_px):
    """Return the MONAI pipeline of one image of a plan: {"image": (1, H, W), "points": (L, 2), "mask": (1, H, W)}."""
    steps = [*_padding(plan.padding, index, shape), *_changes(plan.film, index)]
    steps += [Lambdad(POINTS, lambda points: np.asarray(points) + plan.jitter[index].numpy() * shape[1])]
    steps += _warp(plan.matrices[index].numpy(), shape, size_px, 0.0)
    steps += _changes(plan.values, index)
    steps += [ThresholdIntensityd(IMAGE, 0.0, above=True, cval=0.0)]
    steps += [ThresholdIntensityd(IMAGE, 1.0, above=False, cval=1.0)]
    return Compose(steps, map_items=False)


def _padding(padding, index, shape):
    places = padding.chosen.tolist()
    if index not in places:
        return []
    own = places.index(index)
    top, left, bottom, right = padding.width_px[own].tolist()
    grey, borders = float(padding.grey[own]), ((top, bottom), (left, right))

    def pad(value):
        def padded(array):
            return np.pad(np.asarray(array), ((0, 0), *borders), constant_values=value)

        return padded

    def move(points):
        size = np.array([shape[0] + top + bottom, shape[1] + left + right])
        return (np.asarray(points) + [top, left] + 0.5) * shape / size - 0.5

    resize = Resized([IMAGE, MASK], shape, mode="bilinear", align_corners=False)
    return [Lambdad(IMAGE, pad(grey)), Lambdad(MASK, pad(0.0)), Lambdad(POINTS, move), resize]


def _warp(matrix, shape, size_px, fill):
    centre, middle = (np.array(shape) - 1) / 2, (size_px - 1) / 2
    steps = np.arange(size_px) - middle
    grid = transform_points(matrix, np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1))
    grid = torch.from_numpy(np.concatenate([np.moveaxis(grid, -1, 0), np.ones((1, size_px, size_px))]))
    resample = Resample(mode="bilinear", padding_mode="zeros", align_corners=False, dtype=torch.float64)

    def move(points):
        return transform_points(np.linalg.inv(matrix), np.asarray(points) - centre) + middle

    return [Lambdad([IMAGE, MASK], lambda image: resample(image, grid=grid)), Lambdad(POINTS, move)]


def _changes(drawn, index):
    steps = []
    for change in drawn:
        places = change.chosen.tolist()
        if index in places:
            steps += REFERENCES[type(change)](change, places.index(index))
    return steps


def _on_array(function):
    """A step on the (H, W) array of the image."""
    return Lambdad(IMAGE, lambda image: torch.from_numpy(function(np.array(image, dtype=np.float64)[0])[None]))


def _triangle(change, own):
    bottom, right = change.corner[own].tolist()
    flips = [Flipd(IMAGE, axis) for axis, far in ((0, bottom), (1, right)) if far]

    def draw(image):
        scale = changes.REFERENCE_PX / np.array(image.shape)
        rows, cols = np.indices(image.shape)
        inside = rows * scale[0] / change.arms_px[0] + cols * scale[1] / change.arms_px[1] <= 1 + 1e-9
        return np.where(inside, float(change.grey[own]), image)

    return [*flips, _on_array(draw), *flips]


def _low_visibility(change, own):
    grey = float(change.grey[own])
    return [ScaleIntensityRanged(IMAGE, 0, 1, 0.85 * grey, 0.85 * grey + 0.15)]


def _downscale(change, own):
    def small(image):
        return image.reshape(image.shape[0] // 4, 4, image.shape[1] // 4, 4).mean(axis=(1, 3))

    def steps(data):
        size = data[IMAGE].shape[1:]
        return Resized(IMAGE, size, mode="bilinear", align_corners=False)(_on_array(small)(data))

    return [steps]


def _border(change, own):
    side, width, grey = int(change.side[own]), float(change.width[own]), float(change.grey[own])

    def draw(image):
        turned = np.rot90(image, {0: 0, 1: -1, 2: 2, 3: 1}[side]).copy()
        turned[: math.ceil(width * len(turned))] = grey
        return np.rot90(turned, -{0: 0, 1: -1, 2: 2, 3: 1}[side]).copy()

    return [_on_array(draw)]


def _field(change, own, draw):
    """The numbers that the batched change draws for the pixels of this image."""

    def field(image):
        generator = torch.Generator().manual_seed(change.seed)
        return draw((len(change.chosen), 1, *image.shape), generator=generator)[own, 0].double().numpy()

    return field


def _salt_and_pepper(change, own):
    field, half = _field(change, own, torch.rand), np.float32(change.share[own]) / 2

    def salt(image):
        values = field(image)
        return np.select([values < half, values >= 1 - half], [0.0, 1.0], image)

    return [_on_array(salt)]


def _mixed_noise(change, own):
    field, gain = _field(change, own, torch.randn), float(change.gain[own])

    def mix(image):
        values = field(image)
        return (1 - gain) * image + gain * (values - values.min()) / (values.max() - values.min())

    return [_on_array(mix)]


def _added_noise(change, own):
    field, std = _field(change, own, torch.randn), float(change.std[own])
    return [_on_array(lambda image: image + std * field(image))]


def _median(change, own):
    """MONAI's median takes zeros beyond the border: the border is repeated first, and cut off again."""
    radius = int(change.kernel_px[own]) // 2
    pad = Lambdad(IMAGE, lambda image: np.pad(np.asarray(image), ((0, 0), (radius, radius), (radius, radius)), "edge"))
    cut = Lambdad(IMAGE, lambda image: image[:, radius:-radius, radius:-radius])
    return [pad, MedianSmoothd(IMAGE, radius=radius), cut]


def _blur(change, own):
    sigma, radius = change.sigma_px[own].tolist(), int(change.radius_px[own])
    return [_on_array(lambda image: ndimage.gaussian_filter(image, sigma, radius=radius, mode="mirror"))]


def _contrast(change, own):
    count = int(change.points[own])
    values = change.values[own, :count].numpy()
    return [_on_array(lambda image: np.interp(image, np.linspace(0, 1, count), values))]


def _gamma(change, own):
    """MONAI stretches the image to 0..1 first and back afterwards: 0 and 1 are laid beside it, and cut off again."""
    lay = Lambdad(
        IMAGE,
        lambda image: np.pad(np.asarray(image), ((0, 0), (0, 0), (1, 1)), constant_values=((0, 0), (0, 0), (0, 1))),
    )
    cut = Lambdad(IMAGE, lambda image: image[:, :, 1:-1])
    return [lay, AdjustContrastd(IMAGE, gamma=1 / float(change.gamma[own])), cut]


def _cutout(change, own):
    def cut(image):
        image = image.copy()
        for corner, size in zip(change.corner[own].numpy(), change.size_px[own].numpy(), strict=True):
            row, col = np.floor(corner * (np.array(image.shape) - size)).astype(int)
            image[row : row + size[0], col : col + size[1]] = 0
        return image

    return [_on_array(cut)]


REFERENCES = {
    changes.Triangle: _triangle,
    changes.LowVisibility: _low_visibility,
    changes.Downscale: _downscale,
    changes.Border: _border,
    changes.SaltAndPepper: _salt_and_pepper,
    changes.MixedNoise: _mixed_noise,
    changes.AddedNoise: _added_noise,
    changes.Median: _median,
    changes.Blur: _blur,
    changes.Contrast: _contrast,
    changes.Gamma: _gamma,
    changes.Cutout: _cutout,
}
