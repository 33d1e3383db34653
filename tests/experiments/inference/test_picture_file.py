"""What a file carries beside its pixels, and colour profiles against LittleCMS."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from crosschroma.datasets.base.errors import DataError
from crosschroma.datasets.loading.icc import read_profile
from crosschroma.experiments.commands.files.colorize_files import colorize_files
from crosschroma.experiments.inference.colorizer import Colorizer
from crosschroma.experiments.inference.picture_file import (
    Picture,
    encode,
    from_pil,
    quantised,
    read_picture,
)
from crosschroma.models.unet import UNet
from PIL import Image, ImageCms, PngImagePlugin

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# XYZ (D50) of a space with primaries beyond sRGB's, as Adobe RGB has
ADOBE = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
SRGB_PARAMETERS = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6">an old title</a></x:xmpmeta>'
TABLE = tuple(round(65535 * (level / 15) ** 1.8) for level in range(16))


def fixed(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(65536 * value) for value in values))


def curve(kind: str) -> bytes:
    if kind == "gamma":
        return b"curv" + bytes(4) + struct.pack(">IH", 1, 563)
    if kind == "table":
        return b"curv" + bytes(4) + struct.pack(f">I{len(TABLE)}H", len(TABLE), *TABLE)
    if kind == "linear":
        return b"curv" + bytes(4) + struct.pack(">I", 0)
    parameters = {
        "para0": (0, 1.8),
        "para1": (1, 2.2, 0.9, 0.1),
        "para2": (2, 2.0, 0.8, 0.1, 0.05),
        "para3": (3, *SRGB_PARAMETERS),
        "para4": (4, *SRGB_PARAMETERS, 0.01, 0.01),
    }
    number, *values = parameters[kind]
    return b"para" + bytes(4) + struct.pack(">HH", number, 0) + fixed(*values)


def profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    body, table = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += struct.pack(">4sII", name, start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(">I4sI4s4s4s12s4s", start + len(body), b"", 0x04200000, b"mntr", space,
                         b"XYZ ", bytes(12), b"acsp")  # fmt: skip
    header += bytes(68 - len(header)) + fixed(0.9642, 1, 0.8249)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def rgb_profile(kind: str = "gamma") -> bytes:
    columns = zip((b"rXYZ", b"gXYZ", b"bXYZ"), ADOBE, strict=True)
    tags = {name: b"XYZ " + bytes(4) + fixed(*xyz) for name, xyz in columns}
    tags |= {name: curve(kind) for name in (b"rTRC", b"gTRC", b"bTRC")}
    return profile(b"RGB ", {b"wtpt": b"XYZ " + bytes(4) + fixed(0.9642, 1, 0.8249), **tags})


def picture(height: int = 40, width: int = 50, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def deep(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 65536, (40, 50, 3), np.uint16)


@pytest.mark.parametrize("kind", ["gamma", "table", "linear", *(f"para{i}" for i in range(5))])
def test_profiles_agree_with_littlecms(kind: str) -> None:
    data = rgb_profile(kind)
    given = ImageCms.ImageCmsProfile(io.BytesIO(data))
    levels = picture()
    theirs = ImageCms.profileToProfile(
        Image.fromarray(levels),
        given,
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )
    read = read_profile(data)
    assert read is not None
    difference = 255 * read.to_srgb(levels) - np.asarray(theirs)
    assert np.abs(difference).max() < (4 if kind == "linear" else 2)
    assert np.abs(difference).mean() < 0.5
    assert not read.is_srgb


def test_there_and_back_is_the_same_within_a_sixteen_bit_level() -> None:
    read = read_profile(rgb_profile())
    assert read is not None
    rgb = np.random.default_rng(0).random((20, 20, 3), np.float32) * 0.8 + 0.1  # inside both
    levels = quantised(read.from_srgb(rgb), np.dtype(np.uint16))
    assert np.abs(read.to_srgb(levels) - rgb).max() < 1e-4


def test_grays_stay_gray() -> None:
    read = read_profile(rgb_profile())
    assert read is not None
    levels = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    assert np.ptp(read.to_srgb(levels), axis=2).max() < 1e-6


def test_srgb_is_recognised_and_gray_profiles_are_applied() -> None:
    read = read_profile(SRGB)
    assert read is not None
    assert read.is_srgb
    gray = read_profile(profile(b"GRAY", {b"kTRC": curve("linear")}))
    assert gray is not None
    half = gray.to_srgb(np.full((9, 9), 0.5, np.float32))
    assert half.shape == (9, 9)
    assert half[0, 0] == pytest.approx(0.7354, abs=1e-3)  # sRGB of half the light


@pytest.mark.parametrize(
    "data",
    [b"", b"x" * 200, rgb_profile()[:300], profile(b"CMYK", {}), profile(b"RGB ", {}),
     profile(b"GRAY", {b"kTRC": b"curv" + bytes(4) + struct.pack(">I", 10**9)}),
     profile(b"GRAY", {b"kTRC": b"para" + bytes(4) + struct.pack(">HH", 9, 0)})],
)  # fmt: skip
def test_what_is_no_such_profile_is_none(data: bytes) -> None:
    assert read_profile(data) is None


def test_a_damaged_profile_leaves_the_pixels(tmp_path: Path) -> None:
    Image.fromarray(picture()).save(tmp_path / "a.png", icc_profile=b"junk" * 60)
    read = read_picture(tmp_path / "a.png")
    assert np.array_equal(read.levels, picture())
    assert read.icc is None


@pytest.mark.parametrize("bits", [8, 16])
def test_a_wide_picture_comes_back_in_its_profile(tmp_path: Path, bits: int) -> None:
    """Through sRGB and back, unchanged where sRGB holds the colour."""
    data = rgb_profile()
    levels = (picture() // 4 + 96) if bits == 8 else (deep() // 4 + 24000)
    path = tmp_path / "a.png"
    path.write_bytes(encode(Picture(levels=levels, deep=bits == 16), levels))
    before = read_picture(path)
    assert np.array_equal(before.levels, levels)
    given = Picture(levels=levels, deep=bits == 16, icc=data)
    read = read_profile(data)
    assert read is not None
    srgb = read.to_srgb(levels)
    path.write_bytes(encode(given, srgb))
    again = read_picture(path)
    assert again.icc == data
    assert np.abs(again.levels - srgb).max() < (0.005 if bits == 8 else 1e-4)
    stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[..., ::-1]
    assert stored.dtype == levels.dtype
    assert np.abs(stored.astype(int) - levels).max() <= 1


@pytest.mark.parametrize("suffix", ["png", "webp", "jpg"])
def test_each_format_keeps_what_it_can(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x010F] = "maker"
    exif[0x0112] = 6
    image = Image.fromarray(picture())
    image.putalpha(Image.fromarray(picture(seed=1)[..., 0]))
    image.save(tmp_path / "a.png", exif=exif, icc_profile=SRGB)
    read = read_picture(tmp_path / "a.png")
    assert read.levels.shape == (50, 40, 3)
    path = tmp_path / f"b.{suffix}"
    path.write_bytes(encode(read, read.levels, suffix))
    with Image.open(path) as made:
        assert made.size == (40, 50)
        assert made.getexif()[0x010F] == "maker"
        assert 0x0112 not in made.getexif()
        assert made.info["icc_profile"] == SRGB
        assert made.mode == ("RGB" if suffix == "jpg" else "RGBA")
    if suffix == "png":
        with Image.open(path) as made:
            assert np.array_equal(np.rot90(np.asarray(image), -1), np.asarray(made))


def test_sixteen_bit_png_keeps_alpha_and_exif(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0110] = "model"
    alpha = picture()[..., 0]
    given = Picture(levels=deep(), deep=True, alpha=alpha, icc=SRGB, exif=exif.tobytes())
    path = tmp_path / "a.png"
    path.write_bytes(encode(given, deep()))
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(pixels[..., 2::-1], deep())
    assert np.array_equal(pixels[..., 3], alpha.astype(np.uint16) * 257)
    read = read_picture(path)
    assert read.deep
    assert np.array_equal(read.levels, deep())
    assert read.alpha is not None
    assert np.array_equal(read.alpha, alpha.astype(np.uint16) * 257)
    assert read.icc == SRGB
    with Image.open(path) as image:
        assert image.getexif()[0x0110] == "model"


def test_nir_levels_are_no_colours(tmp_path: Path) -> None:
    Image.fromarray(picture()).save(tmp_path / "a.png", icc_profile=rgb_profile())
    read = read_picture(tmp_path / "a.png", managed=False)
    assert np.array_equal(read.levels, picture())
    assert read.icc is None
    converted = read_picture(tmp_path / "a.png").levels
    assert converted.dtype == np.float32


def test_float_tiff_is_deep(tmp_path: Path) -> None:
    levels = np.random.default_rng(0).random((20, 30, 3), np.float32)
    cv2.imwrite(str(tmp_path / "a.tiff"), levels[..., ::-1])
    read = read_picture(tmp_path / "a.tiff")
    assert read.deep
    assert np.array_equal(read.levels, levels)


def test_tiff_tags_of_storage_are_left_behind(tmp_path: Path) -> None:
    Image.fromarray(picture()).save(tmp_path / "a.tiff", software="scanner", compression="tiff_lzw")
    read = read_picture(tmp_path / "a.tiff")
    exif = Image.Exif()
    exif.load(read.exif)
    assert exif[305] == "scanner"
    assert not {256, 257, 259, 273, 279} & set(exif)


def test_wide_levels_of_pillow_are_checked() -> None:
    values = np.array([[0, 70000]] * 2, np.int32)
    with pytest.raises(DataError, match=r"\[0, 70000\]"):
        from_pil(Image.fromarray(values))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_quantised_there_and_back(dtype: type) -> None:
    levels = np.arange(np.iinfo(dtype).max + 1).astype(dtype)
    assert np.array_equal(
        quantised(quantised(levels, np.dtype(np.float32)), np.dtype(dtype)), levels
    )


@pytest.mark.parametrize("source", ["a.jpg", "a.png", "a.webp", "a.tif"])
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_resolution_and_xmp_are_kept(tmp_path: Path, source: str, suffix: str) -> None:
    image, options = Image.fromarray(picture()), {"dpi": (300, 150), "xmp": XMP}
    if source == "a.png":  # Pillow writes an XMP packet of a PNG as any text
        text = PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", XMP.decode())
        options = {"dpi": (300, 150), "pnginfo": text}
    elif source == "a.webp":  # which has a resolution in its EXIF alone
        exif = Image.Exif()
        exif[282], exif[283], exif[296] = 300.0, 150.0, 2
        options = {"exif": exif, "xmp": XMP}
    elif source == "a.tif":
        options = {"dpi": (300, 150), "tiffinfo": {700: XMP}}
    image.save(tmp_path / source, **options)
    network = UNet.Config(domain="gray", width=4, levels=2).build()
    target = tmp_path / "out" / f"b.{suffix}"
    report = colorize_files(Colorizer(network, 32), tmp_path / source, target)
    assert report.left_out == {}
    with Image.open(target) as result:
        exif = result.getexif()
        resolution = result.info.get("dpi", (exif.get(282), exif.get(283)))
        xmp = result.info["xmp"] if suffix != "tif" else result.tag_v2[700]
    assert [float(side) for side in resolution] == pytest.approx([300, 150], abs=0.1)
    assert xmp == XMP.replace(b'Orientation="6"', b'Orientation="1"')
