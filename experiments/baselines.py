"""What needs no learning: the floor that a method has to pass."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from ..datasets.batch import Batch
from ..datasets.color import lab_to_rgb
from ..datasets.errors import DataError
from ..datasets.source import Source


class NirCopy:
    """The NIR plane as R, G and B."""

    name: ClassVar[str] = "nir_copy"
    domain: ClassVar[str] = "nir"

    def colorize(self, batch: Batch) -> Tensor:
        """B3HW sRGB in [0,1]."""
        return batch["nir"].expand(-1, 3, -1, -1)


class NirLookup:
    """The mean RGB that the training pixels of the same NIR level have.

    Args:
        table: 256 x 3 sRGB in [0,1], one colour per 8-bit NIR level.
    """

    name: ClassVar[str] = "nir_lut"
    domain: ClassVar[str] = "nir"

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
        seen = np.flatnonzero(counts)
        if not len(seen):
            raise DataError("no training pairs for the look-up table")
        means = [np.interp(np.arange(256), seen, total[seen] / counts[seen]) for total in sums]
        return cls(torch.from_numpy(np.stack(means, axis=1) / 255))

    def colorize(self, batch: Batch) -> Tensor:
        """B3HW sRGB in [0,1]."""
        levels = (batch["nir"][:, 0] * 255).round().long()
        return self.table.to(levels.device)[levels].permute(0, 3, 1, 2)


class Gray:
    """The gray picture itself: L* kept, a = b = 0."""

    name: ClassVar[str] = "gray"
    domain: ClassVar[str] = "gray"

    def colorize(self, batch: Batch) -> Tensor:
        """B3HW sRGB in [0,1]."""
        lightness = 100 * batch["gray"]
        return lab_to_rgb(torch.cat([lightness, torch.zeros_like(lightness).repeat(1, 2, 1, 1)], 1))
