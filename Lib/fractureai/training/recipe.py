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
        name: a key of `fractureai.networks.localizers.LOCALIZERS` or `fractureai.networks.classifier.CLASSIFIERS`.
        parameters: keyword arguments of the network.
        weights: a file whose matching tensors are loaded before training, or ""; see `fractureai.networks.weights`.
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
        compile: compile the network with ``torch.compile`` (worth its minute or two on a GPU).
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
    compile: bool = False


@dataclass(frozen=True)
class AugmentationRecipe:
    """Random changes of a training image, in this order. Each ``..._probability`` is per image.

    Attributes:
        side_padding_probability, side_padding_px: each side, with one half, gets a border of one grey and the image is
            shrunk to its old size.
        triangle_probability: of each of two triangles (100 by 50 and 50 by 100 pixels of 256) of one grey in a corner.
        low_visibility_probability: all but 15 % of the contrast is lost to one grey.
        downscale_probability: shrunk to a quarter of the side and back.
        landmark_jitter, landmark_jitter_probability: landmarks move by so much of the image's side at most.
        geometry_probability: of the flip and the warp being considered at all.
        flip_probability: left-right mirror.
        warp_probability: of the projective warp with the following ranges.
        rotation_deg: uniform in +-.
        scale: uniform in this range; a number above 1 enlarges.
        aspect: the ratio of the two axes' scales is log-uniform in 1/(1+a) .. (1+a).
        shear, shear_probability, shear_count: uniform in +- along both axes; drawn and applied so many times.
        shift: uniform in +-, share of the image's side.
        perspective: range of both perspective terms, per pixel.
        pad_px: the warped image is padded with black to this side at least, and a window of the network's size is cut
            out anywhere in it; 0: the window stays in the middle.
        border_probability: one side, up to 15 % of the image, is set to a random value, as padding on films.
        degradation_probability: of one of seven, equally likely: salt and pepper (up to 1 % of the pixels), Gaussian
            blur, median, noise mixed in (up to one half), salt and pepper (up to 5 %) and perhaps median, perhaps
            median and salt and pepper, nothing.
        contrast_probability: smooth random monotone change of the values (MONAI RandHistogramShift).
        gamma_probability, gamma: values become ``value ** (1 / gamma)``; gamma uniform in this range.
        blur_probability, blur_sigma_px: Gaussian blur, up to this sigma.
        noise_probability, noise_std: Gaussian noise, up to this share of the value range.
        cutout_probability, cutout_px, cutout_count: up to so many rectangles with sides in this range are set to 0.
    """

    side_padding_probability: float = 0.0
    side_padding_px: int = 10
    triangle_probability: float = 0.0
    low_visibility_probability: float = 0.0
    downscale_probability: float = 0.0
    landmark_jitter: float = 0.0
    landmark_jitter_probability: float = 0.5
    geometry_probability: float = 1.0
    flip_probability: float = 0.5
    warp_probability: float = 0.7
    rotation_deg: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)
    aspect: float = 0.0
    shear: float = 0.0
    shear_probability: float = 1.0
    shear_count: int = 1
    shift: float = 0.0
    perspective: tuple[float, float] = (0.0, 0.0)
    pad_px: int = 0
    border_probability: float = 0.0
    degradation_probability: float = 0.0
    contrast_probability: float = 0.0
    gamma_probability: float = 0.0
    gamma: tuple[float, float] = (0.5, 1.5)
    blur_probability: float = 0.0
    blur_sigma_px: float = 1.0
    noise_probability: float = 0.0
    noise_std: float = 0.05
    cutout_probability: float = 0.0
    cutout_px: tuple[int, int] = (25, 25)
    cutout_count: int = 1


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
        train_px: side of the images in training; where smaller than the region, random windows of it.
        window_px: side of the network's input at inference, which is what is exported.
        crops: windows at inference: ``five`` (corners and centre) or ``centre``.
        mirror: average with the mirrored image at inference.
        region_weight: weight of the loss that wants the class evidence in marked fracture regions; 0 for the paper.
    """

    network: NetworkRecipe
    fit: FitRecipe
    augmentation: AugmentationRecipe
    context: float = 1.0
    train_px: int = 256
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
        members: with one fold, number of networks a stage and view that differ only in their seed (`member_seed`): a
            deep ensemble (Lakshminarayanan et al. 2017).
        grey_levels: 0: normalised values stay floats; else they are cut off to so many levels, as in a PNG of 8 bits.
        variant: name of the variant of the recipe's file that this is; "" for the recipe itself.
        fold_disagreement_max: standard deviation of the folds' probabilities above which a reading is referred.
        view_disagreement_max: difference of two views' probabilities above which a reading is referred.
    """

    name: str
    title: str
    seed: int
    folds: int
    localizer: LocalizerRecipe
    classifier: ClassifierRecipe
    members: int = 1
    grey_levels: int = 0
    variant: str = ""
    fold_disagreement_max: float = 0.2
    view_disagreement_max: float = 0.5


