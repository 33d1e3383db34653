"""DDColor's generator: encoder, pixel decoder and colour queries over it; and its critic."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ...datasets.base.color import AB_SCALE, lab_to_rgb
from ...datasets.base.errors import UserError
from ..base.domain import DomainName
from ..layers.encoders import Encoder, build_encoder
from ..layers.pixel_shuffle import PixelShuffleUp
from ..layers.self_attention import SelfAttention
from .color_queries import ColorQueryDecoder

_SCALES = 4  # maps of the encoder
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's RGB in [0,1]
_SKIP_BIAS = 1e-3  # of a skip's BatchNorm, as in fastai
_CRITIC_STRIDE = 2


class DDColorGenerator(nn.Module):
    """Maps of four scales, decoded to a feature at every pixel, on which colour queries act.

    Every learnt query becomes a map by its product with the pixels' features; a 1x1 convolution
    mixes these maps and the input to colour. Every parameter has one of equal shape in the
    released network: ``encoder`` is ``encoder.arch`` there, ``encoder_norms`` are its ``norm0`` to
    ``norm3``, ``merges`` is ``decoder.layers``, ``last_up`` is ``decoder.last_shuf``, ``queries``
    is ``decoder.color_decoder``, ``refine`` is ``refine_net``.

    Paper: Kang et al. 2023 (DDColor), section 3. With ConvNeXt-T it has 55,005,104 parameters,
    with ConvNeXt-L 227,866,256: 55.0 and 227.9 million in the paper.
    Differs: the released code holds one LayerNorm more, which it does not use; its PixelShuffle
    kernels are meant to begin as ``icnr_`` makes them, but lose that to the spectral norm.

    Args:
        domain: what is given: L* or NIR.
        out_channels: planes put out.
        encoder: see ``encoders.build_encoder``; its last four maps are used.
        width: channels of the pixel decoder's two coarser scales, half of them at the others.
        queries: their number.
        query_width: their channels.
        heads: of every attention.
        feedforward: hidden channels behind every attention.
        layers: of the query decoder; layer i looks at scale i modulo 3, the coarsest first.

    Raises:
        UserError: the encoder has not four maps, each half the size of the one before; or the
            queries' channels do not suit their heads.
    """

    def __init__(
        self,
        domain: DomainName,
        out_channels: int,
        encoder: str,
        width: int,
        queries: int,
        query_width: int,
        heads: int,
        feedforward: int,
        layers: int,
    ) -> None:
        super().__init__()
        self.domain: DomainName = domain
        self.encoder = build_encoder(encoder, in_channels=3)
        encoder_maps = cast(Encoder, self.encoder)
        self.stride = encoder_maps.reductions[-1]
        widths = list(encoder_maps.widths[-_SCALES:])
        reductions = tuple(self.stride >> scale for scale in reversed(range(_SCALES)))
        if encoder_maps.reductions[-_SCALES:] != reductions:
            raise UserError(
                f"DDColor needs an encoder whose last {_SCALES} maps halve in size; {encoder} has "
                f"maps at 1/{', 1/'.join(map(str, encoder_maps.reductions))}; take another "
                "(--method.encoder convnext_tiny)"
            )
        self.coarsest_channels = widths[-1]
        self.encoder_norms = nn.ModuleList(_ChannelNorm(channels, eps=1e-6) for channels in widths)
        decoded = [width, width, width // 2]
        self.merges = nn.ModuleList(
            _Merge(below, skip, out)
            for below, skip, out in zip(
                [widths[-1], *decoded], widths[-2::-1], decoded, strict=False
            )
        )
        self.last_up = PixelShuffleUp(width // 2, width // 2, reductions[0], spectral=True)
        self.queries = ColorQueryDecoder(
            decoded, width // 2, queries, query_width, heads, feedforward, layers
        )
        self.refine = _conv(queries + 3, out_channels, 1)
        for name, moment in (("mean", _MEAN), ("std", _STD)):
            self.register_buffer(name, torch.tensor(moment).view(1, 3, 1, 1), persistent=False)

    def encode(self, plane: Tensor) -> list[Tensor]:
        """B1HW in [-1,1], sides multiples of ``stride``, to maps, the coarsest last.

        The first is the picture itself, B3HW with ImageNet's mean and deviation taken out.
        """
        rgb = _gray_picture(self.domain, plane)
        maps = cast(Encoder, self.encoder)(2 * rgb - 1)[-_SCALES:]
        picture = (rgb - self.get_buffer("mean")) / self.get_buffer("std")
        return [picture, *(norm(x) for norm, x in zip(self.encoder_norms, maps, strict=True))]

    def decode(self, maps: list[Tensor]) -> Tensor:
        """The maps of ``encode`` to BC'HW, about [-1,1]."""
        picture, *skips, feature = maps
        decoded: list[Tensor] = []
        for merge in self.merges:
            feature = merge(feature, skips.pop())
            decoded.append(feature)
        query_maps = self.queries(decoded, self.last_up(feature))
        return self.refine(torch.cat([query_maps, picture], dim=1)) / AB_SCALE

    def forward(self, plane: Tensor) -> Tensor:
        """B1HW in [-1,1], sides multiples of ``stride``: BC'HW, about [-1,1].

        The refinement puts out CIE ab, as the released network does, or RGB on the same scale.
        """
        return self.decode(self.encode(plane))


