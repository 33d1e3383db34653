"""Colourful image colorization: each pixel's colour as a choice among 313 bins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Annotated, ClassVar, Literal, cast

import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from ..datasets.base.batch import Batch
from ..datasets.base.bounds import Decay, NotNegative, Positive, Share, Width
from ..datasets.base.color import AB_SCALE, rgb_to_lab
from ..datasets.base.typed_values import Bound
from ..losses.pixel import pixel_loss
from ..losses.rebalanced import rebalancing_weights, soft_cross_entropy
from ..losses.terms import Term, Terms
from .base.domain import DomainName
from .base.generator import GeneratorMethod
from .base.padding import pad_and_crop
from .base.weights import load_strictly, read_run_weights, run_name
from .color.ab_bins import BINS, ab_bins, annealed_mean, soft_encode
from .color.ab_prior import UNIFORM, load_prior, shipped_priors
from .layers.norms import init_he

Loss = Literal["rebalanced", "plain", "l2"]

_OUTPUT_STRIDE = 4  # input pixels along a side of one output pixel
_INPUT_STRIDE = 8  # H and W must be multiples of it
_START = "--method.start"
_GRAY_AB = 5.0  # an image is gray when no |a| or |b| exceeds it
# convolutions, channels over the first block's, stride of the last one, dilation
_BLOCKS = (
    (2, 1, 2, 1),
    (2, 2, 2, 1),
    (3, 4, 2, 1),
    (3, 8, 1, 1),
    (3, 8, 1, 2),
    (3, 8, 1, 2),
    (3, 8, 1, 1),
)


class Zhang16Generator(nn.Module):
    """Seven blocks of 3x3 convolutions down to 1/8 of the size, an eighth block at 1/4, a head.

    Each convolution is followed by ReLU, each of the first seven blocks by BatchNorm; there are no
    poolings and no skips. With width 64 and 313 outputs it has 32,235,385 parameters.

    Paper: Zhang et al. 2016, section 2 and figure 2; the released second version.
    Differs: He's initialisation, where the paper's rescales by k-means on images.

    Args:
        out_channels: 313 logits, or 2 for ab.
        width: channels of the first block.
        prior: frequencies of the bins, kept in the weights; ``None`` for losses without one.
    """

    def __init__(self, out_channels: int, width: int, prior: Tensor | None) -> None:
        super().__init__()
        widths = [1, *(width * times for _, times, _, _ in _BLOCKS)]
        self.blocks = nn.ModuleList(
            _block(before, after, count, stride, dilation)
            for (before, after), (count, _, stride, dilation) in zip(
                pairwise(widths), _BLOCKS, strict=True
            )
        )
        wide = 4 * width
        self.up = nn.Sequential(
            nn.ConvTranspose2d(widths[-1], wide, 4, 2, 1),
            nn.ReLU(),
            *_convolutions(wide, wide, 2, 1, 1),
        )
        self.head = nn.Conv2d(wide, out_channels, 1)
        self.register_buffer("prior", prior)
        init_he(self)
        nn.init.normal_(self.head.weight, std=0.01)  # all bins begin nearly equal, or ab near 0

    def forward(self, lightness: Tensor) -> Tensor:
        """B1HW, (L* - 50) / 100, sides multiples of 8, to BCHW at a quarter of the size.

        The output is 313 logits, or ab/110 where there are two channels.
        """
        feature = lightness
        for block in self.blocks:
            feature = block(feature)
        return self.head(self.up(feature))


class Zhang16(GeneratorMethod):
    """Classification of colour with rare colours weighted up, and the paper's ablations of it.

    Paper: Zhang, Isola and Efros 2016, "Colorful Image Colorization", sections 2 and 3.1.
    Differs: the target of an output pixel is the colour in the middle of its 4x4 input pixels,
    where the released code takes their corner, 1.5 pixels aside from where the output is painted;
    the default prior is counted from 630 photographs of ImageNet, not from all.
    """

    name = "zhang16"

    @dataclass(frozen=True, kw_only=True)
    class Config(GeneratorMethod.Config):
        """Settings of ``Zhang16``.

        Attributes:
            loss: ``rebalanced`` and ``plain`` are cross-entropies over 313 bins with and without
                class weights; ``l2`` is regression of ab by the same network.
            prior: how often each bin occurs, for ``rebalanced``: ``imagenet-sample``, ``uniform``,
                or a file; see ``ab_prior.load_prior``. A trained run keeps it in its weights.
            uniform: lambda, the uniform share that is mixed with the prior.
            neighbours: bins that share a target colour (the paper's 5; the released code has 10).
            sigma: of the Gaussian of those shares and of the smoothed prior, ab units.
            temperature: T of the annealed mean: 1 decodes to the mean, 0 to the mode.
            width: channels of the first block.
            start: another ``zhang16`` run of this width, its checkpoint or its shipped file, whose
                weights, the head's apart, training starts from; ``none`` starts afresh. With
                ``l2`` this is the paper's "L2, ft".
            lr: Adam's learning rate, ``beta2`` its second moment (the first is 0.9).
            weight_decay: Adam's, added to the gradient.
        """

        domain: ClassVar[DomainName] = "gray"

        loss: Loss = "rebalanced"
        prior: str = "imagenet-sample"
        uniform: Share = 0.5
        neighbours: Annotated[int, Bound(least=1, most=BINS)] = 5
        sigma: Positive = 5.0
        temperature: NotNegative = 0.38
        width: Width = 64
        start: str = "none"
        lr: NotNegative = 3.16e-5
        beta2: Decay = 0.99
        weight_decay: NotNegative = 1e-3

        @property
        def learnt_from(self) -> str:
            return "" if self.start == "none" else f"zhang16 run: {run_name(self.start)}"

        def smoke(self) -> Zhang16.Config:
            return replace(self, width=8, start="none", lr=3e-3, weight_decay=0.0)

    bins: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__(config.domain)
        self.config = config
        self.stride = _INPUT_STRIDE
        # a file is read by ``load_pretrained``, so that a trained run is rebuilt without it
        known = config.prior if config.prior in shipped_priors() else UNIFORM
        prior = self._prior(known) if config.loss == "rebalanced" else None
        self.generator = Zhang16Generator(2 if config.loss == "l2" else BINS, config.width, prior)
        self.register_buffer("bins", ab_bins(), persistent=False)

    def load_pretrained(self) -> str:
        said = []
        if self.config.loss == "rebalanced":
            cast(Tensor, self.generator.prior).copy_(self._prior(self.config.prior))
            said.append(f"prior of the ab bins: {self.config.prior}")
        if self.config.start != "none":
            said.append(_start_from(self.generator, self.config.start))
        return "; ".join(said)

    def optimizers(self) -> dict[str, Optimizer]:
        config = self.config
        return {
            "generator": Adam(
                self.generator.parameters(),
                lr=config.lr,
                betas=(0.9, config.beta2),
                weight_decay=config.weight_decay,
            )
        }

    def losses(self, batch: Batch) -> Terms:
        config = self.config
        ab, valid = _quarter_target(batch)
        logits = self.generator(_whole_cells(batch["gray"]) - 0.5).float()
        if config.loss == "l2":
            return {"mse_ab": Term(pixel_loss("mse", logits, ab / AB_SCALE, valid))}
        numbers, shares = soft_encode(ab, self.bins, config.neighbours, config.sigma)
        if config.loss == "plain":
            return {"cross_entropy_ab": Term(soft_cross_entropy(logits, numbers, shares, valid))}
        weights = rebalancing_weights(cast(Tensor, self.generator.prior), config.uniform)
        error = soft_cross_entropy(logits, numbers, shares, valid, weights)
        return {"rebalanced_cross_entropy_ab": Term(error)}

    def predict(self, batch: Batch) -> Tensor:
        """The decoded colours, ab/110, B2HW at the input's size."""
        return pad_and_crop(self._colors, batch["gray"], self.stride)

    def _colors(self, gray: Tensor) -> Tensor:
        """B1HW in [0,1] with sides of whole cells to ab/110, B2HW."""
        output = self.generator(gray - 0.5).float()
        if self.config.loss != "l2":
            output = annealed_mean(output, self.bins, self.config.temperature) / AB_SCALE
        return F.interpolate(output, scale_factor=_OUTPUT_STRIDE, mode="bilinear")

    def _prior(self, name: str) -> Tensor:
        return load_prior(name, self.config.neighbours, self.config.sigma)


def _whole_cells(plane: Tensor) -> Tensor:
    """BCHW cut to sides that are multiples of 8: at most 7 pixels less for training."""
    height, width = (side // _INPUT_STRIDE * _INPUT_STRIDE for side in plane.shape[-2:])
    return plane[..., :height, :width]


def _quarter_target(batch: Batch) -> tuple[Tensor, Tensor]:
    """True ab in ab units, B2HW, and what counts, B1HW, both at a quarter of the size.

    Colours are picked, not averaged, so that edges do not teach colours between two. Gray images
    do not count: nothing is learnt from them but to paint gray.
    """
    ab = rgb_to_lab(_whole_cells(batch["rgb"]))[:, 1:]
    coloured = (ab.abs().amax((1, 2, 3), keepdim=True) > _GRAY_AB).to(ab.dtype)
    picked = _pick(ab)
    valid = coloured.expand(-1, 1, *picked.shape[-2:])
    if "valid" in batch:
        valid = valid * _pick(_whole_cells(batch["valid"]))
    return picked, valid


def _pick(plane: Tensor) -> Tensor:
    return F.interpolate(plane, scale_factor=1 / _OUTPUT_STRIDE, mode="nearest-exact")


def _block(before: int, after: int, count: int, stride: int, dilation: int) -> nn.Sequential:
    return nn.Sequential(
        *_convolutions(before, after, count, stride, dilation), nn.BatchNorm2d(after)
    )


def _convolutions(
    before: int, after: int, count: int, stride: int, dilation: int
) -> Iterator[nn.Module]:
    """``count`` 3x3 convolutions with ReLU, the stride at the last one."""
    for index in range(count):
        last = index == count - 1
        yield nn.Conv2d(
            after if index else before,
            after,
            3,
            stride=stride if last else 1,
            padding=dilation,
            dilation=dilation,
        )
        yield nn.ReLU()


def _start_from(network: nn.Module, start: str) -> str:
    """Take the weights of another run, all but the head's and the prior."""
    path, states = read_run_weights(start, ["generator"], _START)
    fresh = {name: value for name, value in network.state_dict().items() if _is_own(name)}
    body = {name: value for name, value in states["generator"].items() if not _is_own(name)}
    load_strictly(network, {**body, **fresh}, f"{_START} {path}", "--method.width of zhang16")
    return f"all but the head from {path}"


def _is_own(name: str) -> bool:
    return name == "prior" or name.startswith("head.")
