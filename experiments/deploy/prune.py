"""Trained networks with fewer weights: single ones set to 0, or whole channels taken out."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.nn.utils import prune

from ...datasets.base.errors import UserError
from ...models.base.method import Method

_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
# what treats every channel alike and by itself
_MODULES = (
    *(nn.ReLU, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Identity),
    *(nn.Dropout, nn.Dropout2d, nn.MaxPool2d, nn.AvgPool2d, nn.Upsample),
)
_FUNCTIONS: set[Callable[..., Any]] = {
    *(torch.tanh, torch.relu, F.relu, F.leaky_relu, F.gelu, F.silu),
    *(F.max_pool2d, torch.max_pool2d, F.avg_pool2d, F.interpolate, F.dropout),
}


class _Kept(NamedTuple):
    """Which channels of a map stay, in order, out of how many."""

    channels: Tensor
    total: int


def sparsified(network: nn.Module, share: float) -> nn.Module:
    """A copy whose smallest weights are 0: of all kernels and matrices together, by magnitude.

    Neither the file nor the time gets smaller by it: dense kernels multiply zeros too. What it
    spares is the compressed file.

    Paper: Han et al. 2015, "Learning both Weights and Connections for Efficient Neural Networks",
    section 3; the retraining is ``Student``'s, with ``sparse``.

    Args:
        network: any module; it is left as it is.
        share: of the weights that become 0, in [0,1).

    Raises:
        UserError: ``share`` out of range.
    """
    if not 0 <= share < 1:
        raise UserError(f"sparsity {share:g}: must be at least 0 and below 1")
    copied = copy.deepcopy(network)
    weights = [
        (m, "weight") for m in copied.modules() if isinstance(m, (*_CONVOLUTIONS, nn.Linear))
    ]
    prune.global_unstructured(weights, prune.L1Unstructured, amount=share)
    for module, name in weights:
        prune.remove(module, name)
    return copied


def with_width(method: Method.Config, share: float) -> Method.Config:
    """The same method with ``share`` of its ``width``, rounded to even channels.

    Raises:
        UserError: the method has no ``width``, or that is as narrow already.
    """
    width = getattr(method, "width", None)
    if width is None:
        raise UserError(
            f"{method.method_class.name} has no width, so its channels cannot be pruned"
        )
    new = max(2, round(width * share / 2) * 2)
    if not 0 < share < 1 or new >= width:
        raise UserError(
            f"channels {share:g} of width {width}: must be between 0 and 1, and leave fewer"
        )
    return cast(Any, replace)(method, width=new)


@torch.no_grad()
def narrowed(network: nn.Module, narrow: nn.Module) -> dict[str, Tensor]:
    """Weights for ``narrow``: those of the channels of ``network`` that matter most.

    Of a convolution's channels those stay whose kernels, with the BatchNorm behind them folded in,
    have the largest L1 norms; as many as ``narrow`` has there. Whatever reads them, through
    pooling, activation and concatenation, loses the same channels.

    Paper: Li et al. 2017, "Pruning Filters for Efficient ConvNets", section 3.1.
    Differs: BatchNorm is folded into the norm, since it undoes any scale of the kernel alone.

    Args:
        network: convolutions (not grouped), BatchNorm, activations, pooling, resizing and
            concatenation of channels, as in U-Nets; input and output channels stay.
        narrow: the same modules by name, with fewer channels.

    Returns:
        A state that ``narrow`` loads strictly.

    Raises:
        UserError: an operation for which it is not known which channels belong together.
    """
    try:
        traced = fx.symbolic_trace(network)
    except Exception as error:  # fx raises many kinds on code that looks into tensors
        raise _unknown(network, f"code that cannot be traced ({error})") from error
    modules = dict(network.named_modules())
    kept: dict[fx.Node, _Kept] = {}
    state: dict[str, Tensor] = {}
    for node in traced.graph.nodes:
        if node.op == "call_module":
            inputs, module = kept[node.args[0]], modules[node.target]
            if isinstance(module, _CONVOLUTIONS):
                twin = narrow.get_submodule(node.target)
                kept[node] = _most_important(network, node, modules, twin.out_channels)  # type: ignore[arg-type]
                tensors = _convolution(module, inputs.channels, kept[node].channels)
            elif isinstance(module, nn.BatchNorm2d):
                kept[node], tensors = inputs, _norm(module, inputs.channels)
            elif isinstance(module, _MODULES):
                kept[node], tensors = inputs, {}
            else:
                raise _unknown(network, type(module).__name__)
            state |= {f"{node.target}.{name}": value for name, value in tensors.items()}
        elif node.op == "placeholder":
            channels = _first_convolution(modules).in_channels
            kept[node] = _Kept(torch.arange(channels), channels)
        elif node.op != "output":
            kept[node] = _through(network, node, kept)
    return state


def _through(network: nn.Module, node: fx.Node, kept: dict[fx.Node, _Kept]) -> _Kept:
    """The channels that stay behind a function."""
    args = cast(Any, node.args)
    if node.target is torch.cat:
        dim = node.kwargs.get("dim", args[1] if len(args) > 1 else 0)
        if dim != 1:
            raise _unknown(network, f"concatenation along axis {dim}")
        return _joined([kept[part] for part in args[0]])
    if node.target in _FUNCTIONS or node.target in ("relu", "tanh", "contiguous"):
        return kept[args[0]]
    name = getattr(node.target, "__name__", str(node.target))
    if node.target in (operator.add, torch.add):
        name = "a sum of two maps"
    raise _unknown(network, name)


def _joined(parts: list[_Kept]) -> _Kept:
    channels, total = [], 0
    for part in parts:
        channels.append(part.channels + total)
        total += part.total
    return _Kept(torch.cat(channels), total)


def _first_convolution(modules: dict[str, nn.Module]) -> nn.Conv2d:
    found = (module for module in modules.values() if isinstance(module, nn.Conv2d))
    return cast(nn.Conv2d, next(found))


def _most_important(
    network: nn.Module, node: fx.Node, modules: dict[str, nn.Module], count: int
) -> _Kept:
    module = cast(nn.Conv2d, modules[cast(str, node.target)])
    if module.groups != 1:
        raise _unknown(network, "grouped convolution")
    out = 1 if isinstance(module, nn.ConvTranspose2d) else 0
    size = module.weight.abs().sum([axis for axis in range(4) if axis != out])
    users = [modules.get(str(user.target)) for user in node.users if user.op == "call_module"]
    if len(node.users) == 1 and users and isinstance(users[0], nn.BatchNorm2d):
        norm = users[0]
        size = size * _or_ones(norm.weight, size).abs()
        size = size / (_or_ones(norm.running_var, size) + norm.eps).sqrt()
    return _Kept(size.topk(count).indices.sort().values, module.out_channels)


def _or_ones(values: Tensor | None, like: Tensor) -> Tensor:
    return torch.ones_like(like) if values is None else values


def _convolution(module: nn.Module, inputs: Tensor, outputs: Tensor) -> dict[str, Tensor]:
    weight = cast(Tensor, module.weight)
    transposed = isinstance(module, nn.ConvTranspose2d)
    tensors = {"weight": weight[inputs][:, outputs] if transposed else weight[outputs][:, inputs]}
    if module.bias is not None:
        tensors["bias"] = cast(Tensor, module.bias)[outputs]
    return tensors


def _norm(module: nn.BatchNorm2d, channels: Tensor) -> dict[str, Tensor]:
    return {
        name: value[channels] if value.ndim else value.clone()
        for name, value in module.state_dict().items()
    }


def _unknown(network: nn.Module, what: str) -> UserError:
    return UserError(
        f"channels of {type(network).__name__} cannot be pruned: it has {what}; U-Nets of "
        "convolutions can, such as unet and pix2pix"
    )
