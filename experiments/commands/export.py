"""``crosschroma export``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ...datasets.base.bounds import Checked
from ...datasets.base.outputs import Output, check_output


@dataclass(frozen=True, kw_only=True)
class ExportOptions(Checked):
    """Write a trained method for other programs, after comparing it with itself on pictures.

    The comparison is on the worst of several pictures of different sizes; a file that differs is
    not kept. The ONNX and TorchScript networks take ``gray`` (CIE L*/100) or ``nir``, B1HW in
    [0,1], and give ``ab`` in CIE units or ``rgb`` in [0,1], of any size.

    Attributes:
        run: a run's folder, a checkpoint, a file of ``ship``, or the name of shipped weights.
        to: onnx (needs crosschroma[export]), torchscript, or safetensors: all weights, unfolded
            and in full precision, for this package.
        out: file or folder to write.
        images: folder of pictures to compare on; generated scenes unless given.
        weights: the run's best by validation, its last, or that of the two its recipe names.
        output: what a method with several outputs returns; see ``crosschroma evaluate``.
    """

    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    to: Literal["onnx", "torchscript", "safetensors"] = "onnx"
    out: Annotated[Path, Output((".onnx", ".ts", ".safetensors"), folder=True)] = Path("exported")
    images: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    weights: Literal["result", "best", "last"] = "result"
    output: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None


def export(argv: list[str]) -> int:
    """``crosschroma export RUN --to FORMAT``."""
    options = tyro.cli(ExportOptions, prog="crosschroma export", args=argv)
    from ..deploy.export import SUFFIXES
    from ..deploy.export import export as write

    check_output(options.out, Output((SUFFIXES[options.to],), folder=True), "--out")

    report = write(
        options.run,
        options.to,
        options.out,
        images=options.images,
        which=options.weights,
        output=options.output,
    )
    same = math.isinf(report.parity_db)
    near = "the same to the bit" if same else f"{report.parity_db:.1f} dB on the worst"
    print(f"{report.pictures} pictures compared: {near}")
    if options.to != "safetensors":
        print(f"BatchNorm: {report.folded} folded, {report.kept} kept")
    print(report.path)
    return 0
