"""Methods that are one generator from the given plane to colour."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from ...datasets.base.batch import Batch
from .domain import DomainName, network_input, output_to_rgb
from .method import Method
from .padding import pad_and_crop


@runtime_checkable
class MultiScale(Protocol):
    """A generator whose feature maps can be seen and changed between its two halves."""

    coarsest_channels: int  # of the last map

    def encode(self, image: Tensor) -> list[Tensor]:
        """BCHW in [-1,1] to feature maps, the coarsest last."""
        ...

    def decode(self, maps: list[Tensor]) -> Tensor:
        """The maps of ``encode`` to the output in [-1,1], BC'HW."""
        ...


class GeneratorMethod(Method):
    """A generator maps NIR to RGB, or L* to ab with L* kept, at any image size.

    Subclasses set ``generator`` and ``stride`` and have a ``Config`` with a ``domain`` field.
    """

    generator: nn.Module

    def __init__(self, domain: DomainName) -> None:
        super().__init__()
        self._domain: DomainName = domain

    @property
    def domain(self) -> DomainName:
        return self._domain

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({self.domain, "rgb"})

    def networks(self) -> dict[str, nn.Module]:
        return {"generator": self.generator}

    def predict(self, batch: Batch) -> Tensor:
        """The generator's output in [-1,1] at the input's size; see ``domain.network_target``."""
        return pad_and_crop(self.generator, network_input(self.domain, batch), self.stride)

    def predict_ensembled(self, batch: Batch) -> Tensor:
        """What ``colorize`` shows, as ``predict``: one prediction, or a mean of several."""
        return self.predict(batch)

    def colorize(self, batch: Batch) -> Tensor:
        return output_to_rgb(self.domain, self.predict_ensembled(batch), batch)
