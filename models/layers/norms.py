"""Parts that several methods share."""

from __future__ import annotations

from typing import Literal

from torch import nn

from ...datasets.base.errors import UserError, unknown

Norm = Literal["batch", "instance", "group", "none"]


def norm_layer(kind: Norm, channels: int) -> nn.Module:
    """A normalisation of ``channels`` maps.

    ``group`` has 8 groups (fewer where 8 does not divide) and, like ``instance`` and ``none``,
    makes an image's result independent of its batch, in training too.

    Raises:
        UserError: unknown ``kind``.
    """
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    if kind == "instance":
        return nn.InstanceNorm2d(channels, affine=True)
    if kind == "group":
        groups = next(n for n in (8, 4, 2, 1) if channels % n == 0)
        return nn.GroupNorm(groups, channels)
    if kind == "none":
        return nn.Identity()
    raise UserError(unknown("norm", kind, Norm.__args__))


def init_normal(network: nn.Module, std: float = 0.02) -> None:
    """DCGAN's initialisation: convolutions N(0, std), BatchNorm scale N(1, std), biases 0.

    Paper: Radford et al. 2016, section 3; pix2pix, section 6.2.
    """
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0.0, std)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, std)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def init_he(network: nn.Module) -> None:
    """He's initialisation for ReLU of plain and transposed convolutions, biases 0.

    Paper: He et al. 2015, "Delving Deep into Rectifiers", section 2.2, with the fan-in of each
    output: a transposed convolution's output sees 1 in ``stride`` squared of its kernel.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        elif isinstance(module, nn.ConvTranspose2d):
            fan_in = module.weight[0, 0].numel() / (module.stride[0] * module.stride[1])
            nn.init.normal_(module.weight, std=(2 / (module.in_channels * fan_in)) ** 0.5)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
