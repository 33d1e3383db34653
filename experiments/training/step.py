"""One optimisation step, as a method is given it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...losses.terms import Terms, check_finite, raw_values, weighted_sum
from ...models.base.freezing import frozen

if TYPE_CHECKING:
    from .engine import Run


class LossWatch:
    """Whether all losses are finite.

    On a CPU each is looked at when it is made. To look at a number of a GPU is to wait until it has
    done all that it was given, so that there they are kept until ``check``.

    Args:
        at_once: whether to look at each.
    """

    def __init__(self, at_once: bool) -> None:
        self._at_once = at_once
        self._kept: list[tuple[int, tuple[str, ...], Tensor]] = []

    def note(self, terms: Terms, step: int) -> None:
        """Terms of a step; ``DivergedError`` where one is not finite and they are looked at."""
        self._kept.append((step, tuple(terms), raw_values(terms)))
        if self._at_once:
            self.check()

    def check(self) -> None:
        """Look at what was kept; the first that is not finite raises ``DivergedError``."""
        kept, self._kept = self._kept, []
        if not kept:
            return
        values = torch.cat([values for _, _, values in kept]).cpu()
        parts = values.split([len(names) for _, names, _ in kept])
        for (step, names, _), part in zip(kept, parts, strict=True):
            check_finite(names, part, step)


class MicroStep:
    """One micro-batch's side of a step; ``closes`` says that the optimisers step after it."""

    def __init__(self, run: Run, index: int, closes: bool) -> None:
        self._run, self.index, self._closes = run, index, closes
        self.scalars: dict[str, Tensor] = {}

    def backward(self, terms: Terms, optimizer: str) -> None:
        """See ``Step``."""
        run = self._run
        run.watch.note(terms, self.index)
        loss = weighted_sum(terms)
        run.fabric.backward(loss / run.training.accumulate)
        for name, term in terms.items():
            value = term.value.detach().float()
            self.scalars[f"loss_raw/{name}"] = value
            self.scalars[f"loss_weighted/{name}"] = term.weight * value
        self.scalars[f"loss/{optimizer}"] = loss.detach().float()

    def update(self, optimizer: str) -> None:
        """See ``Step``."""
        if not self._closes:
            return
        run, stepped = self._run, self._run.optimizers[optimizer]
        if run.training.clip_norm is not None:
            norm = run.fabric.clip_gradients(
                run.method, stepped, max_norm=run.training.clip_norm, error_if_nonfinite=False
            )
            self.scalars[f"gradient_norm/{optimizer}"] = torch.as_tensor(norm)
        stepped.step()
        stepped.zero_grad()

    @contextlib.contextmanager
    def frozen(self, *networks: str) -> Iterator[None]:
        """See ``Step``."""
        modules = [self._run.networks[name] for name in networks]
        with contextlib.ExitStack() as stack:
            self._run.without_sync(stack, *networks)
            stack.enter_context(frozen(*modules))
            yield


def numbers(scalars: Mapping[str, Tensor]) -> dict[str, float]:
    """Values of scalars, fetched from their device together."""
    values = torch.stack([value.float() for value in scalars.values()]).tolist()
    return dict(zip(scalars, values, strict=True))
