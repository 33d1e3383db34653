"""A stream of YUV4MPEG2 coloured into another, frame by frame."""

from __future__ import annotations

from typing import BinaryIO

from .colorize_video import FrameColorizer
from .yuv4mpeg import planes_of, read_frames, read_header, rgb_of


def colorize_pipe(colorizer: FrameColorizer, source: BinaryIO, target: BinaryIO) -> int:
    """Colour a stream; each frame is written before the next is read.

    Colour space, range, place of chroma and all that the header and the frames' own lines say stay;
    gray becomes 444 of as many bits, and an alpha plane is passed through.

    Args:
        colorizer: of this stream alone.
        source: bytes of YUV4MPEG2.
        target: gets the same of the result.

    Returns:
        How many frames there were.

    Raises:
        DataError: another kind of stream, one that is not supported, by name, or that is cut off.
    """
    header = read_header(source)
    colored = header.colored
    target.write(colored.line())
    count = 0
    for line, planes in read_frames(source, header):
        rgb = colorizer(rgb_of(planes, header))
        target.write(line + b"\n")
        for plane in (*planes_of(rgb, colored), *planes[3:]):
            target.write(plane.tobytes())
        target.flush()
        count += 1
    return count
