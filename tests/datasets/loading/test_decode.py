"""What may be fed as a picture, and what must be refused."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from crosschroma.datasets.base.errors import DataError
from crosschroma.datasets.loading import decode
from crosschroma.datasets.loading.decode import read_plane, read_rgb, read_size
from PIL import Image


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """A smooth 96 x 120 colour picture with some noise, uint8."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (8, 10, 3)).astype(np.float32)
    smooth = cv2.resize(coarse, (120, 96), interpolation=cv2.INTER_CUBIC)
    return np.clip(smooth + rng.normal(0, 4, smooth.shape), 0, 255).astype(np.uint8)


def _jpeg(image: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", **{"quality": 92, **options})
    return buffer.getvalue()


@pytest.mark.parametrize("suffix", [".png", ".webp", ".bmp", ".tiff", ".ppm"])
def test_lossless_formats_come_back_bit_for_bit(
    tmp_path: Path, photo: np.ndarray, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    Image.fromarray(photo).save(path, **({"lossless": True} if suffix == ".webp" else {}))
    assert np.array_equal(read_rgb(path), photo)
    assert read_size(path) == (96, 120)


@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_is_pillows(tmp_path: Path, photo: np.ndarray, progressive: bool) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(_jpeg(photo, progressive=progressive))
    assert np.abs(read_rgb(path).astype(int) - np.asarray(Image.open(path))).max() <= 4


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_16_bits_become_rounded_257ths(tmp_path: Path, photo: np.ndarray, suffix: str) -> None:
    deep = photo.astype(np.uint16) * 257
    deep[0, 0] = [128, 129, 65535]  # 128 / 257 rounds to 0, 129 / 257 to 1
    path, plane = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    cv2.imwrite(str(path), deep[..., ::-1])
    cv2.imwrite(str(plane), deep[..., 0])
    wanted = photo.copy()
    wanted[0, 0] = [0, 1, 255]
    assert np.array_equal(read_rgb(path), wanted)
    assert np.array_equal(read_plane(plane), wanted[..., 0])


def test_float_tiff_in_0_1(tmp_path: Path, photo: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "rgb.tiff", photo.astype(np.float32) / 255, photometric="rgb")
    tifffile.imwrite(tmp_path / "nir.tiff", photo[..., 1].astype(np.float32) / 255)
    assert np.array_equal(read_rgb(tmp_path / "rgb.tiff"), photo)
    assert read_size(tmp_path / "rgb.tiff") == (96, 120)
    assert np.array_equal(read_plane(tmp_path / "nir.tiff"), photo[..., 1])


def test_palette_and_alpha_keep_the_stored_colours(tmp_path: Path, photo: np.ndarray) -> None:
    few = Image.fromarray(photo).quantize(16)
    few.save(tmp_path / "palette.png", transparency=0)
    assert np.array_equal(read_rgb(tmp_path / "palette.png"), np.asarray(few.convert("RGB")))
    alpha = np.dstack([photo, np.zeros(photo.shape[:2], np.uint8)])
    Image.fromarray(alpha).save(tmp_path / "alpha.png")
    assert np.array_equal(read_rgb(tmp_path / "alpha.png"), photo)


def test_gray_files(tmp_path: Path, photo: np.ndarray) -> None:
    gray = photo[..., 0]
    Image.fromarray(gray).save(tmp_path / "gray.png")
    assert np.array_equal(read_rgb(tmp_path / "gray.png"), np.dstack([gray] * 3))
    assert np.array_equal(read_plane(tmp_path / "gray.png"), gray)
    Image.fromarray(np.dstack([gray] * 3)).save(tmp_path / "three.png")
    assert np.array_equal(read_plane(tmp_path / "three.png"), gray)
    Image.fromarray(photo).save(tmp_path / "colour.png")
    mean = np.rint(photo.mean(axis=2)).astype(np.uint8)
    assert np.array_equal(read_plane(tmp_path / "colour.png"), mean)


def test_cmyk_jpeg(tmp_path: Path, photo: np.ndarray) -> None:
    Image.fromarray(photo).convert("CMYK").save(tmp_path / "cmyk.jpg", quality=95)
    assert np.abs(read_rgb(tmp_path / "cmyk.jpg").astype(int) - photo).mean() < 4


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_exif_orientation_is_applied(tmp_path: Path, photo: np.ndarray, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    path = tmp_path / f"a{suffix}"
    Image.fromarray(photo).save(path, exif=exif)
    image = read_rgb(path)
    assert image.shape == (120, 96, 3)
    assert read_size(path) == (120, 96)
    assert np.abs(image.astype(int) - np.rot90(photo, -1)).mean() < 12


def test_orientation_of_a_deep_tiff(tmp_path: Path, photo: np.ndarray) -> None:
    path = tmp_path / "a.tiff"
    tags = [(274, "H", 1, 6, True)]
    tifffile.imwrite(path, photo.astype(np.uint16) * 257, photometric="rgb", extratags=tags)
    assert np.array_equal(read_rgb(path), np.rot90(photo, -1))
    assert read_size(path) == (120, 96)


def _refused(path: Path, text: str) -> None:
    for read in (read_rgb, read_plane):
        with pytest.raises(DataError, match=text) as caught:
            read(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_missing_empty_and_foreign_files(tmp_path: Path) -> None:
    _refused(tmp_path / "none.png", "is missing")
    (tmp_path / "empty.jpg").touch()
    _refused(tmp_path / "empty.jpg", "0 bytes")
    (tmp_path / "text.png").write_text("this is not a picture at all\n" * 20)
    _refused(tmp_path / "text.png", "cannot decode")
    with pytest.raises(DataError, match=r"text\.png"):
        read_size(tmp_path / "text.png")
    (tmp_path / "folder.png").mkdir()
    _refused(tmp_path / "folder.png", "cannot read")


@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("progressive", [False, True])
def test_truncated_jpeg(
    tmp_path: Path, photo: np.ndarray, fraction: float, progressive: bool
) -> None:
    data = _jpeg(photo, progressive=progressive)
    path = tmp_path / "cut.jpg"
    path.write_bytes(data[: int(len(data) * fraction)])
    _refused(path, "truncated|decode|image")
    path.write_bytes(data[: int(len(data) * fraction)].ljust(len(data), b"\0"))
    _refused(path, "truncated|decode|image")


def test_truncated_jpeg_with_a_whole_thumbnail(tmp_path: Path, photo: np.ndarray) -> None:
    exif = b"Exif\0\0" + _jpeg(photo[:32, :32])  # holds an end marker of its own
    data = _jpeg(photo, exif=exif)
    (tmp_path / "whole.jpg").write_bytes(data)
    assert read_rgb(tmp_path / "whole.jpg").shape == photo.shape
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) * 2 // 3])
    _refused(tmp_path / "cut.jpg", "truncated")


@pytest.mark.parametrize("subsampling", [0, 2])
def test_half_a_jpeg_closed_by_an_end_marker(
    tmp_path: Path, photo: np.ndarray, subsampling: int
) -> None:
    data = _jpeg(photo, subsampling=subsampling)
    path = tmp_path / "half.jpg"
    path.write_bytes(data[: len(data) // 2] + b"\xff\xd9")
    _refused(path, "truncated")


@pytest.mark.parametrize("quality", [30, 95])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_of_middle_gray_is_no_truncated_one(
    tmp_path: Path, quality: int, progressive: bool
) -> None:
    gray = np.full((50, 77, 3), 128, np.uint8)
    (tmp_path / "a.jpg").write_bytes(_jpeg(gray, quality=quality, progressive=progressive))
    assert np.array_equal(read_rgb(tmp_path / "a.jpg"), gray)


def test_bytes_after_the_end_of_a_jpeg_do_no_harm(tmp_path: Path, photo: np.ndarray) -> None:
    (tmp_path / "a.jpg").write_bytes(_jpeg(photo) + b"\0" * 100 + b"maker's notes")
    assert read_rgb(tmp_path / "a.jpg").shape == photo.shape


@pytest.mark.parametrize("name", ["a.png", "deep.png", "a.tiff", "deep.tiff", "a.webp", "a.bmp"])
def test_truncated_others(tmp_path: Path, photo: np.ndarray, name: str) -> None:
    path = tmp_path / name
    if name.startswith("deep"):
        cv2.imwrite(str(path), photo.astype(np.uint16) * 257)
    else:
        Image.fromarray(photo).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    _refused(path, "decode")


def test_levels_that_are_no_picture(tmp_path: Path, photo: np.ndarray) -> None:
    levels = photo[..., 0].astype(np.float32) / 255
    for value in (np.nan, np.inf):
        levels[3, 4] = value
        tifffile.imwrite(tmp_path / "a.tiff", levels)
        _refused(tmp_path / "a.tiff", "NaN or infinite")
    tifffile.imwrite(tmp_path / "b.tiff", photo[..., 0].astype(np.float32))
    _refused(tmp_path / "b.tiff", r"scale them to \[0, 1\]")


def test_sizes_out_of_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for suffix in ("png", "jpg", "tiff"):
        path = tmp_path / f"pixel.{suffix}"
        Image.new("RGB", (1, 1)).save(path)
        _refused(path, "1x1 pixels")
        with pytest.raises(DataError, match="1x1 pixels"):
            read_size(path)
    monkeypatch.setattr(decode, "MAX_PIXELS", 1000)
    for suffix in ("png", "jpg", "tiff"):
        path = tmp_path / f"large.{suffix}"
        Image.new("RGB", (40, 40)).save(path)
        _refused(path, "million pixels")


def test_decompression_bomb_is_refused_unopened(tmp_path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    _refused(tmp_path / "bomb.png", "179 million pixels")


@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_alpha_is_dropped_and_colours_stay(suffix: str, tmp_path: Path) -> None:
    image = np.zeros((16, 20, 4), np.uint8)
    image[...] = (200, 100, 50, 128)
    Image.fromarray(image).save(tmp_path / f"alpha{suffix}")
    assert (read_rgb(tmp_path / f"alpha{suffix}") == (200, 100, 50)).all()
