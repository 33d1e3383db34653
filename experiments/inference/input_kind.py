"""Whether a gray picture is a photograph or was taken in near infrared, guessed by its content.

In near infrared foliage is bright, the sky and water are dark, and dyes lose their difference. The
network is fitted by ``crosschroma input-kind``; ``results/input_kind.json`` says how often it errs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from ...datasets.base.color import LUMA
from ...losses.pretrained.tensor_file import read_named_tensors
from ...losses.pretrained.timm_features import timm_features
from .picture_file import quantised
from .pixels import checked, is_colored

WEIGHTS = Path(__file__).with_name("input_kind.safetensors")
ENCODER = "tf_efficientnet_lite0"
STAGES = 5  # of the encoder's seven
SIDE = 112  # of what the network sees
MAX_ASPECT = 1.5  # of the part of the picture that is squeezed into it
SURE = 2.0  # log odds beyond which a guess counts as sure


@dataclass(frozen=True)
class Guess:
    """What a picture, or several of one kind, seem to be.

    Attributes:
        log_odds: of near infrared against a photograph, natural logarithm.
        colored: whether the picture has colours, which tell it for a photograph.
    """

    log_odds: float
    colored: bool = False

    @property
    def sure(self) -> bool:
        """Whether the odds are clear."""
        return self.colored or abs(self.log_odds) > SURE

    @property
    def domain(self) -> Literal["gray", "nir"]:
        """The input of the method that fits; ``gray`` where the odds are not clear."""
        return "nir" if self.sure and not self.colored and self.log_odds > 0 else "gray"

    @property
    def text(self) -> str:
        """The same as a sentence."""
        if self.colored:
            return "It has colours: a photograph."
        if not self.sure:
            return "Photograph or near infrared? Unclear, taken for a photograph."
        kind = "a near-infrared picture" if self.domain == "nir" else "a photograph"
        return f"It looks like {kind}."


def guess_kind(pictures: Sequence[np.ndarray]) -> Guess:
    """Guess the kind of some pictures that are all of one kind.

    Their mean log odds count by the root of their number, as a mean's error shrinks.

    Args:
        pictures: one or more, H x W or H x W x 3; uint8, uint16 or float in [0,1].

    Raises:
        DataError: one is no picture.
    """
    pictures = [checked(levels) for levels in pictures]
    if all(is_colored(levels) for levels in pictures):
        return Guess(-float("inf"), colored=True)
    views = torch.cat([kind_views(levels) for levels in pictures])
    with torch.inference_mode():
        return Guess(len(pictures) ** 0.5 * _network()(views).mean().item())


def kind_views(levels: np.ndarray) -> Tensor:
    """A picture as the network sees it, and its mirror image: 2 x 1 x 112 x 112 in [0,1]."""
    height, width = levels.shape[:2]
    side = MAX_ASPECT * min(height, width)
    rows, columns = min(height, round(side)), min(width, round(side))
    top, left = (height - rows) // 2, (width - columns) // 2
    part = levels[top : top + rows, left : left + columns]
    if part.dtype.kind == "f":
        part = part.astype(np.float32)
    part = cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    unit = quantised(part, np.dtype(np.float32))
    plane = unit if unit.ndim == 2 else unit @ np.array(LUMA, np.float32)
    return torch.from_numpy(np.stack([plane, plane[:, ::-1]]))[:, None]


class InputKindNetwork(nn.Module):
    """Statistics of the maps of an encoder, weighed by one vector.

    The encoder is EfficientNet-Lite0 up to its fifth stage, with ImageNet's weights, the weights of
    a logistic regression on the mean, the deviation and the difference between the upper and the
    lower half of each map.
    """

    def __init__(self) -> None:
        super().__init__()
        self.encoder = timm_features(ENCODER, in_chans=1, out_indices=(1, 2, 3))
        blocks = self.encoder.get_submodule("blocks")
        assert isinstance(blocks, nn.Sequential)
        self.encoder.blocks = blocks[:STAGES]
        channels = sum(self.encoder.feature_info.channels())  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]
        self.head = nn.Linear(3 * channels, 1)

    def statistics(self, planes: Tensor) -> Tensor:
        """B x 1 x H x W in [0,1], of any exposure, to B x features."""
        mean = planes.mean((2, 3), keepdim=True)
        spread = planes.std((2, 3), keepdim=True).clamp_min(1e-3)
        features = []
        for one in self.encoder((0.5 * (planes - mean) / spread).clamp(-1, 1)):
            half = one.shape[2] // 2
            upper, lower = one[:, :, :half], one[:, :, half:]
            features += [one.mean((2, 3)), one.std((2, 3)), upper.mean((2, 3)) - lower.mean((2, 3))]
        return torch.cat(features, 1)

    def forward(self, planes: Tensor) -> Tensor:
        """The log odds of near infrared, one a plane."""
        return self.head(self.statistics(planes))[:, 0]


@cache
def _network() -> InputKindNetwork:
    network = InputKindNetwork()
    network.load_state_dict(
        {name: value.float() for name, value in read_named_tensors(WEIGHTS).items()}
    )
    return network.eval()
