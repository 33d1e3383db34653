"""Training images that could not be read and were skipped: counted, listed, kept with the run."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from lightning_fabric import Fabric

from ...datasets.base.batch import Batch

ENTRY = "skipped"  # of a start in checkpoints and run files
_LISTED = 100


class SkippedImages:
    """Those of a training in this process and, after ``gather``, in the others.

    Attributes:
        errors: what kept each from being read, by the image's key.
    """

    def __init__(self) -> None:
        self.errors: dict[str, str] = {}

    def counted(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """The batches, once what their images stand for is noted."""
        for batch in batches:
            self.errors.update(batch.pop("skipped", ()))
            yield batch

    def gather(self, fabric: Fabric, start: dict[str, Any]) -> None:
        """Share them between all processes, and write their keys into the start of the run."""
        if fabric.world_size > 1:
            everywhere: list[Any] = [None] * fabric.world_size
            torch.distributed.all_gather_object(everywhere, self.errors)
            for errors in everywhere:
                self.errors.update(errors)
        if self.errors:
            start[ENTRY] = sorted(self.errors)

    def report(self, starts: Sequence[Mapping[str, Any]]) -> None:
        """List on standard error what the run has skipped from its first start on."""
        names = sorted({name for start in starts for name in start.get(ENTRY, ())} | {*self.errors})
        if not names:
            return
        count = f"{len(names)} training image{'s' * (len(names) > 1)}"
        print(f"note: {count} could not be read; others took their places:", file=sys.stderr)
        for name in names[:_LISTED]:
            print(f"  {self.errors.get(name, name)}", file=sys.stderr)
        if len(names) > _LISTED:
            print(f"  and {len(names) - _LISTED} more, in the run's checkpoint", file=sys.stderr)
