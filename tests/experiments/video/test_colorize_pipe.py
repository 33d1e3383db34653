"""YUV4MPEG2 through standard streams: levels, chroma's place and range, and what is refused."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import pictures
from crosschroma.datasets.base.errors import DataError
from crosschroma.experiments import cli
from crosschroma.experiments.inference.colorizer import Colorizer
from crosschroma.experiments.video.colorize_pipe import colorize_pipe
from crosschroma.experiments.video.colorize_video import FrameColorizer
from crosschroma.experiments.video.yuv4mpeg import (
    planes_of,
    read_frames,
    read_header,
    rgb_of,
)

SCRIPT = Path(sys.executable).with_name("crosschroma")


def header_of(tags: str, width: int = 64, height: int = 48):
    return read_header(io.BytesIO(f"YUV4MPEG2 W{width} H{height} F25:1 {tags}\n".encode()))


def stream(tags: str, frames: list[list[np.ndarray]]) -> bytes:
    height, width = frames[0][0].shape
    parts = [f"YUV4MPEG2 W{width} H{height} F30000:1001 {tags}\n".encode()]
    for planes in frames:
        parts += [b"FRAME\n", *(plane.tobytes() for plane in planes)]
    return b"".join(parts)


def by_ffmpeg(pixels: str, frames: list[np.ndarray]) -> bytes:
    """RGB frames as FFmpeg writes them."""
    file = io.BytesIO()
    with av.open(file, "w", format="yuv4mpegpipe", options={"strict": "-1"}) as out:
        video = out.add_stream("wrapped_avframe", rate=Fraction(25))
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt = pixels
        for index, levels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(levels).reformat(format=pixels)
            frame.pts, frame.time_base = index, Fraction(1, 25)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    return file.getvalue()


def decoded(data: bytes) -> np.ndarray:
    """N x H x W x 3 uint8, as FFmpeg reads a stream."""
    with av.open(io.BytesIO(data), format="yuv4mpegpipe") as file:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])


@pytest.mark.parametrize(
    ("tags", "levels", "rgb"),
    [  # Y, Cb and Cr of ITU-R BT.601 (and of H.265 for 10 bits), computed by hand
        ("C444", (16, 128, 128), (0, 0, 0)),
        ("C444", (235, 128, 128), (1, 1, 1)),
        ("C444", (81, 90, 240), (1, 0, 0)),
        ("C420jpeg", (145, 54, 34), (0, 1, 0)),
        ("C422", (41, 240, 110), (0, 0, 1)),
        ("C444p10", (324, 360, 960), (1, 0, 0)),
        ("C444 XCOLORRANGE=FULL", (76, 85, 255), (1, 0, 0)),
        ("C420mpeg2 XCOLORRANGE=LIMITED", (126, 128, 128), (110 / 219,) * 3),
        ("Cmono16", (65535,), (1,)),
        ("Cmono16 XCOLORRANGE=LIMITED", (60160,), (1,)),
        ("Cmono XCOLORRANGE=FULL", (51,), (0.2,)),
    ],
)
def test_levels_of_known_colours(tags: str, levels: tuple[int, ...], rgb: tuple[float]) -> None:
    header = header_of(tags)
    planes = [
        np.full(shape, level, np.uint8 if header.bits == 8 else np.uint16)
        for shape, level in zip(header.planes, levels, strict=True)
    ]
    result = rgb_of(planes, header)
    assert np.abs(result - np.array(rgb if len(rgb) == 3 else rgb[0])).max() < 0.01
    if len(rgb) == 3:
        back = planes_of(result, header)
        for plane, expected in zip(back, planes, strict=True):
            assert plane.dtype == expected.dtype
            assert np.abs(plane.astype(int) - expected).max() <= 2 ** (header.bits - 8)


def test_high_definition_has_the_matrix_of_bt709() -> None:
    header = header_of("C444", 1280, 720)
    planes = [np.full((720, 1280), level, np.uint8) for level in (63, 102, 240)]
    assert np.abs(rgb_of(planes, header)[0, 0] - (1, 0, 0)).max() < 0.01


@pytest.mark.parametrize(("space", "offset"), [("420jpeg", 0.5), ("420mpeg2", 0.0), ("422", 0.0)])
def test_chroma_lies_where_the_name_says(space: str, offset: float) -> None:
    """A ramp of Cr, sampled at the chroma's places, is the same ramp at those of luma."""
    header = header_of(f"C{space}")
    luma, cb, cr = (np.full(shape, 128, np.uint8) for shape in header.planes)
    cr = np.broadcast_to(100 + 2 * (2 * np.arange(32) + offset - 31), cr.shape)
    cr = np.round(cr).astype(np.uint8)
    red = rgb_of([luma, cb, cr], header)[..., 0]
    expected = (128 - 16) / 219 + 1.402 * (100 + 2 * (np.arange(64) - 31) - 128) / 224
    inner = slice(2, -2)
    assert np.abs(red[:, inner] - expected.clip(0, 1)[inner]).max() < 0.005
    again = planes_of(rgb_of([luma, cb, cr], header), header)[2]
    middle = slice(12, -12)  # where no level is clipped
    assert np.abs(again[:, middle].astype(int) - cr[:, middle]).max() <= 1


