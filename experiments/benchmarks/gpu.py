"""Everything that a GPU is wanted for, in the minutes that one is there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import rich
import torch
import tyro
from rich.table import Table

from ...datasets.base.atomic_write import write_text_atomic
from ...datasets.base.bounds import Positive
from ...datasets.base.errors import UserError, unknown
from ..evaluation.timing import device_name, machine, versions
from .gpu_stages import REPORT_S, GpuStage, gpu_stages
from .weights_parts import pack_weights

SUMMARY = "gpu_summary.json"
_GRACE_S = 20.0  # for a training to save itself


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
    out: Path = Path("results/benchmarks/gpu"),
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
    whatever ends the command leaves what was done. Trainings take the minutes that are left; one
    that is stopped is saved, scored and can be resumed.

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
    results: list[StageResult] = []
    for stage in (planned[name] for name in stages or planned):
        left = 60 * minutes - (time.monotonic() - started) - REPORT_S
        results.append(_run(stage, left, out, run))
        rich.print(f"{stage.name}: {results[-1].status}, {results[-1].seconds:.0f} s")
        _summary(results, minutes, rehearse, out)
    return _summary(results, minutes, rehearse, out, pack_weights(runs, out))


def _run(stage: GpuStage, left_s: float, out: Path, run: Runner) -> StageResult:
    limit = stage.limit(left_s)
    if limit < stage.least_s:
        note = f"{max(left_s, 0):.0f} s were left, it wants {stage.least_s:.0f}"
        return StageResult(name=stage.name, status="not run", seconds=0, limit_s=0, figures=note)
    statuses, seconds, log = [], 0.0, out
    for index, words in enumerate(stage.commands(limit)):
        log = out / f"{stage.name}{f'_{index}' if index else ''}.log"
        status, took = run(words, log, max(limit - seconds, stage.least_s))
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

    Returns:
        ``ok``, ``failed`` or ``time is up``; and the seconds that it took.
    """
    start = time.monotonic()
    with log.open("w") as file:
        process = subprocess.Popen(
            words, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
        status = ""
        try:
            process.wait(limit_s)
        except subprocess.TimeoutExpired:
            status = "time is up"
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    seconds = time.monotonic() - start
    return status or ("failed" if process.returncode else "ok"), seconds


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
