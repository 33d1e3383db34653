"""Pictures made by anything, as predictions for a dataset's images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor

from ...datasets.base.batch import Batch
from ...datasets.base.errors import DataError
from ...datasets.files.folder import IMAGE_SUFFIXES, image_files
from ...datasets.loading.decode import read_rgb


def match_pictures(folder: Path, keys: Sequence[str]) -> dict[str, Path]:
    """Key -> picture, by name without suffix.

    A picture lies in ``folder`` under its key's path or under the end of it: the key
    ``val/cat/1.jpg`` takes ``val/cat/1.png``, ``cat/1.png`` or ``1.png``, in this order.

    Raises:
        DataError: keys without a picture, pictures without a key, two pictures or two keys of
            one name; the text names them.
    """
    named: dict[str, Path] = {}
    for path in image_files(folder):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in named:
            raise DataError(f"{named[name]} and {path} are both '{name}'; keep one")
        named[name] = path
    matched: dict[str, Path] = {}
    missing: list[str] = []
    owners: dict[str, str] = {}
    for key in keys:
        name = next((tail for tail in _tails(key) if tail in named), None)
        if name is None:
            missing.append(key)
        elif name in owners:
            raise DataError(
                f"{named[name]} fits both {owners[name]} and {key}; put the pictures into the "
                "dataset's subfolders"
            )
        else:
            matched[key], owners[name] = named[name], key
    surplus = [named[name].relative_to(folder).as_posix() for name in named.keys() - owners.keys()]
    if missing or surplus:
        raise DataError(_mismatch(folder, len(keys), missing, sorted(surplus)))
    return matched


def _tails(key: str) -> list[str]:
    path = PurePosixPath(key)
    parts = (path.with_suffix("") if path.suffix.lower() in IMAGE_SUFFIXES else path).parts
    return ["/".join(parts[start:]) for start in range(len(parts))]


def _mismatch(folder: Path, count: int, missing: list[str], surplus: list[str]) -> str:
    def some(names: list[str]) -> str:
        return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")

    problems = []
    if missing:
        problems.append(f"no picture for {some(missing)} ({len(missing)} of {count} test images)")
    if surplus:
        problems.append(f"no test image for {some(surplus)}; move these away")
    return f"{folder}: " + "; ".join(problems) + ". Pictures are named like the test images"


def read_pictures(batch: Batch, pictures: Mapping[str, Path]) -> Tensor:
    """The pictures of a batch's keys as B3HW sRGB in [0,1], float64.

    Raises:
        DataError: naming pictures that cannot be read or are not of the batch's size.
    """
    height, width = batch["rgb"].shape[-2:]
    images = {pictures[key]: read_rgb(pictures[key]) for key in batch["key"]}
    wrong = [
        f"{path} is {image.shape[1]}x{image.shape[0]}"
        for path, image in images.items()
        if image.shape[:2] != (height, width)
    ]
    if wrong:
        raise DataError(
            f"{', '.join(wrong)}, the test images are {width}x{height} under this view; make "
            "the pictures at that size, or choose the view whose size they have"
        )
    stacked = torch.stack([torch.from_numpy(image) for image in images.values()])
    return stacked.permute(0, 3, 1, 2).double() / 255
