"""The errors that a user of crosschroma can cause and can mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something outside the code is wrong; the text names the thing and the way out.

    The command line prints the text on one line and exits with 1, without a traceback.
    """


class Note(UserWarning):
    """Something that a user should know and that stops nothing: ``warnings.warn(text, Note)``.

    The command line prints the text on one line.
    """


class DataError(UserError):
    """An image, a list or a folder is missing, unreadable or not what it should be."""


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Text for an unknown ``name`` of some ``kind``: the nearest known names, then all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=2)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return f"unknown {kind} '{name}'{hint} (known: {', '.join(names)})"
