"""Reading video files: damage, times, orientation, colours."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from clips import NTSC, pictures, write_clip
from crosschroma.datasets.base.errors import DataError
from crosschroma.experiments.video.reader import Video
from crosschroma.experiments.video.video_file import is_video

KNOWN = {"red": (200, 40, 40), "green": (40, 160, 60), "blue": (50, 60, 190), "gray": (128,) * 3}


def read(path: Path) -> list[np.ndarray]:
    with Video(path) as video:
        return list(video.frames())


def patches(height: int = 64, width: int = 64) -> np.ndarray:
    """Four fields of known colours."""
    picture = np.zeros((height, width, 3), np.uint8)
    corners = [(0, 0), (0, width // 2), (height // 2, 0), (height // 2, width // 2)]
    for (top, left), color in zip(corners, KNOWN.values(), strict=True):
        picture[top : top + height // 2, left : left + width // 2] = color
    return picture


def test_a_video_is_read_as_it_is(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", pictures(6))
    with Video(path) as video:
        assert (video.height, video.width, video.fps) == (48, 64, NTSC)
        assert (video.expected, video.aspect, video.start) == (6, None, 0)
        frames = list(video.frames())
        assert video.times == [0, 33, 67, 100, 133, 167]
        assert (video.time_base, video.end, video.damaged) == (Fraction(1, 1000), 200, 0)
    assert all(np.array_equal(a, b) for a, b in zip(frames, pictures(6), strict=True))
    with Video(path) as video:
        video.skip(4)
        assert np.array_equal(next(video.frames()), frames[4])
        assert video.times == [0, 33, 67, 100, 133]
    with Video(path) as video, pytest.raises(DataError, match="ends after 6 frames"):
        video.skip(7)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".avi"])
def test_rates_are_exact(tmp_path: Path, suffix: str) -> None:
    for fps in (NTSC, Fraction(24000, 1001), Fraction(25)):
        path = write_clip(tmp_path / f"a{suffix}", pictures(24), "mpeg4", "yuv420p", fps=fps)
        with Video(path) as video:
            assert video.fps == fps
            assert video.expected == 24


@pytest.mark.parametrize(
    "data",
    [b"", b"text", b"#EXTM3U\nhttp://127.0.0.1:9/a.ts\n", os.urandom(4096), b"\0\0\0\x18ftypmp42"],
    ids=["empty", "text", "playlist", "noise", "header"],
)
def test_what_is_no_video_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.mp4").write_bytes(data)
    with pytest.raises(DataError, match=r"a\.mp4 has no frame that can be read") as error:
        Video(tmp_path / "a.mp4")
    assert "\n" not in str(error.value)


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no video .*typo"):
        Video(tmp_path / "typo.mp4")
    write_clip(tmp_path / "tiny.mkv", pictures(2, 4, 16))
    with pytest.raises(DataError, match="is 16x4; frames need 8 pixels"):
        Video(tmp_path / "tiny.mkv")
    path = write_clip(tmp_path / "cut.mp4", pictures(30), "mpeg4", "yuv420p")
    path.write_bytes(path.read_bytes()[:-400])  # its index stands at the end
    with pytest.raises(DataError, match=r"cut\.mp4 has no frame that can be read"):
        Video(path)


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_high_dynamic_range_is_refused(tmp_path: Path, transfer: int, name: str) -> None:
    tags = (9, 1, 9, transfer)
    path = write_clip(tmp_path / "a.mp4", pictures(2), "libvpx-vp9", "yuv420p", tags=tags)
    with pytest.raises(DataError, match=rf"a\.mp4 is HDR \({name}\), which") as error:
        Video(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("hflip", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_frames_are_upright(tmp_path: Path, rotation: int, hflip: bool) -> None:
    picture = patches()[:, :48]
    path = write_clip(
        tmp_path / "a.mp4", [picture], "mpeg4", "yuv420p",
        rotation=rotation, hflip=hflip, aspect=Fraction(4, 3),
    )  # fmt: skip
    expected = np.rot90(picture, rotation // 90)
    expected = expected[:, ::-1] if hflip else expected
    quarter = rotation % 180 != 0
    with Video(path) as video:
        assert (video.height, video.width) == expected.shape[:2]
        assert video.aspect == (Fraction(3, 4) if quarter else Fraction(4, 3))
        frame = next(video.frames()).astype(int)
    assert np.abs(frame - expected).mean() < 8  # a quarter off: 60 and more


@pytest.mark.parametrize("wide", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", [1, 5], ids=["bt709", "bt601"])
def test_colours_follow_matrix_and_range(tmp_path: Path, matrix: int, wide: bool) -> None:
    tags = (matrix, 2 if wide else 1, 1, 1)
    path = write_clip(tmp_path / "a.mkv", [patches()], "ffv1", "yuv444p", tags=tags)
    frame = read(path)[0].astype(int)
    assert np.abs(frame - patches()).max() <= 2


def test_a_matrix_that_is_not_named_is_that_of_the_size(tmp_path: Path) -> None:
    for height, width, matrix in ((64, 64, 5), (720, 1280, 1)):
        picture = patches(height, width)
        path = write_clip(tmp_path / "a.mkv", [picture], "ffv1", "yuv444p", tags=(matrix, 1, 2, 2))
        data = path.read_bytes()
        named = b"\x55\xb1\x81" + bytes([matrix])  # MatrixCoefficients
        assert data.count(named) == 1
        path.write_bytes(data.replace(named, b"\x55\xb1\x81\x02"))
        assert np.abs(read(path)[0].astype(int) - picture).max() <= 2


def test_times_that_vary_are_kept(tmp_path: Path) -> None:
    times = [0, 3000, 3001, 18000, 90000]
    path = write_clip(tmp_path / "a.mp4", pictures(5), "mpeg4", "yuv420p", times=times)
    with Video(path) as video:
        assert len(list(video.frames())) == 5
        assert (video.times, video.time_base) == (times, Fraction(1, 90000))


def test_a_damaged_packet_costs_no_more_than_itself(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mkv", pictures(12), "mjpeg", "yuvj420p")
    data = path.read_bytes()
    start = [at for at in range(len(data)) if data.startswith(b"\xff\xd8\xff", at)][2]
    end = data.index(b"\xff\xd9", start)
    path.write_bytes(data[:start] + bytes(end - start) + data[end:])
    with Video(path) as video:
        assert len(list(video.frames())) == 11
        assert video.damaged == 1


def test_a_transport_stream_is_known_by_its_first_byte(tmp_path: Path) -> None:
    (tmp_path / "code.ts").write_text("let a = 1")
    (tmp_path / "video.ts").write_bytes(b"\x47" + bytes(187))
    assert [is_video(tmp_path / name) for name in ("code.ts", "video.ts")] == [False, True]
    assert is_video(tmp_path / "b.MP4")
