"""Files and folders: trees, formats, broken pictures, results that are there, the command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from clips import pictures as clip_pictures
from clips import write_clip
from crosschroma.datasets.base.errors import DataError, UserError
from crosschroma.experiments import cli
from crosschroma.experiments.artifacts import weights_file
from crosschroma.experiments.commands.files.colorize_files import FileOptions, colorize_files
from crosschroma.experiments.experiment import Hardware
from crosschroma.experiments.inference import input_kind
from crosschroma.experiments.inference.colorizer import Colorizer
from crosschroma.experiments.inference.prepared_picture import PreparedPicture
from crosschroma.experiments.recipe_list import load_recipe
from crosschroma.experiments.training.engine import fit
from crosschroma.models.color.hint_points import HintPoint
from crosschroma.models.unet import UNet
from PIL import Image


def save(path: Path, height: int = 40, width: int = 50, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def colorizer(domain: str = "gray") -> Colorizer:
    return Colorizer(UNet.Config(domain=domain, width=4, levels=3).build(), 64)


def names(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    fit(
        load_recipe("unet_scenes_gray").smoke(),
        folder / "run",
        Hardware(accelerator="cpu", workers=0),
    )
    return weights_file.ship(folder / "run", folder)


def test_folder_keeps_its_tree_and_survives_a_broken_picture(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    save(source / "a.png")
    save(source / "deep" / "b.jpg")
    (source / "broken.jpg").write_bytes((source / "deep" / "b.jpg").read_bytes()[:200])
    report = colorize_files(colorizer(), source, out)
    assert names(out) == {"a.png", "deep/b.png"}
    assert set(report.written) == {out / "a.png", out / "deep" / "b.png"}
    assert list(report.failed) == [source / "broken.jpg"]
    assert "broken.jpg" in report.failed[source / "broken.jpg"]

    again = colorize_files(colorizer(), source, out)
    assert (len(again.written), len(again.skipped)) == (0, 2)
    over = colorize_files(colorizer(), source, out, FileOptions(overwrite=True))
    assert len(over.written) == 2


@pytest.mark.parametrize("allocate", [lambda: torch.empty(10**14), lambda: np.empty(10**15)])
def test_a_picture_too_large_for_memory_does_not_stop_the_others(
    allocate: Callable[[], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "in" / "a.png")
    save(tmp_path / "in" / "large.png", 80, 80)
    colorize = colorizer()
    look = colorize.prepare

    def limited(levels: np.ndarray, boxes: None) -> PreparedPicture:
        if levels.shape[0] > 60:
            allocate()
        return look(levels, boxes)

    monkeypatch.setattr(colorize, "prepare", limited)
    report = colorize_files(colorize, tmp_path / "in", tmp_path / "out")
    assert names(tmp_path / "out") == {"a.png"}
    assert "large.png needs more memory" in report.failed[tmp_path / "in" / "large.png"]


@pytest.mark.parametrize("domain", ["gray", "nir"])
def test_one_picture_to_a_named_file_or_a_folder(tmp_path: Path, domain: str) -> None:
    save(tmp_path / "a.jpg")
    colorize = colorizer(domain)
    colorize_files(colorize, tmp_path / "a.jpg", tmp_path / "named.png")
    colorize_files(colorize, tmp_path / "a.jpg", tmp_path / "folder")
    named, other = Image.open(tmp_path / "named.png"), Image.open(tmp_path / "folder" / "a.png")
    assert np.array_equal(np.asarray(named), np.asarray(other))


def test_formats(tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png")
    colorize_files(colorizer(), tmp_path / "in", tmp_path / "out", FileOptions(format="jpg"))
    colorize_files(colorizer(), tmp_path / "in" / "a.png", tmp_path / "b.webp")
    for path, kind in ((tmp_path / "out" / "a.jpg", "JPEG"), (tmp_path / "b.webp", "WEBP")):
        with Image.open(path) as image:
            assert (image.format, image.size) == (kind, (50, 40))


def test_sixteen_bits_come_back_as_sixteen(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 65536, (40, 50, 3), np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), pixels)
    for domain in ("gray", "nir"):
        colorize_files(colorizer(domain), tmp_path / "a.png", tmp_path / f"{domain}.png")
        made = cv2.imread(str(tmp_path / f"{domain}.png"), cv2.IMREAD_UNCHANGED)
        assert made.dtype == np.uint16
        assert (made % 257 != 0).mean() > 0.9  # not 8 bits stretched


def test_before_and_after(tmp_path: Path) -> None:
    source, out = save(tmp_path / "in" / "a.jpg").parent, tmp_path / "out"
    colorize_files(colorizer(), source, out)
    both = FileOptions(before_after=True)
    assert len(colorize_files(colorizer(), source, out, both).written) == 1
    assert names(out) == {"a.png", "a_before_after.png"}
    shown = np.asarray(Image.open(out / "a_before_after.png")).astype(int)
    assert shown.shape == (40, 108, 3)
    assert np.ptp(shown[:, :50], axis=2).max() <= 1
    assert np.array_equal(shown[:, 58:], np.asarray(Image.open(out / "a.png")))
    assert len(colorize_files(colorizer(), source, out, both).skipped) == 1


def test_results_within_the_source_are_no_pictures(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg")
    for _ in range(2):
        report = colorize_files(colorizer(), tmp_path, tmp_path / "colored")
        assert report.failed == {}
    assert names(tmp_path) == {"a.jpg", "colored/a.png"}


def test_a_picture_is_never_overwritten_by_its_result(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png")
    before = path.read_bytes()
    for source, out in ((path, path), (path, tmp_path), (tmp_path, tmp_path)):
        with pytest.raises(DataError, match=r"a\.png would take the place of its own picture"):
            colorize_files(colorizer(), source, out, FileOptions(overwrite=True))
    assert path.read_bytes() == before


def test_two_pictures_of_one_name_keep_their_suffixes(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg", "b.png"):
        save(tmp_path / "in" / name)
    for count in (3, 0):
        report = colorize_files(colorizer(), tmp_path / "in", tmp_path / "out")
        assert len(report.written) == count
        assert [path.name for path in report.in_full] == ["a.jpg", "a.png"]
    assert names(tmp_path / "out") == {"a.jpg.png", "a.png.png", "b.png"}


def test_a_result_and_a_comparison_of_one_name_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png")
    save(tmp_path / "in" / "a_before_after.png")
    both = FileOptions(before_after=True)
    with pytest.raises(DataError, match=r"would both become .*a_before_after\.png"):
        colorize_files(colorizer(), tmp_path / "in", tmp_path / "out", both)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("spelling", ["relative", "link", "dots"])
def test_results_below_the_source_are_no_pictures_however_spelt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelling: str
) -> None:
    source = tmp_path / "in"
    save(source / "a.jpg")
    (source / "colored").mkdir()
    monkeypatch.chdir(source)
    (tmp_path / "link").symlink_to(source / "colored")
    dots = source / ".." / "in" / "colored"
    out = {"relative": Path("colored"), "link": tmp_path / "link", "dots": dots}
    for _ in range(2):
        colorize_files(colorizer(), source, out[spelling])
        (source / "latest.png").unlink(missing_ok=True)
        (source / "latest.png").symlink_to(source / "colored" / "a.png")
    assert names(source) == {"a.jpg", "colored/a.png", "latest.png"}


def test_what_is_no_picture_is_named(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    linked = tmp_path / "elsewhere"
    for path in (tmp_path / "in" / "a.png", linked / "d.jpg"):
        save(path)
    for name in ("b.tga", "c.gif"):
        Image.open(linked / "d.jpg").save(tmp_path / "in" / name)
    (linked / "d.jpg").rename(linked / "d.jfif")
    (tmp_path / "in" / "linked").symlink_to(linked)
    (tmp_path / "in" / "notes.txt").touch()
    (tmp_path / "in" / "code.ts").write_text("let a = 1")
    out = tmp_path / "out"
    words = ["colorize", str(tmp_path / "in"), "--run", str(weights), "--out", str(out)]
    assert cli.run([*words, "--size", "32"]) == 0
    assert names(out) == {"a.png", "b.png", "c.png", "linked/d.png"}
    line = "note: not done: 2 files skipped, no picture or video: code.ts, notes.txt\n"
    assert line in capsys.readouterr().err


def test_links_in_a_circle_are_followed_once(tmp_path: Path) -> None:
    source = tmp_path / "in"
    save(source / "deep" / "a.png")
    save(tmp_path / "elsewhere" / "b.png")
    (source / "deep" / "up").symlink_to(source)
    (source / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "around").symlink_to(source / "linked")
    (source / "self.png").symlink_to(source / "self.png")
    (source / "one").symlink_to(source / "two")
    (source / "two").symlink_to(source / "one")
    report = colorize_files(colorizer(), source, tmp_path / "out")
    assert names(tmp_path / "out") == {"deep/a.png", "linked/b.png"}
    assert report.failed == {}
    circles = [source / name for name in ("one", "self.png", "two")]
    assert report.unused == dict.fromkeys(circles, "a link that leads nowhere")
    with pytest.raises(DataError, match=r"no picture, video or folder .*self\.png"):
        colorize_files(colorizer(), source / "self.png", tmp_path / "out")


def animation(path: Path, count: int = 4) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    levels = [np.full((24, 32, 3), 40 + 40 * index, np.uint8) for index in range(count)]
    frames = [Image.fromarray(plane) for plane in levels]
    options = {} if path.suffix == ".tif" else {"duration": 70, "loop": 0}
    frames[0].save(path, save_all=True, append_images=frames[1:], **options)
    return path


@pytest.mark.parametrize(
    ("name", "result"),
    [("a.gif", "a.png"), ("a.png", "a.png"), ("a.webp", "a.webp"), ("a.gif", "a.gif"),
     ("a.tif", "a.tif")],
)  # fmt: skip
def test_every_frame_and_page_is_coloured(tmp_path: Path, name: str, result: str) -> None:
    path, out = animation(tmp_path / "in" / name), tmp_path / "out" / result
    target = out if name != "a.tif" else tmp_path / "out"
    report = colorize_files(colorizer(), path, target, FileOptions(strength=0))
    assert report.left_out == {}
    with Image.open(path) as before, Image.open(out) as after:
        assert after.n_frames == 4
        for index in range(4):
            before.seek(index)
            after.seek(index)
            levels = [np.asarray(image.convert("RGB")).astype(int) for image in (before, after)]
            assert np.abs(levels[0] - levels[1]).max() <= 3  # lossy WebP
            assert after.info.get("duration", 70) == 70


def test_the_first_frame_alone_is_said(tmp_path: Path) -> None:
    path = animation(tmp_path / "a.gif")
    report = colorize_files(colorizer(), path, tmp_path / "a.jpg")
    assert report.left_out == {"first of 4 frames": [path]}


def test_levels_of_a_camera_are_said_and_scaled(tmp_path: Path) -> None:
    levels = np.linspace(0, 4095, 40 * 50).reshape(40, 50).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), levels)
    brightest = []
    for white_level in (None, 4095):
        options = FileOptions(strength=0, white_level=white_level, overwrite=True)
        report = colorize_files(colorizer(), tmp_path / "a.png", tmp_path / "out", options)
        assert (len(report.left_out) == 1) == (white_level is None)
        result = cv2.imread(str(tmp_path / "out" / "a.png"), cv2.IMREAD_UNCHANGED)
        brightest.append(int(result.max()))
    assert brightest[0] < 4200
    assert brightest[1] > 65000


def test_nothing_to_colour(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no pictures"):
        colorize_files(colorizer(), tmp_path, tmp_path / "out")
    with pytest.raises(DataError, match="no picture, video or folder"):
        colorize_files(colorizer(), tmp_path / "typo.png", tmp_path / "out")


def test_hints_belong_to_one_picture(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    hints = FileOptions(hints=[HintPoint(x=1, y=1, a=1, b=1)])
    with pytest.raises(UserError, match="name that"):
        colorize_files(colorizer(), tmp_path, tmp_path / "out", hints)


def noted(calls: list) -> Colorizer:
    """A colorizer that notes the boxes it is given with each picture."""

    class Noting(Colorizer):
        def prepare(self, levels: np.ndarray, boxes: object = None) -> PreparedPicture:
            calls.append(boxes)
            return super().prepare(levels)

    made = Noting(UNet.Config(domain="gray", width=4, levels=3).build(), 64)
    made.colors.takes_boxes = True
    return made


def test_boxes_are_found_by_the_path_below_the_folder(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "deep/a.png", "deep/c.png"):
        save(tmp_path / "in" / name)
    box = (1.0, 2.0, 9.0, 9.0)
    boxes = {"a.png": [box], "in/b.png": [], "c.png": [box], "deep/a.png": [box, box]}
    calls: list = []
    report = colorize_files(
        noted(calls), tmp_path / "in", tmp_path / "out", FileOptions(boxes=boxes)
    )
    assert calls == [[box], [], [box, box], None]
    # c.png is another picture's name
    assert report.boxless == [tmp_path / "in" / "deep" / "c.png"]
    for name, expected in (("deep/a.png", [box, box]), ("deep/c.png", [box]), ("a.png", [box])):
        calls.clear()
        out = tmp_path / "alone" / name
        colorize_files(noted(calls), tmp_path / "in" / name, out, FileOptions(boxes=boxes))
        assert calls == [expected]
    plain = colorize_files(noted(calls), tmp_path / "in", tmp_path / "plain")
    assert plain.boxless == []


def test_the_command(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(tmp_path / "in" / "a.jpg", 90, 70)
    (tmp_path / "in" / "broken.png").write_bytes(b"no picture")
    out = tmp_path / "out"
    words = ["colorize", str(tmp_path / "in"), "--run", str(weights), "--out", str(out)]
    assert cli.run([*words, "--strength", "0", "--before-after", "--size", "32"]) == 1
    said = capsys.readouterr()
    assert said.out == f"{out / 'a.png'}\n"
    assert said.err.count("broken.png") == 1
    assert said.err.endswith("1 could not be coloured\n")
    assert names(out) == {"a.png", "a_before_after.png"}
    gray = np.asarray(Image.open(out / "a.png")).astype(int)
    assert gray.shape == (90, 70, 3)
    assert np.ptp(gray, axis=2).max() <= 1

    (tmp_path / "in" / "broken.png").unlink()
    assert cli.run(words) == 0
    assert "1 there already" in capsys.readouterr().out
    assert cli.run([*words, "--size", "4"]) == 1
    assert "size 4: must be 8" in capsys.readouterr().err


def test_names_that_look_like_options_are_names(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("-x.png", "--run"):
        save(Path("a.png")).rename(name)
    write_clip(Path("-x.mp4"), clip_pictures(2), "libx264", "yuv420p")
    for name in ("-x.png", "-x.mp4"):
        assert cli.run(["colorize", name, "--run", str(weights), "--out", "out"]) == 0
    assert names(Path("out")) == {"-x.png", "-x.mp4"}


def test_a_photograph_taken_for_nir_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    (tmp_path / "in").mkdir()
    for suffix in ("jpg", "png"):
        Image.fromarray(rgb[..., :1].repeat(3, axis=2)).save(tmp_path / "in" / f"{suffix}.{suffix}")

    def said(domain: str, out: str) -> str:
        monkeypatch.setattr(Colorizer, "load", lambda *given: colorizer(domain))
        words = ["colorize", str(tmp_path / "in"), "--out", str(tmp_path / out), "--format", "png"]
        assert cli.run([*words, "--run", "some"]) == 0
        return capsys.readouterr().err

    assert said("nir", "a") == "note: coloured by unet, for near-infrared pictures\n"
    photo = tmp_path / "in" / "photo.png"
    Image.fromarray(rgb // 8 + 100).save(photo)  # dull colours
    assert f"taken for NIR, though in colour: {photo};" in said("nir", "b")
    assert said("gray", "c") == "note: coloured by unet, for gray photographs\n"


@pytest.mark.parametrize(
    ("log_odds", "name"), [(9.0, "encoder_unet_nir_epfl"), (0.5, "zhang16_photos")]
)
def test_without_a_run_the_picture_decides(
    log_odds: float,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    save(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "broken.png").write_bytes(b"no picture")
    looked: list[int] = []
    loaded: list[Path] = []

    def load(run: Path, *_: object) -> Colorizer:
        loaded.append(run)
        return colorizer("gray")

    def guess(pictures: list[np.ndarray]) -> input_kind.Guess:
        looked.append(len(pictures))
        return input_kind.Guess(log_odds)

    monkeypatch.setattr(Colorizer, "load", load)
    monkeypatch.setattr(input_kind, "guess_kind", guess)
    assert cli.run(["colorize", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 1
    assert (loaded, looked) == ([Path(name)], [1])
    said = capsys.readouterr().err
    assert ("near-infrared picture" in said) == (log_odds > 1)
    assert ("taken for a photograph" in said) == (log_odds < 1)


def test_hints_of_a_later_frame_are_no_picture_s(tmp_path: Path) -> None:
    picture = save(tmp_path / "a.png")
    options = FileOptions(hints=[HintPoint(x=1, y=1, a=1, b=1, frame=3)])
    report = colorize_files(colorizer("gray"), picture, tmp_path / "out", options)
    assert "a hint is for frame 3, and this is a single picture" in report.failed[picture]


def test_hints_of_a_file(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = save(tmp_path / "a.png")
    hints = tmp_path / "hints.json"
    hints.write_text(json.dumps([{"x": 3, "y": 4, "rgb": [200, 30, 30]}]))
    words = ["colorize", str(picture), "--run", str(weights), "--out", str(tmp_path / "b.png")]
    assert cli.run([*words, "--hints", str(hints)]) == 1
    assert "unet takes no hints" in capsys.readouterr().err
    assert cli.run([*words, "--hints", str(tmp_path / "none.json")]) == 1
    assert "none.json" in capsys.readouterr().err


def test_boxes_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.png", "b.png", "c.png"):
        save(tmp_path / "in" / name)
    boxes = tmp_path / "boxes.json"
    boxes.write_text('{"a.png": [[1, 2, 9, 9, 0.7], [1, 2, 8, 8, 0.69], [3, 4, 20, 20]]}')
    calls: list = []
    monkeypatch.setattr(Colorizer, "load", lambda *given: noted(calls))
    words = ["colorize", str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    assert cli.run([*words, "--boxes", str(boxes)]) == 0
    # without a score first, and none that evaluate would leave out
    assert calls == [((3, 4, 20, 20), (1, 2, 9, 9)), None, None]
    said = capsys.readouterr().out
    wanted = f"{boxes} has no entry for {tmp_path / 'in' / 'b.png'} and 1 more: coloured as a whole"
    assert said.count(wanted) == 1
    assert cli.run([*words, "--boxes", str(tmp_path / "none.json")]) == 1
    assert "cannot read the file of boxes" in capsys.readouterr().err


def test_boxes_for_a_method_that_takes_none_are_refused_once(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.png", "b.png"):
        save(tmp_path / "in" / name)
    boxes = tmp_path / "boxes.json"
    boxes.write_text("{}")
    words = ["colorize", str(tmp_path / "in"), "--run", str(weights), "--boxes", str(boxes)]
    assert cli.run([*words, "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.count("unet takes no boxes") == 1
    assert not (tmp_path / "out").exists()
