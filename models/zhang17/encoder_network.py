"""User-guided colorization on a pretrained encoder: hints join the decoder at every scale."""

from __future__ import annotations

from typing import Self, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers.double_conv import double_conv
from ..layers.encoders import Encoder, averages_to_eval, build_encoder
from .network import CLASS_STRIDE, CLASSES, Detached

_CAP = 8  # most channels of the decoder, in multiples of its width
_HINT_PLANES = 4  # a, b, given or not, share of the cell that is given
_ATTENTION = 8  # pixels a side of the cells between which hints are carried
_HEADS, _KEY = 4, 16
_MOST = 256  # cells with hints that attention reaches; all, at small sizes
_NEVER = -1e4  # a logit that leaves nothing
_CARRIED_TO = 2  # pixels a side of the cells at which carried colours are seen again
_UNIT = 0.2  # of ab/110 in hints, which seldom are as far as 1 from gray


class EncoderHintNetwork(nn.Module):
    """A U-Net on a classifier of ImageNet, which sees L* alone, with hints in its decoder.

    Each decoder scale is given the hints of its cells. At 1/8 of the size attention carries the
    colours of hints to pixels whose features are alike. The classes' head is at 1/4 of the size.
    What the encoder finds does not depend on hints. With ``tf_efficientnet_lite0`` and width 12 it
    has 3,589,995 parameters, where ``Zhang17Network`` of width 64 has 34,187,027.

    Inputs, outputs and classes are those of Zhang et al. 2017, section 3; the network is ours.

    Args:
        encoder: see ``encoders.build_encoder``; the coarsest map is at most at 1/32.
        width: channels at full size, doubled at every halving up to eightfold.
        frozen_averages: keep the encoder's BatchNorm averages in training.

    Raises:
        UserError: timm has no such encoder.
    """

    def __init__(self, encoder: str, width: int, frozen_averages: bool) -> None:
        super().__init__()
        self.frozen_averages = frozen_averages
        self.encoder = build_encoder(encoder)
        maps = cast(Encoder, self.encoder)
        skips = {1: 1, **dict(zip(maps.reductions, maps.widths, strict=True))}
        self.stride = max(skips)
        below = skips.pop(self.stride)
        self.coarsest_channels = below
        self.narrow, self.decoder = nn.ModuleDict(), nn.ModuleDict()
        wide, quarter = (width * min(scale, _CAP) for scale in (_ATTENTION, CLASS_STRIDE))
        self.attention = HintAttention(wide)
        self.carried = nn.Conv2d(self.attention.planes, wide, 1)
        scale = self.stride
        while scale > 1:
            scale //= 2
            channels = width * min(scale, _CAP)
            self.narrow[str(scale)] = nn.Conv2d(below + _HINT_PLANES, channels, 1)
            joined = channels + skips.get(scale, 0) + _HINT_PLANES
            joined += self.attention.planes if scale == _CARRIED_TO else 0
            self.decoder[str(scale)] = double_conv(joined, channels)
            below = channels
        self.classes = nn.Conv2d(quarter, CLASSES, 1)
        self.colors = nn.Conv2d(below, 2, 3, padding=1)
        for head in (self.colors, self.classes):
            nn.init.normal_(head.weight, std=0.01)  # ab begins near 0, classes nearly equal
            nn.init.zeros_(cast(Tensor, head.bias))

    def train(self, mode: bool = True) -> Self:
        """As ever, but for the encoder's averages where these are frozen."""
        super().train(mode)
        if self.frozen_averages:
            averages_to_eval(self.encoder)
        return self

    def forward(
        self, inputs: Tensor, added: Tensor | None = None, detached: Detached = "none"
    ) -> tuple[Tensor, Tensor]:
        """Colours, and how likely each class of colour is; see ``Zhang17Network.forward``.

        Args:
            inputs: B4HW, sides multiples of ``stride``: (L* - 50) / 100, then ab/110 and the mask
                of hints {0,1}.
            added: B x 8 width x 1 x 1, added to the feature at 1/16 of the size.
            detached: whose gradient ends where it leaves what both have in common, which is the
                encoder and the decoder down to 1/4 of the size.

        Returns:
            ab/110, B2HW in [-1,1]; and logits of the 529 classes at a quarter of the size.
        """
        plane = 2 * inputs[:, :1]
        given = torch.cat([inputs[:, 1:3] / _UNIT, inputs[:, 3:]], dim=1)
        maps = dict(zip(cast(Encoder, self.encoder).reductions, self.encoder(plane), strict=True))
        maps[1] = plane
        feature, logits, carried = maps.pop(self.stride), inputs, inputs
        for name, block in self.decoder.items():
            scale = int(name)
            feature = torch.cat([feature, pooled_hints(given, 2 * scale)], dim=1)
            feature = _enlarged(self.narrow[name](feature))
            hints = pooled_hints(given, scale)
            parts = [feature, hints]
            if scale in maps:
                cut = detached == "colors" and scale < CLASS_STRIDE
                parts.append(maps[scale].detach() if cut else maps[scale])
            if scale == _CARRIED_TO:
                parts.append(carried.detach() if detached == "colors" else carried)
            feature = block(torch.cat(parts, dim=1))
            if added is not None and scale == self.stride // 2:
                feature = feature + added
            if scale == _ATTENTION:
                carried = self.attention(feature, hints)
                feature = feature + self.carried(carried)
                carried = _enlarged(carried, _ATTENTION // _CARRIED_TO)
            if scale == CLASS_STRIDE:
                logits = self.classes(feature.detach() if detached == "classes" else feature)
                feature = feature.detach() if detached == "colors" else feature
        return torch.tanh(self.colors(feature)), logits


class HintAttention(nn.Module):
    """The colours of hints at every cell: means over the hints, by how alike features are.

    Each head weights by likeness of keys and by distance, and may choose to take none. Of more
    than 256 cells with hints the fullest count. Scaled dot products are those of Vaswani et al.
    2017, section 3.2.1; distance and the weight of none are ours.

    Args:
        channels: of the features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.planes = 3 * _HEADS
        self.query = nn.Conv2d(channels, _HEADS * _KEY, 1)
        self.key = nn.Conv2d(channels, _HEADS * _KEY, 1)
        self.none = nn.Parameter(torch.zeros(_HEADS))
        # of squared distances in cells: from far-reaching to near heads
        self.nearness = nn.Parameter(torch.tensor([-6.0, -4.0, -2.0, 0.0]))

    def forward(self, feature: Tensor, hints: Tensor) -> Tensor:
        """Carry hints to all cells.

        Args:
            feature: BCHW.
            hints: B4HW of ``pooled_hints``.

        Returns:
            B x 12 x H x W: for each head a and b in the hints' unit, and the weight that hints have
            together, in [0,1].
        """
        batch, _, height, width = feature.shape
        ab, given, share = hints[:, :2].flatten(2), hints[:, 2].flatten(1), hints[:, 3].flatten(1)
        count = min(height * width, _MOST)
        place = (given + share).topk(count, dim=1).indices  # B x M
        query = self.query(feature).view(batch, _HEADS, _KEY, -1)
        keys = self.key(feature).flatten(2)
        keys = keys.gather(2, place[:, None].expand(-1, keys.shape[1], -1))
        keys = keys.view(batch, _HEADS, _KEY, count)
        logits = torch.einsum("bhdn,bhdm->bhnm", query, keys) / _KEY**0.5
        rows = torch.arange(height, device=feature.device).repeat_interleave(width)
        columns = torch.arange(width, device=feature.device).repeat(height)
        apart = (rows[:, None] - rows[place][:, None]).square() + (
            columns[:, None] - columns[place][:, None]
        ).square()  # B x N x M
        nearness = F.softplus(self.nearness).view(1, -1, 1, 1)
        logits = logits - nearness * apart[:, None].to(logits.dtype)
        picked = given.gather(1, place)
        logits = torch.where(picked[:, None, None] > 0, logits, logits.new_tensor(_NEVER))
        none = self.none.view(1, -1, 1, 1).expand(batch, -1, height * width, -1)
        weights = torch.softmax(torch.cat([none.to(logits.dtype), logits], dim=3), dim=3)[..., 1:]
        values = torch.cat([ab.gather(2, place[:, None].expand(-1, 2, -1)), picked[:, None]], dim=1)
        carried = torch.einsum("bhnm,bcm->bhcn", weights, values.to(weights.dtype))
        return carried.reshape(batch, self.planes, height, width)


def _enlarged(feature: Tensor, factor: int = 2) -> Tensor:
    return F.interpolate(feature, scale_factor=factor, mode="bilinear", align_corners=False)


def pooled_hints(hints: Tensor, scale: int) -> Tensor:
    """The hints of cells of ``scale`` by ``scale`` pixels.

    Args:
        hints: B3HW: ab/110 where a colour is given, 0 elsewhere, and the mask {0,1}.
        scale: a divisor of both sides.

    Returns:
        B4hw: mean ab/110 of what is given (0 where nothing is), whether something is {0,1}, and
        the share of the cell that is, in [0,1].
    """
    if scale == 1:
        return torch.cat([hints, hints[:, 2:]], dim=1)
    share = F.avg_pool2d(hints[:, 2:], scale)
    ab = F.avg_pool2d(hints[:, :2], scale) / share.clamp(min=1e-6)
    return torch.cat([ab, (share > 0).to(share.dtype), share], dim=1)
