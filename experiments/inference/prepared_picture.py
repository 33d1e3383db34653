"""A picture as a method sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from ...datasets.base.boxes import Box
from ...models.layers.guided_upsample import resized
from .palette import Recolor


@dataclass
class PreparedPicture:
    """A picture as one method sees it.

    Attributes:
        plane: 11HW, L*/100 or NIR, at the size of the result.
        size: height and width of the picture, in whose pixels hints are given.
        small: 11hw, what the network is given of it.
        boxes: K x 4, its objects in the pixels of ``small``; ``None`` where none are asked for.
        automatic: the colours that the network makes of it without hints, once they are known.
        recolor: how its colours are to be changed towards a palette; ``None``: as they themselves
            say.
    """

    plane: Tensor
    size: tuple[int, int]
    small: Tensor
    boxes: np.ndarray | None = None
    automatic: Tensor | None = None
    recolor: Recolor | None = None

    def shrunk(self, side: int) -> PreparedPicture:
        """The same with a smaller result, no side of it longer than ``side``; colours are alike."""
        scale = side / max(self.size)
        if scale >= 1:
            return self
        size = [max(1, round(length * scale)) for length in self.size]
        return replace(self, plane=resized(self.plane, tuple(size)).clamp(0, 1))


def boxes_in(
    small: Tensor, boxes: Sequence[Box] | None, size: tuple[int, int]
) -> np.ndarray | None:
    """Boxes in a picture of ``size`` (height, width) as boxes in ``small``."""
    if boxes is None:
        return None
    scale = [new / old for new, old in zip(small.shape[-2:], size, strict=True)]
    return np.array(boxes, np.float32).reshape(-1, 4) * np.array(scale[::-1] * 2, np.float32)


def short_side(plane: Tensor, size: int | None) -> Tensor:
    """11HW in [0,1] with its short side at ``size``, unless it is shorter or that is ``None``."""
    height, width = plane.shape[-2:]
    if size is None or min(height, width) <= size:
        return plane
    scale = size / min(height, width)
    return resized(plane, (round(height * scale), round(width * scale))).clamp(0, 1)
