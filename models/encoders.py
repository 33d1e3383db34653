"""Pretrained image classifiers as encoders of one plane: SqueezeNet, or any model of timm."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..datasets.errors import UserError
from ..losses.torchvision_ops import ensure_torchvision

SQUEEZENET = "squeezenet1_0"
_SQUEEZENET_FILE = "weights/squeezenet1_0_imagenet_fp16.npz"
# squeeze and expand channels of fire2 to fire9; pooling comes before fire2, 5 and 9
_FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
_POOLED_BEFORE = (0, 3, 7)


class Encoder(Protocol):
    """Maps B1HW in [-1,1] to feature maps, the finest first.

    Attributes:
        widths: channels of each map.
        reductions: image side over the side of each map; powers of two.
    """

    widths: tuple[int, ...]
    reductions: tuple[int, ...]

    def __call__(self, plane: Tensor) -> list[Tensor]:
        """The maps."""
        ...

    def load_pretrained(self, weights: str) -> str:
        """Take over trained weights; say which, in words."""
        ...


def build_encoder(name: str) -> nn.Module:
    """An ``Encoder`` with fresh weights: ``squeezenet1_0``, or a model of timm by its name.

    Raises:
        UserError: timm has no such model, or it gives no feature maps.
    """
    return SqueezeNetEncoder() if name == SQUEEZENET else TimmEncoder(name)


class SqueezeNetEncoder(nn.Module):
    """SqueezeNet v1.0 up to fire9: maps at 1/2, 1/4, 1/8 and 1/16 of 96, 256, 512, 512 channels.

    Paper: Iandola et al. 2016, section 3.3. Differs: convolution and pooling are padded so that
    every map has exactly its fraction of the size.
    """

    widths = (96, 256, 512, 512)
    reductions = (2, 4, 8, 16)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 96, 7, 2, 3)
        inputs = [96, *(2 * expand for _, expand in _FIRES)]
        self.fires = nn.ModuleList(
            _Fire(width, squeeze, expand)
            for width, (squeeze, expand) in zip(inputs, _FIRES, strict=False)
        )

    def forward(self, plane: Tensor) -> list[Tensor]:
        """B1HW in [-1,1], sides multiples of 16: four maps after ReLU."""
        feature = F.relu(self.conv1(127.5 * plane))
        maps = []
        for index, fire in enumerate(self.fires):
            if index in _POOLED_BEFORE:
                maps.append(feature)
                feature = F.max_pool2d(feature, 3, 2, 1)
            feature = fire(feature)
        return [*maps, feature]

    def load_pretrained(self, weights: str) -> str:
        """Weights of an ImageNet classifier on BGR 0-255 minus (104, 117, 123), from an npz file.

        A plane stands for its three equal channels, so the first kernels are summed over them.

        Args:
            weights: the file, or ``imagenet`` for the one below ``$CROSSCHROMA_DATA``.

        Raises:
            UserError: no such file, or not these weights.
        """
        default = Path(os.environ.get("CROSSCHROMA_DATA", "data")) / _SQUEEZENET_FILE
        path = default if weights == "imagenet" else Path(weights)
        if not path.is_file():
            raise UserError(
                f"no SqueezeNet weights at {path}; name a file (--method.encoder-weights), take an "
                "encoder of timm (--method.encoder resnet18), or train from scratch "
                "(--method.encoder-weights none)"
            )
        try:
            with np.load(path) as file:
                given = {name: torch.from_numpy(file[name]).float() for name in file.files}
            first = given["conv1.weight"]
            offset = 127.5 - torch.tensor([104.0, 117.0, 123.0])
            state = {
                "conv1.weight": first.sum(1, keepdim=True),
                "conv1.bias": given["conv1.bias"] + (first.sum((2, 3)) * offset).sum(1),
            }
            parts = {"conv1x1_1": "squeeze", "conv1x1_2": "expand1", "conv3x3_2": "expand3"}
            for index in range(len(_FIRES)):
                for theirs, ours in parts.items():
                    for kind in ("weight", "bias"):
                        name = f"fire{index + 2}/{theirs}.{kind}"
                        state[f"fires.{index}.{ours}.{kind}"] = given[name]
            self.load_state_dict(state)
        except (KeyError, ValueError, RuntimeError, OSError) as error:
            raise UserError(f"{path} holds no SqueezeNet v1.0 weights: {error}") from error
        return f"ImageNet weights of {path.name}"


class _Fire(nn.Module):
    def __init__(self, in_channels: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(in_channels, squeeze, 1)
        self.expand1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.squeeze(x))
        return F.relu(torch.cat([self.expand1(x), self.expand3(x)], dim=1))


class TimmEncoder(nn.Module):
    """A model of timm that gives feature maps; its first kernels are summed over RGB."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        try:
            self.model = _timm(name)
        except (RuntimeError, AttributeError, ValueError) as error:
            raise UserError(f"timm gives no feature maps of {name!r}: {error}") from error
        info: Any = self.model.feature_info
        self.widths, self.reductions = tuple(info.channels()), tuple(info.reduction())
        config: Any = self.model.pretrained_cfg
        self.mean = float(np.mean(config.get("mean", (0.5,))))
        self.std = float(np.mean(config.get("std", (0.5,))))

    def forward(self, plane: Tensor) -> list[Tensor]:
        """B1HW in [-1,1] to the model's maps, the finest first."""
        return self.model(((plane + 1) / 2 - self.mean) / self.std)

    def load_pretrained(self, weights: str) -> str:
        """timm's own weights (``imagenet``; downloaded), or those of a file.

        Raises:
            UserError: they cannot be had.
        """
        overlay = {} if weights == "imagenet" else {"file": weights}
        try:
            trained = _timm(self.name, pretrained=True, pretrained_cfg_overlay=overlay)
        except Exception as error:  # the hub's, the network's and the file's own
            raise UserError(
                f"weights {weights} of timm's {self.name} cannot be had: {error}; name a file "
                "(--method.encoder-weights) or train from scratch (--method.encoder-weights none)"
            ) from error
        self.model.load_state_dict(trained.state_dict())
        return f"{weights} weights of timm's {self.name}"


def _timm(name: str, **options: Any) -> nn.Module:
    ensure_torchvision()
    import timm

    return timm.create_model(name, features_only=True, in_chans=1, **options)
