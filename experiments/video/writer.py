"""Writing a video in parts that are joined at the end, with the sound and tags of its source."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from heapq import merge
from itertools import chain, count
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import Flags, InputContainer, OutputContainer
from av.error import FFmpegError
from av.stream import Stream
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream

from ...datasets.base.errors import UserError
from .codecs import CODECS, choose, rate_factor
from .reader import EXACT, open_video, usual_matrix

os.environ.setdefault("SVT_LOG", "1")  # of the AV1 encoder: errors only
_MOST_TICKS = 65535  # MPEG-4 knows no finer rate
_LEAST_H265 = 64  # x265 writes beyond its memory for less than 56
_AUDIBLE_S = 0.02
_STREAM_TAGS = ("language", "title")
_CONTAINER_TAGS = {"major_brand", "minor_version", "compatible_brands", "encoder"}
_SOUND = {".webm": "libopus", ".avi": "pcm_s16le"}  # where sound cannot be copied; else AAC
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}


@dataclass(frozen=True, kw_only=True)
class FrameShape:
    """Height and width of the frames that are written, mean rate, and aspect of their pixels."""

    height: int
    width: int
    fps: Fraction
    aspect: Fraction | None = None


@dataclass(frozen=True, kw_only=True)
class Times:
    """When frames are shown.

    Attributes:
        starts: ascending, in units of ``base``, one a frame.
        end: of the last frame.
        base: in seconds.
    """

    starts: Sequence[int]
    end: int
    base: Fraction


class VideoWriter:
    """Parts in the final codec, joined without encoding again.

    Within parts frames are counted; their times come in when they are joined. Colours are written
    and tagged as BT.709; those of ffv1 as sRGB, those of mjpeg and small AVI with BT.601's matrix.

    Args:
        suffix: of the result.
        codec: a name of ``CODECS``; by default h264, vp9, mpeg4 or mjpeg, which fits first.
        crf: rate factor, by default that of the codec.

    Attributes:
        codec: the name.
        about: all that decides the bytes of the parts.
        even: whether frames must have even sides.
        part_suffix: of the parts.
        constant: whether such files hold equal steps of time only.

    Raises:
        UserError: no such codec, or one that cannot be written.
    """

    def __init__(self, suffix: str, codec: str | None, crf: int | None) -> None:
        self.codec = choose(codec, suffix, lambda known: known.encoder in av.codecs_available)
        self._crf = rate_factor(self.codec, crf)
        self.about: dict[str, Any] = {
            "writer": f"FFmpeg {av.ffmpeg_version_info}",
            "codec": self.codec,
            "crf": self._crf,
        }
        self.even = CODECS[self.codec].even
        self.part_suffix = ".mov" if self.codec == "prores" else ".nut"  # which knows no ProRes
        self.constant = suffix == ".avi"
        self._suffix = suffix

    @contextmanager
    def part(self, path: Path, shape: FrameShape) -> Iterator[Callable[[np.ndarray], None]]:
        """A part to be filled: a function that adds one frame, H x W x 3 uint8 sRGB.

        Raises:
            UserError: it cannot be written.
        """
        codec = CODECS[self.codec]
        showing, decoding = count(), count(-codec.reorder)

        def encode(picture: av.VideoFrame | None) -> None:
            for packet in stream.encode(picture):
                packet.dts = next(decoding)  # x265's are wrong where there are few frames
                container.mux(packet)

        def write(frame: np.ndarray) -> None:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame)).reformat(
                format=codec.pixels,
                dst_colorspace=self._matrix(shape),
                dst_color_range=stream.codec_context.color_range,
                interpolation=EXACT,
            )
            picture.color_primaries = stream.codec_context.color_primaries
            picture.color_trc = stream.codec_context.color_trc
            picture.pts, picture.time_base = next(showing), 1 / _rate(shape.fps)
            encode(picture)

        with _named(path), av.open(str(path.absolute()), "w") as container:
            stream = self._add_stream(container, shape)
            yield write
            encode(None)

    def join(
        self,
        parts: Sequence[tuple[Path, int]],
        times: Times,
        out: Path,
        source: Path,
        shape: FrameShape,
    ) -> list[str]:
        """Make one video of parts (file, frames), with the sound and the tags of its source.

        Returns:
            What differs from the source, a sentence each.

        Raises:
            UserError: it cannot be written.
        """
        times = _equal_steps(times, shape.fps) if self.constant else times
        with (
            _named(out),
            open_video(source) as original,
            av.open(str(out.absolute()), "w") as joined,
        ):
            joined.flags |= Flags.bitexact.value  # no random numbers, no versions
            tags = original.metadata.items()
            joined.metadata.update({k: v for k, v in tags if k not in _CONTAINER_TAGS})
            joined.set_chapters(original.chapters())
            video = self._add_stream(joined, shape)
            video.time_base = times.base
            if self.codec == "h265" and self._suffix in (".mp4", ".mov", ".m4v"):
                video.codec_context.codec_tag = "hvc1"  # Apple's players know no other
            streams, notes = _other_streams(original, joined, self._suffix)
            joined.start_encoding()
            packets = merge(
                self._video_packets(parts, times, video, shape.fps),
                _other_packets(original, streams),
                key=lambda packet: (packet.dts or 0) * packet.time_base,
            )
            for packet in packets:
                joined.mux(packet)
        with av.open(str(out.absolute())) as joined:
            aspect = joined.streams.video[0].sample_aspect_ratio
        if shape.aspect and aspect != shape.aspect:
            notes.append(
                f"its pixels are {shape.aspect.numerator}:{shape.aspect.denominator} in shape, "
                f"which {self.codec} in a {self._suffix} file does not say"
            )
        return notes

    def _add_stream(self, container: OutputContainer, shape: FrameShape) -> VideoStream:
        codec = CODECS[self.codec]
        if self.codec == "h265" and shape.width < _LEAST_H265:
            raise UserError(f"h265 needs frames of {_LEAST_H265} pixels in width; choose another")
        rate = {} if self._crf is None else {"crf": str(self._crf)}
        stream = container.add_stream(
            codec.encoder,
            rate=_rate(shape.fps),
            options={"flags": "+global_header", **codec.options, **rate},
        )
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = shape.width, shape.height, codec.pixels
        if shape.aspect is not None:
            stream.sample_aspect_ratio = shape.aspect
        rgb = codec.pixels == "bgr0"
        wide = rgb or codec.pixels.startswith("yuvj")
        stream.color_range = ColorRange.JPEG if wide else ColorRange.MPEG
        stream.colorspace = 0 if rgb else self._matrix(shape)
        stream.color_primaries = ColorPrimaries.BT709
        stream.color_trc = ColorTrc.IEC61966_2_1 if rgb else ColorTrc.BT709
        return stream

    def _matrix(self, shape: FrameShape) -> Colorspace:
        if CODECS[self.codec].pixels.startswith("yuvj"):
            return Colorspace.ITU601  # as JPEG has it
        if self.constant:  # names none
            return usual_matrix(shape.width, shape.height)
        return Colorspace.ITU709

    def _video_packets(
        self, parts: Sequence[tuple[Path, int]], times: Times, stream: VideoStream, fps: Fraction
    ) -> Iterator[av.Packet]:
        starts, reorder = times.starts, CODECS[self.codec].reorder
        ends = [*starts[1:], times.end]
        step = max(1, round(1 / (fps * times.base)))
        decoding = chain((starts[0] - step * back for back in range(reorder, 0, -1)), starts)
        before = 0
        for path, frames in parts:
            with av.open(str(path.absolute())) as part:
                first = None
                for packet in part.demux(video=0):
                    if packet.pts is None or packet.time_base is None:
                        continue  # the end
                    first = packet.pts if first is None else first
                    index = before + round((packet.pts - first) * packet.time_base * _rate(fps))
                    packet.stream, packet.time_base = stream, times.base
                    packet.pts, packet.dts = starts[index], next(decoding)
                    packet.duration = ends[index] - starts[index]
                    yield packet
            before += frames


def _rate(fps: Fraction) -> Fraction:
    """What encoders are told: MPEG-4 takes no numerator above 65535."""
    rate = fps.limit_denominator(1001)
    return rate if rate.numerator <= _MOST_TICKS else Fraction(max(1, round(fps)))


def _equal_steps(times: Times, fps: Fraction) -> Times:
    first = round(times.starts[0] * times.base * fps)
    end = first + len(times.starts)
    return Times(starts=range(first, end), end=end, base=1 / fps)


def _other_streams(
    source: InputContainer, target: OutputContainer, suffix: str
) -> tuple[dict[int, Stream], list[str]]:
    """Sound and subtitles of a result by the index of their source, and what differs."""
    streams: dict[int, Stream] = {}
    notes = []
    start = Fraction(source.start_time or 0, av.time_base)
    for stream in (*source.streams.audio, *source.streams.subtitles):
        sound, context = stream.type == "audio", stream.codec_context
        name = f"{context.name if context else 'unknown'} {'sound' if sound else 'subtitles'}"
        if context and _holds(target.format.name, stream):
            copy = target.add_stream_from_template(stream)
        elif isinstance(stream, AudioStream) and context:
            copy = _sound_encoder(target, stream, suffix)
            notes.append(f"its {name} was encoded again, as {copy.name}, for a {suffix} file")
        else:
            notes.append(f"the result lacks its {name}, which no {suffix} file can hold")
            continue
        copy.metadata.update({k: v for k, v in stream.metadata.items() if k in _STREAM_TAGS})
        copy.disposition = stream.disposition
        offset = (stream.start_time or 0) * (stream.time_base or 0) - start
        if suffix == ".avi" and offset > _AUDIBLE_S:
            notes.append(f"its {name} starts {float(offset):.2f} s early: .avi files start at once")
        streams[stream.index] = copy
    return streams, notes


def _holds(container: str, stream: Stream) -> bool:
    """Whether a container takes a stream as it is; some say so only when its header is written."""
    try:
        with av.open(io.BytesIO(), "w", format=container) as trial:
            trial.add_stream_from_template(stream)
            trial.start_encoding()
    except (ValueError, FFmpegError):
        return False
    return True


def _sound_encoder(target: OutputContainer, stream: AudioStream, suffix: str) -> AudioStream:
    codec = av.Codec(_SOUND.get(suffix, "aac"), "w")
    rate = stream.rate if stream.rate in (codec.audio_rates or [stream.rate]) else 48000
    encoder = target.add_stream(
        codec.name, rate=rate, layout=_LAYOUTS.get(stream.channels, "stereo")
    )
    assert isinstance(encoder, AudioStream)
    return encoder


def _other_packets(source: InputContainer, streams: dict[int, Stream]) -> Iterator[av.Packet]:
    """Packets for the streams of a result, with its times."""
    latest: dict[int, int] = {}
    for packet in _packets(source, [source.streams[index] for index in streams]):
        stream, base = streams[packet.stream.index], packet.time_base
        start = round(Fraction(source.start_time or 0, av.time_base) / base)
        packet.pts = None if packet.pts is None else packet.pts - start
        packet.dts = None if packet.dts is None else packet.dts - start
        if isinstance(stream, AudioStream) and stream.codec_context.is_open:
            yield from _encoded(packet, stream)
        elif packet.dts is not None:
            # some files go back in time, which containers refuse
            packet.dts = latest[stream.index] = max(
                packet.dts, latest.get(stream.index, packet.dts - 1) + 1
            )
            packet.pts = packet.dts if packet.pts is None else max(packet.pts, packet.dts)
            packet.stream = stream
            yield packet


def _packets(source: InputContainer, streams: list[Stream]) -> Iterator[av.Packet]:
    try:
        yield from source.demux(streams) if streams else ()
    except FFmpegError:
        return  # the file ends within a packet, which is noted when its frames are read


def _encoded(packet: av.Packet, stream: AudioStream) -> Iterator[av.Packet]:
    try:
        frames = packet.decode()
    except FFmpegError:
        return
    for frame in frames:
        yield from stream.encode(frame)
    if not packet.size:
        yield from stream.encode(None)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Errors of FFmpeg name what was written."""
    try:
        yield
    except FFmpegError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
