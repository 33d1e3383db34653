"""What flows from the datasets to the methods: one image as ``Sample``, many as ``Batch``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict, cast

import torch
from torch import Tensor

from .errors import DataError


class Sample(TypedDict, total=False):
    """One image; every plane is float32 and of one H x W. See ``Batch`` for the meaning."""

    key: str
    gray: Tensor
    nir: Tensor
    rgb: Tensor
    photo: Tensor
    hints: Tensor
    boxes: Tensor
    valid: Tensor
    skipped: list[tuple[str, str]]


class Batch(TypedDict, total=False):
    """B images as float32 NCHW planes of one H x W; absent planes are absent keys."""

    key: list[str]  # the image's name within its dataset: the identity of a row in results
    gray: Tensor  # B1HW [0,1], CIE L*/100 (D65) of the RGB image; absent for NIR-only input
    nir: Tensor  # B1HW [0,1], linear in the stored NIR levels
    rgb: Tensor  # B3HW [0,1] sRGB; absent at inference
    photo: Tensor  # B3HW [0,1] sRGB: other pictures without NIR, in training only
    hints: Tensor  # B3HW: ab/110 where a colour is given, 0 elsewhere, then the mask {0,1}
    global_hints: Tensor  # B x 316: colours asked for of the whole image, see models.global_hints
    # per image K x 4, pixels, xyxy (x2, y2 exclusive); the most important objects first
    boxes: list[Tensor]
    valid: Tensor  # B1HW {0,1}: pixels that count
    # images that cannot be read and whose place others took: key and reason; absent where none is
    skipped: list[tuple[str, str]]


_STACKED = ("gray", "nir", "rgb", "photo", "hints", "valid")


def collate(samples: Sequence[Sample]) -> Batch:
    """Stack samples of one size into a batch.

    Raises:
        DataError: when sizes differ (the text names both images) or planes are not in all.
    """
    first = samples[0]
    out: dict[str, Any] = {"key": [sample["key"] for sample in samples]}
    for name in _STACKED:
        if name not in first:
            continue
        for sample in samples:
            if name not in sample:
                raise DataError(f"{sample['key']} has no {name} plane but {first['key']} has one")
            if sample[name].shape != first[name].shape:
                raise DataError(
                    f"{first['key']} is {_size(first[name])} and {sample['key']} is "
                    f"{_size(sample[name])}: one batch needs one size; set a size for the view, "
                    "or a batch size of 1"
                )
        out[name] = torch.stack([sample[name] for sample in samples])
    if "boxes" in first:
        out["boxes"] = [sample["boxes"] for sample in samples]
    if skipped := [image for sample in samples for image in sample.get("skipped", ())]:
        out["skipped"] = skipped
    return cast(Batch, out)


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch with every tensor on ``device``."""
    return cast(Batch, {name: _move(value, device) for name, value in batch.items()})


def _move(value: Any, device: torch.device) -> Any:
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, list):
        return [_move(item, device) for item in value]
    return value


def _size(plane: Tensor) -> str:
    return f"{plane.shape[-2]}x{plane.shape[-1]}"