@pytest.mark.parametrize("size", [(48, 64), (33, 35)])
@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p", "yuv444p", "gray", "yuv420p10le"])
def test_ffmpeg_reads_what_comes_out(pixels: str, size: tuple[int, int]) -> None:
    """A colorizer that hands its input back: the same pictures, in a stream of the same tags."""
    frames = pictures(3, *size)
    data = by_ffmpeg(pixels, frames)
    out = io.BytesIO()

    def same(rgb: np.ndarray) -> np.ndarray:
        return rgb if rgb.ndim == 3 else np.repeat(rgb[..., None], 3, axis=2)

    assert colorize_pipe(same, io.BytesIO(data), out) == 3  # pyright: ignore
    before, after = decoded(data), decoded(out.getvalue())
    assert before.shape == after.shape == (3, *size, 3)
    assert np.abs(before.astype(int) - after)[:, 2:-2, 2:-2].max() <= 4
    tags = data.partition(b"\n")[0].split()
    result = out.getvalue().partition(b"\n")[0].split()
    if pixels == "gray":
        assert b"C444" in result
    else:
        assert sorted(result) == sorted(tags)


def test_the_frames_are_those_of_the_colorizer() -> None:
    """Alpha and the frames' own parameters pass through; luminance stays for a gray method."""
    rng = np.random.default_rng(0)
    level = np.linspace(40, 200, 48 * 64).reshape(48, 64).astype(np.uint8)
    planes = [level, np.full_like(level, 128), np.full_like(level, 128)]
    alpha = rng.integers(0, 256, (48, 64), np.uint8)
    data = stream("Ip A1:1 C444alpha Xnote", [[*planes, alpha]] * 2)
    data = data.replace(b"FRAME\n", b"FRAME Xsecond\n")
    colorizer = Colorizer.load("zhang16_photos")
    out = io.BytesIO()
    assert colorize_pipe(FrameColorizer(colorizer, measure=False), io.BytesIO(data), out) == 2
    out.seek(0)
    header = read_header(out)
    assert header.others == ("F30000:1001", "Ip", "A1:1", "Xnote")
    reference = FrameColorizer(colorizer, measure=False)
    for line, result in read_frames(out, header):
        assert line == b"FRAME Xsecond"
        assert (result[3] == alpha).all()
        expected = planes_of(reference(rgb_of([*planes, alpha], header)), header)
        assert all((a == b).all() for a, b in zip(result[:3], expected, strict=True))
        assert np.abs(result[1].astype(int) - 128).max() > 2  # coloured


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"", "standard input is no YUV4MPEG2"),
        (b"RIFF1234", "line without an end"),
        (b"YUV4MPEG W64 H48\n", "is no YUV4MPEG2"),
        (b"YUV4MPEG2 W64 F25:1\n", "says no size"),
        (b"YUV4MPEG2 Wx H48\n", "says no size"),
        (b"YUV4MPEG2 W4 H48\n", "stream is 4x48"),
        (b"YUV4MPEG2 W99999 H99999\n", "at most"),
        (b"YUV4MPEG2 W64 H48 It\n", "It: interlaced frames"),
        (b"YUV4MPEG2 W64 H48 C420paldv\n", "C420paldv is not supported"),
        (b"YUV4MPEG2 W64 H48 C411\n", "C411 is not supported"),
        (b"YUV4MPEG2 W64 H48 C420p11\n", "420p11"),
        (b"YUV4MPEG2 W64 H48 Cmono\nFRAME\n" + bytes(64 * 48 + 9), "line without an end"),
        (b"YUV4MPEG2 W64 H48 Cmono\nFRAME\n" + bytes(64 * 48) + b"BLACK\n", "follows after 1"),
        (b"YUV4MPEG2 W64 H48 Cmono\nFRAME\n" + bytes(99), "ends within a frame, after 0"),
    ],
)
def test_other_streams_are_refused_by_name(head: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        colorize_pipe(lambda rgb: np.dstack([rgb] * 3), io.BytesIO(head), io.BytesIO())  # pyright: ignore


def test_the_command_colours_from_stream_to_stream(tmp_path: Path) -> None:
    level = np.linspace(40, 200, 48 * 64).reshape(48, 64).astype(np.uint8)
    words = ["colorize", "-", "--y4m", "--strength", "2", "--report", "flicker.json"]
    done = subprocess.run(
        [SCRIPT, *words],
        input=stream("Cmono", [[level], [level]]),
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    frames = decoded(done.stdout)
    assert frames.shape == (2, 48, 64, 3)
    assert np.ptp(frames.astype(int), axis=3).max() > 10
    assert b"2 frames coloured" in done.stderr
    assert json.loads((tmp_path / "flicker.json").read_text())["frames"] == 2


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["-"], "colorize - --y4m"),
        (["clip.mp4", "--y4m"], "colorize - --y4m"),
        (["-", "--y4m", "--out", "a.mp4"], "--out is for files"),
        (["-", "--y4m", "--before-after"], "--before-after is for files"),
    ],
)
def test_options_of_files_are_refused(
    words: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["colorize", *words]) == 2
    assert reason in capsys.readouterr().err
