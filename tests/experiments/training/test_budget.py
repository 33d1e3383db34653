"""The equal budget: the same data, steps and crops for every method, whatever its stages."""

from __future__ import annotations

from dataclasses import replace

import pytest
from crosschroma.experiments import recipe_list
from crosschroma.experiments.recipes._budget import (
    TRAINING,
    VIEW,
    budget_experiment,
    stage_steps,
)
from crosschroma.models.student import Student

RECIPES = {name: recipe_list.load_recipe(name) for name in recipe_list.budget()}


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_differ_by_the_method_alone(recipe: str) -> None:
    experiment = RECIPES[recipe]
    assert experiment == replace(budget_experiment(experiment.method), name=recipe)
    assert recipe.startswith("budget_")
    assert experiment.training.result == "last"  # none is chosen by its validation


def test_every_gray_method_is_there() -> None:
    methods = {recipe.method.method_class.name for recipe in RECIPES.values()}
    others = (
        recipe_list.load_recipe(name) for name in recipe_list.recipe_names() if name not in RECIPES
    )
    gray = {other.method.method_class.name for other in others if domain(other.method) == "gray"}
    assert methods == gray | {"colormamba"}
    assert all(domain(recipe.method) == "gray" for recipe in RECIPES.values())


def domain(method: object) -> str:
    # zhang17 and instance_aware know no other
    return getattr(method, "domain", "gray")


@pytest.mark.parametrize(
    ("shares", "steps"), [((1, 1), (150, 150)), ((1, 1, 1), (100, 100, 100)), ((7, 4), (191, 109))]
)
def test_stages_share_the_steps(shares: tuple, steps: tuple) -> None:
    assert stage_steps(*shares) == steps


def test_stages_of_recipes_add_up() -> None:
    staged = 0
    for recipe in RECIPES.values():
        for name in ("stages", "phases"):
            if stages := getattr(recipe.method, name, ()):
                staged += 1
                assert sum(stage.steps for stage in stages) == TRAINING.steps
                assert all(getattr(stage, "size", 1) <= VIEW.size for stage in stages)
    assert staged == 3


def test_the_student_is_taught_by_the_budgets_unet() -> None:
    method = RECIPES["budget_student"].method
    assert isinstance(method, Student.Config)
    assert method.teacher == RECIPES["budget_unet"].method
    assert "budget_unet" in method.learnt_from
