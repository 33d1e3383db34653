"""Settings as plain values: what checkpoints, run files and weights say of a run, and back."""

from __future__ import annotations

import dataclasses
import importlib
import re
import typing
from collections.abc import Iterator
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, TypeVar

from ..datasets.base.errors import UserError
from ..datasets.base.typed_values import MisfitError, shown

PACKAGE = "crosschroma"
T = TypeVar("T")

# What files call a class -> where it lives now. The names on the left stand in run files, weights
# and hashes of settings, so they stay as they are when a class moves; a class that is not here is
# called by its place.
_WRITTEN = {
    "datasets.bsds500:Bsds500": "datasets.bsds500:Bsds500",
    "datasets.boxed:Boxed": "datasets.mixtures.with_boxes:WithBoxes",
    "datasets.cifar10:Cifar10": "datasets.cifar10:Cifar10",
    "datasets.coco:Coco": "datasets.coco:Coco",
    "datasets.epfl_extra:EpflExtra": "datasets.epfl_extra:EpflExtra",
    "datasets.folder:Folder": "datasets.files.folder:Folder",
    "datasets.folder:Pairs": "datasets.files.folder:Pairs",
    "datasets.imagenet:ImageNet": "datasets.imagenet:ImageNet",
    "datasets.imagenet:ImageNetSample": "datasets.imagenet:ImageNetSample",
    "datasets.elsewhere:Elsewhere": "datasets.unknown_data:UnknownData",
    "datasets.joined:Joined": "datasets.mixtures.pairs_and_photos:PairsAndPhotos",
    "datasets.rgb_nir_scene:RgbNirScene": "datasets.rgb_nir_scene:RgbNirScene",
    "datasets.scenes:Scenes": "datasets.scenes.adapter:Scenes",
    "datasets.several:Several": "datasets.mixtures.union:Union",
    "datasets.simulated_nir:PairsAndSimulated": "datasets.mixtures.simulated_nir:PairsAndSimulated",
    "datasets.shards:Shards": "datasets.shards:Shards",
    "datasets.transforms:EvalView": "datasets.loading.views:EvalView",
    "datasets.transforms:TrainView": "datasets.loading.views:TrainView",
    "datasets.mixtures.vcip_and_epfl:VcipAndEpfl": "datasets.mixtures.vcip_and_epfl:VcipAndEpfl",
    "datasets.vcip:Vcip": "datasets.vcip:Vcip",
    "experiments.experiment:Experiment": "experiments.experiment:Experiment",
    "experiments.experiment:Training": "experiments.experiment:Training",
    "models.cocolor:CoColor.Config": "models.cocolor.method:CoColor.Config",
    "models.cocolor_stages:Stage": "models.base.stages:Stage",
    "models.colormamba:ColorMamba.Config": "models.colormamba.method:ColorMamba.Config",
    "models.colormamba:ColorMambaReleased.Config": (
        "models.colormamba.method:ColorMambaReleased.Config"
    ),
    "models.colormamba_networks:Design": "models.colormamba.networks:Design",
    "models.ddcolor:DDColor.Config": "models.ddcolor.method:DDColor.Config",
    "models.encoder_unet:EncoderUNet.Config": "models.encoder_unet:EncoderUNet.Config",
    "models.extra_losses:ExtraLosses": "models.base.extra_losses:ExtraLosses",
    "models.inception_unet:InceptionUNet.Config": "models.inception_unet:InceptionUNet.Config",
    "models.instance_aware:InstanceAware.Config": (
        "models.instance_aware.method:InstanceAware.Config"
    ),
    "models.instance_aware:Stage": "models.base.stages:RatedStage",
    "models.nogan:NoGan.Config": "models.nogan.method:NoGan.Config",
    "models.nogan:Phase": "models.nogan.method:Phase",
    "models.pix2pix:Pix2Pix.Config": "models.pix2pix:Pix2Pix.Config",
    "models.resnet_unet_gan:ResnetUNetGan.Config": "models.resnet_unet_gan:ResnetUNetGan.Config",
    "models.student:Student.Config": "models.student:Student.Config",
    "models.unet:UNet.Config": "models.unet:UNet.Config",
    "models.zhang16:Zhang16.Config": "models.zhang16.method:Zhang16.Config",
    "models.zhang17:Stage": "models.zhang17.method:HintStage",
    "models.zhang17:Zhang17.Config": "models.zhang17.method:Zhang17.Config",
}
# metadata of a field that older files do not have: it is written where it differs from its default
LATER = {"later": True}
_MODULE = re.compile(r"(models|datasets|experiments)(\.[A-Za-z]\w*)+")
_PLACES = {place: written for written, place in _WRITTEN.items()}


