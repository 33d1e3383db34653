"""Pictures a second through folders of files: read, coloured and written."""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import cv2
import numpy as np
import torch
import tyro
from rich.table import Table

from ...datasets.base.atomic_write import write_atomic
from ...datasets.base.bounds import Count, Natural, Side
from ...datasets.base.errors import UserError
from ...datasets.base.outputs import JsonOutput
from ...datasets.files.folder import image_files
from ...datasets.loading.decode import read_rgb
from ..artifacts.checkpoint import Trained
from ..artifacts.weights_file import load_any
from ..commands.files.colorize_files import FileOptions, colorize_files
from ..deploy.export import about_of, inference_colors, to_onnx
from ..evaluation.timing import Timing, machine, race, save_benchmark, torch_threads, versions
from ..inference.colorizer import Colorizer
from ..inference.fold_batchnorm import folded
from ..inference.picture_file import encode, read_picture
from ..inference.precision import multiplies_bfloat16
from .folders.opencv_script import OpenCVScript
from .folders.pictures import make_pictures

Format = Literal["jpg", "png"]
LOOP, OURS, OURS_BF16 = "one by one", "crosschroma", "crosschroma, bfloat16"
DNN, DNN_SQUARE = "OpenCV dnn, same size", "OpenCV dnn, square"
_COMPARED = 3  # pictures whose results are compared
_WARM_UP = 2
_SAME_DB = 999.0  # JSON knows no infinity

Candidate = Callable[[Format, Path, Path], None]  # colours a folder into another


@dataclass(frozen=True, kw_only=True)
class FolderTimings:
    """All candidates on one folder.

    Attributes:
        threads: of the network; where the system allows, as many cores for all of the process.
        pictures: count and size.
        format: of the results.
        timings: wall seconds for the folder; ratio of the one-by-one loop's time to this.
        pictures_per_s: from the medians.
        times_as_fast_as: ours over each of OpenCV's, from the medians.
        megabytes: of all results.
        psnr_db: to the loop's results, the worst of three pictures; 999 for the same pixels.
        same_files: results that are the loop's to the byte.
    """

    threads: int
    pictures: str
    format: str
    timings: list[Timing]
    pictures_per_s: dict[str, float]
    times_as_fast_as: dict[str, dict[str, float]]
    megabytes: dict[str, float]
    psnr_db: dict[str, float]
    same_files: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class FolderBenchmark:
    """What ``bench_folder`` measured, and on what.

    Attributes:
        folders: one entry for each number of threads, size of pictures and format.
        left_out: what was not measured, and why.
        method: name of the weights' recipe.
        pinned: whether the process was kept to as many cores as threads.
        load: the machine's load average before and after.
    """

    folders: list[FolderTimings] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    method: str
    repeats: int
    pinned: bool
    load: list[float]
    machine: dict[str, Any]
    versions: dict[str, str]

    def __rich__(self) -> Table:
        """The figures as a table, for ``rich.print``."""
        load = " and ".join(f"{value:.1f}" for value in self.load)
        heads = ("threads", "pictures", "to", "", "pictures/s", "p10", "p90", "times as fast", "dB")
        caption = f"times as fast as {LOOP}; load average {load} before and after"
        table = Table(*heads, title=f"{self.method}, files to files", caption=caption)
        for folder in self.folders:
            for timing in folder.timings:
                speed = folder.pictures_per_s[timing.name]
                speeds = (speed * timing.median / other for other in (timing.p90, timing.p10))
                table.add_row(
                    str(folder.threads),
                    folder.pictures,
                    folder.format,
                    timing.name,
                    *(f"{value:.3g}" for value in (speed, *speeds, timing.ratio)),
                    f"{folder.psnr_db[timing.name]:.1f}",
                )
            for name, ratios in folder.times_as_fast_as.items():
                for other, ratio in ratios.items():
                    table.add_row("", "", "", f"{name} over {other}", *[""] * 3, f"{ratio:.3g}")
        for name, reason in self.left_out.items():
            table.add_row("", "", "", f"{name}: left out, {reason}")
        return table


