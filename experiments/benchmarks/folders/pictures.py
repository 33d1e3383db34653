"""Generated pictures as files, whose JPEGs take as much to read as photographs'."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

_CELLS = (4, 16, 64, 256, 1024)  # of the textures, across; each several pixels wide
_LEAST = 4


def make_pictures(folder: Path, count: int, width: int, height: int) -> None:
    """Smooth colour, textured at every scale, with sensor noise: 50 KB each at 500 x 375.

    Args:
        folder: gets ``000.jpg`` and so on, of quality 90; it is made.
        count: of pictures.
        width: in pixels.
        height: in pixels.
    """
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for index in range(count):
        picture = np.zeros((height, width, 3), np.float32)
        for cells in (cells for cells in _CELLS if cells * _LEAST <= max(width, height)):
            coarse = rng.standard_normal((cells * 3 // 4, cells, 3)).astype(np.float32)
            enlarged = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
            picture += enlarged * 160 / cells**0.5
        picture += 127 + 6 * rng.standard_normal(picture.shape).astype(np.float32)
        levels = np.clip(picture, 0, 255).astype(np.uint8)
        Image.fromarray(levels).save(folder / f"{index:03d}.jpg", quality=90)
