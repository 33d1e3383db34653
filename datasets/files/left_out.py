"""What of a dataset's or a folder's files is not used: other files, further frames, unused bits."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..base.adapter import NotingSource, Source
from ..base.errors import UserError
from ..loading.decode import frames_note, open_picture
from ..loading.tiff_file import count_pages
from .folder import FileSource, Subset, evenly_spaced

_HEAD = 4096  # bytes in which a PNG says that it is animated
_LOOKED_AT = 8  # pictures of a split that are decoded for their levels
_SEVERAL = (".avif", ".gif", ".heic", ".heif", ".webp")


def further_frames(paths: Iterable[Path]) -> dict[str, list[str]]:
    """Files of which only the first frame or page is read, by what is left out."""
    left_out: dict[str, list[str]] = {}
    for path in paths:
        try:
            note = frames_note(open_picture(path)) if _may_have_several(path) else ""
        except (OSError, UserError):
            continue  # who reads it says why
        if note:
            left_out.setdefault(note, []).append(path.name)
    return left_out


def of_source(source: Source) -> dict[str, list[str]]:
    """The same of a split's files, and what a few of its pictures say of their levels."""
    if isinstance(source, Subset):
        return of_source(source.source)
    left_out: dict[str, list[str]] = {}
    if isinstance(source, FileSource):
        left_out = further_frames(path for record in source.records for path in record.files())
    if not isinstance(source, NotingSource):
        return left_out
    for index in evenly_spaced(len(source), _LOOKED_AT):
        try:
            _, notes = source.noted(index)
        except UserError:
            continue
        for name, _, note in (text.partition(": ") for text in notes):
            if name not in left_out.setdefault(note, []):
                left_out[note].append(name)
    return left_out


def _may_have_several(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix in (".tif", ".tiff"):
        return count_pages(path) > 1
    if suffix in (".png", ".apng"):
        with path.open("rb") as file:
            return b"acTL" in file.read(_HEAD)
    return suffix in _SEVERAL
