"""Reading and writing video files: damage, rates, sizes, codecs; ffmpeg real and feigned."""

from __future__ import annotations

import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from crosschroma.datasets.base.color import lightness_from_uint8
from crosschroma.datasets.base.errors import DataError, UserError
from crosschroma.experiments.inference.colorizer import Colorizer
from crosschroma.experiments.video import writer as video_writer
from crosschroma.experiments.video.colorize_video import VideoOptions, colorize_video
from crosschroma.experiments.video.reader import Video, frames_in, video_files
from crosschroma.experiments.video.writer import FfmpegEncoder, OpenCVEncoder, Shape, find_ffmpeg
from crosschroma.models.unet import UNet

NTSC = Fraction(30000, 1001)
FFMPEG = find_ffmpeg()
real_ffmpeg = pytest.mark.skipif(
    FFMPEG is None, reason="no ffmpeg in PATH, and no imageio-ffmpeg is installed"
)


def colorizer() -> Colorizer:
    torch.manual_seed(0)
    return Colorizer(UNet.Config(domain="gray", width=4, levels=2).build(), None)


def pictures(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Smooth ones, each darker or brighter than the last, red to the right."""
    ramp = np.linspace(60, 180, width)
    planes = [np.broadcast_to(ramp, (height, width)) + 5 * (i % 4) for i in range(count)]
    return [np.dstack([p, p * 0.8, p * 0.8]).astype(np.uint8) for p in planes]


def write(path: Path, count: int = 6, height: int = 48, width: int = 64) -> Path:
    shape = Shape(height=height, width=width, fps=NTSC)
    with video_writer._OpenCVFile(path, "FFV1", shape) as file:
        for picture in pictures(count, height, width):
            file.write(picture)
    return path


def lightness(rgb: np.ndarray) -> np.ndarray:
    return 100 * lightness_from_uint8(np.ascontiguousarray(rgb))


def read(path: Path) -> list[np.ndarray]:
    with Video(path) as video:
        return list(video.frames())


@pytest.fixture
def without_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_writer, "find_ffmpeg", lambda: None)


# reading


def test_a_video_is_read_as_it_is(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mkv")
    with Video(path) as video:
        assert (video.height, video.width, video.fps) == (48, 64, NTSC)
        assert (video.expected, video.rated) == (6, True)
        frames = list(video.frames())
        assert video.count == 6
        assert video.drift_s < 0.002
    assert all(np.array_equal(a, b) for a, b in zip(frames, pictures(6), strict=True))
    assert frames_in(path) == 6
    with Video(path) as video:
        video.skip(4)
        assert np.array_equal(next(video.frames()), frames[4])
    with Video(path) as video, pytest.raises(DataError, match="ends after 6 frames"):
        video.skip(7)


def test_what_is_no_video_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"text")
    (tmp_path / "empty.mp4").write_bytes(b"")
    for name in ("a.mp4", "empty.mp4"):
        with pytest.raises(DataError, match=f"{name} has no frame that can be read"):
            Video(tmp_path / name)
    with pytest.raises(DataError, match=r"no video .*typo"):
        Video(tmp_path / "typo.mp4")
    write(tmp_path / "tiny.mkv", 2, 4, 16)
    with pytest.raises(DataError, match="is 16x4; frames need 8 pixels"):
        Video(tmp_path / "tiny.mkv")


def test_a_truncated_video_is_coloured_and_told_of(tmp_path: Path, without_ffmpeg: None) -> None:
    path = write(tmp_path / "a.mkv", 30)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    report = colorize_video(colorizer(), path, tmp_path / "b.mkv")
    assert 10 < report.frames < 29
    assert any("its header names 30" in note for note in report.notes)


def test_frames_of_varying_length_are_told_of(
    tmp_path: Path, without_ffmpeg: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.mkv")
    times = iter([0, 0, 0.033, 0.2, 0.233, 0.267, 0.3, 0.3])
    monkeypatch.setattr(Video, "_time_s", lambda self: next(times))
    report = colorize_video(colorizer(), path, tmp_path / "b.mkv")
    assert report.frames == 6
    [note] = [note for note in report.notes if "varying length" in note]
    assert "29.97 frames a second" in note
    assert "up to 0.13 s" in note


def test_videos_of_a_folder(tmp_path: Path) -> None:
    for name in ("b.MP4", "a/c.webm", ".hidden.mp4", "x.mp4.parts/000000.mkv", "a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert [p.relative_to(tmp_path).as_posix() for p in video_files(tmp_path)] == [
        "a/c.webm",
        "b.MP4",
    ]


# writing without ffmpeg


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.avi", "a.mov", "a.mkv"])
def test_opencv_writes_every_container(tmp_path: Path, without_ffmpeg: None, name: str) -> None:
    report = colorize_video(colorizer(), write(tmp_path / "in.mkv", 5), tmp_path / name)
    with Video(tmp_path / name) as video:
        assert (video.height, video.width, video.fps) == (48, 64, NTSC)
        assert len(list(video.frames())) == 5
    assert any("sound" in note for note in report.notes)


def test_odd_sizes_become_even_and_are_told_of(tmp_path: Path, without_ffmpeg: None) -> None:
    path = tmp_path / "in.avi"
    code = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), cv2.CAP_OPENCV_MJPEG, code, 25.0, (49, 33))
    for picture in pictures(4, 33, 49):
        writer.write(picture)
    writer.release()
    with Video(path) as video:
        assert (video.height, video.width) == (33, 49)
    report = colorize_video(colorizer(), path, tmp_path / "out.mkv", VideoOptions(codec="ffv1"))
    assert any("49x33 became 50x34" in note for note in report.notes)
    for given, made in zip(read(path), read(tmp_path / "out.mkv"), strict=True):
        assert made.shape == (34, 50, 3)
        assert np.array_equal(made[33], made[32])
        assert np.array_equal(made[:, 49], made[:, 48])
        assert np.abs(lightness(made)[:33, :49] - lightness(given)).max() < 3


def test_codecs_that_cannot_be_are_refused() -> None:
    with pytest.raises(UserError, match=r"\.webm files hold no ffv1; name the result one of \.mkv"):
        OpenCVEncoder(".webm", "ffv1", None)
    with pytest.raises(UserError, match=r"OpenCV \(no ffmpeg was found\) cannot write prores"):
        OpenCVEncoder(".mov", "prores", None)
    with pytest.raises(UserError, match="unknown codec 'h246'; did you mean"):
        OpenCVEncoder(".mp4", "h246", None)
    with pytest.raises(UserError, match="--crf needs ffmpeg"):
        OpenCVEncoder(".mp4", None, 18)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, without_ffmpeg: None) -> None:
    path = write(tmp_path / "in.mkv", 2)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        colorize_video(colorizer(), path, tmp_path / "file" / "out.mp4")


# a feigned ffmpeg: what it is told, and what becomes of its failures

FEIGNED = """#!{python}
import json, os, sys
place = os.path.dirname(os.path.abspath(__file__))
if "-encoders" in sys.argv:
    print(" V....D libx264  H.264\\n V..... ffv1  FFV1\\n V..... mpeg4  MPEG-4")
    sys.exit()
with open(place + "/calls", "a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
if "pipe:0" in sys.argv:
    data = sys.stdin.buffer.read({most})
    open(sys.argv[-1], "wb").write(data)
    fault = {part_fault!r}
else:
    joined = b"".join(open(place + "/out.mp4.parts/" + line.split("'")[1], "rb").read()
                      for line in open(sys.argv[sys.argv.index("-i") + 1]) if "'" in line)
    open(sys.argv[-1], "wb").write(joined)
    fault = {join_fault!r} if "1:s?" in sys.argv or {always} else ""
if fault:
    sys.stderr.write(fault)
    sys.exit(1)
"""


def feign(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    most: int = -1,
    part_fault: str = "",
    join_fault: str = "",
    always: bool = False,
) -> Path:
    script = place / "ffmpeg"
    script.write_text(
        FEIGNED.format(
            python=sys.executable,
            most=most,
            part_fault=part_fault,
            join_fault=join_fault,
            always=always,
        )
    )
    script.chmod(0o755)
    monkeypatch.setattr(video_writer, "find_ffmpeg", lambda: str(script))
    return place / "calls"


def test_what_ffmpeg_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = feign(tmp_path, monkeypatch)
    source = write(tmp_path / "in.mkv", 5)
    options = VideoOptions(part_frames=3, crf=23)
    report = colorize_video(colorizer(), source, tmp_path / "out.mp4", options)
    assert report.notes == []
    first, second, join = calls.read_text().splitlines()
    for call in (first, second):
        text = call.replace('", "', " ")
        assert "-f rawvideo -pix_fmt rgb24 -s 64x48 -r 30000/1001 -i pipe:0" in text
        assert "-c:v libx264 -pix_fmt yuv420p -crf 23" in text
        assert "out_color_matrix=bt709" in text
    assert str(source) in join
    text = join.replace('", "', " ")
    for wanted in ("-map 0:v", "-map 1:a? -c:a copy", "-map 1:s?", "-map_metadata 1", "-c:v copy"):
        assert wanted in text
    # every frame went through, in order: the feigned file is raw
    raw = np.frombuffer((tmp_path / "out.mp4").read_bytes(), np.uint8).reshape(5, 48, 64, 3)
    for frame, given in zip(raw, read(source), strict=True):
        assert np.abs(lightness(frame) - lightness(given)).max() < 1


def test_what_ffmpeg_says_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path / "in.mkv", 5)
    feign(tmp_path, monkeypatch, part_fault="No space left on device")
    with pytest.raises(UserError, match=r"No space left on device; 0 frames are safe"):
        colorize_video(colorizer(), source, tmp_path / "out.mp4")
    feign(tmp_path, monkeypatch, most=10, part_fault="died early")  # does not read on
    many = VideoOptions(part_frames=5)
    large = write(tmp_path / "large.mkv", 5, 300, 300)
    with pytest.raises(UserError, match="died early"):
        colorize_video(colorizer(), large, tmp_path / "large.mp4", many)


def test_subtitles_that_do_not_fit_cost_neither_sound_nor_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path / "in.mkv", 3)
    calls = feign(tmp_path, monkeypatch, join_fault="codec not supported in container")
    report = colorize_video(colorizer(), source, tmp_path / "out.mp4")
    assert report.notes == ["the result lacks subtitles, if there are any"]
    assert "1:a?" in calls.read_text().splitlines()[-1]


def test_a_full_disk_while_joining_is_no_reason_to_drop_the_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path / "in.mkv", 3)
    calls = feign(tmp_path, monkeypatch, join_fault="No space left on device")
    with pytest.raises(UserError, match=r"No space left.* 3 frames are safe"):
        colorize_video(colorizer(), source, tmp_path / "out.mp4")
    assert len(calls.read_text().splitlines()) == 2
    assert not (tmp_path / "out.mp4").exists()
    feign(tmp_path, monkeypatch, join_fault="broken", always=True)
    with pytest.raises(UserError, match=r"cannot join.*broken"):
        colorize_video(colorizer(), source, tmp_path / "out.mp4")
    feign(tmp_path, monkeypatch)
    assert colorize_video(colorizer(), source, tmp_path / "out.mp4").resumed == 3


def test_codecs_of_this_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    feign(tmp_path, monkeypatch)
    ffmpeg = str(tmp_path / "ffmpeg")
    assert FfmpegEncoder(ffmpeg, ".mp4", None, None).about["crf"] == 18
    assert FfmpegEncoder(ffmpeg, ".avi", None, None).codec == "mpeg4"
    assert not FfmpegEncoder(ffmpeg, ".mkv", "ffv1", None).even
    with pytest.raises(UserError, match=r"cannot write h265; for \.mp4 it can write: h264, mpeg4"):
        FfmpegEncoder(ffmpeg, ".mp4", "h265", None)
    with pytest.raises(UserError, match=r"can write no codec of \.webm"):
        FfmpegEncoder(ffmpeg, ".webm", None, None)
    with pytest.raises(UserError, match="crf 52: h264 takes 0"):
        FfmpegEncoder(ffmpeg, ".mp4", "h264", 52)
    with pytest.raises(UserError, match="mpeg4 has no rate factor"):
        FfmpegEncoder(ffmpeg, ".mp4", "mpeg4", 5)


def test_ffmpeg_that_does_not_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot list its encoders"):
        FfmpegEncoder(str(tmp_path / "none"), ".mp4", None, None)


# the real one


def ffmpeg(*words: str) -> str:
    assert FFMPEG
    command = [FFMPEG, "-hide_banner", "-y", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stderr


def times_of(path: Path) -> list[float]:
    said = ffmpeg(*f"-i {path} -map 0:v -fps_mode passthrough -vf showinfo -f null -".split())
    return [float(time) for time in re.findall(r"pts_time:([\d.]+)", said)]


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Half a second with sound, a title and a rotation by a quarter."""
    write(tmp_path / "silent.mkv", 15)
    ffmpeg(
        *("-display_rotation", "90", "-i", f"{tmp_path}/silent.mkv"),
        *("-f", "lavfi", "-i", "sine=frequency=440:duration=0.5"),
        *("-map", "0:v", "-map", "1:a", "-c:v", "mpeg4", "-q:v", "1"),
        *("-metadata", "title=an old film", f"{tmp_path}/film.mp4"),
    )
    assert frames_in(tmp_path / "film.mp4") == 15
    return tmp_path / "film.mp4"


@real_ffmpeg
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_ffmpeg_keeps_sound_title_times_and_what_is_up(film: Path, suffix: str) -> None:
    target = film.with_name(f"out{suffix}")
    report = colorize_video(colorizer(), film, target, VideoOptions(part_frames=4))
    assert report.notes == []
    said = ffmpeg("-i", str(target))
    assert re.search(r"title\s*: an old film", said)
    assert "Audio: aac" in said
    assert re.search(r"Video: h264.*48x64", said), said  # upright
    assert "rotation" not in said
    exact = [float(index / NTSC) for index in range(15)]
    assert times_of(target) == pytest.approx(exact, abs=2e-6 if suffix != ".mkv" else 6e-4)
    made, given = read(target), read(film)
    assert len(made) == 15
    for index in (0, 7, 14):
        assert np.abs(lightness(made[index]) - lightness(given[index])).mean() < 2


@real_ffmpeg
@pytest.mark.parametrize(
    ("codec", "suffix"), [("h265", ".mp4"), ("vp9", ".webm"), ("prores", ".mov"), ("ffv1", ".mkv")]
)
def test_codecs_of_the_real_one(film: Path, codec: str, suffix: str) -> None:
    target = film.with_name(f"out{suffix}")
    try:
        report = colorize_video(colorizer(), film, target, VideoOptions(codec=codec, part_frames=8))
    except UserError as error:
        pytest.skip(str(error))
    assert frames_in(target) == 15
    sound = "Audio: opus" if suffix == ".webm" else "Audio: aac"
    assert sound in ffmpeg("-i", str(target))
    assert report.notes == [] or suffix == ".webm"  # where sound has to be encoded again


@real_ffmpeg
def test_an_interrupted_film_is_finished_to_the_byte(film: Path) -> None:
    options = VideoOptions(part_frames=5)

    def stop(done: int, expected: int) -> None:
        if done == 7:
            raise KeyboardInterrupt

    colorize_video(colorizer(), film, film.with_name("whole.mp4"), options)
    with pytest.raises(KeyboardInterrupt):
        colorize_video(colorizer(), film, film.with_name("out.mp4"), options, stop)
    report = colorize_video(colorizer(), film, film.with_name("out.mp4"), options)
    assert report.resumed == 5
    whole = film.with_name("whole.mp4").read_bytes()
    assert film.with_name("out.mp4").read_bytes() == whole
