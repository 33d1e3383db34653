"""Files of several pictures: animations, and TIFF of pages."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from ...datasets.base.errors import UserError
from ...datasets.loading.raster import Animation, PictureFile
from .picture_file import Picture, PictureFormat, in_profile, quantised, saving_options, to_pil
from .png_chunks import with_chunks

ANIMATED: tuple[PictureFormat, ...] = ("png", "webp", "gif")
_PILLOW = {"png": "PNG", "webp": "WEBP", "gif": "GIF"}
_ALPHA = 2  # of TIFF's ExtraSamples: colours are not multiplied by it
_INCH = 2


def holds(format: PictureFormat, file: PictureFile) -> bool:
    """Whether a result of this format can hold all pictures of a file of several."""
    if file.animation is not None:
        return format in (*ANIMATED, "tif")
    return format == "tif"


def encode_pages(pages: Iterable[tuple[Picture, np.ndarray]]) -> bytes:
    """A TIFF of a page for each picture and its result (see ``encode``), 8 or 16 bits, packed."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file, bigtiff=False) as writer:
        for picture, rgb in pages:
            levels = np.dtype(np.uint16 if picture.deep else np.uint8)
            pixels = quantised(in_profile(rgb, picture.icc), levels)
            if picture.alpha is not None:
                pixels = np.dstack([pixels, quantised(picture.alpha, levels)])
            options: dict[str, Any] = {}
            if picture.dpi:
                options |= {"resolution": picture.dpi, "resolutionunit": _INCH}
            if picture.xmp:
                xmp = picture.xmp
                options["extratags"] = [(700, 1, len(xmp), xmp, True)]
            writer.write(
                pixels,
                photometric="rgb",
                compression="zlib",
                extrasamples=None if picture.alpha is None else [_ALPHA],
                iccprofile=picture.icc,
                metadata=None,
                **options,
            )
    return file.getvalue()


def encode_frames(
    frames: Iterable[tuple[Picture, np.ndarray]], animation: Animation, format: PictureFormat
) -> bytes:
    """An animation of a frame for each picture and its result, with the times of its source.

    Args:
        frames: at least one; 8 bits are written.
        animation: of the source; its durations are complete once ``frames`` are.
        format: of ``ANIMATED``.
    """
    images: list[Image.Image] = []
    first: Picture | None = None
    for picture, rgb in frames:
        first = first or picture
        image = to_pil(picture if format != "gif" else replace(picture, icc=None), rgb)
        image.info.clear()  # it is written below
        images.append(image)
    assert first is not None
    options = {} if format == "png" else saving_options(first, format)
    if format == "gif":  # shows it once more than it says
        options |= {} if animation.plays == 1 else {"loop": max(0, animation.plays - 1)}
    else:
        options["loop"] = animation.plays
    durations = [round(duration) for duration in animation.durations]
    file = io.BytesIO()
    try:
        images[0].save(
            file,
            format=_PILLOW[format],
            save_all=True,
            append_images=images[1:],
            duration=durations,
            **options,
        )
    except (OSError, ValueError) as error:
        raise UserError(f"cannot be an animated {format} file: {error}; take png") from error
    data = file.getvalue()
    return with_chunks(data, first) if format == "png" else data
