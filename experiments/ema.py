"""Exponential moving average of the networks that are used at inference."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


class WeightAverage:
    """Averages of networks, buffers included.

    The decay of step n is min(decay, (1 + n) / (10 + n)), so that the random start is forgotten
    (TensorFlow's ``ExponentialMovingAverage`` with ``num_updates`` does the same).
    """

    def __init__(self, networks: dict[str, nn.Module], decay: float) -> None:
        self._networks = networks
        self._decay = decay
        self._averages = {
            name: AveragedModel(network, multi_avg_fn=self._average, use_buffers=True)
            for name, network in networks.items()
        }

    def update(self) -> None:
        """Take the present weights into the averages."""
        for name, average in self._averages.items():
            average.update_parameters(self._networks[name])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within it, the networks hold their averages."""
        own = {
            name: {key: value.clone() for key, value in network.state_dict().items()}
            for name, network in self._networks.items()
        }
        for name, network in self._networks.items():
            network.load_state_dict(self._averages[name].module.state_dict())
        try:
            yield
        finally:
            for name, network in self._networks.items():
                network.load_state_dict(own[name])

    def buffers(self) -> Iterator[Tensor]:
        """BatchNorm's averages among them."""
        for average in self._averages.values():
            yield from average.module.buffers()

    def state_dict(self) -> dict[str, Any]:
        return {name: average.state_dict() for name, average in self._averages.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, average in self._averages.items():
            average.load_state_dict(state[name])

    @torch.no_grad()
    def _average(self, averages: Any, present: Any, count: Tensor | int) -> None:
        n = int(count)
        decay = min(self._decay, (1 + n) / (10 + n))
        if torch.is_floating_point(averages[0]):
            torch._foreach_lerp_(averages, present, 1 - decay)  # pyright: ignore
        else:
            for average, value in zip(averages, present, strict=True):
                average.copy_(value)
