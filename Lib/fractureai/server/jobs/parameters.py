"""The parameters of a job, checked before it is queued: types, names, and no path outside the roots."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fractureai.dataset import Dataset
from fractureai.dataset.files import absolute_path
from fractureai.errors import FractureAIError
from fractureai.server.jobs.errors import JobRequestError

if TYPE_CHECKING:
    from fractureai.training.recipe import Recipe

ARCHIVE: Literal["archive"] = "archive"
Text = Annotated[str, Field(min_length=1, max_length=4096)]
Raters = Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(min_length=1, max_length=100)]


class _Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class TrainParameters(_Parameters):
    """What to train on and how."""

    dataset: Text = Field(description="Folder of the dataset, or an archive of one (ZIP).")
    recipe: str = Field(
        "quick",
        min_length=1,
        max_length=65_536,
        description="A recipe that comes along, the path of one (TOML), or the text of one (TOML of several lines).",
    )
    variant: str = Field("", max_length=200, description="A variant that the recipe names, for example as-published.")
    weights: Text | None = Field(None, description="File of the classifiers' initial weights; null: the recipe's.")
    out: Text | None = Field(None, description="Folder for checkpoints and the bundle; null: in the work folder.")
    raters: Raters | None = Field(None, description="Whose marks count as the truth; null: consensus.")
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d{1,2})?)$")
    folds: int | None = Field(None, ge=1, le=20, description="Networks a stage and view; null: as the recipe says.")


class EvaluateParameters(_Parameters):
    """Which model to measure on what."""

    bundle: Text = Field(description="Id of a model, the word demo, or the folder of a bundle.")
    dataset: Text = Field(description="Folder of the dataset.")
    split: Literal["test", "validation", "train", "all"] = "test"
    raters: Raters | None = Field(None, description="Whose marks count as the truth; null: consensus.")
    out: Text | None = Field(None, description="Folder of the report; null: in the work folder.")


class ExportParameters(_Parameters):
    """What to give away."""

    dataset: Text = Field(description="Folder of the dataset.")
    raters: Raters | None = Field(None, description="Whose marks; null: everybody's in an archive, else consensus.")
    format: Literal["archive", "deepwrist", "via", "grazpedwri", "fracatlas", "coco", "mrk_json"] = Field(
        ARCHIVE, description="archive: a de-identified ZIP of the dataset that trains elsewhere."
    )
    out: Text | None = Field(None, description="ZIP file of an archive, folder of another format; null: work folder.")


MODELS: Mapping[str, type[_Parameters]] = {
    "train": TrainParameters,
    "evaluate": EvaluateParameters,
    "export": ExportParameters,
}


def check_parameters(
    kind: str, given: Mapping[str, Any], roots: Sequence[Path], bundle_folder: Callable[[str], Path] | None
) -> dict[str, Any]:
    """Return parameters with defaults filled in and every path absolute, real and inside the roots.

    Args:
        kind: of the job.
        given: by the client.
        roots: folders that jobs may read and write; the work folder is one of them.
        bundle_folder: returns the folder of a registered model; raises FractureAIError where there is none.

    Raises:
        JobRequestError: a parameter is missing, unknown, of the wrong type, or a path outside the roots.
    """
    if kind not in MODELS:
        raise JobRequestError(f"There is no kind of job {kind[:40]!r}; choose one of {', '.join(MODELS)}.")
    try:
        parameters = MODELS[kind].model_validate(dict(given)).model_dump()
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise JobRequestError(f"Parameter {where[:60]} of the job: {first['msg']}.") from None
    try:
        _check_paths(kind, parameters, roots, bundle_folder)
        if kind == "train":
            _check_recipe(parameters, roots)
    except JobRequestError:
        raise
    except FractureAIError as error:
        raise JobRequestError(str(error)) from error
    return parameters


def inside(text: str, roots: Sequence[Path], name: str) -> Path:
    """Return a path with links followed.

    Raises:
        JobRequestError: it lies outside the roots, or is not absolute.
    """
    try:
        allowed = [root.resolve() for root in roots]
        path = absolute_path(text)
        # By its letters first: to follow the links of a foreign path may already reach another machine.
        near = Path(text).is_absolute() and any(path.is_relative_to(root) for root in (*roots, *allowed))
        real = path.resolve() if near else path
    except (ValueError, OSError, RuntimeError):
        raise JobRequestError(f"The path given as {name} makes no sense; choose another.") from None
    if not near or not any(real.is_relative_to(root) for root in allowed):
        raise JobRequestError(
            f"The {name} {text} is outside the folders this server may use; choose another, or start it with --root."
        )
    return real


def _check_paths(
    kind: str, parameters: dict[str, Any], roots: Sequence[Path], bundle_folder: Callable[[str], Path] | None
) -> None:
    dataset = inside(parameters["dataset"], roots, "dataset")
    if not (kind == "train" and dataset.is_file() and dataset.suffix.lower() == ".zip"):
        Dataset.open(dataset)
    parameters["dataset"] = str(dataset)
    if parameters["out"] is not None:
        out = inside(parameters["out"], roots, "output")
        if any((folder / "dataset.toml").exists() for folder in (out, *out.parents)) and kind == "train":
            raise JobRequestError(f"The output {out} lies in a dataset; choose another folder.")
        if kind == "export" and parameters["format"] == ARCHIVE and out.suffix.lower() != ".zip":
            raise JobRequestError(f"The output {out} is no name of an archive; let it end with .zip.")
        if kind != "train" and (out / "dataset.toml").exists():
            raise JobRequestError(f"The output {out} is a dataset; choose another folder.")
        parameters["out"] = str(out)
    if kind == "evaluate":
        parameters["bundle"] = str(_bundle(parameters["bundle"], roots, bundle_folder))


def _bundle(text: str, roots: Sequence[Path], bundle_folder: Callable[[str], Path] | None) -> Path:
    if Path(text).is_absolute():
        return inside(text, roots, "bundle")
    if bundle_folder is not None:
        return bundle_folder(text)
    if text != "demo":
        raise JobRequestError(f"There is no model {text[:80]!r}; give the folder of a bundle, or the word demo.")
    from fractureai.bundle import resolve_bundle

    return resolve_bundle(text)


def _check_recipe(parameters: dict[str, Any], roots: Sequence[Path]) -> None:
    from fractureai.training.recipe import list_recipes

    name = parameters["recipe"]
    if "\n" not in name and name not in list_recipes():
        if not name.endswith(".toml"):
            raise JobRequestError(f"There is no recipe {name[:200]}; known recipes: {', '.join(list_recipes())}.")
        parameters["recipe"] = str(inside(name, roots, "recipe"))
    if parameters["weights"]:
        parameters["weights"] = str(inside(parameters["weights"], roots, "file of weights"))
    recipe = recipe_of(parameters["recipe"], parameters["variant"], parameters["weights"] or "")
    for weights in (recipe.localizer.network.weights, recipe.classifier.network.weights):
        if weights:
            inside(weights, roots, "file of weights in the recipe")


def recipe_of(value: str, variant: str = "", weights: str = "") -> Recipe:
    """Return the recipe that a job's parameter names (a shipped one, a path) or is (TOML of several lines).

    Args:
        value: the parameter ``recipe``.
        variant: a variant that the recipe names; "" for the recipe itself.
        weights: file of the classifiers' initial weights; "": the recipe's.

    Raises:
        RecipeError: it is no recipe, or has no such variant.
    """
    from fractureai.training.recipe import load_recipe, parse_recipe, with_classifier_weights

    if "\n" not in value:
        return load_recipe(value, variant, weights)
    recipe = parse_recipe(value, "The recipe that was sent", variant)
    return with_classifier_weights(recipe, weights) if weights else recipe
