"""Everything that a GPU is wanted for, in the minutes that one is there."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import rich
import torch
import tyro
from rich.markup import escape
from rich.table import Table

from ...datasets.base.atomic_write import write_text_atomic
from ...datasets.base.bounds import Positive
from ...datasets.base.errors import UserError, unknown
from ...datasets.base.outputs import FolderOutput
from ..evaluation.timing import device_name, machine, versions
from .gpu_stages import KEPT, REPORT_S, GpuStage, gpu_stages
from .weights_parts import pack_run

SUMMARY = "gpu_summary.json"
_GRACE_S = 20.0  # for a training to save itself
_LEAST_S = 10.0  # of a command


@dataclass(frozen=True, kw_only=True)
class StageResult:
    """What became of a stage.

    Attributes:
        status: ``ok``; ``failed``; ``time is up``: stopped at its limit; or ``not run``.
        seconds: that it took; ``limit_s``, that it was given.
        figures: what it says, in words.
    """

    name: str
    status: str
    seconds: float
    limit_s: float
    figures: str


@dataclass(frozen=True, kw_only=True)
class GpuBenchmark:
    """What ``bench_gpu`` ran, and on what; the stages' own results lie beside it."""

    stages: list[StageResult]
    minutes: float
    rehearsed: bool
    device: str
    machine: dict[str, Any]
    versions: dict[str, str]
    files: list[str] = field(default_factory=list)

    def __rich__(self) -> Table:
        """The stages as a table, for ``rich.print``."""
        title = f"{self.device}, torch {self.versions.get('torch', '')}"
        table = Table("stage", "status", "s", "of s", "figures", title=title)
        for stage in self.stages:
            seconds = (f"{stage.seconds:.0f}", f"{stage.limit_s:.0f}")
            table.add_row(stage.name, stage.status, *seconds, stage.figures)
        return table


Runner = Callable[[Sequence[str], Path, float], tuple[str, float]]


def bench_gpu(
    out: FolderOutput = Path("results/benchmarks/gpu"),
    *,
    runs: Path = Path("runs/gpu"),
    minutes: Positive = 9.0,
    rehearse: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    stages: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME...")] = (),
    encoder_weights: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None,
    runner: Annotated[Any, tyro.conf.Suppress] = None,
) -> GpuBenchmark:
    """Tests, benchmarks, a profile and trainings on CUDA, each in a process and a time of its own.

    The short ones first. Each writes its result and its text into the folder at once, so that
    whatever ends the command leaves what was done. Trainings have at least 45 % of the minutes; one
    that is stopped is saved, scored and can be resumed, and its weights are packed at once. A
    training whose data is missing is named before anything runs.

    Args:
        out: folder to write into: JSON and text of the stages, weights in half precision.
        runs: folder for the trained runs, whose checkpoints are large; such as are there are
            replaced.
        minutes: for all.
        rehearse: everything on the CPU, in small: what it would measure means nothing.
        stages: names of stages, default all.
        encoder_weights: of tf_efficientnet_lite0, where timm cannot download them.
        runner: runs words into a log within seconds; default a process.

    Raises:
        UserError: no CUDA device, and it is no rehearsal; an unknown stage.
    """
    started = time.monotonic()
    if not rehearse and not torch.cuda.is_available():
        raise UserError(
            "bench gpu: no CUDA device here; --rehearse runs every stage on the CPU, in small"
        )
    planned = {stage.name: stage for stage in gpu_stages(out, runs, rehearse, encoder_weights)}
    for name in stages:
        if name not in planned:
            raise UserError(unknown("stage", name, planned))
    out.mkdir(parents=True, exist_ok=True)
    run: Runner = runner or run_process
    chosen = [planned[name] for name in stages or planned]
    missing = _missing(chosen)
    trains = any(stage.run and not missing[stage.name] for stage in chosen)
    kept = KEPT * 60 * minutes if trains else 0.0
    result = partial(_summary, minutes=minutes, rehearse=rehearse, out=out)
    results: list[StageResult] = []
    files: list[Path] = []
    for stage in chosen:
        left = 60 * minutes - (time.monotonic() - started) - REPORT_S
        if reason := missing[stage.name] or _too_late(stage, left, kept):
            results.append(_not_run(stage, reason))
        else:
            begun = time.time()
            results.append(_run(stage, stage.limit(left, kept), out, run))
            results[-1], packed = _packed(stage, results[-1], out, begun)
            files += packed
        rich.print(f"{stage.name}: {results[-1].status}, {results[-1].seconds:.0f} s")
        result(results, files=files)
    return result(results, files=files)


