"""Writing video files: what is read back of times, sound, tags and colours; codecs; faults."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from clips import SOUND_S, frames_of, pictures, times_of, write_clip
from crosschroma.datasets.base.color import lightness_from_uint8
from crosschroma.datasets.base.errors import UserError
from crosschroma.experiments.inference.colorizer import Colorizer
from crosschroma.experiments.video import colorize_video as video_module
from crosschroma.experiments.video.codecs import CODECS
from crosschroma.experiments.video.colorize_video import colorize_video
from crosschroma.experiments.video.reader import Video
from crosschroma.experiments.video.video_file import VideoOptions, VideoReport
from crosschroma.experiments.video.writer import VideoWriter
from crosschroma.models.unet import UNet

VARYING = [0, 3000, 6000, 18000, 18100, 30000, 33333, 60000, 90000, 93000, 180000]
WEBM = [
    "its aac sound was encoded again, as libopus, for a .webm file",
    "its pixels are 3:4 in shape, which vp9 in a .webm file does not say",
]
COLORS = [(200, 40, 40), (40, 160, 60), (50, 60, 190), (128, 128, 128)]


def colorizer() -> Colorizer:
    torch.manual_seed(0)
    return Colorizer(UNet.Config(domain="gray", width=4, levels=2).build(), None)


def colored(source: Path, target: Path, **options: object) -> VideoReport:
    return colorize_video(colorizer(), source, target, VideoOptions(part_frames=4, **options))


@pytest.fixture
def unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames go through as they are."""
    monkeypatch.setattr(video_module.FrameColorizer, "__call__", lambda self, frame: frame)


def lightness(rgb: np.ndarray) -> np.ndarray:
    return 100 * lightness_from_uint8(np.ascontiguousarray(rgb))


