from pathlib import Path

import pytest

import fractureai.training
from fractureai.errors import RecipeError
from fractureai.training.recipe import list_recipes, load_recipe

QUICK = (Path(fractureai.training.__file__).parent / "recipes" / "quick.toml").read_text(encoding="utf-8")


def test_the_papers_recipe_says_what_the_paper_says():
    recipe = load_recipe("deepwrist")
    assert recipe.folds == 5
    localizer, classifier = recipe.localizer.fit, recipe.classifier.fit
    assert (localizer.optimizer, localizer.learning_rate, localizer.batch_size) == ("sgd", 0.1, 24)
    assert (localizer.momentum, localizer.weight_decay, localizer.mixup_alpha) == (0, 0, 0.4)
    assert (localizer.epochs, localizer.milestones, localizer.gamma) == (300, (150, 200, 250), 0.1)
    assert (classifier.optimizer, classifier.learning_rate, classifier.batch_size) == ("sgd", 0.1, 32)
    assert (classifier.momentum, classifier.weight_decay, classifier.mixup_alpha) == (0, 1e-4, 0.7)
    assert (classifier.epochs, classifier.milestones, classifier.head_only_epochs) == (300, (150, 200, 250), 10)
    assert (recipe.classifier.window_px, recipe.classifier.crops, recipe.classifier.mirror) == (224, "five", True)
    assert recipe.classifier.network.name == "seresnet50"


def test_every_shipped_recipe_loads():
    assert {"quick", "deepwrist"} <= set(list_recipes())
    for name in list_recipes():
        assert load_recipe(name).name == name


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("folds = 1", "folds = 0", "folds"),
        ("seed = 1", 'seed = "one"', "seed"),
        ("learning_rate = 3e-3", "learning_speed = 3e-3", "learning_speed"),
        ('optimizer = "adamw"', 'optimizer = "adam"', "optimizer"),
        ("input_px = 256", "input_px = 250", "input_px"),
        ('crops = "centre"', 'crops = "center"', "crops"),
        ("format_version = 1", "format_version = 9", "format_version"),
        ("[classifier]\n", "[klassifier]\n", "klassifier"),
        ("seed = 1", "seed = ", "TOML"),
    ],
)
def test_a_malformed_recipe_is_one_clear_error(tmp_path, old, new, named):
    assert old in QUICK
    path = tmp_path / "mine.toml"
    path.write_text(QUICK.replace(old, new), encoding="utf-8")
    with pytest.raises(RecipeError) as error:
        load_recipe(path)
    assert named in str(error.value)
    assert "mine.toml" in str(error.value)


def test_an_unknown_recipe_names_the_known_ones():
    with pytest.raises(RecipeError, match="deepwrist"):
        load_recipe("slow")
