"""``crosschroma data boxes``: the objects of a dataset's images, by a detector."""

from __future__ import annotations

from dataclasses import field, make_dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from ..datasets.boxes import write_boxes
from ..datasets.errors import UserError
from ..datasets.source import Adapter, SplitName

_HELP = {
    "splits": "Whose images are looked at.",
    "out": "The file to write; default NAME-boxes.json.",
    "weights": "Checkpoint of torchvision's maskrcnn_resnet50_fpn_v2; default its download.",
    "min_score": "Boxes with a lower score are left out.",
    "device": "auto (a GPU where there is one), cpu, cuda, ...",
}


def boxes(adapter: type[Adapter], argv: list[str]) -> int:
    """``crosschroma data boxes NAME [--splits SPLIT...] [--out FILE]``; the exit code."""
    options: Any = tyro.cli(
        _options_of(adapter),
        prog=f"crosschroma data boxes {adapter.name}",
        description="Find objects by Mask R-CNN and write their boxes, for instance_aware.",
        args=argv,
        config=(tyro.conf.OmitArgPrefixes,),
    )
    data: Adapter = options.data
    if "rgb" not in data.planes:
        raise UserError(f"{data.name} has no colour images; take another dataset")
    data.base()
    from .detect import ObjectDetector, detect
    from .devices import usable_device

    detector = ObjectDetector(options.weights, usable_device(options.device), options.min_score)
    found = {}
    for split in options.splits:
        found |= detect(detector, data.split(split), f"{data.name} {split}")
    out: Path = options.out or Path(f"{data.name}-boxes.json")
    write_boxes(out, found)
    count = sum(map(len, found.values()))
    print(f"{count} objects in {len(found)} images\nwritten: {out}")
    return 0


def _options_of(adapter: type[Adapter]) -> type:
    """The dataset's settings and those of the command, as one flat set of options."""

    def option(name: str, kind: Any, default: Any) -> tuple[str, Any, Any]:
        return name, Annotated[kind, tyro.conf.arg(help=_HELP[name])], field(default=default)

    return make_dataclass(
        "BoxesOptions",
        [
            ("data", adapter, field(default_factory=adapter)),
            option("splits", tuple[SplitName, ...], ("train", "validation", "test")),
            option("out", Path | None, None),
            option("weights", Path | None, None),
            option("min_score", float, 0.5),
            option("device", str, "auto"),
        ],
        kw_only=True,
    )
