"""Losses that compare images by what a trained network makes of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

from torch import nn


class TrainedLoss(nn.Module, ABC):
    """A loss through a trained network, which learns nothing and is saved in no checkpoint.

    It is made without its network, so that a method is built, evaluated and shipped without the
    weights; ``load`` fetches them where training starts (``Method.load_losses``), for
    a resumed run as for a new one.
    """

    @abstractmethod
    def load(self) -> str:
        """Make the network with its trained weights; say which, in words.

        Raises:
            UserError: they cannot be had; the text says what is missing and where to get it.
        """

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode: BatchNorm's averages are part of the trained network."""
        return super().train(False)
