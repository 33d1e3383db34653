"""Which codecs a video can be written in, by which writer and into which containers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from ...datasets.base.errors import UserError, unknown

CodecName = Literal["h264", "h265", "vp9", "av1", "prores", "ffv1", "mpeg4", "mjpeg"]


@dataclass(frozen=True)
class Codec:
    """One codec.

    Attributes:
        containers: suffixes of files that may hold it, the first the usual.
        encoder: ffmpeg's name of the encoder.
        pixels: ffmpeg's pixel format.
        options: further ones of ffmpeg.
        crf: the default rate factor and the largest; ``None`` where the encoder has none.
        fourcc: OpenCV's name.
        even: whether height and width must be even.
    """

    containers: tuple[str, ...]
    encoder: str
    pixels: str
    options: tuple[str, ...] = ()
    crf: tuple[int, int] | None = None
    fourcc: str = ""
    even: bool = True


CODECS: dict[str, Codec] = {
    "h264": Codec((".mp4", ".mov", ".mkv", ".m4v"), "libx264", "yuv420p", (), (18, 51), "avc1"),
    "h265": Codec((".mp4", ".mov", ".mkv", ".m4v"), "libx265", "yuv420p", (), (20, 51), "hvc1"),
    "vp9": Codec(
        (".webm", ".mkv", ".mp4"), "libvpx-vp9", "yuv420p", ("-b:v", "0"), (24, 63), "VP90"
    ),
    "av1": Codec((".mkv", ".mp4", ".webm"), "libsvtav1", "yuv420p", (), (24, 63), "av01"),
    "prores": Codec((".mov", ".mkv"), "prores_ks", "yuv422p10le", ("-profile:v", "3")),
    "ffv1": Codec((".mkv", ".avi"), "ffv1", "bgr0", (), None, "FFV1", False),
    "mpeg4": Codec(
        (".mp4", ".mov", ".mkv", ".m4v", ".avi"), "mpeg4", "yuv420p", ("-q:v", "3"), None, "mp4v"
    ),
    "mjpeg": Codec((".avi", ".mov", ".mkv"), "mjpeg", "yuvj420p", ("-q:v", "2"), None, "MJPG"),
}
WRITABLE = frozenset(suffix for codec in CODECS.values() for suffix in codec.containers)


def choose(
    asked: str | None,
    suffix: str,
    order: Iterable[str],
    able: Callable[[str], bool],
    writer: str,
) -> str:
    """The codec of a file: the one that was asked for, or the best that its container can hold.

    Args:
        asked: a name of ``CODECS``, or ``None``.
        suffix: of the file, in lower case.
        order: what to take unasked, the best first.
        able: whether the writer can write a codec.
        writer: for the error's text.

    Raises:
        UserError: unknown, not to be written, or not to be held by such a file.
    """
    if asked is not None and asked not in CODECS:
        raise UserError(unknown("codec", asked, CODECS))
    name = asked
    if name is None:
        name = next((n for n in order if suffix in CODECS[n].containers and able(n)), None)
        if name is None:
            raise UserError(f"{writer} can write no codec of {suffix} files; choose --out NAME.mp4")
    elif suffix not in CODECS[name].containers:
        holds = ", ".join(CODECS[name].containers)
        raise UserError(f"{suffix} files hold no {name}; name the result one of {holds}")
    elif not able(name):
        fitting = (other for other, codec in CODECS.items() if suffix in codec.containers)
        others = ", ".join(other for other in fitting if able(other)) or "none"
        raise UserError(f"{writer} cannot write {name}; for {suffix} it can write: {others}")
    return name


def container(codec: str | None, suffix: str) -> str:
    """The suffix of a result: that of its source where it can hold the codec, else the usual."""
    containers = CODECS[codec].containers if codec in CODECS else (".mp4", *WRITABLE)
    return suffix if suffix in containers else containers[0]


def rate_factor(name: str, asked: int | None) -> int | None:
    """The rate factor of a codec, asked for or its default; ``None`` where it has none.

    Raises:
        UserError: out of range, or asked for where there is none.
    """
    crf = CODECS[name].crf
    if asked is None:
        return crf[0] if crf else None
    if crf is None:
        raise UserError(f"{name} has no rate factor; leave --crf out")
    if not 0 <= asked <= crf[1]:
        raise UserError(f"crf {asked}: {name} takes 0 (best) to {crf[1]}; {crf[0]} is usual")
    return asked
