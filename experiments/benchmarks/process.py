"""What settings of the process do to a training step, on an idle machine and on a busy one."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.table import Table

from ...datasets.base.bounds import Count, Natural
from ...datasets.base.errors import UserError
from ...datasets.base.outputs import JsonOutput
from ..evaluation.timing import Timing, machine, race, save_benchmark, versions
from .process_child import DONE

PLAIN = "neither"
_SETTINGS = {
    PLAIN: (),
    "kept memory": ("memory",),
    "kept memory, no waiting": ("memory", "passive"),
    "kept memory, short waiting": ("memory", "short"),
}
_CHILD = f"{__name__}_child"


@dataclass(frozen=True, kw_only=True)
class ProcessBenchmark:
    """What ``bench_process`` measured, and on what.

    Attributes:
        timings: by number of busy processes; seconds a turn, and the ratio of the time without
            the settings to the time with them: above 1 is faster.
        recipe: what was trained.
        turn: steps that a process makes before the next has its turn.
        threads: of torch; 0 for as many as it takes by itself.
        load: the machine's load average before and after.
    """

    timings: dict[int, list[Timing]]
    recipe: str
    turn: int
    threads: int
    repeats: int
    load: tuple[float, float]
    machine: dict[str, Any]
    versions: dict[str, str]

    def __rich__(self) -> Table:
        """The figures as a table, for ``rich.print``."""
        title = f"{self.turn} training steps of {self.recipe}, wall time"
        table = Table("busy processes", "settings", "s", "p10", "p90", "times as fast", title=title)
        for busy, timings in self.timings.items():
            for timing in timings:
                seconds = (timing.median, timing.p10, timing.p90, timing.ratio)
                table.add_row(str(busy), timing.name, *(f"{value:.3g}" for value in seconds))
        return table


def bench_process(
    out: JsonOutput = Path("results/benchmarks/process.json"),
    *,
    recipe: str = "unet_scenes_nir",
    smoke: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    busy: Sequence[Natural] = (0, 2),
    threads: Natural = 0,
    turn: Count = 5,
    repeats: Count = 9,
) -> ProcessBenchmark:
    """Training steps in processes with and without what ``train`` sets, which take turns.

    Args:
        out: JSON file to write.
        recipe: what is trained, on generated scenes.
        smoke: its smallest form.
        busy: numbers of processes that keep a core busy meanwhile, one measurement each.
        threads: of torch; 0 for as many as it takes by itself.
        turn: steps that a process makes before the next has its turn.
        repeats: how often each process has its turn.

    Raises:
        UserError: a process has ended, with what it said.
    """
    before = os.getloadavg()[0]
    with contextlib.ExitStack() as stack:
        candidates: dict[str, Callable[[], object]] = {}
        for name, settings in _SETTINGS.items():
            words = [recipe, "smoke" if smoke else "full", str(threads), *settings]
            candidates[name] = partial(_make_steps, stack.enter_context(_training(words)), turn)
        timings = {}
        for count in busy:
            with _busy(count):
                timings[count] = race(candidates, repeats, reference=PLAIN, clock=time.perf_counter)
    result = ProcessBenchmark(
        timings=timings,
        recipe=f"{recipe}, smallest form" if smoke else recipe,
        turn=turn,
        threads=threads,
        repeats=repeats,
        load=(before, os.getloadavg()[0]),
        machine=machine(),
        versions=versions("torch"),
    )
    save_benchmark(result, out)
    return result


@contextlib.contextmanager
def _training(words: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A process of ``process_child``, without settings that this one has."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OMP_", "GOMP_", "KMP_", "MALLOC_", "GLIBC_TUNABLES"))
    }
    with subprocess.Popen(
        [sys.executable, "-m", _CHILD, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        try:
            yield process
        finally:
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()


def _make_steps(process: subprocess.Popen[str], count: int) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        print(count, file=process.stdin, flush=True)
    lines = []
    for line in process.stdout:
        if line == f"{DONE}\n":
            return
        lines.append(line)
    raise UserError(f"a training process has ended: {''.join(lines) or 'see above'}")


@contextlib.contextmanager
def _busy(count: int) -> Iterator[None]:
    """Processes that keep a core busy each."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