def to_plain(value: Any) -> Any:
    """Dataclasses as dicts tagged with their type; JSON holds the result, ``from_plain`` reads it.

    Paths become text, tuples become lists.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        plain = {
            f.name: to_plain(getattr(value, f.name)) for f in fields(value) if _is_set(f, value)
        }
        return {"type": tag_of(type(value)), **plain}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (tuple, list)):
        return [to_plain(item) for item in value]
    return value


def _is_set(of: Field[Any], value: Any) -> bool:
    return not of.metadata.get("later") or getattr(value, of.name) != of.default


def from_plain(data: Any, expected: type[T], source: str = "") -> T:
    """Inverse of ``to_plain`` for a dataclass.

    A tag is looked up only among the classes that its place admits: ``expected``, what the fields
    of that class are annotated with, and their subclasses. So a foreign file reaches no others.

    Args:
        data: what ``to_plain`` made.
        expected: the class, or one that it is derived from.
        source: what holds the data, for the error.

    Raises:
        UserError: an unknown type, one that does not belong there, a missing or unknown field, or a
            value out of its bounds, with its place in the data.
    """
    try:
        if not isinstance(data, dict):
            text = f"settings of {expected.__qualname__} are {shown(data)}, not named values"
            raise MisfitError((), text)
        return _read(data, (expected,), expected.__qualname__)
    except RecursionError as error:
        raise UserError(f"{source or 'settings'}: nested too deeply") from error
    except MisfitError as fault:
        raise UserError(f"{source}: {fault}" if source else str(fault)) from fault


def _read(data: dict[str, Any], expected: tuple[type, ...], place: str) -> Any:
    tag = data.get("type")
    cls = _find_class(tag)
    if not (isinstance(cls, type) and issubclass(cls, expected) and dataclasses.is_dataclass(cls)):
        raise MisfitError((), f"{shown(tag)} is not a settings type of {place}")
    hints = typing.get_type_hints(cls)
    values = {key: value for key, value in data.items() if key != "type"}
    surplus = sorted(map(str, values.keys() - {f.name for f in fields(cls)}))
    if surplus:
        raise MisfitError(
            (),
            f"{tag} has no setting {', '.join(surplus)}: the file was written by another "
            "version of crosschroma",
        )
    typed = {key: _typed(hints[key], value, key) for key, value in values.items()}
    try:
        return cls(**typed)
    except (UserError, TypeError) as error:  # TypeError: a missing field
        raise MisfitError((), f"{tag}: {error}") from error


def tag_of(cls: type) -> str:
    """What files call a settings class."""
    place = f"{cls.__module__.removeprefix(f'{PACKAGE}.')}:{cls.__qualname__}"
    return _PLACES.get(place, place)


def differences(one: Any, other: Any, prefix: str = "") -> list[str]:
    """Dotted names of the settings in which two plain experiments differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = sorted(one.keys() | other.keys())
        return [
            name
            for key in names
            for name in differences(one.get(key), other.get(key), f"{prefix}{key}.")
        ]
    return [] if one == other else [prefix.removesuffix(".")]


def _find_class(tag: Any) -> Any:
    module_name, _, qualname = _WRITTEN.get(str(tag), str(tag)).partition(":")
    if not _MODULE.fullmatch(module_name):
        raise MisfitError((), f"unknown settings type {shown(tag)}")
    try:
        value: Any = importlib.import_module(f"{PACKAGE}.{module_name}")
        for part in qualname.split("."):
            value = getattr(value, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise MisfitError((), f"unknown settings type {shown(tag)}: {error}") from error
    return value


def _typed(hint: Any, value: Any, place: str | int) -> Any:
    """A plain value as the type that a field is annotated with; ``place`` is its name."""
    try:
        if isinstance(value, list):
            return tuple(_typed(hint, item, index) for index, item in enumerate(value))
        if isinstance(value, dict):
            return _read(value, tuple(_classes(hint)), "its place")
    except MisfitError as fault:
        raise MisfitError((place, *fault.place), fault.text) from fault
    if isinstance(value, str) and Path in _options(hint):
        return Path(value)
    return value


def _options(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) or (hint,)


def _classes(hint: Any) -> Iterator[type]:
    """The dataclasses that an annotation names."""
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        yield hint
    for part in typing.get_args(hint):
        yield from _classes(part)
