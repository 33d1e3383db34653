"""What a command writes: checked before it works, by the annotation of the option that names it.

An option says it by its type, such as ``out: JsonOutput``. ``bounds.check_options`` then refuses,
when the command line is read, a file where a folder is written, the reverse, and what cannot be
written, instead of the command after minutes of work.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from .errors import UserError, nearest

OF_PICTURES = frozenset(
    {".apng", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
)
OF_VIDEOS = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm"})
# what a name with one of these ends in is a file, though a folder may be called anything
_OF_FILES = (
    OF_PICTURES
    | OF_VIDEOS
    | {".avif", ".bmp", ".heic", ".heif", ".pbm", ".pdf", ".pgm", ".pnm", ".ppm", ".svg", ".tga"}
    | {".3gp", ".flv", ".mpeg", ".mpg", ".ogv", ".ts", ".vob", ".wmv", ".y4m"}
    | {".bin", ".ckpt", ".npy", ".npz", ".onnx", ".pkl", ".pt", ".pth", ".safetensors"}
    | {".csv", ".htm", ".html", ".ipynb", ".json", ".md", ".py", ".tex", ".txt", ".yaml", ".yml"}
    | {".gz", ".log", ".tar", ".tgz", ".toml", ".xml", ".zip"}
)


@dataclass(frozen=True)
class Output:
    """What a path to write must be, as metadata of ``Annotated``.

    Attributes:
        suffixes: of a file that it may be, in lower case; none where it is a folder.
        folder: whether it may be a folder.
    """

    suffixes: Collection[str] = ()
    folder: bool = False

    def fault(self, path: Path) -> str | None:
        """What keeps the path from being written, and the way out; ``None`` where nothing does."""
        try:
            return self._of_another_kind(path) or _unwritable(path)
        except OSError as error:  # such as a name that is too long
            return f"cannot be written: {error.strerror or error}"

    def _of_another_kind(self, path: Path) -> str | None:
        suffix = path.suffix.lower()
        if path.is_dir():
            return None if self.folder else f"is a folder; name {self}"
        if suffix in self.suffixes:
            return None
        if not self.folder or path.exists():
            return f"must be {self}"
        if suffix in _OF_FILES or (suffix and nearest(suffix, self.suffixes)):
            return f"looks like a file; name {self}"
        return None

    def __str__(self) -> str:
        ends = ", ".join(sorted(self.suffixes))
        kinds = ["a folder"] * self.folder + [f"a file that ends in {ends}"] * bool(ends)
        return " or ".join(kinds)


def check_output(path: Path, output: Output, option: str) -> None:
    """The check for a path that stands in no option, such as one that is composed.

    Raises:
        UserError: it is not what is written, or cannot be written.
    """
    if fault := output.fault(path):
        raise UserError(f"{option} {path}: {fault}")


def _unwritable(path: Path) -> str | None:
    """Asks the file system by a file without a name in the nearest folder that is there."""
    there = path if path.is_dir() else path.parent
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        return f"cannot be written: {there} is no folder"
    try:
        with tempfile.TemporaryFile(dir=there):
            return None
    except OSError as error:
        return f"cannot be written: {error.strerror or error} ({there})"


FOLDER = Output(folder=True)
JSON = Output((".json",))
WEIGHTS = Output((".safetensors",), folder=True)

FolderOutput = Annotated[Path, FOLDER]
JsonOutput = Annotated[Path, JSON]
JsonOrFolderOutput = Annotated[Path, Output((".json",), folder=True)]
WeightsOutput = Annotated[Path, WEIGHTS]
PlotOutput = Annotated[Path, Output((".svg", ".png", ".pdf"))]
