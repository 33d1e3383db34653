"""A small generator that learns from a trained method: knowledge distillation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from ..datasets.base.batch import Batch
from ..datasets.base.bounds import Positive, Share, Side
from ..datasets.base.errors import UserError
from ..losses.distillation import Axis, distillation_kl
from ..losses.pixel import pixel_loss
from ..losses.terms import Term, Terms
from ..losses.trained import TrainedLoss
from .base.domain import DomainName, network_input, network_target
from .base.generator import GeneratorMethod
from .base.method import Method
from .base.padding import pad_and_crop
from .base.weights import NONE, load_start, load_strictly, read_run_weights, run_name
from .layers.guided_upsample import AB_EPS, RGB_EPS, guided_upsample
from .unet import UNet


class Student(GeneratorMethod):
    """A generator trained towards a teacher's output and the truth, at full or reduced resolution.

    At a ``scale`` of s the generator sees the plane averaged over squares of s x s pixels, and its
    output is enlarged with the detail that the plane at full size explains (``guided_upsample``);
    luminance itself stays at full size as in every gray method.

    Paper: Hinton, Vinyals and Dean 2015, "Distilling the Knowledge in a Neural Network", section 2
    (``kl``).
    Differs: a regressed output is no distribution over colours. ``kl`` makes one of it by a
    softmax over a stated axis, which is blind to what is the same along it; ``l1`` compares the
    outputs themselves, and is the default.
    """

    name = "student"

    @dataclass(frozen=True, kw_only=True)
    class Config(GeneratorMethod.Config):
        """Settings of ``Student``. Outputs and targets are in [-1,1] (ab/110, or RGB).

        Attributes:
            student: a method that is one generator: its network and its generator's optimiser
                count, its losses do not.
            scale: side of the squares of pixels that become one pixel of the generator.
            teacher: the teacher's settings, those of its run.
            teacher_weights: its run's folder (of whose weights those are taken that evaluation
                takes), a checkpoint, a file of ``ship`` or a name of shipped weights; ``none`` for
                training towards the truth alone.
            start: weights to start from, from the same places, named alike and of the same shapes;
                ``none`` for random.
            sparse: kernels' weights that are 0 stay 0, as pruning leaves them.
            loss: ``l1``: alpha L1(student, teacher) + (1 - alpha) L1(student, truth). ``kl``:
                alpha t^2 KL(teacher || student) + (1 - alpha) MSE(student, truth).
            alpha: the teacher's share, 0 to 1; without a teacher 0.
            temperature: t of ``kl``.
            axis: what the softmax of ``kl`` runs over; see ``losses.distillation``.
        """

        student: Method.Config = field(default_factory=lambda: UNet.Config(width=16, levels=3))
        scale: Side = 1
        teacher: Method.Config = field(default_factory=UNet.Config)
        teacher_weights: str = NONE
        start: str = NONE
        sparse: bool = False
        loss: Literal["l1", "kl"] = "l1"
        alpha: Share = 0.5
        temperature: Positive = 1.0
        axis: Axis = "channels"

        @property
        def domain(self) -> str:
            """What the generator is given."""
            return getattr(self.student, "domain", "none")

        @property
        def learnt_from(self) -> str:
            taught = ""
            if self.teacher_weights != NONE:
                taught = (
                    f"teacher {self.teacher.method_class.name} ({run_name(self.teacher_weights)})"
                )
            before = "" if taught == "" else self.teacher.learnt_from
            if self.start != NONE:  # instead of what the student's settings would start from
                start = f"starts from {run_name(self.start)}"
            else:
                start = "" if self.student.learnt_from == before else self.student.learnt_from
            return "; ".join(filter(None, (taught, before, start)))

        def smoke(self) -> Student.Config:
            return replace(
                self,
                student=self.student.smoke(),
                teacher=self.teacher.smoke(),
                teacher_weights=NONE,
                start=NONE,
            )

    def __init__(self, config: Config) -> None:
        inner = config.student.build()
        plain = (
            isinstance(inner, GeneratorMethod)
            and type(inner).predict is GeneratorMethod.predict
            and inner.inference_networks == ("generator",)
        )
        if not plain:
            raise UserError(f"{inner.name} is not one generator alone, and cannot be a student")
        if config.scale < 1 or not 0 <= config.alpha <= 1:
            raise UserError(
                f"student: --method.scale {config.scale} must be at least 1 and --method.alpha "
                f"{config.alpha} between 0 and 1"
            )
        inner = cast(GeneratorMethod, inner)
        super().__init__(inner.domain)
        self.config = config
        self.generator = inner.generator
        self.stride = config.scale * inner.stride
        self._of_student = (inner,)  # a tuple: the module must not be registered a second time
        self.teacher = Teacher(config.teacher, config.teacher_weights, inner.domain)

    def load_pretrained(self) -> str:
        if self.config.start == NONE:
            (inner,) = self._of_student
            return inner.load_pretrained()
        return load_start(self.generator, self.config.start, "--method.start", "--method.student")

    def optimizers(self) -> dict[str, Optimizer]:
        (inner,) = self._of_student
        inner.generator = self.generator  # as the engine has wrapped it
        if self.config.sparse:
            for parameter in self.generator.parameters():
                if parameter.ndim > 1:
                    parameter.register_hook(_Sparse(parameter))
        return {"generator": inner.optimizers()["generator"]}

    def predict(self, batch: Batch) -> Tensor:
        return pad_and_crop(self._at_scale, network_input(self.domain, batch), self.stride)

    def losses(self, batch: Batch) -> Terms:
        config, valid = self.config, batch.get("valid")
        output, target = self.predict(batch), network_target(self.domain, batch)
        kind = "l1" if config.loss == "l1" else "mse"
        truth = pixel_loss(kind, output, target, valid)
        name = f"{kind}_{'ab' if self.domain == 'gray' else 'rgb'}"
        if not self.teacher.there:
            return {name: Term(truth)}
        taught = self.teacher(batch)
        if config.loss == "l1":
            soft = pixel_loss("l1", output, taught, valid)
        else:
            soft = distillation_kl(output, taught, config.temperature, config.axis)
        return {
            f"{config.loss}_teacher": Term(soft, config.alpha),
            name: Term(truth, 1 - config.alpha),
        }

    def _at_scale(self, plane: Tensor) -> Tensor:
        scale = self.config.scale
        if scale == 1:
            return self.generator(plane)
        small = F.avg_pool2d(plane, scale)
        # the guide in [0,1]: its variances are what guided_upsample has its threshold for
        eps = AB_EPS if self.domain == "gray" else RGB_EPS
        return guided_upsample(self.generator(small), (small + 1) / 2, (plane + 1) / 2, eps)


class Teacher(TrainedLoss):
    """A trained method that answers batches; it learns nothing and is saved in no checkpoint.

    Args:
        config: its settings.
        weights: ``teacher_weights`` of ``Student.Config``.
        domain: what the student is given, and the teacher must be.
    """

    def __init__(self, config: Method.Config, weights: str, domain: str) -> None:
        super().__init__()
        self.config, self.weights, self.domain = config, weights, domain
        self.method: Method | None = None

    @property
    def there(self) -> bool:
        """Whether there is to be a teacher."""
        return self.weights != NONE

    def load(self) -> str:
        if not self.there:
            return ""
        method = self.config.build()
        if method.domain != self.domain:
            raise UserError(
                f"the teacher, {method.name}, is for {method.domain} and the student for "
                f"{self.domain}; set --method.teacher.domain or --method.student.domain"
            )
        option = "--method.teacher-weights"
        path, states = read_run_weights(self.weights, method.inference_networks, option)
        for name, weights in states.items():
            network = method.get_submodule(name)
            load_strictly(network, weights, f"{option} {path}", "--method.teacher")
        _keep(method, method.inference_networks)
        self.method = method.eval().requires_grad_(False)
        return f"teacher: {method.name} of {path}"

    @torch.no_grad()
    def forward(self, batch: Batch) -> Tensor:
        """The teacher's output in [-1,1] at the batch's size: see ``domain.network_target``.

        Raises:
            UserError: ``load`` was not called.
        """
        if self.method is None:
            raise UserError("the teacher's weights are loaded where training starts; call load()")
        domain = cast(DomainName, self.domain)
        # no more than at inference
        inputs = cast(Batch, {"key": batch["key"], domain: batch[domain]})
        if isinstance(self.method, GeneratorMethod):
            return self.method.predict_ensembled(inputs)
        return network_target(domain, cast(Batch, {"rgb": self.method.colorize(inputs)}))


class _Sparse:
    """The gradient of a parameter where it is not 0: optimisers move nothing else."""

    def __init__(self, parameter: nn.Parameter) -> None:
        self.parameter = parameter

    def __call__(self, gradient: Tensor) -> Tensor:
        return gradient * (self.parameter != 0)


def _keep(method: Method, networks: Iterable[str]) -> None:
    """Drop what a method needs for training alone: other networks, and losses' networks."""
    for name in method.networks().keys() - set(networks):
        setattr(method, name, nn.Identity())
    for module in list(method.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, TrainedLoss):
                setattr(module, name, nn.Identity())
