"""Makes torchvision importable beside a CPU build of torch."""

from __future__ import annotations

import importlib
import sys

import torch

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_kept: list[torch.library.Library] = []  # operators vanish with the library that declared them


def ensure_torchvision() -> None:
    """Import torchvision, mending the one fault that a CPU torch has with its CUDA wheel.

    To be called before timm, lpips or torchvision is imported. torchvision's registry wheel links
    its operators to CUDA; with a CPU torch they do not load and the import ends in ``operator
    torchvision::nms does not exist``. Declaring the two operators that the import touches is
    enough for its networks and transforms; ``torchvision.io`` and ``ops.nms`` stay unusable.
    Where torchvision loads by itself, and on every later call, this does nothing more.

    Raises:
        ImportError: when torchvision is not installed.
        RuntimeError: when its import fails for another reason.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        _forget_half_import()
        _declare_operators()
        importlib.import_module("torchvision")


def _forget_half_import() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]


def _declare_operators() -> None:
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        library.define(name + _SCHEMA)
    _kept.append(library)
