"""The files below a folder, links followed without end in a circle."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..base.errors import DataError


@dataclass
class Walk:
    """What lies below a folder; nothing hidden.

    Attributes:
        files: sorted.
        unread: folders and links that lead nowhere, and why.
    """

    files: list[Path] = field(default_factory=list)
    unread: dict[Path, str] = field(default_factory=dict)


def real_path(path: Path) -> Path:
    """A path without links; one of a circle of links stays, where ``Path.resolve`` may raise."""
    return Path(os.path.realpath(path))


def walk(folder: Path, without: Sequence[Path] = ()) -> Walk:
    """All visible files at any depth below ``folder``.

    Links to folders elsewhere are followed; those to one within ``folder`` are not, since its files
    are there by their own names.

    Args:
        folder: the folder.
        without: folders whose content is left out, however their paths are spelt; also what a link
            takes from them.

    Raises:
        DataError: when ``folder`` is not a folder.
    """
    if not folder.is_dir():
        raise DataError(f"no folder {folder}; name an existing folder of pictures")
    root, result = real_path(folder), Walk()
    left_out = [real_path(path) for path in without]
    _enter(folder, root, left_out, {root}, result)
    result.files.sort()
    return result


def _enter(folder: Path, root: Path, left_out: list[Path], seen: set[Path], walk: Walk) -> None:
    for entry in _entries(folder, walk):
        path = folder / entry.name
        if entry.is_symlink():
            target = real_path(path)
            if any(target == out or out in target.parents for out in left_out):
                continue
            if not target.exists():
                walk.unread[path] = "a link that leads nowhere"
            elif target.is_file():
                walk.files.append(path)
            elif target.is_dir() and target not in seen and not target.is_relative_to(root):
                seen.add(target)
                _enter(path, root, left_out, seen, walk)
        elif entry.is_dir():
            if left_out and real_path(path) in left_out:
                continue
            _enter(path, root, left_out, seen, walk)
        elif entry.is_file():
            walk.files.append(path)


def _entries(folder: Path, walk: Walk) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        walk.unread[folder] = error.strerror or str(error)
        return
    yield from sorted(visible, key=lambda entry: entry.name)
