"""Which files are videos, how one is coloured, and what became of it; without reading any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...datasets.base.bounds import Checked, Count, Natural, Strength
from ...models.color.hint_points import HintPoint
from ..inference.palette import Palette

VIDEO_SUFFIXES = frozenset(
    {".3g2", ".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg"}
    | {".mts", ".ogv", ".ts", ".vob", ".webm", ".wmv"}
)
PARTS = ".parts"  # ends the name of a folder with the finished parts of a result
PART_FRAMES = 120  # what an interruption can cost, and how far apart key frames are at most


def is_video(path: Path) -> bool:
    """Whether a file's suffix is that of a video; ``.ts`` is that of TypeScript, too."""
    suffix = path.suffix.lower()
    if suffix != ".ts" or not path.is_file():
        return suffix in VIDEO_SUFFIXES
    with path.open("rb") as file:
        return file.read(1) == b"\x47"  # each packet of a transport stream begins with it


@dataclass(frozen=True, kw_only=True)
class VideoOptions(Checked):
    """How a video is coloured and written.

    Attributes:
        strength: see ``Colorizer``.
        palette: see ``Colorizer``.
        hints: colours at points of frames, for a method that takes them; see ``FollowedColors``.
        reduce_flicker: see ``Steady``.
        codec: a name of ``CODECS``; default the best that the result's file can hold.
        crf: rate factor of the codec, 0 is best.
        part_frames: frames after which the work is safe.
        overwrite: begin anew where parts of other settings lie.
    """

    strength: Strength = 1.0
    palette: Palette | None = None
    hints: Sequence[HintPoint] = ()
    reduce_flicker: bool = True
    codec: str | None = None
    crf: Natural | None = None
    part_frames: Count = PART_FRAMES
    overwrite: bool = False


@dataclass(frozen=True)
class VideoReport:
    """What became of a video.

    Attributes:
        frames: in the result.
        resumed: how many of them were there from an earlier, interrupted run.
        flicker: the warp error with and without the reduction, as JSON; see ``WarpError``.
        notes: what differs from the source, a sentence each.
    """

    frames: int
    resumed: int
    flicker: dict[str, Any]
    notes: list[str] = field(default_factory=list)
