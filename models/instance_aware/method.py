"""Instance-aware colorization: objects coloured from their own crops, joined with the picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from ...datasets.base.batch import Batch
from ...datasets.base.bounds import AnyNumber, Natural, NotNegative, Side, Width
from ...datasets.base.color import AB_SCALE, rgb_to_lab
from ...datasets.base.errors import UserError
from ...losses.pixel import pixel_loss
from ...losses.terms import Term, Terms
from ..base.generator import GeneratorMethod
from ..base.method import Step
from ..base.padding import pad_and_crop
from ..base.stages import RatedStage, Schedule, Staged, check_names
from ..base.weights import NONE, load_strictly, read_run_weights, run_name
from .networks import Branch, Fusion, box_cells

_NETWORKS = {"full": "generator", "instance": "instance", "fusion": "fusion"}
_STAGES = tuple(_NETWORKS)
_STRIDE = 8
_START = "--method.start"


class InstanceAware(Staged[RatedStage], GeneratorMethod):
    """A branch for the picture and one for the objects in ``batch["boxes"]``, joined at 13 places.

    Each object is cut out, resized to ``crop_size`` and coloured by its own branch; learnt weights
    join its maps with the picture's within its box. Where a picture has no boxes, and as long as
    the fusion has learnt nothing, ``colorize`` returns exactly what the picture's branch makes.

    Paper: Su, Chu and Huang 2020, "Instance-aware Image Colorization", section 3, with the stages
    and losses of the authors' code.
    Differs: crops are cut from the picture as the network sees it, not from the full-size file. In
    training a picture without boxes counts as one object (theirs are deleted). L* is that of the
    colour picture, in the authors' code that of its 8-bit gray. The branches have no class head.
    """

    name = "instance_aware"
    inference_networks = ("generator", "instance", "fusion")
    takes_boxes = True

    @dataclass(frozen=True, kw_only=True)
    class Config(GeneratorMethod.Config):
        """Settings of ``InstanceAware``.

        Attributes:
            stages: the schedule; the last goes on to the end, and learning rates take their course
                anew in each. ``full`` trains the picture's branch, which the instances' branch
                then begins as; ``instance`` the latter, on crops; ``fusion`` what joins the two,
                while both stay as they are. The released one in steps of 16 pictures of COCO: 150
                epochs, 150, and 30 (those of single pictures).
            start: a ``zhang17`` run's folder, its checkpoint, or its shipped file, for both
                branches, as the paper has them; or ``none``.
            max_boxes: the first so many of a picture count; see ``Batch``.
            crop_size: side at which the objects' branch sees them; a multiple of 8.
            weight_huber: of the error of the colours: Huber's with its kink at 1 ab unit, a and b
                added, in ab units; the authors' is 10/110.
            mask_center: minus the plane that says where hints are, of which there are none; 0 for
                weights of ``zhang17`` that were converted from Caffe.
            width: channels of the first block of both branches.
        """

        stages: tuple[RatedStage, ...] = (
            RatedStage(name="full", steps=1_109_000, lr=5e-4),
            RatedStage(name="instance", steps=1_109_000, lr=5e-4),
            RatedStage(name="fusion", steps=221_800, lr=5e-5),
        )
        start: str = NONE
        max_boxes: Natural = 8
        crop_size: Side = 256
        weight_huber: NotNegative = 1 / 11
        mask_center: AnyNumber = 0.5
        width: Width = 64

        def __post_init__(self) -> None:
            """Check the settings."""
            check_names(self.stages, _STAGES)
            numbers = [_STAGES.index(stage.name) for stage in self.stages]
            if numbers != sorted(numbers):
                raise UserError(
                    "instance_aware: each stage builds on those before it; their order is "
                    f"{', '.join(_STAGES)}"
                )
            if self.crop_size % _STRIDE:
                raise UserError(
                    f"--method.crop-size {self.crop_size}: must be a multiple of {_STRIDE}"
                )

        @property
        def learnt_from(self) -> str:
            return "" if self.start == NONE else f"zhang17 run: {run_name(self.start)}"

        def smoke(self) -> InstanceAware.Config:
            stages = tuple(RatedStage(name=name, steps=1, lr=3e-3) for name in _STAGES)
            return replace(self, stages=stages, start=NONE, crop_size=32, width=8)

    instance: nn.Module
    fusion: Fusion

    def __init__(self, config: Config) -> None:
        super().__init__("gray")
        self.config = config
        self.stride = _STRIDE
        self.schedule = Schedule(config.stages)
        self.generator = Branch(config.width)
        self.instance = Branch(config.width)
        self.fusion = Fusion(config.width)
        self._hand_on()

    @property
    def needs(self) -> frozenset[str]:
        alone = all(stage.name == "full" for stage in self.config.stages)
        return frozenset({"gray", "rgb"} if alone else {"gray", "rgb", "boxes"})

    def networks(self) -> dict[str, nn.Module]:
        return {name: self.get_submodule(name) for name in self.inference_networks}

    @property
    def networks_used(self) -> tuple[str, ...]:
        return self.inference_networks if self.fusion.trained else ("generator",)

    def optimizers(self) -> dict[str, Optimizer]:
        lr = self.config.stages[0].lr
        return {
            name: Adam(network.parameters(), lr=lr) for name, network in self.networks().items()
        }

    def load_pretrained(self) -> str:
        if self.config.start == NONE:
            return ""
        path, states = read_run_weights(self.config.start, ["generator"], _START)
        state = states["generator"]
        body = {name: value for name, value in state.items() if not name.startswith("classes.")}
        load_strictly(self.generator, body, f"{_START} {path}", "--method.width of zhang17")
        self._hand_on()
        return f"both branches from {path}"

    def training_step(self, batch: Batch, step: Step) -> None:
        stage = self.schedule.stage(step.index).name
        network = _NETWORKS[stage]
        if stage == "fusion":
            self.generator.eval()  # running averages rest, too
            self.instance.eval()
            with step.frozen("generator", "instance"):
                step.backward(self._losses(stage, batch), network)
        else:
            step.backward(self._losses(stage, batch), network)
        step.update(network)
        if stage == "full":
            self._hand_on()

    def predict(self, batch: Batch) -> Tensor:
        """ab/110, B2HW at the input's size, of the objects in ``batch``'s boxes, where it has."""
        gray = batch["gray"]
        boxes = [
            boxes_of_image[: self.config.max_boxes] for boxes_of_image in batch.get("boxes", [])
        ]
        if not self.fusion.trained or not any(len(boxes_of_image) for boxes_of_image in boxes):
            return self._whole(gray)
        outputs = [
            self._joined(one[None], boxes_of_image)
            if len(boxes_of_image)
            else self._whole(one[None])
            for one, boxes_of_image in zip(gray, boxes, strict=True)
        ]
        return torch.cat(outputs)

    def _losses(self, stage: str, batch: Batch) -> Terms:
        """The error of the colours that a stage's network makes."""
        gray, ab, valid = batch["gray"], rgb_to_lab(batch["rgb"])[:, 1:], batch.get("valid")
        boxes = self._boxes_or_all(batch)
        if stage == "full":
            whole = self._whole(gray)
        elif stage == "instance":
            one = [some[int(torch.randint(len(some), (1,)))][None] for some in boxes]
            whole = self.instance(self._given(self._cut(gray, one))).float()
            ab = rgb_to_lab(self._cut(batch["rgb"], one))[:, 1:]
            valid = None if valid is None else (self._cut(valid, one) > 0.5).to(ab)
        else:
            outputs = [self._joined(g[None], b) for g, b in zip(gray, boxes, strict=True)]
            whole = torch.cat(outputs)
        error = pixel_loss("huber", AB_SCALE * whole, ab, valid)
        # a and b added
        return {f"{stage}/huber_ab": Term(2 * error, self.config.weight_huber)}

    def _whole(self, gray: Tensor) -> Tensor:
        """ab/110 of pictures by their branch alone."""
        return pad_and_crop(self.generator, self._given(gray), self.stride).float()

    def _joined(self, gray: Tensor, boxes: Tensor) -> Tensor:
        """ab/110 of one picture, 12HW, with the objects in its boxes, K x 4."""
        maps: dict[str, Tensor] = {}

        def keep(place: str, feature: Tensor) -> Tensor:
            maps[place] = feature
            return feature

        self.instance(self._given(self._cut(gray, [boxes])), keep)
        height, width = gray.shape[-2:]

        def run(inputs: Tensor) -> Tensor:
            rows, columns = inputs.shape[-2:]
            # the picture lies in the middle of what is given
            offset = boxes.new_tensor([(columns - width) // 2, (rows - height) // 2] * 2)
            return self.fusion(
                lambda at: self.generator(inputs, at, painted=False),
                maps,
                boxes + offset,
                (rows, columns),
            )

        return pad_and_crop(run, self._given(gray), self.stride).float()

    def _cut(self, plane: Tensor, boxes: list[Tensor]) -> Tensor:
        """What is in the boxes of each image of BCHW, at the crops' size: sum of K x C x S x S."""
        height, width = plane.shape[-2:]
        size = self.config.crop_size
        crops = [
            F.interpolate(
                box_cells(box, 1, height, width).of(image[None]),
                size=(size, size),
                mode="bilinear",
                align_corners=False,
                antialias=True,
            )
            for image, some in zip(plane, boxes, strict=True)
            for box in some.tolist()
        ]
        return torch.cat(crops)

    def _boxes_or_all(self, batch: Batch) -> list[Tensor]:
        """Each picture's boxes; the whole picture where it has none."""
        height, width = batch["gray"].shape[-2:]
        everything = batch["gray"].new_tensor([[0, 0, width, height]])
        boxes = [
            boxes_of_image[: self.config.max_boxes] for boxes_of_image in batch.get("boxes", [])
        ]
        boxes = boxes or [everything] * len(batch["gray"])
        return [boxes_of_image if len(boxes_of_image) else everything for boxes_of_image in boxes]

    def _given(self, gray: Tensor) -> Tensor:
        """B4HW: L* and, where Zhang17 has hints, none."""
        none = gray.new_zeros(gray.shape[0], 2, *gray.shape[-2:])
        return torch.cat([gray - 0.5, none, none[:, :1] - self.config.mask_center], dim=1)

    def _hand_on(self) -> None:
        """Until they learn themselves, instances and fusion are what the picture's branch is."""
        state = self.generator.state_dict()
        self.instance.load_state_dict(state)
        self.fusion.adopt(state)
