"""The finished parts of a video that is being written, so that it can go on after any stop."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from ...datasets.base.atomic_write import write_atomic, write_text_atomic
from ...datasets.base.bounds import Count
from ...datasets.base.errors import UserError
from ...datasets.base.json_file import read_json

_FORMAT = "crosschroma-video-1"
_BOOK = "state.json"


class _Book(TypedDict):
    format: str
    settings: dict[str, Any]
    parts: list[tuple[str, Count]]
    end: dict[str, Any] | None


class Parts:
    """A folder of parts and a small JSON file, which alone says what of them counts.

    Args:
        folder: made where it is not there.
        settings: all that decides what the parts hold, as JSON.
        fresh: begin anew where parts of other settings lie there.

    Attributes:
        done: file and number of frames of each finished part, in order.
        end: what was noted when the last frame had been seen, else ``None``.

    Raises:
        UserError: parts of other settings, a damaged JSON file, or no right to write.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], fresh: bool = False) -> None:
        self.folder = folder
        self.settings = json.loads(json.dumps(settings))
        self.done: list[tuple[Path, int]] = []
        self.end: dict[str, Any] | None = None
        book = self._book()
        if book is not None:
            other = sorted(
                name
                for name in self.settings.keys() | book["settings"].keys()
                if self.settings.get(name) != book["settings"].get(name)
            )
            if other and not fresh:
                raise UserError(
                    f"{folder} holds {sum(n for _, n in book['parts'])} frames that were made with "
                    f"another {', '.join(other)}; repeat that command to finish them, or begin "
                    "anew with --overwrite"
                )
            if not other:
                self.done = [(folder / name, count) for name, count in book["parts"]]
                self.end = book["end"]
        if not self.done:
            self.remove()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot write {folder}: {error.strerror or error}") from error

    @property
    def frames(self) -> int:
        """How many frames are finished."""
        return sum(count for _, count in self.done)

    def next_path(self, suffix: str) -> Path:
        """Where the next part goes; it counts once it is added."""
        return self.folder / f"{len(self.done):06d}{suffix}"

    def add(self, path: Path, frames: int, state: Mapping[str, np.ndarray]) -> None:
        """Count a part in, with the state of the process behind its last frame.

        Raises:
            UserError: the disk is full; the parts before still count.
        """
        with path.open("rb") as file:
            os.fsync(file.fileno())
        data = io.BytesIO()
        np.savez(data, allow_pickle=False, **state)
        write_atomic(self._state(len(self.done)), lambda file: file.write(data.getvalue()))
        self.done.append((path, frames))
        self._write()
        self._state(len(self.done) - 2).unlink(missing_ok=True)

    def finish(self, end: Mapping[str, Any]) -> None:
        """Note that there are no more frames, and what is known of them all."""
        self.end = dict(end)
        self._write()

    def state(self) -> dict[str, np.ndarray]:
        """The state behind the last finished frame."""
        path = self._state(len(self.done) - 1)
        try:
            with np.load(path, allow_pickle=False) as file:
                return dict(file)
        except (OSError, ValueError) as error:
            raise UserError(f"{path} is damaged; remove {self.folder} to begin anew") from error

    def remove(self) -> None:
        """Delete the folder and all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _state(self, index: int) -> Path:
        return self.folder / f"{index:06d}.npz"

    def _book(self) -> _Book | None:
        path = self.folder / _BOOK
        if not path.exists():
            if self.folder.exists() and any(self.folder.iterdir()):
                self._check_ours()
            return None
        remedy = f"remove {self.folder} to begin anew"
        book: _Book = read_json(path, _Book, "record of a video's parts", remedy)
        if book["format"] != _FORMAT:
            raise UserError(f"{path} is of another version; remove {self.folder} to begin anew")
        return book

    def _check_ours(self) -> None:
        foreign = [path for path in self.folder.iterdir() if not path.stem.isdigit()]
        if foreign:
            raise UserError(f"{self.folder} holds {foreign[0].name}, which is not ours; move it")

    def _write(self) -> None:
        book = {
            "format": _FORMAT,
            "settings": self.settings,
            "parts": [[path.name, count] for path, count in self.done],
            "end": self.end,
        }
        write_text_atomic(self.folder / _BOOK, json.dumps(book, indent=1) + "\n")
