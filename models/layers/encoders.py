"""Pretrained image classifiers as encoders: SqueezeNet, or any model of timm."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from ...datasets.base.errors import UserError
from ...losses.pretrained.squeezenet import LEVELS, SQUEEZENET, SqueezeNet
from ...losses.pretrained.timm_features import timm_features, trained_timm_features


class Encoder(Protocol):
    """Maps BCHW in [-1,1] to feature maps, the finest first.

    Attributes:
        widths: channels of each map.
        reductions: image side over the side of each map; powers of two.
    """

    widths: tuple[int, ...]
    reductions: tuple[int, ...]

    def __call__(self, image: Tensor) -> list[Tensor]:
        """The maps."""
        ...

    def load_pretrained(self, weights: str) -> str:
        """Take over trained weights; say which, in words."""
        ...


def build_encoder(name: str, in_channels: int = 1) -> nn.Module:
    """An ``Encoder`` with fresh weights: ``squeezenet1_0``, or a model of timm by its name.

    Args:
        name: of the model.
        in_channels: 3 for RGB, or 1 for a plane that stands for three equal channels: trained
            first kernels are then summed over RGB.

    Raises:
        UserError: timm has no such model, or it gives no feature maps.
    """
    kind = SqueezeNetEncoder if name == SQUEEZENET else partial(TimmEncoder, name)
    return kind(in_channels)


def load_encoder(encoder: nn.Module, weights: str) -> str:
    """Give an ``Encoder`` trained weights: ``imagenet``, a file, or ``none``; which, in words.

    Raises:
        UserError: they cannot be had.
    """
    if weights == "none":
        return ""
    return f"encoder: {cast(Encoder, encoder).load_pretrained(weights)}"


def encoder_and_others(
    weights: Iterable[nn.Parameter], encoder: nn.Module, lr: float
) -> list[dict[str, Any]]:
    """Parameter groups of an optimiser in which an encoder learns at a rate of its own.

    Args:
        weights: all that is to learn, the encoder's among them.
        encoder: part of what they belong to.
        lr: the encoder's learning rate; the others have the optimiser's.

    Returns:
        The encoder's group and the others', each in the order of the weights.
    """
    known = list(encoder.parameters())
    own = {id(weight) for weight in known}
    others = [weight for weight in weights if id(weight) not in own]
    return [{"params": known, "lr": lr}, {"params": others}]


def averages_to_eval(encoder: nn.Module) -> None:
    """BatchNorm goes by its averages and leaves them as they are, also in training.

    Those of a trained encoder are better than what a few crops give.
    """
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def encoder_learnt_from(name: str, weights: str) -> str:
    """What an encoder has learnt from before training, for tables; "" for nothing.

    Without a file's folder, which differs between machines.
    """
    return "" if weights == "none" else f"encoder {name}: {Path(weights).name}"


class SqueezeNetEncoder(SqueezeNet):
    """SqueezeNet v1.0 up to fire9: maps at 1/2, 1/4, 1/8 and 1/16 of 96, 256, 512, 512 channels."""

    widths = (96, 256, 512, 512)
    reductions = (2, 4, 8, 16)

    def forward(self, image: Tensor) -> list[Tensor]:
        """BCHW in [-1,1], sides multiples of 16: four maps after ReLU, in units of the image."""
        maps = self.maps(image)
        return [maps[name] / LEVELS for name in ("conv1", "fire4", "fire8", "fire9")]

    def load_pretrained(self, weights: str) -> str:
        """Weights of an ImageNet classifier; see ``SqueezeNet.load_published``."""
        return self.load_published(
            weights,
            "name a file (--method.encoder-weights), take an encoder of timm (--method.encoder "
            "resnet18), or train from scratch (--method.encoder-weights none)",
        )


class TimmEncoder(nn.Module):
    """A model of timm that gives feature maps, of RGB or of one plane."""

    def __init__(self, name: str, in_channels: int = 1) -> None:
        super().__init__()
        self.name, self.in_channels = name, in_channels
        try:
            self.model = timm_features(name, in_chans=in_channels)
        except (RuntimeError, AttributeError, ValueError) as error:
            raise UserError(f"timm gives no feature maps of {name!r}: {error}") from error
        info: Any = self.model.feature_info
        self.widths, self.reductions = tuple(info.channels()), tuple(info.reduction())
        self.depthwise = any(
            module.groups == module.in_channels > 1
            for module in self.model.modules()
            if isinstance(module, nn.Conv2d)
        )
        config: Any = self.model.pretrained_cfg
        for moment in ("mean", "std"):
            value = torch.tensor(config.get(moment, (0.5,) * in_channels)).view(1, -1, 1, 1)
            value = value if in_channels > 1 else value.mean(1, keepdim=True)
            self.register_buffer(moment, value, persistent=False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """BCHW in [-1,1] to the model's maps, the finest first."""
        normalised = ((image + 1) / 2 - self.get_buffer("mean")) / self.get_buffer("std")
        if image.device.type == "cpu" and self.depthwise:
            # torch has no fast bfloat16 gradient of these convolutions on a CPU
            with torch.autocast("cpu", enabled=False):
                return self.model(normalised.to(next(self.model.parameters()).dtype))
        return self.model(normalised)

    def load_pretrained(self, weights: str) -> str:
        """timm's own weights (``imagenet``; downloaded), or those of a file.

        Raises:
            UserError: they cannot be had.
        """
        remedy = (
            "name a file (--method.encoder-weights) or train from scratch "
            "(--method.encoder-weights none)"
        )
        trained = trained_timm_features(self.name, weights, remedy, in_chans=self.in_channels)
        self.model.load_state_dict(trained.state_dict())
        return f"{weights} weights of timm's {self.name}"
