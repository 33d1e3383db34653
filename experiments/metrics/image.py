"""Pixel errors and structural similarity, per image.

Every function takes ``prediction, target`` as float64 B3HW sRGB in [0,1] and gives a ``Tensor`` of
shape (B,). Channels and pixels count alike. ``metrics.METRICS`` lists them under their names.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

PSNR_CAP_DB = 100.0
_C1, _C2 = 0.01**2, 0.03**2  # K1 = .01 and K2 = .03 for a data range of 1
_WINDOW = 7


class MetricUnavailableError(Exception):
    """A metric cannot be computed here; the text says why and what would help."""


def mse(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean squared error over channels and pixels; range [0,1], lower is better."""
    return (prediction - target).square().mean(dim=(1, 2, 3))


def rmse(prediction: Tensor, target: Tensor) -> Tensor:
    """Root of the image's MSE; range [0,1], lower is better. The root is taken per image."""
    return mse(prediction, target).sqrt()


def mae(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error over channels and pixels; range [0,1], lower is better.

    Some reports print it as "AE"; here AE is only ever the angle of ``angular_error``.
    """
    return (prediction - target).abs().mean(dim=(1, 2, 3))


def psnr(prediction: Tensor, target: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB; range [0, 100] for images in [0,1], higher is better.

    -10 log10 of the image's MSE, which equals -20 log10 of its RMSE. A table's figure is the mean
    of the images' dB values, not the PSNR of the mean MSE. Equal images would be infinite; values
    are capped at 100 dB, below which any two 8-bit images stay that differ by 1/255 in more than
    about one value of 150,000, so that means stay finite.

    A negative PSNR needs an RMSE above the peak, which two clipped images cannot have: it is a
    slip in the formula. Errors in 0-255 with a peak of 1 give -34 dB where 13.7 dB is right. A
    report of -150 dB comes from the natural logarithm in place of log10 together with a squared
    error that was summed over the images instead of averaged: RMSE 0.206, -10 ln(sum over 450
    images of 256 x 256) = -151.
    """
    floor = 10 ** (-PSNR_CAP_DB / 10)
    return -10 * mse(prediction, target).clamp_min(floor).log10()


def with_tone_of(prediction: Tensor, target: Tensor) -> Tensor:
    """The prediction with the tone of the target: B3HW in [0,1].

    In each channel the line over the prediction's values that is nearest to the target's (least
    squares, one gain and one offset for the image), cut to [0,1]. What error is left is of the
    colours within the picture; what is gone was exposure and white balance of the whole of it.
    """
    p, t = prediction.flatten(2), target.flatten(2)
    p_mean, t_mean = p.mean(2, keepdim=True), t.mean(2, keepdim=True)
    covariance = ((p - p_mean) * (t - t_mean)).mean(2, keepdim=True)
    variance = (p - p_mean).square().mean(2, keepdim=True)
    # without variance there is no slope to be found, and the offset is all
    slope = torch.where(variance > 0, covariance / variance.clamp_min(1e-12), 0)
    return (t_mean + slope * (p - p_mean)).clamp(0, 1).view_as(prediction)


def accuracy(prediction: Tensor, target: Tensor) -> Tensor:
    """Share of pixels that are close in RGB: maximum norm below .14 and Euclidean below .17.

    Range [0,1], higher is better; both norms are of the RGB difference in [0,1].
    """
    difference = (prediction - target).abs()
    close = (difference.amax(1) < 0.14) & (difference.square().sum(1).sqrt() < 0.17)
    return close.to(prediction.dtype).mean(dim=(1, 2))


def ssim(prediction: Tensor, target: Tensor) -> Tensor:
    """Structural similarity with an 11 x 11 Gaussian window, sigma 1.5; range [-1,1], higher.

    By pytorch-msssim: data range 1, K = (.01, .03), population covariance, windows inside the
    image only, mean over the window positions and RGB. Needs 11 x 11 pixels.

    Paper: Wang et al., Image Quality Assessment, IEEE TIP 2004.

    Raises:
        MetricUnavailableError: when pytorch-msssim is not installed.
    """
    try:
        import pytorch_msssim
    except ImportError as error:
        raise MetricUnavailableError(
            "the package pytorch-msssim is not installed; pip install pytorch-msssim"
        ) from error
    # A CPU convolves float64 at a fifth of the speed, and float32 is 1e-5 off at most; a GPU may
    # convolve float32 as TF32, whose 1e-3 is as large as K2² and as the variance of flat regions.
    dtype = torch.float32 if prediction.device.type == "cpu" else torch.float64
    pair = prediction.to(dtype), target.to(dtype)
    return pytorch_msssim.ssim(*pair, data_range=1.0, size_average=False).double()


def ssim7(prediction: Tensor, target: Tensor) -> Tensor:
    """Structural similarity with a 7 x 7 uniform window, as the NIR papers use; higher is better.

    Range [-1,1]. Data range 1, K = (.01, .03), sample covariance (49/48), windows inside the
    image only, mean over the window positions and RGB: scikit-image's ``structural_similarity``
    with ``channel_axis`` and ``data_range=1`` and else its defaults. Needs 7 x 7 pixels.
    """
    mean_x, mean_y = _window_mean(prediction), _window_mean(target)
    unbiased = _WINDOW**2 / (_WINDOW**2 - 1)
    var_x = unbiased * (_window_mean(prediction.square()) - mean_x.square())
    var_y = unbiased * (_window_mean(target.square()) - mean_y.square())
    cov = unbiased * (_window_mean(prediction * target) - mean_x * mean_y)
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x.square() + mean_y.square() + _C1)
    return (luminance * (2 * cov + _C2) / (var_x + var_y + _C2)).mean(dim=(1, 2, 3))


def _window_mean(image: Tensor) -> Tensor:
    return F.avg_pool2d(image, _WINDOW, stride=1)