def _missing(stages: Sequence[GpuStage]) -> dict[str, str]:
    """By stage, what it cannot do without; printed before the first begins."""
    missing = {stage.name: stage.missing() for stage in stages}
    for name, reason in missing.items():
        if reason:
            rich.print(escape(f"{name} will not run: {reason}"))
    return missing


def _too_late(stage: GpuStage, left_s: float, kept_s: float) -> str:
    if stage.limit(left_s, kept_s) >= stage.least_s:
        return ""
    return f"{max(left_s, 0):.0f} s were left, it wants {stage.least_s:.0f}"


def _not_run(stage: GpuStage, reason: str) -> StageResult:
    return StageResult(name=stage.name, status="not run", seconds=0, limit_s=0, figures=reason)


def _packed(
    stage: GpuStage, result: StageResult, out: Path, begun: float
) -> tuple[StageResult, list[Path]]:
    """The weights that a stage has trained; what is wrong with them joins its result."""
    checkpoints = stage.run.glob("*.pt") if stage.run else ()
    if stage.run is None or all(path.stat().st_mtime < begun for path in checkpoints):
        return result, []
    try:
        return result, pack_run(stage.run, out)
    except (OSError, UserError) as error:
        return replace(result, figures=f"{result.figures} no weights: {error}".strip()), []


def _run(stage: GpuStage, limit: float, out: Path, run: Runner) -> StageResult:
    statuses, seconds, log = [], 0.0, out
    commands = stage.commands(limit)
    for index, words in enumerate(commands):
        log = out / f"{stage.name}{f'_{index}' if index else ''}.log"
        kept = stage.last_s if index + 1 < len(commands) else 0.0
        status, took = run(words, log, max(limit - seconds - kept, _LEAST_S))
        statuses.append(status)
        seconds += took
        if status == "failed":
            break
    worst = next((s for s in ("failed", "time is up") if s in statuses), "ok")
    try:
        figures = stage.figures(out)
    except (OSError, ValueError, LookupError) as error:
        figures = "" if worst != "ok" else f"no result: {error}"
    if worst == "failed":
        figures = f"{figures} {_last_line(log)}".strip()
    return StageResult(
        name=stage.name,
        status=worst,
        seconds=round(seconds, 1),
        limit_s=round(limit, 1),
        figures=figures,
    )


def run_process(words: Sequence[str], log: Path, limit_s: float) -> tuple[str, float]:
    """Run a command, its text into a file; at the limit ask it to stop, then end it.

    No process that it has started outlives it: it would take time of the stages that follow.

    Returns:
        ``ok``, ``failed`` or ``time is up``; and the seconds that it took.
    """
    start = time.monotonic()
    with log.open("w") as file:
        process = subprocess.Popen(
            words, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            status = "failed" if process.wait(limit_s) else "ok"
        except subprocess.TimeoutExpired:
            status = "time is up"
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # and whatever it has started
            process.wait()
    return status, time.monotonic() - start


def _summary(
    results: Sequence[StageResult],
    minutes: float,
    rehearse: bool,
    out: Path,
    files: Sequence[Path] = (),
) -> GpuBenchmark:
    result = GpuBenchmark(
        stages=list(results),
        minutes=minutes,
        rehearsed=rehearse,
        device=device_name("cpu" if rehearse else "cuda"),
        machine=machine(),
        versions=versions("torch", "triton", "mamba-ssm", "numba"),
        files=[path.name for path in files],
    )
    write_text_atomic(out / SUMMARY, json.dumps(asdict(result), indent=1) + "\n")
    return result


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip()[:200] if lines else "no output"
