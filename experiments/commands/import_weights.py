"""``crosschroma import-weights``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ...datasets.base.bounds import AnyNumber, Checked, NotNegative
from ...datasets.base.errors import UserError
from ...datasets.base.outputs import WeightsOutput

_FOR = {"temperature": "zhang16", "mask_center": "zhang17"}  # option -> whose setting


@dataclass(frozen=True, kw_only=True)
class ImportOptions(Checked):
    """Turn a checkpoint that a method's authors released into a file of ours.

    The file goes wherever a run goes: colorize, evaluate, gallery, export. Its rows are those of a
    peer, and tell the file and its SHA-256.

    Attributes:
        method: zhang16, zhang17, ddcolor or instcolor.
        file: the authors' checkpoint, or the name of a published one, which is downloaded:
            colorization_release_v2-9b330a0b.pth (zhang16), siggraph17-df00044c.pth (zhang17),
            ddcolor_paper_tiny.pth, ddcolor_paper.pth, ddcolor_modelscope.pth or
            ddcolor_artistic.pth (ddcolor), by default the first of the method. For instcolor the
            folder with the authors' latest_net_GComp.pth, latest_net_G.pth and latest_net_GF.pth.
        out: file or folder to write.
        train_data: what the weights learnt from, in words, where the file is not a known one.
        temperature: zhang16: of the annealed mean; the authors' code for PyTorch has 1, the paper
            0.38.
        mask_center: zhang17: taken from the mask of hints; 0.5 for weights that were trained with
            PyTorch, 0 for those that were converted from Caffe.
    """

    method: Annotated[
        tyro.conf.Positional[Literal["zhang16", "zhang17", "ddcolor", "instcolor"]],
        tyro.conf.arg(metavar="METHOD"),
    ]
    file: Annotated[tyro.conf.Positional[Path | None], tyro.conf.arg(metavar="[FILE]")] = None
    out: WeightsOutput = Path("imported")
    train_data: str = ""
    temperature: NotNegative | None = None
    mask_center: AnyNumber | None = None


def import_weights(argv: list[str]) -> int:
    """``crosschroma import-weights METHOD [FILE]``."""
    options = tyro.cli(ImportOptions, prog="crosschroma import-weights", args=argv)
    settings = {name: getattr(options, name) for name in _FOR if getattr(options, name) is not None}
    for name in settings:
        if _FOR[name] != options.method:
            option = name.replace("_", "-")
            raise UserError(f"--{option} is a setting of {_FOR[name]}, not of {options.method}")
    from ..artifacts import weights_file
    from ..artifacts.import_weights import import_weights as read

    trained = read(options.method, options.file, train_data=options.train_data, settings=settings)
    path = weights_file.write_weights_file(trained, options.out, half=False)
    million = sum(trained.method.parameter_counts()[n] for n in trained.method.networks_used) / 1e6
    print(f"{trained.experiment.name}: {million:.2f} M parameters")
    print(f"trained on: {trained.experiment.data.train_data}")
    print(f"{path}\nnext: crosschroma colorize PICTURES --run {path}")
    return 0
