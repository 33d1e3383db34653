"""``crosschroma bench data|scan|network|train|export|ui``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import rich
import tyro

from ...datasets.base.errors import unknown
from .usage import UsageError, usage

_FOLDER = Path("results/benchmarks")
_HELP = """usage: crosschroma bench {data,scan,network,train,export,ui} [--help] [options]

data:    loading of images beside PIL + scikit-image.
scan:    every backend of the selective scan beside a loop over time: time, memory, error.
network: ColorMamba beside itself with the scan left out: what the scan costs.
train:   a training step beside the same network, loss and optimiser in a bare PyTorch loop.
export:  a method in eager mode beside folded, ONNX Runtime and bfloat16, on the CPU.
ui:      what the page takes to answer a click, beside the network alone."""


@dataclass(frozen=True, kw_only=True)
class BenchDataOptions:
    """Loading (decode, resize, Lab, tensor) against PIL + scikit-image, side by side in one run.

    Attributes:
        out: JSON file to write.
        images: pictures that are made and loaded.
        repeats: how often each way runs.
    """

    out: Path = _FOLDER / "data.json"
    images: int = 64
    repeats: int = 9


@dataclass(frozen=True, kw_only=True)
class BenchScanOptions:
    """Every backend of the selective scan that runs here, forward and forward+backward.

    Attributes:
        out: JSON file to write.
        plot: picture to write (svg, png, pdf); ``None`` writes none.
        device: where.
        shapes: names of shapes, default all.
        repeats: how often each way runs; the loop at most three times.
    """

    out: Path = _FOLDER / "scan.json"
    plot: Path | None = _FOLDER / "scan.svg"
    device: Literal["cpu", "cuda"] = "cpu"
    shapes: tuple[str, ...] = ()
    repeats: int = 9


@dataclass(frozen=True, kw_only=True)
class BenchNetworkOptions:
    """ColorMamba's generator on one image, with its scan and with an element-wise stand-in.

    Attributes:
        out: JSON file to write.
        device: where.
        design: the released network, or the small one.
        size: height and width of the image.
        threads: of torch, on the CPU.
        repeats: how often each way runs.
        loop: also run once with the loop over time (a minute and more).
    """

    out: Path = _FOLDER / "network.json"
    device: Literal["cpu", "cuda"] = "cpu"
    design: Literal["released", "small"] = "released"
    size: int = 256
    threads: int = 2
    repeats: int = 5
    loop: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False


@dataclass(frozen=True, kw_only=True)
class BenchTrainOptions:
    """A training step of recipes, data from the cache, beside the same in a bare PyTorch loop.

    Attributes:
        out: JSON file to write.
        recipes: of the methods unet and pix2pix, for gray pictures.
        smoke: their smallest form: what the suite adds, beside a network of milliseconds.
        device: where.
        threads: of torch, on the CPU; with one, time is the processor's.
        workers: processes that load batches.
        turn: steps that a way makes before the next has its turn.
        repeats: how often each way has its turn.
    """

    out: Path = _FOLDER / "train.json"
    recipes: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME...")] = ()
    smoke: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    device: Literal["cpu", "cuda"] = "cpu"
    threads: int = 1
    workers: int = 0
    turn: int = 5
    repeats: int = 9


@dataclass(frozen=True, kw_only=True)
class BenchExportOptions:
    """Ways to run a method on a CPU: time for one picture, and PSNR against eager float32.

    Attributes:
        out: JSON file to write.
        run: a run's folder, a checkpoint, or a file of ``ship``; by default pix2pix at full size
            with random weights.
        images: folder of pictures to compare on; generated scenes unless given.
        size: height and width of the picture.
        threads: of torch and ONNX Runtime.
        repeats: how often each way runs.
    """

    out: Path = _FOLDER / "export.json"
    run: Annotated[Path | None, tyro.conf.arg(metavar="RUN")] = None
    images: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    size: int = 256
    threads: int = 1
    repeats: int = 9


@dataclass(frozen=True, kw_only=True)
class BenchUiOptions:
    """From a click on the page of ``crosschroma ui`` to the picture that it gets, on this machine.

    Attributes:
        out: JSON file to write.
        run: a run's folder, a checkpoint, or a file of ``ship`` or ``export``; by default zhang17
            at full size with random weights.
        size: short side at which the network sees the picture.
        threads: of torch.
        repeats: how many clicks.
    """

    out: Path = _FOLDER / "ui.json"
    run: Annotated[Path | None, tyro.conf.arg(metavar="RUN")] = None
    size: int = 256
    threads: int = 2
    repeats: int = 9


def bench(argv: list[str]) -> int:
    """``crosschroma bench data|scan|network|train|export|ui``."""
    if not argv or argv[0].startswith("-"):
        return usage(_HELP, argv)
    tasks = {
        "data": _data,
        "scan": _scan,
        "network": _network,
        "train": _train,
        "export": _export,
        "ui": _ui,
    }
    if argv[0] not in tasks:
        raise UsageError(unknown("benchmark", argv[0], tasks))
    for path in tasks[argv[0]](argv[1:]):
        print(path)
    return 0


def _data(argv: list[str]) -> list[Path]:
    from ..benchmarks.data import bench_data

    options = tyro.cli(BenchDataOptions, prog="crosschroma bench data", args=argv)
    rich.print(bench_data(options.out, images=options.images, repeats=options.repeats))
    return [options.out]


def _scan(argv: list[str]) -> list[Path]:
    from ..benchmarks.scan import bench_scan
    from ..benchmarks.scan_plot import plot_scan
    from ..training.devices import usable_device

    options = tyro.cli(BenchScanOptions, prog="crosschroma bench scan", args=argv)
    usable_device(options.device)
    result = bench_scan(
        options.out, device=options.device, shapes=options.shapes, repeats=options.repeats
    )
    rich.print(result)
    if options.plot is None:
        return [options.out]
    plot_scan(result, options.plot)
    return [options.out, options.plot]


def _network(argv: list[str]) -> list[Path]:
    from ..benchmarks.network import bench_network
    from ..training.devices import usable_device

    options = tyro.cli(BenchNetworkOptions, prog="crosschroma bench network", args=argv)
    usable_device(options.device)
    result = bench_network(
        options.out,
        device=options.device,
        design=options.design,
        size=options.size,
        thread_count=options.threads,
        repeats=options.repeats,
        loop=options.loop,
    )
    rich.print(result)
    return [options.out]


def _train(argv: list[str]) -> list[Path]:
    from ..benchmarks.train import RECIPES, bench_train
    from ..training.devices import usable_device

    options = tyro.cli(BenchTrainOptions, prog="crosschroma bench train", args=argv)
    usable_device(options.device)
    result = bench_train(
        options.out,
        recipes=options.recipes or RECIPES,
        smoke=options.smoke,
        device=options.device,
        thread_count=options.threads,
        workers=options.workers,
        turn=options.turn,
        repeats=options.repeats,
    )
    rich.print(result)
    return [options.out]


def _export(argv: list[str]) -> list[Path]:
    from ..benchmarks.export import bench_export

    options = tyro.cli(BenchExportOptions, prog="crosschroma bench export", args=argv)
    result = bench_export(
        options.out,
        run=options.run,
        images=options.images,
        size=options.size,
        thread_count=options.threads,
        repeats=options.repeats,
    )
    rich.print(result)
    return [options.out]


def _ui(argv: list[str]) -> list[Path]:
    from .ui import check_installed

    options = tyro.cli(BenchUiOptions, prog="crosschroma bench ui", args=argv)
    check_installed()
    from ..benchmarks.ui import bench_ui

    result = bench_ui(
        options.out,
        run=options.run,
        size=options.size,
        thread_count=options.threads,
        repeats=options.repeats,
    )
    rich.print(result)
    return [options.out]
