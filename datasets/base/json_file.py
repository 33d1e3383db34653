"""JSON that comes from outside: read in one place, whose errors name the file and the key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .errors import DataError, UserError
from .typed_values import checked


def read_json(path: Path, hint: Any, what: str, remedy: str = "") -> Any:
    """The content of a JSON file, as an annotation says.

    Args:
        path: the file.
        hint: what it holds; see ``typed_values.checked``. Objects become its dataclasses.
        what: the file is, for the error, such as "run file".
        remedy: what to do about a wrong file, for the error.

    Raises:
        DataError: the file is not there, is no JSON, or holds something else, by its key.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"cannot read the {what} {path}: {reason}{_and(remedy)}") from error
    return parse_json(data, hint, str(path), what, remedy)


def parse_json(text: str | bytes, hint: Any, source: str, what: str, remedy: str = "") -> Any:
    """``read_json`` of a text; ``source`` is what it comes from.

    Raises:
        DataError: as ``read_json``.
    """
    try:
        data = json.loads(text)
    except RecursionError as error:
        text = "is nested too deeply"
        raise DataError(f"{source} is not a {what}: {text}{_and(remedy)}") from error
    except ValueError as error:
        raise DataError(
            f"{source} is not a {what}, as it is no JSON: {error}{_and(remedy)}"
        ) from error
    return from_json(data, hint, source, what, remedy)


def from_json(data: Any, hint: Any, source: str, what: str, remedy: str = "") -> Any:
    """``parse_json`` of what is decoded.

    Raises:
        DataError: as ``read_json``.
    """
    try:
        return checked(data, hint, plain=True)
    except UserError as error:
        raise DataError(f"{source} is not a {what}: {error}{_and(remedy)}") from error


def _and(remedy: str) -> str:
    return f"; {remedy}" if remedy else ""
