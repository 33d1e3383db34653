"""The recipes whose small methods differ."""

from __future__ import annotations

import json

from crosschroma.experiments import recipe_list
from crosschroma.experiments.settings import to_plain


def different_networks() -> list[str]:
    """The first recipe of each narrow method: what another makes the same is tested once."""
    kinds: dict[str, str] = {}
    for name in recipe_list.recipe_names():
        method = recipe_list.load_recipe(name).method
        kinds.setdefault(json.dumps(to_plain(method.smoke())), name)
    return sorted(kinds.values())
