"""Reading a video frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, ColorTrc, Interpolation

from ...datasets.base.errors import DataError
from ...datasets.loading.decode import MAX_PIXELS, MIN_SIDE

EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
_LOCAL = {"protocol_whitelist": "file"}  # a playlist must not fetch anything
_USUAL_RATE = Fraction(25)
_HDR: dict[int, str] = {ColorTrc.SMPTE2084: "PQ", ColorTrc.ARIB_STD_B67: "HLG"}
_UNSPECIFIED = 2  # of a matrix, in ITU-T H.273


class Video:
    """A video file as upright 8-bit frames of standard dynamic range, one at a time.

    Attributes:
        container: the open file.
        stream: its video stream.
        height: of a frame, as it is shown.
        width: likewise.
        aspect: width of a pixel by its height, as it is shown; ``None`` where the file is silent.
        fps: mean frames per second; 25 where the file is silent.
        counted: number of frames that the file's header names, 0 where it names none.
        expected: the same, or by its length; 0 if it does not say.
        seconds: length of the frames by the header, 0 where it does not say.
        start: seconds that the file's times begin with.
        times: of the frames read or skipped so far, ascending, in units of ``time_base``.
        time_base: in seconds.
        untimed: how many of them had no time and were placed by a rate that was guessed.
        damaged: how many packets could not be decoded so far.

    Raises:
        DataError: no video that can be read, or one of high dynamic range.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise DataError(f"no video {path}")
        self.path = path
        self.times: list[int] = []
        self.untimed = self.damaged = 0
        self.container = open_video(path)
        stream = self.container.streams.best("video")
        self._frames = self._decoded(stream) if isinstance(stream, av.VideoStream) else iter(())
        first = self._first = next(self._frames, None)
        if first is None or not isinstance(stream, av.VideoStream):
            self.container.close()
            raise _unreadable(path)
        self.stream = stream
        self.time_base = stream.time_base or 1 / _USUAL_RATE
        self.start = Fraction(self.container.start_time or 0, av.time_base)
        rate = stream.average_rate or stream.guessed_rate or 0
        self._rated = 0.01 < rate <= 1000
        self.fps = Fraction(rate) if self._rated else _USUAL_RATE
        self._step = max(1, round(1 / (self.fps * self.time_base)))
        seconds = (stream.duration or 0) * self.time_base
        seconds = seconds or Fraction(self.container.duration or 0, av.time_base)
        self.counted = stream.frames
        self.expected = stream.frames or max(0, round(seconds * self.fps))
        silent = not self.container.streams.audio  # else its length may be that of the sound
        self.seconds = float(seconds) if stream.duration or silent else 0.0
        self._size = first.width, first.height
        self.height, self.width = self._picture(first).shape[:2]
        aspect = stream.sample_aspect_ratio or None
        turned = aspect and (self.width, self.height) != self._size
        self.aspect = 1 / aspect if aspect and turned else aspect
        self._check(first)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.container.close()

    @property
    def end(self) -> int:
        """When the last frame so far ends, in units of ``time_base``."""
        return self.times[-1] + self._duration if self.times else 0

    def skip(self, count: int) -> None:
        """Pass over frames; seeking may miss in many codecs, so they are decoded.

        Raises:
            DataError: the video is shorter.
        """
        for _ in range(count):
            if self._next() is None:
                raise DataError(
                    f"{self.path} ends after {len(self.times)} frames, {count} were there"
                )

    def frames(self) -> Iterator[np.ndarray]:
        """The frames that are left, H x W x 3 uint8 sRGB.

        Raises:
            DataError: the size changes on the way.
        """
        while (frame := self._next()) is not None:
            if (frame.width, frame.height) != self._size:
                before = "{}x{}".format(*self._size)
                raise DataError(
                    f"{self.path} changes from {before} to {frame.width}x{frame.height} after "
                    f"{len(self.times) - 1} frames; cut it there"
                )
            yield self._picture(frame)

    def _next(self) -> VideoFrame | None:
        frame, self._first = self._first or next(self._frames, None), None
        if frame is None:
            return None
        time = frame.pts
        if time is None or (self.times and time <= self.times[-1]):
            self.untimed += not self._rated
            time = self.end if self.times else frame.dts or 0
        self.times.append(time)
        self._duration = frame.duration or self._step
        return frame

    def _decoded(self, stream: av.VideoStream) -> Iterator[VideoFrame]:
        stream.thread_type = "AUTO"
        for packet in self._packets(stream):
            try:
                yield from stream.decode(packet)
            except FFmpegError:
                self.damaged += 1

    def _packets(self, stream: av.VideoStream) -> Iterator[av.Packet | None]:
        try:
            yield from self.container.demux(stream)
        except FFmpegError:  # the file ends within a packet
            self.damaged += 1
            yield None

    def _check(self, frame: VideoFrame) -> None:
        size = f"{self.path} is {self.width}x{self.height}"
        if min(self._size) < MIN_SIDE or self.width * self.height > MAX_PIXELS:
            self.container.close()
            raise DataError(
                f"{size}; frames need {MIN_SIDE} pixels a side and at most {MAX_PIXELS} in all"
            )

    def _picture(self, frame: VideoFrame) -> np.ndarray:
        """A frame upright, H x W x 3 uint8 sRGB.

        Its matrix and range are those that it names, else the usual of its size.
        """
        if hdr := _HDR.get(frame.color_trc):
            raise DataError(
                f"{self.path} is HDR ({hdr}), which no method here knows; convert it to standard "
                "dynamic range (BT.709) first"
            )
        guess = usual_matrix(frame.width, frame.height)
        try:
            rgb = frame.reformat(
                format="rgb24",
                src_colorspace=guess if frame.colorspace == _UNSPECIFIED else None,
                dst_color_range=ColorRange.JPEG,
                interpolation=EXACT,
            ).to_ndarray()
        except FFmpegError as error:  # a matrix such as that of Dolby Vision
            raise DataError(f"{self.path} has colours that cannot be converted: {error}") from error
        side_data: Any = frame.side_data
        matrix = side_data.get("DISPLAYMATRIX")
        return rgb if matrix is None else _upright(rgb, np.frombuffer(matrix, np.int32))


def usual_matrix(width: int, height: int) -> Colorspace:
    """BT.709, for standard definition BT.601: what players take where a file names none."""
    return Colorspace.ITU709 if width >= 1280 or height > 576 else Colorspace.ITU601


def open_video(path: Path) -> InputContainer:
    """Open a file for reading.

    Raises:
        DataError: no video that can be read.
    """
    try:
        return av.open(str(path.resolve()), options=_LOCAL, metadata_errors="replace")
    except FFmpegError as error:
        raise _unreadable(path) from error


def _unreadable(path: Path) -> DataError:
    return DataError(
        f"{path} has no frame that can be read: it is damaged, no video, or of an unknown codec"
    )


def _upright(picture: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """A picture turned by quarters and mirrored as a display matrix (9 int32) says."""
    across, down = matrix[0], matrix[4]
    if abs(across) < abs(matrix[1]):
        picture = picture.transpose(1, 0, 2)
        across, down = matrix[3], matrix[1]
    picture = picture[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1]
    return np.ascontiguousarray(picture)
