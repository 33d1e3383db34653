"""Which codecs a video can be written in, and into which containers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ...datasets.base.errors import UserError, unknown

CodecName = Literal["h264", "h265", "vp9", "av1", "prores", "ffv1", "mpeg4", "mjpeg"]


@dataclass(frozen=True)
class Codec:
    """One codec.

    Attributes:
        containers: suffixes of files that may hold it, the first the usual.
        encoder: FFmpeg's name of the encoder.
        pixels: FFmpeg's pixel format.
        options: further ones of the encoder.
        crf: the default rate factor and the largest; ``None`` where the encoder has none.
        even: whether height and width must be even.
        reorder: by how many frames decoding may run ahead of showing, for B-frames.
    """

    containers: tuple[str, ...]
    encoder: str
    pixels: str
    options: Mapping[str, str] = field(default_factory=dict)
    crf: tuple[int, int] | None = None
    even: bool = True
    reorder: int = 0


_MP4 = (".mp4", ".mov", ".mkv", ".m4v")
_QUIET = {"x265-params": "log-level=error"}
CODECS: dict[str, Codec] = {
    "h264": Codec(_MP4, "libx264", "yuv420p", {}, (18, 51), reorder=2),
    "h265": Codec(_MP4, "libx265", "yuv420p", _QUIET, (20, 51), reorder=2),
    "vp9": Codec((".webm", ".mkv", ".mp4"), "libvpx-vp9", "yuv420p", {}, (24, 63)),
    "av1": Codec((".mkv", ".mp4", ".webm"), "libsvtav1", "yuv420p", {}, (24, 63)),
    "prores": Codec((".mov", ".mkv"), "prores_ks", "yuv422p10le", {"profile": "3"}),
    "ffv1": Codec((".mkv", ".avi"), "ffv1", "bgr0", even=False),
    "mpeg4": Codec((*_MP4, ".avi"), "mpeg4", "yuv420p", {"qmin": "3", "qmax": "3"}),
    "mjpeg": Codec((".avi", ".mov", ".mkv"), "mjpeg", "yuvj420p", {"qmin": "2", "qmax": "2"}),
}
WRITABLE = frozenset(suffix for codec in CODECS.values() for suffix in codec.containers)
_UNASKED = ("h264", "vp9", "mpeg4", "mjpeg")  # the best first


def choose(name: str | None, suffix: str, able: Callable[[Codec], bool]) -> str:
    """The codec of a file: the one that was asked for, or the best that its container can hold.

    Args:
        name: of ``CODECS``, or ``None``.
        suffix: of the file, in lower case.
        able: whether this build of FFmpeg has a codec's encoder.

    Raises:
        UserError: unknown, not to be written, or not to be held by such a file.
    """
    if name is not None and name not in CODECS:
        raise UserError(unknown("codec", name, CODECS))
    fitting = [other for other, codec in CODECS.items() if suffix in codec.containers]
    writable = [other for other in fitting if able(CODECS[other])]
    if name is None:
        name = next((other for other in _UNASKED if other in writable), None)
        if name is None:
            raise UserError(f"PyAV can write no codec of {suffix} files; choose --out NAME.mp4")
    elif name not in fitting:
        holds = ", ".join(CODECS[name].containers)
        raise UserError(f"{suffix} files hold no {name}; name the result one of {holds}")
    elif name not in writable:
        others = ", ".join(writable) or "none"
        raise UserError(f"PyAV cannot write {name}; for {suffix} it can write: {others}")
    return name


def container(codec: str | None, suffix: str) -> str:
    """The suffix of a result: that of its source where it can hold the codec, else the usual."""
    containers = CODECS[codec].containers if codec in CODECS else (".mp4", *WRITABLE)
    return suffix if suffix in containers else containers[0]


def rate_factor(name: str, crf: int | None) -> int | None:
    """The rate factor of a codec, asked for or its default; ``None`` where it has none.

    Raises:
        UserError: out of range, or asked for where there is none.
    """
    limits = CODECS[name].crf
    if crf is None:
        return limits[0] if limits else None
    if limits is None:
        raise UserError(f"{name} has no rate factor; leave --crf out")
    if not 0 <= crf <= limits[1]:
        raise UserError(f"crf {crf}: {name} takes 0 (best) to {limits[1]}; {limits[0]} is usual")
    return crf
