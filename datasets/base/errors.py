"""The errors that a user of crosschroma can cause and can mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

_FEW = 40  # names that one answer may hold


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


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Those of ``known`` that ``name`` may stand for, the likeliest first, ``count`` at most.

    Upper and lower case are the same; names that begin with what was written come first.
    """
    by_text: dict[str, str] = {}
    for one in sorted(known):
        by_text.setdefault(one.casefold(), one)
    text = name.casefold()
    alike = 0.6 if len(by_text) <= _FEW else 0.4
    close = difflib.get_close_matches(text, by_text, count, alike)
    longer = [one for one in by_text if text and one.startswith(text)]
    return [by_text[one] for one in dict.fromkeys([*longer, *close])][:count]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``"; did you mean a, b or c?"`` with the ``nearest`` names; empty where none is near.

    Of a mapping the values are said instead of the names.
    """
    shown = known if isinstance(known, Mapping) else {one: one for one in known}
    *others, last = [shown[one] for one in nearest(name, shown)] or [""]
    choice = f"{', '.join(others)} or {last}" if others else last
    return f"; did you mean {choice}?" if choice else ""


def unknown(kind: str, name: str, known: Iterable[str], listed: str = "") -> str:
    """Text for an unknown ``name`` of some ``kind``.

    Args:
        kind: what it should be.
        name: it.
        known: all names; the nearest three are said, and all where they are few.
        listed: what names all of many, such as a command.
    """
    names = sorted(known)
    if len(names) <= _FEW:
        rest = f"known: {', '.join(names)}"
    else:
        rest = f"{len(names)} are known" + (f", {listed} names them" if listed else "")
    return f"unknown {kind} '{name}'{did_you_mean(name, names)} ({rest})"
