"""The datasets by the name that the command line and the results use."""

from __future__ import annotations

from .base.adapter import Adapter
from .base.errors import UserError, unknown
from .bsds500 import Bsds500
from .cifar10 import Cifar10
from .coco import Coco
from .epfl_extra import EpflExtra
from .files.folder import Folder, Pairs
from .imagenet import ImageNet, ImageNetSample
from .rgb_nir_scene import RgbNirScene
from .scenes.adapter import Scenes
from .vcip import Vcip

ADAPTERS: dict[str, type[Adapter]] = {
    adapter.name: adapter
    for adapter in (
        Vcip,
        RgbNirScene,
        EpflExtra,
        ImageNet,
        ImageNetSample,
        Coco,
        Bsds500,
        Cifar10,
        Folder,
        Pairs,
        Scenes,
    )
}


def dataset_class(name: str) -> type[Adapter]:
    """The adapter class called ``name``; raises ``UserError`` with the nearest names."""
    if name not in ADAPTERS:
        raise UserError(unknown("dataset", name, ADAPTERS))
    return ADAPTERS[name]
