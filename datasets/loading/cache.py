"""A memory-mapped copy of decoded planes: no decoding after the first run.

One file per split: a magic word, the planes' bytes one after the other, the index as JSON (keys,
stamps, offsets, shapes, CRC-32, boxes), then the index's length and CRC-32. Data and index share a
file so that its atomic replacement keeps them together, whatever is killed and however many
processes build at once.
"""

from __future__ import annotations

import contextlib
import json
import math
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from ..base.adapter import Planes, Source
from ..base.atomic_write import write_atomic
from ..base.errors import DataError, UserError
from ..base.tracked import tracked
from .broken import skips_broken
from .decode import DECODE_VERSION

_MAGIC = b"crosschroma planes\n"
_UNREAD = "cannot be read"  # the stamp of an image whose files are not there
_TAIL = struct.Struct("<QI")  # the index's length and CRC-32


def cached(source: Source, folder: Path, name: str) -> Source:
    """``source`` by way of the memory-mapped file ``folder/name.planes``, made or renewed first.

    Images whose stamp changed, or all when the decoder did, are decoded again; the others are
    copied from the old file. A damaged file is made anew. Bytes that went bad inside the planes
    are found on first use: that image is then decoded from its own files, and the cache is removed
    so that the next start makes it anew. Within ``skipping_broken`` an image that cannot be decoded
    is left out, and again decoded from its own files when it is loaded.

    Raises:
        UserError: when the file has to be written and cannot be.
        DataError: when an image cannot be decoded.
    """
    path = folder / f"{name}.planes"
    listing = [(key, _stamp(source, index)) for index, key in enumerate(source.keys)]
    old = _PlanesFile.open(path)
    lacking = any(entry["planes"] is None for entry in old.entries) and not skips_broken()
    if lacking or [(entry["key"], entry["stamp"]) for entry in old.entries] != listing:
        try:
            write_atomic(path, lambda file: _build(file, source, listing, old))
        except DataError:
            raise
        except UserError as error:
            raise UserError(f"{error}; make room, or choose another --cache folder") from error
    return CachedSource(source, path)


def _stamp(source: Source, index: int) -> str:
    try:
        return source.stamp(index)
    except DataError:
        if skips_broken():
            return _UNREAD
        raise


class CachedSource:
    """The images of a source, read from its cache file."""

    def __init__(self, source: Source, path: Path) -> None:
        self.source = source
        self.keys = source.keys
        self._file = _PlanesFile.open(path)

    def __len__(self) -> int:
        return len(self.source)

    def __reduce__(self) -> tuple[Any, ...]:
        # a memory map would travel to a spawned worker as a copy of all its bytes
        return CachedSource, (self.source, self._file.path)

    def load(self, index: int) -> Planes:
        """Image ``index``, from the cache where its bytes are sound."""
        planes = self._file.read(self.keys[index])
        return self.source.load(index) if planes is None else planes

    def stamp(self, index: int) -> str:
        """The underlying image's stamp."""
        return self.source.stamp(index)


class _PlanesFile:
    """A cache file as it was opened; an absent or damaged one has no entries.

    An entry is {"key", "stamp", "boxes" (list or None), "planes": {name: [offset, crc, *shape]}};
    the planes are None of an image that could not be decoded and was skipped.
    """

    def __init__(self, path: Path, data: np.ndarray, entries: list[dict[str, Any]]) -> None:
        self.path = path
        self.entries = entries
        self._data = data
        self._by_key = {entry["key"]: entry for entry in entries}
        self._sound: set[str] = set()

    @classmethod
    def open(cls, path: Path) -> _PlanesFile:
        try:
            data = np.memmap(path, np.uint8, "r")
            length, crc = _TAIL.unpack(data[-_TAIL.size :].tobytes())
            index = data[-_TAIL.size - length : -_TAIL.size].tobytes()
            content = json.loads(index)
            if zlib.crc32(index) == crc and content["decoder"] == DECODE_VERSION:
                return cls(path, data, content["entries"])
        except (OSError, ValueError, LookupError, struct.error):
            pass  # absent or damaged: made anew
        return cls(path, np.empty(0, np.uint8), [])

    def read(self, key: str) -> Planes | None:
        """The planes as arrays of their own, or None when they are absent or damaged."""
        entry = self._by_key.get(key)
        if entry is None or entry["planes"] is None:
            return None
        planes = {}
        for name, (offset, crc, *shape) in entry["planes"].items():
            plane = np.array(self._data[offset : offset + math.prod(shape)])
            if key not in self._sound and zlib.crc32(plane.data) != crc:
                with contextlib.suppress(OSError):
                    self.path.unlink()
                return None
            planes[name] = plane.reshape(shape)
        self._sound.add(key)
        if entry["boxes"] is not None:
            planes["boxes"] = np.array(entry["boxes"], np.float32).reshape(-1, 4)
        return cast(Planes, planes)

    def stamp(self, key: str) -> str | None:
        entry = self._by_key.get(key)
        return None if entry is None else entry["stamp"]


def _build(
    file: BinaryIO, source: Source, listing: list[tuple[str, str]], old: _PlanesFile
) -> None:
    file.write(_MAGIC)
    offset, entries = len(_MAGIC), []
    for index, (key, stamp) in enumerate(
        tracked(listing, f"caching {len(listing)} images in {old.path}")
    ):
        planes = old.read(key) if old.stamp(key) == stamp else None
        if planes is None:
            try:
                planes = source.load(index)
            except DataError:
                if not skips_broken():
                    raise
                entries.append({"key": key, "stamp": stamp, "boxes": None, "planes": None})
                continue
        boxes = planes.get("boxes")
        entry = {"key": key, "stamp": stamp, "boxes": None if boxes is None else boxes.tolist()}
        entry["planes"] = {}
        for name in ("rgb", "nir", "photo"):
            plane = planes.get(name)
            if plane is not None:
                plane = np.ascontiguousarray(plane)
                file.write(plane.data)
                entry["planes"][name] = [offset, zlib.crc32(plane.data), *plane.shape]
                offset += plane.nbytes
        entries.append(entry)
    text = json.dumps({"decoder": DECODE_VERSION, "entries": entries}).encode()
    file.write(text + _TAIL.pack(len(text), zlib.crc32(text)))
