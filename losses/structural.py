"""Structural and angular losses between RGB images, and the smoothness of one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from ..datasets.base.errors import UserError

_WINDOW = 11
_SMOOTH = 0.01  # radians
_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang et al. 2003, section 3.2


def ms_ssim_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """1 - MS-SSIM of images in [0,1], computed in float32.

    Paper: Wang, Simoncelli and Bovik 2003, section 3: 11x11 Gaussian window (sigma 1.5) without
    padding, five scales.
    Differs: where the shorter side is at most 160 pixels the coarsest scales do not fit; they are
    left out and the weights of the others made to sum to 1 (a 128-pixel crop has four).

    Args:
        prediction: BCHW.
        target: BCHW.

    Returns:
        Scalar.

    Raises:
        UserError: images of 10 pixels or fewer.
    """
    shorter = min(target.shape[-2:])
    weights = [w for level, w in enumerate(_SCALE_WEIGHTS) if (_WINDOW - 1) << level < shorter]
    if not weights:
        raise UserError(f"MS-SSIM needs images of more than {_WINDOW - 1} pixels, not {shorter}")
    x, y = prediction.float(), target.float()
    product = x.new_ones(())
    for level, weight in enumerate(weights):
        luminance, contrast = _similarity(x, y, _gaussian)
        last = level == len(weights) - 1
        scale = (luminance * contrast if last else contrast).mean((2, 3))
        product = product * scale.clamp_min(1e-6) ** (weight / sum(weights))
        if not last:
            x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
    return 1 - product.mean()


def ssim_loss(prediction: Tensor, target: Tensor, window: int = 7) -> Tensor:
    """1 - SSIM of images in [0,1] with a uniform window, computed in float32.

    Paper: Wang et al. 2004, section 3, with the 7x7 uniform window and sample covariance that the
    VCIP table is scored with (scikit-image's default).

    Args:
        prediction: BCHW, at least ``window`` pixels high and wide.
        target: BCHW.
        window: side of the window.

    Returns:
        Scalar.
    """
    blur = partial(F.avg_pool2d, kernel_size=window, stride=1)
    unbiased = window**2 / (window**2 - 1)
    luminance, contrast = _similarity(prediction.float(), target.float(), blur, unbiased)
    return 1 - (luminance * contrast).mean()


def angular_loss(prediction: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Mean of 1 - cos of the angle between RGB vectors: what AE measures, smooth at 0.

    Args:
        prediction: B3HW in [0,1].
        target: B3HW in [0,1]. Black pixels have no direction and count with cos = 0.
        valid: B1HW {0,1}; pixels that count. ``None`` counts all.

    Returns:
        Scalar; 0 when no pixel counts.
    """
    return _mean(1 - _cosine(prediction, target), valid)


def chord_loss(prediction: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Mean distance between RGB vectors of length 1: nearly the angle itself, in radians.

    AE is the mean angle. ``angular_loss`` grows with its square, which leaves the many small
    angles of an image alone. Below 0.01 radians (0.6 degrees) this one is smooth, too.

    Args:
        prediction: B3HW in [0,1].
        target: B3HW in [0,1]. Black pixels have no direction and count as right angles.
        valid: B1HW {0,1}; pixels that count. ``None`` counts all.

    Returns:
        Scalar, 0.01 at least; 0 when no pixel counts.
    """
    squared = 2 - 2 * _cosine(prediction, target)
    return _mean((squared.clamp_min(0) + _SMOOTH**2).sqrt(), valid)


def _cosine(prediction: Tensor, target: Tensor) -> Tensor:
    return F.cosine_similarity(prediction.float(), target.float(), dim=1, eps=1e-4)


def _mean(error: Tensor, valid: Tensor | None) -> Tensor:
    if valid is None:
        return error.mean()
    weight = valid[:, 0]
    return (error * weight).sum() / weight.sum().clamp(min=1)


def total_variation(image: Tensor) -> Tensor:
    """Mean absolute difference of neighbours, along rows plus along columns: 0 for a flat image.

    Paper: Rudin, Osher and Fatemi 1992, section 2, in its anisotropic form; the mean keeps the
    weight independent of the size.

    Args:
        image: BCHW of any range; an axis of one pixel has no neighbours and counts 0.

    Returns:
        Scalar.
    """
    steps = (image.diff(dim=axis).abs() for axis in (-1, -2) if image.shape[axis] > 1)
    return sum((step.mean() for step in steps), image.new_zeros(()))


def channel_cosine_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """1 - mean cosine between feature vectors at every place, BCHW of any range."""
    return 1 - F.cosine_similarity(prediction, target, dim=1, eps=1e-6).mean()


def _similarity(
    x: Tensor, y: Tensor, blur: Callable[[Tensor], Tensor], unbiased: float = 1.0
) -> tuple[Tensor, Tensor]:
    """SSIM's luminance term, and its contrast and structure terms as one, at every window."""
    mean_x, mean_y = blur(x), blur(y)
    var_x = unbiased * (blur(x * x) - mean_x.square())
    var_y = unbiased * (blur(y * y) - mean_y.square())
    covariance = unbiased * (blur(x * y) - mean_x * mean_y)
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x.square() + mean_y.square() + c1)
    return luminance, (2 * covariance + c2) / (var_x + var_y + c2)


def _gaussian(image: Tensor) -> Tensor:
    """Means under an 11x11 Gaussian window of sigma 1.5, where it fits; float32 under autocast."""
    offsets = torch.arange(_WINDOW, device=image.device) - _WINDOW // 2
    weights = torch.exp(-offsets.square() / (2 * 1.5**2))
    weights = (weights / weights.sum()).to(image.dtype)
    columns = weights.view(1, 1, -1, 1).expand(image.shape[1], -1, -1, -1)
    with torch.autocast(image.device.type, enabled=False):
        image = F.conv2d(image, columns, groups=len(columns))
        return F.conv2d(image, columns.transpose(2, 3), groups=len(columns))
