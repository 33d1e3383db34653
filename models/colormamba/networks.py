"""ColorMamba's generator: an HSV network that guides an RGB network."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...datasets.base.bounds import Checked, Side, Width
from ...datasets.base.typed_values import Bound
from ...losses.hsv import STRETCH_FLOOR, stretched
from ..scan.selective_scan import DIRECTIONS, Backend, Direction
from .criss_cross_attention import CrissCrossFusion
from .spade import SPADEResBlock
from .vss_block import MambaGroup, Padding, VSSBlock

Agent = Literal["grid", "released", "none"]
HSV_LEVELS = 5  # resolutions of the HSV network; the last is 1/16
_MAMBA_LEVELS = 3  # resolutions 1/2, 1/4, 1/8, in either network


@dataclass(frozen=True, kw_only=True)
class Design(Checked):
    """What the generator is made of; the defaults are the paper's sizes with its defects mended.

    Attributes:
        width: channels of the RGB network at 1/2 resolution, doubled a level.
        cap: its most channels, in multiples of ``width``.
        levels: its halvings, at least 6; H and W must be multiples of 2**levels.
        hsv_width: channels of the HSV network at full resolution, doubled a level.
        hsv_cap: its most channels, in multiples of ``hsv_width``.
        spade_width: hidden channels of the SPADE layers.
        d_state: states a channel of the scans.
        directions: orders of the scans.
        padding: ring around a scanned map: a learned ``token``, ``zero``, or ``none``.
        local_conv: whether the VSS blocks have their pair of 3x3 convolutions.
        agent: their agent attention: with biases of the map's ``grid``, as ``released`` (built
            for a 1 x 1 window), or ``none``.
        heads: of the agent attention; it divides every Mamba width.
        hsv_branch: whether there is an HSV network; without it the RGB network's decoder has
            plain instance norm for SPADE, and criss-cross attention takes its values from the
            features.
        size: image side for which the agents' biases are laid out; others resize them.
        as_released: inputs, edges and HSV output as the released code has them; see
            ``ColorMambaGenerator``.
        scan: backend of the scans.
    """

    _prefix: ClassVar[str] = "method.design."

    width: Width = 64
    cap: Width = 8
    levels: Annotated[int, Bound(least=6, most=12)] = 8
    hsv_width: Width = 32
    hsv_cap: Width = 16
    spade_width: Width = 128
    d_state: Width = 16
    directions: tuple[Direction, ...] = DIRECTIONS
    padding: Padding = "token"
    local_conv: bool = True
    agent: Agent = "grid"
    heads: Width = 8
    hsv_branch: bool = True
    size: Side = 256
    as_released: bool = False
    scan: Backend = "auto"

    @classmethod
    def released(cls) -> Self:
        """The public code's network: 100,244,135 parameters."""
        return cls(padding="zero", agent="released", as_released=True)

    @classmethod
    def small(cls) -> Self:
        """For some hundred pairs: half the width, and none of the 512-wide levels."""
        return cls(
            width=32, cap=4, levels=6, hsv_width=16, hsv_cap=8, spade_width=64, heads=4, size=128
        )

    @property
    def widths(self) -> list[int]:
        """Channels of the RGB network's encoder, from 1/2 resolution on."""
        return [self.width * min(2**level, self.cap) for level in range(self.levels)]

    @property
    def hsv_widths(self) -> list[int]:
        """Channels of the HSV network's encoders, from full resolution on."""
        return [self.hsv_width * min(2**level, self.hsv_cap) for level in range(HSV_LEVELS)]

    def mamba(self, channels: int, halvings: int, bias: bool = True) -> nn.Module:
        """A Mamba group for maps of 1/2**halvings of the image."""
        side = max(self.size >> halvings, 1)
        grids = {"grid": (side, side), "released": (1, 1), "none": None}
        block = VSSBlock(
            channels,
            state=self.d_state,
            directions=self.directions,
            padding=self.padding,
            local=self.local_conv,
            agent=grids[self.agent],
            heads=self.heads,
            backend=self.scan,
        )
        return MambaGroup(channels, block, bias=bias)


class HSVNetwork(nn.Module):
    """U-Net with an encoder for the image and one for its edges, to three HSV planes.

    Returns the planes before their last activation and the image encoder's maps at 1/2 to 1/16.
    """

    def __init__(self, design: Design, image_channels: int) -> None:
        super().__init__()
        widths = design.hsv_widths
        self.image = _encoder(design, image_channels)
        self.edge = _encoder(design, 1)
        for level in range(1, HSV_LEVELS):  # the same initial weights, as in the released code
            self.edge[level] = copy.deepcopy(self.image[level])
        self.up, self.decoder = nn.ModuleList(), nn.ModuleList()
        below = 2 * widths[-1]
        for width in reversed(widths[:-1]):
            up = nn.ConvTranspose2d(below, 2 * width, 2, 2, bias=design.as_released)
            self.up.append(_Normed(up))
            self.decoder.append(_double_conv(design, 4 * width, 2 * width))
            below = 2 * width
        self.head = nn.Conv2d(below, 3, 3, padding=1)

    def forward(self, image: Tensor, edge: Tensor) -> tuple[Tensor, list[Tensor]]:
        """BCHW and B1HW: B3HW, and maps of 1/2, 1/4, 1/8 and 1/16."""
        maps, edges = _pyramid(self.image, image), _pyramid(self.edge, edge)
        feature = torch.cat([maps[-1], edges[-1]], dim=1)
        skips = zip(reversed(maps[:-1]), reversed(edges[:-1]), strict=True)
        for up, decoder, both in zip(self.up, self.decoder, skips, strict=True):
            feature = decoder(torch.cat([up(feature), *both], dim=1))
        return self.head(feature), maps[1:]


