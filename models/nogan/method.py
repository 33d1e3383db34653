"""NoGAN: a generator and a critic that learn apart, and only a little against each other."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, cast

import torch
import torch.distributed
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from ...datasets.base.batch import Batch
from ...datasets.base.bounds import Dropout, NotNegative, Side, Width
from ...datasets.base.color import rgb_to_lab
from ...datasets.base.errors import UserError
from ...losses.adversarial import discriminator_loss, generator_loss
from ...losses.pixel import pixel_loss
from ...losses.terms import Term, Terms
from ..base.domain import OUT_CHANNELS, DomainName, network_target, output_to_rgb
from ..base.extra_losses import ExtraLosses, ExtraTerms
from ..base.generator import GeneratorMethod
from ..base.method import Step
from ..base.stages import RatedStage, Schedule, Staged, check_names
from ..layers.dynamic_unet import DynamicUNet, FirstConv
from ..layers.encoders import encoder_learnt_from, load_encoder
from ..layers.guided_upsample import resized
from .critic import MIN_SIDE, Critic

_PHASES = ("generator", "critic", "gan")

_FEATURES = (("relu3_3", 20.0), ("relu4_3", 70.0), ("relu5_3", 10.0))  # before the poolings


@dataclass(frozen=True, kw_only=True)
class Phase(RatedStage):
    """A part of the training.

    Attributes:
        name: ``generator`` learns from the feature loss alone, ``critic`` from true pictures and
            those that the resting generator makes, and in ``gan`` they learn in turn.
        size: short side to which the view's pictures are shrunk, in pixels.
    """

    _prefix: ClassVar[str] = "method.phases."

    size: Side

    def __post_init__(self) -> None:
        """Check the numbers."""
        least = 1 if self.name == "generator" else MIN_SIDE
        if self.size < least:
            raise UserError(f"phase {self.name}: {self.size} pixels; it needs at least {least}")


_REPEAT = (
    Phase(name="critic", steps=16_000, lr=1e-4, size=192),
    Phase(name="gan", steps=2_400, lr=2e-5, size=192),
)


class NoGan(Staged[Phase], GeneratorMethod):
    """DeOldify's training: feature loss at growing sizes, then critic and a short GAN, repeated.

    In a ``gan`` phase one of the two learns in a step. It begins with the critic, which goes on
    until its loss is below ``threshold``; then the generator learns for one step, and so on.

    Source: DeOldify (Antic 2018), notebooks and modules of the stable model, on fastai's
    ``GANLearner`` and ``DynamicUnet``. There is no paper.
    Differs: the pictures that the critic learns from are not saved and read, but made anew by the
    same resting generator, which needs no disk and can stop anywhere. The data view has one size
    and one batch size, those of the last phase; a phase shrinks the view's pictures (DeOldify:
    batches of 88, 20, 8 and 5). Instead of a first epoch without it, the encoder learns at
    ``encoder_lr`` times the rate in all ``generator`` phases. Predicted are ab on the given L*, not
    RGB; the U-Net has no spectral norm, and its widths are ``DynamicUNet``'s.
    """

    name = "nogan"

    @dataclass(frozen=True, kw_only=True)
    class Config(GeneratorMethod.Config):
        """Settings of ``NoGan``.

        Attributes:
            domain: ``gray`` predicts ab from L*, ``nir`` RGB from NIR.
            phases: the schedule; the last goes on to the end, and learning rates take their course
                anew in each. By default DeOldify's in steps of 16 pictures of ImageNet, with three
                repeats; how many pictures its critic sees is not told.
            encoder: a model of timm with a map at every halving, or ``squeezenet1_0``.
            encoder_weights: where training starts: ``imagenet``, a file, or ``none``.
            encoder_lr: factor on the rate of the encoder in ``generator`` phases.
            first_conv: how one plane enters it; ``attention`` and ``blur``: see ``DynamicUNet``.
            weight_l1: of L1 on outputs in [-1,1].
            extra: weights of further terms; by default L1 between features of VGG16-BN.
            weight_content: factor on all these in ``gan``, beside ``weight_adv`` of the critic.
            threshold: of the critic's loss (mean of true and made, cross-entropy), below which the
                generator has its turn; a critic that knows nothing has 0.693.
            critic_lr: factor on the rate of the critic in ``gan``.
            critic_width: channels of its first convolution.
            dropout: in the critic.
            weight_decay: of AdamW, for all.
        """

        domain: DomainName = "gray"
        phases: tuple[Phase, ...] = (
            Phase(name="generator", steps=80_000, lr=1e-3, size=64),
            Phase(name="generator", steps=80_000, lr=3e-4, size=64),
            Phase(name="generator", steps=80_000, lr=1e-4, size=128),
            Phase(name="generator", steps=40_000, lr=5e-5, size=192),
            Phase(name="critic", steps=24_000, lr=1e-3, size=128),
            *(_REPEAT * 3),
        )
        encoder: str = "resnet101"
        encoder_weights: str = "imagenet"
        encoder_lr: NotNegative = 1 / 30
        first_conv: FirstConv = "summed"
        attention: bool = True
        blur: bool = True
        weight_l1: NotNegative = 1.0
        extra: ExtraLosses = field(
            default_factory=lambda: ExtraLosses(
                perceptual=1.0, backbone="vgg16_bn", layers=_FEATURES
            )
        )
        weight_content: NotNegative = 1.5
        weight_adv: NotNegative = 1.0
        threshold: NotNegative = 0.65
        critic_lr: NotNegative = 5.0
        critic_width: Width = 256
        dropout: Dropout = 0.15
        weight_decay: NotNegative = 1e-3

        def __post_init__(self) -> None:
            """Check the phases."""
            check_names(self.phases, _PHASES)

        @property
        def learnt_from(self) -> str:
            encoder = encoder_learnt_from(self.encoder, self.encoder_weights)
            return "; ".join(filter(None, (encoder, self.extra.learnt_from)))

        def smoke(self) -> NoGan.Config:
            return replace(
                self,
                phases=(
                    Phase(name="generator", steps=1, lr=1e-3, size=64),
                    Phase(name="gan", steps=1, lr=1e-3, size=64),
                ),
                encoder="test_efficientnet",
                encoder_weights="none",
                encoder_lr=1.0,
                extra=self.extra.smoke(),
                critic_width=8,
            )

    discriminator: Critic

    def __init__(self, config: Config) -> None:
        super().__init__(config.domain)
        self.config = config
        self.schedule = Schedule(config.phases)
        self.generator = DynamicUNet(
            config.encoder,
            OUT_CHANNELS[config.domain],
            config.first_conv,
            config.attention,
            config.blur,
        )
        self.stride = self.generator.stride
        self.discriminator = Critic(config.critic_width, config.dropout)
        self.extra = ExtraTerms(config.extra)

    def load_pretrained(self) -> str:
        return load_encoder(self.generator.get_submodule("encoder"), self.config.encoder_weights)

    def networks(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "discriminator": self.discriminator}

    def optimizers(self) -> dict[str, Optimizer]:
        config = self.config
        lr, decay = config.phases[0].lr, config.weight_decay
        encoder, others = [], []
        for name, parameter in self.generator.named_parameters():
            (encoder if name.startswith("encoder.") else others).append(parameter)
        groups = [{"params": others}, {"params": encoder, "lr": lr * config.encoder_lr}]
        critic, alone, against = self.discriminator.parameters, (0.9, 0.99), (0.0, 0.9)
        return {
            "pretrain": AdamW(groups, lr, alone, weight_decay=decay),
            "critic": AdamW(critic(), lr, alone, weight_decay=decay),
            "generator": AdamW(self.generator.parameters(), lr, against, weight_decay=decay),
            "discriminator": AdamW(critic(), config.critic_lr * lr, against, weight_decay=decay),
        }

    def training_step(self, batch: Batch, step: Step) -> None:
        phase = self.schedule.stage(step.index)
        batch = shrunk(batch, phase)
        if phase.name == "generator":
            terms = _named(phase.name, self.content(self.predict(batch), batch))
            step.backward(terms, "pretrain")
            step.update("pretrain")
        elif phase.name == "critic":
            self.generator.eval()  # as pictures are saved
            self._train_critic(batch, step, "critic", "critic")
        elif self._is_generators_turn(step.index):
            self._train_generator(batch, step)
        else:
            loss = self._train_critic(batch, step, "gan", "discriminator")
            self.discriminator.turn[2:] += torch.stack([loss, torch.ones_like(loss)])

    def content(self, output: Tensor, batch: Batch) -> Terms:
        """The feature loss: what compares the generator's output with what it should be."""
        domain, terms = self.domain, {}
        if self.config.weight_l1:
            error = pixel_loss("l1", output, network_target(domain, batch), batch.get("valid"))
            terms["l1"] = Term(error, self.config.weight_l1)
        return terms | self.extra(domain, output, batch)

    def _train_generator(self, batch: Batch, step: Step) -> None:
        config = self.config
        output = self.predict(batch)
        content = self.content(output, batch)
        with step.frozen("discriminator"):
            logits = self.discriminator(self._painted(output, batch))
            terms = {"adv_g": Term(generator_loss("bce", logits), config.weight_adv)}
            for name, (value, weight) in content.items():
                terms[name] = Term(value, config.weight_content * weight)
            step.backward(_named("gan", terms), "generator")
        step.update("generator")

    def _train_critic(self, batch: Batch, step: Step, phase: str, optimizer: str) -> Tensor:
        """One step of the critic; its loss, a scalar."""
        with torch.no_grad():
            fake = self._painted(self.predict(batch), batch)
        real = self.discriminator(batch["rgb"])
        loss = discriminator_loss("bce", real, self.discriminator(fake))
        step.backward(_named(phase, {"adv_d": Term(loss)}), optimizer)
        step.update(optimizer)
        return loss.detach().float()

    def _painted(self, output: Tensor, batch: Batch) -> Tensor:
        """What the critic sees: sRGB, B3HW in [0,1]; what does not count is as it should be."""
        rgb = output_to_rgb(self.domain, output.float(), batch, gamut="clip")
        valid = batch.get("valid")
        return rgb if valid is None else torch.where(valid > 0, rgb, batch["rgb"])

    def _is_generators_turn(self, index: int) -> bool:
        """Whose step ``index`` is, decided once a step by the losses of the one before."""
        turn = self.discriminator.turn
        before, generating, total, count = turn.tolist()
        if before != index:
            goes_on = before == index - 1 and not generating and count > 0
            generating = goes_on and _over_processes(total / count, turn) < self.config.threshold
            turn.copy_(turn.new_tensor([index, generating, 0, 0]))
        return bool(generating)


