"""Speed of loading beside PIL and scikit-image."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.table import Table
from torch import Tensor

from ...datasets.base.adapter import Record, Source
from ...datasets.base.bounds import Count
from ...datasets.base.color import lab_from_uint8
from ...datasets.base.errors import UserError
from ...datasets.base.outputs import JsonOutput
from ...datasets.files.folder import FileSource, image_files
from ...datasets.loading.cache import cached
from ...datasets.loading.loader import Viewed
from ...datasets.loading.views import EvalView
from ...datasets.shards import write_tar
from ..evaluation.timing import machine, race, save_benchmark, torch_threads, versions
from .folders.pictures import make_pictures

_REFERENCE = "PIL + scikit-image"
_SIZE = 256  # side of the output in pixels


@dataclass(frozen=True, kw_only=True)
class Speed:
    """One loader of the same pictures: images per second of one core, over the repeats."""

    name: str
    median: float
    p10: float
    p90: float
    ratio: float  # median over the repeats of this speed over the reference's in the same repeat


@dataclass(frozen=True, kw_only=True)
class DataBenchmark:
    """What ``bench_data`` measured, and on what.

    Attributes:
        speeds: the reference first.
        lab_max_error: largest distance of our L, a or b from scikit-image's float64, CIE units.
        targets: {name: ratio that was to be reached}.
    """

    speeds: list[Speed]
    reference: str
    lab_max_error: float
    targets: dict[str, float]
    unit: str
    shape: str
    dtype: str
    images: int
    repeats: int
    machine: dict[str, Any]
    versions: dict[str, str]

    def __rich__(self) -> Table:
        """The speeds as a table, for ``rich.print``."""
        caption = f"{self.shape}; {self.machine['cpu']}; Lab error {self.lab_max_error:.1e}"
        table = Table(
            "", "median", "p10", "p90", "ratio", "target", title=self.unit, caption=caption
        )
        for speed in self.speeds:
            target = self.targets.get(speed.name)
            table.add_row(
                speed.name,
                *(f"{value:.1f}" for value in (speed.median, speed.p10, speed.p90)),
                f"{speed.ratio:.2f}",
                "" if target is None else f"{target:.1f}",
            )
        return table


def bench_data(
    out: JsonOutput = Path("results/benchmarks/data.json"),
    *,
    count: Count = 64,
    repeats: Count = 9,
) -> DataBenchmark:
    """Loading: file -> 256 x 256 -> Lab -> float32 tensor 3 x H x W, on one thread.

    Pictures of 500 x 375 are made and saved as JPEG of quality 90. Four loaders take turns in
    every repeat: PIL and scikit-image (the reference), ours from the JPEG, from JPEG in a tar
    archive, and from the cache of resized pictures. Time is the process's CPU time, files are in
    the page cache.

    Args:
        out: JSON file to write.
        count: pictures that are made and loaded.
        repeats: how often each loader runs.

    Raises:
        UserError: when scikit-image is not installed.
    """
    _need_scikit_image()
    with torch_threads(1), tempfile.TemporaryDirectory() as folder:
        result = _measure(Path(folder), count, repeats)
    save_benchmark(result, out)
    return result


def _measure(folder: Path, images: int, repeats: int) -> DataBenchmark:
    make_pictures(folder / "jpeg", images, 500, 375)
    files = image_files(folder / "jpeg")
    viewed = Viewed(FileSource([Record(f.name, rgb=f) for f in files]), EvalView(size=_SIZE))
    sharded = Viewed(_in_shards(folder / "shards", files), EvalView(size=_SIZE))
    mapped = cached(viewed, folder / "cache", "bench")
    loaders: dict[str, Callable[[int], Tensor]] = {
        _REFERENCE: lambda index: _reference(files[index]),
        "crosschroma, JPEG": lambda index: _lab(viewed, index),
        "crosschroma, JPEG in tar": lambda index: _lab(sharded, index),
        "crosschroma, cache": lambda index: _lab(mapped, index),
    }
    return DataBenchmark(
        speeds=_speeds(loaders, images, repeats),
        reference=_REFERENCE,
        lab_max_error=_lab_max_error(viewed),
        targets={
            "crosschroma, JPEG": 2.2,
            "crosschroma, JPEG in tar": 2.2,
            "crosschroma, cache": 6.0,
        },
        unit="images per second of one core (process CPU time)",
        shape=f"JPEG 500x375 quality 90 -> 3x{_SIZE}x{_SIZE} Lab",
        dtype="float32",
        images=images,
        repeats=repeats,
        machine=machine(),
        versions=versions(
            "torch", "numpy", "numba", "opencv-python-headless", "pillow", "scikit-image"
        ),
    )


def _in_shards(folder: Path, files: Sequence[Path]) -> FileSource:
    """The files in archives of 16."""
    folder.mkdir()
    records = []
    for start in range(0, len(files), 16):
        archive = folder / f"{start:05d}.tar"
        own = [Record(f.name, rgb=f) for f in files[start : start + 16]]
        write_tar(archive, own)
        records += [Record(record.key, rgb=archive / record.key) for record in own]
    return FileSource(records)


def _need_scikit_image() -> None:
    try:
        import skimage.color  # noqa: F401
    except ImportError as error:
        raise UserError(
            "the data benchmark compares with scikit-image, which is not installed: "
            "pip install scikit-image (or crosschroma[dev])"
        ) from error


def _reference(path: Path) -> Tensor:
    from skimage.color import rgb2lab

    with Image.open(path) as image:
        resized = image.convert("RGB").resize((_SIZE, _SIZE), Image.Resampling.BICUBIC)
    lab = rgb2lab(np.asarray(resized))
    return torch.from_numpy(lab.transpose(2, 0, 1).astype(np.float32, order="C"))


def _lab(source: Source, index: int) -> Tensor:
    planes = source.load(index)
    return torch.from_numpy(lab_from_uint8(planes["rgb"]).transpose(2, 0, 1))  # pyright: ignore


def _speeds(loaders: dict[str, Callable[[int], Tensor]], images: int, repeats: int) -> list[Speed]:
    """Images per CPU second of each loader, the reference first."""

    def all_images(load: Callable[[int], Tensor]) -> Callable[[], object]:
        return lambda: [load(index) for index in range(images)]

    timings = race(
        {name: all_images(load) for name, load in loaders.items()}, repeats, reference=_REFERENCE
    )
    return [
        Speed(
            name=timing.name,
            median=round(images / timing.median, 1),
            p10=round(images / timing.p90, 1),
            p90=round(images / timing.p10, 1),
            ratio=round(timing.ratio, 2),
        )
        for timing in timings
    ]


def _lab_max_error(source: Source) -> float:
    from skimage.color import rgb2lab

    errors = []
    for index in range(len(source)):
        rgb = source.load(index)["rgb"]  # pyright: ignore[reportTypedDictNotRequiredAccess]
        errors.append(np.abs(lab_from_uint8(rgb) - rgb2lab(rgb / 255.0)).max())
    return float(max(errors))
