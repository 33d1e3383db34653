"""Short videos with all that a file can say: times, sound, rotation, aspect, colour tags."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import Interpolation

NTSC = Fraction(30000, 1001)
SOUND_S = 0.5


def pictures(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Smooth ones, each darker or brighter than the last, red to the right."""
    ramp = np.linspace(60, 180, width)
    planes = [np.broadcast_to(ramp, (height, width)) + 5 * (i % 4) for i in range(count)]
    return [np.dstack([p, p * 0.8, p * 0.8]).astype(np.uint8) for p in planes]


def write_clip(
    path: Path,
    frames: Sequence[np.ndarray],
    codec: str = "ffv1",
    pixels: str = "bgr0",
    *,
    fps: Fraction = NTSC,
    times: Sequence[int] | None = None,
    base: Fraction = Fraction(1, 90000),
    sound: str | None = None,
    sound_start_s: float = 0.0,
    rotation: int | None = None,
    hflip: bool = False,
    aspect: Fraction | None = None,
    tags: tuple[int, int, int, int] | None = None,
    chapters: bool = False,
) -> Path:
    """Write H x W x 3 uint8 frames.

    Args:
        path: the file.
        frames: of one size.
        codec: FFmpeg's name of an encoder without B-frames.
        pixels: FFmpeg's name of the pixel format.
        fps: mean rate.
        times: of the frames in units of ``base``; by default equal steps.
        base: in seconds.
        sound: FFmpeg's name of an encoder for half a second of 440 Hz.
        sound_start_s: when that begins.
        rotation: degrees counterclockwise.
        hflip: whether it is also mirrored.
        aspect: of the pixels.
        tags: matrix, range, primaries and transfer in the numbers of FFmpeg.
        chapters: whether to write one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    times = times or [round(index / fps / base) for index in range(len(frames))]
    ends = [*times[1:], times[-1] + round(1 / fps / base)]
    with av.open(str(path), "w") as file:
        file.metadata["title"] = "an old film"
        if chapters:
            chapter = {"id": 1, "start": 0, "end": 300, "time_base": Fraction(1, 1000)}
            file.set_chapters([{**chapter, "metadata": {"title": "one"}}])
        video = file.add_stream(codec, rate=fps)
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt = pixels
        video.time_base = 1 / fps if path.suffix == ".avi" else base
        if tags:
            video.colorspace, video.color_range, video.color_primaries, video.color_trc = tags
        if aspect:
            video.sample_aspect_ratio = aspect
        if rotation is not None:
            video.set_display_rotation(rotation, hflip=hflip)
        audio = file.add_stream(sound, rate=48000, layout="mono") if sound else None
        packets = []
        for index, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture).reformat(
                format=pixels,
                dst_colorspace={1: "ITU709", 5: "ITU601"}.get(tags[0]) if tags else None,
                dst_color_range=tags[1] if tags else None,
                interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND,
            )
            if tags:
                frame.color_primaries, frame.color_trc = tags[2:]
            frame.pts, frame.time_base = index, 1 / fps
            packets += video.encode(frame)
        packets += video.encode(None)
        for packet in packets:
            index = packet.pts
            packet.stream, packet.time_base = video, base
            packet.pts = packet.dts = times[index]
            packet.duration = ends[index] - times[index]
        if audio:
            audio.metadata["language"] = "deu"
            wave = np.sin(np.arange(round(48000 * SOUND_S)) / 48000 * 2 * np.pi * 440)
            frame = av.AudioFrame.from_ndarray(
                (0.3 * wave).astype(np.float32)[None], format="fltp", layout="mono"
            )
            frame.sample_rate, frame.time_base = 48000, Fraction(1, 48000)
            frame.pts = round(48000 * sound_start_s)
            packets += [*audio.encode(frame), *audio.encode(None)]
        file.start_encoding()
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
            file.mux(packet)
    return path


def times_of(path: Path) -> list[float]:
    """When each frame of a file is shown, in seconds."""
    with av.open(str(path)) as file:
        return [float(frame.pts * frame.time_base) for frame in file.decode(video=0)]


def frames_of(path: Path) -> np.ndarray:
    """All frames of a file as N x H x W x 3 uint8, by the matrix and range that it names."""
    with av.open(str(path)) as file:
        return np.stack(
            [
                frame.to_ndarray(format="rgb24", dst_color_range="JPEG")
                for frame in file.decode(video=0)
            ]
        )
