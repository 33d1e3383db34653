"""What a method has learnt from before training, as results rows print it."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
from crosschroma.experiments import recipe_list

RECIPES = {name: recipe_list.load_recipe(name) for name in recipe_list.recipe_names()}
PLACE = "/home/somebody/files"


def with_files(config: Any) -> Any:
    """The same settings with a file of one machine wherever they can name weights."""
    changes = {}
    for field in fields(config):
        value = getattr(config, field.name)
        if is_dataclass(value):
            changes[field.name] = with_files(value)
        elif isinstance(value, str) and field.name.endswith(("weights", "start")):
            changes[field.name] = f"{PLACE}/weights.pt"
    return replace(config, **changes)


@pytest.mark.parametrize("name", RECIPES)
def test_no_machines_folders_are_in_it(name: str) -> None:
    assert PLACE not in with_files(RECIPES[name].method).learnt_from
