"""YUV4MPEG2, the video that programs hand to each other through pipes: frames as RGB and back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from av.video.reformatter import Colorspace

from ...datasets.base.errors import DataError, unknown
from ...datasets.loading.decode import MAX_PIXELS, MIN_SIDE
from .reader import usual_matrix

MAGIC, FRAME = b"YUV4MPEG2", b"FRAME"
_FULL, _LIMITED = "XCOLORRANGE=FULL", "XCOLORRANGE=LIMITED"
_LONGEST_LINE = 4096
_LUMA = {Colorspace.ITU709: (0.2126, 0.0722), Colorspace.ITU601: (0.299, 0.114)}  # of R and B
_CENTRE, _LEFT = 0.5, 0.0  # where a chroma sample lies between two of luma, in luma samples
# colour spaces of 8 bits -> (horizontal, vertical) subsampling, and where chroma lies across
_SPACES = {
    "420": ((2, 2), _CENTRE),
    "420jpeg": ((2, 2), _CENTRE),
    "420mpeg2": ((2, 2), _LEFT),
    "422": ((2, 1), _LEFT),
    "444": ((1, 1), _LEFT),
    "444alpha": ((1, 1), _LEFT),
    "mono": ((0, 0), _LEFT),
}
# those of more bits; nothing in them says where chroma lies, and H.264's place is the left
_DEEP = {"420": _SPACES["420mpeg2"], **{name: _SPACES[name] for name in ("422", "444", "mono")}}
_DEEP_NAME = re.compile(r"(420|422|444)p(9|10|12|14|16)|(mono)(9|10|12|14|16)")
_REFUSED = {
    "420paldv": "its chroma lies elsewhere in every other line",
    "411": "it has chroma for one pixel in four",
}


@dataclass(frozen=True)
class Yuv4MpegHeader:
    """What the first line of a stream says.

    Attributes:
        width: of the frames, in pixels; ``height`` likewise.
        space: the colour space's name, as after ``C``; 420jpeg where there is none.
        subsampling: of chroma, across and down; (0, 0) for gray alone.
        siting: where chroma lies across between two samples of luma, 0 (left) or 0.5 (centre).
        bits: of a sample.
        full: whether levels fill all bits (``XCOLORRANGE=FULL``, and gray where nothing is said, as
            FFmpeg takes it), else 16 to 235 and 240 of 8 bits.
        others: the other parameters, as they stand.
    """

    width: int
    height: int
    space: str
    subsampling: tuple[int, int]
    siting: float
    bits: int
    full: bool
    others: tuple[str, ...]

    @property
    def colored(self) -> Yuv4MpegHeader:
        """Of the result: gray becomes 444 of as many bits, all else stays."""
        if self.subsampling != (0, 0):
            return self
        space = "444" if self.bits == 8 else f"444p{self.bits}"
        others = tuple(text for text in self.others if not text.startswith("XYSCSS"))
        full = _FULL in others
        return Yuv4MpegHeader(
            self.width, self.height, space, (1, 1), _LEFT, self.bits, full, others
        )

    @property
    def planes(self) -> list[tuple[int, int]]:
        """Height and width of each plane of a frame."""
        whole = (self.height, self.width)
        across, down = self.subsampling
        if not across:
            return [whole]
        chroma = (-(-self.height // down), -(-self.width // across))
        return [whole, chroma, chroma, *([whole] if self.space == "444alpha" else [])]

    def line(self) -> bytes:
        """The header, as it is written."""
        words = [MAGIC.decode(), f"W{self.width}", f"H{self.height}", *self.others]
        return " ".join([*words, f"C{self.space}"]).encode() + b"\n"


def read_header(stream: BinaryIO) -> Yuv4MpegHeader:
    """The first line of a stream.

    Raises:
        DataError: no YUV4MPEG2, or a colour space, field order or size that is not supported.
    """
    words = _line(stream).decode("ascii", "replace").split()
    if not words or words[0] != MAGIC.decode():
        raise DataError(
            "the standard input is no YUV4MPEG2; write it by `ffmpeg -f yuv4mpegpipe -strict -1`, "
            "`vspipe -c y4m` or alike"
        )
    said = {word[0]: word[1:] for word in words[1:] if word[0] != "X"}
    try:
        width, height = int(said["W"]), int(said["H"])
    except (KeyError, ValueError) as error:
        raise DataError(f"the YUV4MPEG2 header says no size: {' '.join(words)}") from error
    if min(width, height) < MIN_SIDE or width * height > MAX_PIXELS:
        raise DataError(
            f"the stream is {width}x{height}; frames need {MIN_SIDE} pixels a side and at most "
            f"{MAX_PIXELS} in all"
        )
    if said.get("I", "p") not in ("p", "?"):
        raise DataError(
            f"I{said['I']}: interlaced frames are not supported; deinterlace them first"
        )
    space = said.get("C", "420jpeg")
    (subsampling, siting), bits = _space(space)
    return Yuv4MpegHeader(
        width=width,
        height=height,
        space=space,
        subsampling=subsampling,
        siting=siting,
        bits=bits,
        full=_FULL in words or (not subsampling[0] and _LIMITED not in words),
        others=tuple(word for word in words[1:] if word[0] not in "WHC"),
    )


def read_frames(
    stream: BinaryIO, header: Yuv4MpegHeader
) -> Iterator[tuple[bytes, list[np.ndarray]]]:
    """The frames of a stream: the line before each, and its planes of uint8 or uint16.

    Raises:
        DataError: the stream ends within a frame, or holds something else than frames.
    """
    dtype = np.dtype(np.uint8 if header.bits == 8 else "<u2")
    count = 0
    while line := _line(stream):
        if line.split()[:1] != [FRAME]:
            raise DataError(f"no YUV4MPEG2 frame follows after {count} frames")
        planes = []
        for height, width in header.planes:
            size = height * width * dtype.itemsize
            data = stream.read(size)
            if len(data) < size:
                raise DataError(f"the stream ends within a frame, after {count} whole ones")
            planes.append(np.frombuffer(data, dtype).reshape(height, width))
        count += 1
        yield line, planes


def rgb_of(planes: Sequence[np.ndarray], header: Yuv4MpegHeader) -> np.ndarray:
    """A frame as H x W x 3 sRGB levels in [0,1], or H x W gray ones, float32.

    The matrix, which no header says, is the usual one of the size.
    """
    luma, *chroma = (_unit(plane, header, number) for number, plane in enumerate(planes[:3]))
    if not chroma:
        return luma.clip(0, 1)
    cb, cr = (_enlarged(plane, header) for plane in chroma)
    red, blue = _weights(header)
    r = luma + 2 * (1 - red) * cr
    b = luma + 2 * (1 - blue) * cb
    g = (luma - red * r - blue * b) / (1 - red - blue)
    return np.stack([r, g, b], axis=2).clip(0, 1)


def planes_of(rgb: np.ndarray, header: Yuv4MpegHeader) -> list[np.ndarray]:
    """The planes Y, Cb and Cr of H x W x 3 sRGB in [0,1], float32; the inverse of ``rgb_of``."""
    red, blue = _weights(header)
    r, g, b = np.moveaxis(rgb, 2, 0)
    luma = red * r + (1 - red - blue) * g + blue * b
    chroma = ((b - luma) / (2 * (1 - blue)), (r - luma) / (2 * (1 - red)))
    planes = [luma, *(_reduced(plane, header) for plane in chroma)]
    return [_levels(plane, header, number) for number, plane in enumerate(planes)]


def _space(name: str) -> tuple[tuple[tuple[int, int], float], int]:
    """Subsampling, siting and bits of a colour space."""
    if name in _SPACES:
        return _SPACES[name], 8
    if match := _DEEP_NAME.fullmatch(name):
        kind, bits = (part for part in match.groups() if part)
        return _DEEP[kind], int(bits)
    if name in _REFUSED:
        raise DataError(
            f"the colour space C{name} is not supported ({_REFUSED[name]}); convert it to 420mpeg2"
        )
    raise DataError(
        unknown("YUV4MPEG2 colour space", name, [*_SPACES, "420p10", "422p10", "444p16"])
    )


def _weights(header: Yuv4MpegHeader) -> tuple[float, float]:
    return _LUMA[usual_matrix(header.width, header.height)]


def _unit(plane: np.ndarray, header: Yuv4MpegHeader, number: int) -> np.ndarray:
    """Luma in about [0,1], chroma (``number`` 1 and 2) in about [-0.5,0.5]."""
    offset, span = _range(header, number)
    return (plane.astype(np.float32) - np.float32(offset)) / np.float32(span)


def _levels(plane: np.ndarray, header: Yuv4MpegHeader, number: int) -> np.ndarray:
    offset, span = _range(header, number)
    levels = np.rint(plane * np.float32(span) + np.float32(offset)).clip(0, 2**header.bits - 1)
    return levels.astype(np.uint8 if header.bits == 8 else "<u2")


def _range(header: Yuv4MpegHeader, number: int) -> tuple[float, float]:
    """The level that is zero, and how many there are up to one."""
    unit = 2.0 ** (header.bits - 8)
    zero = 128 * unit if number else 0.0 if header.full else 16 * unit
    if header.full:
        return zero, 2**header.bits - 1
    return zero, (224 if number else 219) * unit


def _enlarged(plane: np.ndarray, header: Yuv4MpegHeader) -> np.ndarray:
    """Chroma at every sample of luma, linear between its own."""
    across, down = header.subsampling
    plane = _between(plane, header.width, across, header.siting)
    return _between(plane.T, header.height, down, _CENTRE).T


def _between(plane: np.ndarray, length: int, step: int, siting: float) -> np.ndarray:
    if step == 1:
        return plane
    place = ((np.arange(length, dtype=np.float32) - siting) / step).clip(0, plane.shape[1] - 1)
    first = place.astype(int)
    after = np.minimum(first + 1, plane.shape[1] - 1)
    share = (place - first).astype(np.float32)
    return plane[:, first] * (1 - share) + plane[:, after] * share


def _reduced(plane: np.ndarray, header: Yuv4MpegHeader) -> np.ndarray:
    """Chroma at its own places: the mean of two samples, or 1-2-1 about one."""
    across, down = header.subsampling
    plane = _about(plane, across, header.siting)
    return _about(plane.T, down, _CENTRE).T


def _about(plane: np.ndarray, step: int, siting: float) -> np.ndarray:
    if step == 1:
        return plane
    last = plane.shape[1] - 1
    at = np.arange(0, plane.shape[1], step)
    after = plane[:, np.minimum(at + 1, last)]
    if siting == _CENTRE:
        return (plane[:, at] + after) / 2
    return (plane[:, np.maximum(at - 1, 0)] + 2 * plane[:, at] + after) / 4


def _line(stream: BinaryIO) -> bytes:
    """A line without its end; nothing at the end of the stream."""
    line = stream.readline(_LONGEST_LINE)
    if line and not line.endswith(b"\n"):
        raise DataError("the YUV4MPEG2 stream has a line without an end")
    return line.rstrip(b"\n")
