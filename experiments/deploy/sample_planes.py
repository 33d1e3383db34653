"""A few real planes of different sizes, to hold one form of a network against another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...datasets.base.color import lightness_from_uint8
from ...datasets.base.errors import DataError
from ...datasets.files.folder import image_files
from ...datasets.loading.decode import read_plane, read_rgb
from ...datasets.scenes.adapter import Scenes
from ...models.layers.guided_upsample import resized

PICTURES = 6
_SHORTEST = 48  # a side of this many pixels at least after cropping


def sample_planes(domain: str, folder: Path | None, size: int) -> list[Tensor]:
    """Planes of pictures spread evenly over a folder, or of generated scenes.

    Each is cropped to another height and width, the first to sides that are odd, so that padding
    and dynamic sizes are exercised. The last is a batch of two.

    Args:
        domain: ``gray`` (L*/100 of colour pictures) or ``nir``.
        folder: pictures at any depth; ``None`` takes scenes.
        size: pictures are shrunk to this short side.

    Returns:
        B1HW float32 in [0,1].

    Raises:
        DataError: no pictures, or one that cannot be read or is too small.
    """
    pictures = _scenes(domain, size) if folder is None else _files(domain, folder, size)
    planes = []
    for index, plane in enumerate(pictures):
        height, width = plane.shape[-2:]
        rows, columns = (height - 1) // 2 * 2 - 1 - 3 * index, (width - 1) // 2 * 2 - 1 - 5 * index
        if min(rows, columns) < _SHORTEST:
            raise DataError(f"picture {index + 1} is {width}x{height} pixels; take larger ones")
        planes.append(plane[..., :rows, :columns].contiguous())
    return [*planes, torch.cat([planes[-1], planes[-1].flip(-1)])]


def _scenes(domain: str, size: int) -> Iterator[Tensor]:
    scenes = Scenes(size=max(size, 2 * _SHORTEST)).split("test")
    for index in range(PICTURES):
        loaded = scenes.load(index)
        yield _plane(lightness_from_uint8(loaded["rgb"]) if domain == "gray" else loaded["nir"])


def _files(domain: str, folder: Path, size: int) -> Iterator[Tensor]:
    files = image_files(folder)
    if not files:
        raise DataError(f"no pictures in {folder}")
    count = min(PICTURES, len(files))
    for path in (files[index * len(files) // count] for index in range(count)):
        read = lightness_from_uint8(read_rgb(path)) if domain == "gray" else read_plane(path)
        plane = _plane(read)
        height, width = plane.shape[-2:]
        scale = min(1, size / min(height, width))
        yield resized(plane, (round(height * scale), round(width * scale))).clamp(0, 1)


def _plane(levels: np.ndarray) -> Tensor:
    scale = 255 if levels.dtype == np.uint8 else 1
    return torch.from_numpy(levels.astype(np.float32) / scale)[None, None]
