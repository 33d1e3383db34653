"""Models of timm that give feature maps, with their published weights or those of a file."""

from __future__ import annotations

from typing import Any

from torch import nn

from ..datasets.errors import UserError
from .torchvision_ops import ensure_torchvision


def timm_features(name: str, **options: Any) -> nn.Module:
    """The model ``name`` as a module that returns its maps, the finest first."""
    ensure_torchvision()
    import timm

    return timm.create_model(name, features_only=True, **options)


def trained_timm_features(name: str, weights: str, remedy: str, **options: Any) -> nn.Module:
    """The same with trained weights.

    Args:
        name: of the model.
        weights: ``imagenet`` for timm's own, downloaded unless they are there, or a file.
        remedy: what to do where they cannot be had, for the error.
        options: of ``timm.create_model``.

    Raises:
        UserError: no such model, or its weights cannot be had; says where they are published.
    """
    overlay = {} if weights == "imagenet" else {"file": weights}
    try:
        return timm_features(name, pretrained=True, pretrained_cfg_overlay=overlay, **options)
    except Exception as error:  # the hub's, the network's and the file's own
        source = _published_at(name) if weights == "imagenet" else ""
        raise UserError(
            f"weights {weights} of timm's {name} cannot be had: {error}; {source}{remedy}"
        ) from error


def _published_at(name: str) -> str:
    from timm.models import get_pretrained_cfg, is_model

    config = get_pretrained_cfg(name) if is_model(name.partition(".")[0]) else None
    if config is None or not config.hf_hub_id:
        return ""
    return f"they are model.safetensors of https://huggingface.co/{config.hf_hub_id}: "
