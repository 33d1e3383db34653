"""Colours given at points: lists of them as the plane that networks see, and simulated ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...datasets.base.color import AB_SCALE
from ...datasets.base.errors import UserError

SIZES = range(1, 10)  # sides of the squares that are revealed in training, pixels


@dataclass(frozen=True, kw_only=True)
class HintPoint:
    """The colour that a small square of a picture is to have.

    Attributes:
        x: column of the square's centre, in pixels of the picture; 0 is the first.
        y: row, likewise.
        a: CIE a, b: CIE b; -110 to 110.
        size: side of the square, in pixels of the picture as the network sees it; 1 to 9.
        frame: of a video, from 0; from there on the colour follows its place.

    Raises:
        UserError: a value out of range.
    """

    x: float
    y: float
    a: float
    b: float
    size: int = 5
    frame: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("x", "y"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise UserError(f"hint: {name} {value}: must be 0 or more, in pixels")
        for name in ("a", "b"):
            value = getattr(self, name)
            if not -AB_SCALE <= value <= AB_SCALE:
                raise UserError(f"hint: {name} {value}: must be -110 to 110, in CIE units")
        if self.size not in SIZES:
            raise UserError(f"hint: size {self.size}: must be a whole number from 1 to {SIZES[-1]}")
        if type(self.frame) is not int or self.frame < 0:
            raise UserError(f"hint: frame {self.frame}: must be a whole number, from 0")


def points_to_hints(
    points: Sequence[HintPoint], height: int, width: int, picture: tuple[int, int] | None = None
) -> Tensor:
    """Hints of one picture, as ``Batch["hints"]`` holds them.

    A square that would cross the border is moved inside; where two meet, the later one counts.

    Args:
        points: the colours that are given.
        height: of the picture as the network sees it.
        width: likewise.
        picture: height and width in whose pixels the points are given; default the same.

    Returns:
        1 x 3 x H x W float32: ab/110 where a colour is given, 0 elsewhere, then the mask {0,1}.

    Raises:
        UserError: a point outside the picture.
    """
    full_height, full_width = picture or (height, width)
    hints = torch.zeros(1, 3, height, width)
    for point in points:
        if point.x > full_width - 0.5 or point.y > full_height - 0.5:
            raise UserError(
                f"hint at x {point.x:g}, y {point.y:g} lies outside the picture, which is "
                f"{full_width} wide and {full_height} high"
            )
        top = _start(point.y, full_height, height, point.size)
        left = _start(point.x, full_width, width, point.size)
        square = hints[0, :, top : top + point.size, left : left + point.size]
        square.copy_(torch.tensor([point.a / AB_SCALE, point.b / AB_SCALE, 1.0]).view(3, 1, 1))
    return hints


def simulate_hints(
    ab: Tensor,
    stop: float = 1 / 8,
    everything: float = 0.01,
    generator: torch.Generator | None = None,
) -> Tensor:
    """What a user might reveal of images whose colours are known.

    The number of squares is geometric (none is possible), their sides are uniform on 1 to 9 pixels,
    and they lie about the middle; see ``reveal``.

    Paper: Zhang et al. 2017, section 3.2.

    Args:
        ab: B2HW, ab/110.
        stop: chance that no further square follows; 1 reveals none.
        everything: chance that an image is revealed whole.
        generator: of the random numbers, on the CPU; default torch's global one.

    Returns:
        B3HW as ``Batch["hints"]``.
    """
    hints = ab.new_zeros(len(ab), 3, *ab.shape[-2:])
    for image, hint in zip(ab, hints, strict=True):
        if _uniform(generator) < everything:
            hint[:2], hint[2] = image, 1
            continue
        while _uniform(generator) >= stop:
            reveal(image, hint, SIZES[int(_uniform(generator) * len(SIZES))], generator)
    return hints


def reveal(ab: Tensor, hint: Tensor, size: int, generator: torch.Generator | None = None) -> None:
    """Show one image's mean colour within a square, at a random place about the middle.

    Paper: Zhang et al. 2017, section 3.2: the place is normal, with a quarter of the side as its
    standard deviation.

    Args:
        ab: 2HW, ab/110.
        hint: 3HW, changed in place.
        size: side of the square in pixels, less where the image is smaller.
        generator: of the place, on the CPU; default torch's global one.
    """
    size = min(size, *ab.shape[-2:])
    top, left = (_place(length, size, generator) for length in ab.shape[-2:])
    rows, columns = slice(top, top + size), slice(left, left + size)
    hint[:2, rows, columns] = ab[:, rows, columns].mean((1, 2), keepdim=True)
    hint[2, rows, columns] = 1


def _place(length: int, size: int, generator: torch.Generator | None) -> int:
    """First pixel of a square along one side."""
    free = length - size
    offset = torch.randn((), generator=generator).item()
    return int(min(max((free + 1) * (0.5 + offset / 4), 0), free))


def _start(centre: float, full: int, length: int, size: int) -> int:
    """First pixel of a square along a side of ``length``, its centre given along ``full``."""
    scaled = (centre + 0.5) * length / full  # of the way along the side, pixel borders at integers
    return max(0, min(math.floor(scaled - size / 2 + 0.5), length - size))


def _uniform(generator: torch.Generator | None) -> float:
    return torch.rand((), generator=generator).item()
