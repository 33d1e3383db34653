"""LPIPS: the network of the published metric, and the metric as a loss."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from ..datasets.base.errors import UserError, unknown
from .pretrained.published_weights import PublishedFile, published_state
from .pretrained.torchvision_import import ensure_torchvision
from .trained import TrainedLoss

BACKBONES = {
    "alex": PublishedFile("alexnet-owt-7be5be79.pth", "7be5be79"),
    "squeeze": PublishedFile("squeezenet1_1-b8a52dc0.pth", "b8a52dc0"),
    "vgg": PublishedFile("vgg16-397923af.pth", "397923af"),
}


def lpips_network(net: str) -> nn.Module:
    """The lpips package's network, version 0.1, frozen, with torchvision's ImageNet weights.

    Its forward takes two B3HW images and, with ``normalize=True``, scales them from [0,1].

    Args:
        net: ``alex``, ``squeeze`` or ``vgg``.

    Raises:
        UserError: an unknown ``net``; the package or the backbone's weights are missing, or these
            are not the published ones; never made with random weights.
    """
    if net not in BACKBONES:
        raise UserError(unknown("LPIPS backbone", net, BACKBONES))
    state = published_state(BACKBONES[net])
    try:
        ensure_torchvision()
        from lpips import LPIPS
    except ImportError as error:
        raise UserError(f"a package is missing: {error}; pip install lpips") from error
    # The package would load the backbone as a pickle that may run code, or ask the network for it.
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore", UserWarning)  # it calls torchvision by old argument names
        model: Any = LPIPS(net=net, pnet_rand=True, verbose=False)
    names = {name: "features." + name.partition(".")[2] for name in model.net.state_dict()}
    model.net.load_state_dict({name: state[source] for name, source in names.items()})
    return model.eval().requires_grad_(False)


class LpipsLoss(TrainedLoss):
    """The mean LPIPS distance of images, version 0.1.

    Paper: Zhang et al., The Unreasonable Effectiveness of Deep Features, CVPR 2018, section 3.

    Args:
        net: ``alex`` (the metric's usual one), ``squeeze`` or ``vgg`` (the paper's advice for
            optimisation). A method trained by the net that it is scored with scores too well.
    """

    def __init__(self, net: str = "vgg") -> None:
        super().__init__()
        self.net = net
        self.network: nn.Module | None = None

    def load(self) -> str:
        self.network = lpips_network(self.net)
        return f"LPIPS loss: ImageNet weights of {BACKBONES[self.net].file}"

    def forward(self, rgb_hat: Tensor, rgb: Tensor) -> Tensor:
        """Mean distance, a scalar from 0.

        Args:
            rgb_hat: B3HW sRGB in [0,1], at least 32 x 32.
            rgb: the same shape.

        Raises:
            UserError: ``load`` was not called.
        """
        if self.network is None:
            raise UserError("LPIPS loss: its weights are loaded where training starts; call load()")
        return self.network(rgb_hat.float(), rgb.float(), normalize=True).mean()
