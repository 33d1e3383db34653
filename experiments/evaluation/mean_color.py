"""One colour a picture, given to a method for NIR: what a user may know of the scene."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...datasets.base.batch import Batch
from ...datasets.base.color import lab_to_rgb, rgb_to_lab


def with_mean_color(colorize: Callable[[Batch], Tensor], batch: Batch) -> Tensor:
    """Colours of NIR pictures, moved to the mean colour of the true ones.

    Three numbers a picture stand for a user who knows its tone, as a palette gives it (``Palette``,
    whose spread of colours is left out here).

    Args:
        colorize: of a method, which predicts lightness as well.
        batch: with ``nir`` and ``rgb``.

    Returns:
        B3HW sRGB in [0,1]: L*, a and b of the method's picture, each moved to the mean of the true
        picture's; colours that sRGB does not hold lose chroma.
    """
    lab, true = (rgb_to_lab(rgb) for rgb in (colorize(batch), batch["rgb"]))
    lab = lab + true.mean((2, 3), keepdim=True) - lab.mean((2, 3), keepdim=True)
    return lab_to_rgb(torch.cat([lab[:, :1].clamp(0, 100), lab[:, 1:]], dim=1), gamut="chroma")
