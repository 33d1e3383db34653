"""SqueezeNet v1.0 and its ImageNet weights: small enough to come with the data."""

from __future__ import annotations

import os
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...datasets.base.errors import UserError
from .tensor_file import read_named_tensors

SQUEEZENET = "squeezenet1_0"
LEVELS = 127.5  # it was trained on levels of 0 to 255, of which [-1,1] is given
_FILE = "weights/squeezenet1_0_imagenet_fp16.npz"
# squeeze and expand channels of fire2 to fire9; pooling comes before fire2, 5 and 9
_FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
_POOLED_BEFORE = ("fire2", "fire5", "fire9")


class SqueezeNet(nn.Module):
    """SqueezeNet v1.0 up to fire9, of RGB or of a plane that stands for three equal channels.

    Paper: Iandola et al. 2016, section 3.3. Differs: convolution and pooling are padded so that
    every map has exactly its fraction of the size; no classifier.

    Args:
        in_channels: 1 or 3 (RGB).
    """

    def __init__(self, in_channels: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 96, 7, 2, 3)
        inputs = [96, *(2 * expand for _, expand in _FIRES)]
        self.fires = nn.ModuleList(
            _Fire(width, squeeze, expand)
            for width, (squeeze, expand) in zip(inputs, _FIRES, strict=False)
        )

    def maps(self, image: Tensor) -> dict[str, Tensor]:
        """The feature maps of an image.

        Args:
            image: BCHW in [-1,1].

        Returns:
            After ReLU: ``conv1`` at 1/2 of the size, ``fire2`` to ``fire4`` at 1/4, ``fire5`` to
            ``fire8`` at 1/8, ``fire9`` at 1/16, of 96, 128, 128, 256, 256, 384, 384, 512 and 512
            channels.
        """
        maps = {"conv1": F.relu(self.conv1(LEVELS * image))}
        feature = maps["conv1"]
        for number, fire in enumerate(self.fires, start=2):
            name = f"fire{number}"
            if name in _POOLED_BEFORE:
                feature = F.max_pool2d(feature, 3, 2, 1)
            feature = maps[name] = fire(feature)
        return maps

    def load_published(self, weights: str, remedy: str) -> str:
        """Weights of an ImageNet classifier on BGR 0-255 minus (104, 117, 123), from an npz file.

        For a plane the first kernels are summed over the channels.

        Args:
            weights: the file, or ``imagenet`` for the one below ``$CROSSCHROMA_DATA``.
            remedy: what to do where it is missing, for the error.

        Returns:
            Which, in words.

        Raises:
            UserError: no such file, or not these weights.
        """
        default = Path(os.environ.get("CROSSCHROMA_DATA", "data")) / _FILE
        path = default if weights == "imagenet" else Path(weights)
        if not path.is_file():
            raise UserError(f"no SqueezeNet weights at {path}; {remedy}")
        try:
            tensors = {n: tensor.float() for n, tensor in read_named_tensors(path).items()}
            self.load_state_dict(self._state(tensors))
        except (KeyError, ValueError, RuntimeError, IndexError) as error:
            raise UserError(f"{path} holds no SqueezeNet v1.0 weights: {error}") from error
        return f"ImageNet weights of {path.name}"

    def _state(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        first = weights["conv1.weight"]
        offset = LEVELS - torch.tensor([104.0, 117.0, 123.0])
        plane = self.conv1.in_channels == 1
        state = {
            "conv1.weight": first.sum(1, keepdim=True) if plane else first.flip(1),
            "conv1.bias": weights["conv1.bias"] + (first.sum((2, 3)) * offset).sum(1),
        }
        parts = {"conv1x1_1": "squeeze", "conv1x1_2": "expand1", "conv3x3_2": "expand3"}
        for index in range(len(_FIRES)):
            for theirs, ours in parts.items():
                for kind in ("weight", "bias"):
                    name = f"fire{index + 2}/{theirs}.{kind}"
                    state[f"fires.{index}.{ours}.{kind}"] = weights[name]
        return state


class _Fire(nn.Module):
    def __init__(self, in_channels: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(in_channels, squeeze, 1)
        self.expand1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.squeeze(x))
        return F.relu(torch.cat([self.expand1(x), self.expand3(x)], dim=1))
