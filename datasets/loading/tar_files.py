"""Files inside tar archives, by paths that go through the archive: ``train/000.tar/n01/a.jpg``.

An archive's members are listed once; where they lie is kept in ``NAME.tar.index`` beside it, where
that can be written. A member is then read by one call, in any order, from any process.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ..base.atomic_write import write_text_atomic
from ..base.errors import DataError

SUFFIX = ".tar"
_INDEX = ".index"
_OPEN = 4096  # archives that a process keeps open, ImageNet has some 1300


class Member(NamedTuple):
    """Where a file lies in an archive, in bytes."""

    offset: int
    size: int


class TarFile:
    """An archive that is open for reading.

    Raises:
        DataError: it is missing, no tar archive, or ends early.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = os.open(path, os.O_RDONLY)
            status = os.fstat(self._file)
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror or error}") from error
        self.stamp = f"{status.st_size}:{status.st_mtime_ns}"
        self.members = self._known() or self._listed(status.st_size)

    def __del__(self) -> None:
        with suppress(AttributeError, OSError):  # it was never opened
            os.close(self._file)

    def read(self, name: str) -> bytes:
        """The content of a member; ``DataError`` where there is none, or the archive ends early."""
        if name not in self.members:
            raise DataError(f"{self.path} has no file {name}; list the shards anew")
        offset, size = self.members[name]
        data = os.pread(self._file, size, offset)
        if len(data) < size:
            raise DataError(f"{self.path} ends within {name}; copy or download it again")
        return data

    def _known(self) -> dict[str, Member]:
        try:
            index = json.loads(_index_path(self.path).read_text())
            if index["stamp"] != self.stamp:
                return {}
            return {name: Member(*place) for name, place in index["members"].items()}
        except (OSError, RecursionError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def _listed(self, size: int) -> dict[str, Member]:
        try:
            with tarfile.open(self.path, "r:") as archive:
                members = {m.name: Member(m.offset_data, m.size) for m in archive if m.isreg()}
        except (tarfile.TarError, OSError) as error:
            raise DataError(f"{self.path} is no tar archive, or damaged: {error}") from error
        for name, (offset, length) in members.items():
            if offset + length > size:
                raise DataError(f"{self.path} ends within {name}; copy or download it again")
        with suppress(OSError):  # a folder that cannot be written: it is listed again next time
            plain = {name: list(place) for name, place in members.items()}
            text = json.dumps({"stamp": self.stamp, "members": plain})
            write_text_atomic(_index_path(self.path), text)
        return members


@lru_cache(_OPEN)
def open_tar(path: Path) -> TarFile:
    """The archive, opened once in a process; errors as ``TarFile``'s."""
    return TarFile(path)


def split_path(path: Path) -> tuple[Path, str] | None:
    """The archive and the member's name of a path through one, None for other paths."""
    text = str(path)
    end = text.find(f"{SUFFIX}/")
    if end < 0 or not os.path.isfile(archive := text[: end + len(SUFFIX)]):
        return None
    return Path(archive), text[end + len(SUFFIX) + 1 :]


def read_file(path: Path) -> bytes:
    """The content of a file, in an archive or not; raises ``OSError`` and as ``TarFile``."""
    place = split_path(path)
    return path.read_bytes() if place is None else open_tar(place[0]).read(place[1])


def open_file(path: Path) -> BinaryIO:
    """A file, in an archive or not, for reading; raises as ``read_file``."""
    if split_path(path) is None:
        return path.open("rb")
    return io.BytesIO(read_file(path))


def file_stamp(path: Path) -> str:
    """What changes when the file may have changed; raises as ``read_file``."""
    place = split_path(path)
    if place is None:
        status = path.stat()
        return f"{status.st_size}:{status.st_mtime_ns}"
    archive = open_tar(place[0])
    return f"{archive.stamp}:{archive.members[place[1]].offset}"


def _index_path(path: Path) -> Path:
    return path.with_name(path.name + _INDEX)
