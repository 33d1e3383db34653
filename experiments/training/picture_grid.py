"""Validation images as TensorBoard shows them."""

from __future__ import annotations

import torch
from torch import Tensor

from ...datasets.base.adapter import Source
from ...datasets.base.batch import collate, to_device
from ...datasets.loading.loader import Images
from ...datasets.loading.views import EvalView
from ...models.base.method import Method


@torch.no_grad()
def picture_grid(method: Method, source: Source, view: EvalView, count: int) -> dict[str, Tensor]:
    """The first images of a source: what is given, what comes out, what should.

    Args:
        method: in eval mode.
        source: images with colour.
        view: their geometry; of one size, or else the usual one is taken.
        count: images at most.

    Returns:
        ``input``, ``prediction`` and ``target``, each BCHW in [0,1], sRGB where it has colour.
    """
    view = view if view.size else EvalView()
    device = next(method.parameters()).device
    columns: dict[str, list[Tensor]] = {"input": [], "prediction": [], "target": []}
    for image in range(min(count, len(source))):
        batch = to_device(collate([Images(source, view)[image]]), device)
        columns["input"].append(batch["nir"] if method.domain != "gray" else batch["gray"])
        columns["prediction"].append(method.colorize(batch))
        columns["target"].append(batch["rgb"])
    return {name: torch.cat(planes) for name, planes in columns.items()}
