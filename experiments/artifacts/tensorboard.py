"""TensorBoard events of a run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...datasets.base.errors import UserError


class TensorBoard:
    """Scalars, image grids and hyper-parameters of one run.

    A full disk, or a folder that is gone, stops the log and not the training: ``fault`` says it.

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
        self._folder, self.fault = folder, ""

    def scalars(self, values: Mapping[str, float | None], step: int) -> None:
        """Named values; ``None`` (not available) leaves a gap."""
        with self._noting_faults():
            for name, value in values.items():
                if value is not None:
                    self._writer.add_scalar(name, value, step)

    def images(self, name: str, columns: Mapping[str, Tensor], step: int) -> None:
        """A grid: one row an image, one column a name (BCHW in [0,1], C of 1 or 3)."""
        colored = [column.expand(-1, 3, -1, -1) for column in columns.values()]
        rows = torch.cat([column.float().cpu().clamp(0, 1) for column in colored], dim=3)
        with self._noting_faults():
            name = f"{name} ({' | '.join(columns)})"
            self._writer.add_image(name, torch.cat(list(rows), 1), step)

    def hyperparameters(
        self, plain: Mapping[str, Any], metrics: Mapping[str, float | None], step: int
    ) -> None:
        """The experiment's settings, flat, beside the best metrics so far: the HPARAMS page."""
        from torch.utils.tensorboard.summary import hparams

        values = {f"best/{name}": value for name, value in metrics.items() if value is not None}
        with self._noting_faults():
            writer = self._writer._get_file_writer()
            for summary in hparams(dict(_flat(plain)), values):
                writer.add_summary(summary)
        self.scalars(values, step)

    def close(self) -> None:
        """Write what is left."""
        with self._noting_faults():
            self._writer.close()

    @contextlib.contextmanager
    def _noting_faults(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # the writer's thread fails with errors of all kinds
            reason = getattr(error, "strerror", None) or error
            self.fault = f"cannot write TensorBoard events into {self._folder}: {reason}; "


def _flat(plain: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    out: list[tuple[str, Any]] = []
    for key, value in plain.items():
        if isinstance(value, Mapping):
            out += _flat(value, f"{prefix}{key}.")
        else:
            plain_type = isinstance(value, (int, float, str, bool))
            out.append((f"{prefix}{key}", value if plain_type else str(value)))
    return out
