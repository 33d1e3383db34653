"""The registry: every adapter by its own name."""

from __future__ import annotations

import inspect

import pytest
from crosschroma.datasets.base.adapter import Adapter
from crosschroma.datasets.base.errors import UserError
from crosschroma.datasets.registry import ADAPTERS, dataset_class


def test_every_adapter_is_there_and_says_what_it_is() -> None:
    assert set(ADAPTERS) >= {"vcip", "rgb-nir-scene", "imagenet", "imagenet-sample", "coco"}
    assert set(ADAPTERS) >= {"bsds500", "cifar10", "folder", "pairs", "scenes"}
    for name, adapter in ADAPTERS.items():
        assert dataset_class(name) is adapter
        assert adapter.name == name
        assert adapter.planes <= {"rgb", "nir", "boxes"}
        assert adapter.layout
        assert inspect.getdoc(adapter) != inspect.getdoc(Adapter)


@pytest.mark.parametrize(
    "name", ["vcip", "rgb-nir-scene", "imagenet", "imagenet-sample", "coco", "bsds500", "cifar10"]
)
def test_downloaded_datasets_say_whence_and_on_what_terms(name: str) -> None:
    doc = inspect.getdoc(dataset_class(name)) or ""
    assert "Source: " in doc
    assert "Terms: " in doc


def test_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(UserError, match="unknown dataset 'imagnet'; did you mean imagenet"):
        dataset_class("imagnet")
