"""Writing a video in parts that are joined at the end: by ffmpeg, or by OpenCV without it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from ...datasets.base.errors import UserError
from .codecs import CODECS, choose, rate_factor
from .reader import frames_in

NO_FFMPEG = (
    "no ffmpeg was found, so the result has no sound and lossless parts take much disk on the way; "
    "`pip install imageio-ffmpeg` brings one, or put one into PATH"
)
_LOSSLESS = "FFV1"


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Height and width of the frames that are written, and how many a second."""

    height: int
    width: int
    fps: Fraction


class Sink(Protocol):
    """An open part; ``with`` completes it, or drops what was written at an error."""

    def __enter__(self) -> Sink: ...

    def __exit__(self, kind: object, *_: object) -> None: ...

    def write(self, frame: np.ndarray) -> None:
        """Add one frame, H x W x 3 uint8 sRGB."""
        ...


class Encoder(Protocol):
    """One way to write parts and to join them."""

    codec: str
    about: dict[str, Any]  # all that decides the bytes of the parts
    part_suffix: str

    @property
    def even(self) -> bool:
        """Whether frames must have even sides."""
        ...

    def part(self, path: Path, shape: Shape) -> Sink:
        """A part to be filled."""
        ...

    def join(self, parts: Sequence[tuple[Path, int]], out: Path, source: Path, shape: Shape) -> str:
        """Make one video of parts (file, frames), with the sound and the tags of its source.

        Returns:
            What of the source is missing, in words; "" for nothing.

        Raises:
            UserError: it cannot be written.
        """
        ...


def find_ffmpeg() -> str | None:
    """An ffmpeg of PATH, or that of the package imageio-ffmpeg."""
    found = shutil.which("ffmpeg")
    if found is None and find_spec("imageio_ffmpeg"):
        import imageio_ffmpeg  # pyright: ignore[reportMissingImports]

        try:
            return imageio_ffmpeg.get_ffmpeg_exe()
        except RuntimeError:  # a build of the package without one
            return None
    return found


def encoder_for(suffix: str, codec: str | None, crf: int | None) -> Encoder:
    """The best writer for a file with such a suffix.

    Raises:
        UserError: no such codec, or one that cannot be written.
    """
    ffmpeg = find_ffmpeg()
    if ffmpeg is None:
        return OpenCVEncoder(suffix, codec, crf)
    return FfmpegEncoder(ffmpeg, suffix, codec, crf)


class FfmpegEncoder:
    """Parts in the final codec, as NUT, whose times are exact; joined without encoding again.

    Colours are written and tagged as BT.709.

    Args:
        ffmpeg: the program.
        suffix: of the result.
        codec: a name of ``CODECS``; by default h264, vp9, mpeg4 or mjpeg, which fits first.
        crf: rate factor, by default that of the codec.

    Raises:
        UserError: ffmpeg does not run, or cannot write the codec.
    """

    part_suffix = ".nut"

    def __init__(self, ffmpeg: str, suffix: str, codec: str | None, crf: int | None) -> None:
        self._ffmpeg = ffmpeg
        listed = _run([ffmpeg, "-hide_banner", "-encoders"], "list its encoders")
        encoders = {words[1] for line in listed.splitlines() if len(words := line.split()) > 1}
        order = ("h264", "vp9", "mpeg4", "mjpeg")
        self.codec = choose(
            codec, suffix, order, lambda name: CODECS[name].encoder in encoders, ffmpeg
        )
        self._crf = rate_factor(self.codec, crf)
        self.about: dict[str, Any] = {"writer": "ffmpeg", "codec": self.codec, "crf": self._crf}

    @property
    def even(self) -> bool:
        return CODECS[self.codec].even

    def part_command(self, path: Path, shape: Shape) -> list[str]:
        """Raw frames from standard input into a part."""
        codec = CODECS[self.codec]
        rate = [] if self._crf is None else ["-crf", str(self._crf)]
        convert = []
        if codec.pixels != "bgr0":
            wide = "pc" if codec.pixels.startswith("yuvj") else "tv"
            tags = ("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709")
            convert = ["-vf", f"scale=out_color_matrix=bt709:out_range={wide}", *tags]
            convert += ["-color_range", wide]
        return [
            *(self._ffmpeg, "-hide_banner", "-loglevel", "error", "-y"),
            *("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{shape.width}x{shape.height}"),
            *("-r", str(shape.fps), "-i", "pipe:0", *convert),
            *("-c:v", codec.encoder, "-pix_fmt", codec.pixels, *codec.options, *rate),
            *("-f", "nut", str(path)),
        ]

    def part(self, path: Path, shape: Shape) -> Sink:
        return _Pipe(self.part_command(path, shape), path)

    def join_commands(self, listing: Path, out: Path, source: Path) -> list[tuple[str, list[str]]]:
        """Ways to join, the best first, each with what it leaves out."""
        begin = [self._ffmpeg, "-hide_banner", "-loglevel", "error", "-nostdin", "-y"]
        begin += ["-f", "concat", "-safe", "0", "-i", str(listing), "-i", str(source)]
        end = ["-map_metadata", "1", "-map_chapters", "1", "-c:v", "copy"]
        if self.codec == "h265" and out.suffix.lower() in (".mp4", ".mov", ".m4v"):
            end += ["-tag:v", "hvc1"]  # Apple's players know no other
        sound, text = ["-map", "1:a?", "-c:a", "copy"], ["-map", "1:s?", "-c:s", "copy"]
        coded = ["-map", "1:a?"]
        ways = [
            ("", [*sound, *text]),
            ("subtitles, if there are any", sound),
            ("sound as it was (it is encoded again), subtitles", coded),
            ("sound and subtitles, which such a file cannot hold or ffmpeg cannot read", []),
        ]
        return [(lost, [*begin, "-map", "0:v", *more, *end, str(out)]) for lost, more in ways]

    def join(self, parts: Sequence[tuple[Path, int]], out: Path, source: Path, shape: Shape) -> str:
        listing = out.with_suffix(".txt")
        lines = [
            f"file '{path.name}'\nduration {float(count / shape.fps):.6f}\n"
            for path, count in parts
        ]
        listing.write_text("".join(lines))
        reason = ""
        for lost, command in self.join_commands(listing, out, source.resolve()):
            try:
                _run(command, f"join the parts of {out.name}")
            except UserError as error:
                reason = str(error)
                if "No space left" in reason:
                    break
            else:
                return lost
        raise UserError(reason)


