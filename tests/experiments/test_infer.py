"""Pictures in, pictures out: sizes, luminance, folders, broken files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from crosschroma.datasets.color import lab_from_uint8
from crosschroma.datasets.errors import DataError, UserError
from crosschroma.experiments.infer import Colorizer, colorize_files
from crosschroma.models.unet import UNet
from PIL import Image


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (5, 5, 3), np.uint8)
    return np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def colorizer(domain: str, size: int | None = 64) -> Colorizer:
    return Colorizer(UNet.Config(domain=domain, width=4, levels=3).build(), size)


@pytest.mark.parametrize("size", [(48, 64), (300, 211), (33, 500)])
@pytest.mark.parametrize("domain", ["gray", "nir"])
def test_any_size_comes_back(domain: str, size: tuple[int, int]) -> None:
    colored = colorizer(domain)(picture(*size))
    assert colored.shape == (*size, 3)
    assert colored.dtype == np.uint8


def test_luminance_is_kept_at_full_resolution() -> None:
    """Fine detail far beyond the network's 64 pixels survives, up to 8-bit rounding."""
    image = picture(400, 300)
    image[::2, ::3] //= 2
    given = lab_from_uint8(image)[..., 0]
    colored = lab_from_uint8(np.ascontiguousarray(colorizer("gray")(image)))[..., 0]
    assert np.abs(colored - given).mean() < 0.3
    assert np.abs(colored - given).max() < 2.0


def test_gray_levels_and_equal_rgb_are_the_same_input() -> None:
    plane = picture(50, 60)[..., 0]
    colorize = colorizer("gray")
    assert np.array_equal(colorize(plane), colorize(np.repeat(plane[..., None], 3, 2)))


def test_wrong_arrays_are_named() -> None:
    with pytest.raises(DataError, match="float32"):
        colorizer("gray")(np.zeros((40, 40), np.float32))


def test_folder_keeps_its_tree_and_survives_a_broken_picture(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    (source / "deep").mkdir(parents=True)
    Image.fromarray(picture(40, 50)).save(source / "a.png")
    Image.fromarray(picture(40, 50)).save(source / "deep" / "b.jpg")
    (source / "broken.jpg").write_bytes((source / "deep" / "b.jpg").read_bytes()[:200])
    report = colorize_files(colorizer("gray"), source, out)
    assert {path.relative_to(out).as_posix() for path in report.written} == {"a.png", "deep/b.png"}
    assert list(report.failed) == [source / "broken.jpg"]
    assert "broken.jpg" in report.failed[source / "broken.jpg"]

    again = colorize_files(colorizer("gray"), source, out)
    assert (len(again.written), len(again.skipped)) == (0, 2)
    assert len(colorize_files(colorizer("gray"), source, out, overwrite=True).written) == 2


def test_one_picture_to_a_named_file_or_a_folder(tmp_path: Path) -> None:
    Image.fromarray(picture(40, 50)).save(tmp_path / "a.jpg")
    colorize = colorizer("nir")
    colorize_files(colorize, tmp_path / "a.jpg", tmp_path / "named.png")
    colorize_files(colorize, tmp_path / "a.jpg", tmp_path / "folder")
    named, other = Image.open(tmp_path / "named.png"), Image.open(tmp_path / "folder" / "a.png")
    assert np.array_equal(np.asarray(named), np.asarray(other))


def test_two_pictures_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg"):
        Image.fromarray(picture(40, 50)).save(tmp_path / name)
    with pytest.raises(DataError, match=r"would both become .*a\.png"):
        colorize_files(colorizer("gray"), tmp_path, tmp_path / "out")


def test_nothing_to_colour(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no pictures"):
        colorize_files(colorizer("gray"), tmp_path, tmp_path / "out")
    with pytest.raises(DataError, match="no picture or folder"):
        colorize_files(colorizer("gray"), tmp_path / "typo.png", tmp_path / "out")


def test_a_method_that_needs_both_planes_is_refused() -> None:
    class Both(UNet):
        domain = "both"

    with pytest.raises(UserError, match="gray and NIR together"):
        Colorizer(Both(UNet.Config(width=4, levels=2)), 64)
