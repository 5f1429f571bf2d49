"""A recipe: everything that decides how the two stages are trained. Data, not code: one TOML file each."""

from __future__ import annotations

import dataclasses
import sys
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fractureai.errors import RecipeError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FORMAT_VERSION = 1


@dataclass(frozen=True)
class NetworkRecipe:
    """Which network.

    Attributes:
        name: ``hourglass`` for the localizer; a key of `fractureai.networks.classifier.CLASSIFIERS` for the classifier.
        parameters: keyword arguments of the network.
        weights: a safetensors file whose matching tensors are loaded before training, or "".
    """

    name: str
    parameters: Mapping[str, Any]
    weights: str = ""


@dataclass(frozen=True)
class FitRecipe:
    """How a network is fitted.

    Attributes:
        epochs, batch_size: as usual; ``accumulate`` batches make one optimizer step.
        optimizer: ``sgd`` or ``adamw``; with ``learning_rate``, ``momentum`` (SGD only) and ``weight_decay``.
        schedule: ``step`` (times ``gamma`` at each of ``milestones``) or ``one_cycle`` (warm-up, then cosine to 0).
        mixup_alpha: of the Beta distribution; 0 for no mixup (Zhang et al. 2018). One factor a batch.
        head_only_epochs: for so many epochs only the head is trained.
        early_stop_epochs: stop after so many epochs without a better validation loss; 0 for never.
        keep: ``last`` or ``best`` (by validation loss) epoch's weights.
        amp: bfloat16 autocast where the device is fast at it.
        average_decay: of a moving average of the weights, which is what is validated and exported; 0 for none.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    optimizer: str = "sgd"
    accumulate: int = 1
    momentum: float = 0.0
    weight_decay: float = 0.0
    schedule: str = "step"
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1
    mixup_alpha: float = 0.0
    head_only_epochs: int = 0
    early_stop_epochs: int = 0
    keep: str = "last"
    amp: bool = True
    average_decay: float = 0.0


@dataclass(frozen=True)
class AugmentationRecipe:
    """Random changes of a training image. Each ``..._probability`` is per image.

    Attributes:
        flip_probability: left-right mirror.
        warp_probability: of the projective warp with the following ranges.
        rotation_deg: uniform in +-.
        scale: uniform in this range; a number above 1 enlarges.
        aspect: the ratio of the two axes' scales is log-uniform in 1/(1+a) .. (1+a).
        shear: uniform in +-.
        shift: uniform in +-, share of the image's side.
        perspective: largest of the two perspective terms per pixel.
        gamma_probability, gamma: power applied to the values.
        noise_probability, noise_std: Gaussian noise, share of the value range.
        blur_probability, blur_sigma_px: Gaussian blur.
        contrast_probability: smooth random monotone change of the values (MONAI RandHistogramShift).
        salt_and_pepper_probability, salt_and_pepper_share: pixels set to black or white.
        median_probability: median filter of radius 1.
        downscale_probability: shrink by up to 4 and back.
        cutout_probability, cutout_px, cutout_count: rectangles set to 0.
        border_probability: one side, up to 15 % of the image, is set to a random value, as padding on films.
        invert_probability: bone dark instead of bright.
    """

    flip_probability: float = 0.5
    warp_probability: float = 0.7
    rotation_deg: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)
    aspect: float = 0.0
    shear: float = 0.0
    shift: float = 0.0
    perspective: float = 0.0
    gamma_probability: float = 0.0
    gamma: tuple[float, float] = (0.5, 1.5)
    noise_probability: float = 0.0
    noise_std: float = 0.05
    blur_probability: float = 0.0
    blur_sigma_px: float = 1.0
    contrast_probability: float = 0.0
    salt_and_pepper_probability: float = 0.0
    salt_and_pepper_share: float = 0.01
    median_probability: float = 0.0
    downscale_probability: float = 0.0
    cutout_probability: float = 0.0
    cutout_px: int = 25
    cutout_count: int = 1
    border_probability: float = 0.0
    invert_probability: float = 0.0


@dataclass(frozen=True)
class LocalizerRecipe:
    """Stage 1.

    Attributes:
        input_px: side of the square input.
        heatmap_weight: weight of the heat map loss (Jensen-Shannon divergence from a Gaussian; Nibali et al. 2018);
            the paper has none (0).
        heatmap_sigma_px: of that Gaussian, in heat map pixels.
    """

    input_px: int
    network: NetworkRecipe
    fit: FitRecipe
    augmentation: AugmentationRecipe
    heatmap_weight: float = 0.0
    heatmap_sigma_px: float = 1.5


@dataclass(frozen=True)
class ClassifierRecipe:
    """Stage 2.

    Attributes:
        context: the cached crop's side as a multiple of the region of interest's, so that turned and shifted crops
            show what is really there; 1 for the paper's way (black outside).
        window_px: side of the network's input; where smaller than the region, training takes random windows.
        crops: windows at inference: ``five`` (corners and centre) or ``centre``.
        mirror: average with the mirrored image at inference.
        region_weight: weight of the loss that wants the class evidence in marked fracture regions; 0 for the paper.
    """

    network: NetworkRecipe
    fit: FitRecipe
    augmentation: AugmentationRecipe
    context: float = 1.0
    window_px: int = 256
    crops: str = "centre"
    mirror: bool = True
    region_weight: float = 0.0


@dataclass(frozen=True)
class Recipe:
    """How a bundle is trained.

    Attributes:
        name, title: key and one line for people.
        seed: of everything random.
        folds: number of networks a stage and view. 1: trained on the training split, validated on the validation split;
            more: cross-validation over all patients outside the test split.
        fold_disagreement_max: standard deviation of the folds' probabilities above which a reading is referred.
        view_disagreement_max: difference of two views' probabilities above which a reading is referred.
    """

    name: str
    title: str
    seed: int
    folds: int
    localizer: LocalizerRecipe
    classifier: ClassifierRecipe
    fold_disagreement_max: float = 0.2
    view_disagreement_max: float = 0.5


def list_recipes() -> tuple[str, ...]:
    """Return the names of the recipes that come with FractureAI."""
    return tuple(sorted(path.stem for path in (Path(__file__).parent / "recipes").glob("*.toml")))


def load_recipe(name_or_path: str | Path) -> Recipe:
    """Read a recipe.

    Args:
        name_or_path: ``quick``, ``deepwrist``, ... or the path of a TOML file.

    Raises:
        RecipeError: there is no such recipe, or a key is missing, unknown, of the wrong type or out of range.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = Path(__file__).parent / "recipes" / f"{name_or_path}.toml"
    if not path.is_file():
        raise RecipeError(f"There is no recipe {name_or_path}; known recipes: {', '.join(list_recipes())}.")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: it is not valid TOML ({error}).") from error
    return parse_recipe(text, str(path))