class RGBNetwork(nn.Module):
    """The dense-scale U-Net: Mamba groups in its first levels, SPADE in its decoder.

    Paper: Zhai et al. 2024 (ColorMamba), the ``netG_A`` of its released code.
    """

    def __init__(self, design: Design) -> None:
        super().__init__()
        widths = design.widths
        guides = design.hsv_widths[1:] if design.hsv_branch else [0] * 4
        self.encoder = nn.ModuleList(
            _Down(design, level, 1 if level == 0 else widths[level - 1], widths[level])
            for level in range(design.levels)
        )
        self.innermost = _Up(design, widths[-1], widths[-2])
        self.plain = nn.ModuleList(  # decoder stages up to 1/32
            _Up(design, 2 * widths[level], widths[level - 1])
            for level in range(design.levels - 2, 4, -1)
        )
        y4, y3, y2, y1 = widths[3], widths[2], widths[1], widths[0]
        inputs = [2 * widths[4], 2 * y4, 2 * y3, y4 + 2 * y2]
        self.guided = nn.ModuleList(
            _Up(design, a, b, guide)
            for a, b, guide in zip(inputs, (y4, y3, y2, y1), reversed(guides), strict=True)
        )
        self.last = nn.ConvTranspose2d(2 * y1 + y3 + y4, design.width, 4, 2, 1)
        self.fusion = SPADEResBlock(3, 1, design.spade_width) if design.hsv_branch else None
        guide = 3 if design.hsv_branch else design.width
        gamma = 0.0 if design.as_released else 0.1
        self.cross = CrissCrossFusion(design.width, guide, max(design.width // 8, 1), gamma)
        self.head = nn.Conv2d(design.width, 3, 3, padding=1)

    def forward(self, nir: Tensor, hsv: Tensor | None, maps: list[Tensor], edge: Tensor) -> Tensor:
        """B1HW, B3HW or None, four guides from 1/2 on, B1HW: B3HW in [0,1]."""
        skips = [nir]
        for stage in self.encoder:
            skips.append(stage(skips[-1]))
        y = self.innermost(skips[-1])
        skips = skips[1:-1]  # from 1/2 on, without the innermost
        for stage in self.plain:
            y = stage(torch.cat([skips.pop(), y], dim=1))
        guides = list(maps)
        y4 = self._guided(0, [skips[4], y], guides)
        y3 = self._guided(1, [skips[3], y4], guides)
        y2 = self._guided(2, [skips[2], y3], guides)
        y1 = self._guided(3, [skips[1], _enlarged(y4, 4), y2], guides)
        feature = torch.cat([skips[0], _enlarged(y4, 8), _enlarged(y3, 4), y1], dim=1)
        feature = self.last(F.relu(feature))
        guide = feature if self.fusion is None else self.fusion(hsv, edge)
        return torch.sigmoid(self.head(self.cross(feature, guide)))

    def _guided(self, stage: int, inputs: list[Tensor], guides: list[Tensor]) -> Tensor:
        guide = guides[-1 - stage] if guides else None
        return self.guided[stage](torch.cat(inputs, dim=1), guide)


class ColorMambaGenerator(nn.Module):
    """NIR to HSV, and with the HSV network's maps and planes to RGB.

    Paper: Zhai, Jin, Yang and Kang 2024 (ColorMamba, arXiv 2408.08087), by its released code
    (AlexYangxx/ColorMamba, commit d1abb85). With ``Design.as_released`` it computes what that code
    computes for a batch of one: NIR stretched by its own minimum and maximum, a second copy of it
    as an "HSV" image of no hue, and as the fusion's guide a second difference down the columns
    only, stretched. Differs there: the code takes that difference over the images of a batch, too.
    Differs otherwise: NIR enters as it is, both edge maps are the Laplacian of each image, and
    HSV is predicted as (s cos h, s sin h, v), where hue is circular.
    """

    def __init__(self, design: Design) -> None:
        super().__init__()
        self.design = design
        self.rgb = RGBNetwork(design)
        image_channels = 5 if design.as_released else 2
        self.hsv = HSVNetwork(design, image_channels) if design.hsv_branch else None

    def forward(self, nir: Tensor) -> tuple[Tensor | None, Tensor]:
        """B1HW in [0,1] -> HSV planes B3HW (None without the branch), RGB B3HW in [0,1].

        HSV planes: (s cos h, s sin h, v) with v in [0,1] and s in [0,1]; ``as_released`` three
        planes in [-1,1].
        """
        released = self.design.as_released
        edge = laplacian(nir)
        image, guide = [nir, edge], edge
        if released:
            bright = nir / (nir.amax((2, 3), keepdim=True) + STRETCH_FLOOR)
            nir = stretched(nir)
            edge = 8 * laplacian(nir, "constant")
            image = [nir, edge, torch.zeros_like(nir), torch.zeros_like(nir), bright]
            guide = _row_difference(nir)
        if self.hsv is None:
            return None, self.rgb(nir, None, [], guide)
        raw, maps = self.hsv(torch.cat(image, dim=1), edge)
        hsv = torch.tanh(raw) if released else _circular(raw)
        return hsv, self.rgb(nir, hsv, maps, guide)


def laplacian(image: Tensor, border: str = "reflect") -> Tensor:
    """Mean difference of a pixel from its eight neighbours: B1HW in [0,1] to B1HW in [-1,1]."""
    kernel = image.new_full((1, 1, 3, 3), -1 / 8)
    kernel[0, 0, 1, 1] = 1
    return F.conv2d(F.pad(image, (1, 1, 1, 1), mode=border), kernel)


def _circular(raw: Tensor) -> Tensor:
    """Three real planes to (s cos h, s sin h, v): the first two within the unit disk."""
    chroma, value = raw.float().split([2, 1], dim=1)
    length = (chroma.square().sum(1, keepdim=True) + 1e-12).sqrt()
    return torch.cat([chroma * (torch.tanh(length) / length), torch.sigmoid(value)], dim=1)


def _row_difference(nir: Tensor) -> Tensor:
    """The released code's fusion guide for a batch of one, from 8-bit levels."""
    levels = (255 * nir).floor()
    padded = F.pad(levels, (0, 0, 1, 1), mode="reflect")
    return stretched(padded[:, :, :-2] + padded[:, :, 2:] - 2 * levels, 1e-12)


class _Down(nn.Module):
    """LeakyReLU, a 4x4 convolution that halves the map, in the first levels a Mamba group, norm.

    The outermost has no activation before it and neither first nor last a norm.
    """

    def __init__(self, design: Design, level: int, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.first, self.normed = level == 0, 0 < level < design.levels - 1
        mamba = level < _MAMBA_LEVELS
        bias = mamba or not self.normed or design.as_released
        self.conv = nn.Conv2d(in_channels, out_channels, 4, 2, 1, bias=bias)
        last_bias = self.first or design.as_released
        self.mamba = design.mamba(out_channels, level + 1, last_bias) if mamba else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = self.mamba(self.conv(x if self.first else F.leaky_relu(x, 0.2)))
        return F.instance_norm(x) if self.normed else x


class _Up(nn.Module):
    """ReLU, a 4x4 transposed convolution that doubles the map, with a guide SPADE, norm."""

    def __init__(
        self, design: Design, in_channels: int, out_channels: int, guide_channels: int = 0
    ) -> None:
        super().__init__()
        bias = design.as_released
        self.conv = nn.ConvTranspose2d(in_channels, out_channels, 4, 2, 1, bias=bias)
        self.spade = (
            SPADEResBlock(out_channels, guide_channels, design.spade_width)
            if guide_channels
            else None
        )

    def forward(self, x: Tensor, guide: Tensor | None = None) -> Tensor:
        x = self.conv(F.relu(x))
        if self.spade is not None:
            x = self.spade(x, guide)
        return F.instance_norm(x)


class _Normed(nn.Module):
    """Instance norm and LeakyReLU after a layer and, before them, perhaps a Mamba group."""

    def __init__(self, layer: nn.Module, mamba: nn.Module | None = None) -> None:
        super().__init__()
        self.layer, self.mamba = layer, mamba or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(F.instance_norm(self.mamba(self.layer(x))), 0.2)


def _encoder(design: Design, in_channels: int) -> nn.ModuleList:
    widths = [in_channels, *design.hsv_widths]
    return nn.ModuleList(
        _double_conv(design, widths[level], widths[level + 1], level) for level in range(HSV_LEVELS)
    )


def _double_conv(
    design: Design, in_channels: int, out_channels: int, level: int = 0
) -> nn.Sequential:
    """Two 3x3 convolutions; at levels 1 to 3 a Mamba group after the second."""
    released = design.as_released
    mamba = 1 <= level <= _MAMBA_LEVELS
    return nn.Sequential(
        _Normed(nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=released)),
        _Normed(
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=mamba or released),
            design.mamba(out_channels, level, released) if mamba else None,
        ),
    )


def _pyramid(encoder: nn.ModuleList, image: Tensor) -> list[Tensor]:
    maps = []
    for block in encoder:
        image = block(F.max_pool2d(maps[-1], 2) if maps else image)
        maps.append(image)
    return maps


def _enlarged(feature: Tensor, factor: int) -> Tensor:
    return F.interpolate(feature, scale_factor=factor, mode="bilinear", align_corners=True)