class OpenCVEncoder:
    """Lossless parts, encoded at the end in one go by OpenCV: without sound, and even-sized."""

    part_suffix = ".mkv"

    @property
    def even(self) -> bool:
        """Whether frames must have even sides."""
        return True

    def __init__(self, suffix: str, codec: str | None, crf: int | None) -> None:
        order = ("mpeg4", "vp9", "mjpeg")
        self.codec = choose(
            codec,
            suffix,
            order,
            lambda name: _opens(CODECS[name].fourcc, suffix),
            "OpenCV (no ffmpeg was found)",
        )
        if crf is not None:
            raise UserError(f"--crf needs ffmpeg: {NO_FFMPEG}")
        self._suffix = suffix
        self.about: dict[str, Any] = {"writer": "opencv", "codec": self.codec}

    def part(self, path: Path, shape: Shape) -> Sink:
        return _OpenCVFile(path, _LOSSLESS, shape)

    def join(self, parts: Sequence[tuple[Path, int]], out: Path, source: Path, shape: Shape) -> str:
        with _OpenCVFile(out, _fourcc(CODECS[self.codec].fourcc, self._suffix), shape) as file:
            for path, _ in parts:
                capture = cv2.VideoCapture(str(path))
                while (read := capture.read())[0]:
                    file.write(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB))
                capture.release()
        return "sound, subtitles and tags: " + NO_FFMPEG


class _Pipe:
    def __init__(self, command: list[str], path: Path) -> None:
        self._path = path
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - a pipe would fill and block
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._said,
            start_new_session=True,  # Ctrl-C is ours
        )

    def __enter__(self) -> Sink:
        return self

    def write(self, frame: np.ndarray) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(np.ascontiguousarray(frame).data)
        except BrokenPipeError as error:
            self._process.wait()
            raise self._failed() from error

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self._process.kill()
        try:
            if self._process.stdin is not None:
                self._process.stdin.close()
        except BrokenPipeError:
            pass
        code = self._process.wait()
        if kind is None and code != 0:
            raise self._failed()
        self._said.close()

    def _failed(self) -> UserError:
        self._said.seek(0)
        return UserError(f"ffmpeg cannot write {self._path}: {_last_lines(self._said.read())}")


class _OpenCVFile:
    def __init__(self, path: Path, fourcc: str, shape: Shape) -> None:
        self._path, self._count = path, 0
        size = (shape.width, shape.height)
        code = cv2.VideoWriter.fourcc(*fourcc)
        self._writer = cv2.VideoWriter(str(path), code, float(shape.fps), size)
        if not self._writer.isOpened():
            raise UserError(f"OpenCV cannot write {path}: no room, no permission or no {fourcc}")

    def __enter__(self) -> Sink:
        return self

    def write(self, frame: np.ndarray) -> None:
        self._writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        self._count += 1

    def __exit__(self, kind: object, *_: object) -> None:
        self._writer.release()
        if kind is None and (found := frames_in(self._path)) != self._count:
            # OpenCV says nothing of a full disk
            raise UserError(
                f"{self._path} holds {found} of {self._count} frames: is the disk full? Make room "
                "and start the same command again, which goes on from the parts before"
            )


def _fourcc(fourcc: str, suffix: str) -> str:
    return "XVID" if (fourcc, suffix) == ("mp4v", ".avi") else fourcc


def _opens(fourcc: str, suffix: str) -> bool:
    if not fourcc:
        return False
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        with tempfile.TemporaryDirectory() as folder:
            code = cv2.VideoWriter.fourcc(*_fourcc(fourcc, suffix))
            writer = cv2.VideoWriter(f"{folder}/try{suffix}", code, 25.0, (64, 64))
            done = writer.isOpened()
            writer.release()
            return done
    finally:
        cv2.utils.logging.setLogLevel(level)


def _run(command: list[str], purpose: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise UserError(f"{command[0]} cannot {purpose}: {error}") from error
    if done.returncode:
        raise UserError(f"{command[0]} cannot {purpose}: {_last_lines(done.stderr)}")
    return done.stdout.decode(errors="replace")


def _last_lines(said: bytes) -> str:
    return "; ".join(said.decode(errors="replace").strip().splitlines()[-2:]) or "it says no reason"
