"""Colourful image colorization: each pixel's colour as a choice among 313 bins."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from ...datasets.base.batch import Batch
from ...datasets.base.bounds import Decay, NotNegative, Positive, Share, Width
from ...datasets.base.color import AB_SCALE, rgb_to_lab
from ...datasets.base.errors import UserError
from ...datasets.base.typed_values import Bound
from ...losses.pixel import pixel_loss
from ...losses.rebalanced import rebalancing_weights, soft_cross_entropy
from ...losses.terms import Term, Terms
from ..base.domain import DomainName
from ..base.generator import GeneratorMethod
from ..base.padding import pad_and_crop
from ..base.weights import load_strictly, read_run_weights, run_name
from ..color.ab_bins import BINS, ab_bins, annealed_mean, soft_encode
from ..color.ab_prior import UNIFORM, load_prior, shipped_priors
from ..layers.encoders import encoder_and_others, encoder_learnt_from, load_encoder
from ..layers.guided_upsample import guided_enlarge
from .network import INPUT_STRIDE, OUTPUT_STRIDE, EncoderClassifier, Zhang16Generator

Loss = Literal["rebalanced", "plain", "l2"]

_NO_ENCODER = "none"
_START = "--method.start"
_GRAY_AB = 5.0  # an image is gray when no |a| or |b| exceeds it


class Zhang16(GeneratorMethod):
    """Classification of colour with rare colours weighted up, and the paper's ablations of it.

    Paper: Zhang, Isola and Efros 2016, "Colorful Image Colorization", sections 2 and 3.1.
    Differs: the target of an output pixel is the colour in the middle of its 4x4 input pixels,
    where the released code takes their corner, 1.5 pixels aside from where the output is painted;
    the default prior is counted from 630 photographs of ImageNet, not from all; with ``encoder``
    another network.
    """

    name = "zhang16"
    decoding: ClassVar[frozenset[str]] = frozenset({"temperature", "logit_adjustment", "ensemble"})

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
            logit_adjustment: tau, the share of the rebalancing that decoding takes back: tau times
                the logarithm of a bin's weight is subtracted from its logit (after Menon et al.
                2021, "Long-tail learning via logit adjustment", section 4.1). At 1 the colours are
                those of ``plain``, near gray; the paper has none.
            ensemble: ``flip`` decodes the mean of the shares of the picture and its mirror image.
            width: channels of the first block.
            start: another ``zhang16`` run of this width, its checkpoint or its shipped file, whose
                weights, the head's apart, training starts from; ``none`` starts afresh. With
                ``l2`` this is the paper's "L2, ft". With an ``encoder``, the run of any method on
                that encoder, of which the encoder alone is taken.
            encoder: ``none`` for the paper's network; a model of timm, or ``squeezenet1_0``, for
                ``EncoderClassifier`` on it, whose colours are brought to full size along the edges
                of L* (``guided_enlarge``), not by plain resizing.
            encoder_weights: where its training starts: ``imagenet``, a file, or ``none``.
            encoder_lr: its learning rate over that of the rest.
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
        logit_adjustment: Share = 0.0
        ensemble: Literal["none", "flip"] = "none"
        width: Width = 64
        start: str = "none"
        lr: NotNegative = 3.16e-5
        beta2: Decay = 0.99
        weight_decay: NotNegative = 1e-3
        encoder: str = _NO_ENCODER
        encoder_weights: str = "imagenet"
        encoder_lr: NotNegative = 0.1

        def __post_init__(self) -> None:
            """Check that there is a rebalancing to take back."""
            if self.logit_adjustment and self.loss != "rebalanced":
                raise UserError(
                    f"--method.logit-adjustment takes a rebalancing back, and --method.loss is "
                    f"{self.loss}; leave it at 0"
                )

        @property
        def learnt_from(self) -> str:
            sources = []
            if self.encoder != _NO_ENCODER:
                sources.append(encoder_learnt_from(self.encoder, self.encoder_weights))
            if self.start != "none":
                whose = "zhang16" if self.encoder == _NO_ENCODER else "encoder's"
                sources.append(f"{whose} run: {run_name(self.start)}")
            return "; ".join(filter(None, sources))

        def smoke(self) -> Zhang16.Config:
            return replace(
                self,
                width=8,
                start="none",
                lr=3e-3,
                weight_decay=0.0,
                encoder=_NO_ENCODER if self.encoder == _NO_ENCODER else "test_efficientnet",
                encoder_weights="none",
                encoder_lr=1.0,
            )

    bins: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__(config.domain)
        self.config = config
        # a file is read by ``load_pretrained``, so that a trained run is rebuilt without it
        known = config.prior if config.prior in shipped_priors() else UNIFORM
        prior = self._prior(known) if config.loss == "rebalanced" else None
        channels = 2 if config.loss == "l2" else BINS
        if config.encoder == _NO_ENCODER:
            self.generator = Zhang16Generator(channels, config.width, prior)
            self.stride = INPUT_STRIDE
        else:
            frozen = config.encoder_weights != "none"
            self.generator = EncoderClassifier(
                config.encoder, channels, config.width, frozen, prior
            )
            self.stride = self.generator.stride
        self.register_buffer("bins", ab_bins(), persistent=False)

    def load_pretrained(self) -> str:
        said = []
        if self.config.loss == "rebalanced":
            cast(Tensor, self.generator.prior).copy_(self._prior(self.config.prior))
            said.append(f"prior of the ab bins: {self.config.prior}")
        if self.config.encoder != _NO_ENCODER:
            encoder = self.generator.get_submodule("encoder")
            said.append(load_encoder(encoder, self.config.encoder_weights))
        if self.config.start != "none":
            start = _start_from if self.config.encoder == _NO_ENCODER else _take_encoder
            said.append(start(self.generator, self.config.start))
        return "; ".join(filter(None, said))

    def optimizers(self) -> dict[str, Optimizer]:
        config = self.config
        weights = self.generator.parameters()
        if config.encoder != _NO_ENCODER:
            encoder = self.generator.get_submodule("encoder")
            weights = encoder_and_others(weights, encoder, config.encoder_lr * config.lr)
        return {
            "generator": Adam(
                weights,
                lr=config.lr,
                betas=(0.9, config.beta2),
                weight_decay=config.weight_decay,
            )
        }

    def losses(self, batch: Batch) -> Terms:
        config = self.config
        ab, valid = _quarter_target(batch, self.stride)
        logits = self.generator(_whole_cells(batch["gray"], self.stride) - 0.5).float()
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
        output = self._output(gray - 0.5)
        if self.config.ensemble == "flip":
            mirrored = self._output(gray.flip(-1) - 0.5).flip(-1)
            both = (torch.logaddexp(output, mirrored), (output + mirrored) / 2)
            output = both[self.config.loss == "l2"]
        if self.config.loss != "l2":
            output = annealed_mean(self._adjusted(output), self.bins, self.config.temperature)
            output = output / AB_SCALE
        if self.config.encoder != _NO_ENCODER:
            return guided_enlarge(output, gray, OUTPUT_STRIDE)
        return F.interpolate(output, scale_factor=OUTPUT_STRIDE, mode="bilinear")

    def _output(self, lightness: Tensor) -> Tensor:
        """Logarithms of the bins' shares, or ab/110, at a quarter of the size."""
        output = self.generator(lightness).float()
        return output if self.config.loss == "l2" else torch.log_softmax(output, dim=1)

    def _adjusted(self, logits: Tensor) -> Tensor:
        """Logits of the bins with a share of the rebalancing taken back."""
        share = self.config.logit_adjustment
        if not share:
            return logits
        prior = cast(Tensor, self.generator.prior)
        weights = rebalancing_weights(prior, self.config.uniform)
        return logits - share * weights.log().view(1, -1, 1, 1)

    def _prior(self, name: str) -> Tensor:
        return load_prior(name, self.config.neighbours, self.config.sigma)


