"""A bar on the standard error for what takes long."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def tracked(items: Sequence[Item], text: str, shown: bool = True) -> Iterable[Item]:
    """The items, with a bar that says how many are done."""
    from rich.console import Console  # when it is wanted: colouring a picture does without
    from rich.progress import track

    return track(items, text, console=Console(stderr=True), disable=not shown)
