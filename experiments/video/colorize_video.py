"""A video coloured frame by frame, without flicker, into a file that can be finished later."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import chain, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from ...datasets.base.errors import DataError, UserError
from ...models.color.hint_points import HintPoint
from ..artifacts.checkpoint import weights_sha256
from ..inference.colorizer import Colorizer
from ..inference.palette import Palette, Recolor
from .followed import FollowedColors
from .reader import Video
from .resume import Parts
from .stabilize import KEEP, Steady
from .video_file import PARTS, VideoOptions, VideoReport
from .warp_error import FORMULA, METRIC_SIDE, WarpError
from .writer import FrameShape, Times, VideoWriter

_FLOAT = np.dtype(np.float32)


class FrameColorizer:
    """A method as a function of one video's frames, given in their order.

    Args:
        colorizer: the method.
        strength: see ``Colorizer``.
        palette: see ``Colorizer``.
        hints: see ``FollowedColors``.
        reduce_flicker: see ``Steady``; without it each frame is coloured for itself.
        measure: also measure the warp error, which costs a flow and two small pictures a frame.
    """

    def __init__(
        self,
        colorizer: Colorizer,
        *,
        strength: float = 1.0,
        palette: Palette | None = None,
        hints: Sequence[HintPoint] = (),
        reduce_flicker: bool = True,
        measure: bool = True,
    ) -> None:
        self._colorizer, self._strength, self._palette = colorizer, strength, palette
        self._followed = FollowedColors(hints)
        self._steady = Steady(colorizer.domain) if reduce_flicker else None
        versions = ["without", "with"] if reduce_flicker else ["without"]
        self._error = WarpError(versions) if measure else None

    @torch.no_grad()
    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """Colour the next frame.

        Args:
            frame: H x W or H x W x 3, uint8, uint16 or float in [0,1].

        Returns:
            H x W x 3 sRGB of the same dtype (float32 for any float).

        Raises:
            DataError: no such picture.
            UserError: a strength out of range.
        """
        colorizer = self._colorizer
        prepared = colorizer.prepare(frame)
        points = self._followed.step(prepared.small[0, 0].float().cpu().numpy(), prepared.size)
        if self._palette and not colorizer.colors.takes_global_hints:
            prepared.automatic = colorizer.predict(prepared)
            own = Recolor.between(prepared.automatic, self._palette)
            prepared.recolor = self._followed.recolor(own)
        prediction = colorizer.predict(prepared, points, self._palette)
        if self._steady and self._followed.begins:
            self._steady.forget()  # a colour that was asked for comes at once
        colors = self._steady(prepared.small, prediction) if self._steady else prediction
        if self._error:
            small = prepared.shrunk(METRIC_SIDE)
            versions = {"without": prediction, "with": colors}
            pictures = {
                name: colorizer.render(small, version, self._strength, _FLOAT)
                for name, version in versions.items()
                if self._steady or name == "without"
            }
            self._error.add(small.plane[0, 0].cpu().numpy(), pictures)
        dtype = _FLOAT if frame.dtype.kind == "f" else frame.dtype
        return colorizer.render(prepared, colors, self._strength, dtype)

    def flicker(self) -> dict[str, Any]:
        """The warp error so far, as JSON; empty where it is not measured."""
        return {} if self._error is None else {**self._error.result(), "formula": FORMULA}

    def notes(self) -> list[str]:
        """What became of the hints, so far."""
        return self._followed.notes()

    def state(self) -> dict[str, np.ndarray]:
        """All that later frames and the warp error depend on."""
        parts = {"steady": self._steady, "error": self._error, "followed": self._followed}
        return {
            f"{name}/{key}": value
            for name, part in parts.items()
            if part is not None
            for key, value in part.state().items()
        }

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from a ``state`` of the same settings."""

        def part(name: str) -> dict[str, np.ndarray]:
            begin = f"{name}/"
            return {key.removeprefix(begin): v for key, v in state.items() if key.startswith(begin)}

        self._followed.restore(part("followed"))
        if self._steady:
            self._steady.restore(part("steady"))
        if self._error:
            self._error.restore(part("error"))


def colorize_video(
    colorizer: Colorizer,
    source: Path,
    target: Path,
    options: VideoOptions | None = None,
    progress: Callable[[int, int], None] = lambda done, expected: None,
) -> VideoReport:
    """Colour a video into a file of the same frames, rate and size, with its sound where possible.

    Memory does not grow with the length. Finished parts lie in ``TARGET.parts`` until the end:
    after an interruption of any kind the same call goes on behind them, and the result is the same
    to the byte (for as long as method, encoder and machine are).

    Args:
        colorizer: the method.
        source: a video.
        target: the file to write; its suffix chooses the container.
        options: default ``VideoOptions()``.
        progress: called after each frame with those done, and those expected (0: not known).

    Raises:
        DataError: no video, or a damaged one.
        UserError: a codec that cannot be written, parts of other settings, a full disk.
    """
    options = options or VideoOptions()
    encoder = VideoWriter(target.suffix.lower(), options.codec, options.crf)
    with Video(source) as video:
        shape = _shape(video, encoder)
        settings = _settings(colorizer, video, encoder, options)
        parts = Parts(target.with_name(target.name + PARTS), settings, options.overwrite)
        resumed = parts.frames
        frames = FrameColorizer(
            colorizer,
            strength=options.strength,
            palette=options.palette,
            hints=options.hints,
            reduce_flicker=options.reduce_flicker,
        )
        with _naming_parts(parts):
            if parts.end is None:
                _write_parts(frames, video, parts, encoder, shape, options, progress)
            end = parts.end or {}
            start = round(video.start / video.time_base)
            starts = [time - start for time in end["times"]]
            times = Times(starts=starts, end=end["end"] - start, base=video.time_base)
            notes = _notes(video, shape, times, encoder, end)
            notes += _join(encoder, parts, times, target, source, shape)
    parts.remove()
    return VideoReport(end["frames"], resumed, end["flicker"], notes)


