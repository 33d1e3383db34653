"""``crosschroma reproduce``: the rows of a table, trained and scored anew."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from ...datasets.base.adapter import Adapter
from ...datasets.base.bounds import Checked, Seed
from ...datasets.base.errors import UserError, unknown
from ...datasets.base.outputs import FolderOutput
from ...datasets.mixtures.union import Union
from ...losses.terms import DivergedError
from ...models.base.method import Method
from ...models.base.weights import BEST, LAST, RUNS
from .. import recipe_list
from ..artifacts.checkpoint import load_trained
from ..artifacts.run_file import RunFile, load_run_file, load_run_files
from ..evaluation.evaluate_run import evaluate_run, failed_row, origin
from ..experiment import Experiment, Hardware
from ..settings import from_plain, to_plain
from ..tables import tables
from ..tables.specs import BUDGET
from ..training.devices import usable_device
from ..training.engine import StoppedError, fit
from ..training.run_folder import refuse_overwriting
from .shared.print_scores import print_comparison, print_scores
from .shared.usage import UsageError

COMMITTED = Path("results")
_FOLDERS = re.compile(r"(?<![\w.])/(?:[^\s/'\"]+/)+")


@dataclass(frozen=True, kw_only=True)
class ReproduceOptions(Checked):
    """Train and score a table's recipes, and print each row beside the committed one.

    Runs, rows and tables go into runs/reproduce/TABLE, and nothing is written elsewhere. With
    ``--results results`` the recipes that have no row there yet are run instead, in ``runs``, and
    their rows and the tables are written there.

    Goes on after a failure; the failed recipe gets a row that says so. A recipe that learns from
    several datasets has a row on each. A teacher's run is made before its student's. Runs of
    ``budget`` and a gallery of them are in one folder, so that TensorBoard shows them at the same
    steps.

    Attributes:
        table: the table: a dataset's name, or ``budget``: every gray method under one budget.
        budget: ``smoke`` proves the path in seconds with narrow networks; ``full`` is the recipes'
            own budget.
        only: recipes to run, default all of the table but its ablations.
        ablations: run these, too.
        seed: seeds to run, each a row.
        root: the dataset's folder.
        runs: folder for the runs; a run that was stopped goes on where it was.
        results: folder with runs/*.json and tables/ that gets the rows; by default none does.
        readme: with ``results``, file whose table blocks are rewritten; ``None`` rewrites none.
        overwrite: delete the runs that are there already, and train them anew.
        hardware: where to compute.
    """

    table: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="TABLE")]
    budget: Literal["smoke", "full"] = "full"
    only: tuple[str, ...] = ()
    ablations: tyro.conf.FlagCreatePairsOff[bool] = False
    seed: tuple[Seed, ...] = (0,)
    root: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    runs: Annotated[FolderOutput, tyro.conf.arg(metavar="DIR")] = RUNS
    results: Annotated[FolderOutput | None, tyro.conf.arg(metavar="DIR")] = None
    readme: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = Path("README.md")
    overwrite: tyro.conf.FlagCreatePairsOff[bool] = False
    hardware: Hardware = field(default_factory=Hardware)

    @property
    def folder(self) -> Path:
        """Where the runs are, each in a folder of its name."""
        if self.results is None:
            return self.runs / "reproduce" / self.table
        return self.runs / BUDGET if self.table == BUDGET else self.runs

    @property
    def rows(self) -> Path:
        """Where the run files go."""
        return (self.results or self.folder / "results") / "runs"


def reproduce(argv: list[str]) -> int:
    """``crosschroma reproduce TABLE``."""
    options = tyro.cli(ReproduceOptions, prog="crosschroma reproduce", args=argv)
    experiments = _checked(options)
    readme = None if options.results is None else options.readme
    if readme is not None and not readme.is_file():  # said before hours of training, not after
        raise UserError(f"no file {readme} to write the tables into; set --readme, or None")
    rows = load_run_files(options.rows)
    failed: list[str] = []
    for experiment in experiments:
        row = _row_name(experiment)
        if _is_done(experiment, rows, options):
            same = rows[row].config_sha256 == origin(experiment)["config_sha256"]
            settings = "" if same else ", of other settings"
            print(f"{row}: has its row{settings}; --overwrite trains it anew", flush=True)
            continue
        try:
            _reproduce_one(experiment, options)
        except (StoppedError, BrokenPipeError):  # the user's doing, not the recipe's
            raise
        except Exception as error:  # any failure becomes a row, and the others still run
            failed.append(row)
            print(f"error: {row}: {error}", file=sys.stderr, flush=True)
            status = "diverged" if isinstance(error, DivergedError) else "failed"
            # rows are published: the folders of this machine are left out
            note = f"{type(error).__name__}: {_FOLDERS.sub('', str(error))}"
            failed_row(experiment, status, note).save(options.rows / f"{row}.json")
    tables.write_tables(options.rows.parent, readme)
    _report(options, experiments, failed)
    if failed:
        print(f"error: failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _checked(options: ReproduceOptions) -> list[Experiment]:
    """What is to be run; refused here is what would be refused after hours of training."""
    if options.hardware.devices * options.hardware.nodes > 1:
        raise UserError(
            "reproduce runs recipes one by one on one device; train on several with `crosschroma "
            f"train RECIPE --run-dir {options.folder}/RECIPE --hardware.devices N`, and reproduce "
            "evaluates what is trained"
        )
    if options.budget == "smoke" and options.results is not None:
        raise UsageError("--budget smoke makes no results; leave --results out")
    experiments = _experiments(options)
    if options.budget == "smoke":
        for experiment in experiments:
            run = options.folder / _row_name(experiment)
            refuse_overwriting(run, resume=False, overwrite=options.overwrite)
    return experiments


def _report(options: ReproduceOptions, experiments: list[Experiment], failed: list[str]) -> None:
    """Print the rows' scores, and where runs and rows are."""
    rows = load_run_files(options.rows)
    names = [_row_name(experiment) for experiment in experiments]
    if options.results is None:
        for name in (row for one in experiments for row in _tests(one) if row in rows):
            path = COMMITTED / "runs" / f"{name.replace('-smoke', '')}.json"
            print_comparison(name, load_run_file(path) if path.is_file() else None, rows[name])
        if options.budget == "smoke":
            print("smoke: two steps of a narrow network; the differences say nothing")
        print(f"runs: {options.folder}, rows: {options.rows}")
    else:
        scores = {name: rows[name].summary["all"] for name in names}
        print_scores(f"table {options.table}, test images", "recipe", scores)
    print(f"tables: {options.rows.parent / 'tables'}")
    if options.table == BUDGET:
        _show_budget(options.folder, [name for name in names if name not in failed], options.root)


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
    names = {_row_name(experiment) for experiment in experiments}
    if options.results is None:
        # teachers and starts that are trained here are taken from here
        experiments = [_with_runs_in(options.folder, one, names) for one in experiments]
    return sorted(experiments, key=lambda one: any(_runs_named(to_plain(one.method), names)))


def _with_runs_in(folder: Path, experiment: Experiment, names: set[str]) -> Experiment:
    """The runs of ``names``, or that the folder has, as those of the folder."""

    def moved(plain: Any) -> Any:
        if isinstance(plain, dict):
            return {name: moved(value) for name, value in plain.items()}
        if isinstance(plain, list):
            return [moved(value) for value in plain]
        run = _run_of(plain)
        if run is None or not (run.name in names or (folder / run.name).is_dir()):
            return plain
        return str(folder / run.name / Path(plain).relative_to(run))

    before = to_plain(experiment.method)
    after = moved(before)
    if after == before:
        return experiment
    return replace(experiment, method=from_plain(after, Method.Config))


def _runs_named(plain: Any, names: set[str]) -> Iterator[str]:
    """Those of ``names`` whose runs plain settings name."""
    if isinstance(plain, (dict, list)):
        for value in plain.values() if isinstance(plain, dict) else plain:
            yield from _runs_named(value, names)
    elif (run := _run_of(plain)) is not None and run.name in names:
        yield run.name


def _run_of(value: Any) -> Path | None:
    """The run's folder that a setting names, if it names one."""
    if not isinstance(value, str) or len(Path(value).parts) < 2:
        return None
    path = Path(value)
    return path.parent if path.name in (LAST, BEST) else path


def _of_table(table: str) -> dict[str, Experiment]:
    """Its recipes; those of the budget are in no dataset's."""
    recipes = {name: recipe_list.load_recipe(name) for name in recipe_list.recipe_names()}
    table_of = {
        name: BUDGET if name in recipe_list.budget() else recipe.data.name
        for name, recipe in recipes.items()
    }
    if table not in table_of.values():
        raise UserError(unknown("table with recipes", table, sorted(set(table_of.values()))))
    return {name: recipe for name, recipe in recipes.items() if table_of[name] == table}


def _tests(experiment: Experiment) -> dict[str, Adapter]:
    """What a trained experiment is tested on, by the name of the row."""
    data, row = experiment.data, _row_name(experiment)
    others = [one for one in data.others if one.has_test] if isinstance(data, Union) else []
    return {row: data, **{f"{row}_on_{other.name}": other for other in others}}


def _is_done(experiment: Experiment, rows: dict[str, RunFile], options: ReproduceOptions) -> bool:
    """Whether every row is there, and, where rows are no results yet, the run that made them."""
    if options.overwrite:
        return False
    run = options.folder / _row_name(experiment)
    there = options.results is not None or (run / LAST).is_file()
    return there and all(name in rows and rows[name].status == "ok" for name in _tests(experiment))


def _reproduce_one(experiment: Experiment, options: ReproduceOptions) -> None:
    name = _row_name(experiment)
    run = options.folder / name
    if (run / LAST).exists() and not options.overwrite:
        print(f"{name}: goes on in {run}", flush=True)
    fit(experiment, run, options.hardware, not options.overwrite, options.overwrite)
    device = usable_device(options.hardware.accelerator)
    trained = load_trained(run)
    for row, data in _tests(experiment).items():
        evaluate_run(trained, data, device=device).save(options.rows / f"{row}.json")


def _row_name(experiment: Experiment) -> str:
    return experiment.name if experiment.seed == 0 else f"{experiment.name}-seed{experiment.seed}"
