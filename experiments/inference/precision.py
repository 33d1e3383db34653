"""A method in bfloat16: several times as fast on a CPU that multiplies it, at most alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from ...datasets.base.errors import UserError
from .color_network import MethodColors
from .fold_batchnorm import folded
from .parity import parity

Precision = Literal["float32", "bfloat16", "bfloat16-compiled"]
MIN_DB = 45.0
_MOST_COMPILED = 4  # each is a copy of the weights

Way = Callable[..., Tensor]
Maker = Callable[..., Way]


def multiplies_bfloat16() -> bool:
    """Whether this CPU has instructions for it (AMX or AVX512-BF16); elsewhere it is slow."""
    known = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")  # not every torch has them
    return any(getattr(torch.cpu, name, bool)() for name in known)


def in_bfloat16(colors: MethodColors, *inputs: Tensor | None) -> Way:
    """A method in bfloat16, its norms folded and its weights laid out channels last.

    Args:
        colors: the method; it is left as it is.
        inputs: one example of what it is called with.

    Returns:
        What takes and gives float32, for pictures of any size.
    """
    network = folded(colors, *inputs).bfloat16()
    return _converting(network.to(memory_format=torch.channels_last))  # pyright: ignore


def in_mixed(colors: MethodColors, *inputs: Tensor | None) -> Way:
    """A method whose convolutions are in bfloat16, and what is between them in float32.

    Slower than ``in_bfloat16`` and nearer, where a network adds up what differs little. Arguments
    and result are alike.
    """
    network = folded(colors, *inputs).to(memory_format=torch.channels_last)  # pyright: ignore
    device = next(colors.parameters()).device.type

    @torch.no_grad()
    def function(*inputs: Tensor | None) -> Tensor:
        with torch.autocast(device, torch.bfloat16):
            return network(*inputs).float()

    return function


def compiled(colors: MethodColors, *inputs: Tensor | None) -> Way:
    """A method in bfloat16, compiled for pictures of one size: twice as fast again.

    Norms are folded first: inductor folds them wrongly into a transposed convolution that has as
    many channels in as out (torch 2.13).

    Args:
        colors: the method, on the CPU; it is left as it is.
        inputs: one example of what it is called with.

    Returns:
        What takes and gives float32, fast for the shapes of ``inputs``.

    Raises:
        RuntimeError: there is no C++ compiler, or inductor fails.
    """
    from torch._inductor import config  # takes a second to import

    function = _converting(torch.compile(folded(colors, *inputs).bfloat16(), dynamic=False))
    # without effect as an option of torch.compile (torch 2.13)
    with config.patch(freezing=True):
        function(*inputs)
    return function


def _converting(network: Way) -> Way:
    @torch.no_grad()
    def function(*inputs: Tensor | None) -> Tensor:
        return network(*(x if x is None else x.bfloat16() for x in inputs)).float()

    return function


class Bfloat16Colors:
    """A method in bfloat16, all of it or its convolutions, or in float32: the first within 45 dB.

    Which it is shows on the first picture, and where the method is compiled on the first of each
    size. A size takes some twenty seconds to compile, which is done for four of them. Boxes of
    objects are always computed with in float32.

    Args:
        colors: the method.
        compiling: compile it.
        tell: is given a sentence where bfloat16 will not do.

    Raises:
        UserError: ``compiling``, and the method is not on the CPU.
    """

    def __init__(
        self, colors: MethodColors, compiling: bool = False, tell: Callable[[str], None] = print
    ) -> None:
        if compiling and any(weight.device.type != "cpu" for weight in colors.parameters()):
            raise UserError("methods are compiled for the CPU; use --device cpu, or bfloat16 alone")
        self.colors = colors
        self.compiling = compiling
        self._tell = tell
        self._ways: dict[tuple[bool, ...], Way] = {}
        self._compiled: dict[tuple[torch.Size | None, ...], Way] = {}

    def __call__(
        self,
        plane: Tensor,
        hints: Tensor | None = None,
        global_hints: Tensor | None = None,
        boxes: list[Tensor] | None = None,
    ) -> Tensor:
        """As ``MethodColors.forward``."""
        if boxes is not None:
            return self.colors(plane, hints, global_hints, boxes)
        if hints is None and self.colors.takes_hints:  # one way for both
            hints = plane.new_zeros(len(plane), 3, *plane.shape[-2:])
        inputs = (plane, hints, global_hints)
        shapes = tuple(x if x is None else x.shape for x in inputs)
        if self.compiling and (shapes in self._compiled or len(self._compiled) < _MOST_COMPILED):
            if shapes not in self._compiled:
                self._compiled[shapes] = self._near((compiled, in_mixed), inputs)
            return self._compiled[shapes](*inputs)
        kind = tuple(x is None for x in inputs)
        if kind not in self._ways:
            self._ways[kind] = self._near((in_bfloat16, in_mixed), inputs)
        return self._ways[kind](*inputs)

    def _near(self, makers: Sequence[Maker], inputs: tuple[Tensor | None, ...]) -> Way:
        """What the first of ``makers`` that will do makes, or the method itself where none does."""
        expected, reason = self.colors(*inputs), ""
        for make in makers:
            try:
                function = make(self.colors, *inputs)
                decibels = parity(self.colors.domain, [expected], [function(*inputs)])
            except RuntimeError as error:
                reason = " ".join(str(error).split())[:300]
                if make is compiled:
                    self._tell(f"{self.colors.name} is not compiled: {reason}")
                continue
            if decibels >= MIN_DB:
                return function
            reason = f"in bfloat16 its colours are {decibels:.1f} dB near, below {MIN_DB:g}"
        self._tell(f"{self.colors.name} stays in float32: {reason}")
        return self.colors
