"""Real-time user-guided colorization: colours from gray, and from hints where a user gives some."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from ...datasets.base.batch import Batch
from ...datasets.base.bounds import AnyNumber, NotNegative, PositiveShare, Share, Width
from ...datasets.base.color import AB_SCALE, rgb_to_lab
from ...datasets.base.errors import UserError
from ...losses.pixel import pixel_loss
from ...losses.rebalanced import soft_cross_entropy
from ...losses.terms import Term, Terms
from ..base.generator import GeneratorMethod
from ..base.method import Step
from ..base.padding import pad_and_crop
from ..base.stages import RatedStage, Schedule, Staged, check_names
from ..color.global_hints import GLOBAL_HINTS, GlobalHintsNetwork, drop_at_random, global_hints
from ..color.hint_points import simulate_hints
from ..layers.encoders import encoder_and_others, encoder_learnt_from, load_encoder
from .encoder_network import EncoderHintNetwork
from .network import CLASS_STRIDE, Detached, Zhang17Network, nearest_class
from .suggestions import Suggestion, suggest_colors

_STRIDE = 8  # H and W of what the paper's network sees must be multiples of it
_DETACHED: dict[str, Detached] = {"classify": "colors", "regress": "classes", "both": "none"}


@dataclass(frozen=True, kw_only=True)
class HintStage(RatedStage):
    """A part of the training. Both losses are there in all.

    Attributes:
        name: ``classify``: the common blocks learn from the classes, and the decoder from what they
            make of it; ``regress``: they learn from the colours, and the head of classes likewise;
            ``both``: they learn from both, which the paper has not.
        lr: Adam's learning rate.
        hints: whether true colours are revealed.
    """

    hints: bool


class Zhang17(Staged[HintStage], GeneratorMethod):
    """Regression of ab from L* and sparse hints, with the distribution of colours at hand.

    ``Batch["hints"]`` and, with ``global_hints``, ``Batch["global_hints"]`` are what a user gives;
    without them colours are automatic.

    Paper: Zhang, Zhu, Isola, Geng, Lin, Yu and Efros 2017, "Real-Time User-Guided Image
    Colorization with Learned Deep Priors", section 3. Stages, the head of 529 classes and whose
    gradient ends where are those of the authors' code for PyTorch, which replaces the paper's
    hypercolumn of 313.
    Differs: no first training on ten classes of ImageNet; local and global hints are learnt
    together where both are, each left out at random; with ``encoder`` another network.
    """

    name = "zhang17"
    takes_hints = True

    @dataclass(frozen=True, kw_only=True)
    class Config(GeneratorMethod.Config):
        """Settings of ``Zhang17``.

        Attributes:
            stages: the schedule; the last goes on to the end. The released one, in steps of 25
                images of ImageNet: 15 epochs of classes, 10 and 5 of colours with hints.
            global_hints: also learn from histogram and saturation; see ``global_hints``.
            reveal_stop: p of the geometric number of revealed squares; 1 reveals none.
            reveal_all: chance that an image is revealed whole.
            drop_global: chance that the histogram, and that the saturation, is not given.
            loss: error of the colours: ``huber`` with its kink at 1 ab unit, or the released
                code's ``l1``.
            weight_colors: of that error, in ab units, a and b added; the released code's is 1/11.
            weight_classes: of the cross-entropy of the true class. No weight hears both terms, so
                that the two weights matter only to what is measured over all, as clipping is.
            mask_center: taken from the mask; 0.5 in the weights that were trained with PyTorch, 0
                in those that were converted from Caffe. Not with an ``encoder``.
            width: channels of the first block, or of the decoder at full size.
            encoder: ``none`` for the paper's network; a model of timm, or ``squeezenet1_0``, for
                ``EncoderHintNetwork`` on it.
            encoder_weights: where its training starts: ``imagenet``, a file, or ``none``.
            encoder_lr: its learning rate over that of the rest.
        """

        stages: tuple[HintStage, ...] = (
            HintStage(name="classify", steps=768_700, lr=1e-4, hints=False),
            HintStage(name="regress", steps=512_500, lr=1e-5, hints=True),
            HintStage(name="regress", steps=256_200, lr=1e-6, hints=True),
        )
        global_hints: bool = False
        reveal_stop: PositiveShare = 1 / 8
        reveal_all: Share = 0.01
        drop_global: Share = 0.5
        loss: Literal["huber", "l1"] = "huber"
        weight_colors: NotNegative = 1 / 11
        weight_classes: NotNegative = 1.0
        mask_center: AnyNumber = 0.5
        width: Width = 64
        encoder: str = "none"
        encoder_weights: str = "imagenet"
        encoder_lr: NotNegative = 0.1

        @property
        def learnt_from(self) -> str:
            if self.encoder == "none":
                return ""
            return encoder_learnt_from(self.encoder, self.encoder_weights)

        def __post_init__(self) -> None:
            """Check the stages."""
            check_names(self.stages, tuple(_DETACHED))

        def smoke(self) -> Zhang17.Config:
            stages = (
                HintStage(name="classify", steps=1, lr=3e-3, hints=True),
                HintStage(name="regress", steps=1, lr=3e-3, hints=True),
            )
            return replace(
                self,
                stages=stages,
                reveal_stop=0.5,
                width=8,
                encoder="none" if self.encoder == "none" else "test_efficientnet",
                encoder_weights="none",
                encoder_lr=1.0,
            )

    def __init__(self, config: Config) -> None:
        super().__init__("gray")
        self.config = config
        self.schedule = Schedule(config.stages)
        self.stride = _STRIDE
        if config.encoder == "none":
            self.generator, self._mask_center = Zhang17Network(config.width), config.mask_center
        else:
            frozen = config.encoder_weights != "none"
            self.generator = EncoderHintNetwork(config.encoder, config.width, frozen)
            self.stride, self._mask_center = self.generator.stride, 0.0
        self.takes_global_hints = config.global_hints
        if config.global_hints:
            self.global_network = GlobalHintsNetwork(8 * config.width)
            self.inference_networks = ("generator", "global_network")

    def networks(self) -> dict[str, nn.Module]:
        return {name: self.get_submodule(name) for name in self.inference_networks}

    def load_pretrained(self) -> str:
        if self.config.encoder == "none":
            return ""
        return load_encoder(self.generator.get_submodule("encoder"), self.config.encoder_weights)

    def optimizers(self) -> dict[str, Optimizer]:
        lr = self.config.stages[0].lr
        weights = [p for network in self.networks().values() for p in network.parameters()]
        if self.config.encoder == "none":
            return {"generator": Adam(weights, lr=lr)}
        encoder = self.generator.get_submodule("encoder")
        groups = encoder_and_others(weights, encoder, self.config.encoder_lr * lr)
        return {"generator": Adam(groups, lr=lr)}

    def training_step(self, batch: Batch, step: Step) -> None:
        stage = self.schedule.stage(step.index)
        step.backward(self.stage_losses(batch, stage), "generator")
        step.update("generator")

    def stage_losses(self, batch: Batch, stage: HintStage) -> Terms:
        """The losses as a stage has them; hints are simulated from the batch's true colours."""
        config = self.config
        rgb, gray = self._whole_cells(batch["rgb"]), self._whole_cells(batch["gray"])
        valid = self._whole_cells(batch["valid"]) if "valid" in batch else None
        ab = rgb_to_lab(rgb)[:, 1:]
        gray_batch = Batch(gray=gray)
        added = None  # not that of no hints, whose constant would be BatchNorm's running average
        if stage.hints:
            gray_batch["hints"] = simulate_hints(
                ab / AB_SCALE, config.reveal_stop, config.reveal_all
            )
            if config.global_hints:
                gray_batch["global_hints"] = drop_at_random(global_hints(rgb), config.drop_global)
                added = self._added(gray_batch)
        prediction, logits = self.generator(self._given(gray_batch), added, _DETACHED[stage.name])
        colors = pixel_loss(config.loss, AB_SCALE * prediction.float(), ab, valid)
        number = nearest_class(_at_classes(ab))
        counted = None if valid is None else _at_classes(valid)
        classes = soft_cross_entropy(logits, number, torch.ones_like(ab[:, :1, ::4, ::4]), counted)
        return {
            f"{config.loss}_ab": Term(2 * colors, config.weight_colors),  # a and b added
            "cross_entropy_ab": Term(classes, config.weight_classes),
        }

    def predict(self, batch: Batch) -> Tensor:
        """ab/110, B2HW at the input's size, true to ``batch``'s hints where it has some."""
        added = self._added(batch)
        return pad_and_crop(
            lambda given: self.generator(given, added)[0].float(), self._given(batch), self.stride
        )

    @torch.no_grad()
    def class_logits(self, batch: Batch) -> Tensor:
        """How likely each class of colour is, given the hints: logits of 529 classes.

        Args:
            batch: as for ``colorize``, of any size.

        Returns:
            B x 529 x H/4 x W/4 (rounded up); pixel (i, j) stands for pixel (4 i, 4 j).
        """
        inputs = self._given(batch)
        height, width = inputs.shape[-2:]
        padded = F.pad(
            inputs, (0, -width % self.stride, 0, -height % self.stride), mode="replicate"
        )
        logits = self.generator(padded, self._added(batch))[1].float()
        return logits[..., : -(-height // CLASS_STRIDE), : -(-width // CLASS_STRIDE)]

    def suggest(self, batch: Batch, x: int, y: int, count: int = 5) -> list[Suggestion]:
        """Colours that a user may want at a pixel of a single picture, the likeliest first.

        Args:
            batch: one picture as for ``colorize``, with the hints so far.
            x: column of the pixel, from 0.
            y: row.
            count: how many, at most.

        Raises:
            UserError: a pixel outside the picture.
        """
        height, width = batch["gray"].shape[-2:]
        if not (0 <= x < width and 0 <= y < height):
            raise UserError(
                f"x {x}, y {y} lies outside the picture, which is {width} wide and {height} high"
            )
        logits = self.class_logits(batch)[0]
        row, column = (
            min(round(at / CLASS_STRIDE), cells - 1)
            for at, cells in zip((y, x), logits.shape[1:], strict=True)
        )
        return suggest_colors(logits[:, row, column], batch["gray"][0, 0, y, x].item(), count)

    def _given(self, batch: Batch) -> Tensor:
        """B4HW: L*, ab and mask as the network takes them."""
        gray = batch["gray"]
        hints = batch.get("hints")
        if hints is None:
            hints = gray.new_zeros(gray.shape[0], 3, *gray.shape[-2:])
        return torch.cat([gray - 0.5, hints[:, :2], hints[:, 2:] - self._mask_center], dim=1)

    def _whole_cells(self, plane: Tensor) -> Tensor:
        """BCHW cut to sides that are multiples of the stride, for training."""
        height, width = (side // self.stride * self.stride for side in plane.shape[-2:])
        return plane[..., :height, :width]

    def _added(self, batch: Batch) -> Tensor | None:
        """What the global hints add to the fourth block."""
        if not self.config.global_hints:
            return None
        hints = batch.get("global_hints")
        if hints is None:
            hints = batch["gray"].new_zeros(batch["gray"].shape[0], GLOBAL_HINTS)
        return cast(Tensor, self.global_network(hints))


def _at_classes(plane: Tensor) -> Tensor:
    """The pixels for which the map of classes stands."""
    return plane[..., ::CLASS_STRIDE, ::CLASS_STRIDE]
