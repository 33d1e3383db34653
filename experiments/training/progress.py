"""What a run says while it trains: TensorBoard for comparison, one line or bar for the terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from torch import Tensor

BAR_EVERY_S = 0.2
LINE_EVERY_S = 15.0  # without a terminal: a line in a log file, not a bar


class ProgressLine:
    """Steps, losses, images/s and the time to go; a bar in a terminal, lines elsewhere.

    ``steps`` is None for a run that is measured by time.
    """

    def __init__(
        self, title: str, steps: int | None, done: int, batch_size: int, shown: bool
    ) -> None:
        self._steps, self._first, self._batch_size = steps, done, batch_size
        self._start = self._printed = time.monotonic()
        self._title, self._shown = title, shown
        self._bar: Progress | None = None
        if shown and sys.stdout.isatty():
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
            )
            self._task = self._bar.add_task(title, total=steps, completed=done, note="")
            self._bar.start()

    def update(self, done: int, scalars: Mapping[str, Tensor], left_s: float | None = None) -> None:
        """After ``done`` steps, with what the step logged; raw loss terms are shown.

        Args:
            done: steps.
            scalars: of the last one.
            left_s: seconds to go, of a run that is measured by time.
        """
        now = time.monotonic()
        due = now - self._printed >= (BAR_EVERY_S if self._bar else LINE_EVERY_S)
        over = done == self._steps or (left_s is not None and left_s <= 0)
        if not self._shown or not (due or over):
            return
        self._printed = now
        rate = (done - self._first) / max(now - self._start, 1e-9)
        # reading a value waits for the GPU: only when it is shown
        terms = " ".join(
            f"{name.removeprefix('loss_raw/')} {value.item():.4g}"
            for name, value in scalars.items()
            if name.startswith("loss_raw/")
        )
        note = f"{terms}  {rate * self._batch_size:.1f} images/s"
        if self._bar is not None:
            self._bar.update(self._task, completed=done, note=note)
        else:
            place = f"step {done}" if self._steps is None else f"{done}/{self._steps}"
            left = max(left_s or 0.0, 0.0)
            if self._steps is not None:
                left = (self._steps - done) / max(rate, 1e-9)
            print(f"{self._title}  {place}  {note}  {_clock(left)} left", flush=True)

    def say(self, text: str) -> None:
        """A line above the bar."""
        if self._bar is not None:
            self._bar.console.print(text)
        elif self._shown:
            print(text, flush=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"


def metrics_text(metrics: Mapping[str, float | None]) -> str:
    """Metrics by name on one line, in four digits."""
    return "  ".join(f"{k} {'n/a' if v is None else format(v, '.4g')}" for k, v in metrics.items())
