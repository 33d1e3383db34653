"""``crosschroma list``: the recipes."""

from __future__ import annotations

from dataclasses import dataclass

import tyro
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, kw_only=True)
class ListOptions:
    """Name every recipe with its domain, dataset and the parameters of its networks."""


def list_recipes(argv: list[str]) -> int:
    """``crosschroma list``."""
    tyro.cli(ListOptions, prog="crosschroma list", args=argv)
    import torch

    from .. import recipe_list

    shown = Table("recipe", "method", "domain", "dataset", "protocol", "parameters")
    for name in recipe_list.names():
        experiment = recipe_list.load(name)
        with torch.device("meta"):
            method = experiment.method.build()
        counts = (f"{network} {n:,}" for network, n in method.parameter_counts().items())
        data = experiment.data
        parameters = ", ".join(counts)
        shown.add_row(name, method.name, method.domain, data.name, data.protocol, parameters)
    Console(width=None if Console().is_terminal else 200).print(shown)
    return 0
