"""Devices, processes and signals: what a run stands on, by way of Lightning Fabric."""

from __future__ import annotations

import contextlib
import gc
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

from ...datasets.base.errors import UserError
from ..experiment import Experiment, Hardware

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def make_fabric(experiment: Experiment, hardware: Hardware) -> Fabric:
    """The launcher and wrapper for one or many devices.

    Raises:
        UserError: the device is not there, or cannot do the precision.
    """
    # here, since it loads torch._dynamo, and `colorize` and others want this module's checks alone
    from lightning_fabric import Fabric
    from lightning_fabric.strategies.ddp import DDPStrategy

    several = hardware.devices * hardware.nodes > 1
    backend = None if hardware.backend == "auto" else hardware.backend
    # buffers broadcast in place between two discriminator passes break autograd (pytorch#175024)
    ddp = DDPStrategy(broadcast_buffers=False, process_group_backend=backend)
    strategy = ddp if several else "auto"
    whole_float32(not hardware.tf32)
    torch.backends.cudnn.benchmark = True  # crops have one size: the fastest kernels are looked for
    try:
        fabric = Fabric(
            accelerator=hardware.accelerator,
            devices=hardware.devices,
            num_nodes=hardware.nodes,
            strategy=strategy,
            precision=experiment.training.precision,
        )
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"cannot use accelerator '{hardware.accelerator}' with {hardware.devices} device(s): "
            f"{error} --hardware.accelerator cpu runs everywhere"
        ) from error
    if hardware.tf32 and fabric.device.type == "cuda":
        fabric.print("float32 products and convolutions are rounded to TF32 (--hardware.tf32)")
    return fabric


def whole_float32(whole: bool = True) -> None:
    """Let float32 on CUDA multiply all 24 bits; torch's own default rounds convolutions to TF32.

    Args:
        whole: otherwise factors are rounded to 11 bits (TF32) in convolutions and products.
    """
    torch.backends.cudnn.allow_tf32 = not whole
    torch.backends.cuda.matmul.allow_tf32 = not whole


def usable_device(name: str) -> str:
    """The name of a device (``cpu``, ``cuda:1``, ...), tried out; ``auto`` prefers a GPU.

    From then on float32 is computed in whole, see ``whole_float32``.

    Raises:
        UserError: it is not there.
    """
    whole_float32()
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"cannot use device '{name}': {reason}; --device cpu runs everywhere"
        ) from error
    return name


def vote_group(fabric: Fabric) -> torch.distributed.ProcessGroup | None:
    """What several processes agree through, by gloo on their CPUs: no GPU is waited for."""
    if fabric.world_size == 1:
        return None
    return torch.distributed.new_group(backend="gloo")  # pyright: ignore[reportReturnType]


def close_processes(fabric: Fabric) -> None:
    """End a process group in the order that does not crash at exit (gloo: 4 of 15 runs did)."""
    if fabric.world_size > 1 and torch.distributed.is_initialized():
        fabric.barrier()
        gc.collect()
        torch.distributed.destroy_process_group()


class StopRequest:
    """Whether somebody asked the run to stop."""

    asked = False


@contextlib.contextmanager
def stop_on_signal() -> Iterator[StopRequest]:
    """SIGTERM and the first Ctrl-C ask for a stop at the next step instead of ending at once."""
    request = StopRequest()
    previous = {}

    def ask(number: int, frame: object) -> None:
        request.asked = True
        signal.signal(number, previous[number])

    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            previous[int(number)] = signal.signal(number, ask)
    except ValueError:  # not in the main thread: signals are the caller's business
        yield request
        return
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
