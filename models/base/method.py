"""``Method``: all that the engine, evaluation and inference may ask of a method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

from torch import Tensor, nn
from torch.optim import Optimizer

from ...datasets.base.batch import Batch
from ...datasets.base.bounds import Checked
from ...datasets.base.errors import UserError
from ...losses.terms import Terms
from ...losses.trained import TrainedLoss


class Step(Protocol):
    """The engine's side of one optimisation step, handed to ``training_step``."""

    index: int  # optimisation steps done before this one

    def backward(self, terms: Terms, optimizer: str) -> None:
        """Check, log and sum the terms, then add their gradients."""
        ...

    def update(self, optimizer: str) -> None:
        """Clip, step and clear the named optimiser (once all micro-batches are in)."""
        ...

    def frozen(self, *networks: str) -> AbstractContextManager[None]:
        """Within it, the named networks pass gradients on but gather none themselves."""
        ...


class Method(nn.Module, ABC):
    """A method: its networks, its optimisers, one optimisation step, and colour from a batch.

    A subclass is made from a ``Config`` (``Config(...).build()``); its file is all that a new
    method needs. Networks are attributes, and ``networks()`` names them as the attributes are
    named: the engine puts its wrapped (distributed, mixed-precision) modules in their place.
    Supervised methods with one optimiser implement ``losses``; others override
    ``training_step``.
    """

    @dataclass(frozen=True, kw_only=True)
    class Config(Checked):
        """Everything that decides what the method computes; defaults are the paper's."""

        _prefix: ClassVar[str] = "method."

        method_class: ClassVar[type[Method]]

        def build(self) -> Method:
            """A new method with fresh weights from torch's global random state.

            Raises:
                UserError: there is no network of these settings, or it does not fit into memory.
            """
            try:
                return self.method_class(self)
            except (AssertionError, RuntimeError, ValueError) as error:  # what torch's layers raise
                raise UserError(
                    f"{self.method_class.name} cannot be built with these settings: {error}"
                ) from error

        @property
        def learnt_from(self) -> str:
            """What the weights have learnt from before training, for tables; "" for nothing."""
            return ""

        def smoke(self) -> Self:
            """The same method, narrow enough to run on a CPU in seconds."""
            return self

        @property
        def outputs(self) -> tuple[str, ...]:
            """What ``colorize`` can be made to return, where that is more than one thing."""
            return ()

        def with_output(self, output: str) -> Self:
            """The same networks, put to another use: one training, a row for each of ``outputs``.

            Raises:
                UserError: not one of ``outputs``.
            """
            raise UserError(
                f"{self.method_class.name} has no outputs to choose from; leave {output} out"
            )

    name: ClassVar[str]
    stride: int = 1  # inputs are padded to a multiple of it and outputs cropped back
    inference_networks: tuple[str, ...] = ("generator",)  # averaged (EMA), shipped
    # settings that no weight depends on, only what is made of a network's output
    decoding: ClassVar[frozenset[str]] = frozenset()
    takes_hints: ClassVar[bool] = False  # ``colorize`` is true to ``batch["hints"]``
    takes_global_hints: bool = False  # and to ``batch["global_hints"]``
    takes_boxes: ClassVar[bool] = False  # and to ``batch["boxes"]``

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "Config" in cls.__dict__:
            cls.Config.method_class = cls

    @property
    @abstractmethod
    def domain(self) -> str:
        """What the method is given: ``nir``, ``gray`` or ``both``."""

    @property
    @abstractmethod
    def needs(self) -> frozenset[str]:
        """Batch keys that training needs, checked once before a run starts."""

    @abstractmethod
    def networks(self) -> dict[str, nn.Module]:
        """The trainable networks by attribute name."""

    @abstractmethod
    def optimizers(self) -> dict[str, Optimizer]:
        """New optimisers over the networks as they are now."""

    @abstractmethod
    def colorize(self, batch: Batch) -> Tensor:
        """Colour a batch: B3HW sRGB [0,1], of the input's size, on the input's device."""

    @property
    def networks_used(self) -> tuple[str, ...]:
        """The networks that ``colorize`` runs, whose parameters tables count."""
        return self.inference_networks

    def schedule_part(self, index: int, steps: int) -> range:
        """The steps around ``index``, of ``steps``, over which learning rates take their course."""
        return range(steps)

    def load_pretrained(self) -> str:
        """Take over trained weights before a new run; which, in words, or "" for none.

        Raises:
            UserError: they cannot be had.
        """
        return ""

    def rate_factor(self, step: int) -> float:
        """A staged method's factor on every learning rate in optimisation step ``step``, from 0."""
        return 1.0

    def load_losses(self) -> str:
        """Load the networks inside the losses before a run, new or resumed; which, in words.

        Raises:
            UserError: their weights cannot be had.
        """
        losses = (module for module in self.modules() if isinstance(module, TrainedLoss))
        return "; ".join(dict.fromkeys(loss.load() for loss in losses))

    def losses(self, batch: Batch) -> Terms:
        """Named loss terms of a supervised method."""
        raise NotImplementedError(f"{type(self).__name__} implements neither losses nor a step")

    def training_step(self, batch: Batch, step: Step) -> None:
        """One optimisation step; this default serves supervised methods."""
        step.backward(self.losses(batch), "generator")
        step.update("generator")

    def parameter_counts(self) -> dict[str, int]:
        """Trainable parameters of each network."""
        return {
            name: sum(p.numel() for p in network.parameters() if p.requires_grad)
            for name, network in self.networks().items()
        }


def require(batch: Mapping[str, Any], needs: frozenset[str], who: str) -> None:
    """Check that a batch has what a method needs.

    Raises:
        UserError: naming the missing planes.
    """
    missing = sorted(needs - batch.keys())
    if missing:
        raise UserError(
            f"{who} needs {', '.join(missing)} and the data has only "
            f"{', '.join(sorted(batch.keys() - {'key'}))}; choose the other domain "
            "(--method.domain) or another dataset"
        )
