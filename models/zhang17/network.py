"""The main network of Zhang et al. 2017: ten blocks, three skips, a head for colour classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from ..color.ab_bins import GRID
from ..layers.norms import init_he

CLASS_STRIDE = 4  # pixels between neighbours of the map of classes
_REACH = 110  # ab units; the classes are the points of a square grid on -110..110

Detached = Literal["none", "colors", "classes"]


def class_centres() -> Tensor:
    """Colours of the 529 classes: 529 x 2 float32, ab units, by a and then by b."""
    axis = torch.arange(-_REACH, _REACH + 1, GRID, dtype=torch.float32)
    return torch.cartesian_prod(axis, axis)


def nearest_class(ab: Tensor) -> Tensor:
    """The class of each colour: B2HW in ab units to B1HW int64, 0 to 528."""
    cells = (ab / GRID).round().long().clamp(-_REACH // GRID, _REACH // GRID) + _REACH // GRID
    side = 2 * _REACH // GRID + 1
    return side * cells[:, :1] + cells[:, 1:]


CLASSES = (2 * _REACH // GRID + 1) ** 2


# the maps that may be seen and exchanged on the way, by the published names of the layers
PLACES = (
    *("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3", "conv6_3", "conv7_3"),
    *("conv8_up", "conv8_3", "conv9_up", "conv9_3", "conv10_up", "conv10_2"),
)
At = Callable[[str, Tensor], Tensor]  # a place and its map to the map that goes on from there


def as_it_is(place: str, feature: Tensor) -> Tensor:
    """An ``At`` that exchanges nothing."""
    return feature


def painting(width: int) -> tuple[nn.Sequential, nn.Conv2d]:
    """The last block and the colours of a network of that width."""
    w = 2 * width
    block = nn.Sequential(nn.ReLU(), nn.Conv2d(w, w, 3, padding=1), nn.LeakyReLU(0.2))
    return block, nn.Conv2d(w, 2, 1)


class Zhang17Network(nn.Module):
    """A U-Net of ten blocks with a second output of colour classes.

    3x3 convolutions, each with ReLU, and BatchNorm at the end of a block; the first three blocks
    are followed by every second pixel, blocks 5 and 6 are dilated. Three transposed convolutions
    lead back to full size, joined by sums with the first three blocks. With width 64 it has
    34,187,027 parameters, 135,953 of them in the classes' head.

    Paper: Zhang et al. 2017, section 3.4 and figure 2, as released for PyTorch.
    Differs: He's initialisation, where the paper starts from Zhang et al. 2016.

    Args:
        width: channels of the first block.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        w = width
        self.block1 = _block(4, w, 2)
        self.block2 = _block(w, 2 * w, 2)
        self.block3 = _block(2 * w, 4 * w, 3)
        self.block4 = _block(4 * w, 8 * w, 3)
        self.block5 = _block(8 * w, 8 * w, 3, dilation=2)
        self.block6 = _block(8 * w, 8 * w, 3, dilation=2)
        self.block7 = _block(8 * w, 8 * w, 3)
        self.up8, self.skip8 = _up(8 * w, 4 * w), nn.Conv2d(4 * w, 4 * w, 3, padding=1)
        self.block8 = nn.Sequential(nn.ReLU(), *_block(4 * w, 4 * w, 2))
        self.up9, self.skip9 = _up(4 * w, 2 * w), nn.Conv2d(2 * w, 2 * w, 3, padding=1)
        self.block9 = nn.Sequential(nn.ReLU(), *_block(2 * w, 2 * w, 1))
        self.up10, self.skip10 = _up(2 * w, 2 * w), nn.Conv2d(w, 2 * w, 3, padding=1)
        self.block10, self.colors = painting(w)
        self.classes = nn.Conv2d(4 * w, CLASSES, 1)
        init_he(self)
        for head in (self.colors, self.classes):
            nn.init.normal_(head.weight, std=0.01)  # ab begins near 0, classes nearly equal

    def forward(
        self, inputs: Tensor, added: Tensor | None = None, detached: Detached = "none"
    ) -> tuple[Tensor, Tensor]:
        """Colours, and how likely each class of colour is.

        Args:
            inputs: B4HW, sides multiples of 8: (L* - 50) / 100, then ab/110 and the mask of hints.
            added: B x 8 width x 1 x 1, added to the fourth block's output; see ``global_hints``.
            detached: whose gradient ends where it leaves the common blocks 1 to 8.

        Returns:
            ab/110, B2HW in [-1,1]; and logits of the 529 classes at a quarter of the size, whose
            pixel (i, j) stands for pixel (4 i, 4 j).
        """
        map1, map2, feature = self.common(inputs, added)
        classes = self.classes(feature.detach() if detached == "classes" else feature)
        if detached == "colors":
            map1, map2, feature = (m.detach() for m in (map1, map2, feature))
        return self.paint(self.climb(map1, map2, feature)), classes

    def common(
        self, inputs: Tensor, added: Tensor | None = None, at: At = as_it_is
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The maps of blocks 1, 2 and 8; arguments as of ``forward``, ``at`` see ``PLACES``."""
        map1 = at("conv1_2", self.block1(inputs))
        map2 = at("conv2_2", self.block2(_halved(map1)))
        map3 = at("conv3_3", self.block3(_halved(map2)))
        feature = at("conv4_3", self.block4(_halved(map3)))
        feature = at("conv5_3", self.block5(feature if added is None else feature + added))
        feature = at("conv6_3", self.block6(feature))
        feature = at("conv7_3", self.block7(feature))
        feature = at("conv8_up", self.up8(feature) + self.skip8(map3))
        return map1, map2, at("conv8_3", self.block8(feature))

    def climb(self, map1: Tensor, map2: Tensor, map8: Tensor, at: At = as_it_is) -> Tensor:
        """What block 10 is given, of full size, from the maps of ``common``."""
        feature = at("conv9_up", self.up9(map8) + self.skip9(map2))
        feature = at("conv9_3", self.block9(feature))
        return at("conv10_up", self.up10(feature) + self.skip10(map1))

    def paint(self, feature: Tensor, at: At = as_it_is) -> Tensor:
        """ab/110, B2HW in [-1,1], from the map of ``climb``."""
        return torch.tanh(self.colors(at("conv10_2", self.block10(feature))))


def _halved(feature: Tensor) -> Tensor:
    return feature[..., ::2, ::2]


def _up(before: int, after: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(before, after, 4, 2, 1)


def _block(before: int, after: int, count: int, dilation: int = 1) -> nn.Sequential:
    layers: list[nn.Module] = []
    for index in range(count):
        channels = after if index else before
        layers += [nn.Conv2d(channels, after, 3, 1, dilation, dilation), nn.ReLU()]
    return nn.Sequential(*layers, nn.BatchNorm2d(after))