def list_recipes() -> tuple[str, ...]:
    """Return the names of the recipes that come with FractureAI."""
    return tuple(sorted(path.stem for path in (Path(__file__).parent / "recipes").glob("*.toml")))


def member_seed(recipe: Recipe, member: int) -> int:
    """Return the seed of a member of a deep ensemble, counted from 0 (DeepWrist: 12345 (i + 1))."""
    return recipe.seed * (member + 1)


def load_recipe(name_or_path: str | Path, variant: str = "", weights: str | Path = "") -> Recipe:
    """Read a recipe.

    Args:
        name_or_path: ``quick``, ``deepwrist``, ... or the path of a TOML file.
        variant: name of one of the file's ``[variants.<name>]`` tables, whose keys override the recipe's; "" for none.
        weights: file of the classifier's initial weights; "": what the recipe says.

    Raises:
        RecipeError: there is no such recipe or variant, or a key is missing, unknown, of the wrong type or out of
            range.
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
    recipe = parse_recipe(text, str(path), variant)
    return with_classifier_weights(recipe, weights) if weights else recipe


def parse_recipe(text: str, source: str, variant: str = "") -> Recipe:
    """Read a recipe from the text of its TOML file.

    Args:
        text: TOML.
        source: what to name in an error.
        variant: see `load_recipe`.

    Raises:
        RecipeError: see `load_recipe`.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{source}: it is not valid TOML ({error}).") from error
    if table.pop("format_version", None) != FORMAT_VERSION:
        raise RecipeError(f"{source}: format_version must be {FORMAT_VERSION}.")
    if "variant" in table:
        raise RecipeError(f"{source}: variant is no key of a recipe; write a table [variants.<name>].")
    variants = table.pop("variants", {})
    if not isinstance(variants, dict) or not all(isinstance(value, dict) for value in variants.values()):
        raise RecipeError(f"{source}: variants must be tables [variants.<name>].")
    if variant:
        if variant not in variants:
            known = f"known variants: {', '.join(sorted(variants))}" if variants else "it has no variants"
            raise RecipeError(f"{source}: there is no variant {variant}; {known}.")
        table = {**_overridden(table, variants[variant]), "variant": variant}
    recipe: Recipe = _build(Recipe, table, source)
    _check(recipe, source)
    return recipe


def with_classifier_weights(recipe: Recipe, weights: str | Path) -> Recipe:
    """Return the recipe with another file of initial weights for the classifier."""
    network = dataclasses.replace(recipe.classifier.network, weights=str(weights))
    return dataclasses.replace(recipe, classifier=dataclasses.replace(recipe.classifier, network=network))


