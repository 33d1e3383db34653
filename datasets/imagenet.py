"""ImageNet (ILSVRC 2012), and a small self-made sample of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from .base.adapter import Record, SplitName
from .base.errors import DataError
from .files.adapter import PhotoAdapter, hold_out
from .files.folder import image_files

VAL_IMAGES = 50_000


@dataclass(frozen=True, kw_only=True)
class ImageNet(PhotoAdapter):
    """ImageNet (ILSVRC 2012): 1,281,167 training and 50,000 validation photos, JPEG.

    Source: https://image-net.org/download.php .
    Paper: Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", IJCV 2015.
    Terms: non-commercial research and education, after registration; no passing on.

    Test is the folder ``val``, or the part of it that ``val_list`` names. Validation is cut from
    ``train`` (see ``hold_out``), never from ``val``.

    Attributes:
        val_list: test images; ``.npy`` with 0-based ILSVRC 2012 validation indices (the 10,000 of
            ctest10k are ``resources/ilsvrclin12_val_inds.npy`` of richzhang/colorization-pytorch),
            or text with one relative path or 0-based index a line, what follows a space ignored.
    """

    val_list: Path | None = None

    name: ClassVar[str] = "imagenet"
    folder: ClassVar[str] = "imagenet"
    planes: ClassVar[frozenset[str]] = frozenset({"rgb"})
    layout: ClassVar[str] = "train/<wnid>/*.JPEG and val/*.JPEG or val/<wnid>/*.JPEG"

    @property
    def protocol(self) -> str:
        """``imagenet``, and the list where one cuts the test images."""
        return f"{self.name} {self.val_list.stem}" if self.val_list else self.name

    def records(self, name: SplitName) -> list[Record]:
        """Photos of one split; raises ``DataError`` when a folder or the list is not there."""
        if name == "test":
            return self._test()
        train, validation = hold_out(self._photos("train"))
        return train if name == "train" else validation

    def _photos(self, part: str) -> list[Record]:
        return [self.photo(path) for path in image_files(self.base() / part)]

    def _test(self) -> list[Record]:
        photos = self._photos("val")
        if self.val_list is None:
            return photos
        by_key = {record.key: record for record in photos}
        by_name = {record.key.rsplit("/", 1)[-1]: record for record in photos}
        records = [
            by_key.get(entry)
            or by_key.get(f"val/{entry}")
            or by_name.get(entry)
            # listed but not there: the record names the file, and the caller says it is missing
            or Record(f"val/{entry}", self.base() / "val" / entry)
            for entry in _entries(self.val_list)
        ]
        if len({record.key for record in records}) < len(records):
            raise DataError(f"{self.val_list} names an image twice; each may be listed once")
        return records


@dataclass(frozen=True, kw_only=True)
class ImageNetSample(ImageNet):
    """800 ImageNet photos, one of each of 800 classes, centre crops of 256x256, JPEG quality 92.

    Source: https://github.com/EliSchwartz/imagenet-sample-images, cropped, near-gray photos left
    out, cut by hand into 700 for training and 100 for testing.
    Terms: ImageNet's.

    A self-made split for small machines: figures on it are not comparable with published ones.
    """

    name: ClassVar[str] = "imagenet-sample"
    folder: ClassVar[str] = "imagenet_sample"
    layout: ClassVar[str] = "train/<wnid>/*.jpg and val/<wnid>/*.jpg"


def _entries(path: Path) -> list[str]:
    """Paths relative to the dataset or to ``val``, or bare file names for indices."""
    try:
        if path.suffix == ".npy":
            return [_file_name(int(index), path) for index in _indices(path)]
        words = [
            line.split()[0] for line in path.read_text("utf-8-sig").splitlines() if line.strip()
        ]
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read the image list {path}: {error}") from error
    return [_file_name(int(word), path) if word.isdigit() else word for word in words]


def _indices(path: Path) -> np.ndarray:
    indices = np.load(path, allow_pickle=False)
    if indices.dtype.kind not in "iu":
        raise ValueError(f"it holds {indices.dtype}, not the integers of an index list")
    return indices.ravel()


def _file_name(index: int, path: Path) -> str:
    """File of the 0-based ``index``; the files count from 1."""
    if not 0 <= index < VAL_IMAGES:
        raise DataError(f"{path} names image {index}; indices run from 0 to {VAL_IMAGES - 1}")
    return f"ILSVRC2012_val_{index + 1:08d}.JPEG"
