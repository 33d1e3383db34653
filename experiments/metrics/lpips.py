"""LPIPS, with the published backbone weights or not at all."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from ...datasets.base.errors import UserError
from ...losses.lpips import lpips_network
from .image import MetricUnavailableError


def lpips(prediction: Tensor, target: Tensor, net: str) -> Tensor:
    """Learned perceptual distance, version 0.1, (B,); range from 0 (rarely above 1), lower better.

    By the lpips package on images scaled to [-1,1], in float32, with the ImageNet weights of
    torchvision. Values of different backbones do not compare; ``alex`` is the usual one.

    Paper: Zhang et al., The Unreasonable Effectiveness of Deep Features, CVPR 2018.

    Args:
        prediction: B3HW sRGB in [0,1], at least 32 x 32.
        target: the same shape.
        net: ``alex``, ``squeeze`` or ``vgg``.

    Raises:
        MetricUnavailableError: when the package or the backbone's weights are missing or are not
            the published ones; never computed on random weights.
    """
    model = load_lpips(net, prediction.device)
    # TF32 would leave three digits
    with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        return model(prediction.float(), target.float(), normalize=True).flatten()


@functools.lru_cache(maxsize=4)
def load_lpips(net: str, device: torch.device) -> torch.nn.Module:
    """The LPIPS network on ``device``, in evaluation mode; raises as ``lpips`` does."""
    try:
        return lpips_network(net).to(device)
    except UserError as error:
        raise MetricUnavailableError(str(error)) from error