def bench_folder(
    out: JsonOutput = Path("results/benchmarks/folder.json"),
    *,
    run: str = "zhang16_photos",
    small: Natural = 200,
    small_size: tuple[Side, Side] = (481, 321),
    large: Natural = 10,
    large_size: tuple[Side, Side] = (4000, 3000),
    formats: Annotated[tuple[Format, ...], tyro.conf.arg(metavar="FORMAT...")] = ("jpg", "png"),
    threads: Annotated[tuple[Count, ...], tyro.conf.arg(metavar="N...")] = (1, 2),
    repeats: Count = 3,
) -> FolderBenchmark:
    """Folders of generated JPEGs, coloured into JPEGs and PNGs, on the CPU.

    As `crosschroma colorize` does it, in float32 and, where the processor multiplies that, in
    bfloat16; beside the same functions one picture at a time, and beside the usual script around
    OpenCV's dnn with the same network as ONNX, at the size that the method sees pictures and at the
    square of its training. Candidates take turns, after two pictures each to warm up; time is wall
    time. The file is written after each folder.

    Args:
        out: JSON file to write.
        run: a gray method: a run's folder, a file of ``ship``, or a name of shipped weights.
        small: small pictures; 0 leaves them out.
        small_size: their width and height.
        large: large pictures; 0 leaves them out.
        large_size: their width and height.
        formats: of the results.
        threads: of the network, one measurement each; the process is kept to as many cores.
        repeats: how often each candidate colours each folder.

    Raises:
        UserError: no such weights, a NIR method, no pictures, or a candidate that writes less.
    """
    trained = load_any(run)
    if trained.method.domain != "gray":
        raise UserError(f"{run} colours NIR; the benchmark merges ab with L*: give a gray method")
    if not small + large:
        raise UserError("--small 0 --large 0 leaves no pictures; give one of them a number")
    result = FolderBenchmark(
        method=trained.experiment.name,
        repeats=repeats,
        pinned=hasattr(os, "sched_setaffinity"),
        load=[round(os.getloadavg()[0], 2)],
        machine=machine(),
        versions=versions("torch", "opencv-python-headless", "onnx", "pillow", "numpy"),
    )
    with tempfile.TemporaryDirectory() as root:
        folders = _made(Path(root), (small, *small_size), (large, *large_size))
        for number in threads:
            if number > (cores := os.cpu_count() or 1):
                result.left_out[f"{number} threads"] = f"there are {cores} cores"
                continue
            with torch_threads(number), _cores(number):
                for folder in folders:
                    _measure_folder(trained, folder, number, formats, result)
                    save_benchmark(result, out)
    result.load.append(round(os.getloadavg()[0], 2))
    save_benchmark(result, out)
    return result


def _made(root: Path, *kinds: tuple[int, int, int]) -> list[Path]:
    """A folder of pictures for each count, width and height whose count is not 0."""
    folders: list[Path] = []
    for count, width, height in kinds:
        if count:
            folders.append(root / f"{count} of {width}x{height}")
            make_pictures(folders[-1], count, width, height)
    return folders


@contextmanager
def _cores(count: int) -> Iterator[None]:
    """All threads of the process run on so many cores within it, also OpenCV's."""
    own = cv2.getNumThreads()
    cv2.setNumThreads(count)
    if not hasattr(os, "sched_setaffinity"):
        yield
    else:
        before = os.sched_getaffinity(0)
        _pin(set(sorted(before)[:count]))
        try:
            yield
        finally:
            _pin(before)
    cv2.setNumThreads(own)


def _pin(cores: set[int]) -> None:
    for thread in map(int, os.listdir("/proc/self/task")):
        try:
            os.sched_setaffinity(thread, cores)
        except ProcessLookupError:  # it has ended meanwhile
            continue


def _measure_folder(
    trained: Trained,
    folder: Path,
    threads: int,
    formats: tuple[Format, ...],
    result: FolderBenchmark,
) -> None:
    paths = image_files(folder)
    candidates = _candidates(trained, paths[0], result.left_out)
    for format in formats:
        with tempfile.TemporaryDirectory(dir=folder.parent) as root:
            few, outs = Path(root) / "few", {name: Path(root) / name for name in candidates}
            few.mkdir()
            for path in paths[:_WARM_UP]:
                (few / path.name).write_bytes(path.read_bytes())
            for name, colour in candidates.items():
                colour(format, few, outs[name])
            calls = {
                name: partial(colour, format, folder, outs[name])
                for name, colour in candidates.items()
            }
            timings = race(
                calls, result.repeats, reference=LOOP, clock=time.perf_counter, warm_up=False
            )
            result.folders.append(_timings(paths, threads, format, timings, outs))


