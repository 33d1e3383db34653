"""CIFAR-10 from its python batches."""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from .base.adapter import Adapter, Planes, Source, SplitName
from .base.bounds import NotNegative
from .base.errors import DataError
from .files.folder import Subset, drop_near_gray

_TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
_TEST = ("test_batch",)

# all that the batches need; anything else in a pickle could run code
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"),  # as Python 2 and numpy 1 wrote it
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),  # bytes in a protocol-2 pickle of Python 3
}


@dataclass(frozen=True, kw_only=True)
class Cifar10(Adapter):
    """CIFAR-10: 50,000 training and 10,000 test photos of 32x32.

    Source: https://www.cs.toronto.edu/~kriz/cifar.html ("CIFAR-10 python version").
    Paper: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
    Terms: none stated; the report is to be cited.

    Validation is the last tenth of the training images (5,000, half of ``data_batch_5``); test is
    ``test_batch``.

    Attributes:
        min_chroma: training photos with a smaller ab range (see ``drop_near_gray``) are left out;
            0 keeps all.
    """

    min_chroma: NotNegative = 0.0

    name: ClassVar[str] = "cifar10"
    folder: ClassVar[str] = "cifar10"
    planes: ClassVar[frozenset[str]] = frozenset({"rgb"})
    layout: ClassVar[str] = "cifar-10-batches-py/data_batch_1 to data_batch_5 and test_batch"

    def split(self, name: SplitName) -> Source:
        """The images of one split, in memory.

        Raises:
            DataError: naming a batch that is missing, damaged, or holds more than arrays.
        """
        if name == "test":
            return self._batches(_TEST)
        images = self._batches(_TRAIN)
        cut = len(images) - len(images) // 10
        if name == "validation":
            return Subset(images, range(cut, len(images)))
        train = Subset(images, range(cut))
        return drop_near_gray(train, self.min_chroma) if self.min_chroma > 0 else train

    def _batches(self, names: Sequence[str]) -> ArraySource:
        folder = self.base() / "cifar-10-batches-py"
        paths = [folder / name for name in names]
        absent = [path for path in paths if not path.is_file()]
        if absent:
            raise DataError(f"{self.name}: no file {absent[0]}; expected {self.layout}")
        batches = {path: read_batch(path) for path in paths}
        keys, stamps = [], []
        for path, images in batches.items():
            keys += [f"{path.name}/{index:05d}" for index in range(len(images))]
            stamps += [f"{path.stat().st_size}-{path.stat().st_mtime_ns}"] * len(images)
        return ArraySource(keys, np.concatenate(list(batches.values())), stamps)


@dataclass
class ArraySource:
    """Images of one size in memory.

    Attributes:
        keys: name of each image.
        rgb: N x H x W x 3 uint8, sRGB.
        stamps: of each image, the size and time of the file that it came from.
    """

    keys: Sequence[str]
    rgb: np.ndarray
    stamps: Sequence[str]

    def __len__(self) -> int:
        """Number of images."""
        return len(self.keys)

    def load(self, index: int) -> Planes:
        """Image ``index``, as a copy."""
        return {"rgb": self.rgb[index].copy()}

    def stamp(self, index: int) -> str:
        """Size and time of the batch file."""
        return self.stamps[index]


def read_batch(path: Path) -> np.ndarray:
    """Images of one python batch, N x 32 x 32 x 3 uint8, read without running anything in it.

    Raises:
        DataError: when the file asks for anything but arrays, is damaged or is no such batch.
    """
    try:
        content = _ArraysOnly(path).load()
        data = content[b"data"] if b"data" in content else content["data"]
        if data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != 3072:
            raise ValueError(f"its data are {data.dtype} {data.shape}, not uint8 (N, 3072)")
    except DataError:
        raise
    except Exception as error:  # a damaged pickle raises almost anything
        raise DataError(f"{path} is not a CIFAR-10 python batch: {error!r}") from error
    return np.ascontiguousarray(data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


class _ArraysOnly(pickle.Unpickler):
    def __init__(self, path: Path) -> None:
        super().__init__(io.BytesIO(path.read_bytes()), encoding="bytes")
        self.path = path

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise DataError(
                f"{self.path} asks to run {module}.{name}, which no genuine CIFAR-10 batch does; "
                "nothing was run. Download it again from https://www.cs.toronto.edu/~kriz/cifar.html"
            )
        return super().find_class(module, name)
