"""Files that are either the old one or the whole new one, never a part."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from .errors import UserError


def write_atomic(path: Path, write: Callable[[BinaryIO], object], keep: Path | None = None) -> None:
    """Let ``write`` fill a temporary file beside ``path``, flush it to disk, then rename it.

    Args:
        path: the file.
        write: fills it.
        keep: where the old file stays, in the same folder; it takes the place of what is there.

    Raises:
        UserError: when the folder is read-only or the disk is full; an existing ``path`` is left
            as it was and no temporary file stays behind.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        if keep is not None and path.exists():
            _keep(path, keep)
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        # torch.save reports a full disk as RuntimeError
        if isinstance(error, (OSError, RuntimeError)):
            raise UserError(f"cannot write {path}: {error}; the old file is untouched") from error
        raise


def write_text_atomic(path: Path, text: str) -> None:
    """``write_atomic`` for UTF-8 text."""
    write_atomic(path, lambda file: file.write(text.encode()))


def _keep(path: Path, other: Path) -> None:
    """Give a file a second name, so that at no moment the first is missing."""
    temporary = path.with_name(f".{other.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    try:
        os.link(path, temporary)
    except OSError:  # a file system without links
        shutil.copyfile(path, temporary)
    os.replace(temporary, other)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
