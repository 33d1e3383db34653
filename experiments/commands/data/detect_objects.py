"""Objects in pictures by torchvision's Mask R-CNN, of which only the boxes are used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ....datasets.base.adapter import Source
from ....datasets.base.color import lightness_from_uint8
from ....datasets.base.errors import DataError, UserError
from ....datasets.base.tracked import tracked
from ....losses.pretrained.published_weights import PublishedFile, published_state
from ....losses.pretrained.tensor_file import read_named_tensors
from ....losses.pretrained.torchvision_import import ensure_torchvision

MASK_RCNN = PublishedFile("maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth", "73cbd019")


class ObjectDetector:
    """Boxes of the objects in a picture as seen in gray, the surest first.

    Paper: Su, Chu and Huang 2020, section 3.2: a detector that has learnt from COCO, on L*.
    Differs: torchvision's Mask R-CNN v2 on ResNet-50; theirs is Detectron2's on ResNeXt-101.

    Args:
        weights: a checkpoint; default torchvision's, from the folder of torch's downloads.
        device: where to compute.
        min_score: boxes with a lower score are left out.

    Raises:
        UserError: torchvision cannot select boxes here, or the weights cannot be had.
    """

    def __init__(
        self, weights: Path | None = None, device: str = "cpu", min_score: float = 0.5
    ) -> None:
        _check_operators()
        from torchvision.models import detection

        state = published_state(MASK_RCNN) if weights is None else read_named_tensors(weights)
        self.device = torch.device(device)
        self.network = detection.maskrcnn_resnet50_fpn_v2(
            weights=None, weights_backbone=None, box_score_thresh=min_score
        )
        try:
            self.network.load_state_dict(state)
        except RuntimeError as error:
            raise UserError(
                f"{weights} holds no weights of torchvision's maskrcnn_resnet50_fpn_v2: {error}"
            ) from error
        self.network.to(self.device).eval()

    @torch.no_grad()
    def __call__(self, rgb: np.ndarray) -> list[tuple[float, ...]]:
        """The objects of a picture.

        Args:
            rgb: H x W x 3 uint8 sRGB.

        Returns:
            x1, y1, x2, y2 in pixels and the score, each; as ``boxes.write_boxes`` takes them.
        """
        gray = torch.from_numpy(lightness_from_uint8(rgb)).to(self.device)
        [detection] = self.network([gray.expand(3, -1, -1)])
        rows = torch.cat([detection["boxes"], detection["scores"][:, None]], dim=1)
        return sorted((tuple(row) for row in rows.cpu().tolist()), key=lambda row: -row[4])


def detect(detector: ObjectDetector, source: Source, what: str) -> dict[str, list]:
    """The objects of every image of a source, by key; ``what`` names it on the screen.

    Raises:
        DataError: an image without colour.
    """
    boxes = {}
    for index in tracked(range(len(source)), f"looking for objects in {what}"):
        planes = source.load(index)
        if "rgb" not in planes:
            raise DataError(
                f"{source.keys[index]} has no rgb, in whose luminance objects are found"
            )
        boxes[source.keys[index]] = detector(planes["rgb"])
    return boxes


def _check_operators() -> None:
    ensure_torchvision()
    from torchvision.ops import nms

    try:
        nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
    except (RuntimeError, NotImplementedError) as error:
        raise UserError(
            "torchvision's operators do not load beside this torch, and Mask R-CNN needs them; "
            "find boxes on a machine where `torchvision.ops.nms` works (a CUDA build of torch) and "
            "bring the JSON file, or write one with any other detector (see datasets/base/boxes.py)"
        ) from error
