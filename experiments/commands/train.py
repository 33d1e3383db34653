"""``crosschroma train``: a recipe into a run's folder."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Annotated

import tyro

from ...datasets.base.adapter import Adapter
from ...datasets.base.bounds import Checked
from ...datasets.base.errors import UserError
from ...datasets.base.outputs import FOLDER, FolderOutput, check_output
from ...datasets.files.folder import Folder, Pairs, skipped_files
from ...datasets.files.left_out import of_source
from ...datasets.loading.broken import skipping_broken
from ...models.base.weights import LAST, RUNS
from .. import recipe_list
from ..experiment import Experiment, Hardware
from ..training.engine import fit
from .shared.not_done import not_done
from .shared.usage import UsageError, usage

_TRAIN_HELP = """usage: crosschroma train RECIPE [--help] [overrides]

Train a recipe: one of those below, or a Python file (a path ending in .py) that sets `experiment`.
`crosschroma train RECIPE --help` names all its settings; each can be overridden.

recipes:
  {names}"""


@dataclass(frozen=True, kw_only=True)
class TrainOptions(Checked):
    """Train a recipe; every setting of it can be overridden.

    Attributes:
        experiment: the recipe's settings.
        hardware: where to compute.
        run_dir: folder for checkpoints and TensorBoard events; default runs/<name>.
        from_run: begin with the weights of a run, or a shipped or imported file, of the same
            design; what begins anew is printed.
        resume: go on from the folder's last checkpoint; with more --training.steps, a run that has
            finished becomes longer.
        overwrite: delete the run that the folder holds, and train anew.
        skip_broken: a training image that cannot be read is listed at the end and in run files
            instead of ending the training; the next one takes its place.
        smoke: a narrow network for two steps, to see that everything is there.
    """

    experiment: Annotated[Experiment, tyro.conf.arg(name="")]
    hardware: Hardware = field(default_factory=Hardware)
    run_dir: FolderOutput | None = None
    from_run: Annotated[str, tyro.conf.arg(name="from", metavar="RUN")] = ""
    resume: tyro.conf.FlagCreatePairsOff[bool] = False
    overwrite: tyro.conf.FlagCreatePairsOff[bool] = False
    skip_broken: tyro.conf.FlagCreatePairsOff[bool] = False
    smoke: tyro.conf.FlagCreatePairsOff[bool] = False


def train(argv: list[str]) -> int:
    """``crosschroma train RECIPE [overrides]``."""
    if not argv or argv[0].startswith("-"):
        return usage(_TRAIN_HELP.format(names="\n  ".join(recipe_list.recipe_names())), argv)
    options = tyro.cli(
        TrainOptions,
        prog=f"crosschroma train {argv[0]}",
        args=argv[1:],
        default=TrainOptions(experiment=recipe_list.load_recipe(argv[0])),
    )
    experiment = options.experiment.smoke() if options.smoke else options.experiment
    run = options.run_dir or RUNS / experiment.name
    check_output(run, FOLDER, "--run-dir")
    if options.resume and options.overwrite:
        raise UsageError("--resume goes on with a run and --overwrite deletes it; give one of them")
    if options.resume and options.from_run:
        raise UsageError("--resume goes on with a run and --from begins one; give one of them")
    if options.resume and not (run / LAST).is_file():
        raise UserError(f"nothing to resume: no {run / LAST}; train without --resume to begin")
    with skipping_broken(options.skip_broken):
        left_out = _left_out(experiment.data)
    if left_out:
        print(f"note: {left_out}", file=sys.stderr)
    resume, overwrite, start = options.resume, options.overwrite, options.from_run
    if fit(experiment, run, options.hardware, resume, overwrite, start, options.skip_broken):
        print(
            f"trained: {run}\nnext: crosschroma evaluate {run}; tensorboard --logdir {run.parent}"
        )
        if left_out:
            print(f"note: {left_out}", file=sys.stderr)
    return 0


def _left_out(data: Adapter) -> str:
    """What of the training files is not used, in one line."""
    try:
        skipped = skipped_files(data.base()) if isinstance(data, Folder | Pairs) else {}
        return not_done(skipped, of_source(data.split("train")))
    except UserError:
        return ""  # training itself says what is missing
