"""Whether a classifier trained on colour photographs still knows what a picture shows."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...datasets.base.errors import UserError
from ...losses.pretrained.published_weights import PublishedFile, published_state
from ...losses.pretrained.torchvision_import import ensure_torchvision
from .image import MetricUnavailableError

WEIGHTS = PublishedFile("vgg16-397923af.pth", "397923af")
_CLASS = re.compile(r"(?:^|/)(n\d{8})(?:/|_)")  # n01440764/... and n01440764_18.JPEG
_SHORT_SIDE, _CROP = 256, 224
_MEAN, _STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def vgg_top1(keys: Sequence[str], image: Tensor) -> Tensor:
    """100 where VGG-16 ranks the true class of ImageNet first, else 0; (B,), higher is better.

    The shorter side is brought to 256 pixels (bilinearly, smoothed where it shrinks) and the
    middle 224 x 224 are classified. On the photographs themselves torchvision's VGG-16 scores 71.6
    over ImageNet's validation images.

    Paper: Zhang, Isola and Efros 2016, section 3.1, "semantic interpretability".
    Differs: torchvision's weights, where the paper has Caffe's (68.3 on its photographs).

    Args:
        keys: B keys; a folder or the file name tells the class, as n01440764.
        image: B3HW sRGB in [0,1].

    Raises:
        MetricUnavailableError: a key names no class of ImageNet; or the weights are not there, or
            not the published ones.
    """
    names = [_class_name(key) for key in keys]  # first: no weights would mend a lack of classes
    network = load_vgg(image.device)
    true = torch.tensor([_number_of(name) for name in names], device=image.device)
    image = _resized(image.float())
    mean, std = (image.new_tensor(each).view(1, 3, 1, 1) for each in (_MEAN, _STD))
    with torch.no_grad():
        logits = network((image - mean) / std)
    return 100 * (logits.argmax(1) == true).double()


@functools.lru_cache(maxsize=2)
def load_vgg(device: torch.device) -> nn.Module:
    """VGG-16 in evaluation mode; raises as its user does."""
    try:
        state = published_state(WEIGHTS, download=False)
        ensure_torchvision()
        from torchvision.models import vgg16
    except (UserError, ImportError) as error:
        raise MetricUnavailableError(str(error)) from error
    with torch.device("meta"):
        network = vgg16(init_weights=False)
    network.load_state_dict(state, assign=True)
    return network.to(device).eval().requires_grad_(False)


def _resized(image: Tensor) -> Tensor:
    height, width = image.shape[-2:]
    scale = _SHORT_SIDE / min(height, width)
    size = round(scale * height), round(scale * width)
    if size != (height, width):
        image = F.interpolate(image, size, mode="bilinear", antialias=True).clamp(0, 1)
    top, left = ((side - _CROP) // 2 for side in size)
    return image[..., top : top + _CROP, left : left + _CROP]


def _class_name(key: str) -> str:
    match = _CLASS.search(key)
    if match is None:
        raise MetricUnavailableError(
            "the images' paths name no class of ImageNet; it takes one folder a class, such as "
            "n01440764"
        )
    return match[1]


def _number_of(name: str) -> int:
    if name not in _classes():
        raise MetricUnavailableError(f"{name} is none of the 1000 classes of ILSVRC 2012")
    return _classes()[name]


@functools.cache
def _classes() -> dict[str, int]:
    """WordNet's number of each of the 1000 classes -> its place among the network's outputs."""
    ensure_torchvision()
    from timm.data.imagenet_info import ImageNetInfo

    names = ImageNetInfo("imagenet-1k").label_names()
    return {name: number for number, name in enumerate(names)}
