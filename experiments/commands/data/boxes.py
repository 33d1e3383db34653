"""``crosschroma data boxes``: the objects of a dataset's images, by a detector."""

from __future__ import annotations

from pathlib import Path

from ....datasets.base.adapter import Adapter, SplitName
from ....datasets.base.bounds import Share
from ....datasets.base.boxes import write_boxes
from ....datasets.base.outputs import JsonOutput
from ..shared.dataset_options import Option, colour_dataset_options

_OPTIONS = (
    Option(
        "splits",
        tuple[SplitName, ...],
        ("train", "validation", "test"),
        "Whose images are looked at.",
    ),
    Option(
        "weights",
        Path | None,
        None,
        "Checkpoint of torchvision's maskrcnn_resnet50_fpn_v2; default its download.",
    ),
    Option("min_score", Share, 0.5, "Boxes with a lower score are left out."),
    Option("device", str, "auto", "auto (a GPU where there is one), cpu, cuda, ..."),
)


def boxes(adapter: type[Adapter], argv: list[str]) -> int:
    """``crosschroma data boxes NAME [--splits SPLIT...] [--out FILE]``; the exit code."""
    default = Path(f"{adapter.name}-boxes.json")
    options = colour_dataset_options(
        "boxes",
        adapter,
        argv,
        [*_OPTIONS, Option("out", JsonOutput, default, "The file to write.")],
        "Find objects by Mask R-CNN and write their boxes, for instance_aware.",
    )
    data: Adapter = options.data
    from ...training.devices import usable_device
    from .detect_objects import ObjectDetector, detect

    detector = ObjectDetector(options.weights, usable_device(options.device), options.min_score)
    detections = {}
    for split in options.splits:
        detections |= detect(detector, data.split(split), f"{data.name} {split}")
    out: Path = options.out
    write_boxes(out, detections)
    count = sum(map(len, detections.values()))
    print(f"{count} objects in {len(detections)} images\nwritten: {out}")
    return 0
