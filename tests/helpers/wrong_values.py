"""Plain data with each of its values replaced by wrong ones."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

WRONG = (None, True, -1, 1.5, float("nan"), 10**400, "x", "\0", [], [1], [[]], {}, {"x": 1}, b"x")


def wrong_variants(data: Any, count: int, json_only: bool = True) -> Iterator[tuple[str, Any]]:
    """Copies of nested dicts and lists, in each of which one value is another or not there.

    Args:
        data: dicts, lists and plain values.
        count: wrong values that are tried for each value, chosen by its place.
        json_only: leave out what JSON cannot hold.

    Yields:
        What was changed, in words, and the copy.
    """
    wrong = [value for value in WRONG if not (json_only and isinstance(value, bytes))]
    for place in _places(data):
        if place:
            yield f"without {place}", _changed(data, place, None, gone=True)
        for value in random.Random(repr(place)).sample(wrong, count):
            yield f"{place} = {str(value)[:20]!r}", _changed(data, place, value)


def _places(data: Any) -> Iterator[tuple[Any, ...]]:
    yield ()
    parts: Any = ()
    if isinstance(data, dict):
        parts = data.items()
    elif isinstance(data, list | tuple):
        parts = list(enumerate(data))[:2]
    for key, part in parts:
        for place in _places(part):
            yield (key, *place)


def _changed(data: Any, place: tuple[Any, ...], value: Any, gone: bool = False) -> Any:
    if not place:
        return value
    key, *rest = place
    copied = dict(data) if isinstance(data, dict) else list(data)
    if rest or not gone:
        copied[key] = _changed(data[key], tuple(rest), value, gone)
    else:
        del copied[key]
    return tuple(copied) if isinstance(data, tuple) else copied
