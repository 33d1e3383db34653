"""Geometry and jitter on decoded planes (uint8), then float tensors.

A view makes the same cut, size and orientation of every plane and of the boxes. Shrinking averages
areas (OpenCV ``INTER_AREA``, no aliasing), enlarging is bicubic; a picture that has the right size
already is not touched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, cast

import cv2
import numpy as np
import torch
from torch import Tensor

from ..base.adapter import Planes
from ..base.batch import Sample
from ..base.bounds import Checked, NotNegative, Share, Side
from ..base.boxes import cut_boxes
from ..base.color import lightness_from_uint8
from ..base.errors import UserError


class View(Protocol):
    """What is done with a decoded image before it becomes tensors."""

    def __call__(self, planes: Planes, rng: np.random.Generator) -> Planes: ...


@dataclass(frozen=True, kw_only=True)
class TrainView(Checked):
    """A random square of each image, at one size, with flips and NIR-only jitter.

    Attributes:
        size: side of the output in pixels.
        crop_scale: (lowest, highest) side of the square crop over the image's short side; (1, 1)
            is the largest square, at a random place.
        flip: mirror left-right with probability 1/2.
        rotate90: turn by a random multiple of 90 degrees (with ``flip``: all eight symmetries).
        nir_gain: largest relative change of the NIR contrast about the plane's mean.
        nir_gamma: largest logarithm of the exponent on NIR levels in [0,1].
        nir_noise: standard deviation of Gaussian noise on NIR levels in [0,1].
    """

    _prefix: ClassVar[str] = "train-view."

    size: Side = 256
    crop_scale: tuple[Share, Share] = (1.0, 1.0)
    flip: bool = True
    rotate90: bool = False
    nir_gain: NotNegative = 0.0
    nir_gamma: NotNegative = 0.0
    nir_noise: NotNegative = 0.0

    def __post_init__(self) -> None:
        """Check the range."""
        low, high = self.crop_scale
        if not 0 < low <= high <= 1:
            raise UserError(f"crop_scale ({low}, {high}): must be 0 < lowest <= highest <= 1")

    def __call__(self, planes: Planes, rng: np.random.Generator) -> Planes:
        """One random view; everything random comes from ``rng``."""
        height, width = _size(planes)
        side = max(1, round(min(height, width) * rng.uniform(*self.crop_scale)))
        top = int(rng.integers(height - side + 1))
        left = int(rng.integers(width - side + 1))
        planes = _crop(planes, top, left, side, side)
        planes = _resize(planes, self.size, self.size)
        if self.flip and rng.random() < 0.5:
            planes = _flip(planes)
        if self.rotate90:
            planes = _rotate(planes, int(rng.integers(4)))
        if "nir" in planes and (self.nir_gain or self.nir_gamma or self.nir_noise):
            planes["nir"] = self._jitter(planes["nir"], rng)
        return planes

    def _jitter(self, nir: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        levels = nir.astype(np.float32) / 255
        gain = 1 + rng.uniform(-self.nir_gain, self.nir_gain)
        levels = np.clip(levels.mean() + gain * (levels - levels.mean()), 0, 1)
        levels **= np.exp(rng.uniform(-self.nir_gamma, self.nir_gamma))
        if self.nir_noise:
            levels += self.nir_noise * rng.standard_normal(levels.shape, np.float32)
        return np.rint(np.clip(levels, 0, 1) * 255).astype(np.uint8)


@dataclass(frozen=True, kw_only=True)
class EvalView(Checked):
    """The fixed view for validation and test; nothing random.

    Attributes:
        size: side of the square output in pixels; ``None`` leaves every image as it is.
        fit: ``stretch`` changes the aspect; ``center_crop`` takes the largest central square.
    """

    _prefix: ClassVar[str] = "eval-view."

    size: Side | None = 256
    fit: Literal["stretch", "center_crop"] = "stretch"

    @property
    def protocol(self) -> str:
        """What the view does, in words for results rows."""
        if self.size is None:
            return "native size"
        if self.fit == "stretch":
            return f"stretched to {self.size}x{self.size}"
        return f"largest central square, resized to {self.size}x{self.size}"

    def __call__(self, planes: Planes, rng: np.random.Generator | None = None) -> Planes:
        """The view; ``rng`` is not used."""
        if self.size is None:
            return planes
        if self.fit == "center_crop":
            height, width = _size(planes)
            side = min(height, width)
            planes = _crop(planes, (height - side) // 2, (width - side) // 2, side, side)
        return _resize(planes, self.size, self.size)


def to_sample(planes: Planes, key: str) -> Sample:
    """Planes as float32: rgb, nir and photo in [0,1], gray = CIE L*/100 of the 8-bit rgb."""
    sample: Sample = {"key": key}
    if "rgb" in planes:
        rgb = np.ascontiguousarray(planes["rgb"])  # flipped views are not
        sample["gray"] = torch.from_numpy(lightness_from_uint8(rgb))[None]
        sample["rgb"] = _unit(torch.from_numpy(rgb).permute(2, 0, 1))
    if "nir" in planes:
        sample["nir"] = _unit(torch.from_numpy(np.ascontiguousarray(planes["nir"]))[None])
    if "photo" in planes:
        photo = np.ascontiguousarray(planes["photo"])
        sample["photo"] = _unit(torch.from_numpy(photo).permute(2, 0, 1))
    if "boxes" in planes:
        sample["boxes"] = torch.from_numpy(np.ascontiguousarray(planes["boxes"], np.float32))
    return sample


def resize(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    """H x W (x 3) uint8 at another size, each axis shrunk by area or enlarged bicubically."""
    # one at a time: INTER_AREA is plain linear, and aliases, as soon as one axis grows
    smaller = min(height, plane.shape[0]), min(width, plane.shape[1])
    if smaller != plane.shape[:2]:
        plane = cv2.resize(plane, smaller[::-1], interpolation=cv2.INTER_AREA)
    if smaller != (height, width):
        plane = cv2.resize(plane, (width, height), interpolation=cv2.INTER_CUBIC)
    return plane


def _unit(levels: Tensor) -> Tensor:
    # divided, not multiplied by 1/255: 255 must become 1.0, and rounding x * 255 must give x back
    return levels.to(torch.float32, memory_format=torch.contiguous_format).div_(255)


def _size(planes: Planes) -> tuple[int, int]:
    plane = planes["rgb"] if "rgb" in planes else planes.get("nir")
    if plane is None:
        raise ValueError("neither rgb nor nir")
    return plane.shape[0], plane.shape[1]


def _map(
    planes: Planes,
    image: Callable[[np.ndarray], np.ndarray],
    boxes: Callable[[np.ndarray], np.ndarray],
) -> Planes:
    out = {
        name: boxes(value) if name == "boxes" else image(value)
        for name, value in cast(dict[str, np.ndarray], planes).items()
    }
    return cast(Planes, out)


def _crop(planes: Planes, top: int, left: int, height: int, width: int) -> Planes:
    if (height, width) == _size(planes):
        return planes
    return _map(
        planes,
        lambda plane: plane[top : top + height, left : left + width],
        lambda boxes: cut_boxes(boxes, top, left, height, width),
    )


def _resize(planes: Planes, height: int, width: int) -> Planes:
    old_height, old_width = _size(planes)
    scale = np.array([width / old_width, height / old_height] * 2, np.float32)
    return _map(planes, lambda plane: resize(plane, height, width), lambda boxes: boxes * scale)


def _flip(planes: Planes) -> Planes:
    width = _size(planes)[1]

    def mirror(boxes: np.ndarray) -> np.ndarray:
        x1, y1, x2, y2 = boxes.T
        return np.stack([width - x2, y1, width - x1, y2], axis=1)

    return _map(planes, lambda plane: plane[:, ::-1], mirror)


def _rotate(planes: Planes, turns: int) -> Planes:
    """Counterclockwise by ``turns`` x 90 degrees."""
    for _ in range(turns):
        width = _size(planes)[1]

        def turn(boxes: np.ndarray, width: int = width) -> np.ndarray:
            x1, y1, x2, y2 = boxes.T
            return np.stack([y1, width - x2, y2, width - x1], axis=1)

        planes = _map(planes, np.rot90, turn)
    return planes
