"""A file means what its tags say: TIFF layouts, PNG chunks, profiles, 16-bit PGM, HEIC."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from crosschroma.datasets.base.errors import DataError, UserError
from crosschroma.datasets.loading.decode import (
    noted_plane,
    open_picture,
    parse_white_level,
    read_plane,
    read_rgb,
    read_size,
)
from PIL import Image, ImageCms

GRAY = np.tile(np.linspace(0, 255, 52).round().astype(np.uint8), (16, 1))
RGB = np.dstack([GRAY, GRAY[:, ::-1], GRAY // 2])
DEEP = RGB.astype(np.uint16) * 257


def levels_of(path: Path) -> np.ndarray:
    """At the file's own depth."""
    return next(open_picture(path).rasters()).levels


@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
@pytest.mark.parametrize(
    ("stored", "options", "expected"),
    [
        (65535 - DEEP[..., 0], {"photometric": "miniswhite"}, GRAY),
        (1 - GRAY.astype(np.float32) / 255, {"photometric": "miniswhite"}, GRAY),
        (np.moveaxis(DEEP, 2, 0), {"photometric": "rgb", "planarconfig": "separate"}, RGB),
        (GRAY.astype(np.float16) / 255, {"photometric": "minisblack"}, GRAY),
        (np.dstack([DEEP, DEEP[..., :1]]), {"photometric": "rgb", "extrasamples": [2]}, RGB),
        (np.dstack([255 - RGB, 0 * GRAY]), {"photometric": "separated"}, RGB),
    ],
)
def test_layouts_of_tiff(
    tmp_path: Path, stored: np.ndarray, options: dict, expected: np.ndarray, compression: str | None
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stored, compression=compression, metadata=None, **options)
    result = read_rgb(path)
    expected = expected if expected.ndim == 3 else np.dstack([expected] * 3)
    assert np.abs(result.astype(int) - expected).max() <= (1 if stored.dtype.kind == "f" else 0)
    assert read_size(path) == GRAY.shape


def test_colours_that_were_multiplied_by_alpha_are_divided(tmp_path: Path) -> None:
    alpha = np.full_like(DEEP[..., :1], 32768)
    stored = np.dstack([(DEEP * (32768 / 65535)).round().astype(np.uint16), alpha])
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", extrasamples=[1])
    [raster] = open_picture(tmp_path / "a.tif").rasters()
    assert np.abs(raster.levels.astype(int) - DEEP).max() <= 2
    assert raster.alpha is not None
    assert (raster.alpha == 32768).all()


def test_kinds_of_tiff_that_are_not_covered_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    Image.fromarray(RGB).convert("RGB").save(path)
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        tag = file.pages[0].tags[262]
    data[tag.valueoffset : tag.valueoffset + 2] = struct.pack("<H", 8)
    path.write_bytes(data)
    with pytest.raises(DataError, match="CIELab colours, which is not supported"):
        read_rgb(path)
    tifffile.imwrite(path, GRAY.astype(np.int16))
    with pytest.raises(DataError, match="signed levels of 16 bits"):
        read_rgb(path)


def chunk(name: bytes, content: bytes) -> bytes:
    body = name + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def png(levels: np.ndarray, *chunks: bytes) -> bytes:
    data = cv2.imencode(".png", levels)[1].tobytes()
    return data[:33] + b"".join(chunks) + data[33:]


def test_gamma_of_png_is_applied_unless_srgb_is_said(tmp_path: Path) -> None:
    gamma, path = chunk(b"gAMA", struct.pack(">I", 100_000)), tmp_path / "a.png"
    light = (GRAY / 255.0) * 255
    srgb = np.where(light / 255 > 0.0031308, 1.055 * (light / 255) ** (1 / 2.4) - 0.055, 0)
    for levels in (GRAY, GRAY.astype(np.uint16) * 257):
        path.write_bytes(png(levels, gamma))
        assert np.abs(read_rgb(path)[..., 0] - 255 * srgb).max() < 1
        assert np.array_equal(read_plane(path), GRAY)  # NIR levels are no colours
        path.write_bytes(png(levels, chunk(b"sRGB", b"\0"), gamma))
        assert np.array_equal(read_rgb(path)[..., 0], GRAY)
    path.write_bytes(png(GRAY, chunk(b"gAMA", struct.pack(">I", 45_455))))
    assert np.array_equal(read_rgb(path)[..., 0], GRAY)


