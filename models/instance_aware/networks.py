"""The networks of instance-aware colorization: a branch, and the fusion of its maps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..zhang17.network import PLACES, At, Zhang17Network, as_it_is, painting

HEAD_WIDTH = 16
_OUTSIDE = 1e5  # added to the background's weight where no instance is; exp(-1e5) is 0


class Cells(NamedTuple):
    """A box in whole cells of a map; ends are exclusive."""

    top: int
    left: int
    bottom: int
    right: int

    def of(self, plane: Tensor) -> Tensor:
        """That part of a ... x H x W plane."""
        return plane[..., self.top : self.bottom, self.left : self.right]


def box_cells(box: Sequence[float], stride: float, height: int, width: int) -> Cells:
    """Where a box lies in a map: its corners divided by the stride and rounded down.

    Paper: Su et al. 2020, as released: at least one cell, within the map.

    Args:
        box: xyxy in pixels of the picture.
        stride: pixels of the picture per cell.
        height: of the map, in cells.
        width: likewise.
    """
    left, top, right, bottom = (math.floor(value / stride) for value in box)
    top, left = min(max(top, 0), height - 1), min(max(left, 0), width - 1)
    return Cells(top, left, min(max(bottom, top + 1), height), min(max(right, left + 1), width))


class Branch(Zhang17Network):
    """``Zhang17Network`` without its head of classes.

    Args:
        width: channels of the first block; with 64 it has 34,051,074 parameters.
    """

    def __init__(self, width: int) -> None:
        super().__init__(width)
        del self.classes

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, inputs: Tensor, at: At = as_it_is, painted: bool = True
    ) -> Tensor:
        """ab/110, B2HW in [-1,1].

        Args:
            inputs: B4HW as ``Zhang17Network`` takes it.
            at: sees every map of ``PLACES`` on the way, and says what goes on from there.
            painted: without, the map before block 10 instead, B x 2 width x H x W.
        """
        feature = self.climb(*self.common(inputs, at=at), at)
        return self.paint(feature, at) if painted else feature


class Fusion(nn.Module):
    """What joins the maps of the instances with those of the picture, at the 13 ``PLACES``.

    At every place a small network weighs the instances' maps, another one the picture's. Maps and
    weights of an instance are resized to its box, and a softmax over all of them at each pixel
    decides whose map goes on. As released, an instance weighs 0 (before the softmax) outside its
    box, also within another one's, where its map is 0. Block 10 and the colours are its own, since
    they learn with it; where there is no instance, the picture's branch keeps to what it was.

    The weighing networks have 1,078,266 parameters, the colours 147,842 more.

    Paper: Su, Chu and Huang 2020, section 3.4.
    Differs: weights begin about 1, so that none is cut off by its ReLU.

    Args:
        width: of the branches.
    """

    trained: Tensor  # whether it has learnt anything yet

    def __init__(self, width: int) -> None:
        super().__init__()
        channels = _channels(width)
        self.instance_heads = nn.ModuleDict({p: _head(c) for p, c in channels.items()})
        self.background_heads = nn.ModuleDict({p: _head(c) for p, c in channels.items()})
        self.block10, self.colors = painting(width)
        self.register_buffer("trained", torch.tensor(False))

    def forward(
        self,
        picture: Callable[[At], Tensor],
        instances: Mapping[str, Tensor],
        boxes: Tensor,
        size: tuple[int, int],
    ) -> Tensor:
        """ab/110 of one picture, 12HW in [-1,1].

        Args:
            picture: runs its branch, unpainted, with these maps on the way.
            instances: by place, the maps of K instances, K x C x h x w of any one size.
            boxes: where the instances are, K x 4 xyxy in pixels of the picture.
            size: H and W of the picture.
        """
        if self.training:
            self.trained.fill_(True)
        corners = boxes.tolist()

        def at(place: str, feature: Tensor) -> Tensor:
            height, width = feature.shape[-2:]
            cells = [box_cells(box, size[0] / height, height, width) for box in corners]
            return self._fused(place, feature, instances[place], cells)

        feature = picture(at)
        return torch.tanh(self.colors(at("conv10_2", self.block10(feature))))

    def adopt(self, branch: Mapping[str, Tensor]) -> None:
        """Take the colours' weights over from a branch's state."""
        for name in ("block10", "colors"):
            start = f"{name}."
            state = {k.removeprefix(start): v for k, v in branch.items() if k.startswith(start)}
            self.get_submodule(name).load_state_dict(state)

    def _fused(
        self, place: str, feature: Tensor, instances: Tensor, cells: Sequence[Cells]
    ) -> Tensor:
        """The map that goes on, 1CHW, from the picture's, 1CHW, and the instances', KChw."""
        shares = self._shares(place, feature, instances, cells).to(feature.dtype)
        fused = shares[:, -1:] * feature
        for number, part in enumerate(cells):
            resized = _resized(instances[number : number + 1], part).to(feature.dtype)
            part.of(fused).add_(part.of(shares[:, number : number + 1]) * resized)
        return fused

    def _shares(
        self, place: str, feature: Tensor, instances: Tensor, cells: Sequence[Cells]
    ) -> Tensor:
        """Shares of the instances and, last, of the picture, 1 x (K + 1) x H x W; they sum to 1."""
        background = self.background_heads[place](feature).float()
        weights = background.new_zeros(1, len(cells), *feature.shape[-2:])
        outside = torch.ones_like(background)
        logits = self.instance_heads[place](instances).float()
        for number, part in enumerate(cells):
            part.of(weights[:, number : number + 1]).add_(
                _resized(logits[number : number + 1], part)
            )
            part.of(outside).zero_()
        return torch.cat([weights, background + _OUTSIDE * outside], dim=1).softmax(1)


def _resized(plane: Tensor, cells: Cells) -> Tensor:
    size = cells.bottom - cells.top, cells.right - cells.left
    return F.interpolate(plane, size=size, mode="bilinear", align_corners=False)


def _head(channels: int) -> nn.Sequential:
    """The weight of a map at each of its pixels, from 0."""
    last = nn.Conv2d(HEAD_WIDTH, 1, 3, padding=1)
    nn.init.ones_(cast(Tensor, last.bias))  # a head that is 0 everywhere would never learn
    return nn.Sequential(
        nn.Conv2d(channels, HEAD_WIDTH, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(HEAD_WIDTH, HEAD_WIDTH, 3, padding=1),
        nn.ReLU(),
        last,
        nn.ReLU(),
    )


def _channels(width: int) -> dict[str, int]:
    """Channels of the map at each place."""
    factors = (1, 2, 4, 8, 8, 8, 8, 4, 4, 2, 2, 2, 2)
    return {place: factor * width for place, factor in zip(PLACES, factors, strict=True)}
