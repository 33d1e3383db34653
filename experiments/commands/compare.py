"""``crosschroma compare``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ...datasets.base.adapter import Adapter
from ...datasets.base.bounds import Checked, Count
from ...datasets.base.errors import UserError
from ...datasets.base.outputs import FolderOutput, Output
from ...datasets.base.typed_values import Bound

_PAGE = Output((".html", ".htm"))


@dataclass(frozen=True, kw_only=True)
class CompareOptions(Checked):
    """Write one HTML page that shows what runs make of the same pictures.

    It needs no network: zoom and slider move in all pictures together, error maps are drawn from
    the pixels, the table sorts by any metric. By default the first run's test images.

    Attributes:
        runs: run folders, checkpoints, files of ``ship``, or names of shipped weights.
        images: folder of pictures: colour pictures for gray methods, the folders nir/ and rgb/ for
            NIR methods; or pictures of which there is no truth.
        dataset: instead, the test images of a dataset.
        protocol: of ``dataset``; see ``crosschroma evaluate``.
        root: the dataset's folder.
        out: HTML file to write.
        count: pictures at most, spread evenly.
        size: long side of a folder's pictures, in pixels; larger ones are shrunk.
        metrics: names of metrics that images have one by one.
        outputs: of runs that have several outputs, show these, a column each.
        weights: each run's best by validation, its last, or that of the two its recipe names.
        tensorboard: also write the pictures with their error maps as events into this folder.
        device: ``auto`` (a GPU where there is one), ``cpu``, ``cuda``, ...
    """

    runs: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="RUN...")]
    images: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    dataset: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    protocol: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    root: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    out: Annotated[Path, _PAGE, tyro.conf.arg(metavar="FILE")] = Path("compare.html")
    count: Count = 24
    size: Annotated[int, Bound(least=32, most=2**16), tyro.conf.arg(metavar="PIXELS")] = 512
    metrics: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME...")] = ()
    outputs: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME...")] = ()
    weights: Literal["result", "best", "last"] = "result"
    tensorboard: Annotated[FolderOutput | None, tyro.conf.arg(metavar="DIR")] = None
    device: str = "auto"


def compare(argv: list[str]) -> int:
    """``crosschroma compare RUN...``."""
    options = tyro.cli(CompareOptions, prog="crosschroma compare", args=argv)
    if options.images is not None and (options.dataset or options.root or options.protocol):
        raise UserError(
            "--images names pictures of their own; leave --dataset, --protocol and --root out"
        )
    from ..compare.compare import COMPARED, write_board
    from ..compare.compare import compare as compared
    from ..compare.page import write_page
    from ..training.devices import usable_device

    comparison = compared(
        options.runs,
        images=options.images,
        dataset=partial(_dataset, options),
        count=options.count,
        size=options.size,
        metrics=options.metrics or COMPARED,
        outputs=options.outputs,
        which=options.weights,
        device=usable_device(options.device),
    )
    write_page(comparison, options.out)
    if options.tensorboard is not None:
        write_board(comparison, options.tensorboard)
        print(options.tensorboard)
    print(f"{options.out} ({options.out.stat().st_size / 1e6:.1f} MB)")
    return 0


def _dataset(options: CompareOptions, own: Sequence[Adapter]) -> Adapter:
    """The dataset of the test images, given those of the runs."""
    from ...datasets.unknown_data import UnknownData
    from .shared.dataset_options import scored_adapter

    elsewhere = [data for data in own if options.dataset and isinstance(data, UnknownData)]
    return scored_adapter([*elsewhere, *own][0], options.dataset, options.root, options.protocol)
