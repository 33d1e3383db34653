"""Pictures for tests of files and inference."""

from __future__ import annotations

import numpy as np
from PIL import Image


def smooth_picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth random colours, H x W x 3 uint8."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), np.uint8)
    return np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