def _whole_cells(plane: Tensor, stride: int) -> Tensor:
    """BCHW cut to sides that are multiples of the stride, for training."""
    height, width = (side // stride * stride for side in plane.shape[-2:])
    return plane[..., :height, :width]


def _quarter_target(batch: Batch, stride: int) -> tuple[Tensor, Tensor]:
    """True ab in ab units, B2HW, and what counts, B1HW, both at a quarter of the size.

    Colours are picked, not averaged, so that edges do not teach colours between two. Gray images
    do not count: nothing is learnt from them but to paint gray.
    """
    ab = rgb_to_lab(_whole_cells(batch["rgb"], stride))[:, 1:]
    coloured = (ab.abs().amax((1, 2, 3), keepdim=True) > _GRAY_AB).to(ab.dtype)
    picked = _pick(ab)
    valid = coloured.expand(-1, 1, *picked.shape[-2:])
    if "valid" in batch:
        valid = valid * _pick(_whole_cells(batch["valid"], stride))
    return picked, valid


def _pick(plane: Tensor) -> Tensor:
    return F.interpolate(plane, scale_factor=1 / OUTPUT_STRIDE, mode="nearest-exact")


def _start_from(network: nn.Module, start: str) -> str:
    """Take the weights of another run, all but the head's and the prior."""
    path, states = read_run_weights(start, ["generator"], _START)
    fresh = {name: value for name, value in network.state_dict().items() if _is_own(name)}
    body = {name: value for name, value in states["generator"].items() if not _is_own(name)}
    load_strictly(network, {**body, **fresh}, f"{_START} {path}", "--method.width of zhang16")
    return f"all but the head from {path}"


def _take_encoder(network: nn.Module, start: str) -> str:
    """Take the encoder of another run, on the same model and with one plane in."""
    path, states = read_run_weights(start, ["generator"], _START)
    prefix = "encoder."
    encoder = {
        name.removeprefix(prefix): value
        for name, value in states["generator"].items()
        if name.startswith(prefix)
    }
    where = "--method.encoder, and a run that has one"
    load_strictly(network.get_submodule("encoder"), encoder, f"{_START} {path}", where)
    return f"encoder of {path}"


def _is_own(name: str) -> bool:
    return name == "prior" or name.startswith("head.")
