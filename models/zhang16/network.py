"""The networks of zhang16: the paper's, and a decoder on a pretrained encoder."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from torch import Tensor, nn

from ..layers.encoder_decoder import EncoderDecoder
from ..layers.norms import init_he

OUTPUT_STRIDE = 4  # input pixels along a side of one output pixel
INPUT_STRIDE = 8  # the paper's network: H and W must be multiples of it
# convolutions, channels over the first block's, stride of the last one, dilation
_BLOCKS = (
    (2, 1, 2, 1),
    (2, 2, 2, 1),
    (3, 4, 2, 1),
    (3, 8, 1, 1),
    (3, 8, 1, 2),
    (3, 8, 1, 2),
    (3, 8, 1, 1),
)


class Zhang16Generator(nn.Module):
    """Seven blocks of 3x3 convolutions down to 1/8 of the size, an eighth block at 1/4, a head.

    Each convolution is followed by ReLU, each of the first seven blocks by BatchNorm; there are no
    poolings and no skips. With width 64 and 313 outputs it has 32,235,385 parameters.

    Paper: Zhang et al. 2016, section 2 and figure 2; the released second version.
    Differs: He's initialisation, where the paper's rescales by k-means on images.

    Args:
        out_channels: 313 logits, or 2 for ab.
        width: channels of the first block.
        prior: frequencies of the bins, kept in the weights; ``None`` for losses without one.
    """

    def __init__(self, out_channels: int, width: int, prior: Tensor | None) -> None:
        super().__init__()
        widths = [1, *(width * times for _, times, _, _ in _BLOCKS)]
        self.blocks = nn.ModuleList(
            _block(before, after, count, stride, dilation)
            for (before, after), (count, _, stride, dilation) in zip(
                pairwise(widths), _BLOCKS, strict=True
            )
        )
        wide = 4 * width
        self.up = nn.Sequential(
            nn.ConvTranspose2d(widths[-1], wide, 4, 2, 1),
            nn.ReLU(),
            *_convolutions(wide, wide, 2, 1, 1),
        )
        self.head = nn.Conv2d(wide, out_channels, 1)
        self.register_buffer("prior", prior)
        init_he(self)
        nn.init.normal_(self.head.weight, std=0.01)  # all bins begin nearly equal, or ab near 0

    def forward(self, lightness: Tensor) -> Tensor:
        """B1HW, (L* - 50) / 100, sides multiples of 8, to BCHW at a quarter of the size.

        The output is 313 logits, or ab/110 where there are two channels.
        """
        feature = lightness
        for block in self.blocks:
            feature = block(feature)
        return self.head(self.up(feature))


class EncoderClassifier(EncoderDecoder):
    """A classifier of ImageNet as encoder, a decoder up to 1/4 of the size, a head.

    The network is ours. With ``tf_efficientnet_lite0``, width 20 and 313 outputs it has 4,547,705
    parameters.

    Args:
        encoder: see ``encoders.build_encoder``.
        out_channels: as ``Zhang16Generator``'s.
        width: of the decoder; see ``EncoderDecoder``.
        frozen_averages: keep the encoder's BatchNorm averages in training.
        prior: as ``Zhang16Generator``'s.

    Raises:
        UserError: timm has no such encoder.
    """

    def __init__(
        self,
        encoder: str,
        out_channels: int,
        width: int,
        frozen_averages: bool,
        prior: Tensor | None,
    ) -> None:
        super().__init__(encoder, out_channels, width, 0.0, "none", frozen_averages, OUTPUT_STRIDE)
        self.register_buffer("prior", prior)
        nn.init.normal_(self.head.weight, std=0.01)

    def forward(self, plane: Tensor) -> Tensor:
        """As ``Zhang16Generator.forward``; sides are multiples of ``stride``."""
        return super().forward(2 * plane)


def _block(before: int, after: int, count: int, stride: int, dilation: int) -> nn.Sequential:
    return nn.Sequential(
        *_convolutions(before, after, count, stride, dilation), nn.BatchNorm2d(after)
    )


def _convolutions(
    before: int, after: int, count: int, stride: int, dilation: int
) -> Iterator[nn.Module]:
    """``count`` 3x3 convolutions with ReLU, the stride at the last one."""
    for index in range(count):
        last = index == count - 1
        yield nn.Conv2d(
            after if index else before,
            after,
            3,
            stride=stride if last else 1,
            padding=dilation,
            dilation=dilation,
        )
        yield nn.ReLU()
