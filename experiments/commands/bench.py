"""``crosschroma bench TASK``."""

from __future__ import annotations

import functools
import importlib
from pathlib import Path
from typing import Any, get_type_hints

import rich
import tyro

from ...datasets.base.bounds import check_options
from ...datasets.base.errors import unknown
from .shared.usage import UsageError, usage

_TASKS = (
    *("data", "scan", "kernels", "network", "train", "step", "process"),
    *("export", "colorize", "folder", "ui", "gpu"),
)
_HELP = f"""usage: crosschroma bench {{{",".join(_TASKS)}}} [--help] [options]

data:     loading of images beside PIL + scikit-image.
scan:     every backend of the selective scan beside a loop over time: time, memory, error.
kernels:  the scan's Triton kernels, read without a GPU, and the limits of each shape on one.
network:  ColorMamba beside itself with the scan left out: what the scan costs.
train:    a training step beside the same network, loss and optimiser in a bare PyTorch loop.
step:     where the time of a training step goes: kernels, gaps between them, the scan.
process:  training steps with and without what `train` sets for its process, busy and idle.
export:   a method in eager mode beside folded, ONNX Runtime and bfloat16, on the CPU.
colorize: pictures a second by batch size, number format and layout, compiled or not.
folder:   files to files: `colorize` beside one by one, and beside OpenCV's dnn.
ui:       what the page takes to answer a click, beside the network alone.
gpu:      all that a GPU is wanted for, in the minutes that one is there; --rehearse needs none."""


def bench(argv: list[str]) -> int:
    """``crosschroma bench TASK``: the arguments of ``experiments.benchmarks.TASK.bench_TASK``."""
    if not argv or argv[0].startswith("-"):
        return usage(_HELP, argv)
    task, *rest = argv
    if task not in _TASKS:
        raise UsageError(unknown("benchmark", task, _TASKS))
    from ..training.devices import usable_device
    from .ui import check_installed

    if task == "ui":
        check_installed()
    module = importlib.import_module(f"...benchmarks.{task}", __name__)
    benchmark = getattr(module, f"bench_{task}")

    @functools.wraps(benchmark)
    def run(**options: Any) -> list[Path]:
        check_options(options, get_type_hints(benchmark, include_extras=True))
        usable_device(options.get("device", "cpu"))
        rich.print(benchmark(**options))
        return [options[name] for name in ("out", "plot") if options.get(name)]

    for path in tyro.cli(run, prog=f"crosschroma bench {task}", args=rest):
        print(path)
    return 0
