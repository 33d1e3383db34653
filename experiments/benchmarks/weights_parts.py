"""Weights in files that are small enough to be carried: half precision, cut where larger."""

from __future__ import annotations

from pathlib import Path

from ..artifacts.weights_file import ship

LARGEST = 16 * 2**20 - 2**16  # bytes


def pack_weights(runs: Path, out: Path) -> list[Path]:
    """Ship every run of a folder into ``out``, in parts where a file is too large.

    ``cat NAME.safetensors.part* > NAME.safetensors`` joins them.

    Returns:
        The files.
    """
    files = []
    for run in sorted(runs.glob("*")):
        if any(run.glob("*.pt")):
            files += cut_file(ship(run, out / f"{run.name}.safetensors", "last"))
    return files


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
