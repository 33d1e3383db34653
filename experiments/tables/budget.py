"""The table of all gray methods under one training budget: what they make of it, and its cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..artifacts.run_file import RunFile
from . import specs
from .grids import run_grid
from .render import NOTHING, Cell, Column, Grid
from .rows import Group, Row

_METRICS = ("PSNR", "SSIM", "LPIPS-alex", "AE", "CF_abs", "dCF_abs", "ACC", "ab_std_ratio")
_SIZE = "256x256"
_COSTS = (f"MACs (G), {_SIZE}", "training (s/step)", f"colouring (ms), {_SIZE}")
_BEFORE = "seeds"  # the column in front of which costs stand
_RANKING = 1_000_000  # crops; below it no order of methods is claimed
_READING = (
    "A GAN trains both its networks in a step, a staged method divides the steps among its stages, "
    "and a student's teacher has had as many again. Weights are the last, chosen by no score. "
    "Seconds are wall time beside whatever else ran, an indication. MACs are those of convolutions "
    "and matrix products. `ab_std_ratio` is 1 for colours as varied as the true ones."
)
_TOO_SMALL = (
    "This budget is too small to rank methods: published trainings see millions of pictures. The "
    "table shows that every method learns, how it begins, and what a step of it costs; those whose "
    "encoder or loss has learnt from ImageNet before (see `trained on`) are ahead by that."
)
_NO_BOXES = (
    "`instance_aware`: these photographs have no boxes of objects; its row is its picture's branch "
    "alone, which learns and colours without them."
)


def budget_grids(groups: Sequence[Group]) -> list[Grid]:
    """One grid for each test set, or several where metric protocols or test lists differ."""
    ranked = _ranks(run for group in groups for run in group.runs.values())
    grids = []
    for group in groups:
        place = f", {group.place}: not comparable" if group.place else ""
        heading = f"{specs.title(group.first.dataset) or group.first.dataset}{place}"
        group = Group({name: _without_photographs(run) for name, run in group.runs.items()})
        grids.append(_with_costs(run_grid(group, heading, _METRICS, ranked=ranked), group.rows))
    return grids


def budget_lines(runs: Mapping[str, RunFile]) -> list[str]:
    """What the budget was, on what it was spent, and what it allows to say."""
    if not runs:
        return []
    spent: dict[str, set[str]] = defaultdict(set)
    for run in runs.values():
        spent[_budget(run)].add(run.recipe)
    lines = [f"Budget of every row: {text}." for text in spent]
    if len(spent) > 1:
        lines = [
            f"Not an equal budget. {text}: {', '.join(sorted(recipes))}."
            for text, recipes in spent.items()
        ]
    devices = sorted({device for run in runs.values() for device in _devices(run)})
    photographs = sorted({_photographs(run) for run in runs.values()})
    lines.append(
        f"The photographs: {'; '.join(photographs)}. "
        f"Trained on {'; '.join(devices) or 'a device that is not recorded'}. {_READING}"
    )
    if not _ranks(runs.values()):
        lines.append(_TOO_SMALL)
    if any(run.method == "instance_aware" for run in runs.values()):
        lines.append(_NO_BOXES)
    return lines


def _without_photographs(run: RunFile) -> RunFile:
    """What all rows learn from is said above the table."""
    own = run.train_data.removeprefix(_photographs(run))
    return replace(run, train_data=f"the photographs{own}")


def _photographs(run: RunFile) -> str:
    return run.train_data.partition("; ")[0]


def _budget(run: RunFile) -> str:
    training, size = run.config.get("training", {}), _view_size(run)
    decay = training.get("ema_decay")
    return (
        f"{run.steps or training.get('steps')} steps of {training.get('batch_size')} crops of "
        f"{size}x{size} pixels, {_crops(run)} crops in all; {training.get('precision')}, learning "
        f"rates {training.get('schedule')} after {training.get('warmup')} steps of warm-up, "
        f"gradients clipped at {training.get('clip_norm')}, weights "
        f"{f'averaged ({decay})' if decay else 'not averaged'}"
    )


def _ranks(runs: Iterable[RunFile]) -> bool:
    """Whether the budget is large enough to tell methods apart."""
    return max(map(_crops, runs), default=0) >= _RANKING


def _crops(run: RunFile) -> int:
    training = run.config.get("training", {})
    return (run.steps or training.get("steps", 0)) * training.get("batch_size", 0)


def _view_size(run: RunFile) -> Any:
    return run.config.get("train_view", {}).get("size", "?")


def _devices(run: RunFile) -> list[str]:
    return [start["device"] for start in run.trained if start.get("device")]


def _with_costs(grid: Grid, rows: Sequence[Row]) -> Grid:
    heads = [column.head for column in grid.columns]
    at = heads.index(_BEFORE)
    columns = [*grid.columns[:at], *(Column(h, numeric=True) for h in _COSTS), *grid.columns[at:]]
    cells = [
        [*line[:at], *_costs(row.first), *line[at:]]
        for line, row in zip(grid.rows, rows, strict=True)
    ]
    return replace(grid, columns=columns, rows=cells)


def _costs(run: RunFile) -> list[Cell]:
    """MACs, seconds a step and milliseconds a picture; n/a where they were not measured."""
    sized = run.cost if run.cost.get("size") == _SIZE else {}
    macs, ms, step = sized.get("macs"), sized.get("ms"), seconds_per_step(run)
    texts = (
        None if macs is None else f"{macs / 1e9:.2f}",
        None if step is None else f"{step:.2f}",
        None if ms is None else f"{ms:.0f}",
    )
    missing = NOTHING if run.status != "ok" else "n/a"
    return [Cell(missing if text is None else text) for text in texts]


def seconds_per_step(run: RunFile) -> float | None:
    """Wall seconds of a training step, None where steps or time are not recorded."""
    train = run.wall_s.get("train", 0)
    return train / run.steps if run.steps and train else None
