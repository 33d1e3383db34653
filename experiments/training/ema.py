"""Exponential moving average of the networks that are used at inference."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

_COUNT, _MODULE = "n_averaged", "module."  # as torch's AveragedModel names what it saves


class WeightAverage:
    """Averages of networks, buffers included.

    The decay of step n is min(decay, (1 + n) / (10 + n)), so that the random start is forgotten
    (TensorFlow's ``ExponentialMovingAverage`` with ``num_updates`` does the same).

    Args:
        networks: by name; from now on their tensors change in place alone.
        decay: see above.
    """

    def __init__(self, networks: dict[str, nn.Module], decay: float) -> None:
        self._networks = networks
        self._decay = decay
        self._averages = {
            name: copy.deepcopy(network).requires_grad_(False) for name, network in networks.items()
        }
        self._count = 0
        # listed once: walking through the modules takes longer than averaging small networks
        pairs = [
            pair
            for name, network in networks.items()
            for pair in zip(_tensors(self._averages[name]), _tensors(network), strict=True)
        ]
        self._floats = [pair for pair in pairs if pair[0].is_floating_point()]
        self._others = [pair for pair in pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self) -> None:
        """Take the present weights into the averages."""
        n = self._count
        share = 1 - min(self._decay, (1 + n) / (10 + n)) if n else 1.0
        averages, present = ([*tensors] for tensors in zip(*self._floats, strict=True))
        torch._foreach_lerp_(averages, present, share)  # pyright: ignore
        for average, value in self._others:
            average.copy_(value)
        self._count += 1

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within it, the networks hold their averages."""
        present = {
            name: {key: value.clone() for key, value in network.state_dict().items()}
            for name, network in self._networks.items()
        }
        for name, network in self._networks.items():
            network.load_state_dict(self._averages[name].state_dict())
        try:
            yield
        finally:
            for name, network in self._networks.items():
                network.load_state_dict(present[name])

    def buffers(self) -> Iterator[Tensor]:
        """BatchNorm's averages among them."""
        for average in self._averages.values():
            yield from average.buffers()

    def state_dict(self) -> dict[str, Any]:
        return {
            name: {
                _COUNT: torch.tensor(self._count),
                **{f"{_MODULE}{key}": value for key, value in average.state_dict().items()},
            }
            for name, average in self._averages.items()
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, average in self._averages.items():
            saved = dict(state[name])
            self._count = int(saved.pop(_COUNT))
            average.load_state_dict(
                {key.removeprefix(_MODULE): value for key, value in saved.items()}
            )


def _tensors(network: nn.Module) -> Iterator[Tensor]:
    return itertools.chain(network.parameters(), network.buffers())
