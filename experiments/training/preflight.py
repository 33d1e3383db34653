"""What is refused before a training run spends its first step."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...datasets.base.errors import UserError
from ...models.base.method import Method
from ..experiment import Experiment, Training
from ..metrics.definitions import METRICS
from ..metrics.scorer import Scorer
from ..settings import differences, from_plain


def check_monitor(training: Training) -> None:
    """Validation can be scored, and says which weights are better.

    Raises:
        UserError: an unknown metric, with the nearest names; a monitor without a better direction.
    """
    Scorer(training.metrics)
    if training.monitor not in training.metrics or METRICS[training.monitor].better == "closer":
        raise UserError(
            f"cannot keep the best by '{training.monitor}': it must be one of the validation "
            f"metrics ({', '.join(training.metrics)}) that is better when higher or lower"
        )


def check_minutes(training: Training, method: Method) -> None:
    """A training by time is of a method without stages, which are numbers of steps.

    Raises:
        UserError: it is in stages.
    """
    many = range(sys.maxsize)
    if training.minutes is not None and method.schedule_part(0, len(many)) != many:
        raise UserError(
            f"{method.name} trains in stages, which count steps: leave --training.minutes out, and "
            "give --training.steps"
        )


def check_precision(training: Training, optimizers: int) -> None:
    """The precision can do what the method's number of optimisers asks for.

    Raises:
        UserError: float16 micro-batches under two optimisers.
    """
    if training.precision == "16-mixed" and training.accumulate > 1 and optimizers > 1:
        raise UserError(
            "16-mixed has one loss scale, which the first optimiser changes amid the other's "
            "micro-batches; use --training.precision bf16-mixed, or --training.accumulate 1"
        )


def check_same_experiment(
    saved: dict[str, Any], present: dict[str, Any], folder: Path, step: int, method: Method
) -> str:
    """A run goes on with the settings it was begun with; a finished one may be lengthened.

    Args:
        saved: the settings that it was begun with, plain.
        present: those that it is to go on with.
        folder: of the run, for errors.
        step: optimisation steps done.
        method: one that trains in stages is not lengthened: they would divide the steps anew. Its
            settings of decoding may change.

    Returns:
        How a finished run is lengthened and what becomes of its schedule, or with which decoding
        it goes on, in words; else "".

    Raises:
        UserError: naming the settings that differ.
    """
    different = differences(saved, present)
    # another rhythm of logs and checkpoints, or data folder, leaves the steps done valid
    free = ["training.checkpoint_every", "training.log_every"]
    free += [name for name in different if re.fullmatch(r"data\.(\w+\.)*root", name)]
    decoding = [name for name in different if name.removeprefix("method.") in method.decoding]
    free += decoding
    if present["training"]["schedule"] == "constant":
        free += ["training.steps", "training.minutes"]  # others would have had other rates
    before, after = saved["training"]["steps"], present["training"]["steps"]
    timed = present["training"].get("minutes") is not None
    one_stage = method.schedule_part(0, after) == range(after)
    lengthened = before <= step < after and one_stage and not timed
    if lengthened:
        free.append("training.steps")
    refused = [name for name in different if name not in free]
    if refused:
        raise UserError(
            f"{folder} was trained with other settings ({', '.join(refused)}); resume with the "
            "same, or choose another --run-dir"
        )
    changed = f"goes on with another {', '.join(decoding)}" if decoding else ""
    if changed and saved["training"]["result"] == "best":
        changed += "; a best checkpoint of before keeps the one that it was chosen with"
    if not lengthened:
        return changed
    training = from_plain(present["training"], Training)
    old, new = replace(training, steps=before), training
    factors = old.rate_factor(step - 1), new.rate_factor(step)
    lengthening = (
        f"lengthened from {before} to {after} steps: learning rates follow the schedule "
        f"{training.schedule} over all {after} from step {step} on, so their factor goes from "
        f"{factors[0]:.3g} to {factors[1]:.3g}"
    )
    return "; ".join(filter(None, (lengthening, changed)))


def micro_batch_size(experiment: Experiment, world: int) -> int:
    """Images that one of ``world`` processes takes at a time.

    Raises:
        UserError: the batch cannot be cut into equal parts.
    """
    training = experiment.training
    parts = world * training.accumulate
    if training.batch_size % parts:
        raise UserError(
            f"batch size {training.batch_size} cannot be cut into {world} process(es) x "
            f"{training.accumulate} micro-batch(es); choose a multiple of {parts}"
        )
    return training.batch_size // parts
