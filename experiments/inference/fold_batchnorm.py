"""Spectral norm as plain weights, and BatchNorm folded into the convolution before it."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.overrides import TorchFunctionMode

Convolution = nn.Conv2d | nn.ConvTranspose2d


def folded(network: nn.Module, *inputs: Tensor | None) -> nn.Module:
    """A copy in eval mode in which each BatchNorm right behind a convolution is part of it.

    With scale s = weight / sqrt(running_var + eps) the kernel is multiplied by s along its output
    channels, which are dimension 0 of a convolution and dimension 1 (within each group) of a
    transposed one; the bias becomes (bias - running_mean) s + norm's bias. Which convolution a
    norm follows is seen from one pass. A pair stays as it is where the convolution's output is
    used elsewhere, too, or where one of the two also runs without the other. Weights that spectral
    norm computes at each pass are constants in eval mode, and become plain weights first.

    Args:
        network: any module; it is left as it is.
        inputs: one example of what it is called with.

    Returns:
        The copy, whose parameters need no gradients.
    """
    copied = copy.deepcopy(network).eval().requires_grad_(False)
    for module in list(copied.modules()):
        if parametrize.is_parametrized(module):
            _make_plain(module)
    for convolution, norm in _pairs(copied, inputs):
        _fold(convolution, norm)
        _replace(copied, norm, _rest(norm))
    return copied


def _make_plain(module: nn.Module) -> None:
    """Parametrised weights as parameters; torch's own removal breaks the network copied from."""
    names = list(cast(nn.ModuleDict, module.parametrizations))
    weights = {name: getattr(module, name).detach().clone() for name in names}
    module.__class__ = parametrize.type_before_parametrizations(module)
    del module.parametrizations
    for name, weight in weights.items():
        module.register_parameter(name, nn.Parameter(weight, requires_grad=False))


def norms(network: nn.Module) -> int:
    """How many normalisations of two-dimensional batches a network holds."""
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def _pairs(
    network: nn.Module, inputs: tuple[Tensor | None, ...]
) -> list[tuple[Convolution, nn.BatchNorm2d]]:
    outputs: dict[int, tuple[Convolution, Tensor]] = {}  # kept, so that ids stay theirs
    pairs: list[tuple[Convolution, nn.BatchNorm2d, int]] = []
    calls: Counter[nn.Module] = Counter()

    def before(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        calls[module] += 1
        if _is_norm(module) and id(arguments[0]) in outputs:
            pairs.append((outputs[id(arguments[0])][0], module, id(arguments[0])))  # type: ignore[arg-type]

    def after(module: nn.Module, arguments: Any, output: Tensor) -> None:
        outputs[id(output)] = (module, output)  # type: ignore[assignment]

    with _hooks(network, before, after), torch.no_grad(), _Uses() as uses:
        network(*inputs)
    together = Counter(
        (convolution, norm) for convolution, norm, output in pairs if uses.count[output] == 1
    )
    return [
        (convolution, norm)
        for (convolution, norm), times in together.items()
        if calls[convolution] == calls[norm] == times
    ]


class _Uses(TorchFunctionMode):
    """Counts how often each tensor, by id, goes into another one."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[int] = Counter()
        self._kept: list[Tensor] = []  # another tensor must not get the id of one that is gone

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if any(True for _ in _tensors([result])):  # sizes and the like use no values
            for value in _tensors([*args, *(kwargs or {}).values()]):
                self.count[id(value)] += 1
                self._kept.append(value)
        return result


def _tensors(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors(value)


@contextmanager
def _hooks(network: nn.Module, before: Any, after: Any) -> Iterator[None]:
    handles = []
    for module in network.modules():
        if _is_norm(module) or _is_convolution(module):
            handles.append(module.register_forward_pre_hook(before))
        if _is_convolution(module):
            handles.append(module.register_forward_hook(after))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _is_convolution(module: nn.Module) -> bool:
    """Plain ones only, whose weight is a parameter."""
    return type(module) in (nn.Conv2d, nn.ConvTranspose2d)


def _is_norm(module: nn.Module) -> bool:
    """BatchNorm with running averages, also timm's, which holds an activation."""
    known = type(module) is nn.BatchNorm2d or type(module).__name__ == "BatchNormAct2d"
    return known and isinstance(module, nn.BatchNorm2d) and module.running_mean is not None


def _rest(norm: nn.BatchNorm2d) -> nn.Module:
    """What a norm does besides."""
    parts = [getattr(norm, name) for name in ("drop", "act") if hasattr(norm, name)]
    return nn.Sequential(*parts) if parts else nn.Identity()


def _fold(convolution: Convolution, norm: nn.BatchNorm2d) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    kernel = convolution.weight
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight.double()
    bias = convolution.bias.double() if convolution.bias is not None else 0.0
    bias = (bias - norm.running_mean.double()) * scale
    if norm.bias is not None:
        bias = bias + norm.bias.double()
    if isinstance(convolution, nn.ConvTranspose2d):
        groups, inputs = convolution.groups, convolution.in_channels // convolution.groups
        along = scale.view(groups, 1, -1, 1, 1)
        grouped = kernel.double().view(groups, inputs, -1, *kernel.shape[2:])
        weight = (grouped * along).view_as(kernel)
    else:
        weight = kernel.double() * scale.view(-1, 1, 1, 1)
    convolution.weight = nn.Parameter(weight.to(kernel.dtype), requires_grad=False)
    convolution.bias = nn.Parameter(bias.to(kernel.dtype), requires_grad=False)


def _replace(network: nn.Module, old: nn.Module, new: nn.Module) -> None:
    for module in network.modules():
        for name, child in list(module.named_children()):
            if child is old:
                setattr(module, name, new)
