"""FID: how far the features of predictions lie from those of the truth, by two published networks.

The field uses two sets of weights, whose values do not compare: a metric's name says which.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...datasets.base.errors import UserError
from ...losses.pretrained.published_weights import PublishedFile, published_state
from ...losses.pretrained.torchvision_import import ensure_torchvision
from .image import MetricUnavailableError

Backend = Literal["tf", "tv"]

_SIDE = 299
NETWORKS: dict[Backend, PublishedFile] = {
    "tf": PublishedFile(
        "pt_inception-2015-12-05-6726825d.pth",
        "6726825d",
        "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/",
    ),
    "tv": PublishedFile("inception_v3_google-1a9a5a14.pth", "1a9a5a14"),
}
_TF_CLASSES = 1008
# the blocks with an average pooling
_AVERAGING = [f"Mixed_{name}" for name in ("5b", "5c", "5d", "6b", "6c", "6d", "6e", "7b")]
# ImageNet's mean and standard deviation, in units where black is -1 and white is 1
_SHIFT = [2 * mean - 1 for mean in (0.485, 0.456, 0.406)]
_SCALE = [2 * std for std in (0.229, 0.224, 0.225)]


def frechet_distance(features: Tensor, others: Tensor) -> float:
    """Squared Fréchet distance of two Gaussians with the sets' means and covariances, in float64.

    |m1 - m2|² + tr C1 + tr C2 - 2 tr (C1 C2)^(1/2). With C = X'X the last trace is the sum of the
    singular values of X1 X2', which needs no root of a product that is nearly singular.

    Paper: Heusel et al., GANs Trained by a Two Time-Scale Update Rule, 2017, equation 6.

    Args:
        features: N x D.
        others: M x D.

    Returns:
        At least 0; biased upwards by some 1/N, much where N is below a few thousand.

    Raises:
        UserError: a set of fewer than two.
    """
    if min(len(features), len(others)) < 2:
        raise UserError("a Fréchet distance needs at least two images of each kind")
    (mean, root), (other_mean, other_root) = (_moments(each) for each in (features, others))
    shared = torch.linalg.svdvals(root @ other_root.T).sum()
    evenly_spaced = root.square().sum() + other_root.square().sum()
    return max(0.0, ((mean - other_mean).square().sum() + evenly_spaced - 2 * shared).item())


def inception_features(image: Tensor, backend: Backend) -> Tensor:
    """The 2048 pooled features of Inception v3, (B, 2048) float32.

    Images are resized to 299 x 299 bilinearly, without smoothing, as both evaluators do.

    Args:
        image: B3HW sRGB in [0,1].
        backend: ``tf``: the weights of the original FID, as pytorch-fid publishes them, images in
            [-1,1]. ``tv``: torchvision's, with the input of CT2's and DDColor's evaluators, who
            take [0,1] for [-1,1] and so see pictures of half the contrast.

    Raises:
        MetricUnavailableError: the weights are not there, or not the published ones; never
            computed on random weights.
    """
    network = load_inception(backend, image.device)
    image = F.interpolate(image.float(), (_SIDE, _SIDE), mode="bilinear", align_corners=False)
    if backend == "tf":
        levels = 2 * image - 1
    else:
        scale, shift = (image.new_tensor(each).view(1, 3, 1, 1) for each in (_SCALE, _SHIFT))
        levels = scale * (image + 1) / 2 + shift
    # TF32 would leave three digits
    with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        return network(levels)


@functools.lru_cache(maxsize=4)
def load_inception(backend: Backend, device: torch.device) -> nn.Module:
    """The network up to its pooled features, in evaluation mode; raises as its user does."""
    try:
        state = published_state(NETWORKS[backend], download=False)
        ensure_torchvision()
        from torchvision.models import Inception3
    except (UserError, ImportError) as error:
        raise MetricUnavailableError(str(error)) from error
    with torch.device("meta"):
        options = {"num_classes": _TF_CLASSES, "aux_logits": False} if backend == "tf" else {}
        network: Any = Inception3(init_weights=False, **options)
    network.load_state_dict(state, assign=True)
    network.fc = nn.Identity()
    if backend == "tf":
        _pool_as_tensorflow(network)
    return network.to(device).eval().requires_grad_(False)


def _moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """The mean, and R with at most D rows so that R'R is the covariance; float64."""
    features = features.double()
    mean = features.mean(0)
    centred = (features - mean) / (len(features) - 1) ** 0.5
    tall = centred.shape[0] > centred.shape[1]
    return mean, torch.linalg.qr(centred, mode="r").R if tall else centred


def _pool_as_tensorflow(network: Any) -> None:
    """Average poolings leave the padding out, and the last block's pooling takes the maximum."""
    average = functools.partial(F.avg_pool2d, count_include_pad=False)
    for name in _AVERAGING:
        setattr(network, name, _Repooled(getattr(network, name), average))
    network.Mixed_7c = _Repooled(network.Mixed_7c, F.max_pool2d)


class _Repooled(nn.Module):
    """A block of Inception v3 whose last branch pools in another way."""

    def __init__(self, block: nn.Module, pool: Callable[..., Tensor]) -> None:
        super().__init__()
        self.block, self.pool = block, pool

    def forward(self, feature: Tensor) -> Tensor:
        branch = cast(nn.Module, self.block.branch_pool)
        pooled = branch(self.pool(feature, kernel_size=3, stride=1, padding=1))
        return torch.cat([self.block(feature)[:, : -pooled.shape[1]], pooled], dim=1)
