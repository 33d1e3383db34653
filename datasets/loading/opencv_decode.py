"""OpenCV's decoder, whose errors are ours and whose channels are in the order of the file."""

from __future__ import annotations

from pathlib import Path

import cv2
import cv2.utils.logging
import numpy as np

from .raster import broken

# what it would print comes as an error that names the file
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def decode_opencv(data: bytes, flags: int, path: Path) -> np.ndarray:
    """An image file's bytes as H x W, H x W x 3 RGB or H x W x 4 RGBA.

    Raises:
        DataError: it cannot be decoded.
    """
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise broken(path, error.err) from error
    if image is None:
        raise broken(path, "truncated or damaged")
    if image.ndim == 2:
        return image
    to_rgb = cv2.COLOR_BGRA2RGBA if image.shape[2] == 4 else cv2.COLOR_BGR2RGB
    return cv2.cvtColor(image, to_rgb, dst=image)
