"""Weights in files that are small enough to be carried: half precision, cut where larger."""

from __future__ import annotations

from pathlib import Path

from ..artifacts.weights_file import ship

LARGEST = 16 * 2**20 - 2**16  # bytes


def pack_run(run: Path, out: Path) -> list[Path]:
    """Ship a run's last weights into ``out``, in parts where the file is too large.

    ``cat NAME.safetensors.part* > NAME.safetensors`` joins them.

    Returns:
        The files.

    Raises:
        UserError: no checkpoint, or a damaged one.
    """
    return cut_file(ship(run, out / f"{run.name}.safetensors", "last"))


def cut_file(path: Path, largest: int = LARGEST) -> list[Path]:
    """A file that is larger than ``largest`` bytes becomes parts, and is deleted.

    Returns:
        The parts in order, or the file.
    """
    size = path.stat().st_size
    if size <= largest:
        return [path]
    parts = []
    with path.open("rb") as file:
        for index in range(-(-size // largest)):
            part = path.with_name(f"{path.name}.part{index:02d}")
            part.write_bytes(file.read(largest))
            parts.append(part)
    path.unlink()
    return parts