def test_a_long_text_costs_no_picture(tmp_path: Path) -> None:
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2**21)))
    (tmp_path / "a.png").write_bytes(png(GRAY, text))
    assert np.array_equal(read_plane(tmp_path / "a.png"), GRAY)
    metadata = open_picture(tmp_path / "a.png").metadata()
    assert (metadata.text, metadata.lost) == ((), ("long text",))


def test_colours_do_not_depend_on_the_decoder(tmp_path: Path) -> None:
    """A gray picture with a profile of RGB, or of gray, as JPEG, PNG and TIFF."""
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    wide = bytearray(lab)
    for name in (b"rTRC", b"gTRC", b"bTRC"):  # gamma 1.8
        row = wide.index(name)
        (start,) = struct.unpack_from(">I", wide, row + 4)
        wide[start : start + 14] = b"curv" + bytes(4) + struct.pack(">IH", 1, round(1.8 * 256))
    results = []
    for suffix in ("jpg", "png", "tif", "webp"):
        path = tmp_path / f"a.{suffix}"
        options = {"quality": 100} if suffix == "jpg" else {}
        options |= {"lossless": True} if suffix == "webp" else {}
        image = Image.fromarray(GRAY if suffix != "webp" else np.dstack([GRAY] * 3))
        image.save(path, icc_profile=bytes(wide), **options)
        results.append(read_rgb(path).astype(int))
    assert np.abs(results[0] - np.dstack([GRAY] * 3)).max() > 10
    for other in results[1:]:
        assert np.abs(results[0] - other).max() <= 2


@pytest.mark.parametrize("top", [4095, 65535])
def test_netpbm_of_16_bits(tmp_path: Path, top: int) -> None:
    levels = np.linspace(0, top, 16 * 20).round().astype(">u2").reshape(16, 20)
    (tmp_path / "a.pgm").write_bytes(b"P5\n# a comment\n20 16\n%d\n" % top + levels.tobytes())
    assert np.array_equal(
        levels_of(tmp_path / "a.pgm"), np.rint(levels * (65535 / top)).astype(np.uint16)
    )
    colored = np.dstack([levels, levels[::-1], levels // 2])
    (tmp_path / "a.ppm").write_bytes(b"P6 20 16 %d " % top + colored.astype(">u2").tobytes())
    assert levels_of(tmp_path / "a.ppm").dtype == np.uint16
    assert levels_of(tmp_path / "a.ppm").shape == (16, 20, 3)
    (tmp_path / "a.ppm").write_bytes((tmp_path / "a.ppm").read_bytes()[:-9])
    with pytest.raises(DataError, match="truncated"):
        levels_of(tmp_path / "a.ppm")


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_levels_of_cameras(tmp_path: Path, bits: int) -> None:
    levels = np.rint(GRAY * ((2**bits - 1) / 255)).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), levels)
    [note] = noted_plane(tmp_path / "a.png").notes
    assert f"where {bits} bits lie in its 16" in note
    white = parse_white_level(bits)
    assert white == 2**bits - 1
    assert noted_plane(tmp_path / "a.png", white).notes == ()
    assert np.array_equal(read_plane(tmp_path / "a.png", white), GRAY)
    with pytest.raises(UserError, match="white level 100"):
        parse_white_level(100)


def test_heic_is_read_or_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heif = pytest.importorskip("pillow_heif")
    file = io.BytesIO()
    heif.from_pillow(Image.fromarray(np.dstack([GRAY] * 3).repeat(4, 0))).save(file, quality=-1)
    (tmp_path / "a.heic").write_bytes(file.getvalue())
    assert np.abs(read_rgb(tmp_path / "a.heic")[..., 0].astype(int) - GRAY[0]).max() <= 3
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(DataError, match="pip install pillow-heif"):
        read_rgb(tmp_path / "a.heic")
