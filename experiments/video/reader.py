"""Reading a video frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Self

import cv2
import numpy as np

from ...datasets.base.errors import DataError
from ...datasets.loading.decode import MAX_PIXELS, MIN_SIDE

VIDEO_SUFFIXES = frozenset(
    {".avi", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".webm", ".wmv"}
)
PARTS = ".parts"  # ends the name of a folder with the finished parts of a result
_USUAL_RATE = Fraction(25)


def is_video(path: Path) -> bool:
    """Whether a file's suffix is that of a video."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def video_files(folder: Path) -> list[Path]:
    """The videos at any depth below ``folder``, known by suffix, sorted; nothing hidden."""

    def visible(path: Path) -> bool:
        parts = path.relative_to(folder).parts
        return not any(part.startswith(".") or part.endswith(PARTS) for part in parts)

    return sorted(p for p in folder.rglob("*") if is_video(p) and visible(p) and p.is_file())


class Video:
    """A video file as upright 8-bit frames, one at a time.

    OpenCV gives deeper videos with 8 bits.

    Attributes:
        height: of a frame, as it is shown.
        width: likewise.
        fps: mean frames per second, exact for the usual rates (30000/1001).
        rated: whether the file says its rate; 25 is taken where it does not.
        expected: number of frames by the file's header, 0 if it does not say.
        count: frames read or skipped so far.
        drift_s: how far the frames' own times have been, at most, from equal steps of ``1 / fps``.

    Raises:
        DataError: no video that OpenCV can read.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise DataError(f"no video {path}")
        self.path = path
        self._capture = cv2.VideoCapture(str(path))
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        done, first = self._capture.read() if self._capture.isOpened() else (False, None)
        if not done or first is None:
            raise DataError(
                f"{path} has no frame that can be read: it is damaged, no video, or of a codec "
                "that OpenCV does not know; `ffmpeg -i OLD NEW.mp4` makes another of it"
            )
        self.height, self.width = first.shape[:2]
        if min(first.shape[:2]) < MIN_SIDE or self.height * self.width > MAX_PIXELS:
            raise DataError(
                f"{path} is {self.width}x{self.height}; frames need {MIN_SIDE} pixels a side and "
                f"at most {MAX_PIXELS} in all"
            )
        self._next: np.ndarray | None = first
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rated = 0.01 < rate <= 1000
        self.fps = _exact(rate) if self.rated else _USUAL_RATE
        self.expected = max(0, round(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        self.count = 0
        self.drift_s = 0.0
        self._start_s = self._time_s()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._capture.release()

    def skip(self, count: int) -> None:
        """Pass over frames; seeking may miss in many codecs, so they are decoded.

        Raises:
            DataError: the video is shorter.
        """
        for _ in range(count):
            if self._next is not None:
                self._next = None
            elif not self._capture.grab():
                raise DataError(f"{self.path} ends after {self.count} frames, {count} were there")
            self._counted()

    def frames(self) -> Iterator[np.ndarray]:
        """The frames that are left, H x W x 3 uint8 sRGB.

        Raises:
            DataError: the size changes on the way.
        """
        while True:
            frame, self._next = self._next, None
            if frame is None:
                done, frame = self._capture.read()
                if not done:
                    return
            if frame.shape[:2] != (self.height, self.width):
                size = f"{frame.shape[1]}x{frame.shape[0]}"
                raise DataError(
                    f"{self.path} changes from {self.width}x{self.height} to {size} after "
                    f"{self.count} frames; cut it there (ffmpeg -i OLD -t SECONDS NEW)"
                )
            self._counted()
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)

    def _counted(self) -> None:
        due_s = float(self.count / self.fps)
        self.drift_s = max(self.drift_s, abs(self._time_s() - self._start_s - due_s))
        self.count += 1

    def _time_s(self) -> float:
        return self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000


def _exact(rate: float) -> Fraction:
    """Files say 29.97 and mean 30000/1001."""
    for whole in (24, 30, 48, 60, 120):
        if abs(rate - whole / 1.001) < 0.005:
            return Fraction(1000 * whole, 1001)
    return Fraction(rate).limit_denominator(1000)


def frames_in(path: Path) -> int:
    """How many frames of a file can be decoded, 0 if it is none."""
    capture = cv2.VideoCapture(str(path))
    count = 0
    while capture.isOpened() and capture.grab():
        count += 1
    capture.release()
    return count
