"""The recipes a training can follow: those that come along, and files of one's own; read as text."""

import importlib
import sys
from dataclasses import dataclass
from pathlib import Path

from slicer.i18n import tr as _

import fractureai
from fractureai.errors import RecipeError

tomllib = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

FOLDER = Path(fractureai.__file__).resolve().parent / "training" / "recipes"
FIRST = "quick"


@dataclass(frozen=True)
class RecipeInfo:
    """A recipe in the list.

    Attributes:
        key: a name, or the path of a file of the user's.
        title: one line: what it does and how long it takes.
        folds: networks a stage and view.
    """

    key: str
    title: str
    folds: int


def shipped_recipes() -> tuple[RecipeInfo, ...]:
    """Return the recipes that come along, ``quick`` first."""
    found = [_info(path, path.stem) for path in sorted(FOLDER.glob("*.toml"))]
    return tuple(sorted(found, key=lambda recipe: recipe.key != FIRST))


def recipe_name(value: str) -> str:
    """Return the name of a recipe from the parameter of a job: a name, a path, or the recipe's text."""
    if "\n" in value:
        return str(tomllib.loads(value).get("name", ""))
    return value.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".toml")


def recipe_text(recipe: RecipeInfo) -> str:
    """Return what a job gets: the name of a recipe that comes along, the text of one of the user's.

    Raises:
        RecipeError: the file can not be read.
    """
    path = Path(recipe.key)
    if not path.is_absolute():
        return recipe.key
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(_("{file} can not be read; choose another recipe.").format(file=path)) from error


def own_recipe(path: str) -> RecipeInfo:
    """Return a recipe of the user's.

    Raises:
        RecipeError: the file is no recipe.
    """
    return _info(Path(path).resolve(), str(Path(path).resolve()))


def _info(path: Path, key: str) -> RecipeInfo:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        return RecipeInfo(key, str(table["title"]), int(table["folds"]))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise RecipeError(_("{file} is no recipe; choose a TOML file of one.").format(file=path)) from error
