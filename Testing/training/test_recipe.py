import dataclasses
from pathlib import Path

import pytest

import fractureai.training
from fractureai.errors import RecipeError
from fractureai.training.recipe import list_recipes, load_recipe, member_seed, recipe_to_table

QUICK = (Path(fractureai.training.__file__).parent / "recipes" / "quick.toml").read_text(encoding="utf-8")


def test_the_papers_recipe_says_what_the_paper_says():
    """DeepWrist, Methods: Pre-processing and augmentation, ROI localization block, Fracture detection block."""
    recipe = load_recipe("deepwrist")
    assert (recipe.folds, recipe.members, recipe.grey_levels, recipe.variant) == (5, 1, 0, "")
    localizer, classifier = recipe.localizer.fit, recipe.classifier.fit
    assert (localizer.optimizer, localizer.learning_rate, localizer.batch_size) == ("sgd", 0.1, 24)
    assert (localizer.momentum, localizer.weight_decay, localizer.mixup_alpha) == (0, 0, 0.4)
    assert (localizer.epochs, localizer.milestones, localizer.gamma) == (300, (150, 200, 250), 0.1)
    assert (localizer.schedule, localizer.early_stop_epochs, localizer.average_decay) == ("step", 0, 0)
    assert (recipe.localizer.input_px, recipe.localizer.heatmap_weight) == (256, 0)
    assert recipe.localizer.network.name == "kneel"
    assert recipe.localizer.network.parameters == {"width": 64, "depth": 6, "dropout": 0.25, "pointwise_px": 1}
    assert (classifier.optimizer, classifier.learning_rate, classifier.batch_size) == ("sgd", 0.1, 32)
    assert (classifier.momentum, classifier.weight_decay, classifier.mixup_alpha) == (0, 1e-4, 0.7)
    assert (classifier.epochs, classifier.milestones, classifier.gamma) == (300, (150, 200, 250), 0.1)
    assert (classifier.schedule, classifier.head_only_epochs) == ("step", 10)
    assert (recipe.classifier.train_px, recipe.classifier.window_px) == (256, 224)
    assert (recipe.classifier.crops, recipe.classifier.mirror, recipe.classifier.context) == ("five", True, 1)
    assert (recipe.classifier.network.name, recipe.classifier.network.parameters) == ("seresnet50", {"dropout": 0.5})
    assert recipe.classifier.region_weight == 0


def test_both_stages_of_the_paper_are_augmented_alike_but_for_the_film():
    recipe = load_recipe("deepwrist")
    localizer, classifier = recipe.localizer.augmentation, recipe.classifier.augmentation
    differing = {
        field.name
        for field in dataclasses.fields(localizer)
        if getattr(localizer, field.name) != getattr(classifier, field.name)
    }
    assert differing == {
        "side_padding_probability", "triangle_probability", "low_visibility_probability", "downscale_probability",
        "landmark_jitter", "shear_count",
    }  # fmt: skip


def test_the_ensemble_is_nine_members_from_nine_seeds():
    recipe = load_recipe("deepwrist-ensemble")
    assert (recipe.folds, recipe.members) == (1, 9)
    assert [member_seed(recipe, member) for member in range(9)] == [12345 * (i + 1) for i in range(9)]
    assert recipe.classifier.fit.mixup_alpha == 0
    assert recipe.classifier.network.weights == ""
    assert (recipe.classifier.window_px, recipe.classifier.crops, recipe.classifier.mirror) == (256, "centre", False)
    assert recipe.localizer == load_recipe("deepwrist").localizer


def test_a_variant_overrides_single_values_and_is_recorded():
    recipe, variant = load_recipe("deepwrist"), load_recipe("deepwrist", "as-published")
    assert variant.variant == "as-published"
    assert recipe_to_table(variant)["variant"] == "as-published"
    assert variant.localizer.network.parameters == {**recipe.localizer.network.parameters, "pointwise_px": 3}
    assert variant.grey_levels == 256
    assert (variant.localizer.fit.keep, variant.classifier.fit.keep) == ("best", "best")
    assert (variant.classifier.fit.gamma, variant.classifier.fit.milestones) == (0.2, (160, 210, 260))
    assert dataclasses.replace(variant.classifier, fit=recipe.classifier.fit) == recipe.classifier
    assert variant.localizer.augmentation == recipe.localizer.augmentation


def test_an_unknown_variant_names_the_known_ones():
    with pytest.raises(RecipeError, match=r"no variant published; known variants: as-published"):
        load_recipe("deepwrist", "published")
    with pytest.raises(RecipeError, match="it has no variants"):
        load_recipe("quick", "as-published")


def test_a_file_of_weights_is_put_into_the_recipe_and_named_without_its_folder(tmp_path):
    recipe = load_recipe("deepwrist", weights=tmp_path / "se_resnet50.pth")
    assert recipe.classifier.network.weights == str(tmp_path / "se_resnet50.pth")
    assert recipe_to_table(recipe)["classifier"]["network"]["weights"] == "se_resnet50.pth"


def test_every_shipped_recipe_loads():
    assert {"quick", "demo", "deepwrist", "deepwrist-ensemble"} <= set(list_recipes())
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
        ("folds = 1", "folds = 2\nmembers = 3", "members"),
        ("folds = 1", "folds = true", "folds"),
        ("folds = 1", 'folds = 1\nvariant = "x"', "variants"),
        ("folds = 1", "folds = 1\ngrey_levels = 1", "grey_levels"),
        ("format_version = 1", "format_version = 1\nvariants = 3", "variants"),
        ("warp_probability = 0.9", "warp_probability = 1.9", "warp_probability"),
        ("scale = [0.75, 1.3]", "scale = [1.3, 0.75]", "scale"),
        ("scale = [0.75, 1.3]", "scale = [0.75]", "scale"),
        ("scale = [0.75, 1.3]", 'scale = ["a", "b"]', "scale"),
        ("scale = [0.75, 1.3]", "scale = 0.75", "scale"),
        ("cutout_px = [16, 48]", "cutout_px = [0, 48]", "cutout_px"),
        ("cutout_count = 3", "cutout_count = 0", "cutout_count"),
        ("window_px = 256", "window_px = 8", "window_px"),
        ("average_decay = 0.99", "average_decay = 1.0", "average_decay"),
        ("parameters = { width = 32, depth = 4, dropout = 0.1 }", "parameters = 3", "parameters"),
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