def _write_parts(
    frames: FrameColorizer,
    video: Video,
    parts: Parts,
    encoder: VideoWriter,
    shape: FrameShape,
    options: VideoOptions,
    progress: Callable[[int, int], None],
) -> None:
    if parts.frames:
        frames.restore(parts.state())
        video.skip(parts.frames)
    stream = video.frames()
    while (first := next(stream, None)) is not None:
        path = parts.next_path(encoder.part_suffix)
        count = 0
        with encoder.part(path, shape) as write:
            for frame in chain([first], islice(stream, options.part_frames - 1)):
                write(_padded(frames(frame), shape))
                count += 1
                progress(parts.frames + count, video.expected)
        parts.add(path, count, frames.state())
    end = {"frames": parts.frames, "flicker": frames.flicker(), "damaged": video.damaged}
    end["hints"] = frames.notes()
    parts.finish({**end, "untimed": video.untimed, "times": video.times, "end": video.end})


def _join(
    encoder: VideoWriter, parts: Parts, times: Times, target: Path, source: Path, shape: FrameShape
) -> list[str]:
    joined = parts.folder / f"joined{target.suffix.lower()}"
    notes = encoder.join(parts.done, times, joined, source, shape)
    with joined.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(joined, target)
    return notes


@contextmanager
def _naming_parts(parts: Parts) -> Iterator[None]:
    """Whatever stops the work says what is safe."""
    try:
        yield
    except DataError:
        raise  # the source's fault, which starting again does not mend
    except (KeyboardInterrupt, UserError, OSError) as error:
        safe = f"{parts.frames} frames are safe in {parts.folder}; the same command goes on there"
        if isinstance(error, KeyboardInterrupt):
            error.add_note(safe)
            raise
        raise UserError(f"{error}; {safe}") from error


def _shape(video: Video, encoder: VideoWriter) -> FrameShape:
    more = [side % 2 if encoder.even else 0 for side in (video.height, video.width)]
    return FrameShape(
        height=video.height + more[0],
        width=video.width + more[1],
        fps=video.fps,
        aspect=video.aspect,
    )


def _padded(frame: np.ndarray, shape: FrameShape) -> np.ndarray:
    """Repeats the last row and column where sides must be even."""
    below, right = shape.height - frame.shape[0], shape.width - frame.shape[1]
    if not below and not right:
        return frame
    return cv2.copyMakeBorder(frame, 0, below, 0, right, cv2.BORDER_REPLICATE)


def _settings(
    colorizer: Colorizer, video: Video, encoder: VideoWriter, options: VideoOptions
) -> dict[str, Any]:
    about = video.path.stat()
    return {
        "source": [str(video.path.resolve()), about.st_size, about.st_mtime_ns],
        "method": colorizer.name,
        "weights_sha256": _hash(colorizer),
        "output": colorizer.origin.output if colorizer.origin else None,
        "size": colorizer.size,
        "precision": colorizer.precision,
        "strength": options.strength,
        "palette": asdict(options.palette) if options.palette else None,
        "hints": [asdict(hint) for hint in options.hints],
        "flicker_reduction": KEEP if options.reduce_flicker else None,
        "part_frames": options.part_frames,
        **encoder.about,
    }


def _hash(colorizer: Colorizer) -> str:
    if colorizer.origin:
        return colorizer.origin.weights_sha256
    return weights_sha256({"colors": colorizer.colors.state_dict()})


def _notes(
    video: Video, shape: FrameShape, times: Times, encoder: VideoWriter, end: Mapping[str, Any]
) -> list[str]:
    notes = list(end["hints"])
    rate = f"{float(video.fps):.6g} frames a second"
    if end["untimed"]:
        notes.append(f"{video.path} does not say its rate; {rate} were taken")
    steps = ((time - times.starts[0]) * times.base for time in times.starts)
    drift_s = float(max(abs(step - index / video.fps) for index, step in enumerate(steps)))
    if encoder.constant and drift_s > 1.5 / video.fps:
        notes.append(
            f"{video.path} has frames of varying length; all are kept, at {rate}, and stand up to "
            f"{drift_s:.2f} s from their own times, and so from the sound; .mp4 and .mkv keep them"
        )
    if end["damaged"]:
        notes.append(f"{video.path} is damaged: {end['damaged']} pieces could not be decoded")
    missing_s = video.seconds - float((times.end - times.starts[0]) * times.base)
    # frames of varying length cannot be counted by the length of the file
    if end["frames"] < video.counted - 1 or (not video.counted and missing_s > 3 / video.fps):
        notes.append(
            f"{video.path} ends after {end['frames']} frames, though its header names "
            f"{video.expected}: it may be damaged"
        )
    if (shape.height, shape.width) != (video.height, video.width):
        notes.append(
            f"{video.width}x{video.height} became {shape.width}x{shape.height}, the last row or "
            f"column repeated: {encoder.codec} needs even sides"
        )
    return notes
