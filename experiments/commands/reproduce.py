"""``crosschroma reproduce``: the rows of a table, trained and scored anew."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ...datasets.base.adapter import Adapter
from ...datasets.base.errors import UserError, unknown
from ...datasets.mixtures.union import Union
from ...losses.terms import DivergedError
from ...models.student import Student
from .. import recipe_list
from ..artifacts.checkpoint import LAST, load_trained
from ..artifacts.run_file import load_all
from ..evaluation.evaluate_run import evaluate_run, failed_row, origin
from ..experiment import Experiment, Hardware
from ..tables import tables
from ..tables.specs import BUDGET
from ..training.devices import usable_device
from ..training.engine import StoppedError, fit
from .print_scores import print_scores
from .train import RUNS, remove_checkpoints

_FOLDERS = re.compile(r"(?<![\w.])/(?:[^\s/'\"]+/)+")


@dataclass(frozen=True, kw_only=True)
class ReproduceOptions:
    """Train and evaluate every recipe of a table that has no row yet, then write the table.

    Goes on after a failure; the failed recipe gets a row that says so. A recipe that learns from
    several datasets has a row on each. Runs of ``budget`` and a gallery of them are in its folder
    below ``runs``, so that TensorBoard shows them at the same steps.

    Attributes:
        table: the table: a dataset's name, or ``budget``: every gray method under one budget.
        budget: ``smoke`` proves the path in seconds with narrow networks, and keeps its rows
            under the runs folder; ``full`` is the recipes' own budget.
        only: recipes to run, default all of the table but its ablations.
        ablations: run these, too.
        seed: seeds to run, each a row.
        root: the dataset's folder.
        runs: folder for the runs; a run that was stopped goes on where it was.
        results: folder with runs/*.json and tables/.
        readme: file whose table blocks are rewritten; ``None`` rewrites none.
        hardware: where to compute.
    """

    table: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="TABLE")]
    budget: Literal["smoke", "full"] = "full"
    only: tuple[str, ...] = ()
    ablations: tyro.conf.FlagCreatePairsOff[bool] = False
    seed: tuple[int, ...] = (0,)
    root: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    runs: Annotated[Path, tyro.conf.arg(metavar="DIR")] = RUNS
    results: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("results")
    readme: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = Path("README.md")
    hardware: Hardware = field(default_factory=Hardware)


def reproduce(argv: list[str]) -> int:
    """``crosschroma reproduce TABLE``."""
    options = tyro.cli(ReproduceOptions, prog="crosschroma reproduce", args=argv)
    if options.hardware.devices * options.hardware.nodes > 1:
        raise UserError(
            "reproduce runs recipes one by one on one device; train on several with `crosschroma "
            f"train RECIPE --run-dir {options.runs}/RECIPE --hardware.devices N`, and reproduce "
            "evaluates what is trained"
        )
    experiments = _experiments(options)
    smoke = options.budget == "smoke"
    results = options.runs / "smoke-results" if smoke else options.results
    readme = None if smoke else options.readme
    if readme is not None and not readme.is_file():  # said before hours of training, not after
        raise UserError(f"no file {readme} to write the tables into; set --readme, or None")
    rows = load_all(results / "runs")
    failed: list[str] = []
    for experiment in experiments:
        row = _row_name(experiment)
        if not smoke and all(n in rows and rows[n].status == "ok" for n in _tests(experiment)):
            same = rows[row].config_sha256 == origin(experiment)["config_sha256"]
            other = ", of other settings; delete its run file and its run to train it anew"
            print(f"{row}: has its row{'' if same else other}", flush=True)
            continue
        try:
            _reproduce_one(experiment, options, results / "runs")
        except (StoppedError, BrokenPipeError):  # the user's doing, not the recipe's
            raise
        except Exception as error:  # any failure becomes a row, and the others still run
            failed.append(row)
            print(f"error: {row}: {error}", file=sys.stderr, flush=True)
            status = "diverged" if isinstance(error, DivergedError) else "failed"
            # rows are published: the folders of this machine are left out
            note = f"{type(error).__name__}: {_FOLDERS.sub('', str(error))}"
            failed_row(experiment, status, note).save(results / "runs" / f"{row}.json")
    tables.write(results, readme)
    rows = load_all(results / "runs")
    scores = {row: rows[row].summary["all"] for row in map(_row_name, experiments)}
    print_scores(f"table {options.table}, test images", "recipe", scores)
    print(f"tables: {results / 'tables'}")
    if options.table == BUDGET:
        _show_budget(_folder(options), [row for row in scores if row not in failed], options.root)
    if failed:
        print(f"error: failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _show_budget(folder: Path, names: list[str], root: Path | None) -> None:
    """Draw what the runs make of some test images, and say how their curves are seen."""
    from ..compare.load_runs import write_gallery

    runs = [folder / name for name in names if (folder / name / LAST).is_file()]
    if runs:
        out = folder / "gallery.jpg"
        write_gallery(runs, out, root=root, errors=False)
        print(f"gallery: {out}")
    print(f"curves: tensorboard --logdir {folder}")


def _experiments(options: ReproduceOptions) -> list[Experiment]:
    chosen = _of_table(options.table)
    for name in options.only:
        if name not in chosen:
            raise UserError(unknown(f"recipe of table {options.table}", name, chosen))
    experiments = []
    left_out = set() if options.ablations else set(recipe_list.ablations())
    for recipe in chosen.values():
        if recipe.name not in options.only if options.only else recipe.name in left_out:
            continue
        data = replace(recipe.data, root=options.root or recipe.data.root)
        data.base()  # without the data nothing has run, and nothing gets a row
        for seed in options.seed:
            experiment = replace(recipe, data=data, seed=seed)
            experiments.append(experiment.smoke() if options.budget == "smoke" else experiment)
    return sorted(experiments, key=lambda one: isinstance(one.method, Student.Config))


def _of_table(table: str) -> dict[str, Experiment]:
    """Its recipes; those of the budget are in no dataset's."""
    recipes = {name: recipe_list.load(name) for name in recipe_list.names()}
    tables = {
        name: BUDGET if name in recipe_list.budget() else recipe.data.name
        for name, recipe in recipes.items()
    }
    if table not in tables.values():
        raise UserError(unknown("table with recipes", table, sorted(set(tables.values()))))
    return {name: recipe for name, recipe in recipes.items() if tables[name] == table}


def _folder(options: ReproduceOptions) -> Path:
    return options.runs / BUDGET if options.table == BUDGET else options.runs


def _tests(experiment: Experiment) -> dict[str, Adapter]:
    """What a trained experiment is tested on, by the name of the row."""
    data, row = experiment.data, _row_name(experiment)
    others = data.others if isinstance(data, Union) else ()
    return {row: data, **{f"{row}_on_{other.name}": other for other in others}}


def _reproduce_one(experiment: Experiment, options: ReproduceOptions, rows: Path) -> None:
    name = _row_name(experiment)
    run = _folder(options) / name
    if (run / LAST).exists() and options.budget == "full":
        print(f"{name}: goes on in {run}", flush=True)
    elif options.budget == "smoke":
        remove_checkpoints(run)
    fit(experiment, run, options.hardware, resume=True)
    device = usable_device(options.hardware.accelerator)
    trained = load_trained(run)
    for row, data in _tests(experiment).items():
        evaluate_run(trained, data, device=device).save(rows / f"{row}.json")


def _row_name(experiment: Experiment) -> str:
    return experiment.name if experiment.seed == 0 else f"{experiment.name}-seed{experiment.seed}"