def _candidates(trained: Trained, example: Path, left_out: dict[str, str]) -> dict[str, Candidate]:
    """What colours a folder, by name; what cannot run here goes to ``left_out``."""
    colorizer = Colorizer.of(trained)
    candidates: dict[str, Candidate] = {
        LOOP: partial(_one_by_one, colorizer),
        OURS: partial(_as_a_folder, colorizer),
    }
    if multiplies_bfloat16():
        note = partial(left_out.__setitem__, OURS_BF16)
        candidates[OURS_BF16] = partial(_as_a_folder, colorizer.at("bfloat16", note))
    else:
        left_out[OURS_BF16] = "the processor has no instructions for it"
    height, width = colorizer.prepare(read_picture(example).levels).small.shape[-2:]
    side = trained.experiment.eval_view.size or min(height, width)
    for name, size in ((DNN, (width, height)), (DNN_SQUARE, (side, side))):
        try:
            candidates[name] = partial(_by_opencv, OpenCVScript(_exported(trained, size), size))
        except (UserError, cv2.error) as error:
            left_out[name] = " ".join(str(error).split())[:300]
    return candidates


def _exported(trained: Trained, size: tuple[int, int]) -> bytes:
    """The method as ONNX, traced at a width and height: OpenCV 5.0 runs it at no other."""
    plane = torch.zeros(1, 1, *size[::-1])
    return to_onnx(folded(inference_colors(trained.method), plane), plane, about_of(trained))


def _one_by_one(colorizer: Colorizer, format: Format, folder: Path, out: Path) -> None:
    out.mkdir(exist_ok=True)
    for path in image_files(folder):
        picture = read_picture(path)
        data = encode(picture, colorizer(picture.levels), format)
        write_atomic(out / f"{path.stem}.{format}", lambda file, data=data: file.write(data))


def _as_a_folder(colorizer: Colorizer, format: Format, folder: Path, out: Path) -> None:
    report = colorize_files(colorizer, folder, out, FileOptions(format=format, overwrite=True))
    if report.failed:
        raise UserError(next(iter(report.failed.values())))


def _by_opencv(script: OpenCVScript, format: Format, folder: Path, out: Path) -> None:
    out.mkdir(exist_ok=True)
    for path in image_files(folder):
        script(path, out / f"{path.stem}.{format}")


def _timings(
    paths: list[Path], threads: int, format: Format, timings: list[Timing], outs: dict[str, Path]
) -> FolderTimings:
    results = {name: [out / f"{p.stem}.{format}" for p in paths] for name, out in outs.items()}
    for name, files in results.items():
        if absent := [file.name for file in files if not file.exists()]:
            raise UserError(f"{name} has not written {absent[0]} ({len(absent)} of {len(files)})")
    medians = {timing.name: timing.median for timing in timings}
    return FolderTimings(
        threads=threads,
        pictures=paths[0].parent.name,
        format=format,
        timings=timings,
        pictures_per_s={name: _rounded(len(paths) / value) for name, value in medians.items()},
        times_as_fast_as={
            name: {
                other: _rounded(medians[other] / medians[name])
                for other in (DNN, DNN_SQUARE)
                if other in medians
            }
            for name in (OURS, OURS_BF16)
            if name in medians
        },
        megabytes={
            name: _rounded(sum(file.stat().st_size for file in files) / 1e6)
            for name, files in results.items()
        },
        psnr_db={name: _worst_db(results[LOOP], files) for name, files in results.items()},
        same_files={
            name: sum(
                one.read_bytes() == other.read_bytes()
                for one, other in zip(results[LOOP], files, strict=True)
            )
            for name, files in results.items()
        },
    )


def _worst_db(expected: list[Path], files: list[Path]) -> float:
    worst = _SAME_DB
    for one, other in zip(expected[:_COMPARED], files[:_COMPARED], strict=True):
        pair = [read_rgb(path).astype(np.float32) for path in (one, other)]
        if pair[0].shape != pair[1].shape:
            raise UserError(f"{other.name} has another size than the loop's result")
        if error := float(np.mean((pair[0] - pair[1]) ** 2)):
            worst = min(worst, 10 * math.log10(255**2 / error))
    return round(worst, 2)


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
