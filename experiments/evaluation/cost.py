"""What colouring costs: arithmetic and time of one picture."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any, TypedDict

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ...datasets.base.batch import Batch, collate, to_device
from ...datasets.loading.loader import Images
from ...models.base.method import Method

_PICTURES = 5  # that are timed; their median stands


class Cost(TypedDict, total=False):
    """Of one picture, alone in its batch.

    Keys:
        size: its height and width in pixels, ``256x256``.
        macs: multiply-accumulates of all networks that run; see ``macs``.
        ms: milliseconds from the plane to colours, median of some pictures, on the run file's
            device as busy as it was.
    """

    size: str
    macs: int
    ms: float


@torch.no_grad()
def macs(network: nn.Module, inputs: Any, run: Callable[[Any], object] | None = None) -> int:
    """Multiply-accumulates of convolutions and matrix products in one run, zeros included.

    Selective scans and what is done pixel by pixel are not counted.

    Args:
        network: whose parameters take part.
        inputs: what it is called with.
        run: called instead of the network, such as one of its methods.
    """
    # the counter hooks into gradients, which a parameter handed to a module seems to want
    learning = [p for p in network.parameters() if p.requires_grad]
    for parameter in learning:
        parameter.requires_grad_(False)
    try:
        with FlopCounterMode(display=False) as counter:
            (run or network)(inputs)
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)
    return counter.get_total_flops() // 2


@torch.no_grad()
def cost(method: Method, images: Images, device: torch.device | str = "cpu") -> Cost:
    """Measure a method in evaluation mode on ``device``, whose pictures are of one size."""
    count = min(_PICTURES, len(images))
    batches = [to_device(collate([images[i]]), torch.device(device)) for i in range(count)]
    height, width = batches[0]["rgb"].shape[-2:]
    work = macs(method, batches[0], method.colorize)  # and the first run is not timed
    seconds = [_seconds(method.colorize, batch) for batch in batches]
    milliseconds = round(1000 * statistics.median(seconds), 2)
    return Cost(size=f"{height}x{width}", macs=work, ms=milliseconds)


def _seconds(colorize: Callable[[Batch], Tensor], batch: Batch) -> float:
    started = time.perf_counter()
    colorize(batch).cpu()  # on a GPU: waits for it
    return time.perf_counter() - started
