"""Where the weights that come with the package lie; found without loading torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ...datasets.base.errors import UserError

SUFFIX = ".safetensors"
_LIST = "weights.json"
_PACKAGE = (__package__ or "").partition(".")[0]


@dataclass(frozen=True, kw_only=True)
class ShippedWeights:
    """Weights that come with the package, as people read of them.

    Attributes:
        name: of the recipe.
        title: a short name.
        input: which pictures they are for.
        default_for: the kind of input, ``gray`` or ``nir``, that they are taken for unless others
            are asked for; empty for none.
    """

    name: str
    title: str
    input: str
    default_for: str = ""


def shipped_weights() -> dict[str, Path]:
    """The weights that come with the package, recipe -> file."""
    files = (file for folder in _folders() for file in folder.glob(f"*{SUFFIX}"))
    return {file.stem: file for file in files}


def shipped_list() -> list[ShippedWeights]:
    """The same in the order in which they are offered, as ``weights.json`` beside them says."""
    paths = [folder / _LIST for folder in _folders()]
    entries = [
        ShippedWeights(**entry)
        for path in paths
        if path.is_file()
        for entry in json.loads(path.read_text("utf-8"))
    ]
    there = shipped_weights()
    listed = [entry for entry in entries if entry.name in there]
    unlisted = sorted(there.keys() - {entry.name for entry in listed})
    return listed + [ShippedWeights(name=name, title=name, input="pictures") for name in unlisted]


def default_weights(domain: str) -> str:
    """The name of the weights that a kind of input, ``gray`` or ``nir``, is coloured with.

    Raises:
        UserError: none come with this installation.
    """
    for entry in shipped_list():
        if entry.default_for == domain:
            return entry.name
    raise UserError("no weights come with this installation; name a run to colour with (--run)")


def _folders() -> list[Path]:
    spec = find_spec(f"{_PACKAGE}.weights")  # results/weights of the repository
    return [Path(folder) for folder in spec.submodule_search_locations or []] if spec else []
