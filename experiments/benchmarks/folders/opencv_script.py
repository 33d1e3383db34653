"""What colorization is with OpenCV alone: its dnn, and ab resized and merged with L."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ....datasets.base.errors import UserError


class OpenCVScript:
    """An ONNX network from L*/100 to ab, run by OpenCV on files, in the usual few lines.

    Unlike ``Colorizer``, colours are enlarged bilinearly, levels are clipped, and what a file says
    beside its pixels is lost.

    Args:
        model: the ONNX file's bytes.
        size: width and height at which the network sees pictures; a network of OpenCV's (5.0) keeps
            the size of its first input.

    Raises:
        cv2.error: OpenCV cannot run the network.
    """

    def __init__(self, model: bytes, size: tuple[int, int]) -> None:
        self._network = cv2.dnn.readNetFromONNX(np.frombuffer(model, np.uint8))
        self._size = size
        self._ab(np.zeros((size[1], size[0]), np.float32))

    def __call__(self, path: Path, out: Path) -> None:
        """Colour one file into another.

        Raises:
            UserError: it cannot be read or written.
        """
        bgr = cv2.imread(str(path))
        if bgr is None:
            raise UserError(f"OpenCV cannot read {path}")
        height, width = bgr.shape[:2]
        lab = cv2.cvtColor(bgr.astype(np.float32) / 255, cv2.COLOR_BGR2LAB)
        lightness = lab[:, :, 0]
        ab = self._ab(cv2.resize(lightness, self._size))
        merged = np.dstack([lightness, cv2.resize(ab, (width, height))])
        colored = cv2.cvtColor(merged, cv2.COLOR_LAB2BGR)
        levels = (255 * np.clip(colored, 0, 1)).astype(np.uint8)
        if not cv2.imwrite(str(out), levels):
            raise UserError(f"OpenCV cannot write {out}")

    def _ab(self, lightness: np.ndarray) -> np.ndarray:
        """H x W of L* to H x W x 2 of ab."""
        self._network.setInput(lightness[None, None] / 100)
        return self._network.forward()[0].transpose(1, 2, 0)
