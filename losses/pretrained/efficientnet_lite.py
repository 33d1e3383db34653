"""EfficientNet-Lite as the finest features first, without timm: what shipped weights need.

timm has the same networks; importing it, with torchvision, takes longer than importing torch, so
that one picture would wait for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch.nn.functional as F
from torch import Tensor, nn

# name -> factors on widths and on depths
_FACTORS = MappingProxyType(
    {
        "tf_efficientnet_lite0": (1.0, 1.0),
        "tf_efficientnet_lite1": (1.0, 1.1),
        "tf_efficientnet_lite2": (1.1, 1.2),
        "tf_efficientnet_lite3": (1.2, 1.4),
        "tf_efficientnet_lite4": (1.4, 1.8),
    }
)
# blocks, kernel, stride, factor of the expansion, width of each stage
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM = 32
_EPS = 1e-3  # of its norms
NAMES = tuple(_FACTORS)


@dataclass(frozen=True)
class MapSizes:
    """Of the maps that a network returns, the finest first."""

    widths: tuple[int, ...]
    reductions: tuple[int, ...]

    def channels(self) -> list[int]:
        """Channels of each, as timm names them."""
        return list(self.widths)

    def reduction(self) -> list[int]:
        """Image side over the side of each."""
        return list(self.reductions)


class EfficientNetLite(nn.Module):
    """The maps at 1/2, 1/4, 1/8, 1/16 and 1/32 of EfficientNet-Lite, each before its next halving.

    Names of parameters, values, and the random numbers that the fresh weights take are those of
    timm's ``create_model(name, features_only=True)``.

    Paper: Tan and Le 2019 (EfficientNet), section 4; the Lite form is TensorFlow's: ReLU6, no
    squeeze and excitation, stem and head of a fixed width.

    Args:
        name: of ``NAMES``.
        in_chans: planes of the input.
        out_indices: which of the five maps are returned.

    Attributes:
        feature_info: sizes of these maps.
        pretrained_cfg: mean and deviation, of inputs in [0,1], that published weights were
            trained with.
    """

    def __init__(
        self, name: str, in_chans: int = 3, out_indices: Sequence[int] = (0, 1, 2, 3, 4)
    ) -> None:
        super().__init__()
        self.conv_stem = _SameConv2d(in_chans, _STEM, 3, stride=2)
        self.bn1 = nn.BatchNorm2d(_STEM, eps=_EPS)
        for _ in range(2):  # timm's builder tries a layer here: the same random numbers go
            nn.Conv2d(8, 8, 1)
        stages, ends = _stages(*_FACTORS[name])
        self.blocks = nn.Sequential(*stages)
        self.ends = [ends[index] for index in out_indices]
        self.feature_info = MapSizes(
            tuple(_rounded(_STAGES[end][-1] * _FACTORS[name][0]) for end in self.ends),
            tuple(2 ** (index + 1) for index in out_indices),
        )
        self.pretrained_cfg = {"mean": (0.5,) * 3, "std": (0.5,) * 3}
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = math.prod(module.kernel_size) * module.out_channels // module.groups
                nn.init.normal_(module.weight, 0, math.sqrt(2 / fan_out))

    def forward(self, image: Tensor) -> list[Tensor]:
        """B x in_chans x H x W to the maps."""
        x = F.relu6(self.bn1(self.conv_stem(image)), inplace=True)
        maps = []
        for number, stage in enumerate(self.blocks):
            x = stage(x)
            if number in self.ends:
                maps.append(x)
        return maps


def _stages(width: float, depth: float) -> tuple[list[nn.Sequential], list[int]]:
    """The stages, and the last stage of each size."""
    stages: list[nn.Sequential] = []
    ends: list[int] = []
    channels = _STEM
    for number, (blocks, kernel, stride, factor, out) in enumerate(_STAGES):
        if stride > 1:
            ends.append(number - 1)
        scaled = blocks if number in (0, len(_STAGES) - 1) else math.ceil(blocks * depth)
        layers: list[nn.Module] = []
        for block in range(scaled):
            kind = _Inverted if factor > 1 else _Separable
            layers.append(kind(channels, _rounded(out * width), kernel, 1 if block else stride))
            channels = _rounded(out * width)
        stages.append(nn.Sequential(*layers))
    return stages, [*ends, len(_STAGES) - 1]


def _rounded(width: float) -> int:
    """To a multiple of 8, at most a tenth less."""
    multiple = max(8, int(width + 4) // 8 * 8)
    return multiple + 8 if multiple < 0.9 * width else multiple


class _SameConv2d(nn.Conv2d):
    """Without bias; pads as TensorFlow does: where the sum is odd, one more below and right."""

    def __init__(
        self, channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        padding = (kernel - 1) // 2 if stride == 1 else 0
        super().__init__(channels, out, kernel, stride, padding, groups=groups, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        """BCHW."""
        if self.stride[0] > 1:
            missing = [
                kernel - stride + (-side) % stride
                for side, kernel, stride in zip(
                    input.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True
                )
            ]
            input = F.pad(input, [side for m in missing for side in (m // 2, m - m // 2)])
        return super().forward(input)


class _Separable(nn.Module):
    """A depthwise convolution and a linear 1x1 one."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.skips = stride == 1 and channels == out
        self.conv_dw = _SameConv2d(channels, channels, kernel, stride, groups=channels)
        self.bn1 = nn.BatchNorm2d(channels, eps=_EPS)
        self.conv_pw = _SameConv2d(channels, out, 1)
        self.bn2 = nn.BatchNorm2d(out, eps=_EPS)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self.bn1(self.conv_dw(x)), inplace=True)
        y = self.bn2(self.conv_pw(y))
        return y + x if self.skips else y


class _Inverted(nn.Module):
    """Six times the channels by a 1x1 convolution, a depthwise one, and a linear 1x1 one."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = 6 * channels
        self.skips = stride == 1 and channels == out
        self.conv_pw = _SameConv2d(channels, wide, 1)
        self.bn1 = nn.BatchNorm2d(wide, eps=_EPS)
        self.conv_dw = _SameConv2d(wide, wide, kernel, stride, groups=wide)
        self.bn2 = nn.BatchNorm2d(wide, eps=_EPS)
        self.conv_pwl = _SameConv2d(wide, out, 1)
        self.bn3 = nn.BatchNorm2d(out, eps=_EPS)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self.bn1(self.conv_pw(x)), inplace=True)
        y = F.relu6(self.bn2(self.conv_dw(y)), inplace=True)
        y = self.bn3(self.conv_pwl(y))
        return y + x if self.skips else y
