"""Videos: motion, colours without flicker, the warp error, and work that is taken up again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from clips import frames_of, write_clip
from crosschroma.datasets.base.batch import Batch
from crosschroma.datasets.base.color import lab_from_uint8, rgb_to_lab
from crosschroma.datasets.base.errors import DataError, UserError
from crosschroma.experiments import cli
from crosschroma.experiments.commands.files.colorize_files import FileOptions, colorize_files
from crosschroma.experiments.inference.colorizer import Colorizer
from crosschroma.experiments.video.colorize_video import (
    FrameColorizer,
    VideoOptions,
    colorize_video,
)
from crosschroma.experiments.video.optical_flow import _visible, motion
from crosschroma.experiments.video.stabilize import Steady
from crosschroma.experiments.video.warp_error import WarpError
from crosschroma.models.base.generator import GeneratorMethod
from crosschroma.models.color.hint_points import HintPoint
from PIL import Image

SIDE = 64


def texture(seed: int, height: int = 120, width: int = 120) -> np.ndarray:
    noise = np.random.default_rng(seed).random((height, width), np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), 1.5)
    return (blurred - blurred.min()) / np.ptp(blurred)


def panned(seed: int, x: float, y: float = 20) -> np.ndarray:
    """A window of a texture whose left edge is at ``x``."""
    return cv2.getRectSubPix(texture(seed), (SIDE, SIDE), (x + SIDE / 2, y + SIDE / 2))


def disc(x: float, radius: float = 12) -> np.ndarray:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return (columns - x) ** 2 + (rows - 32) ** 2 < radius**2


def scene(step: int) -> tuple[np.ndarray, np.ndarray]:
    """A disc that moves right by 3 over a background that moves left by 1, and its true ab."""
    inside = disc(16 + 3 * step)
    moved = np.roll(texture(2, SIDE, SIDE), 3 * step, axis=1)
    plane = np.where(inside, moved, panned(1, 10 + step))
    return plane, np.where(inside[..., None], [60.0, 40.0], [-40.0, 30.0]).astype(np.float32)


class Moody(GeneratorMethod):
    """Changes its mind with every frame: one ab for a frame, by its mean level."""

    name = "moody"

    @dataclass(frozen=True, kw_only=True)
    class Config(GeneratorMethod.Config):
        domain: str = "gray"

    def __init__(self, config: Config) -> None:
        super().__init__(config.domain)
        self.calls = 0

    def optimizers(self) -> dict:
        return {}

    def predict(self, batch: Batch) -> torch.Tensor:
        self.calls += 1
        plane = batch[self.domain]
        mood = 0.15 * torch.sin(3000 * plane.mean())
        if self.domain == "nir":
            return 2 * plane - 1 + mood * torch.tensor([1.0, 0, -1]).reshape(1, 3, 1, 1)
        return mood.expand(1, 2, *plane.shape[-2:])


def moody(domain: str = "gray", size: int | None = None) -> Colorizer:
    return Colorizer(Moody.Config(domain=domain).build(), size)


def clip(path: Path, count: int = 10, height: int = 48, width: int = 48, cut: int = 99) -> Path:
    frames = []
    for index in range(count):
        plane = panned(3 if index < cut else 4, 10 + 0.8 * index)[:height, :width]
        frames.append(np.rint(255 * plane.clip(0, 1)).astype(np.uint8)[..., None].repeat(3, axis=2))
    return write_clip(path, frames, fps=Fraction(25))


# motion


def test_motion_is_found_and_what_comes_in_is_not_seen() -> None:
    way = motion(panned(1, 10), panned(1, 13, 18))  # the picture moves left by 3, down by 2
    inner = way.flow[8:-8, 8:-8]
    assert np.median(np.abs(inner - [3, -2])) < 0.1
    assert way.trust[8:-8, 8:-8].mean() > 0.85
    assert not way.visible[:, -2:].any()
    assert not way.visible[:1].any()
    assert not way.cut


def test_what_was_hidden_is_not_trusted() -> None:
    (before, _), (after, _) = scene(2), scene(3)
    way = motion(before, after)
    uncovered = disc(22) & ~disc(25)
    assert way.trust[uncovered].mean() < 0.2
    assert way.trust[disc(25, 6)].mean() > 0.5


def test_what_does_not_come_back_is_not_seen() -> None:
    """Where levels are alike, only the way back tells that a pixel was hidden."""
    back = np.full((SIDE, SIDE, 2), [5, 0], np.float32)
    seen = _visible(back, -back)
    assert seen[:, :-5].all()
    assert not seen[:, -5:].any()
    assert not _visible(back, 0 * back).any()
    inexact = back * np.float32(-0.9)
    assert _visible(back, inexact)[:, :-5].all()


def test_still_pictures_with_noise_are_not_resampled() -> None:
    plane = panned(1, 10)
    noise = np.random.default_rng(0).normal(0, 0.01, (2, *plane.shape)).astype(np.float32)
    way = motion((plane + noise[0]).clip(0, 1), (plane + noise[1]).clip(0, 1))
    assert (way.flow == 0).all(axis=2).mean() > 0.95
    assert way.trust.mean() > 0.8


def test_cuts_are_other_scenes_and_not_other_exposures() -> None:
    plane = 0.7 * panned(1, 10)
    assert motion(plane, 0.7 * panned(2, 10)).cut
    brighter = motion(plane, plane + 0.15)
    assert not brighter.cut
    assert brighter.trust.mean() > 0.8


@pytest.mark.parametrize("size", [(8, 8), (9, 200), (600, 20), (700, 530)])
def test_motion_of_any_size(size: tuple[int, int]) -> None:
    plane = texture(0, *size)
    way = motion(plane, plane)
    assert way.flow.shape == (*size, 2)
    assert (way.flow == 0).all()


# colours


def tensors(plane: np.ndarray, colors: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(plane)[None, None], torch.from_numpy(colors).permute(2, 0, 1)[None]


def test_true_colours_neither_smear_nor_ghost() -> None:
    """Given what is right, it stays right, at the edges of a moving disc and where it was."""
    steady = Steady("gray")
    for step in range(9):
        plane, ab = scene(step)
        made = steady(*tensors(plane, ab))[0].permute(1, 2, 0).numpy()
        off = np.abs(made - ab).max(axis=2)
        assert off.mean() < 1.5, step
        assert (off > 20).mean() < 0.02, step


def test_colours_move_with_what_has_them() -> None:
    """Stripes of colour on a texture that moves by 3 a frame: true after ten frames as before."""
    steady = Steady("gray")
    for step in range(10):
        x = np.arange(SIDE, dtype=np.float32) + 10 + 3 * step
        stripes = np.broadcast_to(40 * np.sin(x / 3)[:, None], (SIDE, SIDE, 2)).copy()
        made = steady(*tensors(panned(1, 10 + 3 * step), stripes))[0].permute(1, 2, 0).numpy()
        assert np.abs(made - stripes).mean() < 2, step


def test_a_wavering_mind_is_steadied() -> None:
    steady = Steady("gray")
    rng = np.random.default_rng(0)
    own, made = [], []
    for step in range(12):
        plane = panned(1, 10 + 0.7 * step)
        ab = np.full((SIDE, SIDE, 2), rng.normal(10, 8), np.float32)
        own.append(ab[32, 32, 0])
        made.append(steady(*tensors(plane, ab))[0, 0, 32, 32].item())
    assert made[0] == own[0]
    assert np.abs(np.diff(made)).mean() < 0.25 * np.abs(np.diff(own)).mean()


def test_after_a_cut_colours_are_the_methods_own() -> None:
    steady = Steady("gray")
    steady(*tensors(panned(1, 10), np.full((SIDE, SIDE, 2), 50, np.float32)))
    plane, colors = tensors(panned(2, 10), np.full((SIDE, SIDE, 2), -50, np.float32))
    assert torch.equal(steady(plane, colors), colors)


def test_nir_keeps_the_detail_of_its_own_luminance() -> None:
    """Each frame has fresh fine noise, which must not be averaged away, and a broad change."""
    steady = Steady("nir")
    rng = np.random.default_rng(0)
    plane = panned(1, 10)
    changes, fine = [], []
    for _ in range(8):
        grain = rng.normal(0, 0.02, (SIDE, SIDE, 1))
        rgb = np.clip(0.3 + 0.4 * plane[..., None] + grain + rng.normal(0, 0.03), 0, 1)
        given = tensors(plane, np.repeat(rgb, 3, 2).astype(np.float32))
        own, made = (rgb_to_lab(x)[0, 0].numpy() for x in (given[1], steady(*given)))
        changes.append((own.mean(), made.mean()))
        fine.append([x - cv2.GaussianBlur(x, (0, 0), 2) for x in (own, made)])
    own, made = np.abs(np.diff(changes, axis=0)).mean(axis=0)
    assert made < 0.4 * own
    assert np.corrcoef(fine[-1][0].ravel(), fine[-1][1].ravel())[0, 1] > 0.98


@pytest.mark.parametrize("domain", ["gray", "nir"])
def test_a_video_goes_on_from_its_state(domain: str) -> None:
    def frame(index: int) -> np.ndarray:
        return np.rint(255 * panned(1, 10 + index).clip(0, 1)).astype(np.uint8)

    whole = FrameColorizer(moody(domain))
    expected = [whole(frame(index)) for index in range(6)]
    first, second = FrameColorizer(moody(domain)), FrameColorizer(moody(domain))
    for index in range(3):
        first(frame(index))
    second.restore(first.state())
    for index in range(3, 6):
        assert np.array_equal(second(frame(index)), expected[index])
    assert second.flicker() == whole.flicker()
    own = FrameColorizer(moody(domain), reduce_flicker=False, measure=False)
    assert np.array_equal(own(frame(4)), moody(domain)(frame(4)))
    assert own.flicker() == {}


# warp error


def test_warp_error_by_hand() -> None:
    error = WarpError(["still", "moody"])
    plane = panned(1, 10)
    gray = np.full((SIDE, SIDE, 3), 0.5, np.float32)
    for index in range(4):
        error.add(plane, {"still": gray, "moody": gray + np.float32(0.1 * (index % 2))})
    result = error.result()
    assert result["pairs"] == 3
    assert result["warp_error"]["input"]["rgb"] == 0
    assert result["warp_error"]["still"] == {"rgb": 0, "ab": 0}
    assert result["warp_error"]["moody"]["rgb"] == pytest.approx(3 * 0.01, rel=1e-4)
    assert result["warp_error"]["moody"]["ab"] < 0.05  # grays of any level have no colour


def test_warp_error_follows_motion_and_leaves_out_what_was_hidden() -> None:
    """A disc of its own colour: a comparison in place, or without the mask, would find much."""
    error = WarpError(["true"])
    in_place = []
    before = np.empty(0)
    for step in range(5):
        plane, ab = scene(step)
        rgb = 0.5 + np.dstack([ab / 200, plane * 0]).astype(np.float32)
        error.add(plane, {"true": rgb})
        if step:
            in_place.append(((rgb - before) ** 2).sum(2).mean())
        before = rgb
    assert error.result()["warp_error"]["true"]["rgb"] < 0.15 * np.mean(in_place)


def test_warp_error_leaves_out_cuts() -> None:
    error = WarpError(["a"])
    for index, seed in enumerate((1, 1, 2, 2)):
        plane = panned(seed, 10)
        error.add(plane, {"a": np.full((SIDE, SIDE, 3), 0.2 * (index > 1), np.float32)})
    assert error.result() == {
        "warp_error": {"input": {"rgb": 0}, "a": {"rgb": 0, "ab": 0}},
        "pairs": 2,
        "cuts": [2],
    }
    assert WarpError(["a"]).result()["warp_error"] == {"input": None, "a": None}


# files


@pytest.mark.parametrize("domain", ["gray", "nir"])
def test_a_video_becomes_a_video(tmp_path: Path, domain: str) -> None:
    source = clip(tmp_path / "in.mkv", cut=6)
    report = colorize_video(moody(domain), source, tmp_path / "out.mkv", VideoOptions(codec="ffv1"))
    made = frames_of(tmp_path / "out.mkv")
    assert made.shape == (10, 48, 48, 3)
    assert {path.name for path in tmp_path.iterdir()} == {"in.mkv", "out.mkv"}
    assert (report.frames, report.resumed) == (10, 0)
    assert report.flicker["cuts"] == [6]
    errors = report.flicker["warp_error"]
    assert errors["with"]["ab"] < 0.5 * errors["without"]["ab"]
    given = frames_of(source)
    assert np.array_equal(made[0], moody(domain)(given[0]))
    assert np.array_equal(made[6], moody(domain)(given[6]))  # the cut
    assert not np.array_equal(made[7], moody(domain)(given[7]))
    if domain == "gray":
        own, kept = (lab_from_uint8(np.ascontiguousarray(x[5]))[..., 0] for x in (given, made))
        assert np.abs(own - kept).max() < 1


def test_without_the_reduction_frames_are_pictures(tmp_path: Path) -> None:
    source = clip(tmp_path / "in.mkv", 4)
    options = VideoOptions(codec="ffv1", reduce_flicker=False, strength=0.5)
    report = colorize_video(moody(), source, tmp_path / "out.mkv", options)
    for given, made in zip(frames_of(source), frames_of(tmp_path / "out.mkv"), strict=True):
        assert np.array_equal(made, moody()(given, strength=0.5))
    assert list(report.flicker["warp_error"]) == ["input", "without"]


def stopping(after: int, kind: type[BaseException] = KeyboardInterrupt):
    def progress(done: int, expected: int) -> None:
        assert expected == 10
        if done == after:
            raise kind

    return progress


def test_an_interrupted_video_is_finished_to_the_byte(tmp_path: Path) -> None:
    source, options = clip(tmp_path / "in.mkv"), VideoOptions(part_frames=3)
    whole = colorize_video(moody(), source, tmp_path / "whole.mp4", options)
    target = tmp_path / "out.mp4"
    for after in (5, 8):
        with pytest.raises(KeyboardInterrupt) as stopped:
            colorize_video(moody(), source, target, options, stopping(after))
        [note] = stopped.value.__notes__
        assert f"{after // 3 * 3} frames are safe in {target}.parts" in note
        assert not target.exists()
    # what a kill leaves: a part that nobody has counted
    (tmp_path / "out.mp4.parts" / "000002.nut").write_bytes(b"half")
    colorizer = moody()
    report = colorize_video(colorizer, source, target, options)
    assert report.resumed == 6
    assert colorizer.colors.method.calls == 4
    assert target.read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert report.flicker == whole.flicker
    assert not (tmp_path / "out.mp4.parts").exists()


def test_parts_of_other_settings_are_not_mixed_in(tmp_path: Path) -> None:
    source, target = clip(tmp_path / "in.mkv"), tmp_path / "out.mp4"
    with pytest.raises(KeyboardInterrupt):
        colorize_video(moody(), source, target, VideoOptions(part_frames=3), stopping(5))
    other = VideoOptions(part_frames=3, strength=0.5)
    with pytest.raises(UserError, match=r"holds 3 frames .*another strength.*--overwrite"):
        colorize_video(moody(), source, target, other)
    clip(source, 9)
    with pytest.raises(UserError, match="another source"):
        colorize_video(moody(), source, target, VideoOptions(part_frames=3))
    report = colorize_video(
        moody(), source, target, VideoOptions(part_frames=3, strength=0.5, overwrite=True)
    )
    assert (report.resumed, report.frames) == (0, 9)


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    source = clip(tmp_path / "in.mkv", 2)
    other = tmp_path / "out.mp4.parts" / "thesis.doc"
    other.parent.mkdir()
    other.write_text("dear")
    with pytest.raises(UserError, match=r"thesis\.doc, which is not ours"):
        colorize_video(moody(), source, tmp_path / "out.mp4")
    assert other.read_text() == "dear"


def test_folders_hold_pictures_and_videos(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    clip(source / "deep" / "a.mkv", 3)
    clip(source / "old.wmv.parts" / "000000.mkv", 3)  # what an interrupted run left
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(source / "a.png")
    (source / "broken.mp4").write_bytes(b"no video")
    monkeypatch.setattr(Colorizer, "load", lambda *given: moody())
    words = ["colorize", str(source), "--out", str(out), "--report", str(tmp_path / "r.json")]
    assert cli.run(words) == 1
    said = capsys.readouterr()
    assert "broken.mp4 has no frame that can be read" in said.err
    assert "deep/a.mkv: 3 frames; warp error" in said.out
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert files == {"a.png", "deep/a.mkv"}
    [(name, report)] = json.loads((tmp_path / "r.json").read_text()).items()
    assert name == str(out / "deep" / "a.mkv")
    assert report["frames"] == 3
    assert set(report["warp_error"]) == {"input", "without", "with"}
    assert cli.run(words) == 1
    assert "2 there already" in capsys.readouterr().out


def test_the_command_passes_on_its_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = clip(tmp_path / "in.mkv", 3)
    monkeypatch.setattr(Colorizer, "load", lambda *given: moody())
    words = ["colorize", str(source), "--out", str(tmp_path / "out.mkv")]
    assert cli.run([*words, "--codec", "ffv1", "--no-flicker-reduction"]) == 0
    assert " with flicker reduction" not in capsys.readouterr().out
    assert np.array_equal(frames_of(tmp_path / "out.mkv")[2], moody()(frames_of(source)[2]))
    assert cli.run([*words, "--overwrite", "--codec", "ffv1", "--crf", "10"]) == 1
    assert "ffv1 has no rate factor" in capsys.readouterr().err


def test_an_interrupted_command_says_what_is_safe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = clip(tmp_path / "in.mkv", 3)
    colorizer = moody()

    def stopped(*given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(colorizer, "prepare", stopped)
    monkeypatch.setattr(Colorizer, "load", lambda *given: colorizer)
    assert cli.run(["colorize", str(source), "--out", str(tmp_path / "out.mp4")]) == 1
    assert "0 frames are safe in" in capsys.readouterr().err


def moving_clip(path: Path) -> Path:
    """Eight frames; what they show moves 3 pixels a frame to the right."""
    levels = [np.rint(255 * panned(0, 50 - 3 * step)).astype(np.uint8) for step in range(8)]
    write_clip(path, [np.repeat(plane[..., None], 3, 2) for plane in levels])
    return path


def test_a_hint_is_carried_through_the_video_and_what_became_of_it_is_said(
    tmp_path: Path, hint_painter: Path
) -> None:
    source = moving_clip(tmp_path / "in.mkv")
    points = [{"x": 30, "y": 40, "a": 20, "b": -40, "size": 9, "frame": 2}]
    points.append({**points[0], "frame": 50})
    (tmp_path / "hints.json").write_text(json.dumps(points))
    words = ["colorize", str(source), "--run", str(hint_painter), "--codec", "ffv1"]
    words += ["--hints", str(tmp_path / "hints.json"), "--out", str(tmp_path / "out.mkv")]
    assert cli.run([*words, "--report", str(tmp_path / "report.json")]) == 0
    b = [lab_from_uint8(frame)[..., 2] for frame in frames_of(tmp_path / "out.mkv")]
    assert b[1].min() > 0
    for number in range(2, 8):
        blue = np.argwhere(b[number] < -10)
        place = 40, 30 + 3 * (number - 2)
        assert np.median(blue, axis=0) == pytest.approx(place, abs=3), number
    [report] = json.loads((tmp_path / "report.json").read_text()).values()
    assert (
        "the hint at 30, 40 of frame 50 was not used: the video has 8 frames" in report["notes"][0]
    )


def test_a_palette_comes_from_a_picture(tmp_path: Path, hint_painter: Path) -> None:
    source = moving_clip(tmp_path / "in.mkv")
    Image.new("RGB", (32, 32), (60, 90, 200)).save(tmp_path / "blue.png")
    words = ["colorize", str(source), "--run", str(hint_painter), "--codec", "ffv1"]
    words += ["--palette", str(tmp_path / "blue.png"), "--out", str(tmp_path / "out.mkv")]
    assert cli.run(words) == 0
    assert all(lab_from_uint8(f)[..., 2].mean() < -20 for f in frames_of(tmp_path / "out.mkv"))


def test_hints_of_a_method_without_and_other_kinds_of_file_are_refused_for_videos(
    tmp_path: Path,
) -> None:
    source = clip(tmp_path / "in.mkv", 2)
    hints = FileOptions(hints=[HintPoint(x=1, y=1, a=1, b=1)])
    report = colorize_files(moody(), source, tmp_path / "out", hints)
    assert "takes no hints" in report.failed[source]
    for wrong in ("out.png", "out.wmv"):
        with pytest.raises(UserError, match=f"cannot become .*{wrong}"):
            colorize_files(moody(), source, tmp_path / wrong)
    with pytest.raises(DataError, match="would take the place"):
        colorize_files(moody(), source, source)
