"""Batches of random images for tests of methods."""

from __future__ import annotations

import torch
from crosschroma.datasets.base.batch import Batch
from crosschroma.datasets.base.color import lab_to_rgb, rgb_to_lab


def smooth_batch(count: int = 2, height: int = 64, width: int = 64, seed: int = 0) -> Batch:
    """Smooth random colours, so that a few images can be learnt; gray and NIR of them."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 4, 4, generator=generator)
    rgb = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    return Batch(
        key=[f"image {i}" for i in range(count)],
        rgb=rgb,
        gray=rgb_to_lab(rgb)[:, :1] / 100,
        nir=rgb.flip(1).mean(1, keepdim=True),
    )


def lab_batch(count: int = 2, height: int = 32, width: int = 40, seed: int = 0) -> Batch:
    """Noise within sRGB: L* from 40 to 70, a and b within 30; gray of it."""
    generator = torch.Generator().manual_seed(seed)
    lab = torch.rand(count, 3, height, width, generator=generator) * 60 - 30
    lab[:, 0] = lab[:, 0] / 2 + 55
    rgb = lab_to_rgb(lab)
    keys = [str(index) for index in range(count)]
    return Batch(key=keys, rgb=rgb, gray=rgb_to_lab(rgb)[:, :1] / 100)
