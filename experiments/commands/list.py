"""``crosschroma list``: the recipes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.table import Column, Table

from ...datasets.base.bounds import Checked
from ...models.base.shipped_weights import shipped_weights
from .. import recipe_list
from ..artifacts import run_file
from ..artifacts.run_file import RunFile
from ..metrics.printed import printed
from ..tables import rows, specs

_RESULTS = Path(__file__).resolve().parents[2] / "results"


@dataclass(frozen=True, kw_only=True)
class ListOptions(Checked):
    """Name every recipe, what it is for, its PSNR in results/tables and its shipped weights.

    Attributes:
        parameters: build every network, which takes a while, and print instead each recipe's
            method, domain, dataset, protocol and numbers of parameters.
        results: the folder of the results whose run files are read.
    """

    parameters: bool = False
    results: Annotated[Path, tyro.conf.arg(metavar="DIR")] = _RESULTS


def list_recipes(argv: list[str]) -> int:
    """``crosschroma list``."""
    options = tyro.cli(ListOptions, prog="crosschroma list", args=argv)
    if options.parameters:
        Console(width=None if Console().is_terminal else 200).print(_networks())
        return 0
    names, shipped = recipe_list.recipe_names(), shipped_weights()
    runs, width = _shown_runs(options.results / "runs"), max(map(len, names))
    for name in names:
        remarks = [_score(runs[name]) if name in runs else "no row"]
        remarks += ["weights shipped"] * (name in shipped)
        print(f"{name:<{width}}  {', '.join(remarks)}\n  {recipe_list.purpose(name)}")
    return 0


def _shown_runs(folder: Path) -> dict[str, RunFile]:
    """Of each recipe one run: on test images rather than on validation images, then the plainest.

    A name that is longer than another's says a seed, an input, an output or a test set.
    """

    def order(name: str) -> tuple[bool, int, str]:
        return "part" in runs[name].split, len(name), name

    runs = {name: run for name, run in run_file.load_run_files(folder).items() if rows.scored(run)}
    shown: dict[str, RunFile] = {}
    for name in sorted(runs, key=order):
        shown.setdefault(runs[name].recipe.partition(":")[0], runs[name])
    return shown


def _score(run: RunFile) -> str:
    """PSNR on the subset by which the run's table is sorted."""
    table = rows.table_of(run)
    psnr = run.summary[specs.MAIN_SUBSET_OF.get(table, "all")].get("PSNR")
    score = "a row" if psnr is None else f"{printed('PSNR').text(psnr)} dB"
    output = run.recipe.partition(":")[2]
    return f"{score} from {run.domain} in {table}" + (output and f" (output {output})")


def _networks() -> Table:
    import torch

    shown = Table(
        Column("recipe", no_wrap=True), "method", "domain", "dataset", "protocol", "parameters"
    )
    for name in recipe_list.recipe_names():
        experiment = recipe_list.load_recipe(name)
        with torch.device("meta"):
            method = experiment.method.build()
        counts = (f"{network} {n:,}" for network, n in method.parameter_counts().items())
        data = experiment.data
        shown.add_row(name, method.name, method.domain, data.name, data.protocol, ", ".join(counts))
    return shown
