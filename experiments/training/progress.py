"""What a run says while it trains: TensorBoard for comparison, one line or bar for the terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from torch import Tensor

from ...datasets.base.errors import UserError

BAR_EVERY_S = 0.2
LINE_EVERY_S = 15.0  # without a terminal: a line in a log file, not a bar


class TensorBoard:
    """Scalars, image grids and hyper-parameters of one run.

    Args:
        folder: the run's folder.
        step: steps done; later events of a killed run are hidden.

    Raises:
        UserError: the folder cannot be made or written.
    """

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        try:
            # what was logged at `step` itself is of the state that the run goes on from
            self._writer = SummaryWriter(str(folder), purge_step=step + 1 if step else 0)
        except OSError as error:
            raise UserError(f"cannot write into {folder}: {error.strerror or error}") from error

    def scalars(self, values: Mapping[str, float | None], step: int) -> None:
        """Named values; ``None`` (not available) leaves a gap."""
        for name, value in values.items():
            if value is not None:
                self._writer.add_scalar(name, value, step)

    def images(self, name: str, columns: Mapping[str, Tensor], step: int) -> None:
        """A grid: one row an image, one column a name (BCHW in [0,1], C of 1 or 3)."""
        colored = [column.expand(-1, 3, -1, -1) for column in columns.values()]
        rows = torch.cat([column.float().cpu().clamp(0, 1) for column in colored], dim=3)
        self._writer.add_image(f"{name} ({' | '.join(columns)})", torch.cat(list(rows), 1), step)

    def hyperparameters(
        self, plain: Mapping[str, Any], metrics: Mapping[str, float | None], step: int
    ) -> None:
        """The experiment's settings, flat, beside the best metrics so far: the HPARAMS page."""
        from torch.utils.tensorboard.summary import hparams

        values = {f"best/{name}": value for name, value in metrics.items() if value is not None}
        writer = self._writer._get_file_writer()
        for summary in hparams(dict(_flat(plain)), values):
            writer.add_summary(summary)
        self.scalars(values, step)

    def close(self) -> None:
        self._writer.close()


class ProgressLine:
    """Steps, losses, images/s and the time to go; a bar in a terminal, lines elsewhere."""

    def __init__(self, title: str, steps: int, done: int, batch_size: int, shown: bool) -> None:
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

    def update(self, done: int, scalars: Mapping[str, Tensor]) -> None:
        """After ``done`` steps, with what the step logged; raw loss terms are shown."""
        now = time.monotonic()
        due = now - self._printed >= (BAR_EVERY_S if self._bar else LINE_EVERY_S)
        if not self._shown or not (due or done == self._steps):
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
            left = (self._steps - done) / max(rate, 1e-9)
            print(f"{self._title}  {done}/{self._steps}  {note}  {_clock(left)} left", flush=True)

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


def _flat(plain: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    out: list[tuple[str, Any]] = []
    for key, value in plain.items():
        if isinstance(value, Mapping):
            out += _flat(value, f"{prefix}{key}.")
        else:
            plain_type = isinstance(value, (int, float, str, bool))
            out.append((f"{prefix}{key}", value if plain_type else str(value)))
    return out
