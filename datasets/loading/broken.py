"""Training images that cannot be read: skipped where the user asks for that, else an error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_skipping = ContextVar("skipping", default=False)


@contextmanager
def skipping_broken(skip: bool = True) -> Iterator[None]:
    """Within it what looks through all images of a dataset passes over those it cannot read."""
    token = _skipping.set(skip)
    try:
        yield
    finally:
        _skipping.reset(token)


def skips_broken() -> bool:
    """Whether the code at hand is run within ``skipping_broken``."""
    return _skipping.get()