class DDColorCritic(nn.Module):
    """Judges RGB images, one logit a place; 256 x 256 pixels give 13 x 13 logits.

    Paper: Kang et al. 2023 (DDColor), section 3.4; the network is the released code's: 4x4
    convolutions of stride 2 and 3x3 ones in turn, ReLU, spectral norm throughout, self-attention
    at a quarter of the size.

    Args:
        width: channels of the first layer, doubled a block.
        blocks: halvings after the first.
    """

    def __init__(self, width: int = 64, blocks: int = 3) -> None:
        super().__init__()
        body: list[nn.Module] = [_conv(3, width, 4, 2), nn.ReLU()]
        for block in range(blocks):
            body += [_conv(width, width, 3), nn.ReLU(), _conv(width, 2 * width, 4, 2), nn.ReLU()]
            if block == 0:
                body.append(SelfAttention(2 * width))
            width *= 2
        last = nn.Conv2d(width, 1, 4, bias=False)
        nn.init.kaiming_normal_(last.weight)
        self.body = nn.Sequential(*body, _conv(width, width, 3), nn.ReLU(), spectral_norm(last))
        self.smallest = 4 * _CRITIC_STRIDE ** (blocks + 1)

    def forward(self, rgb: Tensor) -> Tensor:
        """Logits B1hw of images B3HW sRGB in [0,1].

        Raises:
            UserError: an image too small for one logit.
        """
        if min(rgb.shape[-2:]) < self.smallest:
            raise UserError(
                f"DDColor's critic needs training crops of at least {self.smallest} pixels, not "
                f"{min(rgb.shape[-2:])} (--train-view.size), or fewer blocks "
                "(--method.critic-blocks)"
            )
        return self.body(rgb)


class _Merge(nn.Module):
    """A coarser map, enlarged, joins a skip."""

    def __init__(self, below: int, skip: int, out: int) -> None:
        super().__init__()
        self.up = PixelShuffleUp(below, out, batch_norm=True, spectral=True)
        self.norm = nn.BatchNorm2d(skip)
        nn.init.constant_(self.norm.bias, _SKIP_BIAS)
        conv = nn.Conv2d(out + skip, out, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(conv.weight)
        self.conv = nn.Sequential(spectral_norm(conv), nn.ReLU(), nn.BatchNorm2d(out))

    def forward(self, below: Tensor, skip: Tensor) -> Tensor:
        return self.conv(F.relu(torch.cat([self.up(below), self.norm(skip)], dim=1)))


class _ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of BCHW."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.movedim(1, 3)).movedim(3, 1)


def _conv(in_channels: int, out_channels: int, side: int, stride: int = 1) -> nn.Module:
    conv = nn.Conv2d(in_channels, out_channels, side, stride, (side - 1) // 2)
    nn.init.kaiming_normal_(conv.weight)
    cast(Tensor, conv.bias).data.zero_()
    return spectral_norm(conv)


def _gray_picture(domain: DomainName, plane: Tensor) -> Tensor:
    """The plane in [-1,1] as three channels in [0,1]: the gray sRGB of that L*, or NIR itself."""
    if domain == "nir":
        return ((plane + 1) / 2).expand(-1, 3, -1, -1)
    return lab_to_rgb(F.pad(50 * (plane + 1), (0, 0, 0, 0, 0, 2)))
