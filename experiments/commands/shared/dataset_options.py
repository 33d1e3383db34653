"""Commands whose options stand beside the settings of the dataset that they look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field, make_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import tyro

from ....datasets import registry
from ....datasets.base.adapter import Adapter
from ....datasets.base.bounds import Checked
from ....datasets.base.errors import UserError
from ....datasets.unknown_data import UnknownData


class Option(NamedTuple):
    """An option of a command: its name, type, default, and what `--help` says of it."""

    name: str
    kind: Any
    default: Any
    help: str


def colour_dataset_options(
    task: str, adapter: type[Adapter], argv: list[str], options: Sequence[Option], description: str
) -> Any:
    """What the command line asks of ``crosschroma data TASK NAME``, for a dataset with colours.

    Returns:
        An object with the values of ``options`` by name, and the dataset as ``data``.

    Raises:
        UserError: the dataset has no colour images.
        DataError: its folder is not there.
    """
    fields = [
        (o.name, Annotated[o.kind, tyro.conf.arg(help=o.help)], field(default=o.default))
        for o in options
    ]
    joined = make_dataclass(
        "Options",
        [("data", adapter, field(default_factory=adapter)), *fields],
        kw_only=True,
        bases=(Checked,),
    )
    found: Any = tyro.cli(
        joined,
        prog=f"crosschroma data {task} {adapter.name}",
        description=description,
        args=argv,
        config=(tyro.conf.OmitArgPrefixes,),
    )
    if "rgb" not in found.data.planes:
        raise UserError(f"{found.data.name} has no colour images; take another dataset")
    found.data.base()
    return found


def adapter_at(name: str, root: Path | None) -> Adapter:
    """The dataset of that name with its defaults, in a folder."""
    return replace(registry.dataset_class(name)(), root=root)


def scored_adapter(
    own: Adapter | None, name: str | None, root: Path | None, protocol: str | None
) -> Adapter:
    """The dataset that something is scored on.

    Args:
        own: the run's own; ``None`` for pictures that anything made.
        name: of the dataset, where it is another than ``own``.
        root: its folder.
        protocol: of the dataset, where it is another than ``own``. What was trained elsewhere,
            pictures and imported weights, has to name it where the dataset has several: nothing
            here tells which images it has learnt from.

    Raises:
        UserError: no such dataset or protocol, or none is named that has to be.
    """
    if own is not None and name in (None, own.name):
        if protocol is not None:
            raise UserError(
                f"--protocol is for other datasets (--dataset); on {own.name} this run is "
                f"scored under the one that it was trained under, {own.protocol}"
            )
        return adapter_or_own(own, name, root)
    assert name is not None
    adapter = adapter_at(name, root)
    if protocol is not None:
        return adapter.with_protocol(protocol)
    if len(adapter.protocols) > 1 and (own is None or isinstance(own, UnknownData)):
        raise UserError(
            f"what was trained elsewhere is scored on {name} under the split protocol that it was "
            f"trained under; name it: --protocol {' or '.join(adapter.protocols)}"
        )
    return adapter


def adapter_or_own(own: Adapter, name: str | None, root: Path | None) -> Adapter:
    """A run's ``own`` dataset, or the one of that name where another is meant, in a folder."""
    if name is None or name == own.name:
        return replace(own, root=root or own.root)
    return adapter_at(name, root)