def recipe_to_table(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe as plain, JSON-ready values. Files of weights are named without their folder."""
    table = dataclasses.asdict(recipe)
    for stage in ("localizer", "classifier"):
        network = table[stage]["network"]
        network["weights"] = Path(network["weights"]).name
    return table


def _overridden(table: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table with the values of another put into it, table by table."""
    merged = dict(table)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _overridden(merged[key], value) if both else value
    return merged


def _build(cls: type[Any], table: Mapping[str, Any], where: str) -> Any:
    hints = typing.get_type_hints(cls)
    required = {f.name for f in dataclasses.fields(cls) if f.default is f.default_factory is dataclasses.MISSING}
    wrong = sorted((set(table) - set(hints)) | (required - set(table)))
    if wrong:
        raise RecipeError(f"{where}: keys missing or unknown: {', '.join(wrong)}.")
    return cls(**{key: _value(hints[key], value, f"{where}: {key}") for key, value in table.items()})


def _value(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise RecipeError(f"{where} must be a table, not {value!r}.")
        return _build(typing.cast("type[Any]", hint), value, where)
    origin = typing.get_origin(hint) or hint
    if origin is tuple:
        return _tuple(typing.get_args(hint), value, where)
    if origin is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(origin, type) and (not isinstance(value, origin) or (isinstance(value, bool) and origin is not bool)):
        raise RecipeError(f"{where} must be of type {origin.__name__}, not {value!r}.")
    return value


def _tuple(hints: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    any_length = hints[-1] is Ellipsis
    if not isinstance(value, list) or not (any_length or len(value) == len(hints)):
        size = "a list" if any_length else f"a list of {len(hints)} numbers"
        raise RecipeError(f"{where} must be {size}, not {value!r}.")
    return tuple(_value(hints[0], item, where) for item in value)


def _check(recipe: Recipe, where: str) -> None:
    fits = (recipe.localizer.fit, recipe.classifier.fit)
    rules = {
        "folds >= 1 and members >= 1": min(recipe.folds, recipe.members) >= 1,
        "members is 1 unless folds is 1": recipe.members == 1 or recipe.folds == 1,
        "grey_levels is 0 or at least 2": recipe.grey_levels == 0 or recipe.grey_levels >= 2,
        "epochs, batch_size and accumulate >= 1": all(min(f.epochs, f.batch_size, f.accumulate) >= 1 for f in fits),
        "learning_rate > 0": all(f.learning_rate > 0 for f in fits),
        "momentum, weight_decay, mixup_alpha and gamma >= 0": all(
            min(f.momentum, f.weight_decay, f.mixup_alpha, f.gamma) >= 0 for f in fits
        ),
        "milestones rise": all(list(f.milestones) == sorted(set(f.milestones)) for f in fits),
        "0 <= average_decay < 1": all(0 <= f.average_decay < 1 for f in fits),
        "head_only_epochs and early_stop_epochs >= 0": all(
            min(f.head_only_epochs, f.early_stop_epochs) >= 0 for f in fits
        ),
        "optimizer is sgd or adamw": all(f.optimizer in ("sgd", "adamw") for f in fits),
        "schedule is step or one_cycle": all(f.schedule in ("step", "one_cycle") for f in fits),
        "keep is last or best": all(f.keep in ("last", "best") for f in fits),
        "crops is five or centre": recipe.classifier.crops in ("five", "centre"),
        "context >= 1": recipe.classifier.context >= 1,
        "train_px and window_px >= 32": min(recipe.classifier.train_px, recipe.classifier.window_px) >= 32,
        "input_px is a multiple of 64": recipe.localizer.input_px % 64 == 0 and recipe.localizer.input_px > 0,
    }
    for stage in (recipe.localizer, recipe.classifier):
        rules |= _augmentation_rules(stage.augmentation)
        for rule, holds in rules.items():
            if not holds:
                raise RecipeError(f"{where}: it must hold that {rule}.")


def _augmentation_rules(recipe: AugmentationRecipe) -> dict[str, bool]:
    table = dataclasses.asdict(recipe)
    rules = {f"0 <= {key} <= 1": 0 <= value <= 1 for key, value in table.items() if key.endswith("_probability")}
    pairs = {key: value for key, value in table.items() if isinstance(value, tuple)}
    rules |= {f"{key} is [low, high]": low <= high for key, (low, high) in pairs.items()}
    rules |= {f"{key} > 0": table[key][0] > 0 for key in ("scale", "gamma", "cutout_px")}
    return rules | {
        "perspective, shear_count, pad_px and side_padding_px >= 0": recipe.perspective[0] >= 0
        and min(recipe.shear_count, recipe.pad_px, recipe.side_padding_px) >= 0,
        "cutout_count >= 1": recipe.cutout_count >= 1,
        "blur_sigma_px > 0": recipe.blur_sigma_px > 0,
    }
