"""LPIPS, with the published backbone weights or not at all."""

from __future__ import annotations

import functools
import hashlib
import os
import socket
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..losses.torchvision_ops import ensure_torchvision
from .metrics_image import MetricUnavailableError

_URL = "https://download.pytorch.org/models/"
_TIMEOUT_S = 10
# as results print it: the same on every machine
_FOLDER = "$TORCH_HOME/hub/checkpoints/ (TORCH_HOME is ~/.cache/torch unless set)"


class Backbone(NamedTuple):
    """An ImageNet network's file, by torchvision's name, and the first digits of its SHA-256."""

    file: str
    sha256: str


BACKBONES = {
    "alex": Backbone("alexnet-owt-7be5be79.pth", "7be5be79"),
    "squeeze": Backbone("squeezenet1_1-b8a52dc0.pth", "b8a52dc0"),
    "vgg": Backbone("vgg16-397923af.pth", "397923af"),
}


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
    model = load(net, prediction.device)
    # TF32 would leave three digits
    with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        return model(prediction.float(), target.float(), normalize=True).flatten()


@functools.lru_cache(maxsize=4)
def load(net: str, device: torch.device) -> torch.nn.Module:
    """The LPIPS network on ``device``, in evaluation mode; raises as ``lpips`` does."""
    state = _backbone_state(BACKBONES[net])
    try:
        ensure_torchvision()
        from lpips import LPIPS
    except ImportError as error:
        raise MetricUnavailableError(f"a package is missing: {error}; pip install lpips") from error
    # The package would load the backbone as a pickle that may run code, or ask the network for it.
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore", UserWarning)  # it calls torchvision by old argument names
        model: Any = LPIPS(net=net, pnet_rand=True, verbose=False)
    names = {name: "features." + name.partition(".")[2] for name in model.net.state_dict()}
    model.net.load_state_dict({name: state[source] for name, source in names.items()})
    return model.to(device).eval().requires_grad_(False)


def _backbone_state(backbone: Backbone) -> dict[str, Tensor]:
    path = Path(torch.hub.get_dir()) / "checkpoints" / backbone.file
    if not path.is_file():
        _download(backbone, path)
    if not _sha256(path).startswith(backbone.sha256):
        raise MetricUnavailableError(
            f"{backbone.file} in {_FOLDER} is not the published file (its SHA-256 does not "
            f"begin with {backbone.sha256}); replace it by {_URL}{backbone.file}"
        )
    return torch.load(path, map_location="cpu", weights_only=True)


def _download(backbone: Backbone, path: Path) -> None:
    url = _URL + backbone.file
    remedy = f"no {backbone.file} in {_FOLDER}; put {url} there"
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        raise MetricUnavailableError(f"{remedy}, or unset HF_HUB_OFFLINE to have it downloaded")
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_S)  # torch.hub sets none: a silent firewall would hang us
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), backbone.sha256, progress=False)
    except (OSError, RuntimeError) as error:  # URLError is an OSError; RuntimeError: wrong hash
        raise MetricUnavailableError(f"{remedy} (download failed: {error})") from error
    finally:
        socket.setdefaulttimeout(timeout)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