def shrunk(batch: Batch, phase: Phase) -> Batch:
    """A batch with its short side at the phase's size; L* is that of the shrunk colours.

    Raises:
        UserError: its pictures are smaller.
    """
    height, width = batch["rgb"].shape[-2:]
    short = min(height, width)
    if short < phase.size:
        raise UserError(
            f"phase {phase.name} sees pictures at {phase.size} pixels, and those of the training "
            f"view have {short}; set --train-view.size {phase.size}, or a smaller size in the phase"
        )
    if short == phase.size:
        return batch
    size = round(height * phase.size / short), round(width * phase.size / short)
    planes = {name: plane for name, plane in batch.items() if name in ("rgb", "nir", "valid")}
    out = cast(Batch, {name: resized(cast(Tensor, plane), size) for name, plane in planes.items()})
    out["key"] = batch["key"]
    out["rgb"] = out["rgb"].clamp(0, 1)
    out["gray"] = rgb_to_lab(out["rgb"])[:, :1] / 100
    if "valid" in out:
        out["valid"] = (out["valid"] > 0.999).to(out["rgb"])
    return out


def _named(phase: str, terms: Terms) -> Terms:
    return {f"{phase}/{name}": term for name, term in terms.items()}


def _over_processes(value: float, like: Tensor) -> float:
    """The mean of a value over all processes, which must decide alike."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return value
    shared = like.new_tensor([value])
    torch.distributed.all_reduce(shared)
    return shared.item() / torch.distributed.get_world_size()
