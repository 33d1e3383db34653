"""Kinds of video files: each that is taken for a video is opened and coloured."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from clips import frames_of, pictures, write_clip
from crosschroma.experiments.commands.files.colorize_files import FileOptions, colorize_files
from crosschroma.experiments.inference.colorizer import Colorizer
from crosschroma.experiments.video.video_file import is_video
from crosschroma.models.unet import UNet

# FFmpeg's encoder for each; PyAV has none of Theora, the usual codec of .ogv, which holds VP8 too
ENCODERS = {".3gp": "mpeg4", ".flv": "flv", ".ogv": "libvpx", ".ts": "mpeg2video"}
ENCODERS |= {".vob": "mpeg2video", ".mpg": "mpeg1video", ".wmv": "wmv2", ".m2ts": "mpeg2video"}


@pytest.mark.parametrize("suffix", ENCODERS)
def test_each_container_is_opened_and_coloured(tmp_path: Path, suffix: str) -> None:
    frames = pictures(12)  # FFmpeg knows no shorter .ts
    source = write_clip(
        tmp_path / "in" / f"a{suffix}", frames, ENCODERS[suffix], "yuv420p", fps=Fraction(25)
    )
    assert is_video(source)
    colorizer = Colorizer(UNet.Config(domain="gray", width=4, levels=2).build(), 64)
    options = FileOptions(strength=0.0)
    report = colorize_files(colorizer, tmp_path / "in", tmp_path / "out", options)
    assert report.failed == {}
    assert list(report.videos) == [tmp_path / "out" / "a.mp4"]
    result = frames_of(tmp_path / "out" / "a.mp4")
    grays = np.stack([frame.mean(axis=2) for frame in frames])
    assert np.abs(result.mean(axis=3) - grays).mean() < 4
