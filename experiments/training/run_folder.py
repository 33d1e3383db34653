"""A run's folder: one training at a time, and weights are overwritten only when asked."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from ...datasets.base.errors import UserError
from ...models.base.weights import BEST, LAST, PREVIOUS

LOCK = "training.lock"
_EVENTS = "events.out.tfevents.*"


def holds_run(run: Path) -> bool:
    """Whether a folder has weights that a training would replace."""
    return any((run / name).exists() for name in (LAST, BEST))


def refuse_overwriting(run: Path, resume: bool, overwrite: bool) -> None:
    """Weights stay unless the user says what is to become of them.

    Raises:
        UserError: the folder holds a run, and neither is asked for.
    """
    if holds_run(run) and not resume and not overwrite:
        raise UserError(
            f"{run} holds a run already; add --resume to go on, --overwrite to delete it and "
            "train anew, or choose another --run-dir"
        )


@contextlib.contextmanager
def run_folder(run: Path, resume: bool, overwrite: bool) -> Iterator[None]:
    """A training's hold on its folder: made where it is missing, locked, emptied if asked to.

    The lock ends with the process, however it ends. Folders that are still empty are removed.

    Args:
        run: the folder.
        resume: a run in it goes on.
        overwrite: a run in it is deleted.

    Raises:
        UserError: another training is in it, by its process; it holds a run and neither is asked
            for; it cannot be written.
    """
    missing = [folder for folder in (run, *run.parents) if not folder.exists()]
    try:
        run.mkdir(parents=True, exist_ok=True)
        lock = _lock(run / LOCK)
    except OSError as error:
        raise UserError(f"cannot write into {run}: {error.strerror or error}") from error
    try:
        refuse_overwriting(run, resume, overwrite)
        if overwrite:
            for path in (run / LAST, run / PREVIOUS, run / BEST, *run.glob(_EVENTS)):
                path.unlink(missing_ok=True)
        yield
    finally:
        (run / LOCK).unlink(missing_ok=True)
        lock.close()
        with contextlib.suppress(OSError):  # not empty
            for folder in missing:
                folder.rmdir()


def _lock(path: Path) -> TextIO:
    """The lock's file, open; closing it gives the lock up.

    Raises:
        UserError: another process has it.
        OSError: the file cannot be made.
    """
    while True:
        file = path.open("a+")
        try:
            # not flock: processes that load images inherit that, and may outlive a killed training
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                return file  # a file system without locks
            file.seek(0)
            owner = file.read() or "another process"
            file.close()
            raise UserError(
                f"{path.parent} is being trained into by {owner}; wait for it or stop it, or "
                "choose another --run-dir"
            ) from error
        if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            break
        file.close()  # that of a training which has just ended
    file.truncate(0)
    file.write(f"process {os.getpid()} on {platform.node()}")
    file.flush()
    return file
