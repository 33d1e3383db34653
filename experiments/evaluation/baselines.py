"""What needs no learning: the floor that a method has to pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar, Self, Unpack

import numpy as np
import torch
from torch import Tensor

from ...datasets.base.adapter import Adapter, Source
from ...datasets.base.batch import Batch
from ...datasets.base.color import lab_to_rgb
from ...datasets.base.errors import DataError, UserError, unknown
from ...datasets.loading.views import EvalView
from ..artifacts.run_file import RunFile
from .evaluate import EvaluationOptions, evaluate_method


class NirCopy:
    """The NIR plane as R, G and B."""

    name: ClassVar[str] = "nir_copy"
    domain: str = "nir"
    note: ClassVar[str] = "The NIR plane as R, G and B."

    def colorize(self, batch: Batch) -> Tensor:
        """B3HW sRGB in [0,1]."""
        return batch["nir"].expand(-1, 3, -1, -1)


class NirLookup:
    """The mean RGB that the training pixels of the same NIR level have.

    Args:
        table: 256 x 3 sRGB in [0,1], one colour per 8-bit NIR level.
    """

    name: ClassVar[str] = "nir_lut"
    domain: str = "nir"
    note: ClassVar[str] = "Mean RGB of the training pixels of the same 8-bit NIR level."

    def __init__(self, table: Tensor) -> None:
        self.table = table

    @classmethod
    def fit(cls, source: Source) -> Self:
        """The table of all pixels of ``source``; levels that do not occur are interpolated.

        Raises:
            DataError: when there are no pairs of NIR and RGB.
        """
        sums, counts = np.zeros((3, 256)), np.zeros(256)
        for index in range(len(source)):
            planes = source.load(index)
            if "nir" not in planes or "rgb" not in planes:
                raise DataError(f"{source.keys[index]} is no pair of NIR and RGB")
            levels = planes["nir"].ravel()
            counts += np.bincount(levels, minlength=256)
            for total, channel in zip(sums, planes["rgb"].reshape(-1, 3).T, strict=True):
                total += np.bincount(levels, weights=channel, minlength=256)
        occurring = np.flatnonzero(counts)
        if not len(occurring):
            raise DataError("no training pairs for the look-up table")
        means = [
            np.interp(np.arange(256), occurring, total[occurring] / counts[occurring])
            for total in sums
        ]
        return cls(torch.from_numpy(np.stack(means, axis=1) / 255))

    def colorize(self, batch: Batch) -> Tensor:
        """B3HW sRGB in [0,1]."""
        levels = (batch["nir"][:, 0] * 255).round().long()
        return self.table.to(levels.device)[levels].permute(0, 3, 1, 2)


class Gray:
    """The gray picture itself: L* kept, a = b = 0."""

    name: ClassVar[str] = "gray"
    domain: str = "gray"
    note: ClassVar[str] = "The gray picture itself: L* kept, a = b = 0."

    def colorize(self, batch: Batch) -> Tensor:
        """B3HW sRGB in [0,1]."""
        lightness = 100 * batch["gray"]
        return lab_to_rgb(torch.cat([lightness, torch.zeros_like(lightness).repeat(1, 2, 1, 1)], 1))


BASELINES: dict[str, Callable[[Adapter], NirCopy | NirLookup | Gray]] = {
    NirCopy.name: lambda _: NirCopy(),
    NirLookup.name: lambda adapter: NirLookup.fit(adapter.split("train")),
    Gray.name: lambda _: Gray(),
}


def score_baseline(
    name: str,
    adapter: Adapter,
    view: EvalView | None = None,
    **options: Unpack[EvaluationOptions],
) -> RunFile:
    """The run file of a baseline; the look-up table is of the adapter's training split.

    Args:
        name: ``nir_copy``, ``nir_lut`` or ``gray``.
        adapter: the dataset; for VCIP ``fold=None`` makes its whole training list the split.
        view: geometry of the test images, 256 x 256 by default.
        options: see ``evaluate``.

    Raises:
        UserError: another name.
    """
    if name not in BASELINES:
        raise UserError(unknown("baseline", name, BASELINES))
    baseline = BASELINES[name](adapter)
    run = evaluate_method(baseline, adapter, view, kind="baseline", **options)
    train_data = adapter.train_data if isinstance(baseline, NirLookup) else "none"
    return replace(run, train_data=train_data, note=baseline.note)