def sound_of(path: Path) -> tuple[str, float, float, np.ndarray]:
    """Codec, start and length in seconds, and samples without the silence of encoders."""
    with av.open(str(path)) as file:
        [stream] = file.streams.audio
        frames = list(file.decode(stream))
        samples = np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(float)
        loud = np.flatnonzero(np.abs(samples) > 0.3 * np.abs(samples).max())
        start = float(frames[0].pts * frames[0].time_base) + loud[0] / 48000
        return stream.name, start, (loud[-1] - loud[0]) / 48000, samples[loud[0] : loud[-1]]


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Frames of varying length, turned by a quarter, with sound that begins late."""
    return write_clip(
        tmp_path / "film.mp4", pictures(11), "mpeg4", "yuv420p", times=VARYING, sound="aac",
        sound_start_s=0.25, rotation=90, aspect=Fraction(4, 3), chapters=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("suffix", "codec", "sound", "missing"),
    [
        (".mp4", None, "aac", []),
        (".mkv", None, "aac", []),
        (".mov", None, "aac", []),
        (".mov", "prores", "aac", []),
        (".mp4", "av1", "aac", []),
        (".webm", None, "opus", WEBM),
    ],
)
def test_what_is_read_back(
    film: Path, suffix: str, codec: str | None, sound: str, missing: list[str]
) -> None:
    target = film.with_name(f"out{suffix}")
    report = colored(film, target, codec=codec)
    assert report.notes == missing
    seconds = [time / 90000 for time in VARYING]
    exact = suffix in (".mp4", ".mov")  # others count milliseconds
    assert times_of(target) == pytest.approx(seconds, abs=1e-9 if exact else 5.1e-4)
    with av.open(str(target)) as file:
        [video] = file.streams.video
        frame = next(file.decode(video))
        assert file.metadata["title"] == "an old film"
        assert [chapter["metadata"]["title"] for chapter in file.chapters()] == ["one"]
        assert file.streams.audio[0].language == ("deu" if suffix != ".mov" else None)
        assert (frame.width, frame.height, frame.rotation) == (48, 64, 0)
        assert missing or video.sample_aspect_ratio == Fraction(3, 4)
        tags = (frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc)
        assert tags == (1, 1, 1, 1)
        if exact:
            assert video.time_base == Fraction(1, 90000)
    name, start, length, _ = sound_of(target)
    assert name == sound
    before = sound_of(film)
    assert (start, length) == pytest.approx(before[1:3], abs=0.002)
    assert start == pytest.approx(0.25, abs=0.01)
    assert length == pytest.approx(SOUND_S, abs=0.01)
    given, result = frames_of(film), frames_of(target)
    for index in (0, 5, 10):
        upright = np.rot90(given[index])
        assert np.abs(lightness(result[index]) - lightness(upright)).mean() < 2


def test_sound_is_copied_bit_by_bit(film: Path) -> None:
    colored(film, film.with_name("out.mkv"))

    def packets(path: Path) -> list[bytes]:
        with av.open(str(path)) as file:
            return [bytes(packet) for packet in file.demux(audio=0) if packet.size]

    assert packets(film.with_name("out.mkv")) == packets(film)


def test_a_file_that_starts_late_starts_at_once_and_stays_in_step(tmp_path: Path) -> None:
    source = write_clip(
        tmp_path / "in.mts", pictures(8), "mpeg2video", "yuv420p", sound="mp2",
        times=[126000 + 3003 * index for index in range(8)], sound_start_s=1.65,
    )  # fmt: skip
    colored(source, tmp_path / "out.mp4")
    assert times_of(tmp_path / "out.mp4")[:2] == pytest.approx([0, 3003 / 90000])
    difference = sound_of(source)[1] - times_of(source)[0]
    assert sound_of(tmp_path / "out.mp4")[1] == pytest.approx(difference, abs=0.003)
    assert difference == pytest.approx(0.25, abs=0.03)


def test_avi_knows_equal_steps_only(film: Path) -> None:
    report = colored(film, film.with_name("out.avi"))
    steps = np.diff(times_of(film.with_name("out.avi")))
    assert steps == pytest.approx(np.full(10, steps[0]))
    varying, early = report.notes
    assert "frames of varying length; all are kept" in varying
    assert early == "its aac sound starts 0.23 s early: .avi files start at once"


def test_subtitles_are_kept_or_missed(tmp_path: Path) -> None:
    words = tmp_path / "a.srt"
    words.write_text("1\n00:00:00,100 --> 00:00:00,200\nhello\n")
    film, source = write_clip(tmp_path / "a.mkv", pictures(6)), tmp_path / "b.mkv"
    with (
        av.open(str(film)) as video,
        av.open(str(words)) as text,
        av.open(str(source), "w") as file,
    ):
        inputs = [(video, video.streams.video[0]), (text, text.streams.subtitles[0])]
        streams = [file.add_stream_from_template(stream) for _, stream in inputs]
        for (given, stream), copy in zip(inputs, streams, strict=True):
            for packet in given.demux(stream):
                if packet.dts is not None:
                    packet.stream = copy
                    file.mux(packet)
    assert colored(source, tmp_path / "c.mkv").notes == []
    with av.open(str(tmp_path / "c.mkv")) as file:
        [packet] = [packet for packet in file.demux(subtitles=0) if packet.size]
        assert (bytes(packet), packet.pts, packet.duration) == (b"hello", 100, 100)
    assert colored(source, tmp_path / "c.mp4").notes == [
        "the result lacks its srt subtitles, which no .mp4 file can hold"
    ]


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [*((codec, CODECS[codec].containers[0]) for codec in CODECS), ("mpeg4", ".avi")],
)
def test_known_colours_come_back(tmp_path: Path, unchanged: None, codec: str, suffix: str) -> None:
    """Neither channels swapped nor a range or a matrix taken for another."""
    picture = np.repeat(np.array(COLORS, np.uint8), 32, axis=0)[None].repeat(64, axis=0)
    source = write_clip(tmp_path / "in.mkv", [picture] * 6)
    target = tmp_path / f"out{suffix}"
    assert colored(source, target, codec=codec).notes == []
    with Video(target) as video:
        frames = [frame.astype(int) for frame in video.frames()]
    assert len(frames) == 6
    for frame in frames:
        middles = frame[32, 16::32]
        assert np.abs(middles - COLORS).max() <= (0 if codec == "ffv1" else 4), middles


def test_odd_sizes_become_even_and_are_told_of(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "in.mkv", pictures(4, 33, 49))
    report = colored(path, tmp_path / "out.mp4", crf=0)
    assert any("49x33 became 50x34" in note for note in report.notes)
    frames = frames_of(tmp_path / "out.mp4")
    for given, result in zip(pictures(4, 33, 49), frames, strict=True):
        assert result.shape == (34, 50, 3)
        assert np.abs(result[33].astype(int) - result[32]).max() <= 2
        assert np.abs(lightness(result)[:33, :49] - lightness(given)).max() < 3
    assert colored(path, tmp_path / "out.mkv", codec="ffv1").notes == []
    assert frames_of(tmp_path / "out.mkv").shape == (4, 33, 49, 3)


def test_a_truncated_video_is_coloured_and_told_of(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", pictures(30))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    report = colored(path, tmp_path / "b.mkv")
    assert 10 < report.frames < 29
    assert any("its header names 30" in note for note in report.notes)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_an_interrupted_film_is_finished_to_the_byte(film: Path, suffix: str) -> None:
    options = VideoOptions(part_frames=4)

    def stop(done: int, expected: int) -> None:
        if done == 6:
            raise KeyboardInterrupt

    whole, target = film.with_name(f"whole{suffix}"), film.with_name(f"out{suffix}")
    colorize_video(colorizer(), film, whole, options)
    with pytest.raises(KeyboardInterrupt):
        colorize_video(colorizer(), film, target, options, stop)
    report = colorize_video(colorizer(), film, target, options)
    assert report.resumed == 4
    assert target.read_bytes() == whole.read_bytes()


def test_codecs_that_cannot_be_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert VideoWriter(".mp4", None, None).about["crf"] == 18
    assert VideoWriter(".webm", None, None).codec == "vp9"
    assert VideoWriter(".avi", None, None).codec == "mpeg4"
    assert not VideoWriter(".mkv", "ffv1", None).even
    with pytest.raises(UserError, match=r"\.webm files hold no ffv1; name the result one of \.mkv"):
        VideoWriter(".webm", "ffv1", None)
    with pytest.raises(UserError, match="unknown codec 'h246'; did you mean"):
        VideoWriter(".mp4", "h246", None)
    with pytest.raises(UserError, match="crf 52: h264 takes 0"):
        VideoWriter(".mp4", "h264", 52)
    with pytest.raises(UserError, match="mpeg4 has no rate factor"):
        VideoWriter(".mp4", "mpeg4", 5)
    source = write_clip(tmp_path / "in.mkv", pictures(2, 64, 32))
    with pytest.raises(UserError, match="h265 needs frames of 64 pixels in width"):
        colored(source, tmp_path / "out.mp4", codec="h265")
    monkeypatch.setattr(av, "codecs_available", {"libx264", "mpeg4"})
    with pytest.raises(UserError, match=r"cannot write h265; for \.mp4 it can write: h264, mpeg4"):
        VideoWriter(".mp4", "h265", None)
    with pytest.raises(UserError, match=r"can write no codec of \.webm"):
        VideoWriter(".webm", None, None)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "in.mkv", pictures(2))
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        colored(path, tmp_path / "file" / "out.mp4")


@pytest.mark.parametrize(("part", "safe"), [("000001.nut", 4), ("joined.mp4", 6)])
def test_a_full_disk_loses_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, safe: int
) -> None:
    source, target = write_clip(tmp_path / "in.mkv", pictures(6)), tmp_path / "out.mp4"
    target.write_text("old")
    to_the_disk = av.open

    def full(file: str, *words: str, **more: object) -> object:
        if str(file).endswith(part) and words == ("w",):
            return to_the_disk("/dev/full", "w", format=Path(part).suffix[1:])
        return to_the_disk(file, *words, **more)

    with monkeypatch.context() as patched:
        patched.setattr(av, "open", full)
        with pytest.raises(
            UserError, match=rf"cannot write .*{part}: No space left .* {safe} frames are safe"
        ):
            colored(source, target)
    assert target.read_text() == "old"
    assert colored(source, target).resumed == safe
    assert len(times_of(target)) == 6


def test_a_rate_that_mpeg4_does_not_know_is_written_with_exact_times(tmp_path: Path) -> None:
    fps = Fraction(120000, 1001)
    source = write_clip(tmp_path / "in.mp4", pictures(9), "libvpx-vp9", "yuv420p", fps=fps)
    colored(source, tmp_path / "out.mp4", codec="mpeg4")
    assert times_of(tmp_path / "out.mp4") == times_of(source)


def test_frames_of_varying_length_are_no_damage(tmp_path: Path) -> None:
    times = [0, 3000, 6000, 30000, 33000, 120000]
    path = write_clip(tmp_path / "a.mkv", pictures(6), times=times)
    report = colored(path, tmp_path / "b.mkv")
    assert (report.frames, report.notes) == (6, [])
    assert times_of(tmp_path / "b.mkv") == pytest.approx(times_of(path), abs=0.002)


def test_paths_that_look_like_protocols(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_clip(tmp_path / "2024-01-01T10:20:30.mkv", pictures(2))
    assert colored(Path(path.name), Path("c:1.mkv")).frames == 2
    assert len(times_of(tmp_path / "c:1.mkv")) == 2