def parse_recipe(text: str, source: str) -> Recipe:
    """Read a recipe from the text of its TOML file.

    Args:
        text: TOML.
        source: what to name in an error.

    Raises:
        RecipeError: see `load_recipe`.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{source}: it is not valid TOML ({error}).") from error
    if table.pop("format_version", None) != FORMAT_VERSION:
        raise RecipeError(f"{source}: format_version must be {FORMAT_VERSION}.")
    recipe: Recipe = _build(Recipe, table, source)
    _check(recipe, source)
    return recipe


def recipe_to_table(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe as plain, JSON-ready values."""
    return dataclasses.asdict(recipe)


def _build(cls: type[Any], table: Mapping[str, Any], where: str) -> Any:
    hints = typing.get_type_hints(cls)
    required = {f.name for f in dataclasses.fields(cls) if f.default is f.default_factory is dataclasses.MISSING}
    wrong = sorted((set(table) - set(hints)) | (required - set(table)))
    if wrong:
        raise RecipeError(f"{where}: keys missing or unknown: {', '.join(wrong)}.")
    return cls(**{key: _value(hints[key], value, f"{where}: {key}") for key, value in table.items()})


def _value(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return _build(typing.cast("type[Any]", hint), value, where)
    origin = typing.get_origin(hint) or hint
    if origin is tuple and isinstance(value, list):
        return tuple(value)
    if origin is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(origin, type) and not isinstance(value, origin):
        raise RecipeError(f"{where} must be of type {origin.__name__}, not {value!r}.")
    return value


def _check(recipe: Recipe, where: str) -> None:
    fits = (recipe.localizer.fit, recipe.classifier.fit)
    rules = {
        "folds >= 1": recipe.folds >= 1,
        "epochs, batch_size and accumulate >= 1": all(min(f.epochs, f.batch_size, f.accumulate) >= 1 for f in fits),
        "learning_rate > 0": all(f.learning_rate > 0 for f in fits),
        "optimizer is sgd or adamw": all(f.optimizer in ("sgd", "adamw") for f in fits),
        "schedule is step or one_cycle": all(f.schedule in ("step", "one_cycle") for f in fits),
        "keep is last or best": all(f.keep in ("last", "best") for f in fits),
        "crops is five or centre": recipe.classifier.crops in ("five", "centre"),
        "context >= 1": recipe.classifier.context >= 1,
        "input_px is a multiple of 64": recipe.localizer.input_px % 64 == 0 and recipe.localizer.input_px > 0,
    }
    for rule, holds in rules.items():
        if not holds:
            raise RecipeError(f"{where}: it must hold that {rule}.")
